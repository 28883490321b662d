//! A membership that changes asks for no more than it has to, and never for too little: once what it asks for was done, the
//! rows are those of somebody who knew the later membership from the beginning.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::fact::SignedFact;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, Anew};
use betwixt_model::membership::{Accepted, Membership, Standing};
use serde_json::json;
use support::{Device, Dice, HOUSEHOLD, ingest, members, partner, runs};

/// Facts of five devices, in a random order; now and then a chain forks, and a fact never comes.
fn facts(dice: &mut Dice, devices: &mut [Device]) -> Vec<SignedFact> {
    let first = devices[0].says(None, "goal", "title", json!("a"), &[]);
    let item = Some(first.fact().item());
    let mut facts = vec![first];
    for _ in 0..dice.below(12) {
        let at = dice.below(devices.len());
        let value = json!(["a", "b", "c"][dice.below(3)]);
        let seen = [facts[dice.below(facts.len())].fact().id()];
        let own: Vec<&SignedFact> = facts.iter().filter(|fact| fact.fact().header().device == devices[at].id).collect();
        let said = if dice.chance(5) && !own.is_empty() {
            let previous = own[dice.below(own.len())].fact().id();
            devices[at].says_after(Some(previous), item, "goal", "title", value, &seen)
        } else {
            devices[at].says(item, "goal", "title", value, &seen)
        };
        facts.push(said);
    }
    if dice.chance(20) {
        facts.remove(dice.below(facts.len()));
    }
    dice.shuffle(&mut facts);
    facts
}

/// Somebody's standing, or none.
fn standing(dice: &mut Dice, device: &Device, facts: &[SignedFact]) -> Option<Standing> {
    let own: Vec<&SignedFact> = facts.iter().filter(|fact| fact.fact().header().device == device.id).collect();
    let accepted = match dice.below(10) {
        0 => return None,
        1 => Accepted::Nothing,
        2 if !own.is_empty() => Accepted::UpTo(own[dice.below(own.len())].fact().id()),
        3 | 4 => device.last.map_or(Accepted::Nothing, Accepted::UpTo),
        _ => Accepted::Everything,
    };
    let partner = if dice.chance(4) { partner(device.partner == partner(false)) } else { device.partner };
    Some(Standing { partner, accepted })
}

#[test]
fn what_is_derived_anew_is_enough() {
    let mut asked = [0; 3];
    for seed in 0..runs(1_000) {
        let mut dice = Dice::seeded(seed);
        let mut devices = [1, 2, 3, 101, 102].map(Device::new);
        let facts = facts(&mut dice, &mut devices);
        let (mut before, mut after) = (Membership::default(), Membership::default());
        for device in &devices {
            let was = standing(&mut dice, device, &facts);
            let now = if dice.chance(70) { was.clone() } else { standing(&mut dice, device, &facts) };
            was.into_iter().for_each(|was| before.set(device.id, was));
            now.into_iter().for_each(|now| after.set(device.id, now));
        }
        let mut rows = MemoryRows::default();
        ingest(&mut rows, &before, &[]);
        for some in facts.chunks(3) {
            ingest(&mut rows, &before, some);
        }
        let mut known = MemoryRows::default();
        ingest(&mut known, &after, &facts);
        let anew = index::anew(&rows, &before, &after).unwrap();
        asked[anew as usize] += 1;
        match anew {
            Anew::Nothing => {}
            Anew::Derived => drop(index::rebuild(&mut rows, &HOUSEHOLD, &after).unwrap()),
            // What the documents hold is read again into an empty index.
            Anew::Read => {
                rows = MemoryRows::default();
                ingest(&mut rows, &after, &facts);
            }
        }
        if rows != known {
            let differing = |one: &MemoryRows, other: &MemoryRows| {
                let rows = one.iter().filter(|row| !other.iter().any(|theirs| theirs == *row));
                rows.map(|((table, group, _), _)| format!("{table:?} {}", String::from_utf8_lossy(group)))
                    .collect::<Vec<_>>()
            };
            panic!(
                "seed {seed}: {anew:?} is not enough: {:?}, {:?}",
                differing(&rows, &known),
                differing(&known, &rows)
            );
        }
    }
    assert!(asked.iter().all(|times| *times > 50), "{asked:?}");
}

/// Adding a device to a life of thirty years had its whole index built anew on every device of the household, in one stage of
/// half a minute; so did the removal of one of which all was known.
#[test]
fn a_device_that_is_added_or_goes_in_peace_asks_for_nothing() {
    let mut devices = [1, 101, 2].map(Device::new);
    let before = members(&devices[..2]);
    let mut rows = MemoryRows::default();
    let first = devices[0].says(None, "goal", "title", json!("A cabin"), &[]);
    let item = Some(first.fact().item());
    let answer = devices[1].says(item, "goal", "title", json!("A cabin"), &[first.fact().id()]);
    ingest(&mut rows, &before, &[first, answer]);
    let mut after = members(&devices);
    assert_eq!(index::anew(&rows, &before, &after).unwrap(), Anew::Nothing, "a new device");
    let before = after.clone();
    let last = devices[1].last.unwrap();
    after.set(devices[1].id, Standing { partner: devices[1].partner, accepted: Accepted::UpTo(last) });
    assert_eq!(index::anew(&rows, &before, &after).unwrap(), Anew::Nothing, "all that it said is accepted");
    let too_early = devices[2].says(item, "goal", "title", json!("A boat"), &[]);
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &members(&devices[..2]), &[too_early]);
    assert_eq!(index::anew(&rows, &members(&devices[..2]), &members(&devices)).unwrap(), Anew::Read, "it spoke before");
}
