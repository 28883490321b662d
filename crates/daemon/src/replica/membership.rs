//! The roster as it is stored, and what follows when it changes.

use std::collections::BTreeSet;

use betwixt_model::document::{Scope, read_changes};
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use betwixt_model::index::{self, Anew, IndexError};
use betwixt_store::{Batch, Damage, Reader, StoreError};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::roster::{Roster, SignedStatement, Statement};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::carrying::salvage;
use super::identity::{IDENTITY, PRIVATE_SPACE, StoredIdentity};
use super::{Belonging, Built, OpenError, Replica, Stage, StageError};

/// The name of the setting that holds the household's id, once there is one.
pub(super) const HOUSEHOLD: &str = "household";

/// The name of the setting, under the shared key, that holds which key of a recovery code this home has told the roster.
const RECOVERY_KEY: &str = "recovery key";

/// The roster that the stored statements make.
pub(super) fn stored_roster(reader: &Reader<'_>, partner: PartnerId) -> Result<Roster, OpenError> {
    let household = reader.setting(Scope::Ours, HOUSEHOLD)?;
    let statements = reader.statements()?;
    let statements: Vec<SignedStatement> =
        statements.iter().map(|(_, bytes)| SignedStatement::parse(bytes)).collect::<Result<_, _>>()?;
    Ok(Roster::from_statements(partner, household, statements))
}

/// Writes down whose device this is.
pub(super) fn belong(
    batch: &mut Batch,
    keys: &DeviceKeys,
    of: &Belonging,
    device_name: &str,
) -> Result<(), StoreError> {
    for statement in &of.statements {
        batch.add_statement(statement.id().as_bytes(), &statement.to_bytes())?;
    }
    let stored = StoredIdentity {
        keys: Zeroizing::new(keys.to_bytes().to_vec()),
        partner: of.partner,
        name: of.name.clone(),
        device_name: device_name.to_owned(),
    };
    batch.put_setting(Scope::Ours, IDENTITY, &stored)?;
    if let Some(household) = &of.household {
        batch.put_setting(Scope::Ours, HOUSEHOLD, household)?;
    }
    batch.put_setting(Scope::Mine, PRIVATE_SPACE, &of.space)
}

impl Replica {
    /// Takes in statements of the roster. Those that are not new change nothing. What facts they make count, or no longer
    /// count, is derived anew where it has to be. Answers whether anything was new.
    ///
    /// # Errors
    /// [`StageError`]; the stage is to be dropped then and [`Replica::abandon`] called.
    pub fn adopt(&mut self, stage: &mut Stage, statements: Vec<SignedStatement>) -> Result<bool, StageError> {
        let merged = self.roster.merge(statements);
        if merged.added.is_empty() {
            return Ok(false);
        }
        for statement in &merged.added {
            stage.batch.add_statement(statement.id().as_bytes(), &statement.to_bytes())?;
        }
        let before = [Scope::Ours, Scope::Mine].map(|scope| (self.space(scope), self.roster.membership(scope)));
        self.roster = merged.roster;
        if let Some(household) = self.roster.household() {
            stage.batch.put_setting(Scope::Ours, HOUSEHOLD, &household)?;
        }
        for (scope, (space, before)) in [Scope::Ours, Scope::Mine].into_iter().zip(before) {
            let Some(household) = self.space(scope) else { continue };
            let after = self.roster.membership(scope);
            let anew = match space {
                Some(_) => index::anew(&stage.batch.reader().rows(scope), &before, &after)?,
                None => Anew::Read,
            };
            if anew != Anew::Nothing {
                // It was derived under the membership of before.
                self.end_present(scope);
            }
            match anew {
                Anew::Nothing => {}
                Anew::Derived => self.derive_anew(stage, scope, &household)?,
                Anew::Read => self.rebuild(stage, scope)?,
            }
        }
        Ok(true)
    }

    fn derive_anew(&mut self, stage: &mut Stage, scope: Scope, household: &HouseholdId) -> Result<(), StageError> {
        tracing::info!(
            scope = scope.name(),
            "what a device said counts otherwise from now on: what follows is derived anew"
        );
        let effect = index::rebuild(&mut stage.batch.rows(scope)?, household, &self.roster.membership(scope))?;
        stage.fields.extend(effect.fields.into_iter().map(|field| (scope, field)));
        if scope == Scope::Ours {
            self.begin_chapters(stage)?;
        }
        Ok(())
    }

    /// Tells the roster the epoch of this device's store, if it does not know it yet.
    pub(super) fn announce_epoch(&mut self) -> Result<(), OpenError> {
        let device = self.identity.device();
        let known = self.roster.device(&device).is_some_and(|entry| entry.epochs.contains(&self.identity.epoch));
        if known {
            return Ok(());
        }
        let statement = self.roster.begin_epoch(&self.identity.keys, self.identity.epoch);
        let mut stage = self.begin()?;
        self.adopt(&mut stage, vec![statement])?;
        stage.commit()?;
        self.committed()
    }

    /// Tells the roster what this device is called, if nobody has.
    pub(super) fn announce_name(&mut self) -> Result<(), OpenError> {
        let device = self.identity.device();
        let is_named = self.roster.device(&device).is_some_and(|entry| entry.name.is_some());
        let name = self.roster.name_device(&self.identity.keys, device, &self.identity.device_name);
        let Some(statement) = name.filter(|_| !is_named && self.roster.may_connect(&device)) else { return Ok(()) };
        let mut stage = self.begin()?;
        self.adopt(&mut stage, vec![statement])?;
        stage.commit()?;
        self.committed()
    }

    /// Begins a new epoch, told to the roster: this home goes on from an older state, or another copy of it does, and
    /// nothing may be continued under actors that the other continues, too. Sync states are forgotten.
    ///
    /// # Errors
    /// [`StageError`]; the stage is to be dropped then and [`Replica::abandon`] called.
    pub fn begin_epoch(&mut self, stage: &mut Stage, epoch: EpochId) -> Result<(), StageError> {
        stage.batch.begin_epoch(&epoch)?;
        self.identity.epoch = epoch;
        let statement = self.roster.begin_epoch(&self.identity.keys, epoch);
        self.adopt(stage, vec![statement])?;
        Ok(())
    }

    /// Tells the roster the key of this home's recovery code, in the place of the one before, so that whoever has the code and
    /// has lost every device gets back what is shared. Nothing new is said when it is known.
    ///
    /// # Errors
    /// [`StageError`]; the stage is to be dropped then and [`Replica::abandon`] called.
    pub fn tell_recovery_key(&mut self, stage: &mut Stage, recovery: &SigningKey) -> Result<(), StageError> {
        let key = DeviceId::from_bytes(recovery.verifying_key().to_bytes());
        // One that was removed never returns.
        let was_told = self.roster.statements().any(|statement| {
            matches!(statement.statement(), Statement::AddRecoveryKey) && statement.signers().get(1) == Some(&key)
        });
        if !was_told {
            let statement = self.roster.add_recovery_key(&self.identity.keys, recovery);
            self.adopt(stage, vec![statement])?;
        }
        let before: Option<DeviceId> = stage.batch.reader().setting(Scope::Ours, RECOVERY_KEY)?;
        let before = before.filter(|before| *before != key && self.roster.recovery_keys().any(|known| known == before));
        if let Some(before) = before {
            let statement = self.roster.remove_recovery_key(&self.identity.keys, before);
            self.adopt(stage, vec![statement])?;
        }
        stage.batch.put_setting(Scope::Ours, RECOVERY_KEY, &key)?;
        Ok(())
    }

    /// Rebuilds a scope's index when another version wrote it or it is damaged, and renews what its rows are compressed by.
    pub(super) fn rebuild_if_outdated(&mut self, scope: Scope) -> Result<(), OpenError> {
        if self.space(scope).is_none() {
            return Ok(());
        }
        match self.repeated(scope)? {
            Some(repeated) => self.compress_by(scope, &repeated),
            None => {
                let mut stage = self.begin()?;
                self.rebuild(&mut stage, scope)?;
                stage.commit()?;
                self.committed()
            }
        }
    }

    /// Compresses what is written into a scope's index from now on by what its rows have in common now. Opening does it; what
    /// writes many years at once does it in between.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn renew_dictionary(&mut self, scope: Scope) -> Result<(), OpenError> {
        match self.repeated(scope)? {
            Some(repeated) => self.compress_by(scope, &repeated),
            None => Ok(()),
        }
    }

    /// What the rows of a scope's index have in common. `None` where there is no space, and where the index has to be built anew.
    fn repeated(&self, scope: Scope) -> Result<Option<Vec<u8>>, OpenError> {
        let Some(household) = self.space(scope) else { return Ok(None) };
        let view = self.store.read()?;
        let (reader, rows) = (view.reader(), view.reader().rows(scope));
        let look = || -> Result<Option<Vec<u8>>, StageError> {
            reader.check_dictionaries(scope)?;
            // Snapshots leave the index out: there are documents then, and no index.
            let is_missing = !index::is_begun(&rows)? && !reader.documents(scope)?.is_empty();
            if is_missing || !index::is_current(&rows)? {
                return Ok(None);
            }
            Ok(Some(index::repeated(&rows, &household, &self.roster.membership(scope))?))
        };
        match look() {
            Err(
                StageError::Store(StoreError::Damaged(Damage::Row { .. }))
                | StageError::Index(IndexError::Damaged(_) | IndexError::Rows(StoreError::Damaged(Damage::Row { .. }))),
            ) => {
                tracing::warn!(scope = scope.name(), "the index is damaged, and is built anew from the documents");
                Ok(None)
            }
            other => Ok(other?),
        }
    }

    fn compress_by(&mut self, scope: Scope, dictionary: &[u8]) -> Result<(), OpenError> {
        if self.store.read()?.reader().compresses_by(scope, dictionary)? {
            return Ok(());
        }
        let mut stage = self.begin()?;
        stage.batch.compress_by(scope, dictionary)?;
        stage.commit()?;
        self.committed()
    }

    /// Drops a scope's index and builds it anew from the documents, all generations together. One that cannot be read is
    /// carried on before, with what the index holds of it. One document after the other is in memory; the log and
    /// [`Progress`](super::Progress) tell how far it is.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn rebuild(&mut self, stage: &mut Stage, scope: Scope) -> Result<(), StageError> {
        let built = self.build_anew(stage, scope);
        self.progress.tell(None);
        built
    }

    fn build_anew(&mut self, stage: &mut Stage, scope: Scope) -> Result<(), StageError> {
        let years: BTreeSet<i16> = stage.batch.reader().documents(scope)?.into_keys().map(|id| id.year).collect();
        for year in years {
            self.carrier(stage, scope, year)?;
        }
        stage.batch.clear_rows(scope)?;
        self.compress_staged(stage, scope)?;
        let known = stage.batch.reader().documents(scope)?;
        let of = known.len();
        for (done, id) in known.into_keys().enumerate() {
            self.progress.tell(Some(Built { done, of }));
            let (changes, _) = salvage(&stage.batch.reader(), id)?;
            let read = changes.iter().flat_map(|change| read_changes(id, std::slice::from_ref(change)));
            let facts = read.flatten().collect();
            self.enter(stage, scope, facts)?;
            // The branches that began there repeat from here on.
            self.compress_staged(stage, scope)?;
            tracing::info!(%id, done = done + 1, of, "the index is built anew from the documents");
        }
        // What is searched of a fact may have changed with the index's version.
        stage.batch.forget_search(scope)?;
        if scope == Scope::Ours {
            self.begin_chapters(stage)?;
        }
        Ok(())
    }

    pub(super) fn compress_staged(&self, stage: &mut Stage, scope: Scope) -> Result<(), StageError> {
        let Some(household) = self.space(scope) else { return Ok(()) };
        let membership = self.roster.membership(scope);
        let repeated = index::repeated(&stage.batch.reader().rows(scope), &household, &membership)?;
        stage.batch.compress_by(scope, &repeated)?;
        Ok(())
    }
}
