//! NoSilentWinner: the replacing rule of shared fields, against a reference written apart from it, in thousands of small
//! lives: random saying, syncing, stale pages and dishonest `seen`.
//!
//! The reference keeps every fact's past as an explicit set and knows no clocks; and an oracle, which knows no rule, counts
//! facts that the other partner contradicted apart from them and that are gone although their own partner never spoke
//! again. There must be none.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::FactId;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use serde_json::json;
use support::{Device, Dice, ingest, members, runs, vision};

/// A fact as the reference sees it.
struct Word {
    value: usize,
    second: bool,
    seen: BTreeSet<usize>,
    past: BTreeSet<usize>,
}

fn concurrent(words: &[Word], one: usize, other: usize) -> bool {
    one != other && !words[one].past.contains(&other) && !words[other].past.contains(&one)
}

/// What is live among `here`, by the rule as design.md words it.
fn live(words: &[Word], here: &BTreeSet<usize>) -> BTreeSet<usize> {
    let replaces = |later: usize, earlier: usize| {
        if words[later].second == words[earlier].second {
            return true;
        }
        let contradicts =
            |other: usize| concurrent(words, other, earlier) && words[other].value != words[earlier].value;
        let seen_contradiction = words[later].past.iter().any(|other| contradicts(*other));
        let own_contradiction = here.iter().any(|other| {
            words[*other].second == words[later].second && concurrent(words, *other, later) && contradicts(*other)
        });
        !seen_contradiction && !own_contradiction
    };
    let mut live = here.clone();
    for later in here {
        for earlier in words[*later].seen.intersection(here) {
            if replaces(*later, *earlier) {
                live.remove(earlier);
            }
        }
    }
    live
}

fn pick(dice: &mut Dice, from: &BTreeSet<usize>, most: usize) -> BTreeSet<usize> {
    let mut all: Vec<usize> = from.iter().copied().collect();
    dice.shuffle(&mut all);
    all.truncate(most);
    all.into_iter().collect()
}

fn run(seed: u64, first: usize, second: usize, one_by_one: bool) -> usize {
    let mut dice = Dice::seeded(seed);
    let mut devices: Vec<Device> =
        (0..first).map(|n| 1 + n).chain((0..second).map(|n| 101 + n)).map(|n| Device::new(n as u8)).collect();
    let mut words: Vec<Word> = Vec::new();
    let mut facts: Vec<SignedFact> = Vec::new();
    let mut here: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); devices.len()];
    let mut last: Vec<Option<usize>> = vec![None; devices.len()];
    let mut pages: Vec<Vec<BTreeSet<usize>>> = vec![vec![BTreeSet::new()]; devices.len()];
    for _ in 0..40 {
        let at = dice.below(devices.len());
        if dice.chance(35) {
            let with = dice.below(devices.len());
            let both: BTreeSet<usize> = here[at].union(&here[with]).copied().collect();
            let page = live(&words, &both);
            for device in [at, with] {
                here[device].clone_from(&both);
                pages[device].push(page.clone());
            }
            continue;
        }
        let seen = match dice.below(10) {
            0..6 => live(&words, &here[at]),
            6..8 => pages[at][dice.below(pages[at].len())].clone(),
            _ => {
                let most = dice.below(3);
                pick(&mut dice, &here[at], most)
            }
        };
        let value = dice.below(4);
        let mut past: BTreeSet<usize> = BTreeSet::new();
        for known in seen.iter().chain(&last[at]) {
            past.insert(*known);
            past.extend(&words[*known].past);
        }
        let ids: Vec<FactId> = seen.iter().map(|known| facts[*known].fact().id()).collect();
        facts.push(devices[at].says(Some(vision()), "vision", "draft", json!(value.to_string()), &ids));
        here[at].insert(words.len());
        last[at] = Some(words.len());
        words.push(Word { value, second: at >= first, seen, past });
        let page = live(&words, &here[at]);
        pages[at].push(page);
    }
    let everything: BTreeSet<usize> = (0..words.len()).collect();
    let expected = live(&words, &everything);

    for fact in &everything {
        let spoke_again = words.iter().any(|word| word.seen.contains(fact) && word.second == words[*fact].second);
        let contradicted = |other: &usize| {
            words[*other].second != words[*fact].second
                && concurrent(&words, *other, *fact)
                && words[*other].value != words[*fact].value
        };
        let lost = !expected.contains(fact) && !spoke_again && everything.iter().any(contradicted);
        assert!(!lost, "seed {seed}: a contradicted fact is gone without its speaker");
    }

    let numbers: BTreeMap<FactId, usize> =
        facts.iter().enumerate().map(|(number, fact)| (fact.fact().id(), number)).collect();
    let membership = members(&devices);
    let mut rows = MemoryRows::default();
    if one_by_one {
        dice.shuffle(&mut facts);
        for fact in &facts {
            ingest(&mut rows, &membership, std::slice::from_ref(fact));
        }
    } else {
        ingest(&mut rows, &membership, &facts);
    }
    let key = FieldKey { item: vision(), kind: "vision".into(), field: "draft".into() };
    let field = index::field(&rows, &key).unwrap();
    let actual: BTreeSet<usize> = field.live().map(|entry| numbers[&entry.id]).collect();
    assert_eq!(actual, expected, "seed {seed}");
    for entry in field.entries() {
        let past = field.entries().iter().filter(|other| entry.has_in_past(other));
        let past: BTreeSet<usize> = past.map(|other| numbers[&other.id]).collect();
        assert_eq!(past, words[numbers[&entry.id]].past, "seed {seed}: the clock tells the past");
    }
    words.len() - expected.len()
}

#[test]
fn no_silent_winner_in_shared_fields() {
    for (first, second) in [(1, 1), (2, 2), (1, 3)] {
        let replaced: usize = (0..runs(250)).map(|seed| run(seed, first, second, false)).sum();
        assert!(replaced > 100, "facts do get replaced");
        let one_by_one: usize = (0..runs(40)).map(|seed| run(seed, first, second, true)).sum();
        assert!(one_by_one > 10, "facts do get replaced");
    }
}
