//! Sealed answers: "once every partner has committed, each device that holds its owner's text says the opening, naming one
//! commitment of each partner."

use std::collections::BTreeMap;

use betwixt_model::fact::Fact;
use betwixt_model::ids::{FactId, ItemId, PartnerId};
use betwixt_model::seal;

use super::{Fault, Oracle};

impl Oracle {
    /// Judges a fact that an honest device has just said: where it opens an answer, it names what each partner had committed
    /// to by then.
    pub fn judge_opening(&self, fact: &Fact) -> Option<Fault> {
        let header = fact.header();
        if header.kind != seal::KIND || header.field != "opening" {
            return None;
        }
        let named = fact.value().and_then(|value| value.get("commitments"));
        let named: BTreeMap<PartnerId, FactId> =
            named.and_then(|named| serde_json::from_value(named.clone()).ok()).unwrap_or_default();
        let committed = |(partner, id): (&PartnerId, &FactId)| {
            self.told.get(id).is_some_and(|told| {
                told.partner == *partner && told.place.item == fact.item() && told.place.field == "commitment"
            })
        };
        (named.len() != 2 || !named.iter().all(committed)).then(|| Fault::OpenedEarly(fact.id()))
    }

    /// What a partner said in a field of an item.
    pub fn said_by(&self, partner: &PartnerId, item: &ItemId, field: &str) -> Vec<FactId> {
        let said = self.about(item).filter(|told| told.partner == *partner && told.place.field == field);
        said.map(|told| told.id).collect()
    }
}
