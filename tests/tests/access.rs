//! Frontends over loopback TCP against a real daemon: who is let in, how they come in, and that they are let in no more.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use betwixt_api::Permission::{Export, Private, Read, Write};
use betwixt_api::{ClientError, Collection, Listen, Permission};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use betwixt_tests::http::{Request, Response, let_in, listen};
use serde_json::{Value, json};

async fn founded() -> (Home, SocketAddr) {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let address = listen(&home).await.unwrap();
    (home, address)
}

async fn get(address: SocketAddr, token: &str, path: &str) -> Response {
    Request::new(address, &format!("GET {path}")).token(token).send(address).await.unwrap()
}

async fn post(address: SocketAddr, token: &str, path: &str, body: &Value) -> Response {
    Request::new(address, &format!("POST {path}")).token(token).json(body).send(address).await.unwrap()
}

#[tokio::test]
async fn a_frontend_may_do_what_it_was_let_in_for_until_it_is_revoked_and_after_a_restart() {
    let (mut home, address) = founded().await;
    let token = let_in(&home, "notes", &[Read, Write, Private], &[]).await.unwrap();
    let made = post(address, &token, "/v1/goals", &json!({ "fields": { "title": "A garden" } })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let goals = get(address, &token, "/v1/goals").await;
    assert!(goals.text.contains("A garden"));
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        assert_eq!(goals.header(name), Some(value));
    }
    assert_eq!(goals.header("set-cookie"), None);
    // What it was not let in for, and what is the owner's alone.
    let reader = let_in(&home, "reader", &[Read], &[]).await.unwrap();
    let refused = post(address, &reader, "/v1/goals", &json!({ "fields": { "title": "x" } })).await;
    assert_eq!((refused.status, refused.problem().as_deref()), (403, Some("not-permitted")));
    assert_eq!(get(address, &reader, "/v1/status").await.status, 200);
    for path in ["/v1/down", "/v1/frontends", "/v1/login", "/v1/restore"] {
        assert_eq!(post(address, &token, path, &json!({})).await.status, 403, "{path}");
    }
    let listed = home.client().frontends().await.unwrap();
    let used: Vec<_> = listed.iter().map(|frontend| (frontend.name.as_str(), frontend.last_used.is_some())).collect();
    assert_eq!(used, [("notes", true), ("reader", true)]);
    // It is all remembered, and only hashes of tokens are.
    home.down().await.unwrap();
    for secret in [&token, &reader] {
        assert_eq!(home.files_with(secret.as_bytes()).unwrap(), Vec::<std::path::PathBuf>::new());
    }
    home.up_and_unlock().await.unwrap();
    let address: SocketAddr = home.client().status().await.unwrap().http.expect("listens again").parse().unwrap();
    assert_eq!(get(address, &token, "/v1/goals").await.status, 200);
    assert_eq!(home.client().frontends().await.unwrap(), listed);
    home.client().frontend_revoke("notes").await.unwrap();
    let revoked = get(address, &token, "/v1/goals").await;
    assert_eq!((revoked.status, revoked.problem().as_deref()), (401, Some("no-token")));
    assert_eq!(revoked.header("www-authenticate"), Some("Bearer"));
    assert_eq!(get(address, &reader, "/v1/status").await.status, 200);
    home.client().listen(&Listen { address: None }).await.unwrap();
    tokio::net::TcpStream::connect(address).await.expect_err("nobody listens");
}

#[tokio::test]
async fn what_a_frontend_has_open_ends_when_it_is_revoked() {
    let (home, address) = founded().await;
    let token = let_in(&home, "dashboard", &[Read], &[]).await.unwrap();
    let other = let_in(&home, "other", &[Read], &[]).await.unwrap();
    let events = |token: &str| Request::new(address, "GET /v1/events").token(token);
    let mut stream = events(&token).open(address).await.unwrap();
    let mut stays = events(&other).open(address).await.unwrap();
    stream.until(": betwixt").await.unwrap();
    stays.until(": betwixt").await.unwrap();
    home.client().frontend_revoke("dashboard").await.unwrap();
    stream.ended(Duration::from_secs(2)).await.expect("ends at once");
    stays.ended(Duration::from_millis(300)).await.expect_err("goes on");
}

/// Without how much of the disk is free, which changes with whatever else this machine does.
fn steady(mut answer: Value) -> Value {
    if let Some(findings) = answer.get_mut("items").and_then(Value::as_array_mut) {
        findings.retain(|finding| finding["about"] != "disk");
    }
    answer
}

#[tokio::test]
async fn private_stays_home_a_frontend_without_the_permission_finds_nothing_private_by_any_route() {
    let (home, other) = couple_on_loopback().await.unwrap();
    let address = listen(&home).await.unwrap();
    let reader = let_in(&home, "reader", &[Read, Write], &[]).await.unwrap();
    home.create(Collection::Goals, "k1", "title", "A garden".into()).await.unwrap();
    in_step(&home, &other, Duration::from_secs(20)).await.unwrap();
    let mut since = get(address, &reader, "/v1/since").await.json().unwrap();
    while since["waiting"] != json!([]) {
        // What the other has is written down a little later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        since = get(address, &reader, "/v1/since").await.json().unwrap();
    }
    let paths = [
        "/v1/status",
        "/v1/goals",
        "/v1/journal",
        "/v1/reflections",
        "/v1/vision",
        "/v1/vision/history",
        "/v1/differences",
        "/v1/settle",
        "/v1/seals",
        "/v1/calendar",
        "/v1/since",
        "/v1/undo",
        "/v1/history/vision",
        "/v1/doctor",
        "/v1/chapter",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(steady(get(address, &reader, path).await.json().unwrap()));
    }
    let entry = home.create(Collection::Journal, "k2", "text", "tired".into()).await.unwrap();
    for (path, before) in paths.into_iter().zip(before) {
        assert_eq!(steady(get(address, &reader, path).await.json().unwrap()), before, "{path}");
    }
    let by_id = get(address, &reader, &format!("/v1/journal/{}", entry.id)).await;
    assert_eq!(by_id.status, 404);
    assert_eq!(get(address, &reader, "/v1/journal?scope=mine").await.status, 403);
    let written = post(address, &reader, "/v1/journal", &json!({ "fields": { "text": "x" } })).await;
    assert_eq!((written.status, written.problem().as_deref()), (403, Some("not-permitted")));
    assert_eq!(get(address, &reader, "/v1/export").await.status, 403);
    let exporter = let_in(&home, "exporter", &[Read, Export], &[]).await.unwrap();
    let export = get(address, &exporter, "/v1/export").await;
    assert!(export.text.contains("A garden") && !export.text.contains("tired"), "{}", export.text);
    let exporter = let_in(&home, "exporter-of-all", &[Read, Export, Private], &[]).await.unwrap();
    assert!(get(address, &exporter, "/v1/export").await.text.contains("tired"));
    let all = let_in(&home, "all", &[Read, Private], &[]).await.unwrap();
    assert!(get(address, &all, "/v1/journal").await.text.contains("tired"));
}

#[tokio::test]
async fn a_frontend_that_asks_is_let_in_by_its_code_and_gets_its_token_once() {
    let (home, address) = founded().await;
    let ask = |path: &str, body: Value| {
        let request = Request::new(address, &format!("POST /v1/frontends/requests{path}")).json(&body);
        async move { request.send(address).await.unwrap() }
    };
    let asked = ask("", json!({ "name": "phone", "permissions": ["read", "write"] })).await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    let asked = asked.json().unwrap();
    let claim = || ask("/token", json!({ "secret": asked["secret"] }));
    assert_eq!(claim().await.json().unwrap(), json!({ "state": "waiting" }));
    let wrong = home.run(&["frontend", "approve", "000-000", "--yes"]).unwrap();
    assert_eq!(wrong.status.code(), Some(4));
    let approved = home.json(&["frontend", "approve", asked["code"].as_str().unwrap(), "--scope", "read", "--yes"]);
    assert_eq!(approved.unwrap()["permissions"], json!(["read"]));
    let claimed = claim().await.json().unwrap();
    assert_eq!((&claimed["state"], &claimed["frontend"]["name"]), (&json!("approved"), &json!("phone")));
    let token = claimed["token"].as_str().unwrap();
    assert_eq!(get(address, token, "/v1/status").await.status, 200);
    assert_eq!(post(address, token, "/v1/goals", &json!({ "fields": { "title": "x" } })).await.status, 403);
    assert_eq!(claim().await.status, 404, "the token is told once");
    // Few wait at once.
    let mut last = 201;
    for number in 0..10 {
        last = ask("", json!({ "name": format!("n{number}"), "permissions": ["read"] })).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(get(address, token, "/v1/status").await.status, 200, "those who are let in do not notice");
}

#[tokio::test]
async fn a_page_logs_in_by_a_file_that_only_its_owner_can_read_once() {
    let (home, _) = founded().await;
    let login = home.json(&["open", "--print"]).unwrap();
    let file = std::path::PathBuf::from(login["file"].as_str().unwrap());
    assert_eq!(file.parent(), Some(home.path()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let html = std::fs::read_to_string(&file).unwrap();
    let page = login["page"].as_str().unwrap();
    let code = html.split(&format!("url={page}#")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let address: SocketAddr = page.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    // What the browser loads: nothing of the home, and nothing but its own script.
    let shown = Request::new(address, "GET /").header("Sec-Fetch-Site", "cross-site").send(address).await.unwrap();
    assert_eq!(shown.status, 200);
    assert!(shown.header("content-security-policy").unwrap().contains("script-src 'self'"));
    assert_eq!(Request::new(address, "GET /page.js").send(address).await.unwrap().status, 200);
    let own = format!("http://{address}");
    let exchange = |origin: String| {
        let body = json!({ "code": code });
        let request = Request::new(address, "POST /v1/login/token").header("Origin", &origin).json(&body);
        async move { request.send(address).await.unwrap() }
    };
    assert_eq!(exchange("http://localhost:5173".into()).await.problem().as_deref(), Some("foreign-origin"));
    let token = exchange(own.clone()).await.json().unwrap()["token"].as_str().unwrap().to_owned();
    assert!(!file.exists(), "the file is gone with its code");
    assert_eq!(exchange(own.clone()).await.status, 404, "a code is good once");
    let status = |origin: &str| Request::new(address, "GET /v1/status").token(&token).header("Origin", origin);
    assert_eq!(status(&own).send(address).await.unwrap().status, 200);
    assert_eq!(status("http://evil.example").send(address).await.unwrap().status, 403);
    let listed = home.client().frontends().await.unwrap();
    assert!(listed[0].page && listed[0].permissions.has(Permission::Private));
    home.client().frontend_revoke(&listed[0].name).await.unwrap();
    assert_eq!(status(&own).send(address).await.unwrap().status, 401);
}

#[tokio::test]
async fn only_loopback_is_listened_to_and_a_taken_port_is_told() {
    let (home, _) = founded().await;
    for address in ["0.0.0.0:4714", "192.168.1.20:4714", "localhost:4714"] {
        let refused = home.client().listen(&Listen { address: Some(address.into()) }).await;
        assert!(matches!(refused, Err(ClientError::Problem(problem)) if problem.field.as_deref() == Some("address")));
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = home.client().listen(&Listen { address: Some(address) }).await;
    assert!(matches!(refused, Err(ClientError::Problem(problem)) if problem.field.as_deref() == Some("address")));
}
