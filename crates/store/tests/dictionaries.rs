//! Rows of the index that are compressed by a dictionary: read by whichever they were written with, never without it, and never the
//! reason for a loss.

#![allow(clippy::unwrap_used, reason = "tests panic when they fail")]

mod common;

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Damage, FORMAT, LONGEST_DICTIONARY, OpenError, Reader, Store, StoreError, StoreOptions};
use common::{content_of, copy, fill_and_commit, home, secret};
use jiff::civil::date;
use rand_core::OsRng;
use redb::{ReadableTable, TableDefinition};

const GROUP: &[u8] = b"a group";

/// What the rows of these tests have in common.
fn repeated(number: u8) -> Vec<u8> {
    (0..96).map(|place| place ^ number).collect()
}

fn value(number: u8) -> Vec<u8> {
    [repeated(number % 2), vec![number; 3]].concat()
}

/// Writes ten rows, from this number on.
fn put(store: &Store, from: u8) {
    let mut batch = store.begin().unwrap();
    let mut rows = batch.rows(Scope::Ours).unwrap();
    for number in from..from + 10 {
        rows.put(Table::Facts, GROUP, &[number], &value(number)).unwrap();
        // Seen at once by who writes.
        assert_eq!(rows.get(Table::Facts, GROUP, &[number]).unwrap(), Some(value(number)));
    }
    assert!(rows.group(Table::Facts, GROUP).unwrap().contains(&(vec![from + 9], value(from + 9))));
    drop(rows);
    batch.commit().unwrap();
}

fn compress_by(store: &Store, dictionary: &[u8]) -> bool {
    let mut batch = store.begin().unwrap();
    let taken = batch.compress_by(Scope::Ours, dictionary).unwrap();
    batch.commit().unwrap();
    taken
}

fn assert_reads(reader: Reader<'_>, numbers: u8) {
    let rows = reader.rows(Scope::Ours);
    let expected: Vec<_> = (0..numbers).map(|number| (vec![number], value(number))).collect();
    assert_eq!(rows.group(Table::Facts, GROUP).unwrap(), expected);
    for number in 0..numbers {
        assert_eq!(rows.get(Table::Facts, GROUP, &[number]).unwrap(), Some(value(number)));
    }
}

/// The bytes of the index's rows.
fn stored(store: &Store) -> u64 {
    store.sizes().unwrap().iter().find(|size| size.table == "ours.rows").unwrap().stored
}

fn database(disk: &MemoryDisk) -> redb::Database {
    redb::Database::builder().create_with_backend(disk.clone()).unwrap()
}

#[test]
fn rows_are_read_by_the_dictionary_that_they_were_written_with() {
    let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
    let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
    put(&store, 0);
    let without = stored(&store);
    assert!(compress_by(&store, &repeated(0)));
    put(&store, 10);
    let first = stored(&store) - without;
    assert!(first + 400 < without, "every other row has what the dictionary has: {first}, {without}");
    assert!(compress_by(&store, &[repeated(0), repeated(1)].concat()));
    put(&store, 20);
    let second = stored(&store) - without - first;
    assert!(second + 400 < first, "{second}, {first}");
    assert!(store.read().unwrap().reader().compresses_by(Scope::Ours, &[repeated(0), repeated(1)].concat()).unwrap());
    assert!(!store.read().unwrap().reader().compresses_by(Scope::Ours, &repeated(0)).unwrap());
    assert_reads(store.read().unwrap().reader(), 30);
    drop(store);
    let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
    assert_reads(store.read().unwrap().reader(), 30);
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    let sizes = store.index_sizes(Scope::Ours).unwrap();
    assert_eq!((sizes.len(), sizes[0].table, sizes[0].rows), (1, Table::Facts, 30));
    assert_eq!(sizes[0].held, 30 * (1 + GROUP.len() + 1 + value(0).len()) as u64);
    assert_eq!(sizes[0].stored, stored(&store));
    // A row is written again by the newest, and removed by its name alone.
    put(&store, 0);
    assert_reads(store.read().unwrap().reader(), 30);
    let mut batch = store.begin().unwrap();
    batch.rows(Scope::Ours).unwrap().remove(Table::Facts, GROUP, &[29]).unwrap();
    batch.commit().unwrap();
    assert_reads(store.read().unwrap().reader(), 29);
}

#[test]
fn what_a_batch_that_was_given_up_would_have_compressed_by_is_not_used() {
    let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
    let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
    let mut batch = store.begin().unwrap();
    assert!(batch.compress_by(Scope::Ours, &repeated(0)).unwrap());
    batch.rows(Scope::Ours).unwrap().put(Table::Facts, GROUP, &[0], &value(0)).unwrap();
    drop(batch);
    put(&store, 0);
    drop(store);
    let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
    assert_reads(store.read().unwrap().reader(), 10);
}

#[test]
fn dictionaries_go_with_the_index_and_are_not_many() {
    let store = Store::in_memory(&DataKeys::random(&mut OsRng)).unwrap();
    let taken = (0..100).filter(|number| compress_by(&store, &repeated(*number))).count();
    assert_eq!(taken, 64);
    put(&store, 0);
    let view = store.read().unwrap();
    let mut batch = store.begin().unwrap();
    batch.clear_rows(Scope::Ours).unwrap();
    batch.commit().unwrap();
    assert!(store.sizes().unwrap().iter().all(|size| size.table != "ours.dictionaries" || size.rows == 0));
    // Whoever looks at an earlier state has them still.
    assert_reads(view.reader(), 10);
    assert!(compress_by(&store, &repeated(0)));
    put(&store, 0);
    let mut batch = store.begin().unwrap();
    let too_long = batch.compress_by(Scope::Ours, &vec![1; LONGEST_DICTIONARY + 1]);
    assert!(matches!(too_long, Err(StoreError::Unstorable(_))));
}

#[test]
fn a_damaged_dictionary_is_found_and_loses_nothing_but_the_index() {
    for missing in [false, true] {
        let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
        let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
        fill_and_commit(&store);
        let before = common::without_index(&content_of(&store));
        compress_by(&store, &repeated(0));
        put(&store, 0);
        drop(store);
        let database = database(&disk);
        let write = database.begin_write().unwrap();
        let mut table = write.open_table(TableDefinition::<&[u8], &[u8]>::new("ours.dictionaries")).unwrap();
        let (name, mut sealed) = {
            let (name, sealed) = table.iter().unwrap().next().unwrap().unwrap();
            (name.value().to_vec(), sealed.value().to_vec())
        };
        sealed[30] ^= 1;
        if missing {
            table.remove(name.as_slice()).unwrap();
        } else {
            table.insert(name.as_slice(), sealed.as_slice()).unwrap();
        }
        drop(table);
        write.commit().unwrap();
        drop(database);
        let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
        let report = store.verify(&mut |_, _| Ok(())).unwrap();
        let tables: Vec<_> = report.damaged.iter().map(|damage| format!("{damage:?}")).collect();
        assert!(report.damaged.contains(&Damage::Row { table: "ours.rows" }), "{tables:?}");
        assert_eq!(report.damaged.contains(&Damage::Row { table: "ours.dictionaries" }), !missing, "{tables:?}");
        let view = store.read().unwrap();
        assert_eq!(view.reader().check_dictionaries(Scope::Ours).is_err(), !missing);
        let read = view.reader().rows(Scope::Ours).group(Table::Facts, GROUP);
        assert!(matches!(read, Err(StoreError::Damaged(Damage::Row { table: "ours.rows" }))), "{read:?}");
        let mut batch = store.begin().unwrap();
        batch.clear_rows(Scope::Ours).unwrap();
        batch.commit().unwrap();
        assert!(compress_by(&store, &repeated(0)));
        put(&store, 0);
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
        assert_reads(store.read().unwrap().reader(), 10);
        assert_eq!(common::without_index(&content_of(&store)), before);
    }
}

#[test]
fn new_keys_take_dictionaries_along_and_snapshots_leave_them_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, old) = home(&path);
    let (store, _) = home.open_store(&old, StoreOptions::default()).unwrap();
    compress_by(&store, &repeated(0));
    put(&store, 0);
    home.take_snapshot(&store, &old, date(2026, 3, 1)).unwrap();
    let backup = directory.path().join("backup");
    home.backup(&store, &old, &backup).unwrap();
    for archive in [&home.snapshot_path("2026-03-01"), &backup] {
        let report = betwixt_store::verify_archive(archive, &old).unwrap();
        assert_eq!((report.damaged, report.skipped), (0, 0));
    }
    drop(store);
    let keys = home.rekey(&old, &secret("a passphrase that nobody saw"), &mut OsRng).unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    assert_reads(store.read().unwrap().reader(), 10);
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    drop((store, home));
    let elsewhere = directory.path().join("elsewhere");
    copy(&path, &elsewhere);
    betwixt_store::Home::restore(&backup, &elsewhere, true).unwrap();
    let home = betwixt_store::Home::open(&elsewhere).unwrap();
    let (store, _) = home.open_store(&old, StoreOptions::default()).unwrap();
    assert_reads(store.read().unwrap().reader(), 0);
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
}

/// Plain rows that say what the file is.
const PLAIN: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("betwixt");

fn format_of(disk: &MemoryDisk) -> u32 {
    let database = database(disk);
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let format = read.open_table(PLAIN).unwrap().get(b"format".as_slice()).unwrap().unwrap();
    u32::from_le_bytes(format.value().try_into().unwrap())
}

fn set_format(disk: &MemoryDisk, format: u32, without: &[&str]) {
    let database = database(disk);
    let write = database.begin_write().unwrap();
    write.open_table(PLAIN).unwrap().insert(b"format".as_slice(), format.to_le_bytes().as_slice()).unwrap();
    for table in without.iter().flat_map(|area| [format!("ours.{area}"), format!("mine.{area}")]) {
        assert!(write.delete_table(TableDefinition::<&[u8], &[u8]>::new(&table)).unwrap());
    }
    write.commit().unwrap();
}

#[test]
fn a_file_of_the_format_before_gets_the_present_one_and_what_is_newer_is_told_and_left_alone() {
    let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
    let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    let before = content_of(&store);
    drop(store);
    for (format, without) in
        [(1, ["dictionaries", "pieces", "packed"].as_slice()), (2, &["pieces", "packed"]), (3, &["packed"])]
    {
        set_format(&disk, format, without);
        let store = Store::open(disk.clone(), &keys, StoreOptions::default()).unwrap();
        assert_eq!(content_of(&store), before);
        assert!(compress_by(&store, &repeated(0)));
        put(&store, 0);
        drop(store);
        // So a build that knows the format before says that this is a newer one's, and takes no row for damaged.
        assert_eq!(format_of(&disk), FORMAT);
    }
    set_format(&disk, FORMAT + 1, &[]);
    let opened = Store::open(disk.clone(), &keys, StoreOptions::default());
    assert!(matches!(opened, Err(OpenError::Newer { format, .. }) if format == FORMAT + 1), "{opened:?}");
    assert!(opened.unwrap_err().to_string().contains("made by a newer version of Betwixt: update this one"));
    assert_eq!(format_of(&disk), FORMAT + 1);
    // Of the present format, and a table is missing: that is damage.
    set_format(&disk, FORMAT, &["pieces"]);
    let opened = Store::open(disk.clone(), &keys, StoreOptions::default());
    assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
}
