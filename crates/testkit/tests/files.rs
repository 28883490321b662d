//! Attached files in the simulated network: they come to every device that is to have them, whole, through connections that break,
//! crashes, disks that fail and files that are damaged; and private ones to nobody else.

use std::cell::Cell;
use std::time::Duration;

use betwixt_model::document::Scope;
use betwixt_testkit::disk::Failure;
use betwixt_testkit::network::{DeviceName, Network, Weather};
use betwixt_testkit::seeds;

/// Shorter than a chunk, a chunk, a little more, and some chunks; and nothing at all.
const LENGTHS: [usize; 6] = [0, 1, 5_000, 64 * 1024, 64 * 1024 + 1, 200_000];

fn household(seed: u64) -> (Network, Vec<DeviceName>) {
    let mut network = Network::seeded(seed);
    let devices = network.household(&[0, 1]);
    (network, devices)
}

/// Everybody is well and together, and nothing is missing anywhere.
fn end_well(network: &mut Network, devices: &[DeviceName]) {
    network.cancel_planned();
    network.heal();
    network.run_for(Duration::from_secs(60));
    devices.iter().for_each(|device| network.restart(*device));
    network.assert_nothing_is_missing(devices);
}

#[test]
fn attached_files_come_to_every_device_whole_through_breaks_crashes_and_damage() {
    let (came, attached, damaged, crashes) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |to: &Cell<u64>, count: u64| to.set(to.get() + count);
    seeds::each(6, |seed| {
        let (mut network, devices) = household(seed);
        network.set_weather(Weather { lost_at_frame: 40, ..Weather::default() });
        for _ in 0..14 {
            let at = devices[network.draw(4) as usize];
            let other = devices[network.draw(4) as usize];
            let length = LENGTHS[network.draw(6) as usize];
            match network.draw(10) {
                0..=2 => network.attach(at, Scope::Ours, length),
                3 => network.attach(at, Scope::Mine, length),
                4 if at != other => network.partition(at, other),
                5 => network.heal(),
                6 => network.crash(at),
                7 => {
                    network.attach(at, Scope::Ours, length);
                    let writes = network.draw(30);
                    network.fail_at_write(other, u64::from(writes), Failure::Full, Duration::from_secs(20));
                }
                _ => devices.iter().for_each(|device| network.restart(*device)),
            }
            network.say_anything(other);
            let wait = network.draw(3_000);
            network.run_for(Duration::from_millis(u64::from(wait)));
        }
        network.cancel_planned();
        network.heal();
        network.run_for(Duration::from_secs(60));
        devices.iter().for_each(|device| network.restart(*device));
        network.attach(devices[0], Scope::Ours, 150_000);
        network.attach(devices[1], Scope::Mine, 70_000);
        network.run_until_files_are_there();
        // Now that others have it, too.
        add(&damaged, u64::from(network.damage_a_file(devices[seed as usize % 4])));
        end_well(&mut network, &devices);
        let counts = network.counts();
        add(&came, counts.files);
        add(&attached, network.attached());
        add(&crashes, counts.crashes);
    });
    let [came, attached, damaged, crashes] = [came, attached, damaged, crashes].map(Cell::into_inner);
    println!("{attached} files attached, {came} arrivals, {damaged} damaged, {crashes} crashes");
    assert!(came > attached && attached > 10 && damaged > 0 && crashes > 0);
}
