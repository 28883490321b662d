//! Rituals and sealed answers between two daemons.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_api::{
    CalendarRequest, ClientError, Collection, NewItem, OccurrenceStatus, ProblemKind, Say, Scope, SealAnswer,
    SealState, SealedSession, Seen,
};
use betwixt_tests::home::{Home, contains, couple_on_loopback, in_step, shared};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

fn asked(from: &str, to: &str) -> CalendarRequest {
    CalendarRequest { from: Some(from.into()), until: Some(to.into()), zone: Some("Europe/Berlin".into()) }
}

#[tokio::test]
async fn a_ritual_is_agreed_and_lived_apart_and_together() {
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let ritual = first.create(Collection::Rituals, "ritual-1", "title", json!("Sunday talk")).await.unwrap();
    let cadence = json!({ "start": "2027-01-03T19:00", "zone": "Europe/Berlin", "rule": "FREQ=WEEKLY;BYDAY=SU" });
    first.say(Collection::Rituals, &ritual.id, "cadence", cadence.clone()).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let january = asked("2027-01-01", "2027-01-31");
    assert!(second.client().calendar(&january).await.unwrap().rituals[0].occurrences.is_empty(), "one word is none");
    second.say(Collection::Rituals, &ritual.id, "cadence", cadence).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    // Apart: one skips what the other does, both move one to different days.
    first.client().pause().await.unwrap();
    second.client().pause().await.unwrap();
    let say = |value: Value| Say { value, seen: Some(Seen::default()) };
    let (one, other) = (first.client(), second.client());
    one.say_occurrence(&ritual.id, "2027-01-03", "mark", &say(json!({ "is": "done" }))).await.unwrap();
    other
        .say_occurrence(&ritual.id, "2027-01-03", "mark", &say(json!({ "is": "done", "note": "by the sea" })))
        .await
        .unwrap();
    one.say_occurrence(&ritual.id, "2027-01-10", "skip", &say(json!(true))).await.unwrap();
    other.say_occurrence(&ritual.id, "2027-01-10", "mark", &say(json!({ "is": "done" }))).await.unwrap();
    one.say_occurrence(&ritual.id, "2027-01-17", "moved", &say(json!("2027-01-18"))).await.unwrap();
    other.say_occurrence(&ritual.id, "2027-01-17", "moved", &say(json!("2027-01-19T20:30"))).await.unwrap();
    let refused = other.say_occurrence(&ritual.id, "2027-01-17", "mark", &say(json!({ "is": "wonderful" }))).await;
    assert!(matches!(refused, Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::Invalid));
    first.client().resume().await.unwrap();
    second.client().resume().await.unwrap();
    first.client().sync().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let calendar = home.client().ritual_calendar(&ritual.id, &january).await.unwrap();
        let [ritual] = calendar.rituals.as_slice() else { panic!("{calendar:#?}") };
        let stands: Vec<_> =
            ritual.occurrences.iter().map(|each| (each.date.as_str(), each.status, each.when.len())).collect();
        assert_eq!(
            stands,
            [
                ("2027-01-03", OccurrenceStatus::Held, 1),
                ("2027-01-10", OccurrenceStatus::Unclear, 1),
                ("2027-01-17", OccurrenceStatus::Open, 2),
                ("2027-01-24", OccurrenceStatus::Open, 1),
                ("2027-01-31", OccurrenceStatus::Open, 1),
            ]
        );
        assert_eq!(ritual.occurrences[0].when[0].at.as_deref(), Some("2027-01-03T18:00:00Z"));
        assert!(ritual.occurrences[2].moved.differs());
        let differences = home.client().differences().await.unwrap();
        let waits =
            differences.threads.iter().find(|thread| thread.item.collection == Collection::Occurrences).unwrap();
        assert_eq!((waits.item.title.as_str(), waits.fields.len()), ("2027-01-17", 1));
    }
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());

    // As people do it.
    let told = second.run(&["ritual", "show", &ritual.id[..12], "--from", "2027-01-01", "--days", "31"]).unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    // In the machine's own time zone, whichever that is.
    let moved = told.lines().find(|line| line.contains("planned for 17 January 2027")).unwrap();
    assert!(moved.contains("8 January 2027") && moved.contains(" or ") && moved.contains("January 2027 "), "{moved}");
    assert!(told.contains("you did it, and it was skipped"), "{told}");
    let moved = second.run(&["ritual", "move", &ritual.id, "2027-01-18", "--date", "2027-01-17"]).unwrap();
    assert!(moved.status.success(), "{moved:?}");
    let today = first.run(&["today", "--json"]).unwrap();
    assert!(serde_json::from_slice::<Value>(&today.stdout).unwrap()["rituals"].is_array());
    let listed = first.run(&["ritual", "list"]).unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("Sunday talk"));
    let wrong = first.run(&["ritual", "propose", &ritual.id, "--rule", "FREQ=SECONDLY"]).unwrap();
    assert_eq!(wrong.status.code(), Some(6), "{wrong:?}");
}

const SEA: &str = "A whole summer beside the quiet sea";
const DOG: &str = "A large and very calm dog";

async fn session(home: &Home, id: &str) -> SealedSession {
    home.client().seal(id).await.unwrap()
}

fn states(session: &SealedSession) -> [SealState; 2] {
    assert!(session.answers[0].own, "own first");
    [session.answers[0].state, session.answers[1].state]
}

async fn until(home: &Home, id: &str, wanted: [SealState; 2]) {
    let begun = Instant::now();
    loop {
        let session = session(home, id).await;
        if states(&session) == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{session:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Everything that the API answers about what is sealed, and the files of the home.
async fn knows(home: &Home, id: &str, text: &str) -> bool {
    let client = home.client();
    let said = [
        serde_json::to_string(&client.seals().await.unwrap()).unwrap(),
        serde_json::to_string(&client.item(Collection::Sealed, id).await.unwrap()).unwrap(),
        serde_json::to_string(&client.timeline(id).await.unwrap()).unwrap(),
        shared(home).await.unwrap().to_string(),
    ];
    said.iter().any(|said| said.contains(text))
        || !home.files_with(text.as_bytes()).unwrap().is_empty()
        || contains(home.printed().as_bytes(), text.as_bytes())
}

async fn answer(home: &Home, id: &str, text: &str) -> SealedSession {
    let seen = session(home, id).await.seen;
    let request = SealAnswer { answer: text.into(), seen: Some(seen) };
    home.client().seal_answer(id, &request).await.unwrap()
}

async fn openings(home: &Home, id: &str) -> usize {
    let said = home.client().timeline(id).await.unwrap().events;
    said.iter().filter(|entry| entry.field == "opening").count()
}

#[tokio::test]
async fn private_stays_home_sealed_answers_open_by_themselves_when_both_have_answered() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let fields = [("prompt".to_owned(), json!({ "text": "What do you wish for?" }))].into();
    let new = NewItem { scope: Some(Scope::Ours), fields };
    let id = first.client().create(Collection::Sealed, "seal-1", &new).await.unwrap().id;
    let sealed = answer(&first, &id, SEA).await;
    assert_eq!((states(&sealed), sealed.yours.as_deref()), ([SealState::Sealed, SealState::Waiting], Some(SEA)));
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(states(&session(&second, &id).await), [SealState::Waiting, SealState::Sealed]);
    assert!(!knows(&second, &id, SEA).await);

    // The first one's private part is locked: nothing of theirs opens until it is unlocked.
    first.client().lock().await.unwrap();
    let sealed = answer(&second, &id, DOG).await;
    assert_eq!(states(&sealed)[1], SealState::Missing);
    until(&second, &id, [SealState::Opened, SealState::Missing]).await;
    in_step(&first, &second, PATIENCE).await.unwrap();
    until(&first, &id, [SealState::Missing, SealState::Opened]).await;
    assert!(!knows(&second, &id, SEA).await);
    let late = first.client().seal_answer(&id, &SealAnswer { answer: "A cat".into(), seen: None }).await;
    assert!(late.is_err(), "locked, and too late");

    // Killed before it could: opened after the next start, once.
    first.kill().unwrap();
    first.up_and_unlock().await.unwrap();
    until(&first, &id, [SealState::Opened, SealState::Opened]).await;
    first.client().sync().await.unwrap();
    until(&second, &id, [SealState::Opened, SealState::Opened]).await;
    assert_eq!(session(&second, &id).await.answers[1].answer.as_deref(), Some(SEA));
    assert_eq!(session(&first, &id).await.answers[1].answer.as_deref(), Some(DOG));
    let late = first.client().seal_answer(&id, &SealAnswer { answer: "A cat".into(), seen: None }).await;
    assert!(matches!(late, Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::Invalid));
    first.kill().unwrap();
    first.up_and_unlock().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!((openings(&first, &id).await, openings(&second, &id).await), (2, 2), "one of each, however often");
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());

    // Both answer while apart: it opens when they meet.
    let asked = first.run(&["seal", "ask", "And what else?", "--json"]).unwrap();
    let id = serde_json::from_slice::<Value>(&asked.stdout).unwrap()["id"].as_str().unwrap().to_owned();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.client().pause().await.unwrap();
    second.client().pause().await.unwrap();
    for (home, text) in [(&first, "Time together"), (&second, "More music")] {
        let told = home.run(&["seal", "answer", &id[..12], text]).unwrap();
        assert!(told.status.success() && String::from_utf8(told.stdout).unwrap().contains(text));
    }
    assert!(!knows(&second, &id, "Time together").await && !knows(&first, &id, "More music").await);
    first.client().resume().await.unwrap();
    second.client().resume().await.unwrap();
    first.client().sync().await.unwrap();
    for (home, text) in [(&first, "More music"), (&second, "Time together")] {
        until(home, &id, [SealState::Opened, SealState::Opened]).await;
        let told = home.run(&["seal", "show", &id]).unwrap();
        assert!(String::from_utf8(told.stdout).unwrap().contains(text));
    }
}
