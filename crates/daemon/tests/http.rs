//! The server and the client, joined by a real socket, against a loop that answers from a script.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use betwixt_api as api;
use betwixt_api::{Client, ClientError, Collection, ProblemKind};
use betwixt_daemon::http::{self, Answer, BindError, Call, EventStream, Request, Response, Socket, Target, Told};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc, oneshot};

struct Daemon {
    directory: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Daemon {
    /// Serves with a loop that answers each request by this function.
    fn answering(mut answer: impl FnMut(Request) -> Answer + Send + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::answering_in(directory, move |call| {
            let _ = call.answer.send(answer(call.request));
        })
    }

    fn answering_in(directory: tempfile::TempDir, mut take: impl FnMut(Call) + Send + 'static) -> Self {
        let socket = Socket::bind(directory.path().join("home").join(api::SOCKET_NAME)).expect("binds");
        let (calls, mut waiting) = mpsc::channel(http::MAX_WAITING_CALLS);
        tokio::spawn(async move {
            while let Some(call) = waiting.recv().await {
                take(call);
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(http::serve(socket, calls, async {
            let _ = stopped.await;
        }));
        Self { directory, stop, task }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("home").join(api::SOCKET_NAME)
    }

    fn client(&self) -> Client {
        Client::new(self.socket())
    }

    async fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn kind(error: ClientError) -> ProblemKind {
    match error {
        ClientError::Problem(problem) => problem.kind,
        other => panic!("not a problem but {other:?}"),
    }
}

fn vision() -> api::Item {
    api::Item {
        id: "aaaa".into(),
        collection: Collection::Vision,
        scope: api::Scope::Mine,
        by: None,
        own: false,
        on: None,
        fields: Default::default(),
        parts: Default::default(),
        tally: None,
        review: None,
        newer: false,
    }
}

#[tokio::test]
async fn every_path_asks_for_what_it_says() {
    let daemon = Daemon::answering(|request| match request {
        Request::Item(Target::Vision(Some(api::Scope::Mine))) => Ok(Response::Item(Box::new(vision()))),
        Request::Item(Target::Item(Collection::Goals, id)) if id == "abc2" => Ok(Response::Item(Box::new(vision()))),
        Request::Say { target: Target::Item(Collection::Values, id), field, say }
            if id == "abc" && field == "title" && say.seen == Some(api::Seen("x,y".into())) =>
        {
            Err(api::Problem::new(ProblemKind::UnknownSeen, "look again").about("title"))
        }
        Request::Create { collection: Collection::Thanks, key: Some(key), item }
            if key == "k1" && item.fields["what"] == "tea" =>
        {
            Ok(Response::Item(Box::new(vision())))
        }
        Request::AddressAdd(address) if address == ([127, 0, 0, 1], 4711).into() => Ok(Response::Addresses(vec![])),
        Request::Bring(bring) if bring == api::Bring::whole(["a".into(), "b".into()]) => {
            Ok(Response::BringReport(api::BringReport { brought: vec![], already: vec![] }))
        }
        Request::Down => Ok(Response::Done),
        other => panic!("not expected: {other:?}"),
    });
    let client = daemon.client();
    assert_eq!(client.vision(Some(api::Scope::Mine)).await.expect("answers"), vision());
    client.item(Collection::Goals, "abc2").await.expect("answers");
    let say = api::Say { value: "new".into(), seen: Some(api::Seen("x,y".into())) };
    let refused = client.say(Collection::Values, "abc", "title", &say).await.expect_err("refused");
    assert_eq!(kind(refused), ProblemKind::UnknownSeen);
    let thanks = api::NewItem { scope: None, fields: [("what".to_owned(), "tea".into())].into() };
    client.create(Collection::Thanks, "k1", &thanks).await.expect("answers");
    client.address_add(&api::AddressRequest { address: "127.0.0.1:4711".into() }).await.expect("answers");
    client.bring(&api::Bring::whole(["a".into(), "b".into()])).await.expect("answers");
    client.down().await.expect("answers");
}

#[tokio::test]
async fn what_does_not_fit_is_a_problem_and_never_reaches_the_loop() {
    let daemon = Daemon::answering(|request| panic!("reached the loop: {request:?}"));
    let client = daemon.client();
    let name = api::AddressRequest { address: "example.org:80".into() };
    assert_eq!(kind(client.address_add(&name).await.expect_err("a name")), ProblemKind::Invalid);
    assert_eq!(kind(client.item(Collection::Goals, "ABC").await.expect_err("no id")), ProblemKind::NotFound);
    assert_eq!(kind(client.item(Collection::Goals, "../x").await.expect_err("no id")), ProblemKind::NotFound);
    let refused = client.item(Collection::Vision, "abc").await.expect_err("there is one vision");
    assert_eq!(kind(refused), ProblemKind::MethodNotAllowed);
    let long = "k".repeat(api::MAX_IDEMPOTENCY_KEY + 1);
    let refused = client.create(Collection::Goals, &long, &api::NewItem::default()).await.expect_err("a long key");
    assert_eq!(kind(refused), ProblemKind::Invalid);
    let large = api::NewItem { scope: None, fields: [("x".to_owned(), "y".repeat(api::MAX_REQUEST).into())].into() };
    let refused = client.create(Collection::Goals, "k", &large).await.expect_err("too large");
    assert_eq!(kind(refused), ProblemKind::TooLarge);
    // Another client than ours: refused by what it announces, before it is read.
    let announced = format!("content-type: application/json\r\ncontent-length: {}", api::MAX_REQUEST + 1);
    let answer = daemon.raw(&format!("POST /v1/goals HTTP/1.1\r\nhost: localhost\r\n{announced}\r\n\r\n{{")).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("urn:betwixt:problem:too-large"), "{answer}");

    let post = |media: &str, body: &str| {
        format!(
            "POST /v1/unlock HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = daemon.raw(&post("text/plain", "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("urn:betwixt:problem:not-json"), "{answer}");
    let answer = daemon.raw(&post("application/json", "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("\"field\":\"passphrase\""), "{answer}");
    // What was sent is not quoted: it may be a passphrase in the wrong place.
    let answer = daemon.raw(&post("application/json", r#"{"passphrase": {"hunter2": 1}}"#)).await;
    assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains("hunter2"), "{answer}");
    let answer = daemon.raw("GET /v2/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("application/problem+json"), "{answer}");
    let answer = daemon.raw("DELETE /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("method-not-allowed"), "{answer}");
    let answer = daemon.raw("\u{0}\u{1}garbage\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_loop_that_is_gone_is_a_problem_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let daemon = Daemon::answering_in(directory, drop);
    assert_eq!(kind(daemon.client().status().await.expect_err("dropped")), ProblemKind::GoingDown);
}

#[tokio::test]
async fn the_socket_is_private_and_a_living_one_is_left_alone() {
    let daemon = Daemon::answering(|_| Ok(Response::Devices(vec![])));
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&daemon.socket()), 0o600);
    assert_eq!(mode(daemon.socket().parent().expect("a directory")), 0o700);
    assert!(matches!(Socket::bind(daemon.socket()), Err(BindError::Running { .. })));
    daemon.client().devices().await.expect("still answers");
}

#[tokio::test]
async fn the_socket_of_a_dead_daemon_is_replaced_and_a_file_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(api::SOCKET_NAME);
    // The listener is closed and its file stays, as after kill -9.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    drop(Socket::bind(&path).expect("replaces"));
    assert!(!path.exists(), "a socket goes with its daemon");
    // A daemon that has begun and does not listen yet is not in the way of itself, but of the next one.
    let lock = std::fs::File::create(directory.path().join(format!("{}{}", api::SOCKET_NAME, api::LOCK_SUFFIX)))
        .expect("makes");
    lock.lock().expect("locks");
    assert!(matches!(Socket::bind(&path), Err(BindError::Running { .. })));
    drop(lock);
    std::fs::write(&path, "precious").expect("writes");
    assert!(matches!(Socket::bind(&path), Err(BindError::InTheWay { .. })));
    assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    let long = directory.path().join("x".repeat(120));
    assert!(matches!(Socket::bind(long.join("s")), Err(BindError::TooLong { .. })));
}

#[tokio::test]
async fn a_client_finds_the_daemon_that_came_after() {
    let daemon = Daemon::answering(|_| Ok(Response::Devices(vec![])));
    let client = daemon.client();
    client.devices().await.expect("the first answers");
    let Daemon { directory, stop, task } = daemon;
    stop.send(()).expect("serving");
    task.await.expect("ends");
    assert!(matches!(client.devices().await, Err(ClientError::NotRunning { .. })));
    let _second = Daemon::answering_in(directory, |call| {
        let _ = call.answer.send(Ok(Response::Devices(vec![])));
    });
    client.devices().await.expect("the second answers");
}

#[tokio::test]
async fn what_was_asked_before_going_down_is_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let (held, mut holding) = mpsc::unbounded_channel();
    let daemon = Daemon::answering_in(directory, move |call| {
        let _ = held.send(call);
    });
    let client = daemon.client();
    let asked = tokio::spawn(async move { client.devices().await });
    let call = holding.recv().await.expect("asked");
    daemon.stop.send(()).expect("serving");
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.answer.send(Ok(Response::Devices(vec![]))).expect("the caller waits");
    asked.await.expect("ran").expect("answered");
    tokio::time::timeout(Duration::from_secs(5), daemon.task).await.expect("ends").expect("ran");
}

#[tokio::test]
async fn notices_arrive_in_order_and_the_end_is_seen() {
    let daemon = Daemon::answering(|request| match request {
        Request::Events { after: Some(after), snapshot: false } if after == "a-6" => {
            let (sender, coming) = broadcast::channel(http::MAX_WAITING_NOTICES);
            let told = |number| {
                let notice = api::Notice { item: Some("abc".into()), ..api::Notice::new(api::NoticeKind::Item) };
                Told::new(format!("a-{number}"), number, notice)
            };
            let events = EventStream::new("a-6".into(), vec![told(7)], coming);
            sender.send(told(8)).expect("somebody reads");
            Ok(Response::Events(events))
        }
        other => panic!("not expected: {other:?}"),
    });
    let mut events = daemon.client().events(Some("a-6"), false).await.expect("answers");
    assert_eq!(events.next().await.expect("reads").map(|notice| notice.id).as_deref(), Some("a-7"));
    assert_eq!(events.next().await.expect("reads").map(|notice| notice.id).as_deref(), Some("a-8"));
    assert_eq!(events.next().await.expect("reads"), None);
}
