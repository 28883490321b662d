//! What came and went at each meeting.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Meeting, Store};
use common::PEER;
use rand_core::OsRng;

fn fact(number: u8) -> FactId {
    FactId::from_bytes([number; 32])
}

/// A meeting begins: a counter is sent.
fn meet(store: &Store) {
    let mut batch = store.begin().unwrap();
    batch.next_counter(&PEER).unwrap();
    batch.commit().unwrap();
}

fn arrive(store: &Store, at: i64, facts: &[FactId]) {
    let mut batch = store.begin().unwrap();
    batch.record_arrivals(Scope::Ours, &PEER, at, facts).unwrap();
    batch.commit().unwrap();
}

fn in_step(store: &Store, at: i64, told: Option<FactId>) {
    let mut batch = store.begin().unwrap();
    batch.record_in_step(Scope::Ours, &PEER, at, told).unwrap();
    batch.commit().unwrap();
}

fn meetings(store: &Store) -> Vec<(Meeting, Vec<FactId>)> {
    let view = store.read().unwrap();
    let reader = view.reader();
    let meetings = reader.meetings(Scope::Ours, &PEER, |_| true).unwrap();
    meetings.into_iter().map(|meeting| (meeting.clone(), reader.came(Scope::Ours, &meeting).unwrap())).collect()
}

#[test]
fn what_came_and_went_is_told_by_meeting_exactly() {
    let store = Store::in_memory(&DataKeys::random(&mut OsRng)).unwrap();
    meet(&store);
    arrive(&store, 10, &[fact(1), fact(2)]);
    in_step(&store, 11, Some(fact(50)));
    arrive(&store, 12, &[fact(2), fact(3)]);
    // A meeting in which nothing came or went is not kept.
    meet(&store);
    in_step(&store, 20, Some(fact(50)));
    meet(&store);
    in_step(&store, 30, Some(fact(51)));
    in_step(&store, 31, Some(fact(52)));
    meet(&store);
    arrive(&store, 40, &[fact(4)]);

    let met = meetings(&store);
    let told: Vec<_> = met
        .iter()
        .map(|(meeting, came)| (meeting.counter, meeting.began, meeting.last, meeting.told, came.as_slice()))
        .collect();
    assert_eq!(
        told,
        [
            (4, 40, 40, None, &[fact(4)][..]),
            (3, 30, 31, Some(fact(52)), &[]),
            // What arrived before is not counted twice.
            (1, 10, 12, Some(fact(50)), &[fact(1), fact(2), fact(3)]),
        ]
    );
    let mut asked = 0;
    let view = store.read().unwrap();
    let latest = view.reader().meetings(Scope::Ours, &PEER, |_| {
        asked += 1;
        asked == 1
    });
    assert_eq!((latest.unwrap().len(), asked), (1, 2), "no more is read than is wanted");
}

#[test]
fn a_home_that_has_said_nothing_has_told_nothing() {
    let store = Store::in_memory(&DataKeys::random(&mut OsRng)).unwrap();
    meet(&store);
    in_step(&store, 5, None);
    assert_eq!(meetings(&store), []);
}
