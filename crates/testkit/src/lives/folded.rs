//! What became of a life, as JSON: for folds that are written in another language.

use std::collections::BTreeSet;

use betwixt_model::field::Entry;
use betwixt_model::index::{self, FieldKey};
use serde_json::{Map, Value, json};

use super::Life;

impl Life {
    /// Everything that is in a device's index at the end, and what stands of it:
    /// `{"seed": ..., "facts": {ID: TEXT}, "void": [ID], "fields": [{"item": ..., "kind": ..., "field": ..., "live": [ID], "agreed": [VALUE]}]}`.
    pub fn folded(&self) -> Value {
        let rows = &self.devices[0].rows;
        let (mut facts, mut keys) = (Map::new(), BTreeSet::new());
        for (id, signed) in &self.kept {
            if index::holds(rows, id).expect("memory does not fail") {
                let (fact, header) = (signed.fact(), signed.fact().header());
                keys.insert(FieldKey { item: fact.item(), kind: header.kind.clone(), field: header.field.clone() });
                facts.insert(id.to_string(), fact.text().into());
            }
        }
        let mut void = Vec::new();
        let mut fields = Vec::new();
        for key in keys {
            let field = index::field(rows, &key).expect("memory does not fail");
            void.extend(field.entries().iter().filter(|entry| !entry.counts()).map(|entry| entry.id));
            let value = |entry: &Entry| self.kept.get(&entry.id).and_then(|signed| signed.fact().value().cloned());
            let agreed: Vec<Value> = field.agreements().iter().filter_map(|agreed| value(agreed.one)).collect();
            let live: Vec<String> = field.live().map(|entry| entry.id.to_string()).collect();
            fields.push(
                json!({ "item": key.item, "kind": key.kind, "field": key.field, "live": live, "agreed": agreed }),
            );
        }
        json!({ "seed": self.seed, "facts": facts, "void": void, "fields": fields })
    }
}
