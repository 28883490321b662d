//! Writing the database's file anew: the same in less room, and whatever interrupts it leaves one whole file.

#![allow(clippy::unwrap_used, reason = "tests panic when they fail")]

mod common;

use std::fs;

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use betwixt_store::keys::DataKeys;
use betwixt_store::{Continuity, Home, OpenError, ShrinkError, Store, StoreOptions};
use common::{content_of, fill_and_commit, home};
use jiff::civil::date;

/// Rows in no order, of which two thirds go again: what is left stands in pages that are mostly empty.
fn scatter(store: &Store, rows: u32, length: usize) {
    for (from, is_there) in [(0, true), (rows / 3, false)] {
        let mut batch = store.begin().unwrap();
        let mut table = batch.rows(Scope::Ours).unwrap();
        for number in from..rows {
            match is_there {
                true => table.put(Table::Facts, b"scattered", &number.to_le_bytes(), &vec![7; length]).unwrap(),
                false => table.remove(Table::Facts, b"scattered", &number.to_le_bytes()).unwrap(),
            }
        }
        drop(table);
        batch.commit().unwrap();
    }
}

fn scattered(store: &Store) -> usize {
    store.read().unwrap().reader().rows(Scope::Ours).group(Table::Facts, b"scattered").unwrap().len()
}

fn open(home: &Home, keys: &DataKeys) -> Store {
    let (store, continuity) = home.open_store(keys, StoreOptions::default()).unwrap();
    assert_eq!(continuity, Continuity::Unbroken);
    store
}

#[test]
fn a_file_that_is_written_anew_holds_the_same_in_less_room() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let file = home.path().join("betwixt.redb");
    let store = open(&home, &keys);
    fill_and_commit(&store);
    scatter(&store, 6000, 300);
    let before = content_of(&store);
    let rows: u64 = store.sizes().unwrap().iter().map(|size| size.stored).sum();
    assert!(matches!(home.shrink_now(&keys), Err(ShrinkError::InUse)));
    home.settle(&keys, &store).unwrap();
    drop(store);
    let shrunk = home.shrink_now(&keys).unwrap();
    let length = fs::metadata(&file).unwrap().len();
    assert!(shrunk.after <= length, "{shrunk:?}");
    assert!(shrunk.before > length + length / 2, "{shrunk:?}");
    // Every table has a page, and so has what redb keeps for itself.
    assert!(length < rows + rows / 10 + (256 << 10), "{length} for {rows}");
    let store = open(&home, &keys);
    assert_eq!((content_of(&store), scattered(&store)), (before.clone(), 2000));
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    fill_and_commit(&store);
    drop(store);
    // Again and again there is nothing more to gain.
    let again = home.shrink_now(&keys).unwrap();
    assert!(again.after + (128 << 10) > again.before, "{again:?}");
    let store = open(&home, &keys);
    assert_eq!(scattered(&store), 2000);
}

#[test]
fn only_a_long_file_that_is_mostly_empty_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let store = open(&home, &keys);
    // A snapshot tells how much there is; without one nobody has looked.
    scatter(&store, 60_000, 300);
    drop(store);
    assert_eq!(home.shrink(&keys).unwrap(), None);
    let store = open(&home, &keys);
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    drop(store);
    let shrunk = home.shrink(&keys).unwrap().unwrap();
    assert!(shrunk.before > 16 << 20 && shrunk.after < shrunk.before / 2, "{shrunk:?}");
    // Nor is it the day after, when something was said and redb has made the file twice as long.
    let store = open(&home, &keys);
    fill_and_commit(&store);
    home.take_snapshot(&store, &keys, date(2026, 3, 2)).unwrap();
    drop(store);
    assert_eq!(home.shrink(&keys).unwrap(), None);
    assert_eq!(scattered(&open(&home, &keys)), 20_000);
}

#[test]
fn what_an_interrupted_one_left_goes_at_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (file, new) = (home.path().join("betwixt.redb"), home.path().join("betwixt.redb.shrunk"));
    let store = open(&home, &keys);
    scatter(&store, 300, 300);
    drop(store);
    let whole = fs::read(&file).unwrap();
    let store = open(&home, &keys);
    fill_and_commit(&store);
    let before = content_of(&store);
    home.settle(&keys, &store).unwrap();
    drop(store);
    // Begun, half written, and whole but not yet renamed: an older state would be, were it taken.
    for left in [b"".as_slice(), &whole[..whole.len() / 2], &whole] {
        fs::write(&new, left).unwrap();
        assert_eq!(content_of(&open(&home, &keys)), before);
        assert!(!new.exists());
        fs::write(&new, left).unwrap();
        home.shrink_now(&keys).unwrap();
        assert!(!new.exists());
        assert_eq!(content_of(&open(&home, &keys)), before);
    }
    // Renamed, and what follows did not happen: where the home is was noted before.
    home.shrink_now(&keys).unwrap();
    drop(home);
    let home = Home::open(&directory.path().join("home")).unwrap();
    assert_eq!(content_of(&open(&home, &keys)), before);
}

#[test]
fn a_damaged_file_is_never_replaced_by_what_can_be_read_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let file = home.path().join("betwixt.redb");
    let store = open(&home, &keys);
    scatter(&store, 3000, 300);
    fill_and_commit(&store);
    drop(store);
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for position in (4096..whole.len()).step_by(whole.len() / 97) {
        let mut altered = whole.clone();
        altered[position] ^= 0x10;
        fs::write(&file, &altered).unwrap();
        match home.shrink_now(&keys) {
            // It fell where nothing is.
            Ok(_) => assert_eq!(scattered(&open(&home, &keys)), 1000),
            Err(error) => {
                assert!(
                    matches!(error, ShrinkError::Open(OpenError::Damaged { .. }) | ShrinkError::Store(_)),
                    "{error}"
                );
                refused += 1;
                assert!(!home.path().join("betwixt.redb.shrunk").exists());
            }
        }
    }
    assert!(refused > 3, "{refused}");
    fs::write(&file, &whole).unwrap();
    assert_eq!(scattered(&open(&home, &keys)), 1000);
}
