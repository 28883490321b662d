//! Faults that only a network of one's own can have: packets that do not fit, IPv6 alone, an address that changes in the middle of
//! a transfer, and a cable with a loose contact. Nothing that was acknowledged is lost, and both have the same in the end.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells its seed")]

use std::process::Command;
use std::time::{Duration, Instant};

use betwixt_api::{AddressRequest, Level};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::faults::{Told, attach, seed, until_file};
use betwixt_tests::home::{Home, in_step, pair};
use betwixt_tests::namespaces::{Cable, Side};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// A cap, and no measure of speed.
const PATIENCE: Duration = Duration::from_secs(90);

const SIDES: [Side; 2] = [Side::Left, Side::Right];

async fn two_machines(cable: &Cable) -> (Home, Home) {
    let mut left = Home::on_machine(cable, Side::Left).unwrap();
    let mut right = Home::on_machine(cable, Side::Right).unwrap();
    left.found("Robin").await.unwrap();
    right.found("Kim").await.unwrap();
    (left, right)
}

fn set_mtu(cable: &Cable, bytes: u32) {
    for side in SIDES {
        cable.configure(side, &["link", "set", "eth0", "mtu", &bytes.to_string()]).unwrap();
    }
}

/// What a side is at, in IPv6.
fn ipv6(side: Side) -> &'static str {
    match side {
        Side::Left => "fd00:be::1",
        Side::Right => "fd00:be::2",
    }
}

/// Takes IPv4 away, and gives each an address of the network's own (RFC 4193) beside the link's.
fn only_ipv6(cable: &Cable) {
    for side in SIDES {
        cable.configure(side, &["-4", "address", "flush", "dev", "eth0"]).unwrap();
        cable.configure(side, &["address", "add", &format!("{}/64", ipv6(side)), "dev", "eth0"]).unwrap();
    }
}

/// Each is told where the other is.
async fn introduce(cable: &Cable, left: &Home, right: &Home, address: impl Fn(Side) -> String) {
    let _ = cable;
    for (home, other, side) in [(left, right, Side::Right), (right, left, Side::Left)] {
        let port = other.client().status().await.unwrap().port.unwrap();
        let address = format!("{}:{port}", address(side));
        home.client().address_add(&AddressRequest { address }).await.unwrap();
    }
}

/// Long things are said on both, so that packets are as full as they may be.
async fn write_on_both(told: &mut Told, left: &Home, right: &Home, when: &str) {
    told.thank_often(left, &format!("Robin's, {when}"), 10, 3_000).await.unwrap();
    told.thank_often(right, &format!("Kim's, {when}"), 10, 3_000).await.unwrap();
}

#[tokio::test]
async fn with_ipv6_alone_and_the_smallest_packets_that_it_allows_two_pair_and_merge() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    only_ipv6(&cable);
    set_mtu(&cable, 1280);
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, true).await.unwrap();
    introduce(&cable, &left, &right, |side| format!("[{}]", ipv6(side))).await;
    in_step(&left, &right, PATIENCE).await.unwrap();
    let mut told = Told::default();
    write_on_both(&mut told, &left, &right, "over IPv6").await;
    told.survived(&left, &right, PATIENCE, &[("IPv6 alone", 1), ("MTU of 1280", 1)]).await;
}

#[tokio::test]
async fn with_ipv4_packets_of_1228_bytes_suffice_and_less_is_told_and_works_again_later() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    set_mtu(&cable, 1228);
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, true).await.unwrap();
    introduce(&cable, &left, &right, |side| cable.address(side).to_owned()).await;
    in_step(&left, &right, PATIENCE).await.unwrap();
    let mut told = Told::default();
    write_on_both(&mut told, &left, &right, "with 1228 bytes").await;
    in_step(&left, &right, PATIENCE).await.unwrap();

    // One byte less than QUIC's smallest datagram takes: it is told what is wrong and what to do, and nothing is lost.
    set_mtu(&cable, 1227);
    write_on_both(&mut told, &left, &right, "with 1227 bytes").await;
    for home in [&left, &right] {
        let findings = home.client().doctor().await.unwrap();
        let found = findings.iter().find(|finding| finding.what.contains("packets of 1227 bytes at most")).unwrap();
        assert_eq!(found.level, Level::Trouble);
        assert!(found.fix.as_deref().unwrap().contains("1280"), "{found:?}");
    }
    // What is shorter than a packet still comes through, and whatever comes gives the peer another minute: once in ten or so both have
    // not given up after a minute and a half.
    let begun = Instant::now();
    while left.client().status().await.unwrap().peers[0].connected {
        assert!(begun.elapsed() < 4 * PATIENCE, "a connection lives on packets that do not fit");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    set_mtu(&cable, 1280);
    told.survived(&left, &right, PATIENCE, &[("MTU of 1228", 1), ("MTU too small", 1)]).await;
}

/// Robin's machine gets another address while a film goes to Kim, twice.
#[tokio::test]
async fn an_interface_that_gets_another_address_in_the_middle_of_a_transfer_loses_nothing() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, false).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    for side in SIDES {
        let slow = ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "6mbit", "burst", "32k", "latency", "300ms"];
        let status = Command::new("tc").args(["-n", cable.name(side)]).args(slow).status().unwrap();
        assert!(status.success(), "the cable cannot be made slow");
    }
    let (id, film) = attach(&left, "film", 6_000_000).await;
    let mut told = Told::default();
    let mut moves = 0;
    until_file(&right, &id, &film, PATIENCE, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if moves < 2 {
            let (old, new) = [("192.0.2.1/24", "192.0.2.11/24"), ("192.0.2.11/24", "192.0.2.21/24")][moves];
            cable.configure(Side::Left, &["address", "del", old, "dev", "eth0"]).unwrap();
            cable.configure(Side::Left, &["address", "add", new, "dev", "eth0"]).unwrap();
            cable.configure(Side::Left, &["route", "replace", "224.0.0.0/4", "dev", "eth0"]).unwrap();
            cable.configure(Side::Left, &["route", "replace", "default", "via", "192.0.2.2"]).unwrap();
            moves += 1;
            told.thank(&left, &format!("From address {moves}")).await.unwrap();
        }
    })
    .await;
    assert_eq!(moves, 2, "the film came before the address had changed");
    told.survived(&left, &right, PATIENCE, &[("address changed in a transfer", 2)]).await;
}

/// A cable with a loose contact: the link goes and comes at random while both write, and discovery is all that they have.
#[tokio::test]
async fn a_cable_with_a_loose_contact_loses_nothing() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let seed = seed();
    eprintln!("seed {seed}; to repeat: BETWIXT_SEED={seed}");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let cable = Cable::plug().unwrap();
    let (left, right) = two_machines(&cable).await;
    pair(&left, &right, false).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    let mut told = Told::default();
    for round in 0..12 {
        cable.set_plugged(false).unwrap();
        told.thank_often(&left, &format!("Robin's {round}"), 2, 300).await.unwrap();
        tokio::time::sleep(Duration::from_millis(u64::from(rng.next_u32() % 1_200))).await;
        cable.set_plugged(true).unwrap();
        told.thank_often(&right, &format!("Kim's {round}"), 2, 300).await.unwrap();
        tokio::time::sleep(Duration::from_millis(u64::from(rng.next_u32() % 1_500))).await;
    }
    told.survived(&left, &right, PATIENCE, &[("link went and came", 12)]).await;
}
