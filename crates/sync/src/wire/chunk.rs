//! Automerge's chunks, measured before Automerge reads them: changes, compressed or not, and saved documents.
//!
//! A chunk can claim far more than it holds in three ways, and Automerge bounds none: deflated bytes, runs (a column says
//! "this value, 2^60 times"), and lengths. Everything is inflated here with a bound, and every column's runs are counted,
//! so that what Automerge does with a chunk that was measured is proportional to the caps. Hostile bytes that pass still
//! make Automerge panic at times; every call of it here catches that.
//!
//! The format: <https://automerge.org/automerge-binary-format-spec/>.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, Change};
use flate2::bufread::DeflateDecoder;
use sha2::{Digest, Sha256};

use super::caps;
use super::codec::{Malformed, Reader, write_unsigned};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;

/// The longest actor id. Ours have 16 bytes.
const ACTOR: usize = 64;

/// Why a chunk is not given to Automerge, or what Automerge said to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not of a chunk's shape.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The checksum is not that of the bytes.
    #[error("wrong checksum")]
    Checksum,
    /// Inflates to more than [`caps::INFLATED`].
    #[error("inflates to too much")]
    Bomb,
    /// The deflated bytes cannot be inflated.
    #[error("cannot be inflated")]
    Deflate,
    /// Has, or claims to have, more than [`caps::OPERATIONS`] operations.
    #[error("too many operations")]
    TooManyOperations,
    /// Automerge would write it otherwise.
    #[error("not in the one spelling of a change")]
    NotCanonical,
    /// Automerge cannot read it.
    #[error("Automerge refuses it")]
    Refused,
    /// Automerge panicked.
    #[error("Automerge panicked over it")]
    Panicked,
}

/// What one message or one whole document may use up.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: usize,
    rows: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: caps::INFLATED, rows: caps::OPERATIONS }
    }
}

impl Budget {
    fn spend_bytes(&mut self, bytes: u64) -> Result<(), ChunkError> {
        let bytes = usize::try_from(bytes).map_err(|_| ChunkError::Bomb)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(ChunkError::Bomb)?;
        Ok(())
    }

    fn inflate(&mut self, deflated: &[u8]) -> Result<Vec<u8>, ChunkError> {
        let mut inflated = Vec::new();
        let limit = self.bytes as u64 + 1;
        let decoder = DeflateDecoder::new(deflated);
        decoder.take(limit).read_to_end(&mut inflated).map_err(|_| ChunkError::Deflate)?;
        self.spend_bytes(inflated.len() as u64)?;
        Ok(inflated)
    }
}

/// Reads one change chunk, compressed or not.
///
/// A change has one spelling: that in which Automerge writes it. A document keeps what its changes say and not their bytes,
/// and writes them anew; one that said more, or said it otherwise, would have another hash then, and the saved document
/// would load no more.
///
/// # Errors
/// [`ChunkError`] when it is none, is outside the budget, has another spelling, or Automerge cannot decode it.
pub fn decode_change(chunk: &[u8], budget: &mut Budget) -> Result<Change, ChunkError> {
    let (kind, checksum, data) = read_header(chunk)?;
    let inflated;
    let body = match kind {
        CHANGE => {
            budget.spend_bytes(data.len() as u64)?;
            data
        }
        COMPRESSED_CHANGE => {
            inflated = budget.inflate(data)?;
            &inflated
        }
        _ => return Err(Malformed::Value("kind of chunk").into()),
    };
    if hash(CHANGE, body)[..4] != checksum {
        return Err(ChunkError::Checksum);
    }
    measure_change(body, budget)?;
    caught(|| {
        let change = Change::try_from(chunk).map_err(|_| ChunkError::Refused)?;
        let again = Change::from(change.decode());
        if again.raw_bytes() == change.raw_bytes() { Ok(change) } else { Err(ChunkError::NotCanonical) }
    })
}

/// Reads a saved document: all its changes, in causal order.
///
/// # Errors
/// [`ChunkError`] when it is none, is outside the caps, or Automerge cannot load it.
pub fn decode_document(saved: &[u8]) -> Result<Vec<Change>, ChunkError> {
    measure_document(saved)?;
    caught(|| {
        let document = Automerge::load(saved).map_err(|_| ChunkError::Refused)?;
        let changes = document.get_changes(&[]);
        if changes.len() > caps::WHOLE_CHANGES {
            return Err(Malformed::Cap("changes of a document").into());
        }
        Ok(changes)
    })
}

/// Whether a saved document is within the caps, as [`decode_document`] demands. The sending side asks, too.
///
/// # Errors
/// [`ChunkError`] when it is not.
pub fn measure_document(saved: &[u8]) -> Result<(), ChunkError> {
    let mut budget = Budget::default();
    let (kind, checksum, data) = read_header(saved)?;
    if kind != DOCUMENT {
        return Err(Malformed::Value("kind of chunk").into());
    }
    if hash(DOCUMENT, data)[..4] != checksum {
        return Err(ChunkError::Checksum);
    }
    let mut reader = Reader::new(data);
    for _ in 0..reader.count(caps::WHOLE_CHANGES, "actors")? {
        reader.bytes(ACTOR, "bytes of an actor")?;
    }
    let heads = reader.hashes(caps::HEADS, "heads")?;
    let changes = read_columns(&mut reader)?;
    let operations = read_columns(&mut reader)?;
    for (specification, length) in changes.into_iter().chain(operations) {
        measure_column(specification, reader.take(length)?, &mut budget)?;
    }
    if !reader.is_empty() {
        for _ in heads {
            reader.unsigned()?;
        }
    }
    Ok(reader.finish()?)
}

/// The hash of a change, from its chunk (not compressed).
pub(crate) fn change_hash(chunk: &[u8]) -> Result<automerge::ChangeHash, ChunkError> {
    let (kind, _, data) = read_header(chunk)?;
    if kind == CHANGE { Ok(automerge::ChangeHash(hash(CHANGE, data))) } else { Err(ChunkError::Refused) }
}

/// The data of a change that this side has, from its chunk, compressed or not.
pub(crate) fn change_data(chunk: &[u8]) -> Result<Vec<u8>, ChunkError> {
    match read_header(chunk)? {
        (CHANGE, _, data) => Ok(data.to_vec()),
        (COMPRESSED_CHANGE, _, data) => Budget::default().inflate(data),
        _ => Err(Malformed::Value("kind of chunk").into()),
    }
}

/// The chunk of a change, not compressed, from its data; and its hash, of which the checksum is the beginning.
pub(crate) fn change_chunk(data: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let hash = hash_of_change(data);
    let mut chunk = MAGIC.to_vec();
    chunk.extend_from_slice(&hash[..4]);
    chunk.push(CHANGE);
    write_unsigned(&mut chunk, data.len() as u64);
    chunk.extend_from_slice(data);
    (chunk, hash)
}

/// The hash of a change, from its data.
pub(crate) fn hash_of_change(data: &[u8]) -> [u8; 32] {
    hash(CHANGE, data)
}

/// Kind, checksum and data of a chunk that fills all of the bytes.
fn read_header(chunk: &[u8]) -> Result<(u8, [u8; 4], &[u8]), ChunkError> {
    let mut reader = Reader::new(chunk);
    if reader.array()? != MAGIC {
        return Err(Malformed::Value("beginning of a chunk").into());
    }
    let checksum = reader.array()?;
    let kind = reader.byte()?;
    let data = reader.bytes(chunk.len(), "bytes of a chunk")?;
    reader.finish()?;
    Ok((kind, checksum, data))
}

fn hash(kind: u8, data: &[u8]) -> [u8; 32] {
    let mut head = vec![kind];
    write_unsigned(&mut head, data.len() as u64);
    Sha256::new().chain_update(head).chain_update(data).finalize().into()
}

fn measure_change(body: &[u8], budget: &mut Budget) -> Result<(), ChunkError> {
    let mut reader = Reader::new(body);
    for _ in 0..reader.count(caps::HEADS, "dependencies")? {
        reader.array::<32>()?;
    }
    reader.bytes(ACTOR, "bytes of an actor")?;
    let _sequence = reader.unsigned()?;
    let _first_operation = reader.unsigned()?;
    let _time = reader.signed()?;
    reader.bytes(body.len(), "bytes of a message")?;
    for _ in 0..reader.count(caps::WHOLE_CHANGES, "actors")? {
        reader.bytes(ACTOR, "bytes of an actor")?;
    }
    for (specification, length) in read_columns(&mut reader)? {
        if specification & DEFLATED != 0 {
            return Err(Malformed::Value("column").into());
        }
        measure_column(specification, reader.take(length)?, budget)?;
    }
    // What follows are footers that this version does not read.
    Ok(())
}

/// Set in the specification of a column whose bytes are deflated.
const DEFLATED: u64 = 8;

fn read_columns(reader: &mut Reader<'_>) -> Result<Vec<(u64, usize)>, ChunkError> {
    let count = reader.unsigned()?;
    if count > caps::COLUMNS {
        return Err(Malformed::Cap("columns").into());
    }
    let column = |reader: &mut Reader<'_>| {
        let specification = reader.unsigned()?;
        let length = usize::try_from(reader.unsigned()?).map_err(|_| Malformed::Short)?;
        Ok((specification, length))
    };
    (0..count).map(|_| column(reader)).collect()
}

fn measure_column(specification: u64, bytes: &[u8], budget: &mut Budget) -> Result<(), ChunkError> {
    let inflated;
    let bytes = if specification & DEFLATED == 0 {
        budget.spend_bytes(bytes.len() as u64)?;
        bytes
    } else {
        inflated = budget.inflate(bytes)?;
        &inflated
    };
    // The kinds of the format: group, actor, integer, delta, boolean, string, lengths of values, values.
    match specification & 7 {
        4 => count_booleans(bytes, budget.rows),
        7 => Ok(()),
        kind => count_runs(kind, bytes, budget),
    }
}

/// Alternating lengths of runs of false and true.
fn count_booleans(bytes: &[u8], cap: u64) -> Result<(), ChunkError> {
    let mut reader = Reader::new(bytes);
    let mut rows = 0_u64;
    while !reader.is_empty() {
        rows = rows.saturating_add(reader.unsigned()?);
        if rows > cap {
            return Err(ChunkError::TooManyOperations);
        }
    }
    Ok(())
}

/// Runs: a positive number and one value, a negative number and as many values, or zero and a number of nulls.
fn count_runs(kind: u64, bytes: &[u8], budget: &mut Budget) -> Result<(), ChunkError> {
    let mut reader = Reader::new(bytes);
    let mut rows = 0_u64;
    // What the rows of a group stand for in the columns after it.
    let mut members = 0_u64;
    while !reader.is_empty() {
        let length = reader.signed()?;
        let (run, repeated) = match length {
            1.. => (1, length.unsigned_abs()),
            0 => (0, reader.unsigned()?),
            _ => (length.unsigned_abs(), 1),
        };
        rows = rows.saturating_add(if length < 0 { run } else { repeated });
        if rows > budget.rows {
            return Err(ChunkError::TooManyOperations);
        }
        for _ in 0..run {
            match kind {
                0 => members = members.saturating_add(reader.unsigned()?.saturating_mul(repeated)),
                3 => drop(reader.signed()?),
                5 => {
                    let text = reader.bytes(bytes.len(), "bytes of a text")?;
                    budget.spend_bytes((text.len() as u64).saturating_mul(repeated))?;
                }
                _ => drop(reader.unsigned()?),
            }
        }
    }
    if members > budget.rows { Err(ChunkError::TooManyOperations) } else { Ok(()) }
}

fn caught<T>(run: impl FnOnce() -> Result<T, ChunkError>) -> Result<T, ChunkError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ChunkError::Panicked))
}
