//! The present: what a device needs to show how things stand, before the years behind it have come.
//!
//! A life of thirty years takes a new device half a minute to receive, to verify and to enter. What people look at first is
//! a small part of it: [`facts`] picks that from the index of somebody who has everything, and [`show`] makes rows of it
//! that can be read like any others. They are for looking at only. They hold a part of the facts, whose past is mostly not
//! there, so they are kept in memory, nothing is decided by them, and they go when everything has come.

use std::collections::BTreeSet;
use std::convert::Infallible;

use crate::chapter;
use crate::fact::SignedFact;
use crate::field::Entry;
use crate::ids::{HouseholdId, ItemId};
use crate::index::rows::{MemoryRows, ReadRows};
use crate::index::{self, FieldKey, IndexError, Window};
use crate::membership::Membership;
use crate::schema::{KINDS, Naming};

/// How many items of each kind are picked: the newest, by the date that they are listed under.
pub const NEWEST: usize = 25;

/// How many items are picked for what waits in them, whatever their age.
pub const UNSETTLED: usize = 25;

/// How many facts a field may have for all of them to be picked. Of one with more, only what stands is.
pub const HISTORY: u32 = 32;

/// How often it is looked again what would stand otherwise without what was left out.
const ROUNDS: usize = 5;

/// What is shown with the sum of all progress that names it: that of those that are picked is picked, whatever its age.
const COUNTED: [&str; 2] = ["goal", "milestone"];
const PROGRESS: &str = "progress";

/// Beyond so many facts no further item is begun.
pub const MAX_FACTS: usize = 10_000;

/// Beyond so many bytes of their texts no further item is begun: long prose may fill more than anybody sends at once.
pub const MAX_BYTES: usize = 12 << 20;

/// The facts of the present: of the newest items of every kind and of those in which something waits to be settled, what
/// stands in every field, and how it came about where that is short. Of what was replaced the value is left out, and so is every
/// item in which [`show`] would have something else stand than stands here (NoSilentWinner). Costs what reading those items and
/// showing them a few times costs, whatever the history.
///
/// # Errors
/// [`IndexError`].
pub fn facts<R: ReadRows>(
    rows: &R,
    household: &HouseholdId,
    membership: &Membership,
) -> Result<Vec<SignedFact>, IndexError<R::Error>> {
    let mut facts = picked(rows)?;
    for _ in 0..ROUNDS {
        // Where a fact stands follows from others, too, that are not told: what would stand otherwise is left out, item by item.
        let Ok(shown) = show(household, membership, facts.clone()) else { break };
        let told: BTreeSet<ItemId> = facts.iter().map(|signed| signed.fact().item()).collect();
        let mut other = BTreeSet::new();
        for item in told {
            if !stands_alike(rows, &shown, &item)? {
                other.insert(item);
            }
        }
        if other.is_empty() {
            return Ok(facts);
        }
        facts.retain(|signed| !other.contains(&signed.fact().item()));
    }
    Ok(Vec::new())
}

/// Whether in every field of an item the same stands, and stands agreed, in both. Of long histories what is agreed is not told.
fn stands_alike<R: ReadRows>(rows: &R, shown: &MemoryRows, item: &ItemId) -> Result<bool, IndexError<R::Error>> {
    for (key, live) in index::live_of_item(rows, item)? {
        if key.kind == chapter::KIND {
            continue;
        }
        let Ok(other) = index::live(shown, &key) else { return Ok(false) };
        if !live.live().map(|entry| entry.id).eq(other.live().map(|entry| entry.id)) {
            return Ok(false);
        }
        let ids =
            |agreed: Vec<[Entry; 2]>| agreed.into_iter().map(|pair| pair.map(|entry| entry.id)).collect::<Vec<_>>();
        let Ok(agreed) = index::agreements(shown, &key) else { return Ok(false) };
        if live.count() <= HISTORY && ids(index::agreements(rows, &key)?) != ids(agreed) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn picked<R: ReadRows>(rows: &R) -> Result<Vec<SignedFact>, IndexError<R::Error>> {
    let mut items = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.naming != Naming::Internal) {
        let mut newest = Vec::new();
        let window = Window { latest_first: true, ..Window::default() };
        index::each_item(rows, kind.name, &window, |entry| {
            newest.push(entry.item);
            Ok(newest.len() < NEWEST)
        })?;
        if COUNTED.contains(&kind.name) {
            for item in &newest {
                let links = index::links_to(rows, item)?.into_iter();
                items.extend(links.filter(|key| key.kind == PROGRESS).map(|key| key.item));
            }
        }
        items.extend(newest);
    }
    items.extend(index::unsettled(rows)?.into_iter().map(|key| key.item).take(UNSETTLED));
    let (mut facts, mut bytes) = (Vec::new(), 0);
    for item in items {
        if facts.len() >= MAX_FACTS || bytes >= MAX_BYTES {
            break;
        }
        let before = facts.len();
        of_item(rows, &item, &mut facts)?;
        bytes += facts[before..].iter().map(|signed| signed.fact().text().len()).sum::<usize>();
    }
    Ok(facts)
}

fn of_item<R: ReadRows>(rows: &R, item: &ItemId, facts: &mut Vec<SignedFact>) -> Result<(), IndexError<R::Error>> {
    for (key, live) in index::live_of_item(rows, item)? {
        if key.kind == chapter::KIND {
            continue;
        }
        if live.count() > HISTORY {
            // One that was replaced would stand again where what replaced it is not told.
            for entry in live.live() {
                facts.extend(index::fact(rows, &entry.id)?);
            }
        } else {
            of_field(rows, &key, facts)?;
        }
    }
    Ok(())
}

fn of_field<R: ReadRows>(rows: &R, key: &FieldKey, facts: &mut Vec<SignedFact>) -> Result<(), IndexError<R::Error>> {
    let all = index::field(rows, key)?;
    let live: Vec<_> = all.live().map(|entry| entry.id).collect();
    let mut with_values: BTreeSet<_> = live.iter().copied().collect();
    with_values.extend(all.agreements().iter().flat_map(|agreed| [agreed.one.id, agreed.other.id]));
    if live.len() > 1 {
        // What their difference is shown against.
        with_values.extend(all.bases(&live).into_iter().map(|entry| entry.id));
    }
    for entry in all.entries() {
        let signed = index::fact(rows, &entry.id)?;
        facts
            .extend(signed.map(|signed| if with_values.contains(&entry.id) { signed } else { signed.without_value() }));
    }
    Ok(())
}

/// Rows that show these facts as if nothing had been said before them that is not among them.
///
/// # Errors
/// [`IndexError::Damaged`] when the facts make no rows: there is nothing to be shown then.
pub fn show(
    household: &HouseholdId,
    membership: &Membership,
    facts: Vec<SignedFact>,
) -> Result<MemoryRows, IndexError<Infallible>> {
    let mut rows = MemoryRows::default();
    add(&mut rows, household, membership, facts)?;
    Ok(rows)
}

/// Adds what was said since to what [`show`] has made.
///
/// # Errors
/// [`IndexError::Damaged`]; the rows are to be dropped then.
pub fn add(
    rows: &mut MemoryRows,
    household: &HouseholdId,
    membership: &Membership,
    facts: Vec<SignedFact>,
) -> Result<(), IndexError<Infallible>> {
    index::assume(rows, household, membership, facts).map(drop)
}
