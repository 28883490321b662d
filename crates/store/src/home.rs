//! A home: the directory of one installation.
//!
//! `keys` holds the wrapped data keys, `betwixt.redb` the database, `lock` who uses them, `place` where the home was
//! last, `snapshots/` rolling copies of the database, `aside/` what could not be read,
//! `attachments/` attached files, `search/` the search indexes. Directories can be entered, and
//! files read and written, by their owner only.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use rand_core::{CryptoRngCore, OsRng};

use crate::aside::Aside;
use crate::closed;
use crate::disk::FileDisk;
use crate::files;
use crate::keys::file::{KeysFile, MAX_FILE};
use crate::keys::{DataKeys, KeysError, Secret};
use crate::open::OpenError;
use crate::place::{self, Continuity};
use crate::store::{Inner, Store, StoreOptions};

pub(crate) const KEYS: &str = "keys";
pub(crate) const DATABASE: &str = "betwixt.redb";
pub(crate) const LOCK: &str = "lock";
pub(crate) const SNAPSHOTS: &str = "snapshots";
pub(crate) const ASIDE: &str = "aside";

/// Why a home could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// There is no home in this directory.
    #[error("{} is no home of Betwixt yet: make one with `betwixt init`", .0.display())]
    NotThere(PathBuf),
    /// There is one already.
    #[error("{} is a home of Betwixt already", .0.display())]
    Exists(PathBuf),
    /// Another process uses it.
    #[error("{} is in use{}: stop that one first (`betwixt down`)", path.display(), pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The home.
        path: PathBuf,
        /// The process, if it said so.
        pid: Option<u32>,
    },
    /// The home cannot be written to.
    #[error("{} cannot be written to: check its permissions and whether its disk is mounted read-only", .0.display())]
    ReadOnly(PathBuf),
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    File {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The keys file is in the way.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database is.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl HomeError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(path),
            _ => Self::File { path, source },
        }
    }
}

/// How many bytes the rows of a database have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowBytes {
    pub(crate) all: u64,
    /// Of that, rows of the index that are not packed, and could be.
    pub(crate) unpacked: u64,
}

/// An installation's directory, held by this process as long as the value lives.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    keys: Mutex<KeysFile>,
    pub(crate) store: Mutex<Weak<Inner>>,
    /// The rows of the database, as the last snapshot of this process counted them.
    pub(crate) row_bytes: Mutex<Option<RowBytes>>,
    /// Whether it is about to be closed.
    closing: AtomicBool,
    /// Unlocks when dropped.
    _lock: File,
}

impl Home {
    /// Makes a home: two new data keys, wrapped by a first secret (a passphrase, ordinarily), and an empty database. The
    /// keys file comes last, so that an interrupted attempt leaves no home, and can be repeated.
    ///
    /// # Errors
    /// [`HomeError::Exists`] when there is one, otherwise what keeps it from being made.
    pub fn init(path: &Path, secret: &Secret<'_>, rng: &mut impl CryptoRngCore) -> Result<(Self, DataKeys), HomeError> {
        files::make_directory(path).map_err(HomeError::file(path))?;
        let lock = take_lock(path)?;
        let keys_path = path.join(KEYS);
        if keys_path.exists() {
            return Err(HomeError::Exists(path.to_owned()));
        }
        let database = path.join(DATABASE);
        // Left by an attempt that did not come to writing its keys: unreadable for ever, but not ours to delete.
        set_aside(path, &database)?;
        let keys = DataKeys::random(rng);
        let mut file = KeysFile::new(&keys, rng)?;
        file.add(&keys, secret, rng)?;
        let store = Store::create(FileDisk::new(&database), &keys, StoreOptions::default())?;
        place::write(path, &keys.shared, &store).map_err(HomeError::file(path))?;
        drop(store);
        files::replace(&keys_path, &file.clone().seal()?).map_err(HomeError::file(&keys_path))?;
        let home = Self {
            path: path.to_owned(),
            keys: Mutex::new(file),
            store: Mutex::default(),
            row_bytes: Mutex::default(),
            closing: AtomicBool::default(),
            _lock: lock,
        };
        Ok((home, keys))
    }

    /// Opens a home and holds it: no other process can until this value is dropped.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let keys_path = path.join(KEYS);
        if !keys_path.exists() {
            return Err(HomeError::NotThere(path.to_owned()));
        }
        let lock = take_lock(path)?;
        let file = KeysFile::parse(&read_capped(&keys_path)?)?;
        Ok(Self {
            path: path.to_owned(),
            keys: Mutex::new(file),
            store: Mutex::default(),
            row_bytes: Mutex::default(),
            closing: AtomicBool::default(),
            _lock: lock,
        })
    }

    /// Whether a directory holds a home, without opening it.
    pub fn exists(path: &Path) -> bool {
        path.join(KEYS).exists()
    }

    /// The process that holds a home, if one does and said so. A `lock` file that nobody holds means nothing.
    ///
    /// # Errors
    /// [`HomeError::File`].
    pub fn holder(path: &Path) -> Result<Option<u32>, HomeError> {
        match File::open(path.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HomeError::file(&path.join(LOCK))(error)),
            Ok(mut file) => match file.try_lock_shared() {
                Ok(()) => Ok(None),
                Err(_) => Ok(read_pid(&mut file)),
            },
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the database. The answer says whether this is still the home that it was (see [`Continuity`]). Every page is verified
    /// first, where the options say so, unless the file is as [`Home::closed`] left it.
    ///
    /// # Errors
    /// [`OpenError`]; for a damaged one with the name of the newest snapshot.
    pub fn open_store(&self, keys: &DataKeys, options: StoreOptions) -> Result<(Store, Continuity), OpenError> {
        let path = self.path.join(DATABASE);
        let in_the_way = |error: io::Error| OpenError::Disk { path: Some(path.clone()), source: error.into() };
        crate::rekey::finish(self).and_then(|()| crate::shrink::finish(&self.path)).map_err(in_the_way)?;
        let aside = Aside::Directory(self.path.join(ASIDE));
        let options =
            StoreOptions { check: options.check && !closed::is_unchanged(&self.path, &keys.shared), ..options };
        let store = Store::open_in(FileDisk::new(&path), keys, options, aside);
        let store = store.map_err(|error| match error {
            OpenError::Damaged { path, what, .. } => {
                let names = self.snapshots().unwrap_or_default().into_iter().rev().map(|snapshot| snapshot.name);
                let whole = |name: &String| crate::archive::Archive::open(&self.snapshot_path(name)).is_ok();
                OpenError::Damaged { path, what, snapshot: names.into_iter().find(whole) }
            }
            other => other,
        })?;
        let continuity = place::compare(&self.path, &keys.shared, &store);
        if continuity == Continuity::Unbroken {
            // Fails on a disk that is full; the mark of before then still holds.
            if let Err(error) = place::write(&self.path, &keys.shared, &store) {
                tracing::warn!(%error, "the home's place could not be written down");
            }
        }
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store.downgrade();
        Ok((store, continuity))
    }

    /// The database that [`Home::open_store`] opened, while something still uses it.
    pub fn opened(&self) -> Option<Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).upgrade().map(Store::from_inner)
    }

    /// Writes down that this is where the home is, and how far it has come: after a new epoch was begun, and before the
    /// store is closed.
    ///
    /// # Errors
    /// [`HomeError::File`], [`HomeError::ReadOnly`].
    pub fn settle(&self, keys: &DataKeys, store: &Store) -> Result<(), HomeError> {
        place::write(&self.path, &keys.shared, store).map_err(HomeError::file(&self.path))
    }

    /// The home is about to be closed: a snapshot that is being taken is given up, and none begins any more. Of a long life it takes
    /// seconds, in which the store stays open, and a database that was not closed in order takes as long to open.
    pub fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Notes how the database's file is, so that the next opening is quick. Once nothing uses the store any more; while something
    /// does, this notes nothing.
    ///
    /// # Errors
    /// [`HomeError::File`], [`HomeError::ReadOnly`]. The next opening then verifies every page.
    pub fn closed(&self, keys: &DataKeys) -> Result<(), HomeError> {
        if self.opened().is_some() {
            return Ok(());
        }
        closed::write(&self.path, &keys.shared).map_err(HomeError::file(&self.path))
    }

    pub(crate) fn keys_file(&self) -> MutexGuard<'_, KeysFile> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the keys file, on disk first.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut KeysFile) -> Result<T, KeysError>) -> Result<T, KeysError> {
        let mut current = self.keys_file();
        let mut next = current.clone();
        let answer = change(&mut next)?;
        let path = self.path.join(KEYS);
        let bytes = next.clone().seal()?;
        files::replace(&path, &bytes).map_err(|source| KeysError::File { path, source })?;
        *current = next;
        Ok(answer)
    }

    pub(crate) fn put_keys(&self, file: KeysFile) -> Result<(), KeysError> {
        self.change(|current| {
            *current = file;
            Ok(())
        })
    }
}

/// Moves a file into `aside/` under a name of its own.
pub(crate) fn set_aside(home: &Path, path: &Path) -> Result<(), HomeError> {
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(HomeError::file(path))?.len(),
    };
    if length == 0 {
        return fs::remove_file(path).map_err(HomeError::file(path));
    }
    let aside = home.join(ASIDE);
    files::make_directory(&aside).map_err(HomeError::file(&aside))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let mut distinct = [0; 8];
    rand_core::RngCore::fill_bytes(&mut OsRng, &mut distinct);
    let to = aside.join(format!("{name}-{}", betwixt_model::ids::encode_base32(&distinct)));
    fs::rename(path, &to).and_then(|()| files::sync_parent(&to)).map_err(HomeError::file(path))
}

pub(crate) fn read_capped(path: &Path) -> Result<Vec<u8>, HomeError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map_err(HomeError::file(path))?;
    Ok(bytes)
}

pub(crate) fn take_lock(home: &Path) -> Result<File, HomeError> {
    let path = home.join(LOCK);
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(HomeError::file(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(HomeError::InUse { path: home.to_owned(), pid: read_pid(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(HomeError::File { path, source }),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    match written {
        // The lock is held; only its holder's number could not be written.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
        other => other.map_err(HomeError::file(&path))?,
    }
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
