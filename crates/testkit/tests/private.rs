//! Private documents between a person's devices, while they are locked and unlocked.

use std::time::Duration;

use betwixt_model::document::Scope;
use betwixt_testkit::network::Network;
use betwixt_testkit::seeds;

/// A private session that begins while the last one's frames are still on their way, on either side, or on both at once.
#[test]
fn private_pages_follow_whenever_both_devices_have_them_unlocked_and_what_is_shared_does_not_wait() {
    seeds::each(20, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        let another = network.another_device(first);
        network.run_until_idle();
        for _ in 0..6 {
            let locked = [first, another].map(|device| (device, network.draw(3) > 0));
            for (device, locked) in locked {
                network.lock(device, locked);
                if !locked {
                    network.say_privately(device);
                }
                let pause = network.draw(60);
                network.run_for(Duration::from_millis(u64::from(pause)));
            }
            network.say_anything(second);
            if network.draw(2) == 0 {
                // Whatever is under way, and with nothing settled in between.
                network.run_until_idle();
                assert!(network.is_in_step(second, another), "seed {seed}: what is shared waits for nothing");
            }
        }
        network.run_until_idle();
        network.lock(first, false);
        network.lock(another, false);
        network.run_until_idle();
        network.assert_converged();
        network.assert_private_stays_home();
        assert!(network.private_facts() > 0, "seed {seed}: something private was said");
    });
}

/// Found by reading. A private document that the disk of one device ruined is begun anew there. What another device of the same
/// person had said meanwhile stood in the old one alone: it was never carried on, as what is shared is, and went with the old
/// document when that device compacted. Its own index had it still, until that was built anew.
#[test]
fn no_silent_winner_private_documents_that_are_ruined_lose_nothing_on_any_device_of_theirs() {
    let whole = std::cell::Cell::new(0);
    seeds::each(20, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        let another = network.another_device(first);
        network.run_until_idle();
        for device in [first, another] {
            network.say_privately(device);
        }
        network.run_until_idle();
        for _ in 0..3 {
            network.partition(first, another);
            for device in [first, another, second] {
                for _ in 0..network.draw(3) {
                    network.say_privately(device);
                }
            }
            let ruined = if network.draw(2) == 0 { first } else { another };
            for year in [2026, 2027] {
                if let Some(document) = network.newest_of(ruined, Scope::Mine, year) {
                    network.ruin(ruined, document);
                }
            }
            // What is ruined shows when it is needed.
            network.say_privately(ruined);
            network.run_for(Duration::from_secs(1));
            if network.draw(2) == 0 {
                network.compact(another);
                network.compact(first);
            }
            network.heal();
            let pause = network.draw(3000);
            network.run_for(Duration::from_millis(u64::from(pause)));
            network.compact(another);
            network.compact(first);
            network.run_until_idle();
        }
        for device in [first, another, second] {
            network.compact(device);
        }
        network.run_until_idle();
        network.assert_converged();
        network.assert_private_stays_home();
        // What was ruined and never needed is still so.
        if ![first, another].into_iter().all(|device| network.is_whole(device)) {
            return;
        }
        whole.set(whole.get() + 1);
        for device in [first, another] {
            network.assert_newest_has_all(device);
            assert_eq!(network.superseded_of(device, Scope::Mine), [], "seed {seed}: all have it, so old ones go");
        }
    });
    assert!(whole.get() > 5 || std::env::var(seeds::SEED).is_ok(), "{} say something", whole.get());
}
