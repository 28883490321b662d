//! A replica: the documents, the fact index and the store of one device, as one thing.
//!
//! It says facts and takes in changes, each into a [`Stage`], and everything of a stage becomes durable together. It has no
//! sockets and no clock; dates and randomness come in as values, so that the simulated network drives the same code that
//! the daemon does.
//!
//! # DurableBeforeTold
//!
//! Documents in memory run ahead of the disk while a stage is open. So there is one stage at a time, and between
//! [`Replica::begin`] and [`Replica::committed`] (or [`Replica::abandon`]) no document is handed to a session:
//! [`Replica::durable_document`] answers `None` then.

mod acts;
mod arrive;
mod carry;
mod carrying;
mod chapters;
mod documents;
mod error;
mod healing;
mod health;
mod identity;
mod loaded;
mod meetings;
mod membership;
mod overlay;
mod present;
mod progress;
mod reading;
mod say;
mod seals;

use std::collections::{BTreeMap, BTreeSet};

use automerge::Change;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{EpochId, HouseholdId, ItemId};
use betwixt_model::index::FieldKey;
use betwixt_store::{Batch, Store, StoreError, View};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::roster::{Roster, SignedStatement};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

pub use acts::LastAct;
pub use arrive::Arrived;
pub use carry::{TakenIn, beyond, lacking};
pub use error::{ActError, ArriveError, OpenError, StageError};
pub use health::{CarriedOn, Health, HealthOf};
pub use identity::Identity;
pub use present::ShownRows;
pub use progress::{Built, Progress};
pub use reading::{Piece, Reading};
pub use say::Act;
pub use seals::SealedAnswer;

use betwixt_model::ids::PartnerId;
use betwixt_model::view::Reader;
use identity::{IDENTITY, PRIVATE_SPACE, StoredIdentity};
use loaded::Loaded;
use present::Presents;

/// How many changes are appended to a document before it is compacted into a snapshot.
pub const COMPACT_AFTER: u64 = 512;

/// Where a device belongs that joins the others of a partner.
#[derive(Debug, Clone)]
pub struct Belonging {
    /// Whom it speaks for.
    pub partner: PartnerId,
    /// What they are called.
    pub name: String,
    /// The household, if there is one yet.
    pub household: Option<HouseholdId>,
    /// Where their private pages are.
    pub space: HouseholdId,
    /// Their roster.
    pub statements: Vec<SignedStatement>,
}

/// One device's documents, index and store.
#[derive(Debug)]
pub struct Replica {
    store: Store,
    identity: Identity,
    roster: Roster,
    private_space: Option<HouseholdId>,
    documents: Loaded,
    staged: bool,
    progress: Progress,
    presents: Presents,
}

/// What is to become durable together: one transaction. `Send`, so that a blocking thread can commit it.
#[derive(Debug)]
pub struct Stage {
    batch: Batch,
    changes: BTreeMap<DocumentId, Vec<Change>>,
    fields: BTreeSet<(Scope, FieldKey)>,
}

/// What became durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The documents that have new changes.
    pub documents: BTreeSet<DocumentId>,
    /// The fields whose facts, or their standing, changed.
    pub fields: BTreeSet<(Scope, FieldKey)>,
}

impl Committed {
    /// The items that changed.
    pub fn items(&self) -> BTreeSet<(Scope, String, ItemId)> {
        self.fields.iter().map(|(scope, key)| (*scope, key.kind.clone(), key.item)).collect()
    }
}

impl Stage {
    /// The transaction, for what belongs to it and is no fact: sync states, peers, idempotency keys.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// The documents of which something was staged.
    pub fn documents(&self) -> impl Iterator<Item = &DocumentId> {
        self.changes.keys()
    }

    /// Whether nothing of a document was staged.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.fields.is_empty()
    }

    /// Writes everything to the disk and waits for it: one fdatasync. Blocks; call it off the loop.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the stage is durable then, and [`Replica::abandon`] follows.
    pub fn commit(self) -> Result<Committed, StoreError> {
        let Self { batch, changes, fields } = self;
        batch.commit()?;
        Ok(Committed { documents: changes.into_keys().collect(), fields })
    }
}

impl Replica {
    /// Founds a home: new device keys, a new partner, a private space. Durable when it returns.
    ///
    /// # Errors
    /// [`OpenError`]; the store is as it was.
    pub fn found(store: Store, name: &str, device_name: &str, rng: &mut impl CryptoRngCore) -> Result<Self, OpenError> {
        let mut batch = store.begin()?;
        if batch.reader().setting::<StoredIdentity>(Scope::Ours, IDENTITY)?.is_some() {
            return Err(OpenError::AlreadyFounded);
        }
        let keys = DeviceKeys::generate(rng);
        let epoch = batch.reader().epoch()?;
        let statements = Roster::begin(&keys, epoch);
        for statement in &statements {
            batch.add_statement(statement.id().as_bytes(), &statement.to_bytes())?;
        }
        let stored = StoredIdentity {
            keys: Zeroizing::new(keys.to_bytes().to_vec()),
            partner: PartnerId::founded_by(&keys.device()),
            name: name.to_owned(),
            device_name: device_name.to_owned(),
        };
        batch.put_setting(Scope::Ours, IDENTITY, &stored)?;
        let mut space = [0; 32];
        rng.fill_bytes(&mut space);
        batch.put_setting(Scope::Mine, PRIVATE_SPACE, &HouseholdId::from_bytes(space))?;
        batch.commit()?;
        Self::open(store)
    }

    /// Founds the home of another device of a partner: what pairing with an own device ends with. The statements are the
    /// partner's roster, the one that adds this device among them; `space` is where their private pages are. Durable when
    /// it returns.
    ///
    /// # Errors
    /// [`OpenError`]; the store is as it was.
    pub fn join(store: Store, keys: &DeviceKeys, of: &Belonging, device_name: &str) -> Result<Self, OpenError> {
        let mut batch = store.begin()?;
        if batch.reader().setting::<StoredIdentity>(Scope::Ours, IDENTITY)?.is_some() {
            return Err(OpenError::AlreadyFounded);
        }
        membership::belong(&mut batch, keys, of, device_name)?;
        batch.commit()?;
        Self::open(store)
    }

    /// Makes this home, in which nothing was said, that of another device of a partner: it keeps its keys and its name, and
    /// was never anybody's. Once the stage is durable the replica has to be opened anew.
    ///
    /// # Errors
    /// [`StageError`]; the stage is to be dropped then.
    pub fn join_others(&mut self, stage: &mut Stage, of: &Belonging) -> Result<(), StageError> {
        stage.batch.clear_statements()?;
        membership::belong(&mut stage.batch, &self.identity.keys, of, &self.identity.device_name)?;
        Ok(())
    }

    /// Whether anything was ever said or received here.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Locked`] while the private part is.
    pub fn is_blank(&self) -> Result<bool, StoreError> {
        let view = self.store.read()?;
        let reader = view.reader();
        Ok(reader.documents(Scope::Ours)?.is_empty() && reader.documents(Scope::Mine)?.is_empty())
    }

    /// Opens a home that was founded. `mine` may be locked.
    ///
    /// An index of another version is rebuilt from the documents; a store that began a new epoch tells it in the roster.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(store: Store) -> Result<Self, OpenError> {
        Self::open_showing(store, Progress::default())
    }

    /// The same, telling how far an index is that has to be built: that of a long life takes half a minute.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_showing(store: Store, progress: Progress) -> Result<Self, OpenError> {
        let view = store.read()?;
        let reader = view.reader();
        let stored: StoredIdentity = reader.setting(Scope::Ours, IDENTITY)?.ok_or(OpenError::NotFounded)?;
        let keys: Zeroizing<[u8; 64]> =
            Zeroizing::new(stored.keys.as_slice().try_into().map_err(|_| OpenError::DamagedIdentity)?);
        let identity = Identity {
            keys: DeviceKeys::from_bytes(&keys),
            partner: stored.partner,
            epoch: reader.epoch()?,
            name: stored.name,
            device_name: stored.device_name,
        };
        let roster = membership::stored_roster(&reader, identity.partner)?;
        drop(view);
        let mut replica = Self {
            store,
            identity,
            roster,
            private_space: None,
            documents: Loaded::default(),
            staged: false,
            progress,
            presents: Presents::default(),
        };
        replica.read_private_space()?;
        replica.announce_epoch()?;
        replica.announce_name()?;
        for scope in [Scope::Ours, Scope::Mine] {
            replica.rebuild_if_outdated(scope)?;
        }
        Ok(replica)
    }

    /// After `mine` was unlocked in the store, or locked.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn lock_changed(&mut self) -> Result<(), OpenError> {
        self.documents.drop_scope(Scope::Mine);
        self.end_present(Scope::Mine);
        self.read_private_space()?;
        self.rebuild_if_outdated(Scope::Mine)
    }

    fn read_private_space(&mut self) -> Result<(), OpenError> {
        self.private_space = if self.store.mine_is_open() {
            self.store.read()?.reader().setting(Scope::Mine, PRIVATE_SPACE)?
        } else {
            None
        };
        Ok(())
    }

    /// Who this device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who is a member.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The space that a scope's facts belong to: none for `ours` before pairing, and for `mine` while it is locked.
    pub fn space(&self, scope: Scope) -> Option<HouseholdId> {
        match scope {
            Scope::Ours => self.roster.household(),
            Scope::Mine => self.private_space,
        }
    }

    /// Whose view a scope's is: what [`betwixt_model::view`] asks for.
    pub fn reader(&self, scope: Scope) -> Option<Reader> {
        Some(Reader { household: self.space(scope)?, partner: self.identity.partner })
    }

    /// Everything that is durable, as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(&self) -> Result<View, StoreError> {
        self.store.read()
    }

    /// Begins a stage. There is one at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&mut self) -> Result<Stage, StoreError> {
        let batch = self.store.begin()?;
        self.staged = true;
        Ok(Stage { batch, changes: BTreeMap::new(), fields: BTreeSet::new() })
    }

    /// A stage was committed: what the documents hold is durable again.
    ///
    /// # Errors
    /// [`OpenError`] when the roster that was committed does not read.
    pub fn committed(&mut self) -> Result<(), OpenError> {
        self.staged = false;
        self.documents.let_go();
        self.show_said();
        Ok(())
    }

    /// A stage failed or is given up: what the documents in memory hold beyond the disk is dropped, and the roster and
    /// the epoch are read again.
    ///
    /// # Errors
    /// [`OpenError`] when the roster cannot be read; try again once the store is open.
    pub fn abandon(&mut self) -> Result<(), OpenError> {
        self.documents.clear();
        self.presents.abandon();
        self.staged = false;
        let view = self.store.read()?;
        let reader = view.reader();
        self.identity.epoch = reader.epoch()?;
        self.roster = membership::stored_roster(&reader, self.identity.partner)?;
        Ok(())
    }

    /// The epoch of this device's store.
    pub fn epoch(&self) -> EpochId {
        self.identity.epoch
    }
}
