//! Settling through the command line, between two daemons: nobody can end it for both, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::{Collection, SettleThread};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

/// A goal's last day that both set while apart.
async fn differing() -> (Home, Home, String) {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        home.client().pause().await.unwrap();
    }
    first.say(Collection::Goals, &goal.id, "until", json!("2027-06-01")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    for home in [&first, &second] {
        home.client().resume().await.unwrap();
    }
    first.client().sync().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    (first, second, goal.id)
}

async fn thread(home: &Home) -> SettleThread {
    let mut threads = home.client().to_settle().await.unwrap().threads;
    assert_eq!(threads.len(), 1);
    threads.remove(0)
}

#[tokio::test]
async fn seeing_it_differently_takes_both_and_saying_back_is_heard_by_its_author() {
    let (first, second, goal) = differing().await;
    // What one reads in the other's version, and the other's yes.
    first.json(&["settle", "say-back", &goal, "until", "You want the whole summer"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let back = thread(&second).await.said_back.remove(0);
    assert_eq!((back.own, back.heard, back.text.as_deref()), (false, false, Some("You want the whole summer")));
    assert!(!first.run(&["settle", "heard", &back.id]).unwrap().status.success(), "not for oneself");
    second.json(&["settle", "heard", &back.id]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert!(thread(&first).await.said_back[0].heard);

    first.json(&["settle", "differ", &goal, "until", "--again", "2099-03-01"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        assert!(thread(home).await.waits, "one alone cannot end it for both");
    }
    // Left to the date that the other said.
    second.json(&["settle", "differ", &goal, "until"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let thread = thread(home).await;
        assert!(!thread.waits && thread.fields["until"].differently[0].agreed);
        assert_eq!(thread.fields["until"].field.versions().len(), 2, "both versions stay");
        assert_eq!(home.json(&["settle", "list"]).unwrap()["threads"], json!([]), "it rests");
        let all = home.json(&["settle", "list", "--all", "--limit", "1"]).unwrap();
        assert_eq!((all["threads"][0]["item"]["id"].as_str(), &all["more"]), (Some(goal.as_str()), &json!(false)));
        assert_eq!(home.client().status().await.unwrap().differences, 0);
    }

    // Taking the other's version ends it, whenever somebody wants to.
    first.json(&["settle", "take", &goal, "until"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &goal).await.unwrap();
        assert_eq!(shown.fields["until"].held(), Some(&json!("2027-09-01")));
        assert_eq!(home.client().to_settle().await.unwrap().threads, []);
    }
}

#[tokio::test]
async fn parking_is_for_oneself_and_an_unknown_token_is_refused() {
    let (first, second, goal) = differing().await;
    first.json(&["settle", "park", &goal, "until", "--until", "2099-01-01"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert!(!thread(&first).await.waits);
    assert!(thread(&second).await.waits);
    // A page that has not read the parking cannot undo it unseen.
    let stale = betwixt_api::Park { until: None, seen: None };
    let refused = first.client().park(&goal, "until", &stale).await.unwrap_err();
    assert!(refused.to_string().contains("seen"), "{refused}");
    first.json(&["settle", "park", &goal, "until", "--back"]).unwrap();
    assert!(thread(&first).await.waits);
}

#[tokio::test]
async fn an_agreement_is_proposed_answered_agreed_looked_at_again_and_ended() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let agreement = first.json(&["agreement", "add", "Phones at dinner"]).unwrap()["id"].as_str().unwrap().to_owned();
    first.json(&["agreement", "draft", &agreement, "No phones at the table."]).unwrap();
    first.json(&["agreement", "propose", &agreement]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    second.json(&["agreement", "not-yet", &agreement, "--note", "what about being on call"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let shown = first.run(&["agreement", "show", &agreement]).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("not there yet") && shown.contains("what about being on call"), "{shown}");

    second.json(&["agreement", "agree", &agreement]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let wording = async |home: &Home| {
        home.client().item(Collection::Agreements, &agreement).await.unwrap().fields["wording"].clone()
    };
    assert!(wording(&first).await.agreed && wording(&second).await.agreed);
    second.json(&["agreement", "draft", &agreement, "No phones at the table, but on call."]).unwrap();
    let item = second.client().item(Collection::Agreements, &agreement).await.unwrap();
    assert!(item.fields["draft"].changed_since_agreed);

    first.json(&["agreement", "review", &agreement, "--on", "2020-01-01"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.json(&["agreement", "review", &agreement, "--still-true"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        assert!(thread(home).await.review.is_some(), "one answer clears nothing, for neither");
    }
    second.json(&["agreement", "review", &agreement, "--reword"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        assert_eq!(home.client().to_settle().await.unwrap().threads, []);
    }

    first.json(&["agreement", "withdraw", &agreement]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let wording = wording(home).await;
        assert!(!wording.agreed && wording.agreement.is_empty(), "one alone can end what takes both");
        assert!(wording.versions().iter().any(|version| version.value == "No phones at the table."));
    }
}
