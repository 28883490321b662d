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
use crate::disk::{AnyBackend, Disk, MemoryDisk};
use crate::error::{Damage, StoreError};
use crate::keys::{DataKey, DataKeys, KeyId};
use crate::seal::ScopeKey;
use crate::settings::EPOCH;
use crate::tables::{Area, PLAIN, SCOPES, guarded};
use crate::view::View;

/// The format of the database that this version reads and writes.
pub const FORMAT: u32 = 1;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no database, or an empty file in its place.
    #[error("there is no database{}: restore it from a snapshot or a backup, or move the home away and begin anew", at(.0))]
    Missing(Option<PathBuf>),
    /// There is one already where a new one was to be made.
    #[error("there is a database already{}", at(.0))]
    Exists(Option<PathBuf>),
    /// The file is damaged. Nothing was changed in it that could still be read.
    #[error("the database{} is damaged ({what}): restore it with `betwixt restore{}`", at(.path), option(.snapshot))]
    Damaged {
        /// The file.
        path: Option<PathBuf>,
        /// What is wrong with it.
        what: String,
        /// The newest snapshot that could be restored, where the home has one.
        snapshot: Option<String>,
    },
    /// Written by a newer version of Betwixt.
    #[error("the database{} has format {format}, made by a newer version of Betwixt: update this one", at(.path))]
    Newer {
        /// The file.
        path: Option<PathBuf>,
        /// Its format.
        format: u32,
    },
    /// Sealed under other keys than the home's: a database and a keys file that do not belong together.
    #[error("the database{} belongs to another keys file: put back the one that it was used with", at(.0))]
    OtherKeys(Option<PathBuf>),
    /// Another process, or this one, has it open.
    #[error("the database{} is in use already", at(.0))]
    InUse(Option<PathBuf>),
    /// The disk or the permissions are in the way.
    #[error("the database{} cannot be opened: {source}", at(.path))]
    Disk {
        /// The file.
        path: Option<PathBuf>,
        /// What went wrong.
        #[source]
        source: StoreError,
    },
}

fn option(snapshot: &Option<String>) -> String {
    snapshot.as_ref().map(|name| format!(" --snapshot {name}")).unwrap_or_default()
}

fn at(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default()
}

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How much of the database is kept in memory, in bytes.
    pub cache: usize,
    /// Whether the checksum of every page is verified on opening. It reads the whole file once; without it a file that
    /// something else altered is noticed only where it is read, and may be taken for a smaller one.
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
    Open(Arc<Database>),
    Failed { cause: String, attempts: u32, retry: Option<Instant> },
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
        let database = self.inner.database()?;
        let transaction = self.inner.watch(guarded(|| Ok(database.begin_write()?)))?;
        Ok(Batch::new(Arc::clone(&self.inner), self.inner.keys(), transaction))
    }

    /// Begins a transaction that reads: one consistent state, whatever is written meanwhile.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub fn read(&self) -> Result<View, StoreError> {
        let database = self.inner.database()?;
        let transaction = self.inner.watch(guarded(|| Ok(database.begin_read()?)))?;
        Ok(View::new(Arc::clone(&self.inner), self.inner.keys(), transaction))
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
        matches!(*lock(&self.inner.state), State::Open(_))
    }

    /// Reopens the store after a failure, at most as often as its backoff allows (100 ms, doubling up to 30 s). Call it
    /// when a read or a write answered an error that [closes](StoreError::closes), and again when it says so.
    ///
    /// Transactions of before the failure must have been dropped; one that writes keeps the file in use.
    pub fn recover(&self, now: Instant) -> Recovery {
        let mut state = lock(&self.inner.state);
        let State::Failed { cause, attempts, retry } = &mut *state else { return Recovery::Open };
        if let Some(until) = *retry
            && now < until
        {
            return Recovery::Wait { until, cause: cause.clone() };
        }
        match load(&*self.inner.disk, &self.inner.options) {
            Ok((database, _)) => {
                *state = State::Open(Arc::new(database));
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
            state: Mutex::new(State::Open(Arc::new(database))),
            aside,
        }
    }

    pub(crate) fn keys(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn database(&self) -> Result<Arc<Database>, StoreError> {
        match &*lock(&self.state) {
            State::Open(database) => Ok(Arc::clone(database)),
            State::Failed { cause, .. } => Err(StoreError::Closed { cause: cause.clone() }),
        }
    }

    /// Closes the store when an outcome says that it has to be reopened.
    pub(crate) fn watch<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome
            && error.closes()
        {
            let mut state = lock(&self.state);
            if let State::Open(_) = *state {
                tracing::warn!(error = %error, "the store closes itself");
                *state = State::Failed { cause: error.to_string(), attempts: 0, retry: None };
            }
        }
        outcome
    }
}

/// What the table without encryption says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) keys: [KeyId; 2],
    pub(crate) commits: u64,
}

pub(crate) const PLAIN_FORMAT: &[u8] = b"format";
pub(crate) const PLAIN_KEYS: &[u8] = b"keys";
pub(crate) const PLAIN_COMMITS: &[u8] = b"commits";

/// Opens a database that is there, and reads what it says of itself.
fn load(disk: &dyn Disk, options: &StoreOptions) -> Result<(Database, Plain), OpenError> {
    let path = disk.path().map(PathBuf::from);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::Missing(path.clone()),
        _ => OpenError::Disk { path: path.clone(), source: error.into() },
    };
    let backend = disk.open(false).map_err(failed)?;
    if backend.len().map_err(failed)? == 0 {
        return Err(OpenError::Missing(path));
    }
    let database = build(backend, options).map_err(|error| opening(&path, error))?;
    let (format, plain) = guarded(|| read_plain(&database)).map_err(|error| opening(&path, error))?;
    let plain = plain.ok_or(OpenError::Newer { path, format })?;
    Ok((database, plain))
}

pub(crate) fn build(backend: Box<dyn redb::StorageBackend>, options: &StoreOptions) -> Result<Database, StoreError> {
    guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache).set_check_integrity_on_open(options.check);
        Ok(builder.create_with_backend(AnyBackend(backend))?)
    })
}

fn opening(path: &Option<PathBuf>, error: StoreError) -> OpenError {
    let path = path.clone();
    match error {
        StoreError::Damaged(Damage::File(what)) => OpenError::Damaged { path, what, snapshot: None },
        StoreError::Closed { cause } if cause.contains("already open") => OpenError::InUse(path),
        StoreError::Closed { cause } => OpenError::Damaged { path, what: cause, snapshot: None },
        source => OpenError::Disk { path, source },
    }
}

fn read_plain(database: &Database) -> Result<(u32, Option<Plain>), StoreError> {
    read_plain_of(&database.begin_read()?)
}

pub(crate) fn read_plain_of(transaction: &redb::ReadTransaction) -> Result<(u32, Option<Plain>), StoreError> {
    let damaged = || StoreError::Damaged(Damage::File("what it says of itself is not readable".into()));
    let table = transaction.open_table(PLAIN).map_err(|error| match error {
        redb::TableError::TableDoesNotExist(_) => damaged(),
        other => other.into(),
    })?;
    let get = |key: &[u8]| -> Result<Vec<u8>, StoreError> { Ok(table.get(key)?.ok_or_else(damaged)?.value().to_vec()) };
    let format: [u8; 4] = get(PLAIN_FORMAT)?.try_into().map_err(|_| damaged())?;
    let format = u32::from_le_bytes(format);
    if format > FORMAT {
        return Ok((format, None));
    }
    let keys: [u8; 32] = get(PLAIN_KEYS)?.try_into().map_err(|_| damaged())?;
    let commits: [u8; 8] = get(PLAIN_COMMITS)?.try_into().map_err(|_| damaged())?;
    let id = |half: &[u8]| KeyId::from_bytes(half.try_into().unwrap_or_default());
    let plain = Plain { keys: [id(&keys[..16]), id(&keys[16..])], commits: u64::from_le_bytes(commits) };
    // Every table was made at the beginning, so a missing one is damage and never emptiness.
    let names: std::collections::BTreeSet<String> =
        transaction.list_tables()?.map(|table| redb::TableHandle::name(&table).to_owned()).collect();
    for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, area))) {
        if !names.contains(area.table(scope)) {
            return Err(StoreError::Damaged(Damage::File(format!("table {} is missing", area.table(scope)))));
        }
    }
    Ok((format, Some(plain)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
