//! Finding the agreements that stand without comparing every word with every other.
//!
//! Facts are told apart by their places: a branch's facts follow each other, so that what is concurrent with a fact, and what
//! is in its past, are stretches of every branch. For `n` facts on `b` branches the search takes about `n b log n` steps.
//! Of the pairs that agree it makes only those that no other pair of the same two branches supersedes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Agreed, Entry, FieldFacts, Place, ValueHash};
use crate::ids::{FactId, PartnerId};
use crate::index::Clock;

/// One branch's facts in the field, in order.
struct Branch<'a> {
    partner: PartnerId,
    words: Vec<Word<'a>>,
    /// For each of them, the position of the next that says something else.
    next_other: Vec<usize>,
    /// The sequences of the first live one, and of the first live one that says something else than that.
    first_live: Option<(u32, ValueHash)>,
    second_live: Option<u32>,
}

struct Word<'a> {
    entry: &'a Entry,
    sequence: u32,
    clock: &'a Clock,
    /// What every one of the speaker's facts that replaced this had in its past; `None` if none did.
    until: Option<Clock>,
    /// Whether it can be agreed to: not `null`, and its speaker had no other word beside it.
    plain: bool,
}

impl Word<'_> {
    /// Whether whoever said this replaced it only having that one in the past.
    fn left_knowing(&self, branch: &FactId, sequence: u32) -> bool {
        self.until.as_ref().is_none_or(|until| until.get(branch) >= sequence)
    }
}

/// Of one branch, the sequences and positions of the words of one value that can be agreed to.
type Sayings = BTreeMap<ValueHash, Vec<usize>>;

pub(super) struct Words<'a> {
    branches: BTreeMap<FactId, Branch<'a>>,
    sayings: BTreeMap<FactId, Sayings>,
    /// Facts that say `null`.
    ends: Vec<&'a Entry>,
}

/// Two words that agree, each by branch and position.
type Pair = [(FactId, usize); 2];

impl<'a> Words<'a> {
    pub(super) fn of(facts: &'a FieldFacts) -> Self {
        let mut branches: BTreeMap<FactId, Branch<'a>> = BTreeMap::new();
        for entry in facts.entries() {
            if let Place::Placed { branch, sequence, clock } = &entry.place {
                let word = Word { entry, sequence: *sequence, clock, until: None, plain: false };
                let new = || Branch {
                    partner: entry.partner,
                    words: Vec::new(),
                    next_other: Vec::new(),
                    first_live: None,
                    second_live: None,
                };
                branches.entry(*branch).or_insert_with(new).words.push(word);
            }
        }
        for branch in branches.values_mut() {
            branch.words.sort_unstable_by_key(|word| word.sequence);
            branch.next_other = vec![branch.words.len(); branch.words.len()];
            for at in (0..branch.words.len().saturating_sub(1)).rev() {
                let same = branch.words[at].entry.value == branch.words[at + 1].entry.value;
                branch.next_other[at] = if same { branch.next_other[at + 1] } else { at + 1 };
            }
            let mut live = branch.words.iter().filter(|word| word.entry.is_live());
            branch.first_live = live.next().map(|word| (word.sequence, word.entry.value));
            let first = branch.first_live.map(|(_, value)| value);
            branch.second_live = live.find(|word| Some(word.entry.value) != first).map(|word| word.sequence);
        }
        let mut words =
            Self { branches, sayings: BTreeMap::new(), ends: facts.entries().iter().filter(|e| e.null).collect() };
        words.find_ends(facts);
        words.find_plain();
        words
    }

    fn word(&self, (branch, at): (FactId, usize)) -> &Word<'a> {
        &self.branches[&branch].words[at]
    }

    /// Notes for every word what its speaker knew when replacing it.
    fn find_ends(&mut self, facts: &FieldFacts) {
        for later in facts.entries() {
            let Place::Placed { clock, .. } = &later.place else { continue };
            for earlier in facts.named(later) {
                let earlier = &facts.entries()[earlier];
                let Place::Placed { branch, sequence, .. } = &earlier.place else { continue };
                if earlier.partner != later.partner {
                    continue;
                }
                let Some(branch) = self.branches.get_mut(branch) else { continue };
                if let Ok(at) = branch.words.binary_search_by_key(sequence, |word| word.sequence) {
                    match &mut branch.words[at].until {
                        Some(until) => until.meet(clock),
                        until => *until = Some(clock.clone()),
                    }
                }
            }
        }
    }

    fn find_plain(&mut self) {
        let mut plain = Vec::new();
        for (name, branch) in &self.branches {
            for (at, word) in branch.words.iter().enumerate() {
                if !word.entry.null && !self.has_rival(name, branch.partner, word) {
                    plain.push((*name, at));
                }
            }
        }
        for (name, at) in plain {
            let Some(branch) = self.branches.get_mut(&name) else { continue };
            branch.words[at].plain = true;
            let value = branch.words[at].entry.value;
            self.sayings.entry(name).or_default().entry(value).or_default().push(at);
        }
    }

    /// Whether the word's own speaker had another one beside it: said apart, or left standing when this was said.
    fn has_rival(&self, own: &FactId, partner: PartnerId, word: &Word<'_>) -> bool {
        let value = word.entry.value;
        self.branches.iter().filter(|(_, branch)| branch.partner == partner).any(|(name, branch)| {
            let known = if name == own { word.sequence - 1 } else { word.clock.get(name) };
            let beside = match (branch.first_live, branch.second_live) {
                (Some((first, said)), _) if said != value => first <= known,
                (_, Some(second)) => second <= known,
                _ => false,
            };
            beside || (name != own && branch.says_other_between(known, own, word.sequence, value))
        })
    }

    /// The pairs that agree, less those that another pair of the same branches supersedes: for every word, the latest of
    /// each other branch that agrees with it and that it did not have in its past.
    fn pairs(&self) -> BTreeSet<Pair> {
        let mut pairs = BTreeSet::new();
        for (name, branch) in &self.branches {
            for (at, word) in branch.words.iter().enumerate().filter(|(_, word)| word.plain) {
                for (other_name, other) in &self.branches {
                    if other.partner == branch.partner {
                        continue;
                    }
                    let Some(sayings) = self.sayings.get(other_name) else { continue };
                    let Some(same) = sayings.get(&word.entry.value) else { continue };
                    let known = word.clock.get(other_name);
                    let latest = word.until.as_ref().map_or(u32::MAX, |until| until.get(other_name));
                    let from = same.partition_point(|at| other.words[*at].sequence <= known);
                    let to = same.partition_point(|at| other.words[*at].sequence <= latest);
                    let candidates = same.get(from..to).unwrap_or_default();
                    let agrees = |at: &&usize| other.words[**at].left_knowing(name, word.sequence);
                    if let Some(found) = candidates.iter().rev().find(agrees) {
                        let mut pair = [(*name, at), (*other_name, *found)];
                        pair.sort_unstable_by_key(|word| self.word(*word).entry.partner);
                        pairs.insert(pair);
                    }
                }
            }
        }
        pairs
    }

    /// The agreements that no later one covers, each with whether it was ended.
    pub(super) fn latest(&self) -> Vec<(Agreed<'a>, bool)> {
        // What a pair covers: both, and everything in their pasts. One that covers more than another is later.
        let mut pairs: Vec<(u64, Clock, Pair)> = Vec::new();
        for pair in self.pairs() {
            let mut clock = self.word(pair[0]).clock.clone();
            clock.join(self.word(pair[1]).clock);
            pairs.push((clock.weight(), clock, pair));
        }
        pairs.sort_unstable_by_key(|(weight, _, _)| Reverse(*weight));
        let mut latest: Vec<(u64, Clock)> = Vec::new();
        let mut found: Vec<(Agreed<'a>, bool)> = Vec::new();
        for (weight, clock, pair) in pairs {
            let covers = |later: &Clock| {
                pair.iter().all(|(branch, at)| later.get(branch) >= self.branches[branch].words[*at].sequence)
            };
            if latest.iter().any(|(most, later)| *most > weight && covers(later)) {
                continue;
            }
            if !latest.iter().any(|(_, later)| *later == clock) {
                latest.push((weight, clock));
            }
            let agreed = Agreed { one: self.word(pair[0]).entry, other: self.word(pair[1]).entry };
            let ends = |end: &&'a Entry| {
                let by_one_of_them = [agreed.one.partner, agreed.other.partner].contains(&end.partner);
                by_one_of_them && end.has_in_past(agreed.one) && end.has_in_past(agreed.other)
            };
            found.push((agreed, self.ends.iter().any(ends)));
        }
        found
    }
}

impl Branch<'_> {
    /// Whether anything here beyond `known`, which does not have that fact in its past, says something other than `value`.
    fn says_other_between(&self, known: u32, branch: &FactId, sequence: u32, value: ValueHash) -> bool {
        let from = self.words.partition_point(|word| word.sequence <= known);
        // What has it in its past, all that follows has, too.
        let to = self.words.partition_point(|word| word.clock.get(branch) < sequence);
        match self.words.get(from) {
            Some(first) if from < to => first.entry.value != value || self.next_other[from] < to,
            _ => false,
        }
    }
}
