//! Long lives in simulated time: one household of five devices that goes on for months and years, every day with its own weather.
//! `BETWIXT_DAYS` days, a few by default; on one in `BETWIXT_QUIET` days something happens, on each by default. Thirty years are
//! 10,958 days: `BETWIXT_DAYS=10958 BETWIXT_QUIET=5`.

use std::time::Duration;

use betwixt_model::document::Scope;
use betwixt_testkit::disk::Failure;
use betwixt_testkit::network::{DeviceName, Network};
use betwixt_testkit::seeds;

/// How many days, unless it is said otherwise.
const DAYS: u32 = 6;

/// How many days go by until everybody comes together.
const A_MONTH: u32 = 30;

/// In how many parts a life is looked at, at most: looking at everything costs what everything is.
const LOOKS: u32 = 15;

/// How long machines are used in a day, beside what happens. The rest of it they are suspended.
const AWAKE: Duration = Duration::from_secs(600);

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|days| days.parse().ok()).unwrap_or(default)
}

/// Everybody is well and together.
fn together(network: &mut Network, devices: &[DeviceName]) {
    network.cancel_planned();
    network.heal();
    network.run_for(Duration::from_secs(60));
    devices.iter().for_each(|device| network.restart(*device));
    network.run_until_idle();
}

/// What happens on a day: somebody says something, mostly; often not everybody is at home; now and then something breaks.
fn happens(network: &mut Network, devices: &[DeviceName]) {
    let any = |network: &mut Network| devices[network.draw(5) as usize];
    let (at, other) = (any(network), any(network));
    for _ in 0..network.draw(3) {
        network.say_anything(at);
        network.run_for(Duration::from_secs(600));
    }
    match network.draw(14) {
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
            network.fail_at_write(other, u64::from(writes), Failure::Full, Duration::from_secs(300));
        }
        8 => network.put_to_sleep(at, Duration::from_secs(8 * 3_600), false),
        9 => {
            let days_off = network.draw(20);
            network.set_calendar(other, i32::try_from(days_off).expect("a few") - 10);
        }
        10 => network.crash(other),
        11 => network.attach(at, Scope::Ours, 3_000),
        _ => devices.iter().for_each(|device| network.restart(*device)),
    }
}

#[test]
fn no_silent_winner_over_months_and_years_of_a_household_of_five_devices() {
    let (days, quiet) = (number("BETWIXT_DAYS", DAYS), number("BETWIXT_QUIET", 1).max(1));
    let between_looks = (days / LOOKS).max(A_MONTH);
    seeds::each_by("BETWIXT_LONG_LIVES", 1, |seed| {
        let mut network = Network::seeded(seed);
        let devices = network.household(&[0, 1, 1]);
        for today in 1..=days {
            if network.draw(quiet) == 0 {
                happens(&mut network, &devices);
            }
            network.run_for(AWAKE);
            network.night(Duration::from_secs(23 * 3_600));
            network.next_day();
            if today % A_MONTH == 0 || today == days {
                together(&mut network, &devices);
            }
            if today % between_looks == 0 || today == days {
                network.assert_nothing_is_missing(&devices);
            }
        }
        println!(
            "seed {seed}: {days} days, {} events, {} facts, {} files",
            network.steps(),
            network.acknowledged(),
            network.attached()
        );
        assert!(network.acknowledged() > 0);
    });
}
