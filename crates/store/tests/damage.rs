//! Damage: whatever is altered in a database, a snapshot or a backup, nothing of it is accepted as whole.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests panic when they fail, and print their seed")]

mod common;

use std::fs;

use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{
    ArchiveError, Damage, Home, OpenError, RestoreError, Store, StoreError, StoreOptions, verify_archive,
};
use common::{OURS, content, content_of, files, fill, fill_and_commit, home, without_index};
use jiff::civil::date;
use rand_core::{OsRng, RngCore, SeedableRng};

fn runs(few: usize) -> usize {
    std::env::var("BETWIXT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

#[test]
fn a_flipped_byte_in_a_snapshot_is_never_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    let backup = directory.path().join("backup");
    home.backup(&store, &keys, &backup).unwrap();
    drop(store);
    let target = directory.path().join("target");
    let chunks = files(&home.path().join("snapshots/chunks"));
    assert!(chunks.len() > 5, "the tables that have rows");
    for path in &chunks {
        let whole = fs::read(path).unwrap();
        for position in (0..whole.len()).step_by(if runs(0) > 0 { 1 } else { 37 }) {
            let mut altered = whole.clone();
            altered[position] ^= 1 << (position % 8);
            fs::write(path, &altered).unwrap();
            assert!(verify_archive(&home.snapshot_path("2026-03-01"), &keys).is_err(), "byte {position}");
        }
        fs::write(path, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(home.restore_snapshot("2026-03-01"), Err(RestoreError::Archive(_))));
        fs::remove_file(path).unwrap();
        assert!(matches!(home.restore_snapshot("2026-03-01"), Err(RestoreError::Archive(_))));
        fs::write(path, &whole).unwrap();
    }
    for path in [home.snapshot_path("2026-03-01"), backup.clone()] {
        let whole = fs::read(&path).unwrap();
        // Every byte of the header, and of the rest one in eleven (`BETWIXT_RUNS=1` for all).
        let step = if runs(0) > 0 { 1 } else { 11 };
        for position in (0..96).chain((96..whole.len()).step_by(step)) {
            let mut altered = whole.clone();
            altered[position] ^= 1 << (position % 8);
            fs::write(&path, &altered).unwrap();
            assert!(verify_archive(&path, &keys).is_err(), "byte {position}");
            if position % 100 < 11 {
                assert!(matches!(home.restore_snapshot("2026-03-01"), Err(RestoreError::Archive(_))) || path == backup);
                assert!(Home::restore(&path, &target, false).is_err());
                assert!(!target.exists());
            }
        }
        for length in [0, 1, 31, 32, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(verify_archive(&path, &keys), Err(ArchiveError::Damaged { .. })));
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(verify_archive(&path, &keys).unwrap().damaged, 0);
    }
}

/// Found by fuzzing: a row that claims a gigabyte made the reader take it before it looked whether there was any. Whoever
/// hands over such a file can reckon its checksum.
#[test]
fn hostile_input_is_an_error_an_archive_that_claims_more_than_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let keys = DataKeys::random(&mut OsRng);
    let mut file = b"betwixt archive\n".to_vec();
    file.extend(1_u32.to_le_bytes());
    file.extend([0; 32 + 8 + 4]);
    file.push(14);
    file.extend(b"ours.documents");
    file.push(0xfe);
    file.extend([4_u32.to_le_bytes(), (1_u32 << 30).to_le_bytes()].concat());
    file.extend(b"a key and no gigabyte");
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 archive checksum");
    hasher.update(&file);
    file.extend(hasher.finalize().as_bytes());
    fs::write(&path, &file).unwrap();
    let refused = verify_archive(&path, &keys).unwrap_err();
    assert!(refused.to_string().contains("it is cut short"), "{refused}");
}

/// A database that was closed in order, on a disk of its own.
fn closed(keys: &DataKeys) -> (Vec<u8>, String) {
    let disk = MemoryDisk::new();
    let store = Store::create(disk.clone(), keys, StoreOptions::default()).unwrap();
    for _ in 0..4 {
        fill_and_commit(&store);
    }
    let before = content_of(&store);
    drop(store);
    (disk.bytes(), before)
}

/// What reading all of an altered database gives: its content if nothing was noticed.
fn read(bytes: Vec<u8>, keys: &DataKeys, commits: u64) -> Option<String> {
    let store = Store::open(MemoryDisk::with_bytes(bytes), keys, StoreOptions::default()).ok()?;
    // The home writes down how many commits there were when it closes: fewer show an older state (`Break::Older`).
    if store.commits().ok()? < commits || !store.verify(&mut |_, _| Ok(())).ok()?.is_whole() {
        return None;
    }
    content(store.read().ok()?.reader()).ok()
}

#[test]
fn a_flipped_byte_in_the_database_is_never_accepted() {
    let keys = DataKeys::random(&mut OsRng);
    let (whole, before) = closed(&keys);
    let store = Store::open(MemoryDisk::with_bytes(whole.clone()), &keys, StoreOptions::default()).unwrap();
    let commits = store.commits().unwrap();
    drop(store);
    assert_eq!(read(whole.clone(), &keys, commits).as_ref(), Some(&before));
    let mut rng = rand_core_rng();
    let (mut noticed, mut harmless) = (0, 0);
    // Every byte of the header, which has what no page checksum covers, every bit of its flags, and many of the rest.
    let flags = (8..12).flat_map(|position| (0..8).map(move |bit| (position, bit)));
    let header = (0..320).map(|position| (position, position % 8));
    let rest = (0..runs(800)).map(|_| (rng.next_u64() as usize % whole.len(), rng.next_u32() as usize % 8));
    for (position, bit) in flags.chain(header).chain(rest.collect::<Vec<_>>()) {
        let mut altered = whole.clone();
        altered[position] ^= 1 << bit;
        match read(altered, &keys, commits) {
            None => noticed += 1,
            Some(content) => {
                assert_eq!(content, before, "byte {position} of {}", whole.len());
                harmless += 1;
            }
        }
    }
    // Free pages and unused fields can change without harm; what is used cannot.
    assert!(noticed > 100, "{noticed} noticed, {harmless} harmless");
}

#[test]
fn a_flipped_byte_while_open_never_panics_and_is_noticed_on_reopening() {
    let keys = DataKeys::random(&mut OsRng);
    let (whole, before) = closed(&keys);
    let options = StoreOptions { cache: 0, ..StoreOptions::default() };
    let mut rng = rand_core_rng();
    let mut noticed = 0;
    for round in 0..runs(200) {
        let disk = MemoryDisk::with_bytes(whole.clone());
        let store = Store::open(disk.clone(), &keys, options.clone()).unwrap();
        let position = 4096 + rng.next_u64() % (whole.len() as u64 - 4096);
        let mut byte = [0];
        redb::StorageBackend::read(&disk, position, &mut byte).unwrap();
        byte[0] ^= 1 << (rng.next_u32() % 8);
        redb::StorageBackend::write(&disk, position, &byte).unwrap();
        // Page checksums are not verified again while it is open, but every row is: at worst something is not found.
        let read = store.read().and_then(|view| content(view.reader()));
        noticed += usize::from(read.is_err());
        if round % 2 == 0 {
            let _ = store.begin().and_then(|mut batch| fill(&mut batch).and_then(|()| batch.commit()));
            continue;
        }
        drop(store);
        if let Some(content) = self::read(disk.bytes(), &keys, 0) {
            assert_eq!(content, before, "byte {position}");
        }
    }
    assert!(noticed > 0);
}

fn rand_core_rng() -> impl RngCore {
    let seed = std::env::var("BETWIXT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("BETWIXT_SEED={seed}");
    rand_chacha::ChaCha20Rng::seed_from_u64(seed)
}

#[test]
fn a_damaged_database_names_itself_and_the_snapshot_to_restore() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, keys) = home(&path);
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    let before = content_of(&store);
    home.take_snapshot(&store, &keys, date(2026, 2, 1)).unwrap();
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    drop(store);
    let database = path.join("betwixt.redb");
    let whole = fs::read(&database).unwrap();
    for damaged in [vec![0x5a; whole.len()], whole[..whole.len() / 2].to_vec(), b"short".to_vec()] {
        fs::write(&database, &damaged).unwrap();
        match home.open_store(&keys, StoreOptions::default()) {
            Err(error @ OpenError::Damaged { .. }) => {
                let text = error.to_string();
                assert!(text.contains(database.to_str().unwrap()), "{text}");
                assert!(text.contains("betwixt restore --snapshot 2026-03-01"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&database).unwrap(), damaged, "nothing was changed");
    }
    // Gone or empty is no new beginning.
    fs::write(&database, b"").unwrap();
    assert!(matches!(home.open_store(&keys, StoreOptions::default()), Err(OpenError::Missing(Some(_)))));
    fs::remove_file(&database).unwrap();
    assert!(matches!(home.open_store(&keys, StoreOptions::default()), Err(OpenError::Missing(Some(_)))));
    home.restore_snapshot("2026-03-01").unwrap();
    let restored = content_of(&home.open_store(&keys, StoreOptions::default()).unwrap().0);
    assert_eq!(without_index(&restored), without_index(&before));
}

/// A disk that alters what lies on it leaves no time stamp; then opening does not read the file whole. What it altered is not taken
/// for whole all the same: reading fails, or the day's snapshot, which looks at everything, is refused. (That nothing is found
/// where a page of the tree leads elsewhere, and nothing else is wrong, is why the snapshot counts.)
#[test]
fn what_a_disk_altered_without_a_trace_is_found_by_reading_or_by_the_days_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    let before = content_of(&store);
    drop(store);
    home.closed(&keys).unwrap();
    let database = home.path().join("betwixt.redb");
    let whole = fs::read(&database).unwrap();
    let mut rng = rand_core_rng();
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..runs(300) {
        let (mut altered, position) = (whole.clone(), rng.next_u64() as usize % whole.len());
        altered[position] ^= 1 << (rng.next_u32() % 8);
        fs::write(&database, &altered).unwrap();
        // As if nobody had written.
        home.closed(&keys).unwrap();
        let Ok((store, _)) = home.open_store(&keys, StoreOptions::default()) else {
            refused += 1;
            continue;
        };
        opened += 1;
        let found = content(store.read().unwrap().reader());
        if found.is_ok_and(|found| found != before) {
            let snapshot = home.take_snapshot(&store, &keys, date(2026, 3, 1));
            assert!(snapshot.is_err(), "the bit at {position} is taken for whole");
        }
    }
    assert!(opened > 0, "{refused} were refused: every page was verified");
    fs::write(&database, &whole).unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    assert_eq!(content_of(&store), before);
}

/// Alters one sealed row of a closed database through redb itself, so that its pages stay whole.
fn alter_row(disk: &MemoryDisk, table: &str, position: usize, alter: impl FnOnce(&mut Vec<u8>) -> bool) {
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let definition = redb::TableDefinition::<&[u8], &[u8]>::new(table);
        let mut rows = transaction.open_table(definition).unwrap();
        let (key, mut value) = {
            use redb::ReadableTable;
            let (key, value) = rows.iter().unwrap().nth(position).unwrap().unwrap();
            (key.value().to_vec(), value.value().to_vec())
        };
        if alter(&mut value) {
            rows.insert(key.as_slice(), value.as_slice()).unwrap();
        } else {
            rows.remove(key.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn a_damaged_document_is_kept_aside_reported_and_stops_no_other() {
    for missing in [false, true] {
        let keys = DataKeys::random(&mut OsRng);
        let disk = MemoryDisk::new();
        let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
        fill_and_commit(&store);
        let heads = store.read().unwrap().reader().heads(OURS).unwrap().unwrap();
        drop(store);
        alter_row(&disk, "ours.changes", 1, |sealed| {
            sealed[30] ^= 1;
            !missing
        });
        let store = Store::open(disk.clone(), &keys, StoreOptions::default()).unwrap();
        let damage = Damage::Change { document: OURS, sequence: 1 };
        let view = store.read().unwrap();
        let stored = view.reader().document(OURS).unwrap().unwrap();
        assert_eq!(stored.damaged.as_slice(), std::slice::from_ref(&damage));
        assert_eq!(stored.changes.len(), 2, "what is readable is there");
        assert_eq!(store.kept_aside().unwrap().len(), usize::from(!missing));
        assert_eq!(view.reader().document(common::MINE).unwrap().unwrap().damaged, []);
        let report = store.verify(&mut |_, _| Ok(())).unwrap();
        assert!(report.damaged.contains(&damage));
        assert_eq!(report.documents, 2);
        drop(view);

        // Never compacted away: without the durable heads it stays.
        assert!(store.compact(OURS, b"what could be read", |_| Ok(vec![])).is_err());
        let again = store.read().unwrap().reader().document(OURS).unwrap().unwrap();
        assert_eq!(again.damaged, stored.damaged);
        // Got back from a peer it is healed, and what was damaged stays aside.
        let compacted = store.compact(OURS, b"all of it again", |_| Ok(heads)).unwrap();
        assert_eq!(compacted.healed, [damage]);
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
        assert_eq!(store.kept_aside().unwrap().len(), usize::from(!missing) + 1);
    }
}

#[test]
fn rows_that_were_altered_or_moved_are_reported_and_keep_a_snapshot_from_being_made() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    for table in ["ours.rows", "mine.rows", "ours.settings", "ours.peers", "mine.pieces", "ours.documents"] {
        let disk = MemoryDisk::new();
        let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
        fill_and_commit(&store);
        let heads = store.read().unwrap().reader().heads(common::MINE).unwrap().unwrap();
        store.compact(common::MINE, b"snapshot", |_| Ok(heads)).unwrap();
        drop(store);
        alter_row(&disk, table, 0, |sealed| {
            let last = sealed.len() - 1;
            sealed[last] ^= 0x80;
            true
        });
        let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
        let report = store.verify(&mut |_, _| Ok(())).unwrap();
        assert!(report.damaged.iter().any(|damage| matches!(damage, Damage::Row { table: named } if *named == table)));
        let taken = home.take_snapshot(&store, &keys, date(2026, 3, 1));
        assert!(matches!(taken, Err(betwixt_store::SnapshotError::Damaged(1))), "{taken:?}");
        assert!(home.snapshots().unwrap().is_empty());
        let read = store.read().and_then(|view| content(view.reader()));
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{table}: {read:?}");
    }
}

#[test]
fn a_document_that_does_not_load_is_named() {
    let keys = DataKeys::random(&mut OsRng);
    let store = Store::in_memory(&keys).unwrap();
    fill_and_commit(&store);
    let mut seen = Vec::new();
    let report = store
        .verify(&mut |document, stored| {
            seen.push((document, stored.changes.len()));
            if document == OURS { Err("other heads".into()) } else { Ok(()) }
        })
        .unwrap();
    assert_eq!(report.unloadable, [(OURS, "other heads".to_owned())]);
    assert_eq!(seen, [(OURS, 3), (common::MINE, 3)]);
    assert!(!report.is_whole());
}
