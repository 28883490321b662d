//! Agreements in a great many short lives of two partners with two devices each, compared with the plain comparison of each
//! word with each: as they are found from all facts, and as they are kept in fields of many.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::FactId;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::schema;
use serde_json::{Value, json};
use support::plain::Plain;
use support::{Device, Dice, ingest, members, runs, vision};

const KIND: &str = "vision";
const FIELD: &str = "wording";

/// More than a field keeps in one row.
const LONG: usize = 18;

fn life(dice: &mut Dice, long: bool) -> (Vec<SignedFact>, [Device; 4]) {
    let mut devices = [1, 2, 101, 102].map(Device::new);
    let mut facts: Vec<SignedFact> = Vec::new();
    for turn in 0..if long { LONG } else { 0 } {
        let last: Vec<FactId> = facts.last().map(|fact| fact.fact().id()).into_iter().collect();
        facts.push(devices[0].says(Some(vision()), KIND, FIELD, json!(turn), &last));
    }
    let mut here: [BTreeSet<usize>; 4] = [0, 1, 2, 3].map(|_| (0..facts.len()).collect());
    for _ in 0..6 + dice.below(10) {
        let at = dice.below(4);
        if dice.chance(30) {
            let with = dice.below(4);
            let both: BTreeSet<usize> = here[at].union(&here[with]).copied().collect();
            here[at].clone_from(&both);
            here[with] = both;
            continue;
        }
        let own = |place: &&usize| facts[**place].fact().header().device == devices[at].id;
        let seen: Vec<usize> = match dice.below(8) {
            // What it was answered when it spoke last, and a page that shows less than there is.
            0 => here[at].iter().rfind(own).copied().into_iter().collect(),
            1 => here[at].iter().copied().filter(|_| dice.chance(50)).collect(),
            2 => Vec::new(),
            _ => here[at].iter().copied().collect(),
        };
        let seen: Vec<FactId> = seen.into_iter().rev().take(64).map(|place| facts[place].fact().id()).collect();
        let value = if dice.chance(12) { Value::Null } else { json!(["calm", "calm", "open"][dice.below(3)]) };
        here[at].insert(facts.len());
        facts.push(devices[at].says(Some(vision()), KIND, FIELD, value, &seen));
    }
    (facts, devices)
}

#[test]
fn agreements_of_many_short_lives_are_those_of_the_plain_comparison() {
    let key = FieldKey { item: vision(), kind: KIND.into(), field: FIELD.into() };
    let (mut some, mut several) = (0, 0);
    for seed in 0..runs(1_500) {
        let mut dice = Dice::seeded(seed);
        let long = seed % 3 == 0;
        let (mut facts, devices) = life(&mut dice, long);
        if seed % 2 == 0 {
            dice.shuffle(&mut facts);
        }
        let membership = members(&devices);
        let mut rows = MemoryRows::default();
        for (place, fact) in facts.iter().enumerate() {
            ingest(&mut rows, &membership, std::slice::from_ref(fact));
            let last = place + 1 == facts.len();
            if !last && !dice.chance(if long && place > LONG { 80 } else { 10 }) {
                continue;
            }
            let field = index::field(&rows, &key).unwrap();
            let plain = Plain::of(&field, schema::field(KIND, FIELD)).agreements();
            let found = field.agreements();
            let pairs: Vec<(FactId, FactId)> = found.iter().map(|agreed| (agreed.one.id, agreed.other.id)).collect();
            assert_eq!(pairs.iter().copied().collect::<BTreeSet<_>>(), plain, "seed {seed}");
            assert_eq!(pairs.len(), plain.len(), "seed {seed}: none twice");
            let weights: Vec<u64> = found.iter().map(|agreed| agreed.one.weight().max(agreed.other.weight())).collect();
            assert!(weights.is_sorted(), "seed {seed}: the latest last");
            let kept = index::agreements(&rows, &key).unwrap();
            let kept: Vec<(FactId, FactId)> = kept.iter().map(|[one, other]| (one.id, other.id)).collect();
            assert_eq!(kept, pairs, "seed {seed}: what is kept");
            some += usize::from(!plain.is_empty());
            several += usize::from(plain.len() > 1);
        }
    }
    assert!(some > 300 && several > 50, "{some} {several}");
}

#[test]
fn a_word_whose_speaker_says_otherwise_on_another_device_agrees_to_nothing() {
    let mut devices = [1, 2, 101].map(Device::new);
    let membership = members(&devices);
    let mut say = |device: usize, value: &str, seen: &[FactId]| {
        devices[device].says(Some(vision()), KIND, FIELD, json!(value), seen)
    };
    // The second device says the same at first, twice, and then goes on to something else.
    let laptop = say(0, "calm", &[]);
    let first = say(1, "calm", &[]);
    let second = say(1, "calm", &[first.fact().id()]);
    let other = say(1, "open", &[second.fact().id()]);
    let theirs = say(2, "calm", &[laptop.fact().id()]);
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &membership, &[laptop, first, second, other, theirs]);
    let key = FieldKey { item: vision(), kind: KIND.into(), field: FIELD.into() };
    assert!(index::agreements(&rows, &key).unwrap().is_empty());
    let field = index::field(&rows, &key).unwrap();
    assert!(Plain::of(&field, schema::field(KIND, FIELD)).agreements().is_empty());
}

#[test]
fn a_word_that_was_left_knowing_of_it_and_of_the_others_had_agreed() {
    // Three say the same apart. The phone then says something else, having heard of the other two.
    let mut devices = [1, 2, 101].map(Device::new);
    let membership = members(&devices);
    let mut say = |device: usize, value: &str, seen: &[FactId]| {
        devices[device].says(Some(vision()), KIND, FIELD, json!(value), seen)
    };
    let [laptop, phone, theirs] = [say(0, "calm", &[]), say(1, "calm", &[]), say(2, "calm", &[])];
    let on = say(1, "open", &[laptop.fact().id(), theirs.fact().id()]);
    let both = [&laptop, &phone].map(|own| (own.fact().id(), theirs.fact().id()));
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &membership, &[laptop, phone, theirs, on]);
    let key = FieldKey { item: vision(), kind: KIND.into(), field: FIELD.into() };
    let field = index::field(&rows, &key).unwrap();
    let found: BTreeSet<(FactId, FactId)> =
        field.agreements().iter().map(|agreed| (agreed.one.id, agreed.other.id)).collect();
    assert_eq!(found, Plain::of(&field, schema::field(KIND, FIELD)).agreements());
    let either: BTreeSet<(FactId, FactId)> =
        found.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]).collect();
    assert!(both.iter().all(|pair| either.contains(pair)), "the laptop's and the phone's word each agreed with theirs");
}

/// Taking the other's word from a page that did not show one's own leaves one's own beside it: two words agree to neither.
#[test]
fn a_word_beside_ones_own_agrees_to_nothing_however_long_the_field() {
    for before in [1, LONG] {
        let mut devices = [1, 101].map(Device::new);
        let membership = members(&devices);
        let mut rows = MemoryRows::default();
        let mut say = |device: usize, value: &str, seen: &[FactId]| {
            let fact = devices[device].says(Some(vision()), KIND, FIELD, json!(value), seen);
            ingest(&mut rows, &membership, std::slice::from_ref(&fact));
            fact.fact().id()
        };
        let mut last = say(0, "first", &[]);
        for turn in 1..before {
            last = say(0, &turn.to_string(), &[last]);
        }
        let own = say(0, "open", &[last]);
        let theirs = say(1, "calm", &[own]);
        say(0, "calm", &[theirs]);
        let key = FieldKey { item: vision(), kind: KIND.into(), field: FIELD.into() };
        assert!(index::agreements(&rows, &key).unwrap().is_empty(), "after {before}");
    }
}
