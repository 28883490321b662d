//! A device says that it is in step with another only if, as far as it knows, each has on its disk what the other has. The
//! simulated network judges every such word in every run; here are the moments in which it is easily said too early.

use std::time::Duration;

use betwixt_testkit::network::{DeviceName, Network, Weather};
use betwixt_testkit::seeds;
use serde_json::json;

/// Frames travel longer than any commit takes, so that it is known what happens during the one and what during the other.
const TRAVEL: Duration = Duration::from_millis(50);

/// A couple in step, of whom the first writes into one year and the second into the one before.
fn couple_in_step(seed: u64) -> (Network, DeviceName, DeviceName) {
    let mut network = Network::seeded(seed);
    network.set_weather(Weather { latency: (TRAVEL, TRAVEL), lost_at_frame: 0, ..Weather::default() });
    let (first, second) = network.couple();
    network.set_calendar(first, 10);
    network.set_calendar(second, -10);
    for device in [first, second] {
        network.say(device, None, "goal", "title", json!("Learn to sail"));
    }
    network.run_until_idle();
    (network, first, second)
}

/// A word is on the disk, and whoever reads the disk sees it, a moment before the one who waits for the commit knows.
#[test]
fn nobody_is_in_step_while_what_was_written_is_not_told() {
    seeds::each(4, |seed| {
        let (mut network, first, second) = couple_in_step(seed);
        for _ in 0..5 {
            network.say(first, None, "goal", "title", json!("Walk together on Sundays"));
            assert!(!network.is_in_step(first, second), "seed {seed}: it is on its way to the disk");
            network.run_for(Duration::from_millis(20));
            assert!(!network.is_in_step(first, second), "seed {seed}: the other cannot have answered yet");
            network.run_until_idle();
            assert!(network.is_in_step(first, second));
        }
    });
}

/// The second's word arrives and is stored together with one of the first's own, in another year's document, and then the
/// network is cut: the first knows that they have the one document in common, and must not take that for all.
#[test]
fn a_stage_of_two_documents_is_not_told_one_by_one() {
    seeds::each(15, |seed| {
        let (mut network, first, second) = couple_in_step(seed);
        network.say(second, None, "goal", "title", json!("Walk together on Sundays"));
        network.run_for(TRAVEL);
        // It arrives within the next milliseconds. While something private is on its way to the disk, both wait for it.
        network.say_privately(first);
        network.say(first, None, "goal", "title", json!("A calm home"));
        network.run_for(TRAVEL / 2);
        network.partition(first, second);
        // What may be written late is written.
        network.run_for(Duration::from_secs(2));
        network.heal();
        network.run_until_idle();
        network.assert_converged();
    });
}
