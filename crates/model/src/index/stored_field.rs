//! The rows of fields. A field of few facts is one row; of more, its head is one row, with what stands, and its facts are in
//! rows of their own: those with a place by branch, [`CHUNK`] a row, each other alone. So a fact that arrives in a field
//! with a long history touches few and small rows, and everything in them follows from the set of facts alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::rows::Table;
use super::stored::{decode, encode};
use super::{IndexError, fold::Branch};
use crate::field::{Entry, LiveFacts, Names, Place, Placed, Replacers, Said, ValueHash};
use crate::ids::{FactId, PartnerId};

/// How many facts of a branch are in one row; and as many, of all branches, are in a row with their head.
pub(super) const CHUNK: u32 = 16;

/// A row of [`Table::Fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldRow {
    /// Every fact of the field.
    Small(Vec<Entry>),
    Large(Head),
}

/// What is known of a field whose facts are elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) standing: LiveFacts,
    pub(super) branches: BTreeMap<FactId, Branch>,
}

/// The key of a chunk of a branch, in the field's group of [`Table::Entries`].
pub(super) fn chunk_key(branch: &FactId, number: u32) -> Vec<u8> {
    [branch.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// Facts with every identifier written once.
#[derive(Serialize, Deserialize)]
struct StoredEntries {
    ids: Vec<FactId>,
    partners: Vec<PartnerId>,
    entries: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    id: usize,
    partner: usize,
    value: [u8; 16],
    null: bool,
    seen: Vec<usize>,
    place: StoredPlace,
    own: Vec<usize>,
    other: Vec<(usize, usize, u32)>,
    left_standing: bool,
    said: Option<StoredSaid>,
}

/// Most facts name all of their field that is in their past and leave nothing standing: they have none of this.
#[derive(Serialize, Deserialize)]
struct StoredSaid {
    names: Option<(Counts, Counts)>,
    left: Vec<(usize, usize, u32)>,
    contested: bool,
}

/// Branches and numbers in them.
type Counts = Vec<(usize, u32)>;

#[derive(Serialize, Deserialize)]
enum StoredPlace {
    Arriving,
    Void,
    Placed { branch: usize, sequence: u32, clock: Counts },
}

#[derive(Serialize, Deserialize)]
enum StoredField {
    Small(StoredEntries),
    Large(StoredHead),
}

#[derive(Serialize, Deserialize)]
struct StoredHead {
    speakers: Vec<PartnerId>,
    arriving: Vec<(usize, u32)>,
    void: u32,
    branches: Vec<StoredBranch>,
    live: StoredEntries,
}

#[derive(Serialize, Deserialize)]
struct StoredBranch {
    branch: FactId,
    partner: usize,
    count: u32,
    last: u32,
    stale: u32,
    crossed: Vec<u8>,
}

pub(super) fn encode_small<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    encode(&StoredField::Small(store(entries)))
}

pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let standing = &head.standing;
    let speakers: Vec<PartnerId> = standing.speakers.iter().copied().collect();
    let number = |partner: &PartnerId| speakers.binary_search(partner).expect("whoever spoke is among the speakers");
    let branch = |(branch, of): (&FactId, &Branch)| StoredBranch {
        branch: *branch,
        partner: number(&of.partner),
        count: of.count,
        last: of.last,
        stale: of.stale,
        crossed: of.crossed.clone(),
    };
    encode(&StoredField::Large(StoredHead {
        arriving: standing.arriving.iter().map(|(partner, count)| (number(partner), *count)).collect(),
        void: standing.void,
        branches: head.branches.iter().map(branch).collect(),
        live: store(standing.live.values()),
        speakers,
    }))
}

/// A row of [`Table::Entries`].
pub(super) fn encode_entries<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    encode(&store(entries))
}

/// The reverse of [`encode_small`] and [`encode_head`].
pub(super) fn decode_field<E: std::error::Error>(bytes: &[u8]) -> Result<FieldRow, IndexError<E>> {
    let damaged = IndexError::Damaged(Table::Fields);
    match decode(Table::Fields, bytes)? {
        StoredField::Small(stored) => read(stored).map(FieldRow::Small).ok_or(damaged),
        StoredField::Large(stored) => read_head(stored).map(FieldRow::Large).ok_or(damaged),
    }
}

/// The reverse of [`encode_entries`].
pub(super) fn decode_entries<E: std::error::Error>(bytes: &[u8]) -> Result<Vec<Entry>, IndexError<E>> {
    read(decode(Table::Entries, bytes)?).ok_or(IndexError::Damaged(Table::Entries))
}

fn store<'a>(entries: impl Iterator<Item = &'a Entry>) -> StoredEntries {
    let entries: Vec<&Entry> = entries.collect();
    let mut ids: Vec<FactId> = Vec::new();
    let mut partners = BTreeSet::new();
    for entry in &entries {
        ids.push(entry.id);
        ids.extend(&entry.seen);
        ids.extend(&entry.replacers.own);
        ids.extend(entry.replacers.other.iter().chain(&entry.said.left).flat_map(|other| [other.id, other.branch]));
        if let Some(names) = &entry.said.names {
            ids.extend(names.clock.branches().chain(&names.except).map(|(branch, _)| *branch));
        }
        if let Place::Placed { branch, clock, .. } = &entry.place {
            ids.push(*branch);
            ids.extend(clock.branches().map(|(branch, _)| *branch));
        }
        partners.insert(entry.partner);
    }
    ids.sort_unstable();
    ids.dedup();
    let partners: Vec<PartnerId> = partners.into_iter().collect();
    let number = |id: &FactId| ids.binary_search(id).expect("every id was entered above");
    let counts = |counts: &mut dyn Iterator<Item = &(FactId, u32)>| -> Counts {
        counts.map(|(branch, count)| (number(branch), *count)).collect()
    };
    let placed = |placed: &Placed| (number(&placed.id), number(&placed.branch), placed.sequence);
    let said = |said: &Said| {
        (*said != Said::default()).then(|| StoredSaid {
            names: said
                .names
                .as_ref()
                .map(|names| (counts(&mut names.clock.branches()), counts(&mut names.except.iter()))),
            left: said.left.iter().map(placed).collect(),
            contested: said.contested,
        })
    };
    let stored = |entry: &&Entry| StoredEntry {
        id: number(&entry.id),
        partner: partners.binary_search(&entry.partner).expect("every partner was entered above"),
        value: entry.value.0,
        null: entry.null,
        seen: entry.seen.iter().map(number).collect(),
        place: match &entry.place {
            Place::Arriving => StoredPlace::Arriving,
            Place::Void => StoredPlace::Void,
            Place::Placed { branch, sequence, clock } => StoredPlace::Placed {
                branch: number(branch),
                sequence: *sequence,
                clock: counts(&mut clock.branches()),
            },
        },
        own: entry.replacers.own.iter().map(number).collect(),
        other: entry.replacers.other.iter().map(placed).collect(),
        left_standing: entry.replacers.left_standing,
        said: said(&entry.said),
    };
    let entries = entries.iter().map(stored).collect();
    StoredEntries { ids, partners, entries }
}

fn read(stored: StoredEntries) -> Option<Vec<Entry>> {
    let StoredEntries { ids, partners, entries } = stored;
    let id = |number: usize| ids.get(number).copied();
    let listed = |numbers: Vec<usize>| numbers.into_iter().map(id).collect::<Option<Vec<FactId>>>();
    let counts = |counts: Counts| -> Option<Vec<(FactId, u32)>> {
        counts.into_iter().map(|(branch, count)| Some((id(branch)?, count))).collect()
    };
    let placed = |facts: Vec<(usize, usize, u32)>| -> Option<Vec<Placed>> {
        let one = |(fact, branch, sequence)| Some(Placed { id: id(fact)?, branch: id(branch)?, sequence });
        facts.into_iter().map(one).collect()
    };
    let entry = |entry: StoredEntry| {
        let place = match entry.place {
            StoredPlace::Arriving => Place::Arriving,
            StoredPlace::Void => Place::Void,
            StoredPlace::Placed { branch, sequence, clock } => {
                Place::Placed { branch: id(branch)?, sequence, clock: Clock::from_sorted(counts(clock)?)? }
            }
        };
        let said = match entry.said {
            None => Said::default(),
            Some(StoredSaid { names, left, contested }) => {
                let read = |(clock, except)| {
                    Some(Names { clock: Clock::from_sorted(counts(clock)?)?, except: counts(except)? })
                };
                let names = match names {
                    Some(names) => Some(read(names)?),
                    None => None,
                };
                Said { names, left: placed(left)?, contested }
            }
        };
        Some(Entry {
            id: id(entry.id)?,
            partner: *partners.get(entry.partner)?,
            value: ValueHash(entry.value),
            null: entry.null,
            seen: listed(entry.seen)?,
            place,
            replacers: Replacers {
                own: listed(entry.own)?,
                other: placed(entry.other)?,
                left_standing: entry.left_standing,
            },
            said,
        })
    };
    entries.into_iter().map(entry).collect()
}

fn read_head(stored: StoredHead) -> Option<Head> {
    let StoredHead { speakers, arriving, void, branches, live } = stored;
    let speaker = |number: usize| speakers.get(number).copied();
    let arriving = arriving.into_iter().map(|(partner, count)| Some((speaker(partner)?, count)));
    let arriving = arriving.collect::<Option<BTreeMap<_, _>>>()?;
    let branch = |of: StoredBranch| {
        let partner = speaker(of.partner)?;
        let StoredBranch { branch, count, last, stale, crossed, .. } = of;
        (count > 0 && count <= last && stale <= last).then_some(())?;
        Some((branch, Branch { partner, count, last, stale, crossed }))
    };
    let branches = branches.into_iter().map(branch).collect::<Option<BTreeMap<_, _>>>()?;
    let live = read(live)?.into_iter().map(|entry| (entry.id, entry)).collect();
    let placed = branches.values().try_fold(0u32, |sum, branch| sum.checked_add(branch.count))?;
    let speakers = speakers.iter().copied().collect();
    Some(Head { standing: LiveFacts { live, speakers, arriving, void, placed }, branches })
}
