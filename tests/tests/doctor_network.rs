//! What `doctor` finds out about a network: each thing that keeps two devices apart, done to them, and told from the others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_api::{Finding, Level};
use betwixt_testkit::needs::{Need, libfaketime, met};
use betwixt_tests::home::{Home, in_step, pair};
use betwixt_tests::namespaces::{Cable, Place, Side};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(40);

async fn couple(cable: &Cable) -> (Home, Home) {
    let mut left = Home::on_machine(cable, Side::Left).unwrap();
    let mut right = Home::on_machine(cable, Side::Right).unwrap();
    left.found("Robin").await.unwrap();
    right.found("Kim").await.unwrap();
    pair(&left, &right, true).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    (left, right)
}

async fn alone(cable: &Cable) -> Home {
    let mut home = Home::on_machine(cable, Side::Left).unwrap();
    home.found("Robin").await.unwrap();
    home
}

/// Every finding, with nothing private in any of them and a remedy for every trouble.
async fn findings(home: &Home) -> Vec<Finding> {
    let all = home.client().doctor().await.unwrap();
    for finding in &all {
        let text = format!("{} {}", finding.what, finding.fix.as_deref().unwrap_or_default());
        for private in ["Robin", "Kim", "laptop", "192.0.2.", "198.51.100.", "fe80"] {
            assert!(!text.contains(private), "{text:?} tells {private:?}");
        }
        assert!(finding.level != Level::Trouble || finding.fix.is_some(), "{finding:?}");
    }
    all
}

fn said<'f>(all: &'f [Finding], words: &str) -> Option<&'f Finding> {
    all.iter().find(|finding| finding.what.contains(words))
}

/// Waits until it is found, and answers everything that is found then. Also for a link just set up: the kernel counts it as
/// running a moment after the command returned, and on a busy machine `doctor` is asked before.
async fn until_said(home: &Home, words: &str) -> Vec<Finding> {
    let begun = Instant::now();
    loop {
        let all = findings(home).await;
        if said(&all, words).is_some() {
            return all;
        }
        assert!(begun.elapsed() < PATIENCE, "{words:?} is not in {all:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const KEPT_APART: &str = "A device of your household is heard in this network, and no connection comes about";
const SILENT: &str = "A device of your household is not heard in this network, and nobody answers";

#[tokio::test]
async fn two_that_meet_have_no_trouble_and_one_that_is_off_is_told_from_one_that_is_kept_apart() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (left, mut right) = couple(&cable).await;
    let all = findings(&left).await;
    assert_eq!(said(&all, "A device of your household is connected").map(|found| found.level), Some(Level::Well));
    assert!(all.iter().all(|finding| finding.level != Level::Trouble), "{all:#?}");
    // Off without a word, so that its advert is believed until it is asked for.
    right.kill().unwrap();
    let all = until_said(&left, SILENT).await;
    assert!(said(&all, KEPT_APART).is_none(), "{all:#?}");
    right.up_and_unlock().await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    assert!(said(&findings(&left).await, SILENT).is_none());
}

#[tokio::test]
async fn a_network_that_keeps_devices_apart_and_passes_multicast_is_told_by_adverts_that_are_heard() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (left, right) = couple(&cable).await;
    cable.isolate().unwrap();
    for home in [&left, &right] {
        let all = until_said(home, KEPT_APART).await;
        let found = said(&all, KEPT_APART).unwrap();
        let port = home.client().status().await.unwrap().port.unwrap();
        let fix = found.fix.as_deref().unwrap();
        assert_eq!(found.level, Level::Trouble);
        assert!(fix.contains("isolation") && fix.contains(&format!("UDP to port {port}")), "{fix}");
    }
}

#[tokio::test]
async fn where_nothing_of_each_other_is_heard_both_reasons_are_named() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (left, mut right) = couple(&cable).await;
    right.down().await.unwrap();
    cable.block_multicast().unwrap();
    cable.isolate().unwrap();
    right.up_and_unlock().await.unwrap();
    let all = until_said(&left, SILENT).await;
    let fix = said(&all, SILENT).unwrap().fix.clone().unwrap();
    assert!(fix.contains("may be off") && fix.contains("multicast") && fix.contains("firewall"), "{fix}");
    // As far as this machine alone can see, there is nothing wrong with it.
    assert!(said(&all, "Multicast works on eth0").is_some(), "{all:#?}");
}

#[tokio::test]
async fn a_network_that_is_no_home_is_told_as_one() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let mut cable = Cable::plug().unwrap();
    let (left, mut right) = couple(&cable).await;
    right.down().await.unwrap();
    cable.carry_to(Place::Elsewhere).unwrap();
    let all = until_said(&left, "This network is not one in which you paired").await;
    let fix = said(&all, "is not one in which you paired").unwrap().fix.clone().unwrap();
    assert!(fix.contains("betwixt here"), "{fix}");
    left.client().here().await.unwrap();
    assert!(said(&findings(&left).await, "is not one in which you paired").is_none());
}

#[tokio::test]
async fn no_network_and_one_whose_packets_are_too_small_are_told() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let home = alone(&cable).await;
    until_said(&home, "This device is in a network by eth0").await;
    cable.configure(Side::Left, &["link", "set", "eth0", "mtu", "1240"]).unwrap();
    let all = findings(&home).await;
    assert_eq!(said(&all, "eth0 carries packets of 1240 bytes at most").unwrap().level, Level::Note);
    cable.configure(Side::Left, &["link", "set", "eth0", "mtu", "1200"]).unwrap();
    let all = findings(&home).await;
    assert_eq!(said(&all, "eth0 carries packets of 1200 bytes at most").unwrap().level, Level::Trouble);
    cable.set_plugged(false).unwrap();
    assert_eq!(said(&findings(&home).await, "in no local network").unwrap().level, Level::Trouble);
}

#[tokio::test]
async fn a_tunnel_that_takes_the_default_route_or_the_local_network_is_told() {
    const UP: &str = "A VPN or another tunnel is up (wg0).";
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let home = alone(&cable).await;
    let configure = |arguments: &[&str]| cable.configure(Side::Left, arguments).unwrap();
    // A tunnel is known by its name; this one ends nowhere.
    configure(&["link", "add", "wg0", "type", "veth", "peer", "name", "end"]);
    configure(&["address", "add", "10.9.0.2/32", "dev", "wg0"]);
    configure(&["link", "set", "wg0", "up"]);
    configure(&["link", "set", "end", "up"]);
    assert_eq!(said(&until_said(&home, UP).await, UP).unwrap().level, Level::Note);
    configure(&["route", "replace", "default", "dev", "wg0"]);
    let all = findings(&home).await;
    assert_eq!(said(&all, "what is for the internet goes through wg0").unwrap().level, Level::Note);
    assert!(said(&all, "for other devices in the network of eth0").is_none(), "{all:#?}");
    // As VPNs do that let nothing past them, with more special routes and with forbidden ones.
    configure(&["route", "add", "192.0.2.0/25", "dev", "wg0"]);
    let all = findings(&home).await;
    let found = said(&all, "What is for other devices in the network of eth0 goes into a tunnel (wg0)").unwrap();
    assert_eq!(found.level, Level::Trouble);
    configure(&["route", "del", "192.0.2.0/25", "dev", "wg0"]);
    configure(&["route", "add", "prohibit", "192.0.2.0/25"]);
    let all = findings(&home).await;
    let found = said(&all, "Nothing can be sent to other devices in the network of eth0").unwrap();
    assert_eq!(found.level, Level::Trouble);
}

#[tokio::test]
async fn clocks_that_are_days_apart_are_told_on_both() {
    const APART: &str = "The clock of this device and that of another one of your household are days apart";
    if !met(&[Need::NetworkNamespaces, Need::Faketime]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let mut left = Home::on_machine(&cable, Side::Left).unwrap();
    let mut right = Home::on_machine(&cable, Side::Right).unwrap();
    right.set_environment("LD_PRELOAD", libfaketime().unwrap().to_str().unwrap());
    right.set_environment("FAKETIME", "+3d");
    right.set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    right.set_environment("DONT_FAKE_MONOTONIC", "1");
    left.found("Robin").await.unwrap();
    right.found("Kim").await.unwrap();
    pair(&left, &right, true).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    let goal = right.create(betwixt_api::Collection::Goals, "goal", "title", json!("Learn to sail")).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    // What came is dated ahead of the day on which it came.
    assert_eq!(said(&findings(&left).await, APART).map(|found| found.level), Some(Level::Note));
    // What came is dated before what it answers.
    left.say(betwixt_api::Collection::Goals, &goal.id, "title", json!("Learn to dive")).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    assert_eq!(said(&findings(&right).await, APART).map(|found| found.level), Some(Level::Note));
}
