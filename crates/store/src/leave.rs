//! Leaving: a home is made unreadable for good, and taken away.
//!
//! The keys file goes first, overwritten where it stands, for everything else is sealed under what it wraps. So there are
//! two states after a crash: the keys file is whole and the home opens as ever, or it is not and nothing opens any more;
//! then the next start takes away what is left ([`finish_leaving`]). A mark says that it is no accident that the keys are
//! damaged, so that a home whose disk failed is never cleared away.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use betwixt_model::document::Scope;
use rand_core::{OsRng, RngCore};

use crate::attachments::ATTACHMENTS;
use crate::chunks::CHUNKS;
use crate::closed::CLOSED;
use crate::files;
use crate::home::{ASIDE, DATABASE, Home, HomeError, KEYS, LOCK, SNAPSHOTS, read_capped};
use crate::keys::file::{KeysFile, MAX_FILE};
use crate::place::PLACE;
use crate::rekey::{PENDING, SUFFIX as REKEYED};
use crate::searching::{SEARCH, search_path};
use crate::shrink::SUFFIX as SHRUNK;

/// Says that the keys are being destroyed on purpose.
const LEAVING: &str = "leaving";

/// How much of a file's beginning is overwritten: more than the longest keys file in a backup's header.
const OVERWRITTEN: u64 = 2 * MAX_FILE;

impl Home {
    /// Destroys the keys, and takes away everything that this store and `backups` have made in the directory; other files
    /// in it are left alone. Answers what could not be taken away: without keys it says nothing to anybody. Let go of the
    /// store and the keys in memory first, and call [`finish_leaving`] when nothing writes here any more.
    ///
    /// # Errors
    /// [`HomeError::File`] when the keys could not be destroyed. Then the home opens as ever.
    pub fn leave(&self, backups: &[PathBuf]) -> Result<Vec<PathBuf>, HomeError> {
        let mark = self.path().join(LEAVING);
        match files::create_new(&mark) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(HomeError::file(&mark)(error)),
            _ => files::sync_parent(&mark).map_err(HomeError::file(&mark))?,
        }
        let keys = self.path().join(KEYS);
        destroy(&keys).map_err(HomeError::file(&keys))?;
        Ok(sweep(self.path(), backups))
    }
}

/// Takes away what a leaving has left that was interrupted, or beside which something still wrote. `None` when nobody is
/// leaving: also when it was interrupted before the keys were touched, for then the home opens as ever.
///
/// # Errors
/// When the directory cannot be read or the keys not be destroyed.
pub fn finish_leaving(home: &Path, backups: &[PathBuf]) -> io::Result<Option<Vec<PathBuf>>> {
    let mark = home.join(LEAVING);
    if !mark.try_exists()? {
        return Ok(None);
    }
    let keys = home.join(KEYS);
    if read_capped(&keys).is_ok_and(|bytes| KeysFile::parse(&bytes).is_ok()) {
        fs::remove_file(&mark)?;
        return Ok(None);
    }
    destroy(&keys)?;
    let mut left = sweep(home, backups);
    left.extend([home.join(LOCK)].into_iter().filter(|path| take_away(path).is_err()));
    // Last, so that a crash before this is found, too.
    if left.is_empty() {
        fs::remove_file(&mark)?;
        files::sync_parent(&mark)?;
    }
    Ok(Some(left))
}

/// Takes away all but the keys, the lock and the mark: first what holds wraps of the keys, overwritten.
fn sweep(home: &Path, backups: &[PathBuf]) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut wrapping = vec![with(home, KEYS, ".new")];
    let aside = home.join(ASIDE);
    let former = entries(&aside)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(KEYS)));
    wrapping.extend(former);
    wrapping.extend(backups.iter().cloned());
    left.extend(wrapping.into_iter().filter(|path| destroy(path).is_err()));
    let named = [
        home.join(DATABASE),
        with(home, DATABASE, ".new"),
        with(home, DATABASE, REKEYED),
        with(home, DATABASE, SHRUNK),
        home.join(PENDING),
        with(home, PENDING, ".new"),
        home.join(PLACE),
        with(home, PLACE, ".new"),
        home.join(CLOSED),
        with(home, CLOSED, ".new"),
    ];
    let attached = [Scope::Ours, Scope::Mine].map(|scope| home.join(ATTACHMENTS).join(scope.name()));
    let searched = [Scope::Ours, Scope::Mine].map(|scope| search_path(home, scope));
    let (snapshots, chunks) = (home.join(SNAPSHOTS), home.join(SNAPSHOTS).join(CHUNKS));
    let inside = [chunks.clone(), snapshots.clone(), aside.clone()].into_iter();
    let inside = inside.chain(attached.clone()).chain(searched.clone());
    let inside = inside.flat_map(|directory| entries(&directory)).filter(|path| *path != chunks);
    left.extend(named.into_iter().chain(inside).filter(|path| take_away(path).is_err()));
    let above = [home.join(ATTACHMENTS), home.join(SEARCH)];
    let directories = [chunks.clone(), snapshots, aside].into_iter().chain(attached).chain(searched).chain(above);
    let backed_up =
        backups.iter().filter_map(|path| path.parent()).filter(|parent| *parent != home).map(Path::to_owned);
    for directory in directories.chain(backed_up) {
        // One that holds something of the person's own stays.
        let _ = fs::remove_dir(directory);
    }
    left
}

fn with(home: &Path, name: &str, suffix: &str) -> PathBuf {
    home.join(format!("{name}{suffix}"))
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Overwrites the beginning of a file where it stands, and removes it. What a disk keeps beneath, in blocks that it has
/// set aside, no program reaches.
fn destroy(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.is_file() => {
            let mut file = OpenOptions::new().write(true).open(path)?;
            let mut bytes = vec![0; usize::try_from(metadata.len().min(OVERWRITTEN)).unwrap_or_default()];
            OsRng.fill_bytes(&mut bytes);
            file.write_all(&bytes)?;
            file.sync_all()?;
        }
        Ok(_) => {}
    }
    take_away(path)?;
    files::sync_parent(path)
}

fn take_away(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
