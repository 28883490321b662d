//! Disks that say they have made things durable and have not, under whole networks: whoever has one loses with it what nobody else
//! had, says so where what is left is damaged, and nothing else is lost by it anywhere.

use std::cell::Cell;
use std::time::Duration;

use betwixt_testkit::network::Network;
use betwixt_testkit::seeds;

#[test]
fn no_silent_winner_when_the_power_fails_on_disks_that_lied() {
    let (whole, damaged) = (Cell::new(0), Cell::new(0));
    seeds::each(16, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        let third = network.another_device(second);
        network.run_until_idle();
        let devices = [first, second, third];
        for _ in 0..6 {
            network.say_anything(first);
            network.say_privately(second);
            network.run_for(Duration::from_secs(120));
        }
        network.run_until_idle();
        let liar = devices[network.draw(3) as usize];
        network.back_up(liar);
        // Honest for a while after the copy was made, so that what is there is newer than the copy, and older than what was said.
        for _ in 0..network.draw(4) {
            network.say_anything(liar);
            network.run_for(Duration::from_secs(10));
        }
        network.set_lying(liar, true);
        // After many lies hardly anything is whole; after a few it may be.
        let rounds = if network.draw(3) == 0 { 8 } else { 1 };
        for _ in 0..rounds {
            let speaker = devices[network.draw(3) as usize];
            network.say_anything(speaker);
            if network.draw(3) == 0 {
                network.say_privately(speaker);
            }
            let millis = network.draw(if rounds == 1 { 30 } else { 20_000 });
            network.run_for(Duration::from_millis(u64::from(millis)));
        }
        match network.lose_power_after_lies(liar) {
            Some(true) => whole.set(whole.get() + 1),
            Some(false) => damaged.set(damaged.get() + 1),
            None => panic!("seed {seed}: every device runs, and this one kept a copy"),
        }
        network.set_lying(liar, false);
        for speaker in devices {
            network.say_anything(speaker);
        }
        network.run_for(Duration::from_secs(60));
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        network.assert_private_stays_home();
    });
    println!("{} older homes, {} damaged ones", whole.get(), damaged.get());
    assert!(whole.get() > 0 && damaged.get() > 0, "both come up");
}
