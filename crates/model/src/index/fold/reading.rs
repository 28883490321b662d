//! Reading a field as far as is asked for: what stands costs one row, and what differing versions replaced costs the facts
//! between them and that, whatever the field's history.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{CHUNK, OpenField};
use crate::field::{Entry, FieldFacts, LiveFacts, Place};
use crate::ids::{FactId, PartnerId};
use crate::index::agreed::Agreed;
use crate::index::rows::{ReadRows, Table};
use crate::index::stored::{FactRow, decode, fact_group};
use crate::index::{FieldKey, IndexError};
use crate::schema::FieldKind;

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// A field of which facts are read as they are asked for.
pub(crate) struct FieldReader<'a, R> {
    rows: &'a R,
    live: LiveFacts,
    field: RefCell<OpenField>,
    /// What was read so far.
    known: RefCell<BTreeMap<FactId, Entry>>,
}

impl<'a, R: ReadRows> FieldReader<'a, R> {
    /// The field of this key; nothing of it where nothing was said.
    pub(crate) fn new(rows: &'a R, key: &FieldKey) -> Answer<Self, R> {
        Ok(Self::of(rows, OpenField::read(rows, key)?))
    }

    pub(in crate::index) fn of(rows: &'a R, field: OpenField) -> Self {
        let live = field.standing().clone();
        let known = RefCell::new(live.live.clone());
        Self { rows, live, field: RefCell::new(field), known }
    }

    /// What stands.
    pub(crate) fn live(&self) -> &LiveFacts {
        &self.live
    }

    /// Every fact.
    pub(crate) fn all(&self) -> Answer<FieldFacts, R> {
        Ok(FieldFacts::new(self.field.borrow_mut().all(self.rows)?))
    }

    /// A fact of the field; `None` if it is of another, or not here.
    pub(crate) fn entry(&self, id: &FactId) -> Answer<Option<Entry>, R> {
        let mut known = self.known.borrow_mut();
        if !known.contains_key(id) {
            let around = self.field.borrow_mut().around(self.rows, id)?;
            known.extend(around.into_iter().map(|entry| (entry.id, entry)));
        }
        Ok(known.get(id).cloned())
    }

    /// The facts that agree and stand, in pairs as [`FieldFacts::agreements`] tells them.
    pub(crate) fn agreements(&self) -> Answer<Vec<[Entry; 2]>, R> {
        let (large, key) = (self.field.borrow().large, self.field.borrow().key.clone());
        if !large {
            let all = self.all()?;
            return Ok(all.agreements().iter().map(|agreed| [agreed.one.clone(), agreed.other.clone()]).collect());
        }
        let mut agreements = Vec::new();
        for pair in Agreed::read(self.rows, &key)?.standing() {
            let [one, other] = pair.map(|id| self.entry(&id));
            let both = one?.zip(other?).ok_or(IndexError::Damaged(Table::Derived))?;
            agreements.push(<[Entry; 2]>::from(both));
        }
        agreements.sort_by_key(|[one, other]| (one.weight().max(other.weight()), one.id, other.id));
        Ok(agreements)
    }

    /// The facts that all of `versions` transitively replaced, as [`FieldFacts::bases`] tells it.
    pub(crate) fn bases(&self, versions: &[FactId]) -> Answer<Vec<Entry>, R> {
        if self.live.arriving() {
            // What still arrives has no place yet by which to go backwards.
            return Ok(self.all()?.bases(versions).into_iter().cloned().collect());
        }
        // As one finds the merge base of two commits: backwards, what has the most in its past first, so that whatever
        // replaced a fact was looked at before it. Once only facts below a base are left, no other base can follow.
        let mut walk = Walk::default();
        for (number, version) in versions.iter().enumerate() {
            if let Some(version) = self.entry(version)? {
                for earlier in self.replaced_by(&version)? {
                    walk.reach(earlier, [number], false);
                }
            }
        }
        let mut bases = Vec::new();
        while walk.candidates > 0
            && let Some(found) = walk.next()
        {
            let shared = found.by.len() == versions.len();
            for earlier in self.replaced_by(&found.entry)? {
                walk.reach(earlier, found.by.iter().copied(), found.below || shared);
            }
            if shared && !found.below {
                bases.push(found.entry);
            }
        }
        bases.sort_unstable_by_key(|base| base.id);
        Ok(bases)
    }

    /// What a fact replaced, directly.
    fn replaced_by(&self, later: &Entry) -> Answer<Vec<Entry>, R> {
        let mut replaced = Vec::new();
        let mut done = BTreeSet::new();
        let mut open = later.seen.clone();
        while let Some(id) = open.pop() {
            if !done.insert(id) {
                continue;
            }
            let Some(earlier) = self.entry(&id)? else { continue };
            if !earlier.counts() {
                open.extend(earlier.seen);
            } else if earlier.replacers.contains(&later.id) {
                replaced.push(earlier);
            }
        }
        Ok(replaced)
    }

    /// Whether two partners each took the other's earlier word and left their own: crossing offers.
    pub(crate) fn crossed(&self) -> Answer<bool, R> {
        let mut live = self.live.live();
        let (Some(one), Some(other), None) = (live.next(), live.next(), live.next()) else { return Ok(false) };
        if one.value == other.value || one.partner == other.partner {
            return Ok(false);
        }
        Ok(self.took_the_others(one)? && self.took_the_others(other)?)
    }

    /// Whether a word is one of the other partner's that it names.
    fn took_the_others(&self, word: &Entry) -> Answer<bool, R> {
        for id in &word.seen {
            let earlier = self.entry(id)?;
            if earlier.is_some_and(|earlier| earlier.partner != word.partner && earlier.value == word.value) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A fact on the way back, with which of the versions replaced it, and whether another fact that all of them replaced did.
struct Found {
    entry: Entry,
    by: BTreeSet<usize>,
    below: bool,
}

#[derive(Default)]
struct Walk {
    open: BinaryHeap<(u64, FactId)>,
    found: BTreeMap<FactId, Found>,
    /// How many of the open ones are below no base.
    candidates: usize,
}

impl Walk {
    fn reach(&mut self, entry: Entry, by: impl IntoIterator<Item = usize>, below: bool) {
        let (id, weight) = (entry.id, entry.weight());
        let found = self.found.entry(id).or_insert_with(|| {
            self.open.push((weight, id));
            self.candidates += 1;
            Found { entry, by: BTreeSet::new(), below: false }
        });
        found.by.extend(by);
        if below && !std::mem::replace(&mut found.below, true) {
            self.candidates -= 1;
        }
    }

    /// The one with the most in its past. It was reached from everything that replaced it.
    fn next(&mut self) -> Option<Found> {
        let (_, id) = self.open.pop()?;
        let found = self.found.remove(&id)?;
        self.candidates -= usize::from(!found.below);
        Some(found)
    }
}

impl OpenField {
    /// Its branches, each with its speaker and the number of its last fact.
    pub(in crate::index) fn branches(&self) -> impl Iterator<Item = (&FactId, PartnerId, u32)> {
        self.head.branches.iter().map(|(branch, of)| (branch, of.partner, of.last))
    }

    /// Whether its agreements are kept beside it.
    pub(in crate::index) fn keeps_agreements(&self) -> bool {
        self.kind() == Some(FieldKind::Consent) && self.head.standing.count() > CHUNK
    }

    /// A fact of the field with those that are kept beside it; nothing if it is of another field, or not here.
    fn around<R: ReadRows>(&mut self, rows: &R, id: &FactId) -> Answer<Vec<Entry>, R> {
        if !self.large {
            return self.all(rows);
        }
        let bytes = rows.get(Table::Facts, &fact_group(id), id.as_bytes())?;
        let row: Option<FactRow> = bytes.map(|bytes| decode(Table::Facts, &bytes)).transpose()?;
        let Some(row) = row.filter(|row| row.is_of(&self.key, id)) else { return Ok(Vec::new()) };
        let Place::Placed { branch, sequence, .. } = row.place() else {
            let loose = self.loose(rows, id)?.and_then(|loose| loose.entry.clone());
            return Ok(loose.into_iter().collect());
        };
        let (number, _) = self.beyond(rows, &branch, sequence.saturating_sub(1))?;
        Ok(self.chunk(rows, &branch, number)?.entries.clone())
    }
}
