//! The format of snapshots and backups: rows of the database as they stand there, sealed, and a checksum over all.
//!
//! A backup is one file: the header (magic, format, the data keys' ids, the number of commits, the keys file or nothing), then
//! a record for every table and row, the number of rows, and the BLAKE3 of everything before. A snapshot has the same header,
//! with another format, and names the [chunks](crate::chunks) that hold its records instead. Nothing in a file is used before
//! its checksum was verified.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use betwixt_model::document::Scope;

use crate::chunks::{ChunkName, Chunks, ends_behind};
use crate::error::StoreError;
use crate::keys::KeyId;
use crate::open::Plain;
use crate::source::Source;
use crate::tables::{Area, SCOPES, Span};
use crate::view::View;

const MAGIC: &[u8; 16] = b"betwixt archive\n";
/// The format of one file with everything in it, and of one that names chunks.
const WHOLE: u32 = 3;
const CHUNKED: u32 = 4;
/// The same from before documents' snapshots were in pieces, of which a build of then knows nothing. They are read alike.
const WHOLE_BEFORE: u32 = 1;
const CHUNKED_BEFORE: u32 = 2;
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

fn put_table(out: &mut impl Write, scope: Scope, area: Area) -> io::Result<()> {
    let name = area.table(scope);
    out.write_all(&[name.len() as u8])?;
    out.write_all(name.as_bytes())
}

fn put_row(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&[ROW])?;
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(value.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

fn begin<W: Write>(out: W, format: u32, plain: &Plain, keys_file: &[u8]) -> io::Result<Hashing<BufWriter<W>>> {
    let hasher = blake3::Hasher::new_derive_key(CHECKSUM);
    let mut out = Hashing { inner: BufWriter::new(out), hasher };
    out.write_all(MAGIC)?;
    out.write_all(&format.to_le_bytes())?;
    plain.keys.iter().try_for_each(|key| out.write_all(key.as_bytes()))?;
    out.write_all(&plain.commits.to_le_bytes())?;
    out.write_all(&(keys_file.len() as u32).to_le_bytes())?;
    out.write_all(keys_file)?;
    Ok(out)
}

fn finish<W: Write>(mut out: Hashing<BufWriter<W>>) -> io::Result<()> {
    let checksum = out.hasher.finalize();
    out.inner.write_all(checksum.as_bytes())?;
    out.inner.flush()
}

/// Writes an archive in one file, row by row.
pub(crate) struct Writer<W: Write> {
    out: Hashing<BufWriter<W>>,
    rows: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn begin(out: W, plain: &Plain, keys_file: &[u8]) -> io::Result<Self> {
        Ok(Self { out: begin(out, WHOLE, plain, keys_file)?, rows: 0 })
    }

    pub(crate) fn table(&mut self, scope: Scope, area: Area) -> io::Result<()> {
        put_table(&mut self.out, scope, area)
    }

    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows += 1;
        put_row(&mut self.out, key, value)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[END])?;
        self.out.write_all(&self.rows.to_le_bytes())?;
        finish(self.out)
    }
}

/// Gathers rows in chunks, for an archive that names them.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    chunks: Chunks,
    names: Vec<(ChunkName, u64)>,
    table: Option<(Scope, Area)>,
    gathered: Vec<u8>,
    rows: u64,
}

impl ChunkWriter {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { chunks, names: Vec::new(), table: None, gathered: Vec::new(), rows: 0 }
    }

    /// One row more. Those of a table come one after the other.
    pub(crate) fn row(&mut self, scope: Scope, area: Area, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        if self.table != Some((scope, area)) {
            self.cut()?;
        }
        self.add(scope, area, key, value);
        if ends_behind(key, value) { self.cut() } else { Ok(()) }
    }

    /// One row more in the same chunk, wherever a chunk would end by itself.
    pub(crate) fn add(&mut self, scope: Scope, area: Area, key: &[u8], value: &[u8]) {
        const MEMORY: &str = "writing to memory cannot fail";
        if self.table.replace((scope, area)) != Some((scope, area)) || self.gathered.is_empty() {
            put_table(&mut self.gathered, scope, area).expect(MEMORY);
        }
        put_row(&mut self.gathered, key, value).expect(MEMORY);
        self.rows += 1;
    }

    /// Ends the chunk, if there is anything in it.
    pub(crate) fn cut(&mut self) -> Result<(), ArchiveError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.gathered.push(END);
        let (name, _) = self.chunks.keep(&self.gathered)?;
        self.names.push((name, self.gathered.len() as u64));
        self.gathered.clear();
        Ok(())
    }

    /// The same chunk that another archive names, which holds so many rows.
    pub(crate) fn again(&mut self, name: ChunkName, length: u64, rows: u64) {
        self.names.push((name, length));
        self.rows += rows;
    }

    /// The chunks so far.
    pub(crate) fn names(&self) -> &[(ChunkName, u64)] {
        &self.names
    }

    /// How many rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the archive that names them.
    pub(crate) fn finish(mut self, out: impl Write, plain: &Plain, path: &Path) -> Result<(), ArchiveError> {
        self.cut()?;
        let failed = |source| ArchiveError::File { path: path.to_owned(), source };
        let write = || {
            let mut out = begin(out, CHUNKED, plain, &[])?;
            out.write_all(&(self.names.len() as u32).to_le_bytes())?;
            for (name, length) in &self.names {
                out.write_all(&name.0)?;
                out.write_all(&length.to_le_bytes())?;
            }
            out.write_all(&self.rows.to_le_bytes())?;
            finish(out)
        };
        write().map_err(failed)
    }
}

/// Writes everything that a view shows and that does not follow from the rest.
pub(crate) fn write(view: &View, out: impl Write, keys_file: &[u8]) -> Result<(), StoreError> {
    let mut writer = Writer::begin(out, &view.plain()?, keys_file)?;
    for scope in SCOPES {
        for area in Area::ALL.iter().filter(|area| !area.is_derived()) {
            writer.table(scope, *area)?;
            view.scan(scope, *area, Span::ALL, &mut |key, value| {
                writer.row(key, value)?;
                Ok(true)
            })?;
        }
    }
    Ok(writer.finish()?)
}

/// An archive whose checksum was verified, and those of its chunks.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    contents: Contents,
    pub(crate) plain: Plain,
    pub(crate) keys_file: Vec<u8>,
}

#[derive(Debug)]
enum Contents {
    Whole(BufReader<File>),
    Chunked { chunks: Chunks, names: Vec<(ChunkName, u64)>, rows: u64 },
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let archive = Self::open_unread(path)?;
        if let Contents::Chunked { chunks, names, .. } = &archive.contents {
            for (name, _) in names {
                chunks.read(name)?;
            }
        }
        Ok(archive)
    }

    /// The same, for what is asked of the file alone: its chunks are not looked at.
    pub(crate) fn open_unread(path: &Path) -> Result<Self, ArchiveError> {
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
        let (format, plain, keys_file) = header(&mut file, path)?;
        let contents = match format {
            WHOLE | WHOLE_BEFORE => Contents::Whole(file),
            CHUNKED | CHUNKED_BEFORE => chunked(file, path)?,
            _ => return Err(damaged("its format is none")),
        };
        Ok(Self { path: path.to_owned(), contents, plain, keys_file })
    }

    /// The chunks that it names, with their lengths in bytes; none when everything is in the file.
    pub(crate) fn chunks(&self) -> &[(ChunkName, u64)] {
        match &self.contents {
            Contents::Whole(_) => &[],
            Contents::Chunked { names, .. } => names,
        }
    }

    /// Hands over every row with its table; answers how many they are.
    pub(crate) fn rows<E: From<ArchiveError>>(
        self,
        mut each: impl FnMut(Scope, Area, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (found, told) = match self.contents {
            Contents::Whole(mut file) => {
                let found = records(&mut file, &self.path, &mut each)?;
                let mut told = [0; 8];
                read_exact(&mut file, &self.path, &mut told)?;
                (found, u64::from_le_bytes(told))
            }
            Contents::Chunked { chunks, names, rows } => {
                let mut found = 0;
                for (name, _) in names {
                    found += records(&mut chunks.read(&name)?.as_slice(), &self.path, &mut each)?;
                }
                (found, rows)
            }
        };
        if found != told {
            return Err(ArchiveError::Damaged { path: self.path, what: "rows are missing".to_owned() }.into());
        }
        Ok(found)
    }
}

/// Reads records up to their end, and answers how many rows there were.
pub(crate) fn records<E: From<ArchiveError>>(
    input: &mut impl Read,
    path: &Path,
    each: &mut impl FnMut(Scope, Area, &[u8], &[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let damaged = |what: &str| ArchiveError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let (mut table, mut rows) = (None, 0);
    loop {
        let mut tag = [0];
        read_exact(input, path, &mut tag)?;
        match tag[0] {
            END => return Ok(rows),
            ROW => {
                let (key, value) = row(input, path)?;
                let (scope, area) = table.ok_or_else(|| damaged("a row without a table"))?;
                each(scope, area, &key, &value)?;
                rows += 1;
            }
            length => {
                let mut name = vec![0; usize::from(length)];
                read_exact(input, path, &mut name)?;
                let found = SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, *area)));
                let found = found.into_iter().find(|(scope, area)| area.table(*scope).as_bytes() == name);
                table = Some(found.ok_or_else(|| damaged("an unknown table"))?);
            }
        }
    }
}

fn row(input: &mut impl Read, path: &Path) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
    let mut lengths = [0; 8];
    read_exact(input, path, &mut lengths)?;
    let (key, value) = lengths.split_at(4);
    let length = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
    let (key, value) = (length(key), length(value));
    if key > MAX_KEY || value > MAX_VALUE {
        return Err(ArchiveError::Damaged { path: path.to_owned(), what: "a row that is too long".to_owned() });
    }
    Ok((bytes(input, path, key)?, bytes(input, path, value)?))
}

/// As many bytes. Takes the memory of what is there, and not of what a length claims.
fn bytes(input: &mut impl Read, path: &Path, length: u32) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    let read = input.take(length.into()).read_to_end(&mut bytes);
    let count = read.map_err(|source| ArchiveError::File { path: path.to_owned(), source })?;
    if count < length as usize {
        return Err(ArchiveError::Damaged { path: path.to_owned(), what: "it is cut short".to_owned() });
    }
    Ok(bytes)
}

fn read_exact(file: &mut impl Read, path: &Path, bytes: &mut [u8]) -> Result<(), ArchiveError> {
    file.read_exact(bytes).map_err(|source| ArchiveError::File { path: path.to_owned(), source })
}

/// Reads what follows the magic.
fn header(file: &mut impl Read, path: &Path) -> Result<(u32, Plain, Vec<u8>), ArchiveError> {
    let (mut format, mut keys, mut commits, mut length) = ([0; 4], [[0; 16]; 2], [0; 8], [0; 4]);
    read_exact(file, path, &mut format)?;
    let format = u32::from_le_bytes(format);
    if format > CHUNKED {
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
    let plain = Plain { keys: keys.map(KeyId::from_bytes), commits: u64::from_le_bytes(commits) };
    Ok((format, plain, keys_file))
}

/// Reads which chunks there are.
fn chunked(mut file: impl Read, path: &Path) -> Result<Contents, ArchiveError> {
    let mut count = [0; 4];
    read_exact(&mut file, path, &mut count)?;
    let (mut names, mut length) = (Vec::new(), [0; 8]);
    for _ in 0..u32::from_le_bytes(count) {
        let mut name = ChunkName([0; 32]);
        read_exact(&mut file, path, &mut name.0)?;
        read_exact(&mut file, path, &mut length)?;
        names.push((name, u64::from_le_bytes(length)));
    }
    let mut rows = [0; 8];
    read_exact(&mut file, path, &mut rows)?;
    Ok(Contents::Chunked { chunks: Chunks::beside(path), names, rows: u64::from_le_bytes(rows) })
}
