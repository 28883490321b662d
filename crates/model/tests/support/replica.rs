//! A device's replica without documents, for tests that read and say as a frontend does.

use betwixt_model::fact::{Fact, SignedFact};
use betwixt_model::field::Seen;
use betwixt_model::ids::{HouseholdId, ItemId};
use betwixt_model::index;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::membership::Membership;
use betwixt_model::say::{SayError, Saying, Writer, say};
use betwixt_model::view::{self, ItemView, Reader};
use jiff::civil::Date;
use serde_json::Value;

use super::{Device, HOUSEHOLD, TODAY, members};

pub type SayResult = Result<Fact, SayError<std::convert::Infallible>>;

/// A device's replica: what its daemon does, without documents.
pub struct Replica {
    pub device: Device,
    pub household: HouseholdId,
    pub membership: Membership,
    pub rows: MemoryRows,
    pub said: Vec<SignedFact>,
    /// What its clock says.
    pub today: Date,
}

impl Replica {
    pub fn couple() -> (Self, Self) {
        let devices = [Device::new(1), Device::new(101)];
        let membership = members(&devices);
        let [one, other] = devices.map(|device| Self::new(device, HOUSEHOLD, membership.clone()));
        (one, other)
    }

    pub fn new(device: Device, household: HouseholdId, membership: Membership) -> Self {
        Self { device, household, membership, rows: MemoryRows::default(), said: Vec::new(), today: TODAY }
    }

    pub fn try_say(
        &mut self,
        item: Option<ItemId>,
        kind: &str,
        field: &str,
        value: Value,
        seen: Option<Seen>,
    ) -> SayResult {
        let writer = Writer {
            household: self.household,
            partner: self.device.partner,
            device: self.device.id,
            previous: index::tip(&self.rows, &self.device.id).unwrap(),
            date: self.today,
            nonce: self.device.nonce(),
        };
        say(&self.rows, Saying { item, kind: kind.into(), field: field.into(), value, seen }, &writer)
    }

    pub fn take_in(&mut self, fact: Fact) -> ItemId {
        let item = fact.item();
        let signed = fact.sign(&self.device.key);
        let effect = index::ingest(&mut self.rows, &self.household, &self.membership, vec![signed.clone()]).unwrap();
        assert_eq!((effect.added.len(), effect.refused.len()), (1, 0));
        self.said.push(signed);
        item
    }

    /// Says with the token that the field has now.
    pub fn say(&mut self, item: Option<ItemId>, kind: &str, field: &str, value: Value) -> ItemId {
        let seen = item.map(|item| self.view(&item).map_or_else(Seen::default, |view| view.fields[field].seen.clone()));
        let fact = self.try_say(item, kind, field, value, seen).unwrap();
        self.take_in(fact)
    }

    /// Says with the token that the field has now, whoever owns it: as a patched device would.
    pub fn say_unchecked(&mut self, item: ItemId, kind: &str, field: &str, value: Value) {
        let seen = self.view(&item).map_or_else(Seen::default, |view| view.fields[field].seen.clone());
        self.device.last = index::tip(&self.rows, &self.device.id).unwrap();
        let signed = self.device.says(Some(item), kind, field, value, seen.facts());
        index::ingest(&mut self.rows, &self.household, &self.membership, vec![signed.clone()]).unwrap();
        self.said.push(signed);
    }

    pub fn meet(&mut self, other: &mut Self) {
        for (from, to) in [(&self.said, &mut other.rows), (&other.said, &mut self.rows)] {
            index::ingest(to, &self.household, &self.membership, from.clone()).unwrap();
        }
        assert_eq!(self.rows, other.rows, "SameFactsSameView");
    }

    pub fn reader(&self) -> Reader {
        Reader { household: self.household, partner: self.device.partner }
    }

    pub fn view(&self, item: &ItemId) -> Option<ItemView> {
        view::item(&self.rows, &self.reader(), item).unwrap()
    }

    pub fn json(&self, item: &ItemId, field: &str) -> Value {
        serde_json::to_value(&self.view(item).unwrap().fields[field]).unwrap()
    }
}
