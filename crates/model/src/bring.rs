//! Bringing chosen items from a partner's own space into the shared one.
//!
//! What arrives in `ours` are new facts with fresh nonces and dates; no private id enters them, and of a field only what it
//! holds now. What was brought is noted in `mine`, so that bringing the same again changes nothing.

use jiff::civil::Date;

use crate::fact::{Fact, FactError, Nonce};
use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use crate::index::IndexError;
use crate::index::rows::ReadRows;

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
    let _ = (mine, chosen, in_ours, in_mine, date, nonce);
    todo!()
}
