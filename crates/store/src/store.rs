//! Opening, closing and reopening the database; beginning transactions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::ids::EpochId;
use rand_core::{OsRng, RngCore};
use redb::{Database, ReadableDatabase};

use crate::aside::Aside;
use crate::batch::Batch;
use crate::disk::{Disk, MemoryDisk};
use crate::error::StoreError;
use crate::keys::{DataKey, DataKeys, KeyId};
use crate::open::{FORMAT, OpenError, build, load, opening};
use crate::seal::ScopeKey;
use crate::settings::EPOCH;
use crate::tables::guarded;
use crate::view::View;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How much of the database is kept in memory, in bytes.
    pub cache: usize,
    /// Whether the checksum of every page is verified on opening. It reads the whole file once; without it a file that
    /// something else altered is noticed only where it is read, and may be taken for a smaller one. A home does without where
    /// nobody has written to its file ([`crate::Home::open_store`]).
    pub check: bool,
    /// How many remembered responses are kept in each scope.
    pub responses: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache: 8 << 20, check: true, responses: 4096 }
    }
}

/// A home's database: encrypted, transactional, closed by itself when its disk fails. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    disk: Box<dyn Disk>,
    pub(crate) options: StoreOptions,
    keys: RwLock<Keys>,
    key_ids: Mutex<[KeyId; 2]>,
    state: Mutex<State>,
    pub(crate) aside: Aside,
}

/// The keys in use. A transaction that began with them keeps them until it ends.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) shared: Arc<ScopeKey>,
    pub(crate) mine: Option<Arc<ScopeKey>>,
}

impl Keys {
    pub(crate) fn of(&self, scope: Scope) -> Result<&ScopeKey, StoreError> {
        match scope {
            Scope::Ours => Ok(&self.shared),
            Scope::Mine => self.mine.as_deref().ok_or(StoreError::Locked(scope)),
        }
    }
}

#[derive(Debug)]
enum State {
    /// With how often it was opened before.
    Open(Arc<Database>, u64),
    Failed {
        cause: String,
        attempts: u32,
        retry: Option<Instant>,
        openings: u64,
    },
}

/// What [`Store::recover`] found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// The store is open, and was before.
    Open,
    /// The store was closed by a failure and is open again.
    Reopened,
    /// It could not be reopened, or it is too early to try: call again at this time.
    Wait {
        /// When to call again.
        until: Instant,
        /// What is in the way, in words.
        cause: String,
    },
}

impl Store {
    /// Makes a new database on an empty disk. Both keys are needed.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when the disk is not empty, otherwise as [`Store::open`].
    pub fn create(disk: impl Disk, keys: &DataKeys, options: StoreOptions) -> Result<Self, OpenError> {
        Self::create_in(disk, keys, options, Aside::memory())
    }

    /// Opens a database. With the shared key alone, `mine` stays locked.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do.
    pub fn open(disk: impl Disk, keys: &DataKeys, options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_in(disk, keys, options, Aside::memory())
    }

    /// A new database in memory, for tests and simulations.
    ///
    /// # Errors
    /// None that a working machine gives.
    pub fn in_memory(keys: &DataKeys) -> Result<Self, OpenError> {
        Self::create(MemoryDisk::new(), keys, StoreOptions::default())
    }

    pub(crate) fn create_in(
        disk: impl Disk,
        keys: &DataKeys,
        options: StoreOptions,
        aside: Aside,
    ) -> Result<Self, OpenError> {
        let path = disk.path().map(PathBuf::from);
        let failed = |source: StoreError| OpenError::Disk { path: path.clone(), source };
        let Some(mine) = &keys.mine else { return Err(failed(StoreError::Locked(Scope::Mine))) };
        let backend = disk.open(true).map_err(|error| failed(error.into()))?;
        if backend.len().map_err(|error| failed(error.into()))? > 0 {
            return Err(OpenError::Exists(path));
        }
        let database = build(backend, &options).map_err(|error| opening(&path, error))?;
        let inner = Inner::new(disk, options, keys, mine.id(), database, aside);
        let store = Self { inner: Arc::new(inner) };
        store.initialize().map_err(failed)?;
        Ok(store)
    }

    pub(crate) fn open_in(
        disk: impl Disk,
        keys: &DataKeys,
        options: StoreOptions,
        aside: Aside,
    ) -> Result<Self, OpenError> {
        let path = disk.path().map(PathBuf::from);
        let (database, plain) = load(&disk, &options)?;
        let mismatch =
            plain.keys[0] != keys.shared.id() || keys.mine.as_ref().is_some_and(|key| key.id() != plain.keys[1]);
        if mismatch {
            return Err(OpenError::OtherKeys(path));
        }
        let inner = Inner::new(disk, options, keys, plain.keys[1], database, aside);
        Ok(Self { inner: Arc::new(inner) })
    }

    fn initialize(&self) -> Result<(), StoreError> {
        let ids = *lock(&self.inner.key_ids);
        let mut batch = self.begin()?;
        batch.initialize(FORMAT, ids)?;
        let mut epoch = [0; 32];
        OsRng.fill_bytes(&mut epoch);
        batch.put_setting(Scope::Ours, EPOCH, &EpochId::from_bytes(epoch))?;
        batch.commit()
    }

    /// Begins a transaction that writes. There is one at a time: this waits for the one before to end.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after a failure, until [`Store::recover`] has reopened the store.
    pub fn begin(&self) -> Result<Batch, StoreError> {
        let (database, held) = self.hold()?;
        let transaction = held.watch(guarded(|| Ok(database.begin_write()?)))?;
        let keys = held.keys();
        Ok(Batch::new(held, keys, transaction))
    }

    /// Begins a transaction that reads: one consistent state, whatever is written meanwhile.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub fn read(&self) -> Result<View, StoreError> {
        let (database, held) = self.hold()?;
        let transaction = held.watch(guarded(|| Ok(database.begin_read()?)))?;
        let keys = held.keys();
        Ok(View::new(held, keys, transaction))
    }

    fn hold(&self) -> Result<(Arc<Database>, Held), StoreError> {
        match &*lock(&self.inner.state) {
            State::Open(database, opening) => {
                Ok((Arc::clone(database), Held { inner: Arc::clone(&self.inner), opening: *opening }))
            }
            State::Failed { cause, .. } => Err(StoreError::Closed { cause: cause.clone() }),
        }
    }

    /// Whether the private documents can be read and written.
    pub fn mine_is_open(&self) -> bool {
        self.inner.keys().mine.is_some()
    }

    /// Forgets the key of `mine` and wipes it. Transactions that are under way keep it until they end.
    pub fn lock_mine(&self) {
        self.inner.keys.write().unwrap_or_else(PoisonError::into_inner).mine = None;
    }

    /// Opens `mine` with its key.
    ///
    /// # Errors
    /// [`OpenError::OtherKeys`] when it is not the key that this database was made with.
    pub fn unlock_mine(&self, key: &DataKey) -> Result<(), OpenError> {
        if lock(&self.inner.key_ids)[1] != key.id() {
            return Err(OpenError::OtherKeys(self.inner.disk.path().map(PathBuf::from)));
        }
        let key = Arc::new(ScopeKey::new(Scope::Mine, key));
        self.inner.keys.write().unwrap_or_else(PoisonError::into_inner).mine = Some(key);
        Ok(())
    }

    /// Whether the store is open, that is, was not closed by a failure.
    pub fn is_open(&self) -> bool {
        matches!(*lock(&self.inner.state), State::Open(..))
    }

    /// Reopens the store after a failure, at most as often as its backoff allows (100 ms, doubling up to 30 s). Call it
    /// when a read or a write answered an error that [closes](StoreError::closes), and again when it says so.
    ///
    /// Transactions of before the failure must have been dropped; one that writes keeps the file in use.
    pub fn recover(&self, now: Instant) -> Recovery {
        let mut state = lock(&self.inner.state);
        let State::Failed { cause, attempts, retry, openings } = &mut *state else { return Recovery::Open };
        if let Some(until) = *retry
            && now < until
        {
            return Recovery::Wait { until, cause: cause.clone() };
        }
        let loaded = load(&*self.inner.disk, &self.inner.options).and_then(|(database, plain)| {
            let same = plain.keys == *lock(&self.inner.key_ids);
            same.then_some(database).ok_or_else(|| OpenError::OtherKeys(self.inner.disk.path().map(PathBuf::from)))
        });
        match loaded {
            Ok(database) => {
                *state = State::Open(Arc::new(database), *openings);
                Recovery::Reopened
            }
            Err(error) => {
                let wait = FIRST_WAIT.saturating_mul(1 << (*attempts).min(16)).min(LONGEST_WAIT);
                *attempts += 1;
                let until = now + wait;
                *retry = Some(until);
                *cause = error.to_string();
                Recovery::Wait { until, cause: cause.clone() }
            }
        }
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    /// How many batches were ever committed to this database: grows with every one, and shows an older copy of the file.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn commits(&self) -> Result<u64, StoreError> {
        Ok(self.read()?.plain()?.commits)
    }
}

impl Inner {
    fn new(
        disk: impl Disk,
        options: StoreOptions,
        keys: &DataKeys,
        mine: KeyId,
        database: Database,
        aside: Aside,
    ) -> Self {
        let in_use = Keys {
            shared: Arc::new(ScopeKey::new(Scope::Ours, &keys.shared)),
            mine: keys.mine.as_ref().map(|key| Arc::new(ScopeKey::new(Scope::Mine, key))),
        };
        Self {
            disk: Box::new(disk),
            options,
            keys: RwLock::new(in_use),
            key_ids: Mutex::new([keys.shared.id(), mine]),
            state: Mutex::new(State::Open(Arc::new(database), 0)),
            aside,
        }
    }

    pub(crate) fn keys(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a transaction keeps of its store.
#[derive(Debug)]
pub(crate) struct Held {
    inner: Arc<Inner>,
    opening: u64,
}

impl std::ops::Deref for Held {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Held {
    /// Closes the store when an outcome says that it has to be reopened, unless it was since the transaction began. What merely met
    /// a store that was closed already is told why it was: redb itself says no more than that it is.
    pub(crate) fn watch<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome
            && error.closes()
        {
            let mut state = lock(&self.inner.state);
            if let (StoreError::Closed { .. }, State::Failed { cause, .. }) = (error, &*state) {
                return Err(StoreError::Closed { cause: cause.clone() });
            }
            if matches!(*state, State::Open(_, opening) if opening == self.opening) {
                tracing::warn!(error = %error, "the store closes itself");
                let openings = self.opening + 1;
                *state = State::Failed { cause: error.to_string(), attempts: 0, retry: None, openings };
            }
        }
        outcome
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
