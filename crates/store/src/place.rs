//! Where a home was when it was last in order, to notice that it was copied, restored, or put back to an older state.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::keys::DataKey;
use crate::seal::{open_with, seal_with};
use crate::store::Store;

pub(crate) const PLACE: &str = "place";
const LABEL: &[u8] = b"betwixt 1 place";

/// Whether a home is what it was when it was last open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It is where it was and no older.
    Unbroken,
    /// It may be a copy, or older than it was: a new epoch is due (`Batch::begin_epoch`, then [`crate::Home::settle`]), so
    /// that no actor is continued from an older state, and a new device key, unless it is known that no other copy goes
    /// on. Every opening says so until it is settled.
    Broken(Break),
}

/// What shows that a home may be a copy or older than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Nothing says where it was: it was restored, or interrupted while being made.
    Restored,
    /// It was last open on another machine.
    OtherMachine,
    /// It was last open in another directory, and this one is not that one moved.
    OtherDirectory,
    /// Its database is older than it was: an old copy of the file was put back, or its last commits were damaged.
    Older,
    /// What says where it was cannot be read.
    Unreadable,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    machine: [u8; 32],
    directory: Option<(u64, u64)>,
    commits: u64,
}

impl Place {
    fn here(home: &Path, commits: u64) -> io::Result<Self> {
        // Its hash, for the file may be copied elsewhere. Systems without one compare as the same machine.
        let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
        Ok(Self { machine: blake3::derive_key("betwixt 1 machine", &machine), directory: directory(home)?, commits })
    }
}

#[cfg(unix)]
fn directory(home: &Path) -> io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(home)?;
    Ok(Some((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn directory(_home: &Path) -> io::Result<Option<(u64, u64)>> {
    Ok(None)
}

fn sealing(key: &DataKey) -> [u8; 32] {
    blake3::derive_key("betwixt 1 place sealing", key.secret())
}

pub(crate) fn write(home: &Path, key: &DataKey, store: &Store) -> io::Result<()> {
    let place = Place::here(home, store.commits().map_err(io::Error::other)?)?;
    let bytes = postcard::to_stdvec(&place).map_err(io::Error::other)?;
    files::replace(&home.join(PLACE), &seal_with(&sealing(key), LABEL, &bytes))
}

pub(crate) fn forget(home: &Path) -> io::Result<()> {
    match std::fs::remove_file(home.join(PLACE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => files::sync_parent(&home.join(PLACE)),
    }
}

pub(crate) fn compare(home: &Path, key: &DataKey, store: &Store) -> Continuity {
    let sealed = match std::fs::read(home.join(PLACE)) {
        Ok(sealed) => sealed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Continuity::Broken(Break::Restored),
        Err(_) => return Continuity::Broken(Break::Unreadable),
    };
    let was = open_with(&sealing(key), LABEL, &sealed).ok();
    let was = was.and_then(|bytes| postcard::from_bytes::<Place>(&bytes).ok());
    let is = store.commits().ok().and_then(|commits| Place::here(home, commits).ok());
    let (Some(was), Some(is)) = (was, is) else { return Continuity::Broken(Break::Unreadable) };
    if is.commits < was.commits {
        Continuity::Broken(Break::Older)
    } else if is.machine != was.machine {
        Continuity::Broken(Break::OtherMachine)
    } else if is.directory != was.directory {
        Continuity::Broken(Break::OtherDirectory)
    } else {
        Continuity::Unbroken
    }
}
