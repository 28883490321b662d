//! Healing, with real daemons: what another program does to a partner's document changes nothing that anybody sees, is told,
//! and is put back for both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use automerge::transaction::Transactable as _;
use automerge::{ROOT, ReadDoc as _};
use betwixt_api::Collection;
use betwixt_tests::home::{Home, couple_on_loopback, in_step, shared};
use betwixt_tests::patched::Patched;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nothing_deleted_what_another_program_removes_and_alters_is_told_and_put_back_for_both() {
    let (first, mut second) = couple_on_loopback().await.unwrap();
    for (home, key) in [(&first, "goal-1"), (&second, "goal-2"), (&first, "goal-3"), (&second, "goal-4")] {
        home.create(Collection::Goals, key, "title", json!(key)).await.unwrap();
    }
    in_step(&first, &second, PATIENCE).await.unwrap();
    let before = shared(&first).await.unwrap();
    second.down().await.unwrap();
    let mut other_program = Patched::take_over(&second, &first).unwrap();
    let id = other_program.latest().unwrap();
    let tampering = other_program.tamper(id, |transaction| {
        let (_, goals) = transaction.get(ROOT, "goals").unwrap().unwrap();
        let facts: Vec<String> = transaction.keys(&goals).collect();
        transaction.delete(&goals, facts[0].as_str()).unwrap();
        transaction.put(&goals, facts[1].as_str(), "{}").unwrap();
        let (_, signatures) = transaction.get(ROOT, "signatures").unwrap().unwrap();
        transaction.delete(&signatures, facts[2].as_str()).unwrap();
        transaction.put(&goals, "no fact", "that anybody said").unwrap();
    });
    tampering.unwrap();
    other_program.leave().await.unwrap();

    second.up_and_unlock().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        assert_eq!(shared(home).await.unwrap(), before, "nothing that is shown has changed");
    }
    let told = first.client().status().await.unwrap().troubles;
    assert!(told.iter().any(|trouble| trouble.contains("removed or altered 3 entries")), "{told:?}");
    assert_eq!((altered(&first).await, altered(&second).await), (1, 1), "both documents have it");

    // The next thing that is said puts it back, on both.
    first.create(Collection::Goals, "goal-5", "title", json!("goal-5")).await.unwrap();
    let begun = Instant::now();
    while altered(&first).await + altered(&second).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "it is not put back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    in_step(&first, &second, PATIENCE).await.unwrap();
    let told = first.client().status().await.unwrap().troubles;
    assert!(!told.iter().any(|trouble| trouble.contains("removed or altered")), "{told:?}");
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
}

/// How many documents stand otherwise than they were said, by what `verify` says.
async fn altered(home: &Home) -> usize {
    let report = home.client().verify().await.unwrap();
    report.damaged.iter().filter(|damage| damage.what.contains("removed or altered")).count()
}
