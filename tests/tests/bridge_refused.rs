//! What the bridge does not take: strangers, foreign pages, rubbish and hostile messages. The daemon goes on after each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ROOT};
use betwixt_api::{Collection, Permission, Scope};
use betwixt_tests::bridge::{Socket, bridge, documents};
use betwixt_tests::home::Home;
use betwixt_tests::hostile_sync::{with_changes, with_filter};
use betwixt_tests::http::{Request, listen};
use betwixt_tests::socket::ask;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

const WRITE: &[Permission] = &[Permission::Read, Permission::Write, Permission::Private];

async fn home() -> Home {
    let mut home = Home::on_loopback().unwrap();
    home.set_environment("RUST_LOG", "trace");
    home.found("Robin").await.unwrap();
    home
}

/// A text of CBOR, of up to 64 KiB.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x79][..], &length, text.as_bytes()].concat()
}

/// A map of CBOR, of texts and then bytes.
fn cbor(texts: &[(&str, &str)], data: Option<&[u8]>) -> Vec<u8> {
    let count = u8::try_from(texts.len() + usize::from(data.is_some())).unwrap();
    let mut bytes = vec![0xa0 | count];
    for (name, value) in texts {
        bytes.extend(text(name));
        bytes.extend(text(value));
    }
    if let Some(data) = data {
        bytes.extend(text("data"));
        bytes.push(0x5a);
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn join() -> Message {
    Message::Binary(cbor(&[("type", "join"), ("senderId", "hostile")], None).into())
}

fn sync(document: &str, data: &[u8]) -> Message {
    Message::Binary(cbor(&[("type", "sync"), ("senderId", "hostile"), ("documentId", document)], Some(data)).into())
}

#[tokio::test]
async fn only_who_has_the_url_and_comes_from_where_it_may_is_let_in() {
    let home = home().await;
    let unbound = home.client().frontend_bridge("nobody").await.unwrap_err();
    assert!(unbound.to_string().contains("listen"), "{unbound}");
    let address = listen(&home).await.unwrap();
    home.client().frontend_bridge("nobody").await.unwrap_err();
    let page = "http://localhost:5173";
    let url = bridge(&home, "notes", WRITE, &[page]).await.unwrap();
    assert!(url.starts_with(&format!("ws://{address}/bridge/")), "{url}");
    for (origin, expected) in
        [(None, None), (Some(page), None), (Some("http://evil.example"), Some(403)), (Some("null"), Some(403))]
    {
        let connected = Socket::connect(&url, origin).await.unwrap();
        assert_eq!(connected.err(), expected, "{origin:?}");
    }
    let own_page = format!("http://{address}");
    assert_eq!(Socket::connect(&url, Some(&own_page)).await.unwrap().err(), Some(403), "another frontend's page");
    let path = url.split_once("/bridge/").unwrap().1;
    let plain = Request::new(address, &format!("GET /bridge/{path}")).send(address).await.unwrap();
    assert_eq!((plain.status, plain.problem().as_deref()), (400, Some("not-understood")));
    let rebound = Request::new(address, &format!("GET /bridge/{path}")).host("evil.example").send(address).await;
    assert_eq!(rebound.unwrap().status, 421);
    // A token is no bridge, and a bridge is no token.
    let as_token = Request::new(address, "GET /v1/status").token(path).send(address).await.unwrap();
    assert_eq!(as_token.status, 401);

    // Made anew, the earlier one is no longer good, and what was open ends.
    let mut open = Socket::connect(&url, None).await.unwrap().unwrap();
    open.send(join()).await;
    open.next().await.unwrap();
    let printed = home.json(&["frontend", "bridge", "notes"]).unwrap();
    let again = printed["url"].as_str().unwrap().to_owned();
    assert_eq!(open.closed().await.unwrap(), 1008);
    assert_eq!(Socket::connect(&url, None).await.unwrap().err(), Some(401));
    let mut open = Socket::connect(&again, None).await.unwrap().unwrap();
    open.send(join()).await;
    open.next().await.unwrap();
    assert_eq!(home.json(&["frontend", "list"]).unwrap()[0]["bridge"], true);
    let output = home.run(&["frontend", "bridge", "notes", "--end"]).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(open.closed().await.unwrap(), 1008);
    assert_eq!(Socket::connect(&again, None).await.unwrap().err(), Some(401));
    let last = home.client().frontend_bridge("notes").await.unwrap().url.reveal().to_owned();
    let mut open = Socket::connect(&last, None).await.unwrap().unwrap();
    open.send(join()).await;
    open.next().await.unwrap();
    home.client().frontend_revoke("notes").await.unwrap();
    assert_eq!(open.closed().await.unwrap(), 1008);

    // Whoever guesses is soon made to wait.
    let guess = format!("ws://{address}/bridge/betwixt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.extend(Socket::connect(&guess, None).await.unwrap().err());
    }
    assert!(answers.contains(&401) && answers.contains(&429), "{answers:?}");
    assert!(home.client().status().await.is_ok());
    for secret in [&url, &again, &last] {
        let secret = secret.rsplit('/').next().unwrap();
        assert!(!home.printed().contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn hostile_input_is_an_error_on_the_bridge_and_the_daemon_goes_on() {
    let home = home().await;
    listen(&home).await.unwrap();
    let url = bridge(&home, "notes", WRITE, &[]).await.unwrap();
    let document = documents(&home).await.unwrap().pop().unwrap();
    assert_eq!(document.scope, Scope::Mine);
    let binary = |bytes: &[u8]| Message::Binary(bytes.to_vec().into());
    let deep = [&[0xa1, 0x61, b'x'][..], &[0x81; 100_000], &[0]].concat();
    let flood: Vec<Vec<u8>> = vec![vec![0; 10]; 5_000];
    let cases: Vec<(&str, Vec<Message>, u16)> = vec![
        ("a text", vec![Message::Text("hello".into())], 1003),
        ("no CBOR", vec![binary(b"hello, these are no bytes of CBOR")], 1007),
        ("CBOR cut short", vec![binary(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])], 1007),
        ("CBOR too deep", vec![binary(&deep)], 1007),
        ("an empty frame", vec![binary(&[])], 1007),
        ("no message", vec![binary(&[0xa0])], 1008),
        ("a frame too long", vec![binary(&vec![0; 5 * 1024 * 1024])], 1009),
        ("a frame far too long", vec![binary(&vec![0; 9 * 1024 * 1024])], 1009),
        ("nobody joined", vec![sync(&document.id, &[0x42, 0, 0, 0, 0])], 1008),
        ("joined twice", vec![join(), join()], 1008),
        ("a filter of no bits", vec![join(), sync(&document.id, &with_filter(&[1, 0, 7]))], 1008),
        (
            "a filter without end",
            vec![join(), sync(&document.id, &with_filter(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]))],
            1008,
        ),
        ("an endless list", vec![join(), sync(&document.id, &[0x42, 0xff, 0xff, 0xff, 0xff, 0x0f])], 1008),
        ("too many changes", vec![join(), sync(&document.id, &with_changes(flood))], 1008),
        ("no change", vec![join(), sync(&document.id, &with_changes(vec![vec![7; 100]]))], 1008),
        ("another genesis", vec![join(), sync(&document.id, &with_changes(vec![beginning()]))], 1008),
        ("empty data", vec![join(), sync(&document.id, &[])], 1008),
    ];
    for (number, (what, messages, code)) in cases.into_iter().enumerate() {
        let mut socket = Socket::connect(&url, None).await.unwrap().unwrap();
        for message in messages {
            socket.send(message).await;
        }
        assert_eq!(socket.closed().await.unwrap(), code, "{what}");
        home.create(Collection::Goals, &format!("goal-{number}"), "title", json!(what)).await.unwrap();
    }
    // A document that is not there is no fault.
    let mut socket = Socket::connect(&url, None).await.unwrap().unwrap();
    for message in [join(), sync("4NMNnkMhL8jXrdJ9jamS58PAVdXu", &[0x42, 0, 0, 0, 0])] {
        socket.send(message).await;
    }
    socket.next().await.unwrap();
    let told = String::from_utf8_lossy(&socket.next().await.unwrap()).into_owned();
    assert!(told.contains("doc-unavailable"), "{told}");
    let answer = ask(home.client().socket(), "GET", "/v1/goals", &[], None).await.unwrap();
    assert_eq!(answer.json().unwrap()["items"].as_array().unwrap().len(), 17);
    assert!(home.client().verify().await.unwrap().damaged.is_empty());
    assert!(!home.printed().contains("a panic"), "nothing panicked");
}

/// A change that builds on nothing.
fn beginning() -> Vec<u8> {
    let mut document = AutoCommit::new().with_actor(ActorId::from([9; 16]));
    document.put(ROOT, "goals", "none").unwrap();
    document.commit();
    let change: Change = document.get_last_local_change().unwrap();
    change.raw_bytes().to_vec()
}
