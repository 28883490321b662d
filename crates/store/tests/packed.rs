//! Rows of the index that are packed in leaves: read as they were, behind what was written since, and never taken for missing where a leaf is
//! damaged.

#![allow(clippy::unwrap_used, reason = "tests panic when they fail")]

mod common;

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{MemoryRows, ReadRows, Table, WriteRows};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Home, Reader, ShrinkError, SnapshotError, Store, StoreError, StoreOptions};
use common::{content_of, copy, fill_and_commit, home, secret, without_index};
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, RngCore, SeedableRng};
use redb::{ReadableTable, TableDefinition};

type Leaf = (Vec<u8>, Vec<u8>);

/// Which leaf, and what stands there in its place.
type Forged = (usize, Option<Vec<u8>>);

const SCOPE: Scope = Scope::Ours;
const GROUPS: [(Table, &[u8]); 4] =
    [(Table::Facts, b"a group"), (Table::Facts, b""), (Table::Fields, b"a group"), (Table::Derived, b"another")];
const KEYS: u32 = 120;

/// The index that is expected, beside the store that should have it.
struct Both {
    keys: DataKeys,
    store: Store,
    expected: MemoryRows,
    rng: ChaCha20Rng,
}

impl Both {
    /// With rows of which several fill a page, one that is longer than a page, and one that is never packed.
    fn new() -> Self {
        let keys = DataKeys::random(&mut OsRng);
        let store = Store::in_memory(&keys).unwrap();
        let mut both = Self { keys, store, expected: MemoryRows::default(), rng: ChaCha20Rng::seed_from_u64(1) };
        let mut batch = both.store.begin().unwrap();
        assert!(batch.compress_by(SCOPE, b"what rows have in common").unwrap());
        batch.commit().unwrap();
        let all: Vec<_> = (0..GROUPS.len()).flat_map(|group| (0..KEYS).map(move |key| (group, key))).collect();
        both.edit(&all.iter().map(|place| (*place, Some(250))).collect::<Vec<_>>());
        both.edit(&[((0, KEYS), Some(9_000)), ((1, KEYS), Some(70_000))]);
        both
    }

    /// Puts rows of these lengths, or removes them.
    fn edit(&mut self, edits: &[((usize, u32), Option<usize>)]) {
        let mut batch = self.store.begin().unwrap();
        let mut rows = batch.rows(SCOPE).unwrap();
        for ((group, key), length) in edits {
            let ((table, group), key) = (GROUPS[*group], key.to_be_bytes());
            if let Some(length) = length {
                let mut value = vec![0; *length];
                self.rng.fill_bytes(&mut value);
                rows.put(table, group, &key, &value).unwrap();
                let Ok(()) = self.expected.put(table, group, &key, &value);
            } else {
                rows.remove(table, group, &key).unwrap();
                let Ok(()) = self.expected.remove(table, group, &key);
            }
            // Seen at once by who writes.
            let Ok(expected) = self.expected.get(table, group, &key);
            assert_eq!(rows.get(table, group, &key).unwrap(), expected);
        }
        for (table, group) in GROUPS {
            let Ok(expected) = self.expected.group(table, group);
            assert_eq!(rows.group(table, group).unwrap(), expected);
        }
        drop(rows);
        batch.commit().unwrap();
        self.assert_same();
    }

    fn assert_same(&self) {
        let view = self.store.read().unwrap();
        assert_eq!(check(view.reader(), &self.expected), Ok(()));
        assert!(self.store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
        let rows: u64 = self.store.index_sizes(SCOPE).unwrap().iter().map(|size| size.rows).sum();
        assert_eq!(rows, self.expected.iter().count() as u64);
    }

    /// Writes the file anew, and goes on with it.
    fn pack(&mut self) -> MemoryDisk {
        let disk = MemoryDisk::new();
        self.store.copy_to(disk.clone(), &self.keys).unwrap();
        let copied = MemoryDisk::with_bytes(disk.bytes());
        self.store = Store::open(disk, &self.keys, StoreOptions::default()).unwrap();
        self.assert_same();
        copied
    }

    fn table(&self, table: &str) -> u64 {
        self.store.sizes().unwrap().iter().find(|size| size.table == table).unwrap().rows
    }
}

/// That a reader finds what is expected, wherever it answers: `Err` with how often it did not.
fn check(reader: Reader<'_>, expected: &MemoryRows) -> Result<(), u32> {
    let (rows, mut refused) = (reader.rows(SCOPE), 0);
    let mut refuse = |error: StoreError| {
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
        refused += 1;
    };
    for (table, group) in GROUPS {
        let Ok(all) = expected.group(table, group);
        rows.group(table, group).map_or_else(&mut refuse, |found| assert_eq!(found, all));
        for key in (0..=KEYS + 1).map(u32::to_be_bytes) {
            let Ok(one) = expected.get(table, group, &key);
            rows.get(table, group, &key).map_or_else(&mut refuse, |found| assert_eq!(found, one, "{table:?} {key:?}"));
        }
    }
    if refused == 0 { Ok(()) } else { Err(refused) }
}

/// The shared leaves of a closed database, in order.
fn leaves(disk: &MemoryDisk) -> Vec<Leaf> {
    let mut found = Vec::new();
    with_leaves(disk, |table| {
        let rows = table.iter().unwrap().map(Result::unwrap);
        found = rows.map(|(name, sealed)| (name.value().to_vec(), sealed.value().to_vec())).collect();
    });
    found
}

fn with_leaves(disk: &MemoryDisk, edit: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    edit(&mut write.open_table(TableDefinition::new("ours.packed")).unwrap());
    write.commit().unwrap();
}

#[test]
fn packed_rows_are_read_as_they_were_and_what_was_written_since_comes_first() {
    let mut both = Both::new();
    let unpacked = both.table("ours.rows");
    both.pack();
    let leaves = both.table("ours.packed");
    assert!(leaves > 10 && leaves * 6 < unpacked, "{leaves} leaves of {unpacked} rows");
    assert_eq!(both.table("ours.rows"), 1, "the one that is too long");
    // In the place of packed rows, beside them, and gone again; those that are gone come back.
    both.edit(&[((0, 3), Some(20)), ((1, 4), None), ((2, 5), Some(300)), ((2, 5), None), ((3, KEYS + 1), Some(10))]);
    both.edit(&[((1, 4), Some(7)), ((3, KEYS + 1), None), ((0, KEYS), None), ((1, KEYS), None), ((0, 3), None)]);
    both.edit(&(0..KEYS).map(|key| ((3, key), None)).collect::<Vec<_>>());
    let Ok(rest) = both.expected.group(GROUPS[3].0, GROUPS[3].1);
    assert!(rest.is_empty() && both.table("ours.rows") > u64::from(KEYS));
    both.pack();
    assert_eq!(both.table("ours.rows"), 0, "what says that rows are gone is, too");
    assert!(both.table("ours.packed") < leaves);
    both.edit(&[((3, 1), Some(20)), ((0, 1), None)]);
    // What a batch that is given up wrote is not there.
    let mut batch = both.store.begin().unwrap();
    batch.rows(SCOPE).unwrap().remove(GROUPS[0].0, GROUPS[0].1, &2_u32.to_be_bytes()).unwrap();
    drop(batch);
    both.assert_same();
    let mut batch = both.store.begin().unwrap();
    batch.clear_rows(SCOPE).unwrap();
    batch.commit().unwrap();
    assert_eq!((both.table("ours.rows"), both.table("ours.packed")), (0, 0));
    both.expected = MemoryRows::default();
    both.edit(&[((3, 1), Some(20))]);
    both.pack();
    both.edit(&[((3, 1), None)]);
    both.pack();
    assert_eq!((both.table("ours.rows"), both.table("ours.packed")), (0, 0));
}

#[test]
fn a_leaf_that_is_missing_altered_or_in_anothers_place_never_hides_a_row() {
    let mut both = Both::new();
    both.edit(&[((0, 3), Some(20)), ((1, 4), None)]);
    let disk = both.pack();
    let whole = leaves(&disk);
    let bytes = disk.bytes();
    let last = whole.len() - 1;
    let mut forged: Vec<(String, Vec<Forged>)> = Vec::new();
    for place in [0, 1, last / 2, last - 1, last] {
        let other = if place == 0 { last } else { place - 1 };
        let mut altered = whole[place].1.clone();
        altered[40 + place] ^= 1;
        forged.push((format!("{place} is missing"), vec![(place, None)]));
        forged.push((format!("{place} is altered"), vec![(place, Some(altered))]));
        forged.push((format!("{place} is repeated"), vec![(place, Some(whole[other].1.clone()))]));
        let swapped = (other, Some(whole[place].1.clone()));
        forged.push((format!("{place} is swapped"), vec![(place, Some(whole[other].1.clone())), swapped]));
    }
    for (what, edits) in forged {
        let disk = MemoryDisk::with_bytes(bytes.clone());
        with_leaves(&disk, |table| {
            for (place, sealed) in &edits {
                match sealed {
                    Some(sealed) => drop(table.insert(whole[*place].0.as_slice(), sealed.as_slice()).unwrap()),
                    None => drop(table.remove(whole[*place].0.as_slice()).unwrap()),
                }
            }
        });
        let store = Store::open(disk, &both.keys, StoreOptions::default()).unwrap();
        let refused = check(store.read().unwrap().reader(), &both.expected).unwrap_err();
        assert!(refused > 1 && refused < 4 * KEYS, "{what}: {refused} refused");
        let found = store.verify(&mut |_, _| Ok(())).unwrap().damaged;
        assert!(found.iter().any(|damage| damage.to_string().contains("ours.packed")), "{what}: {found:?}");
        // Written anew it is as damaged as it was, and not less.
        let copied = MemoryDisk::new();
        store.copy_to(copied.clone(), &both.keys).unwrap();
        let copied = Store::open(copied, &both.keys, StoreOptions::default()).unwrap();
        assert_eq!(check(copied.read().unwrap().reader(), &both.expected), Err(refused), "{what}");
        assert_eq!(copied.verify(&mut |_, _| Ok(())).unwrap().damaged, found);
        // An index is built anew from nothing.
        let mut batch = copied.begin().unwrap();
        batch.clear_rows(SCOPE).unwrap();
        batch.commit().unwrap();
        assert!(copied.verify(&mut |_, _| Ok(())).unwrap().is_whole(), "{what}");
        assert_eq!(check(copied.read().unwrap().reader(), &MemoryRows::default()), Ok(()), "{what}");
    }
}

#[test]
fn a_leaf_that_is_damaged_keeps_the_days_snapshot_from_being_made() {
    let directory = tempfile::tempdir().unwrap();
    let (home, _) = home(&directory.path().join("home"));
    let mut both = Both::new();
    let disk = both.pack();
    home.take_snapshot(&both.store, &both.keys, date(2026, 3, 1)).unwrap();
    let third = leaves(&disk)[2].0.clone();
    with_leaves(&disk, |table| drop(table.remove(third.as_slice()).unwrap()));
    let store = Store::open(disk, &both.keys, StoreOptions::default()).unwrap();
    let taken = home.take_snapshot(&store, &both.keys, date(2026, 3, 2));
    assert!(matches!(taken, Err(SnapshotError::Damaged(1))), "{taken:?}");
}

#[test]
fn new_keys_take_packed_rows_along_and_snapshots_leave_them_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, old) = home(&path);
    let store = home.open_store(&old, StoreOptions::default()).unwrap().0;
    fill_and_commit(&store);
    drop(store);
    home.shrink_now(&old).unwrap();
    let store = home.open_store(&old, StoreOptions::default()).unwrap().0;
    let packed = |store: &Store| {
        let sizes = store.sizes().unwrap();
        sizes.iter().filter(|size| size.table.ends_with(".packed")).map(|size| size.rows).sum::<u64>()
    };
    assert_eq!(packed(&store), 2);
    // One is gone, and one is another.
    let mut batch = store.begin().unwrap();
    let mut rows = batch.rows(SCOPE).unwrap();
    rows.remove(Table::Facts, b"the group", &[0]).unwrap();
    rows.put(Table::Facts, b"the group", &[1], b"another").unwrap();
    drop(rows);
    batch.commit().unwrap();
    let before = content_of(&store);
    home.take_snapshot(&store, &old, date(2026, 3, 1)).unwrap();
    let backup = directory.path().join("backup");
    home.backup(&store, &old, &backup).unwrap();
    assert!(matches!(home.shrink_now(&old), Err(ShrinkError::InUse)));
    drop(store);
    let keys = home.rekey(&old, &secret("a passphrase that nobody saw"), &mut OsRng).unwrap();
    let store = home.open_store(&keys, StoreOptions::default()).unwrap().0;
    assert_eq!((content_of(&store), packed(&store)), (before.clone(), 0));
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    drop(store);
    home.shrink_now(&keys).unwrap();
    let store = home.open_store(&keys, StoreOptions::default()).unwrap().0;
    assert_eq!((content_of(&store), packed(&store)), (before.clone(), 2));
    drop((store, home));
    let elsewhere = directory.path().join("elsewhere");
    copy(&path, &elsewhere);
    Home::restore(&backup, &elsewhere, true).unwrap();
    let home = Home::open(&elsewhere).unwrap();
    let store = home.open_store(&old, StoreOptions::default()).unwrap().0;
    assert_eq!((without_index(&content_of(&store)), packed(&store)), (without_index(&before), 0));
}
