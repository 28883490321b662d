//! Many seeded runs of the simulated network.

use std::time::Duration;

use betwixt_testkit::disk::Failure;
use betwixt_testkit::network::{Counts, DeviceName, Network};
use betwixt_testkit::seeds;
use serde_json::json;

/// A household of two partners with two to five devices, the others added once the first two have met or not.
fn household(network: &mut Network) -> Vec<DeviceName> {
    let (first, second) = network.couple();
    let mut devices = vec![first, second];
    for of in [first, second, first] {
        if network.draw(2) == 0 {
            let pause = network.draw(2_000);
            network.run_for(Duration::from_millis(u64::from(pause)));
            devices.push(network.another_device(of));
        }
    }
    devices
}

fn any(network: &mut Network, devices: &[DeviceName]) -> DeviceName {
    let at = network.draw(u32::try_from(devices.len()).expect("a few"));
    devices[at as usize]
}

const FAILURES: [Failure; 5] = [Failure::Broken, Failure::Full, Failure::ReadOnly, Failure::Short, Failure::NotSynced];

/// A run: two partners say things on their devices while the network is cut and mended, devices lose power and sleep, their
/// disks fail and work again, their clocks are set wrong and run fast or slow, somebody uses a patched program, documents are
/// compacted; and then all is well again.
fn troubled_run(seed: u64) -> Counts {
    let mut network = Network::seeded(seed);
    let devices = household(&mut network);
    for _ in 0..40 {
        let (at, other) = (any(&mut network, &devices), any(&mut network, &devices));
        match network.draw(37) {
            0..=11 => network.say_anything(at),
            12 => network.say_dishonestly(at),
            13 => network.say_privately(at),
            14 => network.compact(at),
            15..=16 if at != other => network.partition(at, other),
            17 => network.heal(),
            18 => {
                network.say_anything(at);
                let pause = network.draw(4);
                network.run_for(Duration::from_millis(u64::from(pause)));
                network.crash(at);
            }
            19..=20 => devices.iter().for_each(|device| network.restart(*device)),
            21 => network.next_day(),
            22 => {
                let days_off = network.draw(800);
                network.set_calendar(at, i32::try_from(days_off).expect("a few") - 400);
            }
            23 => {
                let pace = network.draw(1_500);
                network.set_pace(at, 500 + pace);
            }
            24 => {
                let (seconds, clock_goes_on) = (network.draw(40), network.draw(2) == 0);
                network.put_to_sleep(at, Duration::from_secs(u64::from(seconds)), clock_goes_on);
            }
            25..=27 => network.seal_something(at),
            28..=30 => network.say_of_a_chapter(at),
            31..=32 => {
                let (writes, kind) = (network.draw(40), network.draw(5));
                let time = Duration::from_millis(u64::from(network.draw(20_000)));
                network.fail_at_write(at, u64::from(writes), FAILURES[kind as usize], time);
            }
            33 => {
                let writes = network.draw(40);
                network.crash_at_write(at, u64::from(writes));
            }
            _ => network.run_for(Duration::from_secs(20)),
        }
        let pause = network.draw(400);
        network.run_for(Duration::from_millis(u64::from(pause)));
    }
    // At least one of each in every run.
    let (first, second) = (devices[0], devices[1]);
    network.cancel_planned();
    network.run_for(Duration::from_secs(60));
    devices.iter().for_each(|device| network.restart(*device));
    network.partition(first, second);
    network.say_anything(first);
    network.say_anything(second);
    network.say_privately(second);
    let pause = network.draw(10);
    network.run_for(Duration::from_millis(u64::from(pause)));
    network.crash(first);
    network.restart(first);
    network.compact(second);
    network.heal();
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    network.assert_private_stays_home();
    network.assert_seals_are_kept();
    assert!(network.private_facts() > 0, "seed {seed}: something private was said");
    network.counts()
}

#[test]
fn no_silent_winner_and_same_facts_same_view_over_partitions_and_crashes() {
    let mut sum = Counts::default();
    let total = std::cell::RefCell::new(&mut sum);
    seeds::each(40, |seed| **total.borrow_mut() += troubled_run(seed));
    println!("{sum:?}");
    let all = [sum.crashes, sum.in_commit, sum.compacted, sum.said, sum.erased, sum.opened, sum.refused_by_disk];
    assert!(all.iter().all(|count| *count > 0) || std::env::var(seeds::SEED).is_ok(), "the runs are troubled: {sum:?}");
}

/// One device of several has its frames altered and mixed with rubbish for a while. The others go on as if nothing were,
/// and once it is honest again everything is in step.
#[test]
fn hostile_input_is_an_error_altered_frames_and_rubbish_harm_nobody() {
    let broken = std::cell::Cell::new(0);
    seeds::each(12, |seed| {
        let mut network = Network::seeded(seed);
        let devices = household(&mut network);
        let hostile = any(&mut network, &devices);
        network.make_hostile(hostile);
        for _ in 0..20 {
            let at = any(&mut network, &devices);
            match network.draw(8) {
                0..=3 => network.say_anything(at),
                4 => network.say_dishonestly(hostile),
                5 => network.rubbish(at),
                6 => {
                    network.crash(at);
                    network.restart(at);
                }
                _ => network.run_for(Duration::from_secs(30)),
            }
            let pause = network.draw(1_000);
            network.run_for(Duration::from_millis(u64::from(pause)));
        }
        network.make_honest(hostile);
        network.say_anything(hostile);
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        broken.set(broken.get() + network.counts().broken);
    });
    assert!(broken.get() > 0, "no session was ever refused");
}

/// Homes are put back to earlier copies of themselves while everybody goes on. What a restored device said before and
/// somebody else has comes back to it, under the epoch that it had then; nothing else is lost or takes its place.
#[test]
fn a_restored_home_gets_back_what_others_have_of_it() {
    let restored = std::cell::Cell::new(0);
    seeds::each(8, |seed| {
        let mut network = Network::seeded(seed);
        let devices = household(&mut network);
        for _ in 0..30 {
            let at = any(&mut network, &devices);
            match network.draw(10) {
                0..=4 => network.say_anything(at),
                5 => network.say_privately(at),
                6 => network.back_up(at),
                7 => network.restore(at),
                8 => network.compact(at),
                _ => network.run_for(Duration::from_secs(20)),
            }
            let pause = network.draw(1_500);
            network.run_for(Duration::from_millis(u64::from(pause)));
        }
        network.back_up(devices[0]);
        network.say_anything(devices[0]);
        network.run_until_idle();
        network.restore(devices[0]);
        network.say_anything(devices[0]);
        network.say_anything(devices[1]);
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        network.assert_private_stays_home();
        restored.set(restored.get() + network.counts().restored);
    });
    assert!(restored.get() > 0, "no home was put back");
}

/// Two copies of one home run at once: whoever meets both finds out. Without the copy everything goes on.
#[test]
fn a_copied_home_is_noticed_by_its_counters_and_harms_nothing() {
    seeds::each(5, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        network.say_anything(first);
        network.say_anything(second);
        network.run_until_idle();
        let copy = network.copy(first);
        for _ in 0..6 {
            network.say_anything(second);
            network.run_for(Duration::from_secs(60));
        }
        assert!(network.counts().run_twice > 0, "seed {seed}: nobody noticed the copy");
        network.crash(copy);
        network.say_anything(first);
        network.heal();
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
    });
}

/// Two copies of one home run and both speak, each in the same device's name and under the same epoch, so that two changes
/// have one author and one number. Whoever meets both goes on in a new generation; whoever is told that their home runs
/// twice, in a new epoch; and everything that anybody was told of and somebody else has is there in the end.
#[test]
fn no_silent_winner_a_copied_home_that_speaks_on_divides_nobody_for_long() {
    let divided = std::cell::Cell::new(0);
    seeds::each(8, |seed| {
        let mut network = Network::seeded(seed);
        let (first, second) = network.couple();
        for _ in 0..3 {
            network.say_anything(first);
            network.say_anything(second);
        }
        network.run_until_idle();
        let copy = network.copy(first);
        for _ in 0..12 {
            match network.draw(6) {
                0..=1 => network.say_anything(first),
                2..=3 => network.say_anything(copy),
                4 => network.say_anything(second),
                _ => {
                    network.heal();
                    let away = if network.draw(2) == 0 { first } else { copy };
                    network.partition(second, away);
                    network.run_for(Duration::from_secs(40));
                }
            }
            let pause = network.draw(2_000);
            network.run_for(Duration::from_millis(u64::from(pause)));
        }
        network.heal();
        network.partition(second, first);
        network.say_anything(copy);
        network.run_for(Duration::from_secs(90));
        network.retire(copy);
        network.heal();
        network.say_anything(first);
        network.say_anything(second);
        network.run_until_idle();
        network.assert_converged();
        network.assert_no_silent_winner();
        divided.set(divided.get() + network.generations(second));
    });
    assert!(divided.get() > 0 || std::env::var(seeds::SEED).is_ok(), "no document was ever divided");
}

#[test]
fn a_simple_exchange_arrives() {
    let mut network = Network::seeded(1);
    let (first, second) = network.couple();
    network.say(first, None, "goal", "title", json!("Learn to sail"));
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    let shown = network.shows(second).expect("the second device runs").to_string();
    assert!(shown.contains("Learn to sail"), "{shown}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(troubled_run(11), troubled_run(11));
}
