//! The fact index: verified facts and what follows from them, so that views never need documents loaded.
//!
//! One value of [`rows::ReadRows`] is the index of one scope. [`ingest`] enters facts, in whatever order and grouping they
//! come; for the same facts, membership and schema the rows end up the same, byte for byte (SameFactsSameView). Nothing
//! here says what a field's facts mean to a reader; [`crate::field`] and [`crate::view`] do.
//!
//! # Causality
//! The facts of a device form a chain through `previous`. A stretch of a chain without a fork is a *branch*, named by its
//! first fact, and a fact's *clock* holds, for every branch, how many of its facts are in the past or are the fact itself.
//! So whether one fact is in another's past is one look into a clock. Where a chain forks (two facts with one `previous`:
//! a cloned home), every child begins a branch of its own, and the branches count as two devices.

mod agreed;
mod as_of;
mod clock;
mod contradiction;
mod counts;
mod derive;
mod erase;
mod fold;
mod ingest;
mod listing;
mod lookup;
mod repeated;
pub mod rows;
mod standing;
mod statistics;
mod stored;
mod stored_fact;
mod stored_field;
mod work;

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};

pub use as_of::{as_of, past};
pub use clock::Clock;
pub use counts::{Counts, counts};
pub(crate) use fold::FieldReader;
pub(crate) use ingest::assume;
pub use ingest::{ingest, note_newer, rebuild};
pub use listing::{Position, Window, each_item};
pub use lookup::{
    HistoryEntry, ItemEntry, Newer, PARTS, Standing, agreements, all_facts, bases, claims, entry, erased, fact, field,
    fields_of_item, forked, header, history, holds, is_begun, is_current, is_in, is_keyed, item, items, links_to, live,
    live_of_item, may_be_unsettled, newer, owner, part_of_facts, standing, tip, tips, year,
};
pub(crate) use lookup::{founding, is_item, readers_of_item, reviews, said, unsettled, unsettled_of};
pub use repeated::repeated;
pub use standing::{Anew, anew};
pub use statistics::{BEGUN, Begun, Counted, GoalState, Month, Statistics, YEARS, statistics};

/// The version of the rows' format and of everything that decides what stands in them, the schema included. An index of
/// another version is dropped and built anew from the documents; see [`is_current`].
pub const INDEX_VERSION: u32 = 11;

/// A field of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// The item.
    pub item: ItemId,
    /// The kind that its facts name.
    pub kind: String,
    /// The field's name.
    pub field: String,
}

impl fmt::Display for FieldKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.kind, self.item, self.field)
    }
}

/// What entering facts did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// The facts that were not here before, in the order of ingestion; void and waiting ones included.
    pub added: Vec<FactId>,
    /// The facts that were here without their values, and have them now.
    pub filled: Vec<FactId>,
    /// The facts that waited for something missing and no longer do.
    pub completed: Vec<FactId>,
    /// The fields whose facts, or whose facts' standing, changed.
    pub fields: BTreeSet<FieldKey>,
    /// The facts that have no place in this scope, which are not kept.
    pub refused: Vec<(FactId, Refused)>,
    /// Devices whose chain was newly found to fork: somebody runs a copy of their home.
    pub forks: BTreeSet<DeviceId>,
    /// Whether the whole scope was derived anew, because a fork or a removed device's last accepted fact came to light.
    pub rebuilt: bool,
}

/// Why a fact has no place in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It belongs to another household.
    #[error("the fact belongs to household {0}, not to this one")]
    ForeignHousehold(HouseholdId),
    /// Its device never was a member.
    #[error("the fact is by device {0}, which is not in the roster")]
    UnknownDevice(DeviceId),
    /// Its device speaks for another partner than the one it names.
    #[error("the fact names a partner that its device does not speak for")]
    WrongPartner {
        /// The partner that the fact names.
        named: PartnerId,
        /// The device's partner.
        actual: PartnerId,
    },
}

/// An index that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError<E: std::error::Error> {
    /// The store failed.
    #[error(transparent)]
    Rows(#[from] E),
    /// A row does not read as what this version writes: the index is to be dropped and rebuilt from the documents.
    #[error("a row of the index table {0:?} is damaged; the index has to be rebuilt")]
    Damaged(rows::Table),
}
