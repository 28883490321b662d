//! Requests that are sent again because their answer was lost: what they make is made once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use betwixt_api::{BackupRequest, ClientError, IDEMPOTENCY_KEY, NewFrontend, Permission, ProblemKind};
use betwixt_tests::home::Home;
use betwixt_tests::http::{Request, listen};
use serde_json::{Value, json};

async fn founded() -> Home {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    home
}

fn frontend(name: &str) -> NewFrontend {
    NewFrontend { name: name.into(), permissions: [Permission::Read].into_iter().collect(), origins: Vec::new() }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (ProblemKind, Option<String>) {
    match outcome {
        Err(ClientError::Problem(problem)) => (problem.kind, problem.field),
        other => panic!("no problem: {other:?}"),
    }
}

async fn status(address: SocketAddr, token: &str) -> u16 {
    Request::new(address, "GET /v1/status").token(token).send(address).await.unwrap().status
}

#[tokio::test]
async fn a_frontend_that_is_added_again_with_its_key_is_one_and_has_one_token() {
    let home = founded().await;
    let address = listen(&home).await.unwrap();
    let other = betwixt_api::Client::new(home.client().socket());
    let about_key = (ProblemKind::Invalid, Some(IDEMPOTENCY_KEY.to_owned()));
    // Also when the first one is still on its way.
    let notes = frontend("notes");
    let (first, again) = tokio::join!(home.client().frontend_add("k", &notes), other.frontend_add("k", &notes));
    let first = first.unwrap();
    assert_eq!(first, again.unwrap());
    assert_eq!(home.client().frontend_add("k", &notes).await.unwrap(), first);
    assert_eq!(home.client().frontends().await.unwrap().len(), 1);
    assert_eq!(refused(home.client().frontend_add("k", &frontend("other")).await), about_key);
    let taken = refused(home.client().frontend_add("another", &notes).await);
    assert_eq!(taken, (ProblemKind::Invalid, Some("name".into())));
    // Whoever uses it has heard it: it is told no more.
    assert_eq!(status(address, first.token.reveal()).await, 200);
    assert_eq!(refused(home.client().frontend_add("k", &notes).await), about_key);
    // One that was revoked does not come back by a request that was late.
    let lost = home.client().frontend_add("l", &frontend("lost")).await.unwrap();
    home.client().frontend_revoke("lost").await.unwrap();
    assert_eq!(refused(home.client().frontend_add("l", &frontend("lost")).await), about_key);
    assert_eq!(status(address, lost.token.reveal()).await, 401);
    assert_eq!(home.client().frontends().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_that_was_claimed_is_told_again_until_it_is_used() {
    let home = founded().await;
    let address = listen(&home).await.unwrap();
    let ask = |path: &str, body: Value| {
        let request = Request::new(address, &format!("POST /v1/frontends/requests{path}")).json(&body);
        async move { request.send(address).await.unwrap() }
    };
    let asked = ask("", json!({ "name": "phone", "permissions": ["read"] })).await.json().unwrap();
    home.json(&["frontend", "approve", asked["code"].as_str().unwrap(), "--yes"]).unwrap();
    let claim = || ask("/token", json!({ "secret": asked["secret"] }));
    let (first, again) = tokio::join!(claim(), claim());
    assert_eq!(first.json().unwrap(), again.json().unwrap());
    let first = first.json().unwrap();
    assert_eq!((&first["state"], &claim().await.json().unwrap()), (&json!("approved"), &first));
    assert_eq!(home.client().frontends().await.unwrap().len(), 1);
    assert_eq!(status(address, first["token"].as_str().unwrap()).await, 200);
    assert_eq!(claim().await.status, 404, "it was heard");
}

#[tokio::test]
async fn a_backup_that_is_asked_for_again_with_its_key_is_one() {
    let home = founded().await;
    let (client, request) = (home.client(), BackupRequest::default());
    let first = client.backup("k", &request).await.unwrap();
    assert_eq!(client.backup("k", &request).await.unwrap(), first);
    let made = |backups: Vec<betwixt_api::Backup>| backups.into_iter().filter(|one| one.snapshot.is_none()).count();
    assert_eq!(made(client.backups().await.unwrap()), 1);
    let elsewhere = BackupRequest { path: Some("/nowhere/backup".into()) };
    let other = refused(client.backup("k", &elsewhere).await);
    assert_eq!(other, (ProblemKind::Invalid, Some(IDEMPOTENCY_KEY.into())));
    // One that failed may be asked for again.
    for _ in 0..2 {
        refused(client.backup("fails", &elsewhere).await);
    }
    // At the same time: one is written, and the other is told so or waits for it.
    let second = betwixt_api::Client::new(client.socket());
    let (one, two) = tokio::join!(client.backup("l", &request), second.backup("l", &request));
    let kinds: Vec<_> =
        [one, two].into_iter().filter_map(Result::err).map(|error| refused::<()>(Err(error)).0).collect();
    assert!(kinds.iter().all(|kind| *kind == ProblemKind::Busy) && kinds.len() < 2, "{kinds:?}");
    assert_eq!(made(client.backups().await.unwrap()), 2);
}
