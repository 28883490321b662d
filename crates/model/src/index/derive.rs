//! Deriving a scope's index anew from its own facts: after a fork or the removal of a device, which change where facts stand
//! that have their places already.
//!
//! What the facts build on is held in memory, some 200 bytes a fact; what they say is read, entered and written a thousand
//! facts at a time, each after all of its past.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ingest::{check, fact_groups};
use super::listing::{listed_group, years_group};
use super::rows::{ReadRows, Table, WriteRows};
use super::standing::note_refused;
use super::statistics::STATISTICS;
use super::stored::{
    AGREED, ERASED, FactRow, Placing, REVIEWS, SETTLE, VOID, chain_group, decode, links_group, long_name,
};
use super::work::{Past, Work};
use super::{Effect, IndexError, counts::COUNTS};
use crate::fact::SignedFact;
use crate::ids::{DeviceId, FactId, HouseholdId};
use crate::membership::{Accepted, Membership};
use crate::schema;

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// How many facts are entered before their rows are written.
const BATCH: usize = 1_000;

/// Clears what follows from the facts that are here, and enters them again with those that are `new`; what the membership
/// does not take goes. `filled` are facts of which the values came only now.
pub(super) fn derive<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
    new: Vec<(FactId, SignedFact)>,
    mut filled: BTreeMap<FactId, SignedFact>,
    mut effect: Effect,
) -> Answer<Effect, R> {
    let mut before = Before::default();
    let mut graph = Graph::default();
    for group in [SETTLE, REVIEWS, AGREED, COUNTS, STATISTICS, ERASED, VOID] {
        clear(rows, Table::Derived, group)?;
    }
    for group in fact_groups() {
        let mut follows = BTreeSet::new();
        for (key, bytes) in rows.group(Table::Facts, &group)? {
            let id: [u8; 32] = key.try_into().map_err(|_| IndexError::Damaged(Table::Facts))?;
            let (id, row) = (FactId::from_bytes(id), decode::<FactRow, R::Error>(Table::Facts, &bytes)?);
            groups_that_follow(&id, &row, &mut follows);
            before.note(&id, &row);
            match check(&row.header, household, membership) {
                Ok(()) => graph.enter(id, &row),
                Err(reason) => {
                    rows.remove(Table::Facts, &group, id.as_bytes())?;
                    note_refused(rows, &row.header.device, &reason)?;
                    effect.refused.push((id, reason));
                }
            }
        }
        for (table, group) in follows {
            clear(rows, table, &group)?;
        }
    }
    let mut arriving = BTreeMap::new();
    for (id, signed) in new {
        let row = FactRow::new(&signed, false);
        graph.enter(id, &row);
        arriving.insert(id, row);
    }
    graph.nodes.sort_unstable_by_key(|node| node.id);
    graph.find_void(membership);
    graph.find_forks();
    let (mut forks, mut completed) = (BTreeSet::new(), BTreeSet::new());
    for batch in graph.order().chunks(BATCH) {
        let mut work = Work::new(rows, Past::Awaited);
        for node in batch.iter().map(|place| &graph.nodes[*place]) {
            let mut row = match arriving.remove(&node.id) {
                Some(row) => row,
                None => work.stored_fact(&node.id)?,
            };
            if let Some(whole) = filled.remove(&node.id) {
                row.content = FactRow::new(&whole, node.void).content;
            }
            (row.placing, row.void, row.forked) = (Placing::Waiting(Vec::new()), node.void, node.forked);
            let moves = work.chain(&node.id, row, &mut forks)?;
            debug_assert!(!moves, "every fork was known beforehand");
            completed.extend(work.place(&node.id)?.into_iter().filter(|id| before.waited.contains(id)));
        }
        effect.fields.extend(work.flush()?);
    }
    effect.completed.extend(completed);
    effect.forks.extend(forks.difference(&before.forked));
    effect.rebuilt = true;
    Ok(effect)
}

fn clear<R: WriteRows>(rows: &mut R, table: Table, group: &[u8]) -> Answer<(), R> {
    for (key, _) in rows.group(table, group)? {
        rows.remove(table, group, &key)?;
    }
    Ok(())
}

/// The groups of rows that follow from a fact, beside its own.
fn groups_that_follow(id: &FactId, row: &FactRow, groups: &mut BTreeSet<(Table, Vec<u8>)>) {
    let key = row.field(id);
    groups.insert((Table::Fields, key.item.as_bytes().to_vec()));
    groups.insert((Table::Entries, long_name(&key)));
    groups.insert((Table::Items, key.kind.clone().into_bytes()));
    groups.insert((Table::Derived, years_group(&key.kind)));
    groups.insert((Table::Derived, listed_group(&key.kind, row.header.date.year())));
    groups.insert((Table::Chains, chain_group(&row.header.device).to_vec()));
    groups.extend(row.past().map(|past| (Table::Waiting, past.as_bytes().to_vec())));
    if let Some(field) = schema::field(&key.kind, &key.field).filter(|field| field.shape.is_link()) {
        let value = row.content.as_ref().and_then(|(_, text)| serde_json::from_str(text).ok());
        let target = value.and_then(|value| field.shape.link(&value));
        groups.extend(target.map(|target| (Table::Derived, links_group(&target))));
    }
}

/// How it was.
#[derive(Default)]
struct Before {
    /// The facts that waited for something missing.
    waited: BTreeSet<FactId>,
    /// The devices whose chains were known to fork.
    forked: BTreeSet<DeviceId>,
}

impl Before {
    fn note(&mut self, id: &FactId, row: &FactRow) {
        if !row.complete() {
            self.waited.insert(*id);
        }
        if row.forked {
            self.forked.insert(row.header.device);
        }
    }
}

/// What facts build on.
#[derive(Default)]
struct Graph {
    /// Sorted by id, once all are in.
    nodes: Vec<Node>,
}

struct Node {
    id: FactId,
    device: DeviceId,
    previous: Option<FactId>,
    past: Vec<FactId>,
    void: bool,
    forked: bool,
}

impl Graph {
    fn enter(&mut self, id: FactId, row: &FactRow) {
        let mut past: Vec<FactId> = row.past().copied().collect();
        past.sort_unstable();
        past.dedup();
        let (device, previous) = (row.header.device, row.header.previous);
        self.nodes.push(Node { id, device, previous, past, void: false, forked: false });
    }

    fn place(&self, id: &FactId) -> Option<usize> {
        self.nodes.binary_search_by_key(id, |node| node.id).ok()
    }

    /// Of removed devices, all is void but what the last accepted fact builds on by `previous`.
    fn find_void(&mut self, membership: &Membership) {
        let mut accepted = BTreeSet::new();
        for (device, standing) in membership.devices() {
            let Accepted::UpTo(last) = standing.accepted else { continue };
            let mut next = Some(last);
            while let Some(place) = next.and_then(|id| self.place(&id)) {
                let node = &self.nodes[place];
                if node.device != *device {
                    break;
                }
                accepted.insert(node.id);
                next = node.previous;
            }
        }
        for node in &mut self.nodes {
            node.void = match membership.standing(&node.device).map(|standing| &standing.accepted) {
                Some(Accepted::Everything) => false,
                Some(Accepted::UpTo(_)) => !accepted.contains(&node.id),
                Some(Accepted::Nothing) | None => true,
            };
        }
    }

    /// A chain forks where two facts that count follow the same one.
    fn find_forks(&mut self) {
        let mut followed = BTreeSet::new();
        let mut forked = Vec::new();
        for node in self.nodes.iter().filter(|node| !node.void) {
            let previous = node.previous.and_then(|previous| self.place(&previous));
            let Some(place) = previous else { continue };
            let previous = &self.nodes[place];
            if !previous.void && previous.device == node.device && !followed.insert(place) {
                forked.push(place);
            }
        }
        for place in forked {
            self.nodes[place].forked = true;
        }
    }

    /// The places of all facts, each after all of its past that is here.
    fn order(&self) -> Vec<usize> {
        let mut followers: Vec<(usize, usize)> = Vec::new();
        let mut unmet = vec![0; self.nodes.len()];
        for (later, node) in self.nodes.iter().enumerate() {
            for earlier in node.past.iter().filter_map(|past| self.place(past)) {
                followers.push((earlier, later));
                unmet[later] += 1;
            }
        }
        followers.sort_unstable();
        let mut ready: VecDeque<usize> = (0..unmet.len()).filter(|place| unmet[*place] == 0).collect();
        let mut order = Vec::with_capacity(unmet.len());
        while let Some(earlier) = ready.pop_front() {
            order.push(earlier);
            let from = followers.partition_point(|(of, _)| *of < earlier);
            for (_, later) in followers[from..].iter().take_while(|(of, _)| *of == earlier) {
                unmet[*later] -= 1;
                if unmet[*later] == 0 {
                    ready.push_back(*later);
                }
            }
        }
        order
    }
}
