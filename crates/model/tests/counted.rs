//! What pictures are drawn from is what one counts by looking at every item, in whatever order the facts came
//! (SameFactsSameView): with forks, removed devices, missing pasts, values that come late or are erased.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use betwixt_model::fact::{MAX_SEEN, SignedFact};
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, BEGUN, Begun, Counted, GoalState, Month, Statistics, YEARS};
use betwixt_model::membership::Membership;
use betwixt_model::schema::{self, Kind, Naming, Shape};
use betwixt_model::view::{self, ItemView, Reader, State};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use support::{Device, Dice, HOUSEHOLD, ingest, members, remove_and_lose};

struct Life {
    facts: Vec<SignedFact>,
    membership: Membership,
}

/// Two people's five devices, which say and meet for some months.
struct Living {
    dice: Dice,
    devices: Vec<Device>,
    facts: Vec<SignedFact>,
    knows: Vec<Vec<usize>>,
    items: Vec<(ItemId, &'static str)>,
    /// Whether all that they speak of is how one goal stands: so much that its words have rows of their own.
    of_one_goal: bool,
}

impl Living {
    fn new(seed: u64, of_one_goal: bool) -> Self {
        let devices: Vec<Device> = [1, 2, 3, 101, 102].map(Device::new).to_vec();
        let knows = vec![Vec::new(); devices.len()];
        Self { dice: Dice::seeded(seed), devices, facts: Vec::new(), knows, items: Vec::new(), of_one_goal }
    }

    fn of(&mut self, kind: &str) -> Option<ItemId> {
        let of: Vec<ItemId> = self.items.iter().filter(|(_, of)| *of == kind).map(|(item, _)| *item).collect();
        (!of.is_empty()).then(|| of[self.dice.below(of.len())])
    }

    fn step(&mut self) {
        let at = self.dice.below(self.devices.len());
        if self.dice.chance(25) {
            let other = self.dice.below(self.devices.len());
            let mut both: Vec<usize> = self.knows[at].iter().chain(&self.knows[other]).copied().collect();
            both.sort_unstable();
            both.dedup();
            self.knows[at].clone_from(&both);
            self.knows[other] = both;
            return;
        }
        let month = self.dice.below(4) as i8;
        let years = if self.dice.chance(5) { [1899, 2301] } else { [2026, 2027] };
        self.devices[at].date = date(years[self.dice.below(2)], 1 + month * 3, 1 + self.dice.below(28) as i8);
        let begins = self.items.is_empty() || (!self.of_one_goal && self.dice.chance(25));
        let fact = if begins { self.begins(at) } else { self.goes_on(at) };
        self.knows[at].push(self.facts.len());
        self.facts.push(fact);
    }

    fn begins(&mut self, at: usize) -> SignedFact {
        let (_, kind) = if self.of_one_goal { (Begun::Goal, "goal") } else { BEGUN[self.dice.below(BEGUN.len())] };
        let Naming::Founded { first } = Kind::named(kind).unwrap().naming else { panic!("{kind} is founded") };
        let goal = self.of("goal");
        let milestone = self.of("milestone");
        let value = match (kind, goal, milestone) {
            ("milestone", Some(goal), _) => json!(goal),
            ("progress", _, Some(milestone)) => json!(milestone),
            _ => json!("A day by the sea."),
        };
        let value = if self.dice.chance(5) { Value::Null } else { value };
        let fact = self.devices[at].says(None, kind, first, value, &[]);
        self.items.push((fact.fact().item(), kind));
        fact
    }

    fn goes_on(&mut self, at: usize) -> SignedFact {
        let (mut item, mut kind) = self.items[self.dice.below(self.items.len())];
        if self.dice.chance(25)
            && let Some(goal) = self.of("goal")
        {
            (item, kind) = (goal, "goal");
        }
        if self.dice.chance(20) && !self.of_one_goal {
            // Facts may name any item for any kind.
            kind = ["goal", "milestone", "journal"][self.dice.below(3)];
        }
        let Naming::Founded { first } = Kind::named(kind).unwrap().naming else { panic!("{kind} is founded") };
        let states = GoalState::ALL.map(|state| json!(state.name()));
        let (mut field, mut value) = match kind {
            "goal" if self.dice.chance(80) => ("state", states[self.dice.below(2)].clone()),
            "milestone" if self.dice.chance(80) => ("done", json!(self.dice.chance(70))),
            _ => (first, json!(["Another day.", "A walk."][self.dice.below(2)])),
        };
        if kind == "ritual" && self.dice.chance(80) {
            let day = date(2027, 1 + self.dice.below(3) as i8, 1 + self.dice.below(2) as i8);
            let is = ["done", "missed", "wonderful"][self.dice.below(10).saturating_sub(7)];
            value = json!({ "ritual": item, "date": day, "is": is });
            let named =
                if self.dice.chance(10) { json!({ "ritual": item, "date": "2027-01-01" }) } else { value.clone() };
            item = Kind::named("occurrence").unwrap().keyed_item(&HOUSEHOLD, &named).unwrap();
            (kind, field) = ("occurrence", "mark");
        }
        if self.dice.chance(15) {
            value = Value::Null;
        }
        let about = |place: &&usize| {
            let fact = self.facts[**place].fact();
            fact.item() == item && fact.header().kind == kind && fact.header().field == field
        };
        let mut seen: Vec<FactId> =
            self.knows[at].iter().filter(about).map(|place| self.facts[*place].fact().id()).collect();
        // A fact names so many at most; the last ones are those that stand.
        seen.drain(..seen.len().saturating_sub(MAX_SEEN - 1));
        self.dice.shuffle(&mut seen);
        if self.dice.chance(25) {
            seen.truncate(self.dice.below(4));
        }
        if self.dice.chance(5) {
            // A copy of the home speaks.
            let device = self.devices[at].id;
            let own: Vec<FactId> = self
                .facts
                .iter()
                .filter(|fact| fact.fact().header().device == device)
                .map(|fact| fact.fact().id())
                .collect();
            let previous = (!own.is_empty()).then(|| own[self.dice.below(own.len())]);
            return self.devices[at].says_after(previous, Some(item), kind, field, value, &seen);
        }
        self.devices[at].says(Some(item), kind, field, value, &seen)
    }
}

fn life(seed: u64, steps: usize, of_one_goal: bool) -> Life {
    let mut living = Living::new(seed, of_one_goal);
    for _ in 0..steps {
        living.step();
    }
    let Living { mut dice, devices, mut facts, .. } = living;
    let mut membership = members(&devices);
    remove_and_lose(&mut dice, &devices[2], &mut membership, &mut facts);
    Life { facts, membership }
}

/// The same, by looking at every item.
fn plainly(rows: &MemoryRows, reader: &Reader) -> Statistics {
    let mut plain: BTreeMap<Month, BTreeMap<Counted, u64>> = BTreeMap::new();
    let mut count = |date: Date, counted: Counted| {
        if YEARS.contains(&date.year()) {
            *plain.entry(Month::of(date)).or_default().entry(counted).or_default() += 1;
        }
    };
    for (begun, kind) in BEGUN {
        let Naming::Founded { first } = Kind::named(kind).unwrap().naming else { panic!("{kind} is founded") };
        for item in view::items(rows, reader, kind).unwrap() {
            let Some(founded) = &item.founded else { continue };
            let reading = &item.fields[first].reading;
            let versions = reading.versions.iter().map(|version| &version.value);
            if reading.value.iter().chain(versions).any(|value| !value.is_null()) {
                count(founded.on, Counted::Begun(begun));
            }
            if kind == "goal" {
                goal(&item, &mut count);
            }
            if kind == "milestone" {
                let reached = item.fields["done"].slots.iter().filter(|slot| slot.reading.value == Some(json!(true)));
                if let Some(first) = reached.flat_map(|slot| &slot.reading.said).map(|said| said.on).min() {
                    count(first, Counted::MilestoneReached);
                }
            }
        }
    }
    for item in view::items(rows, reader, "occurrence").unwrap() {
        let marks = item.fields["mark"].slots.iter().filter_map(|slot| slot.reading.value.as_ref());
        let valid = |mark: &&Value| !mark.is_null() && schema::check_value("occurrence", "mark", mark).is_ok();
        if let Some(done) = marks.filter(valid).find(|mark| mark["is"] == "done") {
            count(done["date"].as_str().unwrap().parse().unwrap(), Counted::Held);
        }
    }
    plain
}

fn goal(item: &ItemView, count: &mut impl FnMut(Date, Counted)) {
    let field = &item.fields["state"];
    let state = |value: &Value| GoalState::ALL.into_iter().find(|state| value.as_str() == Some(state.name()));
    if field.reading.state == State::Held
        && let Some(state) = field.reading.value.as_ref().and_then(state)
    {
        count(field.reading.said.iter().map(|said| said.on).min().unwrap(), Counted::GoalSaid(state));
    }
    if let [agreement] = field.agreement.as_slice()
        && let Some(state) = state(&agreement.value)
    {
        count(agreement.on, Counted::GoalAgreed(state));
    }
}

fn readers() -> [Reader; 2] {
    [false, true].map(|second| Reader { household: HOUSEHOLD, partner: support::partner(second) })
}

#[test]
fn same_facts_same_view_statistics_are_what_one_counts_item_by_item_in_whatever_order_facts_came() {
    let mut seen: BTreeMap<Counted, u64> = BTreeMap::new();
    let (mut rebuilt, mut gone) = (0, 0);
    for seed in 0..support::runs(30) {
        // Some have so much to say of one goal that not all of it is looked at whenever more is said.
        let of_one_goal = seed % 6 == 5;
        let life = life(seed, if of_one_goal { 150 } else { 120 }, of_one_goal);
        let mut whole = MemoryRows::default();
        ingest(&mut whole, &life.membership, &life.facts);
        let counted = index::statistics(&whole).unwrap();
        for reader in readers() {
            assert_eq!(counted, plainly(&whole, &reader), "seed {seed}");
        }
        for (counted, count) in counted.values().flatten() {
            *seen.entry(*counted).or_default() += count;
        }
        let begun =
            |(_, counts): (&Month, &BTreeMap<Counted, u64>)| counts.get(&Counted::Begun(Begun::Journal)).copied();
        let journal: u64 = counted.iter().filter_map(begun).sum();
        gone += view::items(&whole, &readers()[0], "journal").unwrap().len() as u64 - journal;
        let mut dice = Dice::seeded(seed ^ 0xfeed);
        for _ in 0..2 {
            // Some come without their values first, as they do from who has them erased.
            let mut facts = life.facts.clone();
            let erased = |fact: &SignedFact| SignedFact::verify(fact.fact().erased(), &fact.signature()).unwrap();
            facts.extend(life.facts.iter().filter(|_| dice.chance(10)).map(erased).collect::<Vec<_>>());
            dice.shuffle(&mut facts);
            let mut rows = MemoryRows::default();
            while !facts.is_empty() {
                let batch = (1 + dice.below(8)).min(facts.len());
                let batch: Vec<_> = facts.drain(..batch).collect();
                rebuilt += u64::from(ingest(&mut rows, &life.membership, &batch).rebuilt);
                if dice.chance(10) {
                    let reader = readers()[dice.below(2)];
                    assert_eq!(index::statistics(&rows).unwrap(), plainly(&rows, &reader), "seed {seed}, half-way");
                }
            }
            assert!(whole == rows, "seed {seed}: the rows follow from the facts");
        }
        index::rebuild(&mut whole, &HOUSEHOLD, &life.membership).unwrap();
        assert_eq!(index::statistics(&whole).unwrap(), counted, "seed {seed}: built anew");
    }
    // The lives were such that everything came up.
    let begun = BEGUN.map(|(begun, _)| Counted::Begun(begun)).into_iter();
    for counted in begun.chain([Counted::Held, Counted::MilestoneReached]) {
        assert!(seen.get(&counted).is_some_and(|count| *count > 10), "{counted:?}: {seen:?}");
    }
    for of in [Counted::GoalSaid, Counted::GoalAgreed] {
        let states: u64 = GoalState::ALL.into_iter().filter_map(|state| seen.get(&of(state))).sum();
        assert!(states > 2, "{seen:?}");
    }
    assert!(rebuilt > 5 && gone > 5, "{rebuilt} {gone}");
}

#[test]
fn a_goal_stands_where_both_agreed_since_the_later_of_their_words() {
    let (mut one, mut other) = (Device::new(1), Device::new(101));
    let membership = members(&[one.clone(), other.clone()]);
    let mut rows = MemoryRows::default();
    let month = |month| Month { year: 2027, month };
    let mut stands = |facts: &[SignedFact]| {
        ingest(&mut rows, &membership, facts);
        let goals = |(month, counts): (Month, BTreeMap<Counted, u64>)| {
            let states = counts.into_keys().filter(|counted| matches!(counted, Counted::GoalAgreed(_)));
            states.map(move |counted| (month, counted)).collect::<Vec<_>>()
        };
        index::statistics(&rows).unwrap().into_iter().flat_map(goals).collect::<Vec<_>>()
    };
    (one.date, other.date) = (date(2027, 1, 31), date(2027, 2, 1));
    let goal = one.says(None, "goal", "title", json!("Sail"), &[]);
    let item = Some(goal.fact().item());
    let first = one.says(item, "goal", "state", json!("agreed"), &[]);
    // The goal itself comes after what is said of it.
    let second = other.says(item, "goal", "state", json!("agreed"), &[first.fact().id()]);
    assert_eq!(stands(&[first.clone(), second.clone()]), []);
    assert_eq!(stands(&[goal]), [(month(2), Counted::GoalAgreed(GoalState::Agreed))]);
    // A word of one alone waits, and takes nothing away.
    one.date = date(2027, 3, 1);
    let before = [first.fact().id(), second.fact().id()];
    let third = one.says(item, "goal", "state", json!("reached"), &before);
    assert_eq!(stands(std::slice::from_ref(&third)), [(month(2), Counted::GoalAgreed(GoalState::Agreed))]);
    other.date = date(2027, 4, 1);
    let fourth = other.says(item, "goal", "state", json!("reached"), &[second.fact().id(), third.fact().id()]);
    assert_eq!(stands(std::slice::from_ref(&fourth)), [(month(4), Counted::GoalAgreed(GoalState::Reached))]);
    let ended = one.says(item, "goal", "state", Value::Null, &[third.fact().id(), fourth.fact().id()]);
    assert_eq!(stands(&[ended]), []);
}

/// A removal that becomes known takes what no longer counts off.
#[test]
fn statistics_lose_what_a_removed_device_said_beyond_what_is_accepted() {
    for seed in 0..support::runs(20) {
        let life = life(seed, 80, false);
        let devices: Vec<Device> = [1, 2, 3, 101, 102].map(Device::new).to_vec();
        let mut rows = MemoryRows::default();
        ingest(&mut rows, &members(&devices), &life.facts);
        index::rebuild(&mut rows, &HOUSEHOLD, &life.membership).unwrap();
        assert_eq!(index::statistics(&rows).unwrap(), plainly(&rows, &readers()[0]), "seed {seed}");
    }
}

#[test]
fn thirty_years_are_thirty_rows() {
    let mut device = Device::new(1);
    let mut rows = MemoryRows::default();
    let membership = members(std::slice::from_ref(&device));
    for year in 2027..2057 {
        let mut facts = Vec::new();
        for month in 1..=12 {
            for day in [1, 11, 21] {
                device.date = date(year, month, day);
                facts.push(device.says(None, "thanks", "what", json!("Tea."), &[]));
            }
        }
        ingest(&mut rows, &membership, &facts);
    }
    let group = |((_, group, _), value): (&(_, Vec<u8>, _), &Vec<u8>)| (group == b"statistics").then_some(value.len());
    let sizes: Vec<usize> = rows.iter().filter_map(group).collect();
    assert_eq!(sizes.len(), 30);
    assert!(sizes.iter().all(|size| *size < 100), "{sizes:?}");
    let statistics = index::statistics(&rows).unwrap();
    assert_eq!(statistics.len(), 360);
    assert!(statistics.values().all(|counts| *counts == BTreeMap::from([(Counted::Begun(Begun::Thanks), 3)])));
    assert_eq!(statistics.keys().next().map(ToString::to_string).as_deref(), Some("2027-01"));
}

#[test]
fn states_and_kinds_are_those_of_the_schema() {
    let states = GoalState::ALL.map(GoalState::name);
    let shape = schema::field("goal", "state").map(|field| field.shape);
    assert!(matches!(shape, Some(Shape::OneOf(known)) if known == states), "{shape:?}");
    for (_, kind) in BEGUN {
        assert!(matches!(Kind::named(kind).map(|kind| kind.naming), Some(Naming::Founded { .. })), "{kind}");
    }
}
