//! What a daemon logs, at its most talkative, while it is used in every way: no text, no name, no token, no id.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_api::Permission::{Private, Read, Write};
use betwixt_api::{ChangePassphrase, Collection, NewKeyFile, Proof, Secret, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE};
use betwixt_tests::http::{Request, let_in, listen};
use serde_json::json;

#[tokio::test]
async fn private_stays_home_no_text_name_or_token_is_logged() {
    let mut home = Home::on_loopback().unwrap();
    home.set_environment("BETWIXT_LOG", "trace");
    home.found("Quentin").await.unwrap();
    let address = listen(&home).await.unwrap();
    let token = let_in(&home, "marmalade", &[Read, Write, Private], &["http://localhost:5173"]).await.unwrap();
    let request = |line: &str| Request::new(address, line).token(&token);
    let made = request("POST /v1/journal").json(&json!({ "fields": { "text": "xylophone" } }));
    let made = made.send(address).await.unwrap();
    let id = made.json().unwrap()["id"].as_str().unwrap().to_owned();
    let wrong = "betwixt_wrongwrongwrong";
    let requests = [
        request(&format!("GET /v1/journal/{id}")),
        request("GET /v1/goals/xylophone?scope=zither"),
        request("POST /v1/journal").body("text/plain", "xylophone"),
        request("POST /v1/journal").body("application/json", "{\"xylophone\": "),
        request("PUT /v1/vision/draft").json(&json!({ "value": 7, "seen": "xylophone" })),
        request("GET /v1/goals").header("Origin", "http://zither.example"),
        request("GET /v1/goals").host("zither.example"),
        Request::new(address, "GET /v1/goals").token(wrong),
        Request::new(address, "POST /v1/frontends/requests")
            .json(&json!({ "name": "bassoon", "permissions": ["read"] })),
        Request::new(address, "POST /v1/login/token").json(&json!({ "code": wrong })),
    ];
    // The page's code and token, a key, and the passphrase.
    let login = home.json(&["open", "--print"]).unwrap();
    let file = std::fs::read_to_string(login["file"].as_str().unwrap()).unwrap();
    let code = file.split('#').nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page =
        Request::new(address, "POST /v1/login/token").json(&json!({ "code": code })).send(address).await.unwrap();
    let page = page.json().unwrap()["token"].as_str().unwrap().to_owned();
    let created = Request::new(address, "POST /v1/goals").token(&page).header("Idempotency-Key", "accordion");
    created.json(&json!({ "fields": { "title": "xylophone" } })).send(address).await.unwrap();
    for request in requests {
        request.send(address).await.unwrap();
    }
    let stream = request("GET /v1/events").open(address).await.unwrap();
    home.create(Collection::Goals, "oboe", "title", "xylophone".into()).await.unwrap();
    home.client().frontend_revoke("marmalade").await.unwrap();
    drop(stream);
    let proof = Proof { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    let recovery = home.client().new_recovery_code(&proof).await.unwrap();
    home.client().test_recovery_code(&recovery).await.unwrap();
    let stick = tempfile::tempdir().unwrap();
    let path = stick.path().join("harpsichord").display().to_string();
    let new = NewKeyFile { passphrase: proof.passphrase.clone(), path: path.clone(), shared_only: false };
    home.client().add_key_file(&new).await.unwrap();
    let key = std::fs::read_to_string(&path).unwrap();
    let change = ChangePassphrase {
        present: proof.passphrase.clone(),
        new: Secret::from("glockenspiel glockenspiel".to_owned()),
        leaked: true,
    };
    let renewed = home.client().change_passphrase(&change).await.unwrap().recovery_code.unwrap();
    let mut export = home.client().export().await.unwrap();
    while export.next().await.unwrap().is_some() {}
    home.client().lock().await.unwrap();
    let passphrase = Secret::from("clavichord clavichord".to_owned());
    home.client().unlock(&UnlockRequest { passphrase }).await.expect_err("is not the passphrase");
    home.down().await.unwrap();
    let printed = home.printed();
    assert!(printed.lines().count() > 10, "it is talkative: {printed}");
    for word in [
        "Quentin",
        "marmalade",
        "xylophone",
        "zither",
        "bassoon",
        "oboe",
        "clavichord",
        "accordion",
        PASSPHRASE,
        "glockenspiel",
        "harpsichord",
        recovery.recovery_code.reveal(),
        renewed.reveal(),
        key.trim(),
        &token,
        &code,
        &page,
        wrong,
        &id,
        "localhost:5173",
    ] {
        assert!(!printed.contains(word), "{word}: {printed}");
    }
}
