//! A new chapter between two daemons, through the command line: nothing is erased unless both say so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use betwixt_api::{Collection, SearchRequest};
use betwixt_tests::home::{Home, couple_on_loopback, in_step, shared};
use betwixt_tests::people::until;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn nothing_deleted_but_what_both_erase_and_both_go_on_in_the_same_documents() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    let regretted = first.say(Collection::Goals, &goal.id, "area", json!("A word that was regretted")).await.unwrap();
    first.say(Collection::Goals, &goal.id, "area", json!("outside")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let told = async |home: &Home| {
        let history = home.client().timeline(&goal.id).await.unwrap();
        serde_json::to_string(&history).unwrap().contains("regretted")
    };
    assert!(told(&first).await && told(&second).await);
    let found = async |home: &Home| {
        let request = SearchRequest { words: "regretted".into(), earlier: true, ..SearchRequest::default() };
        home.client().search(&request).await.unwrap().items.len()
    };
    assert_eq!((found(&first).await, found(&second).await), (1, 1));
    let index = |home: &Home| -> BTreeSet<PathBuf> {
        let entries = std::fs::read_dir(home.path().join("search/ours")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    until("an index that holds it", async || index(&first).len() > 4).await;
    let held = index(&first);

    first.json(&["chapter", "propose", "--erase", &regretted.fact]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert!(told(&first).await && told(&second).await, "one alone erases nothing");

    // The other writes on while apart, and then agrees.
    second.client().pause().await.unwrap();
    second.say(Collection::Goals, &goal.id, "from", json!("2027-05-01")).await.unwrap();
    second.json(&["chapter", "agree", "--yes"]).unwrap();
    first.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    second.client().resume().await.unwrap();
    first.client().sync().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    for home in [&first, &second] {
        assert_eq!(home.client().chapters().await.unwrap().made, 1);
        assert!(!told(home).await, "it is gone from both");
        assert_eq!(found(home).await, 0, "and is found by neither");
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        let held = |name: &str| shown.fields[name].held().cloned();
        assert_eq!(held("area"), Some(json!("outside")), "what replaced it still does");
        assert_eq!((held("from"), held("until")), (Some(json!("2027-05-01")), Some(json!("2027-09-01"))));
        let verified = home.client().verify().await.unwrap();
        assert!(verified.damaged.is_empty(), "{verified:?}");
        assert_eq!(home.client().status().await.unwrap().troubles, Vec::<String>::new());
    }
    // The words that were erased leave the disk with the files that held them.
    until("an index without it", async || index(&first).is_disjoint(&held)).await;
}
