//! Devices of one household are not updated together: some speak only the first version of the protocol, some the present one,
//! and one is updated, or put back to an older program, in the midst of it.

use std::cell::Cell;
use std::time::Duration;

use betwixt_sync::wire::VERSIONS;
use betwixt_testkit::network::Network;
use betwixt_testkit::seeds;

#[test]
fn no_silent_winner_among_devices_that_speak_different_versions_of_the_protocol() {
    const { assert!(VERSIONS.oldest < VERSIONS.newest, "there are two to be mixed") };
    let (facts, packed) = (Cell::new(0), Cell::new(0));
    seeds::each(8, |seed| {
        let mut network = Network::seeded(seed);
        let devices = network.household(&[0, 1]);
        // One of each partner's is of an earlier time, at least.
        network.install(devices[0], VERSIONS.oldest);
        network.install(devices[3], VERSIONS.oldest);
        for _ in 0..14 {
            let (at, other) = (devices[network.draw(4) as usize], devices[network.draw(4) as usize]);
            match network.draw(8) {
                0 if at != other => network.partition(at, other),
                1 => network.heal(),
                2 => network.install(at, VERSIONS.oldest),
                3 => network.install(at, VERSIONS.newest),
                4 => network.say_privately(at),
                5 => network.crash(other),
                _ => devices.iter().for_each(|device| network.restart(*device)),
            }
            network.say_anything(at);
            network.say_anything(other);
            let wait = network.draw(20_000);
            network.run_for(Duration::from_millis(u64::from(wait)));
        }
        network.heal();
        network.run_for(Duration::from_secs(60));
        devices.iter().for_each(|device| network.restart(*device));
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        network.assert_private_stays_home();
        facts.set(facts.get() + network.acknowledged());
        packed.set(packed.get() + network.packed_frames());
    });
    // That nobody was sent what they do not know was seen at every frame.
    assert!(facts.get() > 50 && packed.get() > 50, "{} facts, {} packed frames", facts.get(), packed.get());
}
