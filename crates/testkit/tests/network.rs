//! Many seeded runs of the simulated network.

use std::time::Duration;

use betwixt_testkit::network::{Counts, Network};
use betwixt_testkit::seeds;
use serde_json::json;

/// A run: two partners say things while the network is cut and mended and devices lose power, and then all is well again.
fn troubled_run(seed: u64) -> Counts {
    let mut network = Network::seeded(seed);
    let (first, second) = network.couple();
    for _ in 0..40 {
        match network.draw(20) {
            0..=8 => network.say_anything(first),
            9..=13 => network.say_anything(second),
            14 => network.partition(first, second),
            15 => network.heal(),
            16 => {
                let victim = [first, second][network.draw(2) as usize];
                network.say_anything(victim);
                let pause = network.draw(4);
                network.run_for(Duration::from_millis(u64::from(pause)));
                network.crash(victim);
            }
            17 => {
                network.restart(first);
                network.restart(second);
            }
            18 => network.next_day(),
            _ => network.run_for(Duration::from_secs(20)),
        }
        let pause = network.draw(400);
        network.run_for(Duration::from_millis(u64::from(pause)));
    }
    // At least one of each in every run.
    network.partition(first, second);
    network.say_anything(first);
    network.say_anything(second);
    let pause = network.draw(10);
    network.run_for(Duration::from_millis(u64::from(pause)));
    network.crash(first);
    network.restart(first);
    network.restart(second);
    network.heal();
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    network.counts()
}

#[test]
fn no_silent_winner_and_same_facts_same_view_over_partitions_and_crashes() {
    let mut sum = Counts::default();
    let total = std::cell::RefCell::new(&mut sum);
    seeds::each(100, |seed| **total.borrow_mut() += troubled_run(seed));
    println!("{sum:?}");
    assert!(sum.crashes > 0 && sum.in_commit > 0 && sum.said > 0, "the runs are troubled: {sum:?}");
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
