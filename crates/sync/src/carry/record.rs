//! What is inside of a file: records, each with its length before it, one after the other.

use automerge::{Change, ChangeHash};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, HouseholdId};

use super::error::CarryError;
use crate::wire::chunk::{Budget, decode_change};
use crate::wire::codec::{self, write_bytes, write_hashes, write_unsigned};
use crate::wire::{DocumentName, Malformed, caps};

/// Something that a file brings.
#[derive(Clone, PartialEq)]
pub enum Record {
    /// Statements of the roster, or a part of them, not judged.
    Roster(Vec<Vec<u8>>),
    /// What comes from here on is private, and belongs to this space.
    Private(HouseholdId),
    /// What changes come from here on belong to this document.
    Document {
        /// Which.
        id: DocumentId,
        /// What they build on that is not in the file, sorted: its writer takes it that the other device has it. None stands
        /// for the document's beginning, which everybody has.
        base: Vec<ChangeHash>,
    },
    /// Changes, measured against the caps and decoded, but not judged.
    Changes(Vec<Change>),
}

/// A record as it stands in the file, where the first and the last say nothing of what it brings.
pub(super) enum Written {
    /// The first: who wrote the file, and for whom.
    Between { from: DeviceId, to: DeviceId },
    /// Something that it brings.
    Brings(Record),
    /// The last. Nothing but zeros comes after it.
    End,
}

const BETWEEN: u8 = 1;
const ROSTER: u8 = 2;
const PRIVATE: u8 = 3;
const DOCUMENT: u8 = 4;
const CHANGES: u8 = 5;
const END: u8 = 6;

impl Record {
    /// The record's name, for errors; what is in it belongs into none.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Roster(_) => "a roster",
            Self::Private(_) => "the beginning of private pages",
            Self::Document { .. } => "a document",
            Self::Changes(_) => "a change",
        }
    }
}

impl std::fmt::Debug for Record {
    /// The name alone: records carry what people wrote.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

pub(super) fn between(from: &DeviceId, to: &DeviceId) -> Vec<u8> {
    let mut out = vec![BETWEEN];
    out.extend_from_slice(from.as_bytes());
    out.extend_from_slice(to.as_bytes());
    out
}

pub(super) fn roster<'a>(statements: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    list(ROSTER, statements)
}

pub(super) fn private(space: &HouseholdId) -> Vec<u8> {
    let mut out = vec![PRIVATE];
    out.extend_from_slice(space.as_bytes());
    out
}

pub(super) fn document(name: DocumentName, base: &[ChangeHash]) -> Vec<u8> {
    let mut out = vec![DOCUMENT];
    name.write(&mut out);
    write_hashes(&mut out, base.iter().map(|hash| &hash.0));
    out
}

pub(super) fn changes<'a>(chunks: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    list(CHANGES, chunks)
}

pub(super) fn end() -> Vec<u8> {
    vec![END]
}

fn list<'a>(tag: u8, parts: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![tag];
    write_unsigned(&mut out, parts.len() as u64);
    for part in parts {
        write_bytes(&mut out, part);
    }
    out
}

/// The length of the record that these bytes begin with, and how many bytes say it; `None` while they are too few.
pub(super) fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, CarryError> {
    let mut reader = codec::Reader::new(bytes);
    match reader.count(caps::MESSAGE, "bytes of a record") {
        Ok(length) => Ok(Some((length, bytes.len() - reader.rest().len()))),
        Err(Malformed::Short) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a record, whose documents are of this scope.
pub(super) fn decode(bytes: &[u8], scope: Scope) -> Result<Written, CarryError> {
    let mut reader = codec::Reader::new(bytes);
    let record = match reader.byte()? {
        BETWEEN => {
            let from = DeviceId::from_bytes(reader.array()?);
            Written::Between { from, to: DeviceId::from_bytes(reader.array()?) }
        }
        ROSTER => {
            let count = reader.count(caps::ROSTER_STATEMENTS, "statements")?;
            let mut statement = || Ok(reader.bytes(caps::STATEMENT, "bytes of a statement")?.to_vec());
            Written::Brings(Record::Roster((0..count).map(|_| statement()).collect::<Result<_, Malformed>>()?))
        }
        PRIVATE => Written::Brings(Record::Private(HouseholdId::from_bytes(reader.array()?))),
        DOCUMENT => {
            let id = DocumentName::read(&mut reader)?.within(scope);
            let base = reader.hashes(caps::HEADS, "heads of a document")?.into_iter().map(ChangeHash).collect();
            Written::Brings(Record::Document { id, base })
        }
        CHANGES => {
            let count = reader.count(caps::CHANGES, "changes")?;
            let mut budget = Budget::default();
            let mut change = || -> Result<Change, CarryError> {
                Ok(decode_change(reader.bytes(caps::MESSAGE, "bytes of a change")?, &mut budget)?)
            };
            Written::Brings(Record::Changes((0..count).map(|_| change()).collect::<Result<_, _>>()?))
        }
        END => Written::End,
        _ => return Err(Malformed::Value("kind of record").into()),
    };
    reader.finish()?;
    Ok(record)
}
