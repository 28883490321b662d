//! Entering facts: checks, structure (chains and forks), causality, and what follows in the other tables.

use std::collections::{BTreeMap, BTreeSet};

use super::derive::derive;
use super::erase;
use super::rows::{Table, WriteRows};
use super::standing::note_refused;
use super::stored::{ABOUT, FactRow, NEWER, VERSION, encode, fact_group};
use super::work::{Past, Work};
use super::{Effect, INDEX_VERSION, IndexError, Refused};
use crate::chapter;
use crate::fact::{Header, SignedFact};
use crate::ids::{DeviceId, FactId, HouseholdId};
use crate::membership::{Accepted, Membership};

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
    let mut effect = enter_all(rows, household, membership, facts, Past::Awaited)?;
    erase::settle(rows, household, &mut effect)?;
    Ok(effect)
}

/// The same for rows that are to show a part of the facts: of the past of these, what is neither here nor among them is not
/// waited for. What they erase stays. Never into rows that are kept.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn assume<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
    facts: Vec<SignedFact>,
) -> Result<Effect, IndexError<R::Error>> {
    enter_all(rows, household, membership, facts, Past::Assumed)
}

fn enter_all<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
    facts: Vec<SignedFact>,
    past: Past,
) -> Result<Effect, IndexError<R::Error>> {
    let mut effect = Effect::default();
    let mut admitted = Vec::with_capacity(facts.len());
    for signed in facts {
        let header = signed.fact().header();
        match check(header, household, membership) {
            Ok(()) => admitted.push(signed),
            Err(reason) => {
                note_refused(rows, &header.device, &reason)?;
                effect.refused.push((signed.fact().id(), reason));
            }
        }
    }
    let mut work = Work::new(rows, past);
    let mut new: Vec<(FactId, SignedFact)> = Vec::new();
    let mut known = BTreeSet::new();
    let mut filled = BTreeMap::new();
    for signed in admitted {
        let id = signed.fact().id();
        // An erased fact never gets its value back.
        let erasable = signed.fact().header().kind != chapter::KIND;
        let signed = if erasable && work.erased(&id)?.is_some() { signed.without_value() } else { signed };
        if let Some(row) = work.fact(&id)? {
            // The value of a fact that came without it first.
            if row.content.is_none() && signed.fact().content().is_some() {
                filled.insert(id, signed);
            }
        } else if known.insert(id) {
            new.push((id, signed));
        } else if signed.fact().content().is_some()
            && let Some((_, first)) =
                new.iter_mut().find(|(other, first)| *other == id && first.fact().content().is_none())
        {
            *first = signed;
        }
    }
    work.fill(&filled)?;
    effect.filled = filled.keys().copied().collect();
    effect.added = new.iter().map(|(id, _)| *id).collect();
    let anew = enter(&mut work, membership, &new, &mut effect)?;
    if anew {
        drop(work);
        let effect = derive(rows, household, membership, new, filled, effect)?;
        stamp(rows)?;
        return Ok(effect);
    }
    effect.fields.extend(work.flush()?);
    stamp(rows)?;
    Ok(effect)
}

/// Derives everything anew from the facts that are here: needed when the standing of a device changed so that something it said
/// counts that did not, or the other way about. [`anew`](super::anew) tells when that is, and when the documents have to be
/// read again, as facts that were refused are not here.
///
/// # Errors
/// [`IndexError`]; the transaction that the rows belong to is then to be given up.
pub fn rebuild<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    membership: &Membership,
) -> Result<Effect, IndexError<R::Error>> {
    let mut effect = derive(rows, household, membership, Vec::new(), BTreeMap::new(), Effect::default())?;
    stamp(rows)?;
    erase::settle(rows, household, &mut effect)?;
    Ok(effect)
}

/// Notes a fact of a format newer than this version's, so that facts that cite it show as cut off by that, and not as still
/// arriving.
///
/// # Errors
/// [`IndexError`].
pub fn note_newer<R: WriteRows>(rows: &mut R, id: &FactId, format: u32) -> Result<(), IndexError<R::Error>> {
    rows.put(Table::Derived, NEWER, id.as_bytes(), &encode(&format))?;
    stamp(rows)
}

fn stamp<R: WriteRows>(rows: &mut R) -> Result<(), IndexError<R::Error>> {
    if rows.get(Table::Derived, ABOUT, VERSION)?.is_none() {
        rows.put(Table::Derived, ABOUT, VERSION, &encode(&INDEX_VERSION))?;
    }
    Ok(())
}

/// Whether a fact with this header has a place in the scope.
pub(super) fn check(header: &Header, household: &HouseholdId, membership: &Membership) -> Result<(), Refused> {
    if header.household != *household {
        return Err(Refused::ForeignHousehold(header.household));
    }
    let standing = membership.standing(&header.device).ok_or(Refused::UnknownDevice(header.device))?;
    if standing.partner != header.partner {
        return Err(Refused::WrongPartner { named: header.partner, actual: standing.partner });
    }
    Ok(())
}

/// Enters new facts, first what forms their chains, then their places in causality. Answers whether the place of a fact that
/// has one already would change, so that the scope has to be derived anew.
fn enter<R: WriteRows>(
    work: &mut Work<'_, R>,
    membership: &Membership,
    new: &[(FactId, SignedFact)],
    effect: &mut Effect,
) -> Result<bool, IndexError<R::Error>> {
    let Some(accepted) = accepted(work, membership, new)? else { return Ok(true) };
    for (id, signed) in new {
        let device = signed.fact().header().device;
        let void = match membership.standing(&device).map(|standing| &standing.accepted) {
            Some(Accepted::Everything) => false,
            Some(Accepted::UpTo(_)) => !accepted.contains(id),
            Some(Accepted::Nothing) | None => true,
        };
        if work.chain(id, FactRow::new(signed, void), &mut effect.forks)? {
            return Ok(true);
        }
    }
    work.assume_past(new.iter().map(|(id, _)| id))?;
    let added: BTreeSet<&FactId> = new.iter().map(|(id, _)| id).collect();
    for (id, _) in new {
        for placed in work.place(id)? {
            if !added.contains(&placed) {
                effect.completed.push(placed);
            }
        }
    }
    Ok(false)
}

/// Of removed devices, the facts that are still accepted: the last accepted one, and what it builds on by `previous` as far
/// as that is here. `None` when that takes in a fact which was void until now.
fn accepted<R: WriteRows>(
    work: &mut Work<'_, R>,
    membership: &Membership,
    new: &[(FactId, SignedFact)],
) -> Result<Option<BTreeSet<FactId>>, IndexError<R::Error>> {
    let mut last: BTreeMap<DeviceId, FactId> = BTreeMap::new();
    for (_, signed) in new {
        let device = signed.fact().header().device;
        if let Some(Accepted::UpTo(fact)) = membership.standing(&device).map(|standing| &standing.accepted) {
            last.insert(device, *fact);
        }
    }
    let mut accepted = BTreeSet::new();
    if last.is_empty() {
        return Ok(Some(accepted));
    }
    let arriving: BTreeMap<&FactId, &SignedFact> = new.iter().map(|(id, signed)| (id, signed)).collect();
    for (device, last) in last {
        let mut next = Some(last);
        while let Some(id) = next {
            let header = match arriving.get(&id) {
                Some(signed) => signed.fact().header(),
                None => match work.fact(&id)? {
                    Some(row) if row.void && row.header.device == device => return Ok(None),
                    Some(row) => &row.header,
                    None => break,
                },
            };
            if header.device != device {
                break;
            }
            accepted.insert(id);
            next = header.previous;
        }
    }
    Ok(Some(accepted))
}

/// Every group that facts are in.
pub(super) fn fact_groups() -> impl Iterator<Item = [u8; 1]> {
    (0..=u8::MAX).map(|first| {
        let mut id = [0; 32];
        id[0] = first;
        fact_group(&FactId::from_bytes(id))
    })
}
