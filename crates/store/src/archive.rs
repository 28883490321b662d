//! The format of snapshots and backups: every row of the database as it stands there, sealed, and a checksum over all.
//!
//! One file: the header (magic, format, the data keys' ids, the number of commits, the keys file or nothing), then a
//! record for every table and row, the number of rows, and the BLAKE3 of everything before. Nothing in a file is used
//! before its checksum was verified.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use betwixt_model::document::Scope;

use crate::error::StoreError;
use crate::keys::KeyId;
use crate::open::Plain;
use crate::source::Source;
use crate::tables::{Area, SCOPES, Span};
use crate::view::View;

const MAGIC: &[u8; 16] = b"betwixt archive\n";
const FORMAT: u32 = 1;
pub(crate) const CHECKSUM: &str = "betwixt 1 archive checksum";
const END: u8 = 0xff;
const ROW: u8 = 0xfe;

/// The longest key and value that are read, in bytes.
const MAX_KEY: u32 = 1024;
const MAX_VALUE: u32 = 1 << 30;

/// Why a snapshot or a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It was altered or cut short.
    #[error("{} is damaged ({what}): use another snapshot or backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Made by a newer version.
    #[error("{} has format {format}, made by a newer version of Betwixt: update this one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

struct Hashing<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes an archive, row by row.
pub(crate) struct Writer<W: Write> {
    out: Hashing<BufWriter<W>>,
    rows: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn begin(out: W, plain: &Plain, keys_file: &[u8]) -> io::Result<Self> {
        let hasher = blake3::Hasher::new_derive_key(CHECKSUM);
        let mut out = Hashing { inner: BufWriter::new(out), hasher };
        out.write_all(MAGIC)?;
        out.write_all(&FORMAT.to_le_bytes())?;
        plain.keys.iter().try_for_each(|key| out.write_all(key.as_bytes()))?;
        out.write_all(&plain.commits.to_le_bytes())?;
        out.write_all(&(keys_file.len() as u32).to_le_bytes())?;
        out.write_all(keys_file)?;
        Ok(Self { out, rows: 0 })
    }

    pub(crate) fn table(&mut self, scope: Scope, area: Area) -> io::Result<()> {
        let name = area.table(scope);
        self.out.write_all(&[name.len() as u8])?;
        self.out.write_all(name.as_bytes())
    }

    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows += 1;
        self.out.write_all(&[ROW])?;
        self.out.write_all(&(key.len() as u32).to_le_bytes())?;
        self.out.write_all(&(value.len() as u32).to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(value)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[END])?;
        self.out.write_all(&self.rows.to_le_bytes())?;
        let checksum = self.out.hasher.finalize();
        self.out.inner.write_all(checksum.as_bytes())?;
        self.out.inner.flush()
    }
}

/// Writes everything that a view shows.
pub(crate) fn write(view: &View, out: impl Write, keys_file: &[u8]) -> Result<(), StoreError> {
    let mut writer = Writer::begin(out, &view.plain()?, keys_file)?;
    for scope in SCOPES {
        for area in Area::ALL {
            writer.table(scope, *area)?;
            view.scan(scope, *area, Span::ALL, &mut |key, value| {
                writer.row(key, value)?;
                Ok(true)
            })?;
        }
    }
    Ok(writer.finish()?)
}

/// An archive whose checksum was verified.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    file: BufReader<File>,
    pub(crate) plain: Plain,
    pub(crate) keys_file: Vec<u8>,
    rows: u64,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::File { path: path.to_owned(), source };
        let damaged = |what: &str| ArchiveError::Damaged { path: path.to_owned(), what: what.to_owned() };
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let body = length.checked_sub(32).ok_or_else(|| damaged("it is cut short"))?;
        let mut hasher = blake3::Hasher::new_derive_key(CHECKSUM);
        io::copy(&mut (&mut file).take(body), &mut hasher).map_err(failed)?;
        let mut checksum = [0; 32];
        file.read_exact(&mut checksum).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut magic = [0; 16];
        file.read_exact(&mut magic).map_err(failed)?;
        if magic != *MAGIC {
            return Err(damaged("it is no snapshot or backup of Betwixt"));
        }
        if hasher.finalize() != blake3::Hash::from_bytes(checksum) {
            return Err(damaged("its checksum is wrong"));
        }
        let mut file = BufReader::new(file);
        let (plain, keys_file) = header(&mut file, path)?;
        Ok(Self { path: path.to_owned(), file, plain, keys_file, rows: 0 })
    }

    /// Hands over every row with its table.
    pub(crate) fn rows<E: From<ArchiveError>>(
        mut self,
        mut each: impl FnMut(Scope, Area, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut table = None;
        loop {
            let mut tag = [0];
            self.read(&mut tag)?;
            match tag[0] {
                END => break,
                ROW => {
                    let (key, value) = self.row()?;
                    let (scope, area) = table.ok_or_else(|| self.damaged("a row without a table"))?;
                    each(scope, area, &key, &value)?;
                    self.rows += 1;
                }
                length => {
                    let mut name = vec![0; usize::from(length)];
                    self.read(&mut name)?;
                    let found = SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, *area)));
                    let found = found.into_iter().find(|(scope, area)| area.table(*scope).as_bytes() == name);
                    table = Some(found.ok_or_else(|| self.damaged("an unknown table"))?);
                }
            }
        }
        let mut count = [0; 8];
        self.read(&mut count)?;
        if u64::from_le_bytes(count) != self.rows {
            return Err(self.damaged("rows are missing").into());
        }
        Ok(self.rows)
    }

    fn row(&mut self) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
        let mut lengths = [0; 8];
        self.read(&mut lengths)?;
        let (key, value) = lengths.split_at(4);
        let length = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
        let (key, value) = (length(key), length(value));
        if key > MAX_KEY || value > MAX_VALUE {
            return Err(self.damaged("a row that is too long"));
        }
        Ok((self.bytes(key)?, self.bytes(value)?))
    }

    /// As many bytes. Takes the memory of what is there, and not of what a length claims.
    fn bytes(&mut self, length: u32) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(length.into()).read_to_end(&mut bytes);
        let count = read.map_err(|source| ArchiveError::File { path: self.path.clone(), source })?;
        if count < length as usize { Err(self.damaged("it is cut short")) } else { Ok(bytes) }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        read_exact(&mut self.file, &self.path, bytes)
    }

    fn damaged(&self, what: &str) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), what: what.to_owned() }
    }
}

fn read_exact(file: &mut impl Read, path: &Path, bytes: &mut [u8]) -> Result<(), ArchiveError> {
    file.read_exact(bytes).map_err(|source| ArchiveError::File { path: path.to_owned(), source })
}

/// Reads what follows the magic.
fn header(file: &mut impl Read, path: &Path) -> Result<(Plain, Vec<u8>), ArchiveError> {
    let (mut format, mut keys, mut commits, mut length) = ([0; 4], [[0; 16]; 2], [0; 8], [0; 4]);
    read_exact(file, path, &mut format)?;
    let format = u32::from_le_bytes(format);
    if format > FORMAT {
        return Err(ArchiveError::Newer { path: path.to_owned(), format });
    }
    read_exact(file, path, &mut keys[0])?;
    read_exact(file, path, &mut keys[1])?;
    read_exact(file, path, &mut commits)?;
    read_exact(file, path, &mut length)?;
    let length = u32::from_le_bytes(length);
    if u64::from(length) > crate::keys::file::MAX_FILE {
        return Err(ArchiveError::Damaged { path: path.to_owned(), what: "its keys are too long".into() });
    }
    let mut keys_file = vec![0; length as usize];
    read_exact(file, path, &mut keys_file)?;
    Ok((Plain { keys: keys.map(KeyId::from_bytes), commits: u64::from_le_bytes(commits) }, keys_file))
}
