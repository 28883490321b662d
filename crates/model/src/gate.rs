//! The gate before Automerge: which changes may be applied to a document.
//!
//! Automerge refuses or wedges on some changes only after it has taken them: one (actor, sequence) used twice makes two
//! sides refuse each other's changes for ever, and a change with an unknown dependency waits inside the document, blocking
//! its actor. So everything about a change that can be known from outside is checked here, before.
//!
//! The gate does not read what a change says: whether its operations are facts, signed and by whom, is for
//! [`crate::document`] and the fold. It does not store anything either; what it parks is for the caller to offer again.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, Change, ChangeHash};

use crate::carry::is_carried;
use crate::document::{Document, DocumentId, actor_id, genesis_actor};
use crate::ids::{DeviceId, EpochId};

/// The most changes in one batch: a whole document's.
pub const MAX_CHANGES: usize = 200_000;

/// The most bytes of one change, not compressed. Writers keep to it, too: a change that is too long never reaches the
/// other device.
pub const MAX_CHANGE_BYTES: usize = 4 * 1024 * 1024;

/// The most operations in one change.
pub const MAX_OPERATIONS: usize = 65_536;

/// The most dependencies of one change.
pub const MAX_DEPENDENCIES: usize = 1_024;

/// The most changes that one batch may leave waiting for others.
pub const MAX_PARKED: usize = 4_096;

/// Who may write to one document: every member can compute it for every member, from the epochs that devices have told.
#[derive(Debug, Clone)]
pub struct Actors {
    document: DocumentId,
    allowed: BTreeMap<ActorId, DeviceId>,
    own: Option<ActorId>,
}

impl Actors {
    /// Nobody may write to this document yet.
    pub fn new(document: DocumentId) -> Self {
        Self { document, allowed: BTreeMap::new(), own: None }
    }

    /// A device may write, or have written, during one epoch of its store. Own devices' earlier epochs belong here, too:
    /// a restored home gets back what it had said before.
    pub fn allow(&mut self, device: DeviceId, epoch: &EpochId) {
        self.allowed.insert(actor_id(&device, &self.document, epoch), device);
    }

    /// This device and the present epoch of its own store. Nobody else may bring anything new of it.
    pub fn own(&mut self, device: DeviceId, epoch: &EpochId) {
        self.allow(device, epoch);
        self.own = Some(actor_id(&device, &self.document, epoch));
    }

    /// The document that this is about.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    /// The device behind an actor; `None` for one that may not write.
    pub fn device(&self, actor: &ActorId) -> Option<&DeviceId> {
        self.allowed.get(actor)
    }
}

/// What may be applied.
#[derive(Debug, Default)]
pub struct Admitted {
    /// New to the document, each after what it builds on; for [`Document::apply`].
    pub changes: Vec<Change>,
    /// Build on changes that are neither in the document nor in the batch: not to be applied, to be offered again together
    /// with those. By hash.
    pub parked: Vec<Change>,
    /// How many the document had already.
    pub known: usize,
}

/// Why nothing of a batch may be applied. Each variant but the first two names the change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// More than [`MAX_CHANGES`].
    #[error("{0} changes at once, more than are allowed")]
    TooManyChanges(usize),
    /// More than [`MAX_PARKED`] would have to wait.
    #[error("{0} changes build on others that did not come, more than may wait")]
    TooManyParked(usize),
    /// Longer than [`MAX_CHANGE_BYTES`], or more than [`MAX_OPERATIONS`] or [`MAX_DEPENDENCIES`].
    #[error("change {change} is too large: {what}")]
    TooLarge {
        /// Which.
        change: ChangeHash,
        /// Of what it has too much.
        what: &'static str,
    },
    /// Written by an actor that no member's device has in this document.
    #[error("change {change} is written by nobody who may write here")]
    ForeignActor {
        /// Which.
        change: ChangeHash,
    },
    /// Written in the name of a member's device by a program that is none; see [`admit_guests`].
    #[error("change {change} is written in the name of a device of the household")]
    MembersActor {
        /// Which.
        change: ChangeHash,
    },
    /// Written under this device's own present actor, and not by this device.
    #[error("change {change} is written in this device's own name: its home was copied, or somebody forges")]
    OwnActor {
        /// Which.
        change: ChangeHash,
    },
    /// Another genesis, or one that is written again.
    #[error("change {change} pretends to be the beginning of the document")]
    Genesis {
        /// Which.
        change: ChangeHash,
    },
    /// Its actor has another change with this number: a copied home, or a forger.
    #[error("change {change} has the number {sequence}, which another change of its actor has")]
    DuplicateSequence {
        /// Which.
        change: ChangeHash,
        /// Its number.
        sequence: u64,
    },
    /// Not numbered next after its actor's last change, or not built on that one.
    #[error("change {change} has the number {sequence} where {expected} should come")]
    WrongSequence {
        /// Which.
        change: ChangeHash,
        /// Its number.
        sequence: u64,
        /// The one that comes next.
        expected: u64,
    },
    /// Its operations are not numbered next after those that it builds on.
    #[error("change {change} numbers its operations from {start} where {expected} should come")]
    WrongOperations {
        /// Which.
        change: ChangeHash,
        /// Its first operation.
        start: u64,
        /// The one that comes next.
        expected: u64,
    },
    /// It refers to an actor that wrote nothing that it builds on.
    #[error("change {change} refers to an actor that wrote nothing here")]
    UnknownReference {
        /// Which.
        change: ChangeHash,
    },
}

impl GateError {
    /// Whether two devices can never bring this document together any more, whoever is to blame: one actor went on in two
    /// ways (a restored disk, or somebody who writes in another's name), and each side refuses the other's. The next
    /// generation carries what both have; see [`crate::carry`].
    pub fn divides(&self) -> bool {
        matches!(self, Self::OwnActor { .. } | Self::DuplicateSequence { .. })
    }
}

/// What the checks need to know of a change that is there already.
#[derive(Clone)]
struct Known {
    actor: ActorId,
    sequence: u64,
    last_operation: u64,
}

/// Decides which of `changes` may be applied to `document`, before Automerge sees any of them.
///
/// All or nothing: one forged change refuses the batch, because the rest of it comes from the same hand. Changes that
/// the document has are dropped, whatever order and repetition they come in.
///
/// # Errors
/// [`GateError`]; nothing may be applied then.
pub fn admit(document: &Document, changes: Vec<Change>, actors: &Actors) -> Result<Admitted, GateError> {
    admit_if(document, changes, |change| {
        check_size(change)?;
        check_actor(change, actors)
    })
}

/// The same for the copy of a document that programs write to by themselves, under actors that nobody knows beforehand
/// ([`crate::bridge`]): anybody may, but in the name of a member's device.
///
/// # Errors
/// [`GateError`]; nothing may be applied then.
pub fn admit_guests(document: &Document, changes: Vec<Change>, members: &Actors) -> Result<Admitted, GateError> {
    admit_if(document, changes, |change| {
        check_size(change)?;
        match members.device(change.actor_id()) {
            Some(_) => Err(GateError::MembersActor { change: change.hash() }),
            None => Ok(()),
        }
    })
}

fn admit_if(
    document: &Document,
    changes: Vec<Change>,
    check: impl Fn(&Change) -> Result<(), GateError>,
) -> Result<Admitted, GateError> {
    if changes.len() > MAX_CHANGES {
        return Err(GateError::TooManyChanges(changes.len()));
    }
    let mut known = 0;
    let mut waiting = BTreeMap::new();
    for change in changes {
        if document.holds(&change.hash()) {
            known += 1;
        } else {
            check(&change)?;
            waiting.insert(change.hash(), change);
        }
    }
    let mut batch = Batch { document, admitted: BTreeMap::new(), sequences: BTreeMap::new(), changes: Vec::new() };
    let parked = batch.admit_in_causal_order(waiting)?;
    if parked.len() > MAX_PARKED {
        return Err(GateError::TooManyParked(parked.len()));
    }
    Ok(Admitted { changes: batch.changes, parked, known })
}

/// What needs neither the document, nor the other changes, nor who may write.
fn check_size(change: &Change) -> Result<(), GateError> {
    let hash = change.hash();
    let too_large = |what| Err(GateError::TooLarge { change: hash, what });
    if change.raw_bytes().len() > MAX_CHANGE_BYTES {
        return too_large("bytes");
    }
    if change.len() > MAX_OPERATIONS {
        return too_large("operations");
    }
    if change.deps().len() > MAX_DEPENDENCIES {
        return too_large("dependencies");
    }
    // Every document holds the one genesis, so what comes here in its name is not it.
    if change.deps().is_empty() || *change.actor_id() == genesis_actor() {
        return Err(GateError::Genesis { change: hash });
    }
    Ok(())
}

/// Whether whoever wrote it may.
fn check_actor(change: &Change, actors: &Actors) -> Result<(), GateError> {
    let hash = change.hash();
    // What carries facts on to a next generation is nobody's in particular, and vouches for itself.
    if actors.device(change.actor_id()).is_none() && !is_carried(actors.document, change) {
        return Err(GateError::ForeignActor { change: hash });
    }
    if actors.own.as_ref() == Some(change.actor_id()) {
        return Err(GateError::OwnActor { change: hash });
    }
    Ok(())
}

struct Batch<'a> {
    document: &'a Document,
    admitted: BTreeMap<ChangeHash, Known>,
    sequences: BTreeMap<ActorId, u64>,
    changes: Vec<Change>,
}

impl Batch<'_> {
    /// Takes each change once everything that it builds on is there; answers those for which it is not.
    fn admit_in_causal_order(&mut self, mut waiting: BTreeMap<ChangeHash, Change>) -> Result<Vec<Change>, GateError> {
        let mut missing: BTreeMap<ChangeHash, usize> = BTreeMap::new();
        let mut dependents: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
        let mut ready = BTreeSet::new();
        for (hash, change) in &waiting {
            let absent: BTreeSet<_> = change.deps().iter().filter(|dep| !self.document.holds(dep)).collect();
            for dep in &absent {
                dependents.entry(**dep).or_default().push(*hash);
            }
            if absent.is_empty() {
                ready.insert(*hash);
            } else {
                missing.insert(*hash, absent.len());
            }
        }
        while let Some(hash) = ready.pop_first() {
            let Some(change) = waiting.remove(&hash) else { continue };
            self.check_in_place(&change)?;
            self.take(change);
            for dependent in dependents.remove(&hash).unwrap_or_default() {
                if let Some(count) = missing.get_mut(&dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(dependent);
                    }
                }
            }
        }
        Ok(waiting.into_values().collect())
    }

    /// What everything that the change builds on says about it.
    fn check_in_place(&self, change: &Change) -> Result<(), GateError> {
        let hash = change.hash();
        let sequence = change.seq();
        let last = self.sequence(change.actor_id());
        if (1..=last).contains(&sequence) {
            return Err(GateError::DuplicateSequence { change: hash, sequence });
        }
        let dependencies: Vec<Known> = change.deps().iter().filter_map(|dep| self.known(dep)).collect();
        // An honest writer always builds directly on its own last change.
        let continues =
            last == 0 || dependencies.iter().any(|known| known.actor == *change.actor_id() && known.sequence == last);
        if sequence != last.saturating_add(1) || !continues {
            return Err(GateError::WrongSequence { change: hash, sequence, expected: last.saturating_add(1) });
        }
        let expected = dependencies.iter().map(|known| known.last_operation).max().unwrap_or(0).saturating_add(1);
        let start = change.start_op().get();
        // Lower ones would be used twice; far higher ones would use up the numbers that are left for everybody.
        if start != expected || start.saturating_add(change.len() as u64) > u64::from(u32::MAX) {
            return Err(GateError::WrongOperations { change: hash, start, expected });
        }
        if change.other_actor_ids().iter().any(|actor| self.sequence(actor) == 0) {
            return Err(GateError::UnknownReference { change: hash });
        }
        Ok(())
    }

    fn take(&mut self, change: Change) {
        let actor = change.actor_id().clone();
        let last_operation = change.start_op().get().saturating_add(change.len() as u64).saturating_sub(1);
        self.sequences.insert(actor.clone(), change.seq());
        self.admitted.insert(change.hash(), Known { actor, sequence: change.seq(), last_operation });
        self.changes.push(change);
    }

    fn sequence(&self, actor: &ActorId) -> u64 {
        self.sequences.get(actor).copied().unwrap_or_else(|| self.document.sequence(actor))
    }

    fn known(&self, hash: &ChangeHash) -> Option<Known> {
        let admitted = self.admitted.get(hash).cloned();
        admitted.or_else(|| {
            let meta = self.document.automerge().get_change_meta_by_hash(hash)?;
            Some(Known { actor: meta.actor.into_owned(), sequence: meta.seq, last_operation: meta.max_op })
        })
    }
}

#[cfg(test)]
mod tests;
