//! One small life, with a fault at every single place where there can be one: at each write of a device's disk its power fails, or
//! its disk does; at each frame the connection goes down. Not at random: all of them.

#![allow(clippy::print_stdout, reason = "what was survived, for soak, which counts it")]

use std::time::Duration;

use betwixt_testkit::disk::Failure;
use betwixt_testkit::network::{DeviceName, Network, Weather};
use serde_json::json;

/// How long a disk that failed stays so: as long as a person needs who frees some room.
const HEALS: Duration = Duration::from_secs(5);

/// Two in step, of whom both say things together and apart, in the shared scope and in private, while one compacts its documents;
/// and then both are in step again, with everything that anybody was told. Answers whether the fault came.
fn life(plan: impl FnOnce(&mut Network, DeviceName, DeviceName)) -> bool {
    let mut network = Network::seeded(20);
    network.set_weather(Weather { lost_at_frame: 0, ..Weather::default() });
    let (first, second) = network.couple();
    network.say(first, None, "goal", "title", json!("Learn to sail"));
    network.run_until_idle();
    plan(&mut network, first, second);
    for (device, title) in [(first, "Walk together on Sundays"), (second, "A calm home")] {
        network.say(device, None, "goal", "title", json!(title));
        network.run_for(Duration::from_millis(250));
    }
    network.partition(first, second);
    for device in [first, second, first] {
        network.say_anything(device);
        network.say_privately(device);
        network.run_for(Duration::from_millis(40));
    }
    network.compact(first);
    network.heal();
    // Nobody may be told of it, and dial only when their turn comes.
    network.run_for(Duration::from_secs(40));
    network.say(second, None, "thanks", "what", json!("That you waited"));
    network.run_for(Duration::from_secs(2));
    let came = !network.cancel_planned();
    // A device that lost its power is started again, and a disk works again.
    network.run_for(HEALS);
    network.run_until_idle();
    network.assert_converged();
    network.assert_no_silent_winner();
    network.assert_private_stays_home();
    came
}

/// Lives it with the fault at the first place, the second, and so on, until there is no such place any more. Answers how many
/// there were.
fn at_every_place(plan: impl Fn(&mut Network, DeviceName, DeviceName, u64)) -> u64 {
    let places = (0..).find(|place| !life(|network, first, second| plan(network, first, second, *place)));
    places.expect("a life ends")
}

#[test]
fn durable_before_told_power_that_fails_at_any_single_write_loses_nothing() {
    let places = at_every_place(|network, first, _, place| network.crash_at_write(first, place));
    println!("power failed at each of {places} writes");
    assert!(places > 20, "{places} writes are no life");
}

fn with_a_disk_that_fails(failure: Failure) {
    let places = at_every_place(|network, first, _, place| network.fail_at_write(first, place, failure, HEALS));
    println!("the disk failed ({failure:?}) at each of {places} writes");
    assert!(places > 5, "{places} writes are no life");
}

#[test]
fn durable_before_told_an_input_or_output_error_at_any_single_write_loses_nothing() {
    with_a_disk_that_fails(Failure::Broken);
}

#[test]
fn durable_before_told_a_disk_that_is_full_at_any_single_write_loses_nothing() {
    with_a_disk_that_fails(Failure::Full);
}

#[test]
fn durable_before_told_a_short_write_at_any_place_loses_nothing() {
    with_a_disk_that_fails(Failure::Short);
}

#[test]
fn durable_before_told_a_sync_that_fails_at_any_place_loses_nothing() {
    with_a_disk_that_fails(Failure::NotSynced);
}

#[test]
fn no_silent_winner_a_connection_that_goes_down_at_any_single_frame_loses_nothing() {
    let places = at_every_place(|network, _, _, place| network.lose_at_frame(place));
    println!("the connection went down at each of {places} frames");
    assert!(places > 20, "{places} frames are no life");
}
