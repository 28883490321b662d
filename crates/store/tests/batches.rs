//! Batches and views: what is staged, what is seen, what is remembered.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

mod common;

use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, EpochId, FactId};
use betwixt_model::index::rows::{MemoryRows, ReadRows, Table, WriteRows};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::{DataKey, DataKeys};
use betwixt_store::{ArrivalRecord, CompactError, Damage, OpenError, SearchState, Store, StoreError, StoreOptions};
use common::{MINE, OURS, PEER, content, content_of, fill, fill_and_commit};
use proptest::prelude::*;
use rand_core::OsRng;

fn memory() -> (Store, DataKeys, MemoryDisk) {
    let (keys, disk) = (DataKeys::random(&mut OsRng), MemoryDisk::new());
    (Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap(), keys, disk)
}

fn assert_send<T: Send>(_: &T) {}

#[test]
fn durable_before_told_a_batch_is_seen_by_others_only_when_committed() {
    let (store, ..) = memory();
    let before = content_of(&store);
    let view = store.read().unwrap();
    let mut batch = store.begin().unwrap();
    assert_send(&batch);
    assert_send(&view);
    fill(&mut batch).unwrap();
    let own = content(batch.reader()).unwrap();
    assert_ne!(own, before);
    assert_eq!(content_of(&store), before);
    drop(batch);
    assert_eq!(content_of(&store), before, "a batch that is dropped leaves no trace");
    fill_and_commit(&store);
    assert_eq!(content_of(&store), own);
    assert_eq!(content(view.reader()).unwrap(), before, "a view stays as it was");
}

#[test]
fn everything_is_there_after_reopening() {
    let (store, keys, disk) = memory();
    fill_and_commit(&store);
    let before = content_of(&store);
    drop(store);
    let store = Store::open(disk.clone(), &keys, StoreOptions::default()).unwrap();
    assert_eq!(content_of(&store), before);
    drop(store);
    let other = DataKeys::random(&mut OsRng);
    assert!(matches!(Store::open(disk.clone(), &other, StoreOptions::default()), Err(OpenError::OtherKeys(_))));
    let exists = Store::create(disk, &keys, StoreOptions::default());
    assert!(matches!(exists, Err(OpenError::Exists(_))));
    assert!(matches!(Store::open(MemoryDisk::new(), &keys, StoreOptions::default()), Err(OpenError::Missing(_))));
}

#[test]
fn private_stays_home_while_locked_nothing_of_mine_is_readable() {
    let (store, keys, disk) = memory();
    fill_and_commit(&store);
    let before = content_of(&store);
    drop(store);
    let shared = DataKeys { mine: None, ..keys.clone() };
    let store = Store::open(disk, &shared, StoreOptions::default()).unwrap();
    assert!(!store.mine_is_open());
    let locked = |outcome: Result<(), StoreError>| assert!(matches!(outcome, Err(StoreError::Locked(Scope::Mine))));
    {
        let view = store.read().unwrap();
        let reader = view.reader();
        assert_eq!(reader.documents(Scope::Ours).unwrap().len(), 1);
        locked(reader.documents(Scope::Mine).map(drop));
        locked(reader.document(MINE).map(drop));
        locked(reader.rows(Scope::Mine).group(Table::Facts, b"the group").map(drop));
        locked(reader.setting::<String>(Scope::Mine, "x").map(drop));
        let mut batch = store.begin().unwrap();
        locked(batch.append_change(MINE, b"x").map(drop));
        locked(batch.rows(Scope::Mine).map(drop));
        batch.append_change(OURS, b"x").unwrap();
    }
    let wrong = DataKey::random(&mut OsRng);
    assert!(matches!(store.unlock_mine(&wrong), Err(OpenError::OtherKeys(_))));
    store.unlock_mine(keys.mine.as_ref().unwrap()).unwrap();
    assert_eq!(content_of(&store), before);
    store.lock_mine();
    locked(store.read().unwrap().reader().documents(Scope::Mine).map(drop));
}

#[test]
fn statements_keep_their_order_and_are_added_once() {
    let (store, ..) = memory();
    let mut batch = store.begin().unwrap();
    for number in (0..50u8).rev() {
        assert!(batch.add_statement(&[number; 32], &[number]).unwrap());
        assert!(!batch.add_statement(&[number; 32], b"something else").unwrap());
    }
    batch.commit().unwrap();
    let view = store.read().unwrap();
    let statements = view.reader().statements().unwrap();
    assert_eq!(statements, (0..50u8).rev().map(|number| ([number; 32], vec![number])).collect::<Vec<_>>());
    assert_eq!(view.reader().statement(&[9; 32]).unwrap(), Some(vec![9]));
    assert_eq!(view.reader().statement(&[99; 32]).unwrap(), None);
}

#[test]
fn responses_are_bounded_and_the_oldest_go() {
    let keys = DataKeys::random(&mut OsRng);
    let options = StoreOptions { responses: 5, ..StoreOptions::default() };
    let store = Store::create(MemoryDisk::new(), &keys, options).unwrap();
    for number in 0..20 {
        let mut batch = store.begin().unwrap();
        batch.remember_response(Scope::Ours, &format!("request {number}"), &[number]).unwrap();
        batch.remember_response(Scope::Ours, &format!("request {number}"), &[number, 1]).unwrap();
        batch.commit().unwrap();
    }
    let view = store.read().unwrap();
    for number in 0..20u8 {
        let response = view.reader().response(Scope::Ours, &format!("request {number}")).unwrap();
        assert_eq!(response, (number >= 15).then(|| vec![number, 1]));
        assert_eq!(view.reader().response(Scope::Mine, &format!("request {number}")).unwrap(), None);
    }
}

#[test]
fn counters_go_on_over_transactions_and_are_each_peers_own() {
    let (store, ..) = memory();
    let mut batch = store.begin().unwrap();
    assert_eq!(batch.next_counter(&PEER).unwrap(), 1);
    assert_eq!(batch.next_counter(&PEER).unwrap(), 2);
    batch.commit().unwrap();
    let mut batch = store.begin().unwrap();
    assert_eq!(batch.next_counter(&PEER).unwrap(), 3);
    assert_eq!(batch.next_counter(&DeviceId::from_bytes([1; 32])).unwrap(), 1);
}

#[test]
fn a_new_epoch_forgets_sync_states_and_nothing_else() {
    let (store, ..) = memory();
    fill_and_commit(&store);
    let before = store.read().unwrap().reader().epoch().unwrap();
    let mut batch = store.begin().unwrap();
    let sent = batch.next_counter(&PEER).unwrap();
    batch.commit().unwrap();
    let epoch = EpochId::from_bytes([4; 32]);
    let mut batch = store.begin().unwrap();
    batch.begin_epoch(&epoch).unwrap();
    batch.commit().unwrap();
    let view = store.read().unwrap();
    assert_ne!(before, epoch);
    assert_eq!(view.reader().epoch().unwrap(), epoch);
    assert_eq!(view.reader().sync_state(&PEER, OURS).unwrap(), None);
    assert_eq!(view.reader().sync_state(&PEER, MINE).unwrap(), None);
    assert_eq!(view.reader().document(OURS).unwrap().unwrap().changes.len(), 3);
    drop(view);
    // However much was sent in what a restored home has lost, what it sends now is no repetition.
    let next = store.begin().unwrap().next_counter(&PEER).unwrap();
    assert!(next > sent + u64::from(u32::MAX), "{next} after {sent}");
}

#[test]
fn forgetting_one_peer_keeps_the_others() {
    let (store, ..) = memory();
    let other = DeviceId::from_bytes([8; 32]);
    let mut batch = store.begin().unwrap();
    for peer in [&PEER, &other] {
        batch.put_sync_state(peer, OURS, b"state").unwrap();
    }
    batch.forget_sync_states(Some(&PEER)).unwrap();
    batch.commit().unwrap();
    let view = store.read().unwrap();
    assert_eq!(view.reader().sync_state(&PEER, OURS).unwrap(), None);
    assert_eq!(view.reader().sync_state(&other, OURS).unwrap(), Some(b"state".to_vec()));
}

#[test]
fn the_first_arrival_counts() {
    let (store, ..) = memory();
    let fact = FactId::from_bytes([1; 32]);
    let first = ArrivalRecord { from: PEER, at: 5 };
    let mut batch = store.begin().unwrap();
    assert!(batch.record_arrival(Scope::Ours, &fact, &first).unwrap());
    assert!(!batch.record_arrival(Scope::Ours, &fact, &ArrivalRecord { from: PEER, at: 9 }).unwrap());
    assert_eq!(batch.reader().arrival(Scope::Ours, &fact).unwrap(), Some(first));
    assert_eq!(batch.reader().arrival(Scope::Mine, &fact).unwrap(), None);
}

#[test]
fn a_checked_snapshot_replaces_what_it_covers_and_nothing_else() {
    let (store, ..) = memory();
    fill_and_commit(&store);
    let heads = store.read().unwrap().reader().heads(OURS).unwrap().unwrap();
    let compacted = store
        .compact(OURS, b"the whole document", |read| {
            assert_eq!(read, b"the whole document");
            // Appended while the snapshot is being checked.
            let mut batch = store.begin().unwrap();
            batch.append_change(OURS, b"later").unwrap();
            batch.commit().unwrap();
            Ok(heads.clone())
        })
        .unwrap();
    assert_eq!((compacted.covered, compacted.healed), (3, vec![]));
    let stored = store.read().unwrap().reader().document(OURS).unwrap().unwrap();
    assert_eq!(stored.snapshot.as_deref(), Some(b"the whole document".as_slice()));
    assert_eq!(stored.changes, [b"later".to_vec()]);
    assert_eq!(stored.damaged, []);
    let state = store.read().unwrap().reader().document_state(OURS).unwrap().unwrap();
    assert_eq!((state.appended, state.appended_bytes, state.snapshot_bytes), (1, 5, 18));
}

#[test]
fn a_snapshot_that_is_not_the_document_replaces_nothing() {
    let (store, ..) = memory();
    fill_and_commit(&store);
    let before = content_of(&store);
    let other = automerge::ChangeHash([1; 32]);
    for verdict in [Ok(vec![]), Ok(vec![other]), Err("it does not load".to_owned())] {
        let outcome = store.compact(OURS, b"not the document", |_| verdict);
        assert!(matches!(outcome, Err(CompactError::Refused { .. })), "{outcome:?}");
        assert_eq!(content_of(&store), before);
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    }
    assert_eq!(store.kept_aside().unwrap().len(), 3);
    let unknown = betwixt_model::document::DocumentId { year: 1999, ..OURS };
    assert!(matches!(store.compact(unknown, b"", |_| Ok(vec![])), Err(CompactError::Unknown(_))));
}

#[test]
fn refused_frames_are_kept_and_bounded() {
    let (store, ..) = memory();
    for number in 0..100u8 {
        store.keep_frame(&[number; 100]).unwrap();
    }
    let kept = store.kept_aside().unwrap();
    assert_eq!(kept.len(), betwixt_store::MAX_FRAMES);
    let frames: Vec<u8> = kept.iter().map(|(name, _)| store.kept_frame(name).unwrap()[0]).collect();
    assert_eq!(frames, (68..100).collect::<Vec<_>>());
    assert!(store.kept_frame("../keys").is_err());
    let name = store.keep_frame(&vec![1; betwixt_store::MAX_FRAME + 1]).unwrap();
    assert_eq!(store.kept_frame(&name).unwrap().len(), betwixt_store::MAX_FRAME);
}

#[test]
fn a_setting_of_another_type_is_an_error() {
    let (store, ..) = memory();
    let mut batch = store.begin().unwrap();
    batch.put_setting(Scope::Ours, "number", &7u64).unwrap();
    let read = batch.reader().setting::<String>(Scope::Ours, "number");
    assert!(matches!(read, Err(StoreError::Damaged(Damage::Row { .. }))));
    batch.remove_setting(Scope::Ours, "number").unwrap();
    assert_eq!(batch.reader().setting::<u64>(Scope::Ours, "number").unwrap(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8, u8, Vec<u8>),
    Remove(usize, u8, u8),
    Get(usize, u8, u8),
    Group(usize, u8),
    Commit,
    Forget,
    /// What is not committed is given up, and the file written anew, with its rows packed.
    Pack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (table, group, key) = (0..6usize, 0..3u8, 0..6u8);
    let value = proptest::collection::vec(any::<u8>(), 0..20);
    let step = prop_oneof![
        6 => (table.clone(), group.clone(), key.clone(), value).prop_map(|(t, g, k, v)| Step::Put(t, g, k, v)),
        3 => (table.clone(), group.clone(), key.clone()).prop_map(|(t, g, k)| Step::Remove(t, g, k)),
        3 => (table.clone(), group.clone(), key).prop_map(|(t, g, k)| Step::Get(t, g, k)),
        3 => (table, group).prop_map(|(t, g)| Step::Group(t, g)),
        1 => Just(Step::Commit),
        1 => Just(Step::Forget),
        1 => Just(Step::Pack),
    ];
    proptest::collection::vec(step, 1..80)
}

const TABLES: [Table; 7] =
    [Table::Facts, Table::Fields, Table::Items, Table::Waiting, Table::Chains, Table::Derived, Table::Entries];

/// Groups and keys of different lengths, the empty one among them, of which some are prefixes of others.
fn name(number: u8) -> Vec<u8> {
    vec![b'n'; usize::from(number)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("BETWIXT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(48)
    ))]

    #[test]
    fn rows_behave_as_rows_in_memory_do(steps in steps(), mine in any::<bool>()) {
        let scope = if mine { Scope::Mine } else { Scope::Ours };
        let (mut store, keys, _) = memory();
        let mut committed = MemoryRows::default();
        let mut staged = committed.clone();
        let mut batch = store.begin().unwrap();
        for step in steps {
            let mut rows = batch.rows(scope).unwrap();
            match step {
                Step::Put(table, group, key, value) => {
                    rows.put(TABLES[table], &name(group), &name(key), &value).unwrap();
                    let Ok(()) = staged.put(TABLES[table], &name(group), &name(key), &value);
                }
                Step::Remove(table, group, key) => {
                    rows.remove(TABLES[table], &name(group), &name(key)).unwrap();
                    let Ok(()) = staged.remove(TABLES[table], &name(group), &name(key));
                }
                Step::Get(table, group, key) => {
                    let found = rows.get(TABLES[table], &name(group), &name(key)).unwrap();
                    let Ok(expected) = staged.get(TABLES[table], &name(group), &name(key));
                    prop_assert_eq!(found, expected);
                }
                Step::Group(table, group) => {
                    let found = rows.group(TABLES[table], &name(group)).unwrap();
                    let Ok(expected) = staged.group(TABLES[table], &name(group));
                    prop_assert_eq!(found, expected);
                }
                Step::Commit => {
                    drop(rows);
                    batch.commit().unwrap();
                    committed = staged.clone();
                    batch = store.begin().unwrap();
                }
                Step::Pack => {
                    drop(rows);
                    drop(batch);
                    let disk = MemoryDisk::new();
                    store.copy_to(disk.clone(), &keys).unwrap();
                    store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
                    staged = committed.clone();
                    batch = store.begin().unwrap();
                }
                Step::Forget => {
                    drop(rows);
                    drop(batch);
                    staged = committed.clone();
                    batch = store.begin().unwrap();
                }
            }
            let view = store.read().unwrap();
            for table in TABLES {
                let Ok(expected) = committed.group(table, &name(1));
                prop_assert_eq!(view.reader().rows(scope).group(table, &name(1)).unwrap(), expected);
            }
        }
        batch.clear_rows(scope).unwrap();
        for (table, group) in TABLES.into_iter().flat_map(|table| (0..3).map(move |group| (table, group))) {
            prop_assert!(batch.rows(scope).unwrap().group(table, &name(group)).unwrap().is_empty());
        }
    }
}

#[test]
fn what_a_search_index_has_to_take_in_is_queued_until_it_has() {
    let keys = DataKeys::random(&mut OsRng);
    let store = Store::in_memory(&keys).unwrap();
    let fact = |number: u8| FactId::from_bytes([number; 32]);
    let queue = |facts: &[FactId]| {
        let mut batch = store.begin().unwrap();
        batch.queue_for_search(Scope::Ours, facts).unwrap();
        batch.commit().unwrap();
    };
    let queued = |most| store.read().unwrap().reader().queued_for_search(Scope::Ours, most).unwrap();
    queue(&[fact(1), fact(2)]);
    queue(&[fact(3)]);
    let first = queued(1);
    assert_eq!((first.facts.as_slice(), first.more), ([fact(1), fact(2)].as_slice(), true));
    assert_eq!((queued(100).facts.len(), queued(100).more), (3, false));
    assert_eq!(store.read().unwrap().reader().queued_for_search(Scope::Mine, 100).unwrap().facts, []);
    // The index has taken in the first row, and no more.
    let mut state = SearchState::begin([1; 16]);
    state.parts = 7;
    let mut batch = store.begin().unwrap();
    assert!(batch.put_search_state(Scope::Ours, None, &state, Some(first.until)).unwrap());
    batch.commit().unwrap();
    assert_eq!(queued(100).facts, [fact(3)]);
    // Another index says nothing about this one.
    let mut batch = store.begin().unwrap();
    assert!(!batch.put_search_state(Scope::Ours, Some([2; 16]), &state, Some(queued(100).until)).unwrap());
    assert!(batch.put_search_state(Scope::Ours, Some([1; 16]), &state, Some(queued(100).until)).unwrap());
    batch.commit().unwrap();
    assert_eq!(queued(100).facts, []);
    // Numbers are never given twice, so that what was taken in late takes nothing newer off.
    queue(&[fact(4)]);
    let mut batch = store.begin().unwrap();
    assert!(batch.put_search_state(Scope::Ours, Some([1; 16]), &state, Some(first.until)).unwrap());
    batch.commit().unwrap();
    assert_eq!(queued(100).facts, [fact(4)]);
    let known = store.read().unwrap().reader().search_state(Scope::Ours).unwrap().unwrap();
    assert_eq!((known.index, known.parts), ([1; 16], 7));
    let mut batch = store.begin().unwrap();
    batch.forget_search(Scope::Ours).unwrap();
    batch.commit().unwrap();
    assert_eq!(store.read().unwrap().reader().search_state(Scope::Ours).unwrap(), None);
    assert_eq!(queued(100).facts, []);
    let secret = |scope| store.read().unwrap().reader().search_secret(scope);
    assert_ne!(secret(Scope::Ours).unwrap(), secret(Scope::Mine).unwrap());
    store.lock_mine();
    assert!(matches!(secret(Scope::Mine), Err(StoreError::Locked(Scope::Mine))));
}
