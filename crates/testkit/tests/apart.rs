//! Simulated households whose devices say much apart: more than fits in one message, in one stage, in what may wait; and whose filters
//! of what they have hide some of what is missing.

use std::time::Duration;

use betwixt_testkit::network::{DeviceName, Network, Weather};
use betwixt_testkit::seeds;

/// Everybody says so much, a hundred times a second, while nobody reaches anybody.
fn say_apart(network: &mut Network, devices: &[DeviceName], words: u32) {
    for (at, device) in devices.iter().enumerate() {
        devices[at + 1..].iter().for_each(|other| network.partition(*device, *other));
    }
    for device in devices {
        for _ in 0..words {
            network.say_anything(*device);
            network.run_for(Duration::from_millis(10));
        }
    }
    network.run_for(Duration::from_secs(60));
}

fn filters_that_hide(network: &mut Network) {
    let set_in_filters = 20 + network.draw(80);
    network.set_weather(Weather { set_in_filters, lost_at_frame: 0, ..Weather::default() });
}

/// They come into step by what they tell each other, and not because they fall silent, part after a minute and begin anew.
fn meets_again(network: &mut Network) {
    let stalled = network.counts().stalled;
    network.heal();
    network.run_until_idle();
    assert_eq!(network.counts().stalled, stalled, "nobody waits for what the other does not say");
    network.assert_converged();
    network.assert_no_silent_winner();
}

/// A Bloom filter takes one change in a hundred for had that is not, and the one that many others build on with it. Whatever it
/// hides, what is missing is asked for and comes, in however small messages it goes and stages it is stored. With seed 1 two waited for
/// each other until they parted; with seed 31, which only a soak comes to, somebody said more than may wait. Both have tests of their own
/// in the sessions.
#[test]
fn no_silent_winner_where_filters_hide_what_is_missing() {
    seeds::each(16, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        let mut devices = vec![first, second];
        if network.draw(2) == 0 {
            devices.push(network.another_device(second));
        }
        network.run_until_idle();
        for _ in 0..3 {
            filters_that_hide(&mut network);
            let words = 1 + network.draw(20);
            say_apart(&mut network, &devices, words);
            meets_again(&mut network);
        }
    });
}

/// Nobody waits with what they say until the others have come into step: on up to five devices people go on while they meet, some of
/// which sleep, are cut off, lose their power or are put back to an earlier copy, and everybody hears most things from several others.
#[test]
fn no_silent_winner_where_everybody_goes_on_speaking_while_they_meet() {
    seeds::each(8, |seed| {
        let mut network = Network::seeded(seed);
        let others: Vec<usize> = (0..1 + network.draw(3)).map(|other| other as usize % 2).collect();
        let devices = network.household(&others);
        filters_that_hide(&mut network);
        say_apart(&mut network, &devices, 6);
        network.heal();
        for _ in 0..100 {
            let at = devices[network.draw(devices.len() as u32) as usize];
            let other = devices[network.draw(devices.len() as u32) as usize];
            match network.draw(24) {
                0 if at != other => network.partition(at, other),
                1..=2 => network.heal(),
                3 => {
                    let seconds = network.draw(14);
                    network.put_to_sleep(at, Duration::from_secs(u64::from(seconds)), true);
                }
                4 => network.crash(at),
                5..=6 => network.restart(at),
                7 => network.say_privately(at),
                8 => network.compact(at),
                9 => network.back_up(at),
                10 => network.restore(at),
                _ => network.say_anything(at),
            }
            let pause = network.draw(60);
            network.run_for(Duration::from_millis(u64::from(pause)));
        }
        network.heal();
        devices.iter().for_each(|device| network.restart(*device));
        // Until it is noticed everywhere who went without a word, and who never said Hello.
        network.run_for(Duration::from_secs(25));
        meets_again(&mut network);
        network.assert_private_stays_home();
    });
}

/// Two that had each said 1,500 things apart never came into step, and talked without end: a filter hid the first of them, all the
/// others waited for it and were stored by the thousand, the last ones first, which then waited with nothing missing. It took a
/// thousand words and one meeting in a hundred, so it was found by chance; here filters hide more.
#[test]
fn no_silent_winner_after_thousands_of_words_apart() {
    seeds::each_by(seeds::LONG_RUNS, 1, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        filters_that_hide(&mut network);
        let words = 1_000 + network.draw(400);
        say_apart(&mut network, &[first, second], words);
        meets_again(&mut network);
    });
}
