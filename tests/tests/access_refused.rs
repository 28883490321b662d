//! What strangers and foreign pages send to the port of a real daemon: each is refused for what it is, and the daemon goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use betwixt_api::Permission::{Read, Write};
use betwixt_api::{Collection, MAX_REQUEST};
use betwixt_tests::home::Home;
use betwixt_tests::http::{Request, Response, exchange, let_in, listen};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

struct Port {
    home: Home,
    address: SocketAddr,
    /// Of a frontend whose pages come from [`PAGES`].
    token: String,
}

const PAGES: &str = "http://localhost:5173";

impl Port {
    async fn open() -> Self {
        let mut home = Home::on_loopback().unwrap();
        home.found("Robin").await.unwrap();
        let address = listen(&home).await.unwrap();
        let token = let_in(&home, "page", &[Read, Write], &[PAGES]).await.unwrap();
        Self { home, address, token }
    }

    fn request(&self, line: &str) -> Request {
        Request::new(self.address, line).token(&self.token)
    }

    async fn send(&self, request: Request) -> Response {
        request.send(self.address).await.unwrap()
    }

    /// That the daemon goes on, for those who are let in.
    async fn goes_on(&self) {
        assert_eq!(self.send(self.request("GET /v1/status")).await.status, 200);
        self.home.client().status().await.unwrap();
    }
}

fn refused(response: &Response) -> (u16, Option<String>) {
    (response.status, response.problem())
}

#[tokio::test]
async fn a_foreign_host_is_refused_whatever_else_is_right() {
    let port = Port::open().await;
    let number = port.address.port();
    for own in ["127.0.0.1", "localhost", "[::1]"] {
        assert_eq!(port.send(port.request("GET /v1/status").host(&format!("{own}:{number}"))).await.status, 200);
    }
    // The last is what a page sends whose name was made to mean this machine (DNS rebinding), as from its own origin.
    let foreign = [
        format!("127.0.0.1.evil.example:{number}"),
        format!("localhost.evil.example:{number}"),
        format!("127.0.0.1:{}", number.wrapping_add(1)),
        "127.0.0.1".to_owned(),
        format!("127.1:{number}"),
        format!("0.0.0.0:{number}"),
        format!("evil.example:{number}"),
    ];
    for host in &foreign {
        let request = port.request("GET /v1/status").host(host);
        assert_eq!(refused(&port.send(request).await), (421, Some("foreign-host".into())), "{host}");
        let page = port.request("GET /v1/goals").host(host).header("Origin", &format!("http://{host}"));
        let page = port.send(page.header("Sec-Fetch-Site", "same-origin")).await;
        assert_eq!(page.status, 421, "{host}");
        assert_eq!(page.header("access-control-allow-origin"), None);
    }
    let two = port.request("GET /v1/status").header("Host", "evil.example");
    assert!(matches!(port.send(two).await.status, 400 | 421));
    let none = exchange(port.address, b"GET /v1/status HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(none.status, 421);
    let absolute = format!("GET http://evil.example:{number}/v1/status");
    assert_eq!(port.send(port.request(&absolute)).await.status, 421);
    port.goes_on().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_and_get_no_answer_to_a_preflight() {
    let port = Port::open().await;
    let own = port.send(port.request("GET /v1/goals").header("Origin", PAGES)).await;
    assert_eq!((own.status, own.header("access-control-allow-origin")), (409, Some(PAGES)), "{}", own.text);
    let foreign = [
        "http://localhost:5174",
        "https://localhost:5173",
        "http://localhost:5173.evil.example",
        "null",
        "http://evil.example",
    ];
    for origin in foreign {
        let with_token = port.send(port.request("GET /v1/goals").header("Origin", origin)).await;
        assert_eq!(refused(&with_token), (403, Some("foreign-origin".into())), "{origin}");
        assert_eq!(with_token.header("access-control-allow-origin"), None);
        let stream = port.send(port.request("GET /v1/events").header("Origin", origin)).await;
        assert_eq!(stream.status, 403, "{origin}");
    }
    // The daemon's own origin is no place for another frontend's token.
    let own_page = port.request("GET /v1/goals").header("Origin", &format!("http://{}", port.address));
    assert_eq!(port.send(own_page).await.status, 403);
    let preflight = |origin: &str| {
        Request::new(port.address, "OPTIONS /v1/goals")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization,content-type")
    };
    let answered = port.send(preflight(PAGES)).await;
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (204, Some(PAGES)));
    assert!(answered.header("access-control-allow-headers").unwrap().contains("authorization"));
    for origin in foreign {
        let refused = port.send(preflight(origin)).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None), "{origin}");
    }
    // What a page sends without an origin: an image, a form, a link.
    for (name, value) in
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Referer", "http://evil.example/")]
    {
        assert_eq!(port.send(port.request("GET /v1/goals").header(name, value)).await.status, 403, "{name}: {value}");
    }
    port.goes_on().await;
}

#[tokio::test]
async fn without_a_token_that_is_known_there_is_nothing_and_guessing_is_slowed() {
    let port = Port::open().await;
    let bare = |line: &str| Request::new(port.address, line);
    assert_eq!(refused(&port.send(bare("GET /v1/status")).await), (401, Some("no-token".into())));
    let cookie = bare("GET /v1/status").header("Cookie", &format!("token={}", port.token));
    assert_eq!(port.send(cookie).await.status, 401, "a cookie is no token");
    let in_url = bare(&format!("GET /v1/status?token={0}&access_token={0}", port.token));
    assert_eq!(port.send(in_url).await.status, 401, "nor is a part of the URL");
    let basic = bare("GET /v1/status").header("Authorization", &format!("Basic {}", port.token));
    assert_eq!(port.send(basic).await.status, 401);
    let mut statuses = Vec::new();
    for guess in 0..60 {
        statuses.push(port.send(bare("GET /v1/status").token(&format!("betwixt_{guess}"))).await.status);
    }
    assert_eq!(statuses[0], 401);
    let slowed = port.send(bare("GET /v1/status").token("betwixt_again")).await;
    assert_eq!(refused(&slowed), (429, Some("too-many".into())));
    assert!(slowed.header("retry-after").is_some());
    // Nor can codes and secrets be tried out, which need no token.
    let mut statuses = Vec::new();
    for (path, name) in [("login/token", "code"), ("frontends/requests/token", "secret")].into_iter().cycle().take(60) {
        let guess = bare(&format!("POST /v1/{path}")).json(&serde_json::json!({ name: "betwixt_guess" }));
        statuses.push(port.send(guess).await.status);
    }
    assert!(statuses[0] == 404 && statuses.contains(&429), "{statuses:?}");
    port.goes_on().await;
}

#[tokio::test]
async fn form_posts_and_bodies_that_are_too_long_or_no_json_are_refused() {
    let port = Port::open().await;
    for media in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        let body = r#"{"fields":{"title":"x"}}"#;
        let form = port.request("POST /v1/goals").body(media, body);
        assert_eq!(refused(&port.send(form).await), (415, Some("not-json".into())), "{media}");
        let login = Request::new(port.address, "POST /v1/login/token").body(media, r#"{"code":"x"}"#);
        assert_eq!(port.send(login).await.status, 415, "{media}");
    }
    let announced = port.request("POST /v1/goals").header("Content-Type", "application/json");
    let announced = announced.header("Content-Length", &(MAX_REQUEST + 1).to_string());
    assert_eq!(refused(&port.send(announced).await), (413, Some("too-large".into())));
    let chunked = port.request("POST /v1/goals").header("Content-Type", "application/json");
    let mut bytes = chunked.header("Transfer-Encoding", "chunked").header("Connection", "close").bytes();
    let chunk = vec![b' '; MAX_REQUEST / 4];
    for _ in 0..5 {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
    }
    assert_eq!(exchange(port.address, &bytes).await.unwrap().status, 413);
    let long_header = port.request("GET /v1/status").header("X-Long", &"x".repeat(64 * 1024));
    assert_eq!(port.send(long_header).await.status, 431);
    let many = (0..100).fold(port.request("GET /v1/status"), |request, _| request.header("X-Many", "x"));
    assert_eq!(port.send(many).await.status, 431);
    for rubbish in
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        // Refused, or closed without a word.
        if let Ok(answer) = exchange(port.address, rubbish).await {
            assert!(matches!(answer.status, 400 | 505), "{}", answer.text);
        }
    }
    port.goes_on().await;
}

#[tokio::test]
async fn a_body_that_comes_slowly_is_given_up() {
    let port = Port::open().await;
    let request = port.request("POST /v1/goals").header("Content-Type", "application/json");
    let request = request.header("Content-Length", "1000").header("Connection", "close").bytes();
    let begun = Instant::now();
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer);
    // Closing with bytes unread resets the connection; the answer came before.
    let _ = tokio::time::timeout(Duration::from_secs(40), read).await.expect("it is given up");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("urn:betwixt:problem:too-slow"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    dripping.abort();
    port.goes_on().await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    const IDLE: usize = 10_000;
    let port = Port::open().await;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(IDLE as u64 + 1_000);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    let most = usize::try_from(wanted).unwrap().saturating_sub(200).min(IDLE);
    // Where the system allows this process fewer at once, the oldest are let go of: the daemon has seen as many.
    let mut idle = std::collections::VecDeque::new();
    for number in 0..IDLE {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        if number % 2 == 0 {
            // Half of them begin a request that they never end.
            let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: ").await;
        }
        idle.push_back(stream);
        if idle.len() > most {
            idle.pop_front();
        }
        if number % 2_500 == 0 {
            port.goes_on().await;
        }
    }
    let begun = Instant::now();
    port.goes_on().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let said = port.home.create(Collection::Goals, "k", "title", "A garden".into()).await.unwrap();
    assert_eq!(port.home.client().item(Collection::Goals, &said.id).await.unwrap().id, said.id);
    let open = std::fs::read_dir(format!("/proc/{}/fd", port.home.process().unwrap())).map_or(0, Iterator::count);
    assert!(open < 1_000, "{open} files are open");
}
