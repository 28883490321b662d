//! What the devices of a pairing sign: found again if they had, or drafted, the same on both sides.

use betwixt_model::ids::DeviceId;

use super::exchange::Role;
use super::frame::Identity;
use super::{Failure, Local, Purpose};
use crate::roster::{Draft, FoundingSide, Roster, SignedStatement, Statement};

/// What both would sign, or have signed already.
pub(super) enum Terms {
    Draft(Box<Draft>),
    Signed(Box<SignedStatement>),
    /// The other side alone signs, and sends it.
    Awaited,
}

/// What one side knows of the other, from its identity.
pub(super) struct Other<'a> {
    pub(super) identity: &'a Identity,
    pub(super) statements: &'a [SignedStatement],
    pub(super) roster: &'a Roster,
}

pub(super) fn agree(
    purpose: Purpose,
    role: Role,
    local: &Local,
    nonce: [u8; 16],
    other: &Other<'_>,
) -> Result<Terms, Failure> {
    match (purpose, role) {
        (Purpose::Partner, _) => founding(local, nonce, other),
        (Purpose::OwnDevice, Role::Offer) => adding(local, other),
        (Purpose::OwnDevice, Role::Join) => joining(local, other),
        (Purpose::GiveBack, Role::Offer) => giving_back(local, other),
        (Purpose::GiveBack, Role::Join) => returning(local, other),
    }
}

/// A founding that both signed before and that was cut off, or else a new one. Nobody founds a second household.
fn founding(local: &Local, nonce: [u8; 16], other: &Other<'_>) -> Result<Terms, Failure> {
    let Other { identity, statements, roster: theirs } = other;
    if identity.partner == local.partner {
        return Err(Failure::SamePartner);
    }
    let own = local.keys.device();
    let signed_by_both = |statement: &SignedStatement| {
        statement.founds().is_some()
            && statement.signers().contains(&own)
            && statement.signers().contains(&identity.device)
    };
    if let Some(household) = local.household {
        let known = local.statements.iter().find(|statement| statement.founds() == Some(household));
        let shared = known.filter(|statement| signed_by_both(statement)).ok_or(Failure::AlreadyPaired)?;
        return Ok(Terms::Signed(Box::new(shared.clone())));
    }
    if let Some(shared) = statements.iter().find(|statement| signed_by_both(statement)) {
        return Ok(Terms::Signed(Box::new(shared.clone())));
    }
    if theirs.foundings().next().is_some() {
        return Err(Failure::AlreadyPaired);
    }
    let all = local.statements.iter().chain(*statements).cloned();
    let both = Roster::from_statements(local.partner, None, all);
    let side = FoundingSide { partner: local.partner, device: own, nonce };
    let other = FoundingSide { partner: identity.partner, device: identity.device, nonce: identity.nonce };
    let draft = both.draft_founding(side, other).ok_or(Failure::SamePartner)?;
    Ok(Terms::Draft(Box::new(draft)))
}

/// This device adds the other, which belongs to nobody yet, unless it was added already and then cut off.
fn adding(local: &Local, other: &Other<'_>) -> Result<Terms, Failure> {
    let device = other.identity.device;
    let own = local.roster();
    match own.device(&device) {
        Some(known) if known.partner != local.partner => return Err(Failure::NotFresh),
        Some(known) if known.removed => return Err(Failure::Removed),
        _ => {}
    }
    if let Some(added) = addition(&local.statements, local.keys.device(), device) {
        return Ok(Terms::Signed(Box::new(added)));
    }
    if other.identity.partner == local.partner {
        return Err(Failure::AlreadyYours);
    }
    if !is_fresh(other.roster) {
        return Err(Failure::NotFresh);
    }
    let agreement = other.roster.device(&device).ok_or(Failure::Malformed)?.agreement;
    Ok(Terms::Draft(Box::new(own.draft_add_device(local.keys.device(), device, agreement))))
}

/// The other device adds this one.
fn joining(local: &Local, other: &Other<'_>) -> Result<Terms, Failure> {
    let own = local.keys.device();
    if let Some(added) = addition(other.statements, other.identity.device, own) {
        return Ok(Terms::Signed(Box::new(added)));
    }
    if other.identity.partner == local.partner {
        return Err(Failure::AlreadyYours);
    }
    let draft = other.roster.draft_add_device(other.identity.device, own, local.keys.agreement());
    Ok(Terms::Draft(Box::new(draft)))
}

/// The other device says that it is one of the own partner's partner, unless it has said so before and was then cut off.
fn giving_back(local: &Local, other: &Other<'_>) -> Result<Terms, Failure> {
    let device = other.identity.device;
    let own = local.roster();
    match own.device(&device) {
        Some(known) if known.removed => return Err(Failure::Removed),
        Some(known) if known.partner == local.partner => return Err(Failure::NotFresh),
        Some(_) => {
            let added = local.statements.iter().find(|statement| adds(statement, device));
            return added.map(|added| Terms::Signed(Box::new(added.clone()))).ok_or(Failure::NotFresh);
        }
        None => {}
    }
    if !is_fresh(other.roster) {
        return Err(Failure::NotFresh);
    }
    Ok(Terms::Awaited)
}

/// This device is one of the other's partner, says the key of their recovery code. Drafted once more it is the same, unless the
/// other side has learnt something since.
fn returning(local: &Local, other: &Other<'_>) -> Result<Terms, Failure> {
    let own = local.keys.device();
    // Checked when it began.
    let recovery = local.recovery.as_ref().ok_or(Failure::Malformed)?;
    let key = DeviceId::from_bytes(recovery.verifying_key().to_bytes());
    let (household, partner) =
        other.roster.household().zip(other.roster.other_partner()).ok_or(Failure::NothingToGiveBack)?;
    if other.roster.recovers(&key) != Some(partner) {
        return Err(Failure::UnknownRecoveryCode);
    }
    if let Some(added) = addition(other.statements, key, own) {
        return Ok(Terms::Signed(Box::new(added)));
    }
    let theirs = Roster::from_statements(partner, Some(household), other.statements.iter().cloned());
    let draft = theirs.draft_add_device(key, own, local.keys.agreement());
    Ok(Terms::Signed(Box::new(draft.sign_all(&[recovery, local.keys.signing()]))))
}

/// Whether a statement adds a device.
pub(super) fn adds(statement: &SignedStatement, device: DeviceId) -> bool {
    matches!(statement.statement(), Statement::AddDevice { .. }) && statement.signers().get(1) == Some(&device)
}

fn addition(statements: &[SignedStatement], by: DeviceId, device: DeviceId) -> Option<SignedStatement> {
    let is_it = |statement: &&SignedStatement| adds(statement, device) && statement.author() == by;
    statements.iter().find(is_it).cloned()
}

/// Whether a partner has one device and never had another, and no household.
pub(super) fn is_fresh(roster: &Roster) -> bool {
    roster.devices().count() == 1 && roster.foundings().next().is_none()
}
