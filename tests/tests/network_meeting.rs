//! Two machines joined by a cable, as network namespaces: finding each other, and the cable out and in again.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::{AddressRequest, Collection};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::{Home, in_step, pair, shared};
use betwixt_tests::namespaces::{Cable, Side};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

async fn two_machines(cable: &Cable) -> (Home, Home) {
    let mut left = Home::on_machine(cable, Side::Left).unwrap();
    let mut right = Home::on_machine(cable, Side::Right).unwrap();
    left.found("Robin").await.unwrap();
    right.found("Kim").await.unwrap();
    (left, right)
}

/// Both edit with the cable out; it is put back in, and what both wrote is on both within five seconds.
async fn edit_apart_and_merge(cable: &Cable, left: &Home, right: &Home) {
    let goal = left.create(Collection::Goals, "goal-1", "title", json!("Learn to sail")).await.unwrap();
    in_step(left, right, PATIENCE).await.unwrap();
    cable.set_plugged(false).unwrap();
    left.say(Collection::Goals, &goal.id, "until", json!("2027-06-01")).await.unwrap();
    right.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    right.create(Collection::Thanks, "thanks-1", "what", json!("You waited for me")).await.unwrap();
    // Longer than the idle time-out: both know that they are apart.
    tokio::time::sleep(Duration::from_secs(17)).await;
    cable.set_plugged(true).unwrap();
    let took = in_step(left, right, PATIENCE).await.unwrap();
    eprintln!("merged {took:?} after the link's return");
    assert!(took < Duration::from_secs(5), "merged only after {took:?}");
    assert_eq!(shared(left).await.unwrap(), shared(right).await.unwrap());
    for home in [left, right] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["until"].versions().len(), 2, "both versions are kept");
        assert_eq!(home.client().items(Collection::Thanks, None).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn with_mdns_alone_two_machines_find_each_other_pair_by_code_and_merge_within_5_s_of_the_links_return() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, false).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    edit_apart_and_merge(&cable, &left, &right).await;
}

#[tokio::test]
async fn with_multicast_blocked_they_meet_at_an_address_set_by_hand() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    cable.block_multicast().unwrap();
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, true).await.unwrap();
    for (home, other, side) in [(&left, &right, Side::Right), (&right, &left, Side::Left)] {
        let port = other.client().status().await.unwrap().port.unwrap();
        let address = format!("{}:{port}", cable.address(side));
        home.client().address_add(&AddressRequest { address }).await.unwrap();
    }
    in_step(&left, &right, PATIENCE).await.unwrap();
    edit_apart_and_merge(&cable, &left, &right).await;
}
