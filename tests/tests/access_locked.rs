//! Frontends and a home that is locked: in part, and wholly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use betwixt_api::Permission::{Private, Read, Write};
use betwixt_api::{Secret, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE};
use betwixt_tests::http::{Request, Response, let_in, listen};
use serde_json::json;

/// A daemon that does not outlive a test that fails.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn ask(address: SocketAddr, token: &str, line: &str) -> (u16, Option<String>) {
    told(&Request::new(address, line).token(token).send(address).await.unwrap())
}

async fn unlock(address: SocketAddr, token: &str, passphrase: &str) -> (u16, Option<String>) {
    let request = Request::new(address, "POST /v1/unlock").token(token);
    told(&request.json(&json!({ "passphrase": passphrase })).send(address).await.unwrap())
}

fn told(response: &Response) -> (u16, Option<String>) {
    (response.status, response.problem())
}

fn problem(status: u16, kind: &str) -> (u16, Option<String>) {
    (status, Some(kind.to_owned()))
}

#[tokio::test]
async fn a_frontend_unlocks_what_is_private_if_it_may_and_a_wholly_locked_home_knows_no_token() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let address = listen(&home).await.unwrap();
    let notes = let_in(&home, "notes", &[Read, Write, Private], &[]).await.unwrap();
    let reader = let_in(&home, "reader", &[Read], &[]).await.unwrap();
    assert_eq!(ask(address, &reader, "POST /v1/lock").await, problem(403, "not-permitted"));
    assert_eq!(ask(address, &notes, "POST /v1/lock").await, (200, None));
    assert_eq!(ask(address, &notes, "GET /v1/journal").await, problem(423, "locked"));
    assert_eq!(ask(address, &notes, "GET /v1/status").await, (200, None));
    assert_eq!(unlock(address, &reader, PASSPHRASE).await, problem(403, "not-permitted"));
    assert_eq!(unlock(address, &notes, "a lantern in the door").await, problem(403, "wrong-passphrase"));

    // Many at once do not take the memory of many.
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let notes = notes.clone();
        tries.spawn(async move { unlock(address, &notes, "a lantern in the door").await });
    }
    let tries = tries.join_all().await;
    assert!(tries.contains(&problem(403, "wrong-passphrase")) && tries.contains(&problem(503, "busy")), "{tries:?}");
    assert!(tries.iter().all(|(status, _)| [403, 503].contains(status)), "{tries:?}");
    assert_eq!(unlock(address, &notes, PASSPHRASE).await, (200, None));
    assert_eq!(ask(address, &notes, "GET /v1/journal").await, (200, None));

    // After a restart the port is where it was said for this run; nobody can be known.
    home.down().await.unwrap();
    let mut daemon = home.command(&["up", "--no-discovery", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut daemon = Killed(daemon.spawn().unwrap());
    let status = loop {
        match home.client().status().await {
            Ok(status) => break status,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let address: SocketAddr = status.http.unwrap().parse().unwrap();
    for line in ["GET /v1/status", "GET /v1/journal", "GET /v1/events", "POST /v1/lock"] {
        assert_eq!(ask(address, &notes, line).await, problem(423, "locked"), "{line}");
    }
    assert_eq!(unlock(address, &notes, PASSPHRASE).await, problem(423, "locked"));
    assert_eq!(ask(address, "betwixt_wrong", "GET /v1/status").await, problem(423, "locked"));
    let opened = home.run(&["open", "--print"]).unwrap();
    assert_eq!(opened.status.code(), Some(3), "nobody is there to be asked: {opened:?}");
    assert!(String::from_utf8_lossy(&opened.stderr).contains("betwixt unlock"), "{opened:?}");
    home.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    assert_eq!(ask(address, &notes, "GET /v1/journal").await, (200, None), "known again, on the same port");
    home.client().down().await.unwrap();
    daemon.0.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn opening_the_page_of_a_locked_home_asks_for_the_passphrase_first() {
    use betwixt_tests::terminal::Terminal;
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    home.down().await.unwrap();
    home.up().await.unwrap();
    let mut terminal = Terminal::start(&home.command(&["open", "--print"])).unwrap();
    terminal.wait_for("Passphrase:").unwrap();
    terminal.type_secret(PASSPHRASE).unwrap();
    let (status, shown) = terminal.end().unwrap();
    assert!(status.success() && shown.contains("open.html"), "{shown}");
    assert!(home.path().join("open.html").exists());
}
