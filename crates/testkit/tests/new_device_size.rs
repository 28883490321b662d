//! What a new device receives of a long life takes no more room there than where it comes from: its rows are compressed by what they
//! have in common while they come, and not only once the home is opened again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_daemon::replica::{Belonging, Replica};
use betwixt_model::document::{Scope, genesis_hash};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn store(seed: u64) -> Store {
    let keys = DataKeys::random(&mut ChaCha20Rng::seed_from_u64(seed));
    Store::create(MemoryDisk::new(), &keys, StoreOptions::default()).unwrap()
}

/// Bytes of the shared index's rows, and how many there are.
fn index(store: &Store) -> (u64, u64) {
    let sizes = store.sizes().unwrap();
    let rows = sizes.iter().find(|size| size.table == "ours.rows").unwrap();
    (rows.stored, rows.rows)
}

#[test]
fn what_a_new_device_receives_takes_as_much_room_as_where_it_comes_from() {
    let life = Lifetime::of(&Plan { years: 3, facts_a_year: 900, words: 500, ..Plan::default() });
    let people = &life.people;
    let (old, new) = (store(1), store(2));
    let mut giver = life.write_into(0, old.clone()).unwrap();
    let belonging = Belonging {
        partner: people.partners[0],
        name: "Alex".to_owned(),
        household: Some(people.household),
        space: people.spaces[0],
        statements: people.statements.clone(),
    };
    let mut taker = Replica::join(new.clone(), &people.keys[1], &belonging, "phone").unwrap();
    for (document, _) in giver.newest_heads(Scope::Ours).unwrap() {
        let changes = giver.durable_document(document).unwrap().unwrap().changes_since(&[genesis_hash()]);
        let mut stage = taker.begin().unwrap();
        let arrived = taker.arrive(&mut stage, people.keys[0].device(), 0, document, changes, None).unwrap();
        assert!(!arrived.effect.added.is_empty());
        stage.commit().unwrap();
        taker.committed().unwrap();
    }
    let ((given, rows), (taken, the_same)) = (index(&old), index(&new));
    assert_eq!(rows, the_same);
    assert!(taken * 10 < given * 11, "{taken} bytes of index where {given} came from");
}
