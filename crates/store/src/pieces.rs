//! Snapshots of documents in pieces that fit pages.
//!
//! redb gives a value that does not fit a page a power of two of pages, so that a long one leaves a quarter of them unused in the mean.
//! A snapshot is therefore kept in pieces that fill such pages to the last byte, with their names and with what sealing adds, and a
//! last one that is shorter than a page.
//!
//! Each is sealed for its own place: its name, which is authenticated, has the document, the slot and which piece it is, and how many
//! there are is sealed with it. A slot is never used twice. So a piece that is missing, swapped, repeated, or of an earlier snapshot is
//! found. Homes of before have whole snapshots, which are read as they are, until the document is compacted or the file written anew.

use std::collections::BTreeMap;

use betwixt_model::document::{DocumentId, Scope};

use crate::batch::Batch;
use crate::error::{Damage, StoreError};
use crate::reader::Reader;
use crate::seal::{OVERHEAD, ScopeKey};
use crate::tables::{Area, IN_PAGE, PACKING, PAGE, Row, Sealed, Span, group, number_of, numbered, opened, pack};

/// How many pages a piece may fill. Longer ones would save little more: what a piece costs is some 100 bytes.
const FILLED: [usize; 5] = [16, 8, 4, 2, 1];

/// How long a numbered row's name is.
const NAME: usize = 24;

/// How many bits of a row's number say which piece it is.
const PLACE: u32 = 24;

/// Where pieces begin in the order of a document's: the number of its first.
fn first_of(slot: u64) -> Result<u64, StoreError> {
    let shifted = slot.checked_mul(1 << PLACE);
    shifted.ok_or_else(|| StoreError::Unstorable(format!("{slot} is more than there can be of a document's snapshots")))
}

/// Into how many bytes each a snapshot is cut, where every piece costs `cost` beside. There is always one.
fn lengths(mut rest: usize, cost: usize) -> Vec<usize> {
    let mut lengths = Vec::new();
    loop {
        let filled = FILLED.iter().map(|pages| pages * PAGE - cost).find(|length| *length <= rest);
        let length = filled.unwrap_or(rest);
        if length == 0 && !lengths.is_empty() {
            return lengths;
        }
        lengths.push(length);
        rest -= length;
        if filled.is_none() {
            return lengths;
        }
    }
}

/// Takes which piece it is, its row's name, and what is sealed.
type EachPiece<'a> = &'a mut dyn FnMut(u64, &[u8], &[u8]) -> Result<(), StoreError>;

/// Cuts a snapshot and seals its pieces. `document` is the name of its group.
pub(crate) fn sealed_pieces(
    key: &ScopeKey,
    scope: Scope,
    document: &[u8],
    slot: u64,
    saved: &[u8],
) -> Result<Vec<Sealed>, StoreError> {
    let cost = IN_PAGE + NAME + OVERHEAD + PACKING + document.len() + size_of::<u32>();
    let lengths = lengths(saved.len(), cost);
    let too_long = || StoreError::Unstorable(format!("a snapshot of {} bytes is too long", saved.len()));
    let count = u32::try_from(lengths.len()).ok().filter(|count| *count < 1 << PLACE).ok_or_else(too_long)?;
    let first = first_of(slot)?;
    let mut rest = saved;
    let mut pieces = Vec::with_capacity(lengths.len());
    for (number, length) in (first..).zip(lengths) {
        let (piece, after) = rest.split_at(length);
        rest = after;
        let name = numbered(key, Area::Pieces, document, number);
        let packed = pack(document, &count.to_le_bytes(), piece);
        let sealed = key.seal(Area::Pieces.table(scope), &name, &packed);
        pieces.push((name, sealed));
    }
    Ok(pieces)
}

/// Puts pieces together again, which have to come in their order.
#[derive(Debug, Default)]
struct Joining {
    joined: Vec<u8>,
    /// How many there were so far.
    found: u64,
    /// How many there are, as the first says.
    count: u64,
    is_broken: bool,
}

impl Joining {
    fn add(&mut self, place: u64, document: &[u8], piece: Result<Row, StoreError>) {
        let count = |row: &Row| row.key.as_slice().try_into().ok().map(u32::from_le_bytes).map(u64::from);
        match piece.ok().and_then(|row| Some((count(&row)?, row))) {
            Some((count, row))
                if row.group == document && place == self.found && (self.found == 0 || count == self.count) =>
            {
                self.count = count;
                self.joined.extend_from_slice(&row.value);
            }
            _ => self.is_broken = true,
        }
        self.found += 1;
    }

    fn joined(self) -> Option<Vec<u8>> {
        (!self.is_broken && self.found == self.count).then_some(self.joined)
    }
}

/// A whole snapshot, as builds of before wrote it, in pieces; `None` for any other row, and for one that cannot be read.
pub(crate) fn in_pieces(
    key: Option<&ScopeKey>,
    (scope, area): (Scope, Area),
    at: &[u8],
    sealed: &[u8],
) -> Result<Option<Vec<Sealed>>, StoreError> {
    let Some(key) = key.filter(|_| area == Area::Snapshots) else { return Ok(None) };
    let Some(row) = opened(key, area.table(scope), at, sealed).ok() else { return Ok(None) };
    let Some(slot) = number_of(at) else { return Ok(None) };
    sealed_pieces(key, scope, &row.group, slot, &row.value).map(Some)
}

/// What snapshots say, whether whole or in pieces: the same for two files when it is the same in both.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<(Vec<u8>, u64), blake3::Hasher>);

impl Told {
    /// Takes in a row of [`Area::Snapshots`] or [`Area::Pieces`], those of a snapshot in their order.
    pub(crate) fn add(&mut self, key: Option<&ScopeKey>, (scope, area): (Scope, Area), at: &[u8], sealed: &[u8]) {
        let number = number_of(at).unwrap_or_default();
        let slot = if area == Area::Pieces { number >> PLACE } else { number };
        let row = key.and_then(|key| opened(key, area.table(scope), at, sealed).ok());
        // What cannot be read is copied as it stands, and told from what can by its name.
        let (name, said) = match &row {
            Some(row) => ((row.group.clone(), slot), row.value.as_slice()),
            None => ((at.to_vec(), number), sealed),
        };
        self.0.entry(name).or_default().update(said);
    }

    /// The hash of all of it.
    pub(crate) fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for ((name, slot), said) in &self.0 {
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(&slot.to_le_bytes());
            hasher.update(said.finalize().as_bytes());
        }
        hasher.finalize()
    }
}

impl Reader<'_> {
    /// Shows the pieces of a snapshot as they stand, each with which one it is.
    fn pieces(&self, document: DocumentId, slot: u64, each: EachPiece<'_>) -> Result<(), StoreError> {
        let (key, name, first) = (self.key(document.scope)?, document.to_string(), first_of(slot)?);
        let prefix = group(key, Area::Pieces, name.as_bytes());
        let from = numbered(key, Area::Pieces, name.as_bytes(), first);
        let span = Span { from: &from, ..Span::of(&prefix) };
        self.source().scan(document.scope, Area::Pieces, span, &mut |at, sealed| {
            let place = number_of(at).and_then(|number| number.checked_sub(first)).filter(|place| *place < 1 << PLACE);
            place.map(|place| each(place, at, sealed)).transpose().map(|shown| shown.is_some())
        })
    }

    /// A snapshot of a document; `None` with an entry in `damaged`, and its bytes kept aside, when it cannot be read.
    pub(crate) fn snapshot(
        &self,
        document: DocumentId,
        slot: u64,
        damaged: &mut Vec<Damage>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (scope, name) = (document.scope, document.to_string());
        let key = self.key(scope)?;
        let mut joining = Joining::default();
        self.pieces(document, slot, &mut |place, at, sealed| {
            joining.add(place, name.as_bytes(), opened(key, Area::Pieces.table(scope), at, sealed));
            Ok(())
        })?;
        let damage = Damage::Snapshot { document };
        if joining.found == 0 {
            return self.piece(document, Area::Snapshots, slot, damage, damaged);
        }
        let joined = joining.joined();
        if joined.is_none() {
            self.keep_aside(&format!("snapshot-{slot}"), &self.sealed_snapshot(document, slot)?)?;
            damaged.push(damage);
        }
        Ok(joined)
    }

    /// A snapshot as it stands, to be kept aside: a whole one, or every piece that is there, each behind its number in the document
    /// and its length, little-endian.
    pub(crate) fn sealed_snapshot(&self, document: DocumentId, slot: u64) -> Result<Vec<u8>, StoreError> {
        let row = numbered(self.key(document.scope)?, Area::Snapshots, document.to_string().as_bytes(), slot);
        if let Some(whole) = self.source().raw(document.scope, Area::Snapshots, &row)? {
            return Ok(whole);
        }
        let mut bytes = Vec::new();
        self.pieces(document, slot, &mut |_, at, sealed| {
            bytes.extend_from_slice(&number_of(at).unwrap_or_default().to_le_bytes());
            bytes.extend_from_slice(&(sealed.len() as u64).to_le_bytes());
            bytes.extend_from_slice(sealed);
            Ok(())
        })?;
        Ok(bytes)
    }
}

impl Batch {
    /// Writes a snapshot of a document into a slot that was never used.
    pub(crate) fn put_snapshot(&mut self, document: DocumentId, slot: u64, saved: &[u8]) -> Result<(), StoreError> {
        let name = document.to_string();
        let key = self.reader().key(document.scope)?;
        let pieces = sealed_pieces(key, document.scope, name.as_bytes(), slot, saved)?;
        self.edit(document.scope, Area::Pieces, |table| {
            for (name, sealed) in &pieces {
                table.insert(name.as_slice(), sealed.as_slice())?;
            }
            Ok(())
        })
    }

    /// Removes a snapshot, whole or in pieces.
    pub(crate) fn remove_snapshot(&mut self, document: DocumentId, slot: u64) -> Result<(), StoreError> {
        self.remove_numbered(document, Area::Snapshots, slot)?;
        let mut names = Vec::new();
        self.reader().pieces(document, slot, &mut |_, at, _| {
            names.push(at.to_vec());
            Ok(())
        })?;
        self.edit(document.scope, Area::Pieces, |table| {
            for name in &names {
                table.remove(name.as_slice())?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use automerge::ChangeHash;

    use super::*;
    use crate::disk::MemoryDisk;
    use crate::keys::{DataKey, DataKeys};
    use crate::store::{Store, StoreOptions};

    const DOCUMENT: DocumentId = DocumentId { scope: Scope::Mine, year: 2020, generation: 1 };
    const HEADS: [ChangeHash; 1] = [ChangeHash([1; 32])];

    /// A store with a snapshot as builds of before wrote it, which is sealed in one.
    fn with_a_whole_one(disk: &MemoryDisk, keys: &DataKeys, saved: &[u8]) -> Store {
        let store = Store::create(disk.clone(), keys, StoreOptions::default()).unwrap();
        let mut batch = store.begin().unwrap();
        batch.append_change(DOCUMENT, b"a change").unwrap();
        batch.put_heads(DOCUMENT, &HEADS).unwrap();
        let mut row = batch.reader().document_row(DOCUMENT).unwrap().unwrap();
        (row.snapshot, row.next_slot) = (Some(0), 1);
        batch.put_numbered(DOCUMENT, Area::Snapshots, 0, saved).unwrap();
        batch.put_document_row(&row).unwrap();
        batch.commit().unwrap();
        store
    }

    fn rows(store: &Store, area: Area) -> u64 {
        let sizes = store.sizes().unwrap();
        sizes.iter().find(|size| size.table == area.table(Scope::Mine)).unwrap().rows
    }

    #[test]
    fn a_whole_snapshot_of_before_is_read_and_goes_into_pieces_when_the_file_is_written_anew_or_it_is_compacted() {
        let (keys, saved) = (DataKeys::random(&mut rand_core::OsRng), vec![9; 50_000]);
        let locked = DataKeys { mine: None, ..keys.clone() };
        let store = with_a_whole_one(&MemoryDisk::new(), &keys, &saved);
        let read = |store: &Store| store.read().unwrap().reader().document(DOCUMENT).unwrap().unwrap();
        let before = read(&store);
        assert_eq!((before.snapshot.as_ref(), before.damaged.as_slice()), (Some(&saved), [].as_slice()));
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
        let written = MemoryDisk::new();
        store.copy_to(written.clone(), &keys).unwrap();
        let anew = Store::open(written, &keys, StoreOptions::default()).unwrap();
        assert_eq!((rows(&anew, Area::Snapshots), read(&anew)), (0, before.clone()));
        assert!(rows(&anew, Area::Pieces) > 1 && anew.verify(&mut |_, _| Ok(())).unwrap().is_whole());

        // Without its key it is copied as it stands.
        store.lock_mine();
        let written = MemoryDisk::new();
        store.copy_to(written.clone(), &locked).unwrap();
        let anew = Store::open(written, &keys, StoreOptions::default()).unwrap();
        assert_eq!((rows(&anew, Area::Snapshots), rows(&anew, Area::Pieces), read(&anew)), (1, 0, before));

        anew.compact(DOCUMENT, &saved, |_| Ok(HEADS.to_vec())).unwrap();
        assert_eq!((rows(&anew, Area::Snapshots), read(&anew).snapshot), (0, Some(saved)));
    }

    #[test]
    fn what_is_compared_of_a_file_that_is_written_anew_tells_every_difference() {
        let key = ScopeKey::new(Scope::Ours, &DataKey::random(&mut rand_core::OsRng));
        let saved: Vec<u8> = (0..90_000_u32).map(|number| (number % 253) as u8).collect();
        let hash = |rows: &[Sealed]| {
            let mut told = Told::default();
            rows.iter().for_each(|(at, sealed)| told.add(Some(&key), (Scope::Ours, Area::Pieces), at, sealed));
            told.hash()
        };
        let cut = |slot, saved: &[u8]| sealed_pieces(&key, Scope::Ours, b"one", slot, saved).unwrap();
        let all = cut(1, &saved);
        // Sealed again it is another row, and the same snapshot.
        assert!(hash(&all) == hash(&cut(1, &saved)));
        let mut whole = Told::default();
        let at = numbered(&key, Area::Snapshots, b"one", 1);
        let sealed = key.seal(Area::Snapshots.table(Scope::Ours), &at, &pack(b"one", b"", &saved));
        whole.add(Some(&key), (Scope::Ours, Area::Snapshots), &at, &sealed);
        assert!(whole.hash() == hash(&all));
        let mut altered = saved.clone();
        altered[80_000] ^= 1;
        assert!(
            [hash(&all[1..]), hash(&all[..all.len() - 1]), hash(&cut(2, &saved)), hash(&cut(1, &altered)), hash(&[])]
                .iter()
                .all(|other| *other != hash(&all))
        );
    }

    #[test]
    fn pieces_fill_pages_to_the_last_byte_and_only_the_last_is_short() {
        let key = ScopeKey::new(Scope::Ours, &DataKey::random(&mut rand_core::OsRng));
        let saved: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        let document = b"ours/2026";
        for total in [0, 1, 3900, 4000, 4001, 8192, 65_000, 65_536, 70_000, 300_000, saved.len()] {
            let pieces = sealed_pieces(&key, Scope::Ours, document, 7, &saved[..total]).unwrap();
            let taken: Vec<usize> = pieces.iter().map(|(name, sealed)| IN_PAGE + name.len() + sealed.len()).collect();
            let (last, full) = taken.split_last().unwrap();
            assert!(
                full.iter().all(|taken| FILLED.contains(&(taken / PAGE)) && taken % PAGE == 0),
                "{total}: {taken:?}"
            );
            assert!(*last < PAGE || last % PAGE == 0, "{total}: {taken:?}");
            let pages: usize = taken.iter().map(|taken| taken.div_ceil(PAGE)).sum();
            assert!(pages * PAGE <= total + total / 100 + 2 * PAGE, "{total}: {taken:?}");
            let mut joining = Joining::default();
            for (place, (name, sealed)) in (0..).zip(&pieces) {
                joining.add(place, document, opened(&key, "ours.pieces", name, sealed));
            }
            assert_eq!(joining.joined().as_deref(), Some(&saved[..total]));
        }
    }

    #[test]
    fn a_slot_that_cannot_be_numbered_is_an_error() {
        let key = ScopeKey::new(Scope::Ours, &DataKey::random(&mut rand_core::OsRng));
        assert!(matches!(sealed_pieces(&key, Scope::Ours, b"one", 1 << 40, b"x"), Err(StoreError::Unstorable(_))));
    }
}
