//! Private pages lock by themselves when nobody uses them, and what is shared goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_api::{ClientError, Collection, LockAfter, NewItem, NoticeKind, Scope, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

async fn locks_by_itself(home: &Home) {
    let begun = Instant::now();
    // Asking how it is does not keep it open.
    while !home.client().status().await.unwrap().private_locked {
        assert!(begun.elapsed() < PATIENCE, "it stays open");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn private_stays_home_pages_lock_by_themselves_while_what_is_shared_goes_on_merging() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let status = first.client().status().await.unwrap();
    assert_eq!(status.private_locks_after, Some(900), "without anybody having chosen");
    let entry =
        NewItem { scope: Some(Scope::Mine), fields: [("text".to_owned(), json!("I keep this to myself"))].into() };
    let entry = first.client().create(Collection::Journal, "entry", &entry).await.unwrap();
    let mut events = first.client().events(None, false).await.unwrap();
    let chosen = first.client().lock_after(LockAfter { seconds: Some(3) }).await.unwrap();
    assert_eq!((chosen.private_locks_after, chosen.private_locked), (Some(3), false));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        let reading = Instant::now();
        first.client().item(Collection::Journal, &entry.id).await.unwrap();
        // On a machine that stalls for longer than that nothing can be said.
        assert!(reading.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    locks_by_itself(&first).await;
    while events.next().await.unwrap().expect("events go on").kind != NoticeKind::Locked {}
    match first.client().item(Collection::Journal, &entry.id).await {
        Err(ClientError::Problem(problem)) => assert!(problem.detail.contains("locked"), "{problem:?}"),
        other => panic!("{other:?}"),
    }
    second.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let unlock = UnlockRequest { passphrase: PASSPHRASE.to_owned().into() };
    first.client().unlock(&unlock).await.unwrap();
    first.client().item(Collection::Journal, &entry.id).await.unwrap();
    locks_by_itself(&first).await;
}

#[tokio::test]
async fn when_private_pages_lock_is_chosen_and_kept() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let status = home.json(&["lock", "--after", "5"]).unwrap();
    assert_eq!((&status["private_locks_after"], &status["private_locked"]), (&json!(300), &json!(false)));
    home.down().await.unwrap();
    home.up_and_unlock().await.unwrap();
    assert_eq!(home.client().status().await.unwrap().private_locks_after, Some(300));
    assert_eq!(home.json(&["lock", "--never"]).unwrap()["private_locks_after"], json!(null));
    home.down().await.unwrap();
    home.up_and_unlock().await.unwrap();
    assert_eq!(home.client().status().await.unwrap().private_locks_after, None);
    for seconds in [0, 86_401] {
        match home.client().lock_after(LockAfter { seconds: Some(seconds) }).await {
            Err(ClientError::Problem(problem)) => assert_eq!(problem.field.as_deref(), Some("seconds")),
            other => panic!("{other:?}"),
        }
    }
    assert!(!home.run(&["lock", "--after", "0"]).unwrap().status.success());
    assert!(home.json(&["lock"]).unwrap()["private_locked"].as_bool().unwrap());
}
