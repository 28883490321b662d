//! Entering facts.

use super::rows::WriteRows;
use super::{Effect, IndexError};
use crate::fact::SignedFact;
use crate::ids::{FactId, HouseholdId};
use crate::membership::Membership;

/// Enters facts, in any order. What is here already changes nothing. Costs what the facts' own fields cost; where a chain's
/// fork or a removed device's last accepted fact comes to light, the scope is derived anew.
///
/// # Errors
/// [`IndexError`]; the transaction that the rows belong to is then to be given up. That a fact has no place here is no
/// error: see [`Effect::refused`].
pub fn ingest<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
    facts: Vec<SignedFact>,
) -> Result<Effect, IndexError<R::Error>> {
    let _ = (rows, household, membership, facts);
    todo!()
}

/// Derives everything anew from the facts that are here: needed whenever the standing of a device changed, for what a removed
/// device said beyond what is accepted no longer counts. (Facts by devices that are new to the roster are not here; their
/// documents have to be read again.)
///
/// # Errors
/// [`IndexError`]; the transaction that the rows belong to is then to be given up.
pub fn rebuild<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
) -> Result<Effect, IndexError<R::Error>> {
    let _ = (rows, household, membership);
    todo!()
}

/// Notes a fact of a format newer than this version's, so that facts that cite it show as cut off by that, and not as still
/// arriving.
///
/// # Errors
/// [`IndexError`].
pub fn note_newer<R: WriteRows>(rows: &mut R, id: &FactId, format: u32) -> Result<(), IndexError<R::Error>> {
    let _ = (rows, id, format);
    todo!()
}
