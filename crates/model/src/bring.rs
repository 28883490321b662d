//! Bringing chosen items from a partner's own space into the shared one.
//!
//! What arrives in `ours` are new facts with fresh nonces and dates; no private id enters them, and of a field only what it
//! holds now. What was brought is noted in `mine`, so that bringing the same again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fact::{Draft, Fact, FactError, Nonce};
use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::{self, Field, FieldKind, Kind, Naming, Shape};

/// A private item that its owner wants to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The item in `mine`.
    pub item: ItemId,
    /// The fields to bring; `None` for all of them.
    pub fields: Option<Vec<String>>,
}

/// Who brings, in one of the two scopes.
#[derive(Debug, Clone)]
pub struct Bringer {
    /// The partner as the scope knows them.
    pub partner: PartnerId,
    /// The device.
    pub device: DeviceId,
    /// The space: the household for `ours`, the private one for `mine`.
    pub household: HouseholdId,
    /// What this device said last there.
    pub previous: Option<FactId>,
}

/// The facts of bringing, unsigned and in the order in which they have to be carried: one act, one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// For the shared documents.
    pub ours: Vec<Fact>,
    /// For the private documents: what was brought as what.
    pub mine: Vec<Fact>,
    /// Each chosen item and what it is called in `ours`, in the order chosen.
    pub items: Vec<(ItemId, ItemId)>,
}

/// Why something cannot be brought.
#[derive(Debug, thiserror::Error)]
pub enum BringError<E: std::error::Error> {
    /// No such item in `mine`.
    #[error("no item {0} is known in your own pages")]
    UnknownItem(ItemId),
    /// The item's beginning is not here, or not what this version knows.
    #[error("item {0} is not whole here: part of it is still arriving, or was made by a newer version")]
    NotWhole(ItemId),
    /// The item's first field was not among the chosen.
    #[error("item {item} can only be brought with its {first}")]
    WithoutFirst {
        /// The item.
        item: ItemId,
        /// The field that founds it.
        first: &'static str,
    },
    /// The item belongs to another which was not brought.
    #[error("item {item} belongs to {needs}, which was not brought; choose that, too")]
    Needs {
        /// The item.
        item: ItemId,
        /// What it belongs to.
        needs: ItemId,
    },
    /// A fact passes a limit of the format.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// An index cannot be read.
    #[error(transparent)]
    Index(IndexError<E>),
}

impl<E: std::error::Error> From<IndexError<E>> for BringError<E> {
    fn from(error: IndexError<E>) -> Self {
        Self::Index(error)
    }
}

/// Writes the facts that bring `chosen` from `mine` to `ours`. `nonce` gives fresh randomness at every call.
///
/// # Errors
/// [`BringError`]; nothing is to be carried then.
pub fn bring<R: ReadRows>(
    mine: &R,
    chosen: &[Chosen],
    in_ours: &Bringer,
    in_mine: &Bringer,
    date: Date,
    nonce: impl FnMut() -> Nonce,
) -> Result<Brought, BringError<R::Error>> {
    let mut act = Act { mine, in_ours, in_mine, date, nonce, brought: Brought::default(), ids: BTreeMap::new() };
    // What others link to goes first: the kinds are listed in that order.
    let mut sorted: Vec<(usize, &'static Kind, &Chosen)> = Vec::new();
    for chosen in chosen {
        let (kind, _) = index::item(mine, &chosen.item)?.ok_or(BringError::UnknownItem(chosen.item))?;
        let place = schema::KINDS.iter().position(|known| known.name == kind && known.naming != Naming::Internal);
        let place = place.ok_or(BringError::NotWhole(chosen.item))?;
        sorted.push((place, &schema::KINDS[place], chosen));
    }
    sorted.sort_by_key(|(place, _, _)| *place);
    for (_, kind, chosen) in sorted {
        act.bring(kind, chosen)?;
    }
    let ids = act.ids;
    act.brought.items = chosen.iter().filter_map(|chosen| Some((chosen.item, *ids.get(&chosen.item)?))).collect();
    Ok(act.brought)
}

/// What was brought of one item, as kept in `mine`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Mapping {
    /// The item in `ours`.
    item: Option<ItemId>,
    fields: BTreeMap<String, MappedField>,
}

/// What was brought of one field.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct MappedField {
    /// The private facts that were live then.
    of: BTreeSet<FactId>,
    /// What was said for them in `ours`.
    said: BTreeSet<FactId>,
}

struct Act<'a, R, N> {
    mine: &'a R,
    in_ours: &'a Bringer,
    in_mine: &'a Bringer,
    date: Date,
    nonce: N,
    brought: Brought,
    /// Items that were looked up or brought, and what they are called in `ours`.
    ids: BTreeMap<ItemId, ItemId>,
}

impl<R: ReadRows, N: FnMut() -> Nonce> Act<'_, R, N> {
    fn bring(&mut self, kind: &'static Kind, chosen: &Chosen) -> Result<(), BringError<R::Error>> {
        let (mut mapping, noted) = self.mapping(&chosen.item)?;
        let natural = kind.natural_item(&self.in_ours.household, &self.in_ours.partner);
        mapping.item = mapping.item.or(natural);
        let mut changed = false;
        // The field that founds the item goes first.
        let first = match kind.naming {
            Naming::Founded { first } => Some(first),
            Naming::One | Naming::OnePerPartner | Naming::Keyed { .. } | Naming::Internal => None,
        };
        let mut fields: Vec<&Field> = kind.fields.iter().collect();
        fields.sort_by_key(|field| Some(field.name) != first);
        for field in fields {
            if chosen.fields.as_ref().is_some_and(|chosen| !chosen.iter().any(|name| name == field.name)) {
                continue;
            }
            changed |= self.bring_field(kind, field, &chosen.item, &mut mapping, first)?;
        }
        let Some(item) = mapping.item else {
            return Err(BringError::WithoutFirst { item: chosen.item, first: first.unwrap_or_default() });
        };
        self.ids.insert(chosen.item, item);
        if changed {
            let note = serde_json::to_value(&mapping).map_err(|_| BringError::NotWhole(chosen.item))?;
            let draft = Draft {
                item: Some(mapping_item(&self.in_mine.household, &chosen.item)),
                seen: noted,
                ..self.draft(self.in_mine, &self.brought.mine, "brought", "as", note)
            };
            let draft = Draft { nonce: (self.nonce)(), ..draft };
            self.brought.mine.push(Fact::write(draft)?);
        }
        Ok(())
    }

    /// Brings what a field holds, or each of its versions. Answers whether there was anything new.
    fn bring_field(
        &mut self,
        kind: &Kind,
        field: &Field,
        source: &ItemId,
        mapping: &mut Mapping,
        first: Option<&'static str>,
    ) -> Result<bool, BringError<R::Error>> {
        let key = FieldKey { item: *source, kind: kind.name.to_owned(), field: field.name.to_owned() };
        let facts = index::live(self.mine, &key)?;
        if facts.arriving() {
            return Err(BringError::NotWhole(*source));
        }
        let live: BTreeSet<FactId> = facts.live().map(|entry| entry.id).collect();
        let before = mapping.fields.get(field.name).cloned().unwrap_or_default();
        if live == before.of {
            return Ok(false);
        }
        let mut values: Vec<Value> = Vec::new();
        for id in &live {
            let signed = index::fact(self.mine, id)?;
            let value = signed.as_ref().and_then(|signed| signed.fact().value());
            let Some(value) = value else { continue };
            // What was let go of is only worth saying where it was brought.
            let wanted = !value.is_null() || !before.said.is_empty();
            let Some(value) = self.translated(field, value).filter(|_| wanted) else { continue };
            if schema::check_value(kind.name, field.name, &value).is_ok() && !values.contains(&value) {
                // What is named by its values gets its name from what they are called in `ours`.
                mapping.item = mapping.item.or_else(|| kind.keyed_item(&self.in_ours.household, &value));
                values.push(value);
            }
        }
        if field.kind == FieldKind::Light && values.len() > 1 {
            values.drain(..values.len() - 1);
        }
        let keyed = matches!(kind.naming, Naming::Keyed { .. });
        let founds = (Some(field.name) == first || keyed) && mapping.item.is_none();
        if values.is_empty() {
            return match (founds, self.link_of(field, &live)?) {
                (true, Some(needs)) => Err(BringError::Needs { item: *source, needs }),
                _ => Ok(false),
            };
        }
        if mapping.item.is_none() && !founds {
            return Err(BringError::WithoutFirst { item: *source, first: first.unwrap_or_default() });
        }
        let mut said = BTreeSet::new();
        for value in values {
            let draft = Draft {
                item: mapping.item,
                seen: before.said.iter().copied().collect(),
                ..self.draft(self.in_ours, &self.brought.ours, kind.name, field.name, value)
            };
            let fact = Fact::write(Draft { nonce: (self.nonce)(), ..draft })?;
            mapping.item = mapping.item.or(Some(fact.item()));
            said.insert(fact.id());
            self.brought.ours.push(fact);
        }
        mapping.fields.insert(field.name.to_owned(), MappedField { of: live, said });
        Ok(true)
    }

    /// A draft that follows what was said last in its scope; its nonce is still to be drawn.
    fn draft(&self, bringer: &Bringer, said: &[Fact], kind: &str, field: &str, value: Value) -> Draft {
        Draft {
            household: bringer.household,
            item: None,
            kind: kind.to_owned(),
            field: field.to_owned(),
            seen: Vec::new(),
            previous: said.last().map(Fact::id).or(bringer.previous),
            partner: bringer.partner,
            device: bringer.device,
            date: self.date,
            nonce: Nonce::from_bytes([0; 16]),
            value,
        }
    }

    /// A value without private ids; `None` for a link to what was not brought.
    fn translated(&self, field: &Field, value: &Value) -> Option<Value> {
        match field.shape {
            shape if shape.is_link() && !value.is_null() => {
                let target = field.shape.link(value)?;
                let known = self.ids.get(&target).copied();
                let known = known.or_else(|| self.mapping(&target).ok().and_then(|(mapping, _)| mapping.item));
                known.and_then(|id| field.shape.relinked(value, &id))
            }
            Shape::Partner if value.as_str() == Some(self.in_mine.partner.to_string().as_str()) => {
                Some(self.in_ours.partner.to_string().into())
            }
            // It names a private fact, and answers nothing that the other ever proposed.
            Shape::NotYet => None,
            _ => Some(value.clone()),
        }
    }

    /// What the live facts of a link field name.
    fn link_of(&self, field: &Field, live: &BTreeSet<FactId>) -> Result<Option<ItemId>, BringError<R::Error>> {
        for id in live {
            let signed = index::fact(self.mine, id)?;
            let value = signed.as_ref().and_then(|signed| signed.fact().value());
            if let Some(target) = value.and_then(|value| field.shape.link(value)) {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// What was brought of an item before, and the facts that say so. Where own devices brought it apart, the least item
    /// goes on.
    fn mapping(&self, item: &ItemId) -> Result<(Mapping, Vec<FactId>), BringError<R::Error>> {
        let item = mapping_item(&self.in_mine.household, item);
        let facts = index::live(self.mine, &FieldKey { item, kind: "brought".into(), field: "as".into() })?;
        let noted: Vec<FactId> = facts.live().map(|entry| entry.id).collect();
        let mut known: Vec<Mapping> = Vec::new();
        for id in &noted {
            let signed = index::fact(self.mine, id)?;
            let value = signed.as_ref().and_then(|signed| signed.fact().value());
            known.extend(value.and_then(|value| serde_json::from_value(value.clone()).ok()));
        }
        known.sort_by_key(|mapping| mapping.item);
        let mapping = known.into_iter().next().unwrap_or_default();
        Ok((mapping, noted))
    }
}

fn mapping_item(household: &HouseholdId, source: &ItemId) -> ItemId {
    ItemId::natural(household, "brought", &source.to_string())
}
