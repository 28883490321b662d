//! What a scope's index needs when it changes who is a member: mostly nothing. Adding a device to a long life must not cost
//! what deriving that life costs.

use super::lookup::{forked, tips};
use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{REFUSED, VOID};
use super::{IndexError, Refused};
use crate::ids::DeviceId;
use crate::membership::{Accepted, Membership};

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// What has to be derived anew for another membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anew {
    /// Nothing: every fact that is here stands as it stood, and none was refused that would have a place now.
    Nothing,
    /// What follows from the facts that are here: [`rebuild`](super::rebuild).
    Derived,
    /// Everything, from the documents: facts were refused that have a place now.
    Read,
}

/// What has to be derived anew when the membership becomes `after` from `before`, under which the rows were written. May
/// ask for more than is needed, never for less. Costs a few rows for every device whose standing changed.
///
/// # Errors
/// [`IndexError`].
pub fn anew<R: ReadRows>(rows: &R, before: &Membership, after: &Membership) -> Answer<Anew, R> {
    let mut most = Anew::Nothing;
    for (device, standing) in after.devices() {
        let asks = match before.standing(device) {
            Some(was) if was == standing => Anew::Nothing,
            Some(was) if was.partner == standing.partner => {
                if stands_as_before(rows, device, &standing.accepted)? {
                    Anew::Nothing
                } else {
                    Anew::Derived
                }
            }
            _ if is_noted(rows, REFUSED, device)? => Anew::Read,
            Some(_) => Anew::Derived,
            None => Anew::Nothing,
        };
        most = most.max(asks);
    }
    if before.devices().any(|(device, _)| after.standing(device).is_none()) {
        most = most.max(Anew::Derived);
    }
    Ok(most)
}

/// Whether of all that is here by a device the same counts as before.
fn stands_as_before<R: ReadRows>(rows: &R, device: &DeviceId, accepted: &Accepted) -> Answer<bool, R> {
    match accepted {
        Accepted::Everything => Ok(!is_noted(rows, VOID, device)?),
        Accepted::Nothing => Ok(tips(rows, device)?.is_empty()),
        // With one end and no fork, everything that counts leads to that end.
        Accepted::UpTo(last) => {
            Ok(tips(rows, device)? == [*last] && !forked(rows, device)? && !is_noted(rows, VOID, device)?)
        }
    }
}

fn is_noted<R: ReadRows>(rows: &R, group: &[u8], device: &DeviceId) -> Answer<bool, R> {
    Ok(rows.get(Table::Derived, group, device.as_bytes())?.is_some())
}

/// Notes that a fact was refused for what its device is, as that may change.
pub(super) fn note_refused<R: WriteRows>(rows: &mut R, device: &DeviceId, reason: &Refused) -> Answer<(), R> {
    if matches!(reason, Refused::UnknownDevice(_) | Refused::WrongPartner { .. }) {
        rows.put(Table::Derived, REFUSED, device.as_bytes(), &[])?;
    }
    Ok(())
}
