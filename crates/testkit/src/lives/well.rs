//! What must hold in every life, at its end and in between.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::ids::{FactId, ItemId, PartnerId};
use betwixt_model::index;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::schema::{KINDS, Naming};
use betwixt_model::view::{self, ItemView, Reader, State};
use serde_json::{Value, json};

use super::{HOUSEHOLD, Life, draw, shuffle};
use crate::oracle::Fault;
use crate::shown::without_sides;

impl Life {
    /// Judges what one device shows now, to both partners: NoSilentWinner, and that everything said that has reached it is
    /// in its history (NothingDeleted).
    ///
    /// # Panics
    /// With every fault and the seed.
    pub fn assert_well(&self, at: usize) {
        let faults = self.faults(at);
        let words: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert!(faults.is_empty(), "seed {}, device {at}:\n{}", self.seed, words.join("\n"));
    }

    /// Judges a device that the seed draws. See [`Life::assert_well`].
    pub fn assert_somebody_well(&mut self) {
        let at = self.anybody();
        self.keep(at);
        self.assert_well(at);
    }

    /// Judges a life that has ended: every device by itself; that all have the same index, byte for byte, in whatever order
    /// and portions it came, and so does one that is rebuilt (SameFactsSameView); and that both partners are shown the
    /// same, apart from mine and yours.
    ///
    /// # Panics
    /// With what differs, and the seed.
    pub fn assert_converged(&mut self) {
        for at in 0..self.devices.len() {
            self.assert_well(at);
            assert!(self.devices[at].rows == self.devices[0].rows, "seed {}: devices 0, {at} differ", self.seed);
        }
        let mut rebuilt = self.devices[0].rows.clone();
        index::rebuild(&mut rebuilt, &HOUSEHOLD, &self.membership).expect("memory does not fail");
        assert!(rebuilt == self.devices[0].rows, "seed {}: a rebuilt index differs", self.seed);
        let mut anew = MemoryRows::default();
        let mut facts: Vec<_> = self.kept.values().cloned().collect();
        shuffle(&mut self.rng, &mut facts);
        while !facts.is_empty() {
            let portion = (1 + draw(&mut self.rng, 30) as usize).min(facts.len());
            let portion = facts.drain(..portion).collect();
            index::ingest(&mut anew, &HOUSEHOLD, &self.membership, portion).expect("memory does not fail");
        }
        assert!(anew == rebuilt, "seed {}: another order of arrival gives another index", self.seed);
        let [one, other] = self.partners().map(|partner| {
            let mut shown = everything(&anew, partner);
            without_sides(&mut shown);
            shown.to_string()
        });
        if self.is_complete() {
            assert_eq!(one, other, "seed {}: the partners are shown different things", self.seed);
        }
    }

    /// Counts how the life ended.
    pub fn count_end(&mut self) {
        let (rows, partner) = (&self.devices[0].rows, self.devices[0].partner);
        for item in items(rows, partner) {
            for field in item.fields.values() {
                self.happened.differing += u64::from(field.reading.state == State::Differing);
                self.happened.agreed += u64::from(!field.agreement.is_empty());
            }
            for entry in index::history(rows, &item.id).expect("memory does not fail") {
                self.happened.replaced += u64::from(entry.standing == index::Standing::Replaced);
                self.happened.waiting += u64::from(entry.standing == index::Standing::Arriving);
            }
        }
    }

    fn partners(&self) -> [PartnerId; 2] {
        let first = self.devices[0].partner;
        let other = self.devices.iter().map(|device| device.partner).find(|partner| *partner != first);
        [first, other.unwrap_or(first)]
    }

    /// Whether nothing that somebody named is missing.
    fn is_complete(&self) -> bool {
        let known = |id: &FactId| self.kept.contains_key(id);
        self.kept.values().all(|fact| {
            let header = fact.fact().header();
            header.seen.iter().chain(&header.previous).all(known)
        })
    }

    fn faults(&self, at: usize) -> Vec<Fault> {
        let here = self.here(at);
        let rows = &self.devices[at].rows;
        let mut faults = Vec::new();
        let history: BTreeSet<FactId> = self
            .oracle
            .places()
            .iter()
            .flat_map(|place| index::history(rows, &place.item).expect("memory does not fail"))
            .map(|entry| entry.fact)
            .collect();
        for id in &self.devices[at].has {
            let stored = index::fact(rows, id).expect("memory does not fail");
            let same = stored.is_some_and(|stored| stored.fact().value() == self.oracle.value(id));
            if !same || !history.contains(id) {
                faults.push(Fault::NotInHistory(*id));
            }
        }
        for partner in self.partners() {
            let reader = Reader { household: HOUSEHOLD, partner };
            let listed = view::differences(rows, &reader).expect("memory does not fail");
            let mut items: BTreeMap<ItemId, Option<ItemView>> = BTreeMap::new();
            for place in self.oracle.places() {
                let said = self.oracle.is_said(&place, &here);
                let read = || view::item(rows, &reader, &place.item).expect("memory does not fail");
                let item = items.entry(place.item).or_insert_with(read);
                let item = item.as_ref().filter(|item| item.kind == place.kind);
                let field = item.and_then(|item| item.fields.get(&place.field));
                let Some(field) = field else {
                    if said {
                        faults.push(Fault::Shown(format!("{place:?} is not shown")));
                    }
                    continue;
                };
                faults.extend(self.oracle.judge_view(&place, &here, partner, field));
                let is_listed =
                    listed.iter().any(|item| item.id == place.item && item.fields.contains_key(&place.field));
                faults.extend(self.oracle.judge_listed(&place, &here, partner, field, is_listed));
            }
        }
        faults
    }
}

fn items(rows: &MemoryRows, partner: PartnerId) -> Vec<ItemView> {
    let reader = Reader { household: HOUSEHOLD, partner };
    let kinds = KINDS.iter().filter(|kind| !matches!(kind.naming, Naming::Internal));
    kinds.flat_map(|kind| view::items(rows, &reader, kind.name).expect("memory does not fail")).collect()
}

/// Everything that a partner is shown.
fn everything(rows: &MemoryRows, partner: PartnerId) -> Value {
    json!(items(rows, partner))
}
