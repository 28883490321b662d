//! The database's file written anew, without the room that years of writing left empty in it.
//!
//! redb splits a full page into two halves, and rows come in no order, so that pages are two thirds full; and its file
//! grows by doubling. Written in the order of their names, rows fill pages to the brim. That is done beside the present file:
//! renaming the new one is the one step that decides, and whatever a crash leaves before it is removed at the next opening.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

use betwixt_model::document::Scope;
use redb::ReadableTableMetadata;

use crate::aside::Aside;
use crate::disk::{Disk, FileDisk};
use crate::error::{Damage, StoreError};
use crate::files;
use crate::home::{DATABASE, Home};
use crate::keys::DataKeys;
use crate::open::OpenError;
use crate::pieces::{Told, in_pieces};
use crate::rebuild::rebuild_on;
use crate::source::{Source, Transaction};
use crate::store::{Store, StoreOptions};
use crate::tables::{Area, SCOPES, Span, guarded};
use crate::view::View;

/// What the new file is called until it is whole.
pub(crate) const SUFFIX: &str = ".shrunk";

/// A file that takes no more than this, in bytes, is never written anew: there is too little to gain.
const SMALL: u64 = 16 << 20;

/// Why the file was not written anew. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// The database is open.
    #[error("the database is in use")]
    InUse,
    /// It could not be opened, or what was written could not.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read, or the new file not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new file could not be put in its place.
    #[error("the database's new file could not be put in its place: {0}")]
    File(#[from] io::Error),
}

/// What was gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrunk {
    /// What the file took on the disk, in bytes.
    pub before: u64,
    /// What it takes.
    pub after: u64,
}

/// What a database holds: how many rows beside those of documents' snapshots, the hash of all of them in their order, and of what the
/// snapshots say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    rows: u64,
    hash: blake3::Hash,
    snapshots: blake3::Hash,
}

impl Home {
    /// Writes the database's file anew if much of it is empty: if it takes more than 16 MB, and half as much again as all rows that
    /// the last snapshot of this process saw. Nothing may use the store any more. `None` when there is nothing much to gain, or
    /// no snapshot was taken. Takes the room of all rows once more while it works, and reads and writes all of them.
    ///
    /// # Errors
    /// [`ShrinkError`]; the file is as it was, and in its place.
    pub fn shrink(&self, keys: &DataKeys) -> Result<Option<Shrunk>, ShrinkError> {
        let Some(rows) = *self.row_bytes.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(None) };
        let before = taken(&self.path().join(DATABASE))?;
        if before <= SMALL || before <= rows.saturating_add(rows / 2) {
            return Ok(None);
        }
        self.shrink_now(keys).map(Some)
    }

    /// The same whatever there is to gain.
    ///
    /// # Errors
    /// As [`Home::shrink`].
    pub fn shrink_now(&self, keys: &DataKeys) -> Result<Shrunk, ShrinkError> {
        if self.opened().is_some() {
            return Err(ShrinkError::InUse);
        }
        let (path, new) = (self.path().join(DATABASE), self.path().join(format!("{DATABASE}{SUFFIX}")));
        remove(&new)?;
        let before = taken(&path)?;
        let copied = (|| {
            // Every page is verified: what is damaged would otherwise be missing in the copy without a sign.
            let store = Store::open_in(FileDisk::new(&path), keys, StoreOptions::default(), Aside::memory())?;
            store.copy_to(FileDisk::new(&new), keys)
        })();
        let put = copied.and_then(|()| {
            fs::rename(&new, &path)?;
            files::sync_parent(&path)?;
            Ok(Shrunk { before, after: taken(&path)? })
        });
        if put.is_err() {
            // Gives back the room that the attempt took; the first failure is the one that counts.
            let _ = remove(&new);
        }
        put
    }
}

impl Store {
    /// Writes every row, as it stands, into a new database on an empty disk, as tightly as it may be, and reads it back. Both hold
    /// the same then, and the new one is durable. Snapshots of documents that are whole, and whose key is there, are written in pieces.
    ///
    /// # Errors
    /// [`ShrinkError`]; what is on the disk then is of no use. This store is as it was, unless its own disk failed.
    pub fn copy_to(&self, disk: impl Disk, keys: &DataKeys) -> Result<(), ShrinkError> {
        let view = self.read()?;
        let mut held = None;
        rebuild_on(&disk, &view.plain()?, |database| {
            let copy = &mut |scope, area, at: &[u8], sealed: &[u8]| {
                let Some(pieces) = in_pieces(view.key(scope).ok(), (scope, area), at, sealed)? else {
                    return database.put(scope, area, at, sealed);
                };
                pieces.iter().try_for_each(|(name, sealed)| database.put(scope, Area::Pieces, name, sealed))
            };
            held = Some(walk(&view, copy)?);
            Ok::<_, StoreError>(())
        })?;
        let copy = Self::open(disk, keys, StoreOptions::default())?;
        let written = copy.read()?;
        let found = walk(&written, &mut |_, _, _, _| Ok(()))?;
        if held != Some(found) || written.plain()?.commits != view.plain()?.commits {
            let what = "what was written into its new file does not read back".to_owned();
            return Err(StoreError::Damaged(Damage::File(what)).into());
        }
        Ok(())
    }
}

/// Takes a row's table, name and sealed value.
type Each<'a> = &'a mut dyn FnMut(Scope, Area, &[u8], &[u8]) -> Result<(), StoreError>;

/// Shows every row, and counts them: a page that leads elsewhere loses some without a sign.
fn walk(view: &View, each: Each<'_>) -> Result<Held, StoreError> {
    let (mut rows, mut hasher, mut snapshots) = (0, blake3::Hasher::new(), blake3::Hasher::new());
    for scope in SCOPES {
        let mut told = Told::default();
        for area in Area::ALL.iter().copied() {
            let mut scanned = 0;
            hasher.update(area.table(scope).as_bytes());
            view.scan(scope, area, Span::ALL, &mut |at, sealed| {
                scanned += 1;
                if matches!(area, Area::Snapshots | Area::Pieces) {
                    told.add(view.key(scope).ok(), (scope, area), at, sealed);
                } else {
                    rows += 1;
                    for part in [at, sealed] {
                        hasher.update(&(part.len() as u64).to_le_bytes());
                        hasher.update(part);
                    }
                }
                each(scope, area, at, sealed)?;
                Ok(true)
            })?;
            let counted = view.held().watch(guarded(|| view.with_table(scope, area, |table| Ok(table.len()?))))?;
            if counted != scanned {
                return Err(StoreError::row(area.table(scope)));
            }
        }
        snapshots.update(told.hash().as_bytes());
    }
    Ok(Held { rows, hash: hasher.finalize(), snapshots: snapshots.finalize() })
}

/// Removes what a crash left.
pub(crate) fn finish(home: &Path) -> io::Result<()> {
    remove(&home.join(format!("{DATABASE}{SUFFIX}")))
}

/// What a file takes on the disk. Its length says less: redb doubles it with the first page that is missing, and most of that is a hole.
fn taken(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    let allocated = std::os::unix::fs::MetadataExt::blocks(&metadata).saturating_mul(512);
    #[cfg(not(unix))]
    let allocated = metadata.len();
    Ok(metadata.len().min(allocated))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
