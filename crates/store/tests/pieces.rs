//! Snapshots of documents in pieces: whole or not at all, wherever one of them is missing, or is another's.

#![allow(clippy::unwrap_used, reason = "tests panic when they fail")]

mod common;

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Damage, Home, Store, StoreOptions, StoredDocument, verify_archive};
use common::{OURS, content_of, copy, fill_and_commit, home, secret, without_index};
use jiff::civil::date;
use rand_core::OsRng;
use redb::{ReadableTable, TableDefinition};

const HEADS: [ChangeHash; 1] = [ChangeHash([3; 32])];
const OTHER: DocumentId = DocumentId { scope: Scope::Ours, year: 2027, generation: 0 };

/// A piece's name, and what stands there in its place.
type Forged = (Vec<u8>, Option<Vec<u8>>);

/// A long snapshot that does not repeat within a piece.
fn saved(distinct: u8) -> Vec<u8> {
    (0..200_000_u32).flat_map(|number| (number ^ u32::from(distinct)).to_le_bytes()).take(330_000).collect()
}

fn compact(store: &Store, document: DocumentId, saved: &[u8]) -> Vec<Damage> {
    let mut batch = store.begin().unwrap();
    batch.append_change(document, b"a change").unwrap();
    batch.put_heads(document, &HEADS).unwrap();
    batch.commit().unwrap();
    let check = |read: &[u8]| if read == saved { Ok(HEADS.to_vec()) } else { Err("other bytes".to_owned()) };
    store.compact(document, saved, check).unwrap().healed
}

fn read(store: &Store, document: DocumentId) -> StoredDocument {
    store.read().unwrap().reader().document(document).unwrap().unwrap()
}

/// The rows of the shared pieces, by name.
fn pieces(disk: &MemoryDisk) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    with_pieces(disk, |table| {
        found = table
            .iter()
            .unwrap()
            .map(|row| row.map(|(name, sealed)| (name.value().to_vec(), sealed.value().to_vec())).unwrap())
            .collect();
    });
    found
}

fn with_pieces(disk: &MemoryDisk, edit: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    edit(&mut write.open_table(TableDefinition::new("ours.pieces")).unwrap());
    write.commit().unwrap();
}

#[test]
fn a_snapshot_takes_hardly_more_room_than_it_is_long() {
    let disk = MemoryDisk::new();
    let store = Store::create(disk.clone(), &DataKeys::random(&mut OsRng), StoreOptions::default()).unwrap();
    for distinct in 0..3 {
        compact(&store, OURS, &saved(distinct));
        compact(&store, OTHER, &saved(distinct + 1));
    }
    let sizes = store.sizes().unwrap();
    let of = |table: &str| *sizes.iter().find(|size| size.table == table).unwrap();
    let (taken, told) = (of("ours.pieces"), 2 * saved(0).len() as u64);
    assert!(taken.stored < told + told / 100, "{taken:?}");
    assert!(taken.unused < 4 * 4096, "{taken:?}");
    assert_eq!((of("ours.snapshots").rows, of("ours.changes").rows), (0, 0));
    assert_eq!(read(&store, OURS).snapshot, Some(saved(2)));
    assert_eq!(read(&store, OTHER).snapshot, Some(saved(3)));
    let mut batch = store.begin().unwrap();
    assert!(batch.remove_document(OURS).unwrap());
    batch.commit().unwrap();
    assert_eq!(read(&store, OTHER).snapshot, Some(saved(3)));
    let left = store.sizes().unwrap().into_iter().find(|size| size.table == "ours.pieces").unwrap();
    assert_eq!(left.rows * 2, taken.rows);
}

#[test]
fn a_piece_that_is_missing_swapped_repeated_or_of_another_snapshot_is_never_accepted() {
    let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
    let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
    compact(&store, OTHER, &saved(9));
    compact(&store, OURS, &saved(1));
    drop(store);
    let old = pieces(&disk);
    let store = Store::open(disk.clone(), &keys, StoreOptions::default()).unwrap();
    compact(&store, OURS, &saved(2));
    drop(store);
    let bytes = disk.bytes();
    let new = pieces(&disk);
    let is_new = |row: &&(Vec<u8>, Vec<u8>)| old.iter().all(|(name, _)| *name != row.0);
    let ours: Vec<_> = new.iter().filter(is_new).cloned().collect();
    let before: Vec<_> = old.iter().filter(|row| new.iter().all(|(name, _)| *name != row.0)).cloned().collect();
    let other: Vec<_> = new.iter().filter(|row| !is_new(row)).cloned().collect();
    assert!(ours.len() > 5 && ours.len() == before.len() && ours.len() == other.len());
    let last = ours.len() - 1;
    let mut after = ours[last].0.clone();
    *after.last_mut().unwrap() += 1;
    // What stands where: nothing, or the sealed bytes of another piece.
    let mut forged: Vec<(String, Vec<Forged>)> = Vec::new();
    for place in [0, 1, last] {
        let here = || ours[place].0.clone();
        let neighbour = if place == 0 { 1 } else { place - 1 };
        let mut altered = ours[place].1.clone();
        altered[place + 30] ^= 1;
        forged.push((format!("{place} missing"), vec![(here(), None)]));
        forged.push((format!("{place} altered"), vec![(here(), Some(altered))]));
        forged.push((format!("{place} repeated"), vec![(here(), Some(ours[neighbour].1.clone()))]));
        let swapped = (ours[neighbour].0.clone(), Some(ours[place].1.clone()));
        forged.push((format!("{place} swapped"), vec![(here(), Some(ours[neighbour].1.clone())), swapped]));
        forged.push((format!("{place} of before"), vec![(here(), Some(before[place].1.clone()))]));
        forged.push((format!("{place} of another"), vec![(here(), Some(other[place].1.clone()))]));
    }
    forged.push(("one too many".into(), vec![(after, Some(ours[last].1.clone()))]));
    forged.push(("all missing".into(), ours.iter().map(|(name, _)| (name.clone(), None)).collect()));
    let all_before = ours.iter().zip(&before).map(|((name, _), (_, sealed))| (name.clone(), Some(sealed.clone())));
    forged.push(("all of before".into(), all_before.collect()));
    for (what, rows) in forged {
        let disk = MemoryDisk::with_bytes(bytes.clone());
        with_pieces(&disk, |table| {
            for (name, sealed) in &rows {
                match sealed {
                    Some(sealed) => drop(table.insert(name.as_slice(), sealed.as_slice()).unwrap()),
                    None => drop(table.remove(name.as_slice()).unwrap()),
                }
            }
        });
        let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
        let damage = Damage::Snapshot { document: OURS };
        let found = read(&store, OURS);
        assert_eq!((found.snapshot, found.damaged.as_slice()), (None, std::slice::from_ref(&damage)), "{what}");
        assert_eq!(store.kept_aside().unwrap().len(), usize::from(what != "all missing"), "{what}");
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().damaged.contains(&damage), "{what}");
        assert_eq!(read(&store, OTHER).snapshot, Some(saved(9)), "{what}");
        assert_eq!(compact(&store, OURS, &saved(3)), [damage], "{what}");
        assert_eq!(read(&store, OURS).snapshot, Some(saved(3)), "{what}");
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole(), "{what}");
    }
}

#[test]
fn new_keys_snapshots_and_backups_take_pieces_along() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, old) = home(&path);
    let (store, _) = home.open_store(&old, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    compact(&store, OURS, &saved(1));
    let before = content_of(&store);
    home.take_snapshot(&store, &old, date(2026, 3, 1)).unwrap();
    let backup = directory.path().join("backup");
    home.backup(&store, &old, &backup).unwrap();
    for archive in [&home.snapshot_path("2026-03-01"), &backup] {
        assert_eq!(verify_archive(archive, &old).unwrap().damaged, 0);
    }
    drop(store);
    home.shrink_now(&old).unwrap();
    let (store, _) = home.open_store(&old, StoreOptions::default()).unwrap();
    assert_eq!(content_of(&store), before);
    drop(store);
    let keys = home.rekey(&old, &secret("a passphrase that nobody saw"), &mut OsRng).unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    assert_eq!(content_of(&store), before);
    drop(store);
    home.restore_snapshot("2026-03-01").unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    assert_eq!(without_index(&content_of(&store)), without_index(&before));
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    drop((store, home));
    let elsewhere = directory.path().join("elsewhere");
    copy(&path, &elsewhere);
    Home::restore(&backup, &elsewhere, true).unwrap();
    let home = Home::open(&elsewhere).unwrap();
    let (store, _) = home.open_store(&old, StoreOptions::default()).unwrap();
    assert_eq!(without_index(&content_of(&store)), without_index(&before));
}
