//! An index that the disk has damaged is built anew at the next start, from the documents, and nothing else is touched.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::index;
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{ReadableTable, TableDefinition};

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Alters a byte of the last row of a table, or of all of its rows, whose pages are whole all the same.
fn damage(disk: &MemoryDisk, table: &'static str, all: bool) {
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    let mut rows = write.open_table(Rows::new(table)).unwrap();
    let found: Vec<_> = rows.iter().unwrap().map(|row| row.unwrap()).collect();
    let found: Vec<(Vec<u8>, Vec<u8>)> =
        found.into_iter().map(|(name, sealed)| (name.value().to_vec(), sealed.value().to_vec())).collect();
    for (name, mut sealed) in found.into_iter().rev().take(if all { usize::MAX } else { 1 }) {
        sealed[30] ^= 4;
        rows.insert(name.as_slice(), sealed.as_slice()).unwrap();
    }
    drop(rows);
    write.commit().unwrap();
}

/// Every fact of a scope, as the index has it.
fn facts(replica: &Replica, scope: Scope) -> Vec<String> {
    let view = replica.read().unwrap();
    let rows = view.reader().rows(scope);
    index::all_facts(&rows).flat_map(Result::unwrap).map(|fact| format!("{fact:?}")).collect()
}

#[test]
fn an_index_that_is_damaged_is_built_anew_at_the_next_start_and_has_all_that_it_had() {
    let life = Lifetime::of(&Plan { years: 1, facts_a_year: 200, words: 300, ..Plan::default() });
    let keys = DataKeys::random(&mut ChaCha20Rng::seed_from_u64(1));
    let damages =
        [("ours.dictionaries", false), ("mine.dictionaries", true), ("ours.rows", true), ("ours.packed", true)];
    for (table, all) in damages {
        let mut disk = MemoryDisk::new();
        let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
        let replica = life.write_into(0, store.clone()).unwrap();
        let before = [Scope::Ours, Scope::Mine].map(|scope| facts(&replica, scope));
        assert!(before.iter().all(|facts| !facts.is_empty()));
        drop(replica);
        if table == "ours.packed" {
            let anew = MemoryDisk::new();
            store.copy_to(anew.clone(), &keys).unwrap();
            disk = anew;
        }
        drop(store);
        damage(&disk, table, all);
        let store = Store::open(disk.clone(), &keys, StoreOptions::default()).unwrap();
        assert!(!store.verify(&mut |_, _| Ok(())).unwrap().is_whole(), "{table}");
        let replica = Replica::open(store.clone()).unwrap();
        assert_eq!([Scope::Ours, Scope::Mine].map(|scope| facts(&replica, scope)), before, "{table}");
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole(), "{table}");
    }
}
