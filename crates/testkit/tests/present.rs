//! A new device in the simulated network: it is shown how things stand while the documents come, and what is stored from then on.

use std::time::Duration;

use betwixt_testkit::network::Network;
use betwixt_testkit::seeds;

/// Whatever happens meanwhile, on the new device or on others, everything comes, and nobody shows a present in the end.
#[test]
fn a_new_device_shows_the_present_until_everything_has_come() {
    let shown = std::cell::Cell::new(0);
    seeds::each(40, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        for _ in 0..10 + network.draw(30) {
            let device = if network.draw(2) == 0 { first } else { second };
            network.say_anything(device);
            if network.draw(3) == 0 {
                network.say_privately(device);
            }
        }
        network.run_until_idle();
        let before = network.counts().presents;
        let new = network.another_device(first);
        for _ in 0..network.draw(6) {
            let pause = network.draw(400);
            network.run_for(Duration::from_millis(u64::from(pause)));
            match network.draw(4) {
                0 => network.partition(first, new),
                1 => network.heal(),
                2 => network.say_anything(new),
                _ => network.say_anything(second),
            }
        }
        network.heal();
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        network.assert_private_stays_home();
        shown.set(shown.get() + network.counts().presents - before);
    });
    assert!(shown.get() > 10 || std::env::var(seeds::SEED).is_ok(), "{} presents were shown", shown.get());
}
