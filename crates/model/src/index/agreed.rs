//! The agreements of a field of consent, kept beside its facts, so that neither a fact that arrives nor a reader looks through
//! all of them.
//!
//! Kept are those that no later agreement covers, the ended ones among them: everything else that was ever agreed is
//! covered by one of these, and is of no account as long as that one is. What a fact that arrives changes follows from them
//! and from what stands, if its speaker goes on from their one word, having all that they ever said in its past. Otherwise,
//! as after two of their devices spoke apart, all facts are looked at again.

use serde::{Deserialize, Serialize};

use super::fold::OpenField;
use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{AGREED, decode, encode, long_name};
use super::{Clock, FieldKey, IndexError};
use crate::field::{Entry, FieldFacts, Place};
use crate::ids::FactId;

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// The agreements of a field that no later one covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreed {
    /// Sorted.
    pairs: Vec<Pair>,
}

/// Two words that agree, by the smaller partner's id first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Pair {
    words: [Word; 2],
    /// Whether one of the two said "no longer agreed", having both words before them.
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Word {
    id: FactId,
    branch: FactId,
    sequence: u32,
}

impl Word {
    /// `None` for a fact without a place, which agrees to nothing.
    fn of(entry: &Entry) -> Option<Self> {
        match &entry.place {
            Place::Placed { branch, sequence, .. } => Some(Self { id: entry.id, branch: *branch, sequence: *sequence }),
            Place::Arriving | Place::Void => None,
        }
    }

    fn is_in(&self, past: &Clock) -> bool {
        past.get(&self.branch) >= self.sequence
    }
}

impl Pair {
    fn is_in(&self, past: &Clock) -> bool {
        self.words.iter().all(|word| word.is_in(past))
    }
}

impl Agreed {
    /// What is agreed in a field of these facts.
    pub(super) fn of(facts: &FieldFacts) -> Self {
        let pair = |(agreed, ended): (crate::field::Agreed<'_>, bool)| {
            Some(Pair { words: [Word::of(agreed.one)?, Word::of(agreed.other)?], ended })
        };
        let mut pairs: Vec<Pair> = facts.latest_agreements().into_iter().filter_map(pair).collect();
        pairs.sort_unstable();
        Self { pairs }
    }

    /// What is kept beside a field of many facts.
    pub(super) fn read<R: ReadRows>(rows: &R, key: &FieldKey) -> Answer<Self, R> {
        let bytes = rows.get(Table::Derived, AGREED, &long_name(key))?;
        Ok(bytes.map(|bytes| decode(Table::Derived, &bytes)).transpose()?.unwrap_or_default())
    }

    pub(super) fn write<R: WriteRows>(&self, rows: &mut R, key: &FieldKey) -> Answer<(), R> {
        let name = long_name(key);
        match self.pairs.as_slice() {
            [] => rows.remove(Table::Derived, AGREED, &name)?,
            _ => rows.put(Table::Derived, AGREED, &name, &encode(self))?,
        }
        Ok(())
    }

    /// The facts that agree and stand, in pairs.
    pub(super) fn standing(&self) -> impl Iterator<Item = [FactId; 2]> {
        self.pairs.iter().filter(|pair| !pair.ended).map(|pair| pair.words.map(|word| word.id))
    }

    /// What is agreed once `new`, which names these facts of `field`, has arrived there. `None` where all facts have to be
    /// looked at.
    pub(super) fn with(mut self, field: &OpenField, new: &Entry, named: &[Entry]) -> Option<Self> {
        let Place::Placed { clock: past, .. } = &new.place else { return None };
        if field.standing().arriving() {
            return None;
        }
        // All that its speaker ever said there is in its past, so that nothing of theirs was said beside it.
        let mut branches = field.branches();
        if !branches.all(|(branch, partner, last)| partner != new.partner || past.get(branch) >= last) {
            return None;
        }
        let (own, others): (Vec<&Entry>, Vec<&Entry>) =
            field.standing().live().partition(|entry| entry.partner == new.partner);
        // They go on from one word, or begin: so no earlier word of theirs stood beside another, or does again.
        let left = match own.as_slice() {
            [] => None,
            [word] if named.iter().any(|named| named.id == word.id) => Some(word.id),
            _ => return None,
        };
        // Whoever leaves a word without the other's, to which it agrees, before them, never knew that they agreed.
        let unknowing = |pair: &Pair| pair.words.iter().any(|word| Some(word.id) == left) && !pair.is_in(past);
        if self.pairs.iter().any(unknowing) {
            return None;
        }
        if new.null {
            for pair in self.pairs.iter_mut().filter(|pair| pair.is_in(past)) {
                pair.ended = true;
            }
            self.pairs.sort_unstable();
            return Some(self);
        }
        // It agrees with the same word of another who has only that one; with an earlier one, which its speaker left without
        // knowing this, it does not.
        for word in others.iter().filter(|word| word.value == new.value) {
            if others.iter().any(|other| other.partner == word.partner && other.id != word.id) {
                return None;
            }
            let Place::Placed { clock, .. } = &word.place else { return None };
            let mut covered = past.clone();
            covered.join(clock);
            self.pairs.retain(|pair| !pair.is_in(&covered));
            let mut two = [new, word];
            two.sort_unstable_by_key(|entry| entry.partner);
            self.pairs.push(Pair { words: [Word::of(two[0])?, Word::of(two[1])?], ended: false });
        }
        self.pairs.sort_unstable();
        Some(self)
    }
}
