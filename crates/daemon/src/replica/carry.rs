//! What is carried by hand: what a device lacks, read from the disk; and taking in what a file brought.

use std::collections::BTreeSet;

use automerge::{Change, ChangeHash};
use betwixt_model::document::{Document, DocumentId, Scope, genesis_hash};
use betwixt_model::ids::DeviceId;
use betwixt_store::{Reader, StoreError};
use betwixt_sync::keys::PairKey;
use betwixt_sync::session::{shared_heads, state_of};

use super::documents::newest_heads;
use super::loaded::read;
use super::{ArriveError, Arrived, Replica, Stage, StageError, carrying};

/// What came of changes that a file brought.
#[derive(Debug)]
pub enum TakenIn {
    /// They went where those of a session go.
    Arrived(Box<Arrived>),
    /// They build on something that is not here. Nothing was taken.
    Missing,
}

/// The documents of a scope of which a device lacks something, as far as is known here, each with what that device is known
/// to have of it. With `everything` all of them, as for a device of which nothing is known.
///
/// # Errors
/// [`StoreError`].
pub fn lacking(
    reader: &Reader<'_>,
    peer: &DeviceId,
    scope: Scope,
    everything: bool,
) -> Result<Vec<(DocumentId, Vec<ChangeHash>)>, StoreError> {
    let mut lacking = Vec::new();
    for (id, mut heads) in newest_heads(reader, scope)? {
        let mut has = match reader.sync_state(peer, id)? {
            Some(state) if !everything => shared_heads(&state),
            _ => Vec::new(),
        };
        has.sort_unstable();
        heads.sort_unstable();
        if has != heads {
            lacking.push((id, has));
        }
    }
    Ok(lacking)
}

/// What a document on disk holds beyond what a device has of it: what of that the document knows, and the changes, each after
/// what it builds on. The genesis is everybody's.
///
/// # Errors
/// [`StageError`] when the document cannot be read.
pub fn beyond(
    reader: &Reader<'_>,
    id: DocumentId,
    has: Vec<ChangeHash>,
) -> Result<(Vec<ChangeHash>, Vec<Change>), StageError> {
    let document: Document = read(reader, id)?;
    let mut base = has;
    // A restored home may know less than it once told.
    base.retain(|head| document.holds(head));
    let changes =
        if base.is_empty() { document.changes_since(&[genesis_hash()]) } else { document.changes_since(&base) };
    Ok((base, changes))
}

/// The heads of whoever has all that is before some and all that is before others: a file may be older than what its writer
/// was last known to have.
fn heads_of_both(document: &Document, mut some: Vec<ChangeHash>, mut others: Vec<ChangeHash>) -> Vec<ChangeHash> {
    for heads in [&mut some, &mut others] {
        heads.retain(|head| document.holds(head));
    }
    let beyond = |heads: &[ChangeHash]| -> BTreeSet<ChangeHash> {
        document.automerge().get_changes_meta(heads).into_iter().map(|change| change.hash).collect()
    };
    let (beyond_some, beyond_others) = (beyond(&some), beyond(&others));
    let mut heads: BTreeSet<ChangeHash> = others.iter().filter(|head| beyond_some.contains(head)).copied().collect();
    heads.extend(some.into_iter().filter(|head| beyond_others.contains(head) || others.contains(head)));
    heads.into_iter().collect()
}

impl Replica {
    /// The key that this device shares with another one of the household, be it one that was removed. `None` where they belong
    /// to nothing together, or the other's key is weak.
    pub fn pair_key(&self, device: &DeviceId) -> Option<PairKey> {
        let together = self.roster.together_with(device)?;
        let agreement = self.roster.device(device)?.agreement;
        PairKey::derive(self.identity.keys(), &together, device, &agreement)
            .inspect_err(|error| tracing::warn!(%error, "a device cannot be met"))
            .ok()
    }

    /// Takes in changes of a document that a file of `from` brought, if all that they build on is here.
    ///
    /// # Errors
    /// As [`Replica::arrive`].
    pub fn take_in(
        &mut self,
        stage: &mut Stage,
        from: DeviceId,
        at: i64,
        (id, base): (DocumentId, &[ChangeHash]),
        changes: Vec<Change>,
    ) -> Result<TakenIn, ArriveError> {
        let newest = carrying::newest(&stage.batch.reader(), id.scope, id.year)?;
        if newest.is_none_or(|newest| newest <= id) {
            match self.documents.load(&stage.batch.reader(), id) {
                Ok(document) if base.iter().all(|head| document.holds(head)) => {}
                Ok(_) => return Ok(TakenIn::Missing),
                // What the changes say is carried on by itself then.
                Err(error) if error.damaged_document().is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.arrive(stage, from, at, id, changes, None).map(|arrived| TakenIn::Arrived(Box::new(arrived)))
    }

    /// A file of `from` was taken in to its end. Notes what that device has of these documents, for the next file to it, and
    /// gives newer generations that came what only older ones hold here (NewestHasAll).
    ///
    /// # Errors
    /// [`StageError`]; the stage is to be dropped then.
    pub fn taken_in(
        &mut self,
        stage: &mut Stage,
        from: DeviceId,
        brought: Vec<(DocumentId, Vec<ChangeHash>)>,
    ) -> Result<(), StageError> {
        for (id, heads) in brought {
            let newest = carrying::newest(&stage.batch.reader(), id.scope, id.year)?;
            if newest != Some(id) || self.space(id.scope).is_none() {
                continue;
            }
            let known =
                stage.batch.reader().sync_state(&from, id)?.map(|state| shared_heads(&state)).unwrap_or_default();
            let document = self.documents.load(&stage.batch.reader(), id)?;
            let has = heads_of_both(document, heads, known);
            stage.batch.put_sync_state(&from, id, &state_of(has))?;
        }
        for scope in [Scope::Ours, Scope::Mine] {
            if self.space(scope).is_some() {
                self.carry_what_waits(stage, scope)?;
            }
        }
        Ok(())
    }
}
