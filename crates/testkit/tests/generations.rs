//! Documents that are tampered with, divided or ruined, in the simulated network: nothing that anybody sees changes by it,
//! it is told, and all devices come to have the same.

use std::time::Duration;

use automerge::transaction::{Transactable, Transaction};
use automerge::{ROOT, ReadDoc};
use betwixt_daemon::replica::CarriedOn;
use betwixt_model::document::DocumentId;
use betwixt_testkit::network::{Author, DeviceName, Network};
use betwixt_testkit::seeds;
use serde_json::json;

const PRACTICES: [&str; 4] = ["vision", "values", "goals", "signatures"];

/// Removes and alters keys, some of each map.
fn vandalise(transaction: &mut Transaction<'_>, mut roll: impl FnMut(u32) -> u32) {
    for map in PRACTICES {
        let Some((_, map)) = transaction.get(ROOT, map).expect("the root is there") else { continue };
        let keys: Vec<String> = transaction.keys(&map).collect();
        for key in keys {
            match roll(4) {
                0 => transaction.delete(&map, key.as_str()).expect("a key can be removed"),
                1 => transaction.put(&map, key.as_str(), "{}").expect("a key can be altered"),
                _ => {}
            }
        }
    }
    // So that there is always something written.
    let (_, map) = transaction.get(ROOT, "others").expect("the root is there").expect("nobody removes it");
    transaction.put(&map, "what is this", "nothing").expect("a key can be put");
}

/// Calendars are off by some days around the end of the year, so it depends on the seed which years there are.
fn some_document(network: &Network, device: DeviceName) -> DocumentId {
    [2026, 2027].into_iter().find_map(|year| network.newest_document(device, year)).expect("something was said")
}

fn shown(network: &Network, devices: [DeviceName; 2]) -> [String; 2] {
    devices.map(|device| network.shows(device).expect("it runs").to_string())
}

#[test]
fn nothing_deleted_keys_that_a_patched_peer_removes_change_no_view_are_told_and_put_back_by_both() {
    seeds::each(4, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        for _ in 0..12 {
            network.say_anything(first);
            network.say_anything(second);
            network.run_for(Duration::from_millis(300));
        }
        network.run_until_idle();
        let before = shown(&network, [first, second]);
        let document = some_document(&network, second);
        let mut dice = seed;
        let done = network.tamper(second, document, Author::Own, |transaction| {
            vandalise(transaction, |bound| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u32::try_from(dice >> 40).expect("24 bits") % bound
            });
        });
        assert!(done);
        network.run_until_idle();
        network.assert_converged();
        assert_eq!(shown(&network, [first, second]), before, "seed {seed}");
        let told = network.health(first).remove(&document).expect("it is told");
        assert!(told.meaningless >= 1, "{told:?}");
        assert!(!network.is_whole(first) || told.altered.is_empty(), "seed {seed}");

        // Each goes on apart: both put back the same keys at once. What a word puts back is bounded, so several are said.
        network.partition(first, second);
        for _ in 0..4 {
            for device in [first, second] {
                network.say(device, None, "goal", "title", json!("Learn to sail"));
            }
            network.run_for(Duration::from_secs(1));
        }
        network.heal();
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        assert!(network.is_whole(first), "seed {seed}: {:?}", network.health(first));
        assert!(network.health(first).values().all(|health| health.altered.is_empty()));
    });
}

#[test]
fn a_map_taken_out_of_the_root_has_everybody_go_on_in_the_next_generation() {
    let mut network = Network::seeded(5);
    let (first, second) = network.couple();
    for device in [first, second] {
        network.say(device, None, "goal", "title", json!("Learn to sail"));
    }
    network.run_until_idle();
    let before = shown(&network, [first, second]);
    let years: Vec<i16> =
        [2026, 2027].into_iter().filter(|year| network.newest_document(second, *year).is_some()).collect();
    for year in years {
        let document = network.newest_document(second, year).expect("it was there");
        assert!(
            network.tamper(second, document, Author::Own, |transaction| transaction.delete(ROOT, "goals").unwrap())
        );
        network.run_until_idle();
        let next = network.newest_document(first, year).expect("it was there");
        assert_eq!((next.generation, network.newest_document(second, year)), (1, Some(next)));
        assert!(network.is_whole(first) && network.is_whole(second));
        assert!(network.superseded(first).is_empty() && network.superseded(second).is_empty());
    }
    network.assert_converged();
    assert_eq!(shown(&network, [first, second]), before);
}

/// The second device's program writes in the first one's name, so that the two documents can never meet again.
#[test]
fn a_forged_author_and_a_doubled_sequence_number_divide_nobody_for_long() {
    seeds::each(6, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        for _ in 0..6 {
            network.say_anything(first);
            network.say_anything(second);
        }
        network.run_for(Duration::from_secs(90));
        network.run_until_idle();
        network.partition(first, second);
        for _ in 0..3 {
            network.say_anything(first);
            network.say_anything(second);
            network.run_for(Duration::from_secs(70));
        }
        let document = some_document(&network, second);
        let forged = network.tamper(second, document, Author::Of(first), |transaction| {
            let (_, map) = transaction.get(ROOT, "goals").unwrap().unwrap();
            transaction.put(&map, "not a fact", "and not by her").unwrap();
        });
        assert!(forged, "seed {seed}");
        network.say(first, None, "goal", "title", json!("Walk together on Sundays"));
        network.run_for(Duration::from_secs(1));
        network.heal();
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        for device in [first, second] {
            let newest = network.newest_document(device, document.year).expect("it is there");
            assert!(newest.generation > 0, "seed {seed}: {newest}");
            assert!(network.is_whole(device), "seed {seed}");
            assert_eq!(network.superseded(device), [], "seed {seed}: everybody has it, so the old one goes");
        }
    });
}

/// One run: while two partners say things, are cut off and lose power, their disks ruin documents, their programs write
/// what they should not, and both go on.
fn ruined_run(seed: u64) -> usize {
    let mut network = Network::seeded(seed);
    let (first, second) = network.couple();
    let mut ruined = 0;
    for _ in 0..40 {
        let device = if network.draw(2) == 0 { first } else { second };
        let year = 2026 + i16::from(network.draw(3) == 0);
        match network.draw(16) {
            0..=7 => network.say_anything(device),
            8 => network.partition(first, second),
            9 => network.heal(),
            10 => {
                network.crash(device);
                network.run_for(Duration::from_secs(3));
                network.restart(device);
            }
            11 | 12 => {
                if let Some(document) = network.newest_document(device, year) {
                    ruined += usize::from(network.ruin(device, document));
                }
            }
            13 => {
                if let Some(document) = network.newest_document(device, year) {
                    let other = if device == first { second } else { first };
                    let value = i64::from(network.draw(u32::MAX));
                    ruined += usize::from(network.tamper(device, document, Author::Of(other), |transaction| {
                        transaction.put(ROOT, "x", value).expect("a key can be put");
                    }));
                }
            }
            _ => network.run_for(Duration::from_secs(20)),
        }
        let pause = network.draw(400);
        network.run_for(Duration::from_millis(u64::from(pause)));
    }
    network.restart(first);
    network.restart(second);
    network.heal();
    network.run_until_idle();
    // What is damaged shows when it is needed.
    for device in [first, second] {
        network.say(device, None, "goal", "title", json!("Learn to sail"));
    }
    network.run_until_idle();
    for device in [first, second] {
        if network.is_whole(device) {
            network.assert_newest_has_all(device);
        }
    }
    network.assert_converged();
    network.assert_no_silent_winner();
    ruined
}

#[test]
fn no_silent_winner_documents_that_are_ruined_and_divided_lose_nothing_and_all_converge() {
    let ruined = std::cell::Cell::new(0);
    seeds::each(10, |seed| ruined.set(ruined.get() + ruined_run(seed)));
    assert!(ruined.get() > 0 || std::env::var(seeds::SEED).is_ok(), "something is ruined");
}

#[test]
fn a_ruined_document_is_told_and_carried_on_alone_and_its_old_bytes_go_when_all_have_it() {
    let mut network = Network::seeded(3);
    let (first, second) = network.couple();
    for device in [first, second, first, second] {
        network.say(device, None, "goal", "title", json!("Learn to sail"));
        network.run_until_idle();
    }
    let before = shown(&network, [first, second]);
    network.partition(first, second);
    let document = some_document(&network, first);
    assert!(network.ruin(first, document));
    network.heal();
    network.run_until_idle();
    // In step by their digests: nobody looked at it yet. Something new does.
    network.say(second, None, "goal", "title", json!("Walk together on Sundays"));
    network.say(first, None, "goal", "title", json!("Walk together on Sundays"));
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    let after = shown(&network, [first, second]);
    assert!(after.iter().zip(&before).all(|(after, before)| after.len() > before.len()));
    let told = network.health(first);
    if let Some(health) = told.get(&document) {
        assert_eq!(health.carried_on, Some(CarriedOn::Unreadable));
        panic!("the old one went, and what was told of it: {told:?}");
    }
}
