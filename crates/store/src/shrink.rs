//! The database's file written anew, without the room that years of writing left empty in it.
//!
//! redb splits a full page into two halves, and rows come in no order, so that pages are two thirds full; and its file
//! grows by doubling. Written in the order of their names, rows fill pages to the brim, and those of the index are packed, many in one
//! ([`crate::leaves`]). That is done beside the present file:
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
use crate::home::{DATABASE, Home, RowBytes};
use crate::keys::DataKeys;
use crate::open::OpenError;
use crate::packing::{Packing, each_row};
use crate::pieces::{Told, in_pieces};
use crate::rebuild::{Rebuilding, rebuild_on};
use crate::source::{Source, Transaction};
use crate::store::{Store, StoreOptions};
use crate::tables::{Area, Row, SCOPES, Span, guarded};
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
    /// Writes the database's file anew if there is much to gain: if it takes more than 16 MB, and either half as much again as all rows
    /// that the last snapshot of this process saw, or a quarter of these rows are of the index and not packed. Nothing may use the store any more. `None` when there is nothing much to gain, or
    /// no snapshot was taken. Takes the room of all rows once more while it works, and reads and writes all of them.
    ///
    /// # Errors
    /// [`ShrinkError`]; the file is as it was, and in its place.
    pub fn shrink(&self, keys: &DataKeys) -> Result<Option<Shrunk>, ShrinkError> {
        let Some(rows) = *self.row_bytes.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(None) };
        let before = taken(&self.path().join(DATABASE))?;
        if !is_worth_it(before, rows) {
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
    /// Writes every row into a new database on an empty disk, as tightly as it may be, and reads it back. Both hold the same then, and
    /// the new one is durable. Where the key is there, snapshots of documents that are whole are written in pieces, and an index that
    /// can be read is packed; everything else is written as it stands.
    ///
    /// # Errors
    /// [`ShrinkError`]; what is on the disk then is of no use. This store is as it was, unless its own disk failed.
    pub fn copy_to(&self, disk: impl Disk, keys: &DataKeys) -> Result<(), ShrinkError> {
        let view = self.read()?;
        // What cannot be read of an index is not left out without a word: verifying tells of it as before.
        let packs = SCOPES.map(|scope| view.key(scope).is_ok() && each_row(&view, scope, &mut |_, _| Ok(())).is_ok());
        let mut held = None;
        rebuild_on(&disk, &view.plain()?, |database| {
            held = Some(walk(&view, packs, &mut Copying { view: &view, database, packing: None })?);
            Ok::<_, StoreError>(())
        })?;
        let copy = Self::open(disk, keys, StoreOptions::default())?;
        let written = copy.read()?;
        let found = walk(&written, packs, &mut Looking)?;
        if held != Some(found) || written.plain()?.commits != view.plain()?.commits {
            let what = "what was written into its new file does not read back".to_owned();
            return Err(StoreError::Damaged(Damage::File(what)).into());
        }
        Ok(())
    }
}

/// Takes what a database holds.
trait Take {
    /// A row as it stands.
    fn row(&mut self, _scope: Scope, _area: Area, _at: &[u8], _sealed: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    /// A row of an index that is packed, in the order of names.
    fn indexed(&mut self, _scope: Scope, _name: &[u8], _row: &Row) -> Result<(), StoreError> {
        Ok(())
    }

    /// There are no more of these.
    fn indexed_all(&mut self, _scope: Scope) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Takes nothing.
struct Looking;

impl Take for Looking {}

/// Writes it into another database.
struct Copying<'a, 'b, 'c> {
    view: &'a View,
    database: &'b mut Rebuilding<'c>,
    packing: Option<Packing<'a>>,
}

impl Take for Copying<'_, '_, '_> {
    fn row(&mut self, scope: Scope, area: Area, at: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
        let Some(pieces) = in_pieces(self.view.key(scope).ok(), (scope, area), at, sealed)? else {
            return self.database.put(scope, area, at, sealed);
        };
        pieces.iter().try_for_each(|(name, sealed)| self.database.put(scope, Area::Pieces, name, sealed))
    }

    fn indexed(&mut self, scope: Scope, name: &[u8], row: &Row) -> Result<(), StoreError> {
        let packing = match &mut self.packing {
            Some(packing) => packing,
            none => none.insert(Packing::new(&self.view.reader(), scope)?),
        };
        packing.push(name, row, &mut |area, at, sealed| self.database.put(scope, area, at, sealed))
    }

    fn indexed_all(&mut self, scope: Scope) -> Result<(), StoreError> {
        let Some(packing) = self.packing.take() else { return Ok(()) };
        packing.finish(&mut |area, at, sealed| self.database.put(scope, area, at, sealed))
    }
}

/// Shows what there is, row by row, or of an index that is packed what its rows are, and counts: a page that leads elsewhere loses
/// some without a sign.
fn walk(view: &View, packs: [bool; 2], take: &mut dyn Take) -> Result<Held, StoreError> {
    let (mut rows, mut hasher, mut snapshots) = (0, blake3::Hasher::new(), blake3::Hasher::new());
    let enter = |hasher: &mut blake3::Hasher, part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    };
    for (scope, packs) in SCOPES.into_iter().zip(packs) {
        let mut told = Told::default();
        for area in Area::ALL.iter().copied() {
            let mut scanned = 0;
            hasher.update(area.table(scope).as_bytes());
            view.scan(scope, area, Span::ALL, &mut |at, sealed| {
                scanned += 1;
                match area {
                    Area::Rows | Area::Packed if packs => return Ok(true),
                    Area::Snapshots | Area::Pieces => told.add(view.key(scope).ok(), (scope, area), at, sealed),
                    _ => {
                        rows += 1;
                        [at, sealed].into_iter().for_each(|part| enter(&mut hasher, part));
                    }
                }
                take.row(scope, area, at, sealed)?;
                Ok(true)
            })?;
            let counted = view.held().watch(guarded(|| view.with_table(scope, area, |table| Ok(table.len()?))))?;
            if counted != scanned {
                return Err(StoreError::row(area.table(scope)));
            }
        }
        if packs {
            each_row(view, scope, &mut |name, row| {
                rows += 1;
                [name, &row.group, &row.key, &row.value].into_iter().for_each(|part| enter(&mut hasher, part));
                take.indexed(scope, name, row)
            })?;
            take.indexed_all(scope)?;
        }
        snapshots.update(told.hash().as_bytes());
    }
    Ok(Held { rows, hash: hasher.finalize(), snapshots: snapshots.finalize() })
}

/// Whether there is enough to gain, of a file that takes so much on the disk.
fn is_worth_it(taken: u64, rows: RowBytes) -> bool {
    let is_empty = taken > rows.all.saturating_add(rows.all / 2);
    taken > SMALL && (is_empty || rows.unpacked > rows.all / 4)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_anew_when_it_is_mostly_empty_or_much_of_its_index_is_not_packed() {
        let rows = |all: u64, unpacked: u64| RowBytes { all: all << 20, unpacked: unpacked << 20 };
        for (taken, rows, is_worth) in [
            (100, rows(90, 0), false),
            (100, rows(60, 0), true),
            (100, rows(90, 22), false),
            (100, rows(90, 23), true),
            (16, rows(15, 15), false),
            (16, rows(1, 1), false),
            (17, rows(15, 15), true),
        ] {
            assert_eq!(is_worth_it(taken << 20, rows), is_worth, "{taken} {rows:?}");
        }
    }
}
