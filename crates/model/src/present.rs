//! The present: what a device needs to show how things stand, before the years behind it have come.
//!
//! A life of thirty years takes a new device half a minute to receive, to verify and to enter. What people look at first is
//! a small part of it: [`facts`] picks that from the index of somebody who has everything, and [`show`] makes rows of it
//! that can be read like any others. They are for looking at only. They hold a part of the facts, whose past is mostly not
//! there, so they are kept in memory, nothing is decided by them, and they go when everything has come.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::chapter;
use crate::fact::SignedFact;
use crate::field::Entry;
use crate::ids::{FactId, HouseholdId, ItemId};
use crate::index::rows::{MemoryRows, ReadRows};
use crate::index::{self, FieldKey, IndexError, Window};
use crate::membership::Membership;
use crate::schema::{KINDS, Naming};

/// How many items of a kind are picked: the newest, by the date that they are listed under.
pub const NEWEST: usize = 25;

/// The same of goals and of milestones, of which all progress is told: about what a year brings.
pub const NEWEST_COUNTED: usize = 10;

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
/// item in which [`show`] would have something else stand than stands here (NoSilentWinner). Costs what reading those items once and
/// showing them a few times costs, whatever the history.
///
/// # Errors
/// [`IndexError`].
pub fn facts<R: ReadRows>(
    rows: &R,
    household: &HouseholdId,
    membership: &Membership,
) -> Result<Vec<SignedFact>, IndexError<R::Error>> {
    let Picked { mut facts, standing } = picked(rows)?;
    for _ in 0..ROUNDS {
        // Where a fact stands follows from others, too, that are not told: what would stand otherwise is left out, item by item.
        let Ok(shown) = show(household, membership, facts.clone()) else { break };
        let mut told: BTreeSet<ItemId> = facts.iter().map(|signed| signed.fact().item()).collect();
        told.retain(|item| {
            !standing.get(item).is_some_and(|fields| fields.iter().all(|field| field.stands_in(&shown)))
        });
        let other = told;
        if other.is_empty() {
            return Ok(facts);
        }
        facts.retain(|signed| !other.contains(&signed.fact().item()));
    }
    Ok(Vec::new())
}

/// What is picked, and what stands in each field of each item of it.
#[derive(Default)]
struct Picked {
    facts: Vec<SignedFact>,
    standing: BTreeMap<ItemId, Vec<Standing>>,
}

/// What stands in a field.
struct Standing {
    key: FieldKey,
    live: Vec<FactId>,
    /// What stands agreed. Of long histories that is not told.
    agreed: Option<Vec<[FactId; 2]>>,
}

impl Standing {
    /// Whether the same stands, and stands agreed, in these rows.
    fn stands_in(&self, shown: &MemoryRows) -> bool {
        let Ok(live) = index::live(shown, &self.key) else { return false };
        let Ok(agreed) = index::agreements(shown, &self.key) else { return false };
        self.live.iter().copied().eq(live.live().map(|entry| entry.id))
            && self.agreed.as_ref().is_none_or(|known| *known == ids(agreed))
    }
}

fn ids(agreed: Vec<[Entry; 2]>) -> Vec<[FactId; 2]> {
    agreed.into_iter().map(|pair| pair.map(|entry| entry.id)).collect()
}

fn picked<R: ReadRows>(rows: &R) -> Result<Picked, IndexError<R::Error>> {
    let mut items = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.naming != Naming::Internal) {
        let mut newest = Vec::new();
        let window = Window { latest_first: true, ..Window::default() };
        let most = if COUNTED.contains(&kind.name) { NEWEST_COUNTED } else { NEWEST };
        index::each_item(rows, kind.name, &window, |entry| {
            newest.push(entry.item);
            Ok(newest.len() < most)
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
    let (mut picked, mut bytes) = (Picked::default(), 0);
    for item in items {
        if picked.facts.len() >= MAX_FACTS || bytes >= MAX_BYTES {
            break;
        }
        let before = picked.facts.len();
        picked.add(rows, &item)?;
        bytes += picked.facts[before..].iter().map(|signed| signed.fact().text().len()).sum::<usize>();
    }
    Ok(picked)
}

impl Picked {
    fn add<R: ReadRows>(&mut self, rows: &R, item: &ItemId) -> Result<(), IndexError<R::Error>> {
        for (key, live) in index::live_of_item(rows, item)? {
            if key.kind == chapter::KIND {
                continue;
            }
            let mut agreed = None;
            if live.count() > HISTORY {
                // One that was replaced would stand again where what replaced it is not told.
                for entry in live.live() {
                    self.facts.extend(index::fact(rows, &entry.id)?);
                }
            } else {
                of_field(rows, &key, &mut self.facts)?;
                agreed = Some(ids(index::agreements(rows, &key)?));
            }
            let live = live.live().map(|entry| entry.id).collect();
            self.standing.entry(*item).or_default().push(Standing { key, live, agreed });
        }
        Ok(())
    }
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
