//! What is known to be wrong with documents: kept on disk, told by `status` and `verify`, and forgotten when it is mended.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, FactId};
use betwixt_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};

use super::{Replica, Stage, StageError};

/// The name of the setting that holds the [`Health`] of a scope's documents.
const HEALTH: &str = "health of documents";

/// The most altered facts that are remembered one by one for one document.
const MAX_ALTERED: usize = 4_096;

/// Why a document was carried on by its next generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CarriedOn {
    /// Part of it could not be read from the disk, or did not load.
    Unreadable,
    /// One actor went on in two ways: a copied or restored home, or somebody who writes in another's name.
    Divided,
    /// Automerge refused to apply changes to it, or panicked over them.
    NotApplied,
    /// Another program took its maps out of their place.
    TakenApart,
    /// A device of the household had carried it on.
    Elsewhere,
    /// A new chapter began.
    Chapter,
}

/// What is wrong with a document. None of it changes what anybody sees: facts are read out of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Facts whose keys another program removed or altered, until they are put back with the next thing said here.
    pub altered: BTreeSet<FactId>,
    /// How many entries came that are no facts of anybody.
    pub meaningless: u32,
    /// Why it was carried on, if it was. It is gone once every device of the household has what it held.
    pub carried_on: Option<CarriedOn>,
    /// Whether the newest generation has yet to be given what this one holds: once a peer has told all that it has of it.
    pub to_carry: bool,
    /// The devices that have reported holding what a document held that was carried on.
    pub held_by: BTreeSet<DeviceId>,
}

impl Health {
    fn is_well(&self) -> bool {
        *self == Self::default()
    }
}

/// Of every document with which something is wrong.
pub type HealthOf = BTreeMap<DocumentId, Health>;

pub(super) fn read(reader: &Reader<'_>, scope: Scope) -> Result<HealthOf, StoreError> {
    Ok(reader.setting::<HealthOf>(scope, HEALTH)?.unwrap_or_default())
}

impl Stage {
    /// Changes what is known to be wrong with a document.
    pub(super) fn note_health(
        &mut self,
        document: DocumentId,
        note: impl FnOnce(&mut Health),
    ) -> Result<(), StageError> {
        let mut all = read(&self.batch.reader(), document.scope)?;
        let mut health = all.remove(&document).unwrap_or_default();
        let before = health.clone();
        note(&mut health);
        while health.altered.len() > MAX_ALTERED {
            health.altered.pop_last();
        }
        if health == before {
            return Ok(());
        }
        if !health.is_well() {
            all.insert(document, health);
        }
        self.batch.put_setting(document.scope, HEALTH, &all)?;
        Ok(())
    }

    pub(super) fn health(&self, scope: Scope) -> Result<HealthOf, StageError> {
        Ok(read(&self.batch.reader(), scope)?)
    }
}

impl Replica {
    /// What is known to be wrong with a scope's documents, as of what is durable; none while the scope is locked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn health(&self, scope: Scope) -> Result<HealthOf, StoreError> {
        if scope == Scope::Mine && !self.store.mine_is_open() {
            return Ok(HealthOf::new());
        }
        read(&self.store.read()?.reader(), scope)
    }
}
