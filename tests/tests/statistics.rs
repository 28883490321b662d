//! What pictures are drawn from, over real daemons.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use betwixt_api::{
    Client, Collection, NewItem, Permission, Say, Scope, ScopeStatistics, Seen, Statistics, StatisticsRequest,
};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use betwixt_tests::http::{Request, let_in, listen};
use betwixt_tests::socket::ask;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

async fn statistics(client: &Client) -> Statistics {
    client.statistics(&StatisticsRequest::default()).await.unwrap()
}

fn scope(statistics: &Statistics, scope: Scope) -> ScopeStatistics {
    let found = statistics.scopes.iter().find(|shown| shown.scope == scope);
    found.cloned().unwrap_or(ScopeStatistics { scope, goals: BTreeMap::new(), months: Vec::new() })
}

/// Of every month together: a day may end while this runs.
fn begun(statistics: &ScopeStatistics, collection: &str) -> u64 {
    statistics.months.iter().filter_map(|month| month.begun.get(collection)).sum()
}

async fn private(home: &Home, collection: Collection, key: &str, field: &str, value: Value) -> String {
    let item = NewItem { scope: Some(Scope::Mine), fields: [(field.to_owned(), value)].into() };
    home.client().create(collection, key, &item).await.unwrap().id
}

#[tokio::test]
async fn statistics_are_the_same_for_both_count_nobody_apart_and_keep_what_is_private_private() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for (home, key) in [(&first, "one"), (&first, "two"), (&second, "three")] {
        home.create(Collection::Thanks, key, "what", json!("Tea, when I came home late.")).await.unwrap();
    }
    let goal = first.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap().id;
    first.say(Collection::Goals, &goal, "state", json!("agreed")).await.unwrap();
    let ritual = first.create(Collection::Rituals, "ritual", "title", json!("Sunday talk")).await.unwrap().id;
    let say = |value: Value| Say { value, seen: Some(Seen::default()) };
    let (one, other) = (first.client(), second.client());
    one.say_occurrence(&ritual, "2027-01-03", "mark", &say(json!({ "is": "done" }))).await.unwrap();
    one.say_occurrence(&ritual, "2027-01-10", "mark", &say(json!({ "is": "missed" }))).await.unwrap();
    private(&first, Collection::Journal, "journal", "text", json!("Slept badly.")).await;
    let own = private(&first, Collection::Goals, "own", "title", json!("Learn to sail")).await;
    first.say(Collection::Goals, &own, "state", json!("exploring")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let before = statistics(other).await;
    assert_eq!(scope(&before, Scope::Ours).goals, BTreeMap::new(), "one word is no agreement");
    assert_eq!(begun(&scope(&before, Scope::Ours), "thanks"), 3);
    second.say(Collection::Goals, &goal, "state", json!("agreed")).await.unwrap();
    other.say_occurrence(&ritual, "2027-01-03", "mark", &say(json!({ "is": "done" }))).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let (mine, theirs) = (statistics(one).await, statistics(other).await);
    let ours = scope(&mine, Scope::Ours);
    assert_eq!(ours, scope(&theirs, Scope::Ours), "the same for both");
    assert_eq!(ours.goals, BTreeMap::from([("agreed".to_owned(), 1)]));
    let january = ours.months.iter().find(|month| month.month == "2027-01").unwrap();
    assert_eq!(january.held, 1, "both say so of one evening, and a missed one is counted nowhere");
    assert_eq!((begun(&ours, "goals"), begun(&ours, "rituals"), begun(&ours, "journal")), (1, 1, 0));
    let own = scope(&mine, Scope::Mine);
    assert_eq!((begun(&own, "journal"), begun(&own, "goals")), (1, 1));
    assert_eq!(own.goals, BTreeMap::from([("exploring".to_owned(), 1)]));
    assert_eq!(scope(&theirs, Scope::Mine).months, [], "what is private stays with whose it is");

    // No figure for a partner (P58): nothing in it names anybody.
    let answer = ask(one.socket(), "GET", "/v1/statistics", &[], None).await.unwrap();
    let text = answer.json().unwrap().to_string();
    let status = one.status().await.unwrap();
    for id in [status.me.unwrap().id, status.partner.unwrap().id] {
        assert!(!text.contains(&id), "{text}");
    }
    for word in ["missed", "skipped", "streak", "by\"", "own\"", "differ"] {
        assert!(!text.contains(word), "{word}: {text}");
    }

    // Letting go takes off, and only the months that were asked for are shown.
    let thanks = first.create(Collection::Thanks, "four", "what", json!("Oh.")).await.unwrap().id;
    assert_eq!(begun(&scope(&statistics(one).await, Scope::Ours), "thanks"), 4);
    first.say(Collection::Thanks, &thanks, "what", Value::Null).await.unwrap();
    assert_eq!(begun(&scope(&statistics(one).await, Scope::Ours), "thanks"), 3);
    let days = |from: &str, until: &str| StatisticsRequest {
        scope: Some(Scope::Ours),
        from: Some(from.into()),
        until: Some(until.into()),
    };
    let winter = one.statistics(&days("2027-01-31", "2027-01-31")).await.unwrap();
    let [winter] = winter.scopes.as_slice() else { panic!("{winter:?}") };
    assert_eq!(winter.months, std::slice::from_ref(january));
    assert_eq!(winter.goals, ours.goals, "how goals stand now has nothing to do with what is asked for");

    // As people see it; and what is private is not counted while it is locked.
    let told = String::from_utf8(first.run(&["statistics"]).unwrap().stdout).unwrap();
    assert!(told.contains("3 thanks") && told.contains("1 ritual took place"), "{told}");
    assert!(told.contains("1 entry in the journal") && told.contains("Goals now: 1 agreed."), "{told}");
    let by_month = String::from_utf8(first.run(&["statistics", "--year", "2027"]).unwrap().stdout).unwrap();
    assert!(by_month.contains("January 2027"), "{by_month}");
    one.lock().await.unwrap();
    assert_eq!(statistics(one).await.scopes.len(), 1);
    let refused = first.run(&["statistics", "--year", "1"]).unwrap();
    assert!(!refused.status.success());

    // After a restart it is what it was.
    first.down().await.unwrap();
    first.up_and_unlock().await.unwrap();
    assert_eq!(scope(&statistics(first.client()).await, Scope::Ours), ours);
    assert_eq!(scope(&statistics(first.client()).await, Scope::Mine), own);

    // A frontend that does not see what is private is told of nothing there, not even how much.
    let address = listen(&first).await.unwrap();
    let reader = let_in(&first, "reader", &[Permission::Read], &[]).await.unwrap();
    let asked = async |path: &str| Request::new(address, path).token(&reader).send(address).await.unwrap();
    let shown = asked("GET /v1/statistics").await;
    assert!(shown.text.contains("ours") && !shown.text.contains("mine"), "{}", shown.text);
    assert!(!shown.text.contains("journal"), "{}", shown.text);
    assert_eq!(asked("GET /v1/statistics?scope=mine").await.status, 403);
}
