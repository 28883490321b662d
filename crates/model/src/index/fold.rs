//! Folding one field as its facts arrive: which facts are live, and what replaces the others (NoSilentWinner).
//!
//! What a fact that arrives can change is little, and found without looking at the others:
//! - what it names, it may replace;
//! - it may be replaced by facts that name it and came before it;
//! - in a shared field it may contradict others apart from them; see [`super::contradiction`].
//!
//! A branch's facts follow each other. So what of a branch a fact has in its past is the branch's beginning.

mod reading;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{field_name, long_name};
use super::stored_field::{
    CHUNK, FieldRow, Head, chunk_key, decode_entries, decode_field, encode_entries, encode_head, encode_small,
};
use super::{FieldKey, IndexError};
use crate::field::{Entry, LiveFacts, Place, Placed, Replacers, Said};
use crate::ids::{FactId, PartnerId};
use crate::schema::{self, Field, FieldKind};

pub(crate) use reading::FieldReader;

pub(super) type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// What is known of a branch's facts in one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) partner: PartnerId,
    /// How many they are.
    pub(super) count: u32,
    /// The number in the branch of the last of them.
    pub(super) last: u32,
    /// The number in the branch of the last one that does not name all of the field that is in its past; 0 if all do.
    pub(super) stale: u32,
    /// A bit for every chunk of them, the lowest first: whether it has a fact that the other partner replaced. No byte at
    /// its end is zero.
    pub(super) crossed: Vec<u8>,
}

impl Branch {
    pub(super) fn is_crossed(&self, chunk: u32) -> bool {
        self.crossed.get(chunk as usize / 8).is_some_and(|byte| byte & (1 << (chunk % 8)) != 0)
    }

    pub(super) fn set_crossed(&mut self, chunk: u32, crossed: bool) {
        let at = chunk as usize / 8;
        if crossed && self.crossed.len() <= at {
            self.crossed.resize(at + 1, 0);
        }
        if let Some(byte) = self.crossed.get_mut(at) {
            *byte = *byte & !(1 << (chunk % 8)) | (u8::from(crossed) << (chunk % 8));
        }
        while self.crossed.last() == Some(&0) {
            self.crossed.pop();
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    pub(super) dirty: bool,
}

/// A fact without a place: arriving or void.
#[derive(Debug)]
struct Loose {
    entry: Option<Entry>,
    stored: bool,
    dirty: bool,
}

/// One field's rows, read as far as they were needed.
#[derive(Debug)]
pub(super) struct OpenField {
    key: FieldKey,
    pub(super) schema: Option<&'static Field>,
    pub(super) head: Head,
    /// Whether its facts have rows of their own in the store, and of every branch how many.
    large: bool,
    stored: BTreeMap<FactId, u32>,
    chunks: BTreeMap<(FactId, u32), Chunk>,
    loose: BTreeMap<FactId, Loose>,
    pub(super) changed: bool,
    /// Whether it was one to settle when it was read.
    pub(super) to_settle_before: bool,
}

impl OpenField {
    pub(super) fn read<R: ReadRows>(rows: &R, key: &FieldKey) -> Answer<Self, R> {
        let bytes = rows.get(Table::Fields, key.item.as_bytes(), &field_name(key))?;
        let row = bytes.map(|bytes| decode_field(&bytes)).transpose()?;
        Self::from_row(key, row)
    }

    /// A field with its row; none where nothing was said.
    pub(super) fn from_row<E: std::error::Error>(key: &FieldKey, row: Option<FieldRow>) -> Result<Self, IndexError<E>> {
        let mut field = Self {
            key: key.clone(),
            schema: schema::field(&key.kind, &key.field),
            head: Head::default(),
            large: false,
            stored: BTreeMap::new(),
            chunks: BTreeMap::new(),
            loose: BTreeMap::new(),
            changed: false,
            to_settle_before: false,
        };
        match row {
            Some(FieldRow::Large(head)) => {
                field.stored = head.branches.iter().map(|(branch, of)| (*branch, of.count)).collect();
                field.head = head;
                field.large = true;
            }
            Some(FieldRow::Small(mut entries)) => {
                entries.sort_by_cached_key(|entry| match &entry.place {
                    Place::Placed { sequence, .. } => *sequence,
                    Place::Arriving | Place::Void => 0,
                });
                for entry in entries {
                    field.restore(entry).ok_or(IndexError::Damaged(Table::Fields))?;
                }
            }
            None => {}
        }
        field.to_settle_before = field.to_settle();
        Ok(field)
    }

    /// Whether it may be one to settle.
    pub(super) fn to_settle(&self) -> bool {
        self.standing().to_settle(self.kind())
    }

    pub(super) fn kind(&self) -> Option<FieldKind> {
        self.schema.map(|field| field.kind)
    }

    /// What stands.
    pub(super) fn standing(&self) -> &LiveFacts {
        &self.head.standing
    }

    pub(super) fn into_standing(self) -> LiveFacts {
        self.head.standing
    }

    /// Every fact, read as far as it was not yet.
    pub(super) fn all<R: ReadRows>(&mut self, rows: &R) -> Answer<Vec<Entry>, R> {
        if self.large {
            let damaged = || IndexError::Damaged(Table::Entries);
            for (key, bytes) in rows.group(Table::Entries, &long_name(&self.key))? {
                let entries = || decode_entries(&bytes);
                let (id, number) = key.split_first_chunk::<32>().ok_or_else(damaged)?;
                let id = FactId::from_bytes(*id);
                if let Ok(number) = <[u8; 4]>::try_from(number) {
                    if let Slot::Vacant(slot) = self.chunks.entry((id, u32::from_be_bytes(number))) {
                        slot.insert(Chunk { entries: entries()?, dirty: false });
                    }
                } else if let Slot::Vacant(slot) = self.loose.entry(id) {
                    let entry = entries()?.pop().ok_or_else(damaged)?;
                    slot.insert(Loose { entry: Some(entry), stored: true, dirty: false });
                }
            }
        }
        let loose = self.loose.values().filter_map(|loose| loose.entry.as_ref());
        Ok(self.chunks.values().flat_map(|chunk| &chunk.entries).chain(loose).cloned().collect())
    }

    /// Puts a fact of a small field back in its place; `None` if it cannot have been there.
    fn restore(&mut self, entry: Entry) -> Option<()> {
        let standing = &mut self.head.standing;
        standing.speakers.insert(entry.partner);
        if entry.is_live() {
            standing.live.insert(entry.id, entry.clone());
        }
        match &entry.place {
            Place::Placed { branch, sequence, .. } => {
                let (branch, sequence, partner) = (*branch, *sequence, entry.partner);
                let (crossed, stale) = (!entry.replacers.other.is_empty(), entry.said.names.is_some());
                let number = self.append(branch, sequence, partner)?;
                self.chunks.entry((branch, number)).or_default().entries.push(entry);
                let of = self.head.branches.get_mut(&branch)?;
                if stale {
                    of.stale = sequence;
                }
                if crossed {
                    of.set_crossed(number, true);
                }
            }
            Place::Arriving => {
                *standing.arriving.entry(entry.partner).or_default() += 1;
                self.loose.insert(entry.id, Loose { entry: Some(entry), stored: false, dirty: false });
            }
            Place::Void => {
                standing.void += 1;
                self.loose.insert(entry.id, Loose { entry: Some(entry), stored: false, dirty: false });
            }
        }
        Some(())
    }

    /// Counts one more fact of a branch; answers the chunk it goes into. `None` if it does not follow the last one.
    fn append(&mut self, branch: FactId, sequence: u32, partner: PartnerId) -> Option<u32> {
        let new = || Branch { partner, count: 0, last: 0, stale: 0, crossed: Vec::new() };
        let of = self.head.branches.entry(branch).or_insert_with(new);
        (of.last < sequence && of.partner == partner).then_some(())?;
        of.last = sequence;
        of.count += 1;
        self.head.standing.placed += 1;
        Some((of.count - 1) / CHUNK)
    }

    pub(super) fn chunk<R: ReadRows>(&mut self, rows: &R, branch: &FactId, number: u32) -> Answer<&mut Chunk, R> {
        match self.chunks.entry((*branch, number)) {
            Slot::Occupied(slot) => Ok(slot.into_mut()),
            Slot::Vacant(slot) => {
                let stored =
                    self.large && self.stored.get(branch).is_some_and(|count| number.saturating_mul(CHUNK) < *count);
                let chunk = if stored {
                    let damaged = IndexError::Damaged(Table::Entries);
                    let bytes = rows.get(Table::Entries, &long_name(&self.key), &chunk_key(branch, number))?;
                    let entries = decode_entries(&bytes.ok_or(damaged)?)?;
                    if entries.is_empty() {
                        return Err(IndexError::Damaged(Table::Entries));
                    }
                    Chunk { entries, dirty: false }
                } else {
                    Chunk::default()
                };
                Ok(slot.insert(chunk))
            }
        }
    }

    /// Where the facts of a branch begin that are beyond `known`: their chunk, and their position in it.
    pub(super) fn beyond<R: ReadRows>(&mut self, rows: &R, branch: &FactId, known: u32) -> Answer<(u32, usize), R> {
        let count = self.head.branches.get(branch).map_or(0, |of| of.count);
        // The chunk sought is the last one that begins with something known, or the first of all.
        let (mut low, mut high) = (0, count.div_ceil(CHUNK));
        let mut probe = high.saturating_sub(1);
        while low + 1 < high {
            let begins = self.chunk(rows, branch, probe)?.entries.first().map_or(0, sequence);
            if begins <= known {
                low = probe;
            } else {
                high = probe;
            }
            probe = low + (high - low) / 2;
        }
        let at = self.chunk(rows, branch, low)?.entries.partition_point(|entry| sequence(entry) <= known);
        Ok(if at == CHUNK as usize { (low + 1, 0) } else { (low, at) })
    }

    fn loose<R: ReadRows>(&mut self, rows: &R, id: &FactId) -> Answer<Option<&mut Loose>, R> {
        if self.large && !self.loose.contains_key(id) {
            let standing = &self.head.standing;
            if standing.void > 0 || !standing.arriving.is_empty() {
                let bytes = rows.get(Table::Entries, &long_name(&self.key), id.as_bytes())?;
                let entry =
                    bytes.map(|bytes| decode_entries(&bytes)).transpose()?.and_then(|mut entries| entries.pop());
                let stored = entry.is_some();
                self.loose.insert(*id, Loose { entry, stored, dirty: false });
            }
        }
        Ok(self.loose.get_mut(id))
    }

    /// A fact with its place, or without one; to be changed. `None` if it was not entered yet.
    fn entry_mut<R: ReadRows>(&mut self, rows: &R, id: &FactId, place: &Place) -> Answer<Option<&mut Entry>, R> {
        let Place::Placed { branch, sequence, .. } = place else {
            let loose = self.loose(rows, id)?;
            return Ok(loose.and_then(|loose| {
                loose.dirty |= loose.entry.is_some();
                loose.entry.as_mut()
            }));
        };
        let (number, at) = self.beyond(rows, branch, sequence.saturating_sub(1))?;
        let chunk = self.chunk(rows, branch, number)?;
        let entry = chunk.entries.get_mut(at).filter(|entry| entry.id == *id);
        chunk.dirty |= entry.is_some();
        Ok(entry)
    }

    /// A fact with its place, as it was entered; `None` if it was not.
    pub(super) fn entered<R: ReadRows>(&mut self, rows: &R, branch: &FactId, at: u32) -> Answer<Option<&Entry>, R> {
        let (number, position) = self.beyond(rows, branch, at.saturating_sub(1))?;
        let chunk = self.chunk(rows, branch, number)?;
        Ok(chunk.entries.get(position).filter(|entry| sequence(entry) == at))
    }

    /// Enters a fact, or gives one that arrived before its place. `named` are the facts that it names, and `naming` those of
    /// the facts here that name it, with their partners.
    pub(super) fn enter<R: ReadRows>(
        &mut self,
        rows: &R,
        mut entry: Entry,
        named: &[Entry],
        naming: &[(FactId, PartnerId)],
    ) -> Answer<(), R> {
        self.changed = true;
        self.head.standing.speakers.insert(entry.partner);
        let before = self.loose(rows, &entry.id)?.and_then(|loose| loose.entry.take());
        if entry.place == Place::Void {
            if before.is_none() {
                self.head.standing.void += 1;
            }
            self.put_loose(entry);
            // What named it, named what it names.
            for (id, partner) in naming {
                for earlier in named.iter().filter(|earlier| earlier.partner == *partner) {
                    self.replace_own(rows, earlier, *id)?;
                }
            }
            return Ok(());
        }
        if let Some(before) = before {
            entry.replacers = before.replacers;
            let arriving = &mut self.head.standing.arriving;
            if let Some(count) = arriving.get_mut(&entry.partner) {
                *count -= 1;
            }
            arriving.retain(|_, count| *count > 0);
        }
        let shared = self.kind() == Some(FieldKind::Shared);
        if shared && entry.placed() {
            self.find_said(rows, &mut entry, named)?;
        }
        for (id, _) in naming.iter().filter(|(_, partner)| *partner == entry.partner) {
            super::stored::insert_sorted(&mut entry.replacers.own, *id);
        }
        for earlier in named.iter().filter(|earlier| earlier.partner == entry.partner) {
            self.replace_own(rows, earlier, entry.id)?;
        }
        let live = &mut self.head.standing.live;
        if entry.is_live() {
            live.insert(entry.id, entry.clone());
        } else {
            live.remove(&entry.id);
        }
        let Place::Placed { branch, sequence, clock } = &entry.place else {
            *self.head.standing.arriving.entry(entry.partner).or_default() += 1;
            self.put_loose(entry);
            return Ok(());
        };
        let by = Placed { id: entry.id, branch: *branch, sequence: *sequence };
        for earlier in named.iter().filter(|earlier| earlier.partner != entry.partner) {
            let replaces = match self.kind() {
                Some(FieldKind::Light) => true,
                Some(FieldKind::Shared) => {
                    !entry.said.left.iter().any(|left| left.id == earlier.id)
                        && !self.contradicted_beside(rows, earlier, entry.partner, clock)?
                }
                // What this version does not know is left to its speakers.
                Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
            };
            if replaces {
                self.replace_other(rows, earlier, by)?;
            }
        }
        if shared {
            self.leave_standing(rows, &entry, clock)?;
            self.undo_contradicted(rows, &entry, clock)?;
        }
        let branch = *branch;
        let number = self.append(branch, *sequence, entry.partner).ok_or(IndexError::Damaged(Table::Fields))?;
        if entry.said.names.is_some()
            && let Some(of) = self.head.branches.get_mut(&branch)
        {
            of.stale = *sequence;
        }
        let chunk = self.chunk(rows, &branch, number)?;
        chunk.entries.push(entry);
        chunk.dirty = true;
        Ok(())
    }

    fn put_loose(&mut self, entry: Entry) {
        let stored = self.loose.get(&entry.id).is_some_and(|loose| loose.stored);
        self.loose.insert(entry.id, Loose { entry: Some(entry), stored, dirty: true });
    }

    fn replace_own<R: ReadRows>(&mut self, rows: &R, earlier: &Entry, by: FactId) -> Answer<(), R> {
        // One that was not entered yet is told then, as it is waited for.
        if let Some(entry) = self.entry_mut(rows, &earlier.id, &earlier.place)? {
            super::stored::insert_sorted(&mut entry.replacers.own, by);
            self.head.standing.live.remove(&earlier.id);
        }
        Ok(())
    }

    fn replace_other<R: ReadRows>(&mut self, rows: &R, earlier: &Entry, by: Placed) -> Answer<(), R> {
        let Place::Placed { branch, sequence, .. } = &earlier.place else { return Ok(()) };
        let damaged = IndexError::Damaged(Table::Entries);
        let entry = self.entry_mut(rows, &earlier.id, &earlier.place)?.ok_or(damaged)?;
        if let Err(at) = entry.replacers.other.binary_search(&by) {
            entry.replacers.other.insert(at, by);
        }
        self.head.standing.live.remove(&earlier.id);
        let (number, _) = self.beyond(rows, branch, sequence.saturating_sub(1))?;
        if let Some(of) = self.head.branches.get_mut(branch) {
            of.set_crossed(number, true);
        }
        Ok(())
    }

    /// A field of these facts alone, folded from its beginning. What they name beside them does not count.
    pub(super) fn of<R: ReadRows>(rows: &R, key: &FieldKey, entries: Vec<Entry>) -> Answer<Self, R> {
        let mut field = Self::from_row(key, None)?;
        field.refold_all(rows, entries)?;
        Ok(field)
    }

    /// Folds the field from its beginning, after the values of some of its facts came late.
    pub(super) fn refold<R: ReadRows>(&mut self, rows: &R, filled: &BTreeMap<FactId, Entry>) -> Answer<(), R> {
        let mut entries = self.all(rows)?;
        for entry in &mut entries {
            if let Some(whole) = filled.get(&entry.id) {
                (entry.value, entry.null) = (whole.value, whole.null);
            }
        }
        self.refold_all(rows, entries)
    }

    fn refold_all<R: ReadRows>(&mut self, rows: &R, entries: Vec<Entry>) -> Answer<(), R> {
        let bare = |entry: Entry| (entry.id, Entry { replacers: Replacers::default(), said: Said::default(), ..entry });
        let all: BTreeMap<FactId, Entry> = entries.into_iter().map(bare).collect();
        self.head = Head::default();
        self.chunks.clear();
        // What has rows of its own gets them anew.
        let loose = all.values().filter(|entry| !entry.placed()).map(|entry| entry.id);
        let stored = self.large;
        self.loose = loose.map(|id| (id, Loose { entry: None, stored, dirty: true })).collect();
        self.stored.clear();
        let mut order: Vec<(u64, FactId)> = all.values().map(|entry| (entry.weight(), entry.id)).collect();
        order.sort_unstable();
        let named_of = |entry: &Entry| {
            let mut named = BTreeMap::new();
            let mut open = entry.seen.clone();
            while let Some(id) = open.pop() {
                if let Some(earlier) = all.get(&id).filter(|_| !named.contains_key(&id)) {
                    if !earlier.counts() {
                        open.extend(&earlier.seen);
                    }
                    named.insert(id, earlier.clone());
                }
            }
            named.into_values().filter(Entry::counts).collect::<Vec<Entry>>()
        };
        for (_, id) in &order {
            let entry = all[id].clone();
            let named = if entry.counts() { named_of(&entry) } else { Vec::new() };
            self.enter(rows, entry, &named, &[])?;
        }
        // Those that still arrive have no order: they may name each other either way.
        for entry in all.values().filter(|entry| entry.place == Place::Arriving) {
            for earlier in named_of(entry).iter().filter(|earlier| earlier.partner == entry.partner) {
                self.replace_own(rows, earlier, entry.id)?;
            }
        }
        Ok(())
    }

    /// Writes what changed.
    pub(super) fn write<R: WriteRows>(&mut self, rows: &mut R) -> Answer<(), R> {
        let (group, name) = (self.key.item.as_bytes(), field_name(&self.key));
        if self.head.standing.count() <= CHUNK {
            let loose = self.loose.values().filter_map(|loose| loose.entry.as_ref());
            let mut all: Vec<&Entry> = self.chunks.values().flat_map(|chunk| &chunk.entries).chain(loose).collect();
            all.sort_unstable_by_key(|entry| entry.id);
            return Ok(rows.put(Table::Fields, group, &name, &encode_small(all.into_iter()))?);
        }
        rows.put(Table::Fields, group, &name, &encode_head(&self.head))?;
        let group = long_name(&self.key);
        for ((branch, number), chunk) in &mut self.chunks {
            if (chunk.dirty || !self.large) && !chunk.entries.is_empty() {
                rows.put(Table::Entries, &group, &chunk_key(branch, *number), &encode_entries(chunk.entries.iter()))?;
            }
        }
        for (id, loose) in &self.loose {
            match &loose.entry {
                Some(entry) if loose.dirty || !self.large => {
                    rows.put(Table::Entries, &group, id.as_bytes(), &encode_entries(std::iter::once(entry)))?;
                }
                None if loose.stored => rows.remove(Table::Entries, &group, id.as_bytes())?,
                _ => {}
            }
        }
        Ok(())
    }
}

pub(super) fn sequence(entry: &Entry) -> u32 {
    match &entry.place {
        Place::Placed { sequence, .. } => *sequence,
        Place::Arriving | Place::Void => 0,
    }
}

#[cfg(test)]
mod tests;
