//! Long lives in simulated time: one household of five devices that goes on for months and years, every day with its own weather.
//! `BETWIXT_DAYS` days; a few by default.

use std::time::Duration;

use betwixt_testkit::disk::Failure;
use betwixt_testkit::network::{DeviceName, Network};
use betwixt_testkit::seeds;

/// How many days, unless it is said otherwise.
const DAYS: u32 = 6;

/// How many days go by between two looks at everything.
const A_MONTH: u32 = 30;

fn days() -> u32 {
    std::env::var("BETWIXT_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(DAYS)
}

/// Everybody is well and together, and nothing is missing anywhere.
fn look(network: &mut Network, devices: &[DeviceName]) {
    network.cancel_planned();
    network.heal();
    network.run_for(Duration::from_secs(60));
    devices.iter().for_each(|device| network.restart(*device));
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    network.assert_private_stays_home();
}

/// A day: somebody says something, mostly; often not everybody is at home; now and then something breaks.
fn day(network: &mut Network, devices: &[DeviceName]) {
    let any = |network: &mut Network| devices[network.draw(5) as usize];
    let (at, other) = (any(network), any(network));
    for _ in 0..network.draw(3) {
        network.say_anything(at);
        network.run_for(Duration::from_secs(600));
    }
    match network.draw(12) {
        0..=1 if at != other => network.partition(at, other),
        2..=3 => network.heal(),
        4 => network.say_privately(other),
        5 => network.compact(at),
        6 => {
            network.say_anything(other);
            let writes = network.draw(30);
            network.crash_at_write(other, u64::from(writes));
        }
        7 => {
            let writes = network.draw(30);
            network.fail_at_write(other, u64::from(writes), Failure::Full, Duration::from_secs(3_600));
        }
        8 => network.put_to_sleep(at, Duration::from_secs(8 * 3_600), false),
        9 => {
            let days_off = network.draw(20);
            network.set_calendar(other, i32::try_from(days_off).expect("a few") - 10);
        }
        10 => network.crash(other),
        _ => devices.iter().for_each(|device| network.restart(*device)),
    }
    network.run_for(Duration::from_secs(20 * 3_600));
    network.next_day();
}

#[test]
fn no_silent_winner_over_months_and_years_of_a_household_of_five_devices() {
    let days = days();
    seeds::each_by("BETWIXT_LONG_LIVES", 1, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.run_until_idle();
        let mut devices = vec![first, second];
        for of in [first, second, second] {
            devices.push(network.another_device(of));
            network.run_until_idle();
        }
        for today in 1..=days {
            day(&mut network, &devices);
            if today % A_MONTH == 0 || today == days {
                look(&mut network, &devices);
            }
        }
        println!("seed {seed}: {days} days, {} events, {} facts", network.steps(), network.acknowledged());
        assert!(network.acknowledged() > 0);
    });
}
