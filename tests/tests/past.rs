//! The past, over two partners' daemons: stale pages, the timeline, earlier states, whose words they are, meetings, undo.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::{
    Act, Between, Change, ClientError, Collection, FieldState, Paging, ProblemKind, Say, Seen, SinceRequest,
};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

fn problem<T>(answer: Result<T, ClientError>) -> betwixt_api::Problem {
    match answer {
        Err(ClientError::Problem(problem)) => problem,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

async fn apart(homes: [&Home; 2]) {
    for home in homes {
        home.client().pause().await.unwrap();
    }
}

async fn together(homes: [&Home; 2]) {
    for home in homes {
        home.client().resume().await.unwrap();
    }
    homes[0].client().sync().await.unwrap();
    in_step(homes[0], homes[1], PATIENCE).await.unwrap();
}

fn meetings(limit: u32) -> SinceRequest {
    SinceRequest { paging: Paging { limit: Some(limit), after: None }, ..SinceRequest::default() }
}

#[tokio::test]
async fn no_stale_page_takes_out_what_it_did_not_show() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle")).await.unwrap();
    first.say(Collection::Goals, &goal.id, "until", json!("2027-05-01")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let page = first.client().item(Collection::Goals, &goal.id).await.unwrap().fields["until"].seen.clone();
    second.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let say = |seen: Option<Seen>| {
        let (client, id) = (first.client(), goal.id.clone());
        async move { client.say(Collection::Goals, &id, "until", &Say { value: json!("2027-06-01"), seen }).await }
    };
    let missing = problem(say(None).await);
    assert_eq!((missing.status, missing.kind), (428, ProblemKind::SeenMissing));
    for unknown in [Seen("a".repeat(52)), Seen(goal.id.clone()), Seen("nonsense".into())] {
        let unknown = problem(say(Some(unknown)).await);
        assert_eq!((unknown.status, unknown.kind), (409, ProblemKind::UnknownSeen));
    }
    let said = say(Some(page)).await.unwrap();
    let FieldState::Differing { versions, .. } = &said.now.state else { panic!("{said:#?}") };
    assert_eq!(
        versions.iter().map(|version| &version.value).collect::<Vec<_>>(),
        [&json!("2027-06-01"), &json!("2027-09-01")]
    );
    assert_eq!(said.now.between, Some(Between::Both));
    assert_eq!(said.seen.0, said.fact, "the writer's own token does not hold what they have not seen");
}

#[tokio::test]
async fn a_history_is_told_and_looked_back_into() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle")).await.unwrap();
    first.say(Collection::Goals, &goal.id, "draft", json!("We cycle along the coast.")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.say(Collection::Goals, &goal.id, "draft", json!("We cycle slowly along the coast.")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let told = first.client().timeline(&goal.id[..12]).await.unwrap();
    let acts: Vec<(&str, Act, bool)> =
        told.events.iter().map(|event| (event.field.as_str(), event.act, event.said.own)).collect();
    assert_eq!(acts, [("title", Act::Founded, true), ("draft", Act::Said, true), ("draft", Act::Changed, false)]);
    assert!(told.events[2].words.contains(&Change::Added("slowly ".into())), "{:?}", told.events[2].words);
    assert_eq!(told.events[2].before[0].value, json!("We cycle along the coast."));

    // After a fact, and by day.
    let [draft, changed] = [1, 2].map(|place: usize| told.events[place].said.fact.clone());
    let then = first.client().then(&goal.id, &draft).await.unwrap();
    assert_eq!(then.item.fields["draft"].held(), Some(&json!("We cycle along the coast.")));
    let today = told.events[2].said.on.clone();
    let then = first.client().then(&goal.id, &today).await.unwrap();
    assert_eq!(then.item.fields["draft"].held(), Some(&json!("We cycle slowly along the coast.")));
    let before = problem(first.client().then(&goal.id, "2001-01-01").await);
    assert_eq!(before.kind, ProblemKind::NotFound);

    let compared = first.client().compare(&goal.id, &changed, &draft).await.unwrap();
    assert!(compared.words.contains(&Change::Removed("slowly ".into())));
    let words = first.client().words(&goal.id).await.unwrap();
    let parts = &words.fields["draft"][0];
    let whose = |text: &str| parts.iter().find(|part| part.text.contains(text)).map(|part| part.said.own);
    assert_eq!((whose("coast"), whose("slowly")), (Some(true), Some(false)));

    // Restored: said again, with what stands there seen.
    let seen = first.client().item(Collection::Goals, &goal.id).await.unwrap().fields["draft"].seen.clone();
    let value = told.events[1].value.clone().unwrap();
    let said =
        first.client().say(Collection::Goals, &goal.id, "draft", &Say { value, seen: Some(seen) }).await.unwrap();
    assert_eq!(said.now.held(), Some(&json!("We cycle along the coast.")));
}

#[tokio::test]
async fn since_we_last_met_is_told_exactly() {
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    apart([&first, &second]).await;
    let ours = first.create(Collection::Goals, "goal-1", "title", json!("Cycle")).await.unwrap();
    let theirs = second.create(Collection::Goals, "goal-1", "title", json!("Sail")).await.unwrap();
    let waiting = first.client().since(&meetings(1)).await.unwrap().waiting;
    assert_eq!(waiting.iter().map(|told| told.item.id.as_str()).collect::<Vec<_>>(), [ours.id.as_str()]);
    together([&first, &second]).await;
    second.say(Collection::Goals, &theirs.id, "area", json!("sea")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    // What went is written down a little later.
    let mut since = first.client().since(&meetings(1)).await.unwrap();
    for _ in 0..40 {
        if !since.items[0].went.is_empty() && since.waiting.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        since = first.client().since(&meetings(1)).await.unwrap();
    }
    let [met] = since.items.as_slice() else { panic!("{since:#?}") };
    let values = |told: &[betwixt_api::Told]| -> Vec<(bool, Value)> {
        told.iter().map(|told| (told.event.said.own, told.event.value.clone().unwrap())).collect()
    };
    assert_eq!(values(&met.came), [(false, json!("Sail")), (false, json!("sea"))]);
    assert_eq!(values(&met.went), [(true, json!("Cycle"))]);
    assert_eq!((met.came_more, met.went_more, met.own), (0, 0, false));
    assert_eq!(since.waiting, []);
    // The meeting before is the one at which they paired: the names came and went.
    let all = first.client().since(&meetings(10)).await.unwrap();
    assert_eq!(all.items.len(), 2, "{all:#?}");
    assert_eq!(all.items[1].came.iter().map(|told| told.event.field.as_str()).collect::<Vec<_>>(), ["name"]);
    assert_eq!(all.items[1].went.iter().map(|told| told.event.field.as_str()).collect::<Vec<_>>(), ["name"]);
}

#[tokio::test]
async fn no_silent_winner_ones_own_last_act_is_taken_back_and_nothing_of_the_others() {
    let (first, second) = couple_on_loopback().await.unwrap();
    assert_eq!(problem(first.client().undo().await).kind, ProblemKind::NotFound, "pairing is nobody's act");
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    apart([&first, &second]).await;
    first.say(Collection::Goals, &goal.id, "until", json!("2027-06-01")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    together([&first, &second]).await;
    first.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();

    let last = first.client().last_act().await.unwrap();
    assert_eq!((last.said[0].event.act, last.cannot), (Act::TookTheirs, None));
    let undone = first.client().undo().await.unwrap();
    assert!(undone.said[0].now.differs());
    assert_eq!(undone.said[0].now.versions()[1].value, json!("2027-09-01"), "theirs stands");
    assert_eq!(undone.said[0].now.versions()[0].value, json!("2027-06-01"));
    // The act before.
    first.client().undo().await.unwrap();
    let until = first.client().item(Collection::Goals, &goal.id).await.unwrap().fields["until"].clone();
    assert!(until.versions().iter().any(|version| version.value == json!("2027-09-01")), "{until:#?}");
    assert!(until.versions().iter().any(|version| version.value == Value::Null), "{until:#?}");
    // Then the founding; and then there is nothing left.
    let undone = first.client().undo().await.unwrap();
    assert_eq!(undone.took_back[0].event.act, Act::Founded);
    assert_eq!(problem(first.client().undo().await).kind, ProblemKind::NotFound);

    // What the other changed since is theirs.
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.say(Collection::Goals, &goal.id, "area", json!("hills")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.say(Collection::Goals, &goal.id, "area", json!("coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let cannot = problem(first.client().undo().await);
    assert_eq!((cannot.status, cannot.kind), (409, ProblemKind::CannotUndo));
    assert!(first.client().last_act().await.unwrap().cannot.unwrap().contains("changed by your partner"));
}
