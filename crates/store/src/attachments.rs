//! Attached files: in `attachments/`, one directory a scope, each file under the name that its fact gives it.
//!
//! A file is whole under its name, or it is a part that ends with `.part`, to which chunks are added as they come from another
//! device. What opens it is in the fact that names it, which is sealed in the database: here lie no keys. So a scope that is
//! locked locks its files, and a fact that a chapter erased takes the key of its file with it.
//!
//! The names tell how many files there are and how long; not what they are, nor whether somebody else has the same.

mod adding;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use betwixt_model::attachment::{Attached, CHUNK, Digest, TAG, sealed_chunk_bytes};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, HouseholdId};

use crate::files;

pub use adding::Adding;
pub use sealed::{BadChunk, open_chunk};
use sealed::{SEALED, sealed_bytes};

/// The directory in a home.
pub(crate) const ATTACHMENTS: &str = "attachments";
const PART: &str = ".part";
const NEW: &str = ".new";

/// How long a file stays that no fact names. In a home that was put back to an earlier state the fact may come again from
/// another device, and the file may be there nowhere else.
pub const UNNAMED_STAYS: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long what an interrupted adding left stays.
const UNFINISHED_STAYS: Duration = Duration::from_secs(24 * 3600);

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    File {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It is not here, or not whole yet.
    #[error("the file is not here")]
    NotHere,
    /// It is longer than a file may be.
    #[error("the file is too large")]
    TooLarge,
    /// It is not what its fact says.
    #[error("the file is damaged")]
    Damaged,
    /// A chunk that does not come next.
    #[error("a piece of the file came out of turn")]
    OutOfTurn,
}

impl AttachmentError {
    fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NotHere,
            _ => Self::File { path: path.clone(), source },
        }
    }

    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::File { source, .. } if full.contains(&source.kind()))
    }
}

impl From<BadChunk> for AttachmentError {
    fn from(_: BadChunk) -> Self {
        Self::Damaged
    }
}

/// The files of a scope that are on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Those that are whole, with their length on the disk.
    pub whole: BTreeMap<AttachmentId, u64>,
    /// Those of which a part is here, with its length.
    pub parts: BTreeMap<AttachmentId, u64>,
}

/// The attached files of a home. Everything here blocks.
#[derive(Debug, Clone)]
pub struct Attachments {
    root: PathBuf,
}

impl Attachments {
    /// Those of the home in this directory.
    pub fn of(home: &Path) -> Self {
        Self { root: home.join(ATTACHMENTS) }
    }

    fn directory(&self, scope: Scope) -> PathBuf {
        self.root.join(scope.name())
    }

    /// Where a file lies when it is whole.
    pub fn path(&self, scope: Scope, id: &AttachmentId) -> PathBuf {
        self.directory(scope).join(id.to_string())
    }

    fn part(&self, scope: Scope, id: &AttachmentId) -> PathBuf {
        self.directory(scope).join(format!("{id}{PART}"))
    }

    /// What is on the disk, by the names alone.
    ///
    /// # Errors
    /// [`AttachmentError::File`].
    pub fn stock(&self, scope: Scope) -> Result<Stock, AttachmentError> {
        let directory = self.directory(scope);
        let mut stock = Stock::default();
        for (name, bytes) in files::list(&directory).map_err(AttachmentError::file(&directory))? {
            match name.strip_suffix(PART) {
                Some(part) => stock.parts.extend(part.parse().map(|id| (id, bytes))),
                None => stock.whole.extend(name.parse().map(|id| (id, bytes))),
            }
        }
        Ok(stock)
    }

    /// Takes away what nothing names any more: files that were last written [`UNNAMED_STAYS`] before `now`, and what interrupted
    /// addings left. `named` is everything that any fact of the scope names, all of which has been read.
    ///
    /// # Errors
    /// [`AttachmentError::File`]; what else can be taken away is.
    pub fn sweep(
        &self,
        scope: Scope,
        named: &BTreeSet<AttachmentId>,
        now: SystemTime,
    ) -> Result<usize, AttachmentError> {
        let directory = self.directory(scope);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(AttachmentError::file(&directory))?,
        };
        let (mut swept, mut failed) = (0, None);
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let stays = if name.ends_with(NEW) {
                UNFINISHED_STAYS
            } else {
                match name.strip_suffix(PART).unwrap_or(name).parse::<AttachmentId>() {
                    Ok(id) if !named.contains(&id) => UNNAMED_STAYS,
                    // Somebody's own file is left alone, too.
                    _ => continue,
                }
            };
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            let old = written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > stays));
            match old.then(|| fs::remove_file(entry.path())) {
                None => {}
                Some(Ok(())) => swept += 1,
                Some(Err(error)) => failed = Some(AttachmentError::file(&entry.path())(error)),
            }
        }
        failed.map_or(Ok(swept), Err)
    }

    /// Takes a file away, and what there is of a part of it.
    ///
    /// # Errors
    /// [`AttachmentError::File`].
    pub fn remove(&self, scope: Scope, id: &AttachmentId) -> Result<(), AttachmentError> {
        for path in [self.path(scope, id), self.part(scope, id)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(AttachmentError::file(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A chunk as it lies on the disk, after it was seen that it opens: another device is not handed what is damaged.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn sealed_chunk(&self, scope: Scope, file: &Attached, chunk: u32) -> Result<Vec<u8>, AttachmentError> {
        let sealed = read_chunk(&self.path(scope, &file.id()), file, chunk)?;
        open_chunk(file, chunk, &sealed)?;
        Ok(sealed)
    }

    /// Hands what is in a file to `each`, piece by piece.
    ///
    /// # Errors
    /// [`AttachmentError`], or what `each` says.
    pub fn read<E: From<AttachmentError>>(
        &self,
        scope: Scope,
        file: &Attached,
        each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        read_all(&self.path(scope, &file.id()), file, each)
    }

    /// Whether a file is what its fact says, to the last byte.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn check(&self, scope: Scope, space: &HouseholdId, file: &Attached) -> Result<(), AttachmentError> {
        check(&self.path(scope, &file.id()), space, file)
    }

    /// How many chunks of a file are here of which a part came. What of the part does not open is cut off.
    ///
    /// # Errors
    /// [`AttachmentError::File`].
    pub fn resume(&self, scope: Scope, file: &Attached) -> Result<u32, AttachmentError> {
        let path = self.part(scope, &file.id());
        let length = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(AttachmentError::file(&path))?.len(),
        };
        let mut chunks = 0;
        // The last chunk is not kept: whoever adds it makes the file whole.
        while chunks + 1 < file.chunks() {
            match read_chunk(&path, file, chunks).and_then(|sealed| Ok(open_chunk(file, chunks, &sealed)?)) {
                Ok(_) => chunks += 1,
                Err(AttachmentError::Damaged) => break,
                Err(error) => return Err(error),
            }
        }
        let whole = u64::from(chunks) * SEALED;
        if whole < length {
            let part = OpenOptions::new().write(true).open(&path).map_err(AttachmentError::file(&path))?;
            part.set_len(whole).map_err(AttachmentError::file(&path))?;
        }
        Ok(chunks)
    }

    /// Adds the next chunk to a part, if it opens. Answers whether the file is whole now, checked to the last byte and on the
    /// disk under its name.
    ///
    /// # Errors
    /// [`AttachmentError`]; for [`AttachmentError::Damaged`] at the last chunk nothing of the file is left.
    pub fn append(
        &self,
        scope: Scope,
        space: &HouseholdId,
        file: &Attached,
        chunk: u32,
        sealed: &[u8],
    ) -> Result<bool, AttachmentError> {
        open_chunk(file, chunk, sealed)?;
        let directory = self.directory(scope);
        files::make_directory(&directory).map_err(AttachmentError::file(&directory))?;
        let path = self.part(scope, &file.id());
        let failed = || AttachmentError::file(&path);
        let mut part = open_part(&path).map_err(failed())?;
        let before = u64::from(chunk) * SEALED;
        let length = part.metadata().map_err(failed())?.len();
        if length < before {
            return Err(AttachmentError::OutOfTurn);
        }
        // What a write left that did not come to its end.
        if length > before {
            part.set_len(before).map_err(failed())?;
        }
        part.seek(SeekFrom::Start(before)).and_then(|_| part.write_all(sealed)).map_err(failed())?;
        if chunk + 1 < file.chunks() {
            return Ok(false);
        }
        part.sync_all().map_err(failed())?;
        drop(part);
        if let Err(error) = check(&path, space, file) {
            if matches!(error, AttachmentError::Damaged) {
                // Nothing that came later could make it whole.
                let _ = fs::remove_file(&path);
            }
            return Err(error);
        }
        let whole = self.path(scope, &file.id());
        fs::rename(&path, &whole).and_then(|()| files::sync_parent(&whole)).map_err(failed())?;
        Ok(true)
    }
}

fn open_part(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read_chunk(path: &Path, file: &Attached, chunk: u32) -> Result<Vec<u8>, AttachmentError> {
    let failed = || AttachmentError::file(path);
    let bytes = sealed_chunk_bytes(file.bytes, chunk).ok_or(AttachmentError::Damaged)?;
    let mut opened = File::open(path).map_err(failed())?;
    opened.seek(SeekFrom::Start(u64::from(chunk) * SEALED)).map_err(failed())?;
    let mut sealed = Vec::with_capacity(bytes);
    opened.take(bytes as u64).read_to_end(&mut sealed).map_err(failed())?;
    Ok(sealed)
}

fn read_all<E: From<AttachmentError>>(
    path: &Path,
    file: &Attached,
    mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let failed = || AttachmentError::file(path);
    let mut opened = File::open(path).map_err(failed())?;
    if opened.metadata().map_err(failed())?.len() != sealed_bytes(file.bytes) {
        return Err(AttachmentError::Damaged.into());
    }
    let mut sealed = Vec::with_capacity(CHUNK + TAG);
    for chunk in 0..file.chunks() {
        sealed.resize(sealed_chunk_bytes(file.bytes, chunk).ok_or(AttachmentError::Damaged)?, 0);
        opened.read_exact(&mut sealed).map_err(failed())?;
        each(open_chunk(file, chunk, &sealed).map_err(AttachmentError::from)?)?;
    }
    Ok(())
}

fn check(path: &Path, space: &HouseholdId, file: &Attached) -> Result<(), AttachmentError> {
    let mut digest = Digest::new(space);
    read_all(path, file, |piece| {
        digest.update(&piece);
        Ok::<_, AttachmentError>(())
    })?;
    if digest.finish(&file.media).id() == file.id() { Ok(()) } else { Err(AttachmentError::Damaged) }
}
