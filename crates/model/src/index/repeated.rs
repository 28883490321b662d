//! What repeats in the rows of a scope's index: for a store that leaves it out of each row.

use super::rows::{ReadRows, Table};
use super::stored::{FactRow, chain_group, decode, fact_group, field_name, parse_tip_key};
use super::{FieldKey, IndexError};
use crate::fact::FORMAT;
use crate::ids::{FactId, HouseholdId, ItemId};
use crate::membership::Membership;
use crate::schema::KINDS;

/// How many devices, branches and ends of a device's chain are looked at. A household has a few; whoever makes many of them makes
/// nothing longer than this.
const MOST: usize = 64;

/// The bytes that a scope's rows have in common, at most some 10 KB: names of kinds and fields, the household, its partners and their
/// devices, and the branches of their chains. Nothing that anybody said is among them, because what is erased must not go
/// on standing here.
///
/// # Errors
/// [`IndexError`].
pub fn repeated<R: ReadRows>(
    rows: &R,
    household: &HouseholdId,
    membership: &Membership,
) -> Result<Vec<u8>, IndexError<R::Error>> {
    let mut bytes = Vec::new();
    for (kind, field) in KINDS.iter().flat_map(|kind| kind.fields.iter().map(move |field| (kind, field))) {
        // As a header has them, and as fields' rows are named.
        for name in [kind.name, field.name] {
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(name.as_bytes());
        }
        let item = ItemId::from_bytes([0; 32]);
        let key = FieldKey { item, kind: kind.name.to_owned(), field: field.name.to_owned() };
        bytes.extend_from_slice(&field_name(&key));
    }
    for branch in branches(rows, membership)? {
        bytes.extend_from_slice(branch.as_bytes());
    }
    for (device, standing) in membership.devices().take(MOST) {
        bytes.extend_from_slice(standing.partner.as_bytes());
        bytes.extend_from_slice(device.as_bytes());
    }
    // As the header of a fact begins, behind what says that it counts and that its chain does not fork.
    bytes.extend_from_slice(&[0, 0, FORMAT as u8]);
    bytes.extend_from_slice(household.as_bytes());
    Ok(bytes)
}

/// The branches that the newest facts of the devices know of, sorted.
fn branches<R: ReadRows>(rows: &R, membership: &Membership) -> Result<Vec<FactId>, IndexError<R::Error>> {
    let mut branches = Vec::new();
    for (device, _) in membership.devices().take(MOST) {
        let tips = rows.group(Table::Chains, chain_group(device))?;
        for tip in tips.iter().filter_map(|(key, _)| parse_tip_key(key)).take(MOST) {
            let Some(row) = rows.get(Table::Facts, &fact_group(&tip), tip.as_bytes())? else { continue };
            let row: FactRow = decode(Table::Facts, &row)?;
            branches.extend(row.clock().into_iter().flat_map(|clock| clock.branches().map(|(branch, _)| *branch)));
        }
    }
    branches.sort_unstable();
    branches.dedup();
    branches.truncate(MOST);
    Ok(branches)
}
