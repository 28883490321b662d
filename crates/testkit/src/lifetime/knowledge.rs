//! What the two have before them: the index of what both know, and over it what each has said since they met.

use std::collections::BTreeMap;
use std::convert::Infallible;

use betwixt_model::fact::{MAX_SEEN, SignedFact};
use betwixt_model::ids::{FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::rows::{KeyValue, MemoryRows, ReadRows, RowName, Table, WriteRows};
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::Membership;
use betwixt_model::view::{self, FieldView, Reader};

/// What both know, and what each said that the other does not know yet.
#[derive(Debug)]
pub(super) struct Knowledge {
    household: HouseholdId,
    membership: Membership,
    partners: [PartnerId; 2],
    both: MemoryRows,
    /// What each wrote over that.
    own: [BTreeMap<RowName, Option<Vec<u8>>>; 2],
    unshared: Vec<SignedFact>,
}

impl Knowledge {
    pub(super) fn new(household: HouseholdId, membership: Membership, partners: [PartnerId; 2]) -> Self {
        let (both, own, unshared) = (MemoryRows::default(), Default::default(), Vec::new());
        Self { household, membership, partners, both, own, unshared }
    }

    fn rows(&mut self, who: usize) -> Over<'_> {
        Over { under: &self.both, written: &mut self.own[who] }
    }

    /// The facts that a field's token names for whoever reads it now.
    pub(super) fn stands(&mut self, who: usize, key: &FieldKey) -> Vec<FactId> {
        let partner = self.partners[who];
        let live = known(index::live(&self.rows(who), key));
        let mut live: Vec<_> = live.live().map(|entry| (entry.partner != partner, entry.id)).collect();
        live.sort_unstable();
        live.into_iter().take(MAX_SEEN).map(|(_, id)| id).collect()
    }

    /// A field as one of them reads it.
    pub(super) fn field(&mut self, who: usize, item: &ItemId, field: &str) -> Option<FieldView> {
        let reader = Reader { household: self.household, partner: self.partners[who] };
        let rows = self.rows(who);
        let head = known(view::head(&rows, &reader, item))?;
        known(view::field(&rows, &reader, &head, field))
    }

    /// One of them said it.
    pub(super) fn say(&mut self, who: usize, fact: &SignedFact) {
        let (household, membership) = (self.household, self.membership.clone());
        known(index::ingest(&mut self.rows(who), &household, &membership, vec![fact.clone()]));
        self.unshared.push(fact.clone());
    }

    /// Both learn what the other said.
    pub(super) fn meet(&mut self) {
        let facts = std::mem::take(&mut self.unshared);
        if !facts.is_empty() {
            known(index::ingest(&mut self.both, &self.household, &self.membership, facts));
            self.own = Default::default();
        }
    }
}

fn known<T>(read: Result<T, index::IndexError<Infallible>>) -> T {
    read.expect("rows in memory do not fail, and hold what the index wrote")
}

/// Rows written over others.
struct Over<'a> {
    under: &'a MemoryRows,
    written: &'a mut BTreeMap<RowName, Option<Vec<u8>>>,
}

impl ReadRows for Over<'_> {
    type Error = Infallible;

    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        match self.written.get(&(table, group.to_vec(), key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.under.get(table, group, key),
        }
    }

    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<KeyValue>, Infallible> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.under.group(table, group)?.into_iter().collect();
        let from = (table, group.to_vec(), Vec::new());
        let within = |(name, _): &(&RowName, &Option<Vec<u8>>)| name.0 == table && name.1 == group;
        for ((_, _, key), value) in self.written.range(from..).take_while(within) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }
}

impl WriteRows for Over<'_> {
    fn put(&mut self, table: Table, group: &[u8], key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.written.insert((table, group.to_vec(), key.to_vec()), Some(value.to_vec()));
        Ok(())
    }

    fn remove(&mut self, table: Table, group: &[u8], key: &[u8]) -> Result<(), Infallible> {
        self.written.insert((table, group.to_vec(), key.to_vec()), None);
        Ok(())
    }
}
