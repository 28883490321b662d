//! Pages: walked through one by one they are the whole list, whatever their size, and read a year and not a life.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::convert::Infallible;

use betwixt_model::ids::ItemId;
use betwixt_model::index::rows::{KeyValue, MemoryRows, ReadRows, Table};
use betwixt_model::index::{self, Window};
use betwixt_model::view::{self, Page};
use jiff::ToSpan;
use jiff::civil::date;
use serde_json::json;
use support::replica::Replica;
use support::{Dice, HOUSEHOLD, runs};

/// Goals and milestones, founded and spoken of on days of several years in no order.
fn life(seed: u64) -> (Replica, Vec<ItemId>) {
    let mut dice = Dice::seeded(seed);
    let (mut one, _) = Replica::couple();
    let mut goals: Vec<ItemId> = Vec::new();
    for number in 0..30 {
        let days = i64::try_from(dice.below(3 * 366)).unwrap();
        one.today = date(2025, 12, 30).checked_add(days.days()).unwrap();
        if goals.is_empty() || dice.chance(40) {
            goals.push(one.say(None, "goal", "title", json!(format!("Goal {number}"))));
            continue;
        }
        let goal = goals[dice.below(goals.len())];
        match dice.below(3) {
            0 => drop(one.say(Some(goal), "goal", "area", json!(format!("Area {number}")))),
            1 => drop(one.say(None, "milestone", "goal", json!(goal.to_string()))),
            _ => drop(one.say(Some(support::vision()), "vision", "draft", json!(format!("Draft {number}.")))),
        }
    }
    (one, goals)
}

/// Every item of the pages, each of which comes after the one before.
fn walked(window: Window, most: usize, page: impl Fn(&Window) -> Page) -> Vec<ItemId> {
    let (mut window, mut all) = (window, Vec::new());
    loop {
        let Page { items, next } = page(&window);
        assert!(items.len() <= most && (next.is_none() || items.len() == most));
        all.extend(items.iter().map(|view| view.id));
        match next {
            Some(next) => window.after = Some(next),
            None => return all,
        }
    }
}

#[test]
fn pages_put_together_are_the_list() {
    for seed in 0..runs(5) {
        let (one, goals) = life(seed);
        let (rows, reader) = (&one.rows, &one.reader());
        let windows = [
            Window::default(),
            Window { latest_first: true, ..Window::default() },
            Window { from: Some(date(2026, 6, 1)), until: Some(date(2027, 2, 28)), ..Window::default() },
            Window { from: Some(date(2026, 12, 31)), latest_first: true, ..Window::default() },
        ];
        for (window, most) in windows.into_iter().flat_map(|window| [1, 2, 7, 100].map(|most| (window, most))) {
            let expected = |views: Vec<view::ItemView>| {
                let position =
                    |view: &view::ItemView| index::entry(rows, &view.kind, &view.id).unwrap().unwrap().position();
                let held = views.iter().filter(|view| window.holds(&position(view)));
                let mut ids: Vec<ItemId> = held.map(|view| view.id).collect();
                if window.latest_first {
                    ids.reverse();
                }
                ids
            };
            for kind in ["goal", "milestone", "vision", "thanks"] {
                let pages = walked(window, most, |window| view::page(rows, reader, kind, window, most).unwrap());
                assert_eq!(pages, expected(view::items(rows, reader, kind).unwrap()), "seed {seed} {kind} {window:?}");
            }
            for goal in &goals {
                let pages = walked(window, most, |window| {
                    view::page_linked(rows, reader, "milestone", goal, window, most).unwrap()
                });
                assert_eq!(pages, expected(view::linked(rows, reader, goal).unwrap()), "seed {seed} {window:?}");
            }
        }
    }
}

/// SameFactsSameView, of the rows that lists are read from too.
#[test]
fn same_facts_same_view_lists_are_the_same_in_whatever_order_facts_come() {
    for seed in 0..runs(10) {
        let (one, _) = life(seed);
        let mut dice = Dice::seeded(seed);
        let mut facts = one.said.clone();
        dice.shuffle(&mut facts);
        let mut rows = MemoryRows::default();
        while !facts.is_empty() {
            let some = facts.split_off(facts.len().saturating_sub(1 + dice.below(4)));
            index::ingest(&mut rows, &HOUSEHOLD, &one.membership, some).unwrap();
        }
        assert_eq!(rows, one.rows, "seed {seed}");
        index::rebuild(&mut rows, &HOUSEHOLD, &one.membership).unwrap();
        assert_eq!(rows, one.rows, "seed {seed}, built anew");
    }
}

/// Rows that count how many of them were read.
struct Counted<'a> {
    rows: &'a MemoryRows,
    read: RefCell<usize>,
}

impl ReadRows for Counted<'_> {
    type Error = Infallible;

    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        *self.read.borrow_mut() += 1;
        self.rows.get(table, group, key)
    }

    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<KeyValue>, Infallible> {
        let rows = self.rows.group(table, group)?;
        *self.read.borrow_mut() += rows.len();
        Ok(rows)
    }
}

#[test]
fn a_page_of_a_long_list_reads_a_year_and_not_a_life() {
    let (mut one, _) = Replica::couple();
    for day in 0..800 {
        one.today = date(2024, 1, 1).checked_add(day.days()).unwrap();
        one.say(None, "thanks", "what", json!(format!("Day {day}")));
    }
    let read = |after, most| {
        let rows = Counted { rows: &one.rows, read: RefCell::new(0) };
        let window = Window { latest_first: true, after, ..Window::default() };
        let page = view::page(&rows, &one.reader(), "thanks", &window, most).unwrap();
        (page, rows.read.into_inner())
    };
    let (first, cost) = read(None, 20);
    assert_eq!(first.items.len(), 20);
    assert!(cost < 650, "{cost} rows");
    let (_, cost) = read(first.next, 20);
    assert!(cost < 650, "{cost} rows");
    let (_, whole) = read(None, 800);
    assert!(whole > 4_000, "{whole} rows");
}
