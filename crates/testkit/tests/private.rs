//! Private documents between a person's devices, while they are locked and unlocked.

use std::time::Duration;

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
