//! What the rows hold, in postcard. Identifiers are raw bytes; what repeats within a row is a number into a table of its own.

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::rows::Table;
use super::stored_fact::StoredFact;
use super::{FieldKey, IndexError};
use crate::fact::{Content, Fact, Header, Nonce, SignedFact};
use crate::field::{Entry, Place, Replacers, Said, ValueHash};
use crate::ids::{DeviceId, FactId, ItemId, PartnerId};

/// Groups of [`Table::Derived`].
pub(super) const ABOUT: &[u8] = b"about";
pub(super) const NEWER: &[u8] = b"newer";
pub(super) const SETTLE: &[u8] = b"settle";
/// The fields that ask to look at their items again, each with the first day that they name.
pub(super) const REVIEWS: &[u8] = b"reviews";
/// The fields of consent with many facts, each with its agreements.
pub(super) const AGREED: &[u8] = b"agreed";
/// The facts whose values a chapter in force leaves out.
pub(super) const ERASED: &[u8] = b"erased";
/// The devices of which a fact was refused because they are not in the membership, or speak for another partner there.
pub(super) const REFUSED: &[u8] = b"refused";
/// The devices of which a fact is here that is void.
pub(super) const VOID: &[u8] = b"void";
/// The key of the index's version in the group [`ABOUT`].
pub(super) const VERSION: &[u8] = b"version";

/// The group of the links to an item.
pub(super) fn links_group(target: &ItemId) -> Vec<u8> {
    [b"link".as_slice(), target.as_bytes()].concat()
}

/// A fact's group: facts are spread over 256 groups, so that all of them can be found.
pub(super) fn fact_group(id: &FactId) -> [u8; 1] {
    [id.as_bytes()[0]]
}

/// A field's key in its item's group, and after the item's bytes elsewhere.
pub(super) fn field_name(key: &FieldKey) -> Vec<u8> {
    format!("{}/{}", key.kind, key.field).into_bytes()
}

/// The reverse of [`field_name`].
pub(super) fn parse_field_name(item: ItemId, name: &[u8]) -> Option<FieldKey> {
    let (kind, field) = std::str::from_utf8(name).ok()?.split_once('/')?;
    Some(FieldKey { item, kind: kind.to_owned(), field: field.to_owned() })
}

/// An item's bytes, then a field's name.
pub(super) fn long_name(key: &FieldKey) -> Vec<u8> {
    [key.item.as_bytes().as_slice(), &field_name(key)].concat()
}

/// The reverse of [`long_name`].
pub(super) fn parse_long_name(name: &[u8]) -> Option<FieldKey> {
    let (item, name) = name.split_first_chunk::<32>()?;
    parse_field_name(ItemId::from_bytes(*item), name)
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("rows are structures of known length, and writing to memory cannot fail")
}

pub(super) fn decode<T: DeserializeOwned, E: std::error::Error>(
    table: Table,
    bytes: &[u8],
) -> Result<T, IndexError<E>> {
    postcard::from_bytes(bytes).map_err(|_| IndexError::Damaged(table))
}

/// Where a fact stands in causality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Placing {
    /// These facts of its past, sorted, are not here or wait themselves.
    Waiting(Vec<FactId>),
    Placed {
        branch: FactId,
        sequence: u32,
        clock: Clock,
    },
    /// Void, with its past here; the clock does not count the fact itself.
    Void(Clock),
}

/// A row of [`Table::Facts`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StoredFact<'_>")]
pub(super) struct FactRow {
    pub(super) placing: Placing,
    /// By a removed device, beyond what is accepted.
    pub(super) void: bool,
    /// Named as `previous` by two facts of its own device that count.
    pub(super) forked: bool,
    pub(super) header: Header,
    /// Nonce and the value's JSON text.
    pub(super) content: Option<(Nonce, String)>,
    /// 64 bytes.
    pub(super) signature: Vec<u8>,
}

impl FactRow {
    pub(super) fn new(signed: &SignedFact, void: bool) -> Self {
        let fact = signed.fact();
        Self {
            placing: Placing::Waiting(Vec::new()),
            void,
            forked: false,
            header: fact.header().clone(),
            content: fact.content().map(|content| (content.nonce, content.value.to_string())),
            signature: signed.signature().to_vec(),
        }
    }

    /// What has to be here before this is complete.
    pub(super) fn past(&self) -> impl Iterator<Item = &FactId> {
        self.header.seen.iter().chain(&self.header.previous)
    }

    pub(super) fn complete(&self) -> bool {
        !matches!(self.placing, Placing::Waiting(_))
    }

    pub(super) fn clock(&self) -> Option<&Clock> {
        match &self.placing {
            Placing::Placed { clock, .. } | Placing::Void(clock) => Some(clock),
            Placing::Waiting(_) => None,
        }
    }

    pub(super) fn field(&self, id: &FactId) -> FieldKey {
        let item = self.header.item.unwrap_or_else(|| ItemId::founded_by(id));
        FieldKey { item, kind: self.header.kind.clone(), field: self.header.field.clone() }
    }

    /// Whether the fact is one of this field.
    pub(super) fn is_of(&self, key: &FieldKey, id: &FactId) -> bool {
        let header = &self.header;
        let item = header.item.map_or(id.as_bytes() == key.item.as_bytes(), |item| item == key.item);
        item && header.kind == key.kind && header.field == key.field
    }

    pub(super) fn place(&self) -> Place {
        match &self.placing {
            _ if self.void => Place::Void,
            Placing::Placed { branch, sequence, clock } => {
                Place::Placed { branch: *branch, sequence: *sequence, clock: clock.clone() }
            }
            Placing::Void(_) => Place::Void,
            Placing::Waiting(_) => Place::Arriving,
        }
    }

    /// The fact as it came. `None` for a row that no fact could have been.
    pub(super) fn signed(&self) -> Option<SignedFact> {
        let content = match &self.content {
            Some((nonce, text)) => Some(Content { nonce: *nonce, value: serde_json::from_str(text).ok()? }),
            None => None,
        };
        SignedFact::known(Fact::respelled(self.header.clone(), content), &self.signature)
    }

    pub(super) fn entry(&self, id: &FactId) -> Entry {
        let text = self.content.as_ref().map(|(_, text)| text.as_str());
        Entry {
            id: *id,
            partner: self.header.partner,
            value: ValueHash::of(id, text),
            null: text == Some("null"),
            seen: self.header.seen.clone(),
            place: self.place(),
            replacers: Replacers::default(),
            said: Said::default(),
        }
    }
}

/// The row under [`CHAIN`] in a device's group of [`Table::Chains`], counting those of its facts that count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainRow {
    /// Those that name no `previous`.
    pub(super) firsts: u32,
    /// Those that two others name as `previous`.
    pub(super) forks: u32,
}

impl ChainRow {
    pub(super) fn forked(&self) -> bool {
        self.firsts > 1 || self.forks > 0
    }
}

/// The key of a device's [`ChainRow`] in its group.
pub(super) const CHAIN: &[u8] = b"chain";

/// The key of an empty row for every fact of a device that counts and that no other such names as `previous`. A row each, so
/// that a device which sends nothing but ends makes no row grow.
pub(super) fn tip_key(id: &FactId) -> Vec<u8> {
    [TIP, id.as_bytes().as_slice()].concat()
}

/// The reverse of [`tip_key`].
pub(super) fn parse_tip_key(key: &[u8]) -> Option<FactId> {
    key.strip_prefix(TIP)?.try_into().ok().map(FactId::from_bytes)
}

const TIP: &[u8] = b"tip";

/// Puts an id into a sorted list.
pub(super) fn insert_sorted(list: &mut Vec<FactId>, id: FactId) {
    if let Err(place) = list.binary_search(&id) {
        list.insert(place, id);
    }
}

/// Takes an id out of a sorted list; answers whether it was there.
pub(super) fn remove_sorted(list: &mut Vec<FactId>, id: &FactId) -> bool {
    list.binary_search(id).map(|place| list.remove(place)).is_ok()
}

/// A row of [`Table::Items`]: an item of which a fact that counts is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ItemRow {
    /// Who founded it and when; `None` for natural items, and where the founding fact is not here.
    pub(super) founding: Option<(PartnerId, Date)>,
    /// The least date of its facts, and of those with it the least id: what natural items are sorted by.
    pub(super) earliest: (Date, FactId),
}

impl ItemRow {
    /// The date that the item is listed under.
    pub(super) fn listed_on(&self) -> Date {
        self.founding.map_or(self.earliest.0, |(_, date)| date)
    }
}

/// A device's group in [`Table::Chains`].
pub(super) fn chain_group(device: &DeviceId) -> &[u8] {
    device.as_bytes()
}
