//! A generated life said anew in a home of ours, by the code with which the daemon says things, while no daemon runs.
//!
//! One of the two says all of it, and the other's device receives it: homes that both wrote come with the generator that writes
//! them. What is said, how much, on which day and about what is the same.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::fact::SignedFact;
use betwixt_model::field::Seen;
use betwixt_model::ids::FactId;
use betwixt_model::say::Saying;
use betwixt_model::schema::{Kind, Naming};
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home, StoreOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

/// How many facts become durable together.
const TOGETHER: usize = 400;

/// What the items and facts of the life are called in the homes.
#[derive(Debug, Default)]
pub(super) struct Said {
    facts: BTreeMap<FactId, FactId>,
    /// By text: ids of facts, which are also what founded items are called.
    names: BTreeMap<String, String>,
}

/// Writes a home's database without its empty room, as the end of a day does in which a snapshot was taken.
pub(super) fn shrink(home: &Path, passphrase: &str) -> anyhow::Result<()> {
    let home = Home::open(home)?;
    let keys = home.unlock(&Secret::Passphrase(passphrase, Cost::default()), true)?;
    home.shrink_now(&keys)?;
    Ok(())
}

impl Said {
    /// Says facts in a home, in this order.
    pub(super) fn say<'a>(
        &mut self,
        home: &Path,
        passphrase: &str,
        facts: impl Iterator<Item = (Scope, &'a SignedFact)>,
    ) -> anyhow::Result<()> {
        let home = Home::open(home)?;
        let keys = home.unlock(&Secret::Passphrase(passphrase, Cost::default()), true)?;
        let (store, _) = home.open_store(&keys, StoreOptions::default())?;
        let mut replica = Replica::open(store.clone())?;
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut facts = facts.peekable();
        while facts.peek().is_some() {
            let mut stage = replica.begin()?;
            for (scope, fact) in facts.by_ref().take(TOGETHER) {
                let date = fact.fact().header().date;
                let said = replica.act(&mut stage, scope, date, &mut rng, |act| {
                    let writer = act.writer()?;
                    act.say(self.saying(fact, &writer))
                });
                let said = said.with_context(|| format!("saying a {}", fact.fact().header().kind))?;
                self.facts.insert(fact.fact().id(), said.fact().id());
                self.names.insert(fact.fact().id().to_string(), said.fact().id().to_string());
                self.names.insert(fact.fact().item().to_string(), said.fact().item().to_string());
            }
            stage.commit()?;
            replica.committed()?;
            // As a daemon does that is started now and then.
            for scope in [Scope::Ours, Scope::Mine] {
                replica.renew_dictionary(scope)?;
            }
        }
        replica.compact().context("the documents are not compacted")?;
        home.settle(&keys, &store)?;
        Ok(())
    }

    /// What the item of a fact is called in the homes.
    pub(super) fn item(&self, fact: &SignedFact) -> Option<&str> {
        self.names.get(&fact.fact().item().to_string()).map(String::as_str)
    }

    fn saying(&self, fact: &SignedFact, writer: &betwixt_model::say::Writer) -> Saying {
        let (fact, header) = (fact.fact(), fact.fact().header());
        let founds = header.item.is_none();
        let item = match Kind::named(&header.kind).map(|kind| (kind, kind.naming)) {
            // The value names it.
            Some((_, Naming::Keyed { .. })) => None,
            Some((kind, Naming::One | Naming::OnePerPartner)) => kind.natural_item(&writer.household, &writer.partner),
            _ if founds => None,
            _ => self.names.get(&fact.item().to_string()).and_then(|name| name.parse().ok()),
        };
        let seen = header.seen.iter().filter_map(|seen| self.facts.get(seen).copied()).collect();
        let mut value = fact.value().cloned().unwrap_or_default();
        self.rename(&mut value);
        Saying {
            item,
            kind: header.kind.clone(),
            field: header.field.clone(),
            value,
            seen: (!founds).then(|| Seen::new(seen)),
        }
    }

    /// Names items and facts in a value as the homes do.
    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(name) = self.names.get(text) {
                    name.clone_into(text);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.rename(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.rename(value)),
            _ => {}
        }
    }
}
