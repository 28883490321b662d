//! Two partners' daemons: apart, together, and what neither may ever see of the other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::{Collection, Event, FieldState, NewItem, Scope, Standing};
use betwixt_tests::home::{Home, contains, couple_on_loopback, in_step, shared};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn no_silent_winner_edits_made_apart_merge_and_differences_are_kept_from_both() {
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    first.draft_vision("We take time for each other. We rest on Sundays.").await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    // Apart: the same field, other fields, and other sentences of the same text.
    first.client().pause().await.unwrap();
    second.client().pause().await.unwrap();
    first.say(Collection::Goals, &goal.id, "until", json!("2027-06-01")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "area", json!("outside")).await.unwrap();
    first.draft_vision("We take all the time we need. We rest on Sundays.").await.unwrap();
    second.draft_vision("We take time for each other. We rest on Sundays. We laugh.").await.unwrap();
    first.client().resume().await.unwrap();
    second.client().resume().await.unwrap();
    first.client().sync().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["area"].held(), Some(&json!("outside")));
        let FieldState::Differing { versions, .. } = &shown.fields["until"].state else { panic!("{shown:#?}") };
        assert_eq!(versions.len(), 2);
        assert!(versions[0].said.own && !versions[1].said.own, "own first");
        let vision = home.client().vision(Some(Scope::Ours)).await.unwrap();
        let draft = "We take all the time we need. We rest on Sundays. We laugh.";
        assert_eq!(vision.fields["draft"].held(), Some(&json!(draft)));
        assert_eq!(home.client().differences().await.unwrap().threads.len(), 1);
    }

    // It ends when both say the same, and the other's version is in the history still.
    first.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["until"].held(), Some(&json!("2027-09-01")));
        let said = home.client().timeline(&goal.id).await.unwrap().events;
        let before = |event: &Event| event.value == Some(json!("2027-06-01")) && event.standing == Standing::Replaced;
        assert!(said.iter().any(before));
    }
}

#[tokio::test]
async fn private_stays_home_and_nothing_is_on_disk_in_the_clear() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let private = "Heron at the quiet lock, never to be told";
    let told = "Lanterns along the towpath, for both of us";
    let entry = NewItem { scope: Some(Scope::Mine), fields: [("text".to_owned(), json!(private))].into() };
    first.client().create(Collection::Journal, "entry-1", &entry).await.unwrap();
    first.create(Collection::Thanks, "thanks-1", "what", json!(told)).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert!(shared(&second).await.unwrap().to_string().contains(told));
    assert!(!shared(&second).await.unwrap().to_string().contains(private));
    for home in [&first, &second] {
        for text in [private, told, "Robin", "Kim"] {
            assert_eq!(home.files_with(text.as_bytes()).unwrap(), Vec::<std::path::PathBuf>::new(), "{text:?}");
            assert!(!contains(home.printed().as_bytes(), text.as_bytes()), "{text:?} was printed");
        }
    }
}

#[tokio::test]
async fn durable_before_told_what_was_said_is_there_after_a_restart() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let goal = home.create(Collection::Goals, "goal-1", "title", json!("Learn to sail")).await.unwrap();
    home.kill().unwrap();
    home.up_and_unlock().await.unwrap();
    let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
    assert_eq!(shown.fields["title"].held(), Some(&json!("Learn to sail")));
    // The same request again, as after an answer that was lost: the same item.
    let again = home.create(Collection::Goals, "goal-1", "title", json!("Learn to sail")).await.unwrap();
    assert_eq!(again.id, goal.id);
    assert_eq!(home.client().items(Collection::Goals, None).await.unwrap().len(), 1);
    home.down().await.unwrap();
}
