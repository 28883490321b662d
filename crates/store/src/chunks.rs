//! Pieces of snapshots, each in a file that is named by its content: what did not change since yesterday is written once, and
//! today's snapshot names it, too.
//!
//! A chunk is some rows of one table, as they stand in the database, sealed ([`ends_behind`] says which). Nothing is taken from a
//! chunk's file before its hash is that of its name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::files;

/// The directory of the chunks, beside the snapshots that name them.
pub(crate) const CHUNKS: &str = "chunks";

/// How long a chunk is in the mean, in bytes. A day's writing touches a few dozen of them.
const MEAN: u32 = 64 << 10;

/// The longest that is read: a row of the longest kind, and what may stand beside it.
const MAX_CHUNK: u64 = (1 << 30) + (1 << 20);

/// The BLAKE3 of a chunk's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkName(pub(crate) [u8; 32]);

impl ChunkName {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 snapshot chunk");
        hasher.update(bytes);
        Self(*hasher.finalize().as_bytes())
    }

    fn file(&self) -> String {
        betwixt_model::ids::encode_base32(&self.0)
    }
}

/// Whether a chunk ends behind a row. That is decided by the rows' names alone: a row that is added or changed changes the chunk that
/// it is in, and no other. The likelihood is in proportion to the row's length, so that chunks of small rows and of long ones have the
/// same size, and a long row has one of its own.
pub(crate) fn ends_behind(key: &[u8], value: &[u8]) -> bool {
    let hash = blake3::hash(key);
    let draw = u32::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], 0]) % MEAN;
    (draw as usize) < key.len() + value.len()
}

/// The directory of the chunks.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    directory: PathBuf,
}

impl Chunks {
    /// Those that the snapshots in a directory name.
    pub(crate) fn beside(snapshot: &Path) -> Self {
        Self { directory: snapshot.with_file_name(CHUNKS) }
    }

    fn path(&self, name: &ChunkName) -> PathBuf {
        self.directory.join(name.file())
    }

    /// Keeps a chunk; answers its name and whether it had to be written. One that is there and no longer whole is written
    /// anew, which mends every snapshot that names it. Durable when it returns.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<(ChunkName, bool), ArchiveError> {
        let name = ChunkName::of(bytes);
        if self.read(&name).is_ok() {
            return Ok((name, false));
        }
        let path = self.path(&name);
        let failed = |source| ArchiveError::File { path: path.clone(), source };
        files::make_directory(&self.directory).map_err(failed)?;
        files::replace(&path, bytes).map_err(failed)?;
        // What a disk took without a word is read back before a snapshot counts on it.
        self.read(&name)?;
        Ok((name, true))
    }

    /// A chunk's bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] when they are not those that the name says, or not there.
    pub(crate) fn read(&self, name: &ChunkName) -> Result<Vec<u8>, ArchiveError> {
        let path = self.path(name);
        let damaged = |what: &str| ArchiveError::Damaged { path: path.clone(), what: what.to_owned() };
        let bytes = match fs::metadata(&path).and_then(|metadata| {
            if metadata.len() > MAX_CHUNK { Err(io::ErrorKind::FileTooLarge.into()) } else { fs::read(&path) }
        }) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("a part of it is missing")),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(damaged("a part of it is too long"));
            }
            Err(source) => return Err(ArchiveError::File { path, source }),
        };
        if ChunkName::of(&bytes) == *name { Ok(bytes) } else { Err(damaged("a part of it was altered")) }
    }

    /// Lets go of every chunk but these.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not be removed; the others are gone then, or not.
    pub(crate) fn retain(&self, named: &BTreeSet<ChunkName>) -> io::Result<()> {
        let kept: BTreeSet<String> = named.iter().map(ChunkName::file).collect();
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(|name| !kept.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_changes_changes_one_chunk() {
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            (0..20_000u32).map(|n| (blake3::hash(&n.to_le_bytes()).as_bytes()[..16].to_vec(), vec![7; 150])).collect();
        let cut = |rows: &[(Vec<u8>, Vec<u8>)]| {
            let mut chunks = vec![Vec::new()];
            for (key, value) in rows {
                let chunk = chunks.last_mut().expect("there is one");
                chunk.extend_from_slice(key);
                chunk.extend_from_slice(value);
                if ends_behind(key, value) {
                    chunks.push(Vec::new());
                }
            }
            chunks.iter().map(|chunk| ChunkName::of(chunk)).collect::<BTreeSet<_>>()
        };
        let before = cut(&rows);
        // 3.3 MB in pieces of 64 KB in the mean.
        assert!((35..75).contains(&before.len()), "{}", before.len());
        let mut changed = rows.clone();
        changed[7_000].1[3] ^= 1;
        assert_eq!(cut(&changed).difference(&before).count(), 1);
        changed = rows;
        changed.insert(9_000, (vec![1; 16], vec![7; 150]));
        assert!(cut(&changed).difference(&before).count() <= 2);
    }

    #[test]
    fn a_chunk_that_is_no_longer_whole_is_never_read_and_is_written_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let chunks = Chunks::beside(&directory.path().join("2027-01-31.snapshot"));
        let (name, written) = chunks.keep(b"some rows").expect("is kept");
        assert!(written);
        assert!(!chunks.keep(b"some rows").expect("is there").1);
        fs::write(chunks.path(&name), b"some rovs").expect("is altered");
        assert!(matches!(chunks.read(&name), Err(ArchiveError::Damaged { .. })));
        assert!(chunks.keep(b"some rows").expect("is mended").1);
        assert_eq!(chunks.read(&name).expect("reads"), b"some rows");
        chunks.retain(&BTreeSet::new()).expect("goes");
        assert!(matches!(chunks.read(&name), Err(ArchiveError::Damaged { .. })));
    }
}
