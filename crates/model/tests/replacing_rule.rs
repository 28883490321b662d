//! NoSilentWinner: the replacing rule of shared fields, against a reference written apart from it, in thousands of small
//! lives: random saying, syncing, stale pages and dishonest `seen`.
//!
//! The reference keeps what every fact names and its past as explicit sets and knows no clocks. Two oracles, which know no
//! rule, look for facts that are gone although their own partner never spoke again: such as the other partner contradicted
//! apart from them, and such as differed from the other's in the view of whoever spoke next. There must be none; in prose,
//! none of the first kind.

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
    /// Everything that it names, directly or through what it names.
    named: BTreeSet<usize>,
    past: BTreeSet<usize>,
    /// What of the other partner's it left standing; see [`left`].
    left: BTreeSet<usize>,
}

/// What a word says, and whether that may be merged on reading.
struct Words {
    all: Vec<Word>,
    prose: bool,
}

impl Words {
    /// Whoever said the one had not been shown the other.
    fn apart(&self, one: usize, other: usize) -> bool {
        one != other && !self.all[one].named.contains(&other) && !self.all[other].named.contains(&one)
    }

    fn contradicts(&self, one: usize, other: usize) -> bool {
        self.apart(one, other) && self.all[one].value != self.all[other].value
    }

    /// Whether it left something of the other's standing that says something else.
    fn contested(&self, word: usize) -> bool {
        !self.prose && self.all[word].left.iter().any(|left| self.all[*left].value != self.all[word].value)
    }

    /// Whether a word of this past has to leave `earlier` standing, by what is in that past.
    fn stands(&self, past: &BTreeSet<usize>, earlier: usize) -> bool {
        self.contested(earlier) || past.iter().any(|other| self.contradicts(*other, earlier))
    }

    /// What a word leaves standing: of the other partner's, what it names and may not replace, and what its own partner's
    /// words that it names left, unless it names an answer to that.
    fn left(&self, second: bool, seen: &BTreeSet<usize>, past: &BTreeSet<usize>) -> BTreeSet<usize> {
        let (own, other): (Vec<usize>, Vec<usize>) = seen.iter().partition(|known| self.all[**known].second == second);
        let answered = |left: &usize| other.iter().any(|later| later == left || self.all[*later].named.contains(left));
        let inherited = own.iter().flat_map(|earlier| &self.all[*earlier].left).filter(|left| !answered(left));
        other.iter().filter(|earlier| self.stands(past, **earlier)).chain(inherited).copied().collect()
    }

    /// What is live among `here`, by the rule as docs/design/folding.md words it.
    fn live(&self, here: &BTreeSet<usize>) -> BTreeSet<usize> {
        let replaces = |later: usize, earlier: usize| {
            let word = &self.all[later];
            let beside = |other: &usize| {
                let other_word = &self.all[*other];
                *other != later && other_word.second == word.second && !other_word.past.contains(&later)
            };
            let keeps = |other: &usize| self.contradicts(*other, earlier) || self.all[*other].left.contains(&earlier);
            word.second == self.all[earlier].second
                || (!self.stands(&word.past, earlier) && !here.iter().filter(|other| beside(other)).any(keeps))
        };
        let mut live = here.clone();
        for later in here {
            for earlier in self.all[*later].seen.intersection(here) {
                if replaces(*later, *earlier) {
                    live.remove(earlier);
                }
            }
        }
        live
    }

    /// Words that differ in the view that a past gives, by the partner who is not `second`.
    fn differing(&self, second: bool, past: &BTreeSet<usize>) -> BTreeSet<usize> {
        let live = self.live(past);
        let (own, other): (Vec<usize>, Vec<usize>) = live.iter().partition(|word| self.all[**word].second == second);
        let differs = |word: &usize| own.iter().any(|own| self.all[*own].value != self.all[*word].value);
        other.into_iter().filter(differs).collect()
    }
}

fn pick(dice: &mut Dice, from: &BTreeSet<usize>, most: usize) -> BTreeSet<usize> {
    let mut all: Vec<usize> = from.iter().copied().collect();
    dice.shuffle(&mut all);
    all.truncate(most);
    all.into_iter().collect()
}

fn run(seed: u64, [first, second]: [usize; 2], (kind, field): (&str, &str), one_by_one: bool) -> usize {
    let mut dice = Dice::seeded(seed);
    let mut devices: Vec<Device> =
        (0..first).map(|n| 1 + n).chain((0..second).map(|n| 101 + n)).map(|n| Device::new(n as u8)).collect();
    let prose = field == "draft";
    let mut words = Words { all: Vec::new(), prose };
    let mut differed: BTreeSet<usize> = BTreeSet::new();
    let mut facts: Vec<SignedFact> = Vec::new();
    let mut here: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); devices.len()];
    let mut last: Vec<Option<usize>> = vec![None; devices.len()];
    let mut pages: Vec<Vec<BTreeSet<usize>>> = vec![vec![BTreeSet::new()]; devices.len()];
    for _ in 0..40 {
        let at = dice.below(devices.len());
        if dice.chance(35) {
            let with = dice.below(devices.len());
            let both: BTreeSet<usize> = here[at].union(&here[with]).copied().collect();
            let page = words.live(&both);
            for device in [at, with] {
                here[device].clone_from(&both);
                pages[device].push(page.clone());
            }
            continue;
        }
        let seen = match dice.below(12) {
            0..6 => words.live(&here[at]),
            6..8 => pages[at][dice.below(pages[at].len())].clone(),
            // Goes on with what it was answered when it spoke last, which names its own word only.
            8..10 => last[at].into_iter().collect(),
            _ => {
                let most = dice.below(3);
                pick(&mut dice, &here[at], most)
            }
        };
        let value = dice.below(4);
        let mut past: BTreeSet<usize> = BTreeSet::new();
        for known in seen.iter().chain(&last[at]) {
            past.insert(*known);
            past.extend(&words.all[*known].past);
        }
        let ids: Vec<FactId> = seen.iter().map(|known| facts[*known].fact().id()).collect();
        facts.push(devices[at].says(Some(vision()), kind, field, json!(value.to_string()), &ids));
        here[at].insert(words.all.len());
        last[at] = Some(words.all.len());
        let is_second = at >= first;
        differed.extend(words.differing(is_second, &past));
        let named = seen.iter().flat_map(|known| words.all[*known].named.iter().chain([known])).copied().collect();
        let left = words.left(is_second, &seen, &past);
        words.all.push(Word { value, second: is_second, seen, named, past, left });
        let page = words.live(&here[at]);
        pages[at].push(page);
    }
    let everything: BTreeSet<usize> = (0..words.all.len()).collect();
    let expected = words.live(&everything);

    for fact in everything.difference(&expected) {
        let word = &words.all[*fact];
        let of_other = |other: &&usize| words.all[**other].second != word.second;
        if everything.iter().any(|own| words.all[*own].second == word.second && words.all[*own].seen.contains(fact)) {
            continue;
        }
        // Whoever said something apart had not said so after replacing it.
        let apart = |other: &usize| {
            let answered = everything
                .iter()
                .filter(of_other)
                .any(|later| words.all[*later].seen.contains(fact) && words.all[*other].past.contains(later));
            words.contradicts(*other, *fact) && !answered
        };
        let contradicted = everything.iter().filter(of_other).any(apart);
        assert!(!contradicted, "seed {seed}: a contradicted fact is gone without its speaker");
        assert!(prose || !differed.contains(fact), "seed {seed}: a difference was ended by one alone");
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
    let key = FieldKey { item: vision(), kind: kind.into(), field: field.into() };
    let field = index::field(&rows, &key).unwrap();
    let actual: BTreeSet<usize> = field.live().map(|entry| numbers[&entry.id]).collect();
    assert_eq!(actual, expected, "seed {seed}");
    for entry in field.entries() {
        let past = field.entries().iter().filter(|other| entry.has_in_past(other));
        let past: BTreeSet<usize> = past.map(|other| numbers[&other.id]).collect();
        assert_eq!(past, words.all[numbers[&entry.id]].past, "seed {seed}: the clock tells the past");
    }
    words.all.len() - expected.len()
}

#[test]
fn no_silent_winner_in_shared_fields() {
    for field in [("vision", "draft"), ("goal", "until")] {
        for devices in [[1, 1], [2, 2], [1, 3]] {
            let replaced: usize = (0..runs(120)).map(|seed| run(seed, devices, field, false)).sum();
            assert!(replaced > 100, "facts do get replaced");
            let one_by_one: usize = (0..runs(25)).map(|seed| run(seed, devices, field, true)).sum();
            assert!(one_by_one > 10, "facts do get replaced");
        }
    }
}
