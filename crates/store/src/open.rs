//! Opening a database: what it says of itself, and what may be in the way.

use std::path::PathBuf;

use redb::{Database, ReadableDatabase, TableHandle};

use crate::disk::{AnyBackend, Disk};
use crate::error::{Damage, StoreError};
use crate::keys::KeyId;
use crate::store::StoreOptions;
use crate::tables::{Area, PLAIN, SCOPES, guarded};

/// The format of the database that this version writes, and the newest that it reads. A file of an older one gets this one when it is
/// opened: since 2 rows of the index may be compressed, since 3 documents' snapshots are in pieces, and since 4 rows of the index may be packed; a build
/// that knows nothing of it would take it for damage, or find nothing.
pub const FORMAT: u32 = 4;

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
pub(crate) fn load(disk: &dyn Disk, options: &StoreOptions) -> Result<(Database, Plain), OpenError> {
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
    guarded(|| make_later_tables(&database)).map_err(|error| opening(&path, error))?;
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

pub(crate) fn opening(path: &Option<PathBuf>, error: StoreError) -> OpenError {
    let path = path.clone();
    match error {
        StoreError::Damaged(Damage::File(what)) => OpenError::Damaged { path, what, snapshot: None },
        StoreError::Closed { cause } if cause.contains("already open") => OpenError::InUse(path),
        StoreError::Closed { cause } => OpenError::Damaged { path, what: cause, snapshot: None },
        source => OpenError::Disk { path, source },
    }
}

/// Makes the tables that homes of before have not got, and says that the file is of this format now.
fn make_later_tables(database: &Database) -> Result<(), StoreError> {
    let read = database.begin_read()?;
    let names: Vec<String> = read.list_tables()?.map(|table| table.name().to_owned()).collect();
    // A file that holds nothing of ours, or what a newer version made, is told as such, and left as it is.
    if !names.iter().any(|name| name == PLAIN.name()) {
        return Ok(());
    }
    let format = read.open_table(PLAIN)?.get(PLAIN_FORMAT)?.and_then(|format| format.value().try_into().ok());
    let format = format.map_or(u32::MAX, u32::from_le_bytes);
    if format >= FORMAT {
        return Ok(());
    }
    drop(read);
    let write = database.begin_write()?;
    for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::LATER.iter().map(move |area| (scope, area))) {
        write.open_table(area.definition(scope))?;
    }
    write.open_table(PLAIN)?.insert(PLAIN_FORMAT, FORMAT.to_le_bytes().as_slice())?;
    Ok(write.commit()?)
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
    // Every table was made at the beginning, or just now, so a missing one is damage and never emptiness.
    let names: std::collections::BTreeSet<String> =
        transaction.list_tables()?.map(|table| redb::TableHandle::name(&table).to_owned()).collect();
    for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, area))) {
        if !names.contains(area.table(scope)) {
            return Err(StoreError::Damaged(Damage::File(format!("table {} is missing", area.table(scope)))));
        }
    }
    Ok((format, Some(plain)))
}
