//! What a new device shows before the years have come: how things stand, as somebody sees it who has everything.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::fact::{Fact, SignedFact};
use betwixt_model::ids::ItemId;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, Window};
use betwixt_model::present::{self, HISTORY, NEWEST};
use betwixt_model::view::{self, ItemView};
use jiff::civil::date;
use serde_json::json;
use support::replica::Replica;
use support::{HOUSEHOLD, vision};

/// As it comes over the wire.
fn carried(facts: &[SignedFact]) -> Vec<SignedFact> {
    let read = |signed: &SignedFact| {
        SignedFact::verify(Fact::parse(signed.fact().text()).unwrap(), &signed.signature()).unwrap()
    };
    facts.iter().map(read).collect()
}

fn shown(of: &Replica) -> MemoryRows {
    present::show(&HOUSEHOLD, &of.membership, carried(&present::facts(&of.rows, &HOUSEHOLD, &of.membership).unwrap()))
        .unwrap()
}

fn view(rows: &MemoryRows, of: &Replica, item: &ItemId) -> Option<ItemView> {
    view::item(rows, &of.reader(), item).unwrap()
}

fn journals(rows: &MemoryRows) -> Vec<ItemId> {
    let mut items = Vec::new();
    index::each_item(rows, "journal", &Window { latest_first: true, ..Window::default() }, |entry| {
        items.push(entry.item);
        Ok(true)
    })
    .unwrap();
    items
}

/// Two people with a past: what they agreed to was worded anew again and again, and one thing they said apart.
fn couple() -> (Replica, Replica, Vec<ItemId>) {
    let (mut one, mut other) = Replica::couple();
    let mut items = vec![vision()];
    for (year, word) in [(2001, "calm"), (2009, "lively"), (2026, "open")] {
        one.today = date(year, 3, 1);
        other.today = one.today;
        one.say(Some(vision()), "vision", "wording", json!(format!("A {word} home.")));
        one.meet(&mut other);
        other.say(Some(vision()), "vision", "wording", json!(format!("A {word} home.")));
        one.meet(&mut other);
        let goal = one.say(None, "goal", "title", json!(format!("A {word} kitchen")));
        one.meet(&mut other);
        other.say(Some(goal), "goal", "title", json!(format!("The {word} kitchen")));
        one.meet(&mut other);
        items.push(goal);
    }
    let goal = items[1];
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    one.meet(&mut other);
    (one, other, items)
}

#[test]
fn what_stands_is_shown_as_it_stands() {
    let (one, other, items) = couple();
    for replica in [&one, &other] {
        let rows = shown(replica);
        for item in &items {
            assert_eq!(view(&rows, replica, item), replica.view(item), "{item}");
            assert!(!view(&rows, replica, item).unwrap().arriving);
        }
        let waits = |rows: &MemoryRows| view::all_to_settle(rows, &replica.reader()).unwrap().len();
        assert_eq!((waits(&rows), waits(&replica.rows)), (1, 1));
    }
}

#[test]
fn the_newest_are_shown_and_what_waits_of_the_older_ones() {
    let (mut one, _, _) = couple();
    for day in 0..2 * NEWEST {
        one.today = date(2026, 4, 1).checked_add(jiff::Span::new().days(i64::try_from(day).unwrap())).unwrap();
        one.say(None, "journal", "text", json!(format!("Day {day}.")));
        one.say(None, "goal", "title", json!(format!("Goal {day}")));
    }
    let rows = shown(&one);
    let (some, all) = (journals(&rows), journals(&one.rows));
    assert_eq!((some.len(), all.len()), (NEWEST, 2 * NEWEST));
    assert_eq!(some, all[..NEWEST]);
    for item in &some {
        assert_eq!(view(&rows, &one, item), one.view(item));
    }
    // The goal of 2001 waits: it is there, though a hundred came after it.
    assert_eq!(view::all_to_settle(&rows, &one.reader()).unwrap().len(), 1);
}

/// Of a long history what stands alone is told. A fact that was replaced would stand again where the facts between are missing.
#[test]
fn a_long_history_shows_what_stands_and_nothing_that_was_replaced() {
    let (mut one, _, _) = couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    for number in 0..=HISTORY {
        one.say(Some(goal), "goal", "title", json!(format!("Cabin {number}")));
        one.say(Some(vision()), "vision", "draft", json!(format!("Draft {number}")));
    }
    let rows = shown(&one);
    let draft = view(&rows, &one, &vision()).unwrap().fields["draft"].reading.value.clone();
    assert_eq!(draft, Some(json!(format!("Draft {HISTORY}"))));
    let title = &view(&rows, &one, &goal).unwrap().fields["title"];
    assert_eq!(title.reading.value, Some(json!(format!("Cabin {HISTORY}"))));
    assert!(title.reading.versions.is_empty());
}

#[test]
fn what_is_said_meanwhile_is_shown_too() {
    let (mut one, _, _) = couple();
    let mut rows = shown(&one);
    let told = one.said.len();
    let item = one.say(None, "journal", "text", json!("On the new phone."));
    one.say(Some(vision()), "vision", "draft", json!("A quiet home."));
    present::add(&mut rows, &HOUSEHOLD, &one.membership, one.said[told..].to_vec()).unwrap();
    for item in [item, vision()] {
        assert_eq!(view(&rows, &one, &item), one.view(&item));
    }
}

/// Found by the end-to-end test: what a goal's progress sums up to was short of whatever was older than the newest entries.
#[test]
fn progress_of_what_is_shown_is_shown_whole() {
    let (mut one, _, _) = couple();
    let goal = one.say(None, "goal", "title", json!("Run")).to_string();
    let milestone = one.say(None, "milestone", "goal", json!(goal));
    one.say(Some(milestone), "milestone", "measure", json!({"type": "count", "target": 300}));
    for _ in 0..2 * NEWEST {
        let entry = one.say(None, "progress", "milestone", json!(milestone.to_string()));
        one.say(Some(entry), "progress", "amount", json!(3));
    }
    let rows = shown(&one);
    assert_eq!(view(&rows, &one, &milestone), one.view(&milestone));
    assert_eq!(one.view(&milestone).unwrap().tally.unwrap().entries, 2 * NEWEST);
}
