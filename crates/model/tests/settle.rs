//! What waits for the two, and what they may say about a difference itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::ids::ItemId;
use betwixt_model::settle::{SAYING_BACK, SETTLEMENT, Thread, of, threads};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use support::TODAY;
use support::replica::Replica;

const LATER: Date = date(2027, 3, 1);

fn list(replica: &Replica, today: Date) -> Vec<Thread> {
    threads(&replica.rows, &replica.reader(), today, 2).unwrap()
}

/// A goal's last day that both moved while apart.
fn differing() -> (Replica, Replica, ItemId) {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle along the coast"));
    one.meet(&mut other);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    one.meet(&mut other);
    (one, other, goal)
}

fn differently(replica: &Replica, goal: &ItemId, again: Date) -> Value {
    let live = &list(replica, TODAY)[0].fields[0].view.seen;
    json!({ "of": of(goal, "goal", "until"), "versions": live.facts(), "again": again })
}

#[test]
fn seeing_it_differently_rests_only_once_both_say_so_and_only_until_the_date() {
    let (mut one, mut other, goal) = differing();
    let value = differently(&one, &goal, LATER);
    let settlement = one.say(None, SETTLEMENT, "differently", value.clone());
    one.meet(&mut other);
    for replica in [&one, &other] {
        let [thread] = list(replica, TODAY).try_into().unwrap();
        assert!(thread.waits(), "one alone cannot end it for both");
        assert!(!thread.fields[0].differently[0].agreed);
        assert_eq!(thread.item.id, goal, "what is said about the difference is no thread of its own");
    }
    other.say(Some(settlement), SETTLEMENT, "differently", value);
    one.meet(&mut other);
    for replica in [&one, &other] {
        let [thread] = list(replica, TODAY).try_into().unwrap();
        assert_eq!((thread.waits(), thread.fields[0].rests_until), (false, Some(LATER)));
        assert_eq!(thread.fields[0].view.reading.versions.len(), 2, "both versions stay");
        assert!(list(replica, LATER)[0].waits(), "on the day it waits again");
    }
}

/// A new version is something else than what both saw differently, so it waits at once.
#[test]
fn a_new_version_is_not_what_they_agreed_to_see_differently() {
    let (mut one, mut other, goal) = differing();
    let value = differently(&one, &goal, LATER);
    one.say(None, SETTLEMENT, "differently", value.clone());
    other.say(None, SETTLEMENT, "differently", value);
    one.meet(&mut other);
    other.say(Some(goal), "goal", "until", json!("2027-07-01"));
    one.meet(&mut other);
    for replica in [&one, &other] {
        let [thread] = list(replica, TODAY).try_into().unwrap();
        assert_eq!((thread.waits(), thread.fields[0].differently.len()), (true, 0));
    }
}

#[test]
fn parking_is_for_oneself() {
    let (mut one, mut other, goal) = differing();
    one.say(None, SETTLEMENT, "parked", json!({ "of": of(&goal, "goal", "until"), "until": LATER }));
    one.meet(&mut other);
    assert_eq!(list(&one, TODAY)[0].fields[0].rests_until, Some(LATER));
    assert_eq!((list(&other, TODAY)[0].waits(), list(&other, TODAY)[0].fields[0].parked), (true, None));
    assert!(list(&one, LATER)[0].waits());
}

#[test]
fn only_the_author_can_say_that_they_were_heard() {
    let (mut one, mut other, goal) = differing();
    let theirs = list(&one, TODAY)[0].fields[0].view.reading.versions[1].fact;
    let said =
        one.say(None, SAYING_BACK, "of", json!({ "item": goal, "kind": "goal", "field": "until", "fact": theirs }));
    one.say(Some(said), SAYING_BACK, "text", json!("You want the whole summer for it."));
    one.say(Some(said), SAYING_BACK, "heard", json!(true));
    one.meet(&mut other);
    let back = |replica: &Replica| list(replica, TODAY)[0].said_back.clone();
    assert_eq!((back(&one).len(), back(&one)[0].own, back(&other)[0].own), (1, true, false));
    assert!(!back(&one)[0].heard && !back(&other)[0].heard, "one cannot say it for the author");
    other.say(Some(said), SAYING_BACK, "heard", json!(true));
    one.meet(&mut other);
    assert!(back(&one)[0].heard && back(&other)[0].heard);
    // What was said back stays with the version that it is about.
    other.say(Some(goal), "goal", "until", json!("2027-08-01"));
    one.meet(&mut other);
    assert_eq!(back(&one).len(), 0);
}

#[test]
fn a_review_is_due_for_both_until_both_answered() {
    let (mut one, mut other) = Replica::couple();
    let value = one.say(None, "value", "title", json!("Patience"));
    one.say(Some(value), "value", "review", json!("2026-11-22"));
    one.meet(&mut other);
    assert_eq!(list(&one, date(2026, 11, 21)), []);
    let due = |replica: &Replica| list(replica, TODAY).iter().any(|thread| thread.review.is_some());
    assert!(due(&one) && due(&other));
    one.say(Some(value), "value", "reviewed", json!({ "for": "2026-11-22", "outcome": "still_true" }));
    one.meet(&mut other);
    assert!(due(&one) && due(&other), "one answer clears nothing, for neither");
    other.say(Some(value), "value", "reviewed", json!({ "for": "2026-11-22", "outcome": "reword" }));
    one.meet(&mut other);
    assert!(!due(&one) && !due(&other));
    // The next date asks anew: an answer is for the date that it names.
    one.say(Some(value), "value", "review", json!("2026-11-20"));
    assert!(due(&one));
}

/// Both set a day apart: the earlier one is asked about first, then the later.
#[test]
fn two_review_dates_are_both_asked_about() {
    let (mut one, mut other) = Replica::couple();
    let value = one.say(None, "value", "title", json!("Patience"));
    one.meet(&mut other);
    one.say(Some(value), "value", "review", json!("2026-11-01"));
    other.say(Some(value), "value", "review", json!("2026-11-10"));
    one.meet(&mut other);
    let on = |replica: &Replica| list(replica, TODAY)[0].review.as_ref().map(|review| review.on);
    assert_eq!((on(&one), on(&other)), (Some(date(2026, 11, 1)), Some(date(2026, 11, 1))));
    for replica in [&mut one, &mut other] {
        replica.say(Some(value), "value", "reviewed", json!({ "for": "2026-11-01", "outcome": "still_true" }));
    }
    one.meet(&mut other);
    assert_eq!((on(&one), on(&other)), (Some(date(2026, 11, 10)), Some(date(2026, 11, 10))));
}
