//! The frames and their bytes.

use automerge::ChangeHash;
use betwixt_model::attachment;
use betwixt_model::ids::{AttachmentId, HouseholdId};

use super::codec::{Malformed, Reader, write_bytes, write_hashes, write_unsigned};
use super::{DocumentName, caps};

/// The versions of the protocol that this version of Betwixt speaks.
pub const VERSIONS: VersionRange = VersionRange { oldest: 1, newest: PRESENT_SINCE };

/// The version since which sync messages may be packed ([`Frame::Packed`]).
pub const PACKED_SINCE: u32 = 2;

/// The version since which a side may ask for the present ([`Frame::AskPresent`]).
pub const PRESENT_SINCE: u32 = 3;

/// A range of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest that is still spoken.
    pub oldest: u32,
    /// The newest that is spoken.
    pub newest: u32,
}

impl VersionRange {
    /// The newest version that both speak.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

/// What each side says first. Its beginning stays as it is in every version of the protocol, so that versions far apart
/// can tell each other so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// What the sender speaks.
    pub versions: VersionRange,
    /// Whose devices may be spoken with.
    pub household: HouseholdId,
    /// How often this device has begun a session; the same number twice means a copied or restored home.
    pub counter: u64,
    /// The statements of the roster that no other builds on, sorted.
    pub roster_heads: Vec<[u8; 32]>,
}

/// A document and its heads, as one side holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDocument {
    /// Which.
    pub id: DocumentName,
    /// Its heads, sorted; none when the sender does not have it.
    pub heads: Vec<ChangeHash>,
}

/// Why a side ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodbyeReason {
    /// The daemon goes down, pauses or leaves: these look the same.
    Down,
    /// The other side broke the protocol.
    Violation,
    /// There is no version of the protocol that both speak.
    Version,
    /// The other side's counter was seen before: its home is a copy, or was restored from one.
    RepeatedCounter,
    /// The other side is not, or no longer, a member.
    NotAMember,
    /// This side cannot store what it was sent, for now.
    Storage,
    /// The other side took too long.
    Stalled,
    /// Another connection with the same device takes its place.
    Replaced,
    /// A reason that this version does not know.
    Other(u8),
}

impl GoodbyeReason {
    const KNOWN: [(u8, Self); 8] = [
        (0, Self::Down),
        (1, Self::Violation),
        (2, Self::Version),
        (3, Self::RepeatedCounter),
        (4, Self::NotAMember),
        (5, Self::Storage),
        (6, Self::Stalled),
        (7, Self::Replaced),
    ];

    fn code(self) -> u8 {
        match self {
            Self::Other(code) => code,
            known => Self::KNOWN.iter().find(|(_, reason)| *reason == known).map_or(u8::MAX, |(code, _)| *code),
        }
    }

    fn from_code(code: u8) -> Self {
        Self::KNOWN.iter().find(|(known, _)| *known == code).map_or(Self::Other(code), |(_, reason)| *reason)
    }
}

/// A frame. The first eight are sent on the control stream, the next four on a document's, then one on that of the present, the
/// others on that of attached files.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first of the control stream.
    Hello(Hello),
    /// Statements of the roster, or a part of them.
    Roster(Vec<Vec<u8>>),
    /// The roster is complete.
    RosterDone,
    /// The dialling side's digest over all shared documents and their heads.
    Digest([u8; 32]),
    /// The accepting side has the same digest.
    InStep,
    /// The accepting side's documents, all of them; or the dialling side's answer, those that differ.
    Documents(Vec<ListedDocument>),
    /// The session ends.
    Goodbye(GoodbyeReason),
    /// Asks for the present: the facts that stand now, of the session's scope. Not before [`PRESENT_SINCE`].
    AskPresent,
    /// The first of a document's stream.
    Open(DocumentName),
    /// A message of Automerge's sync protocol, or a part of one.
    Sync {
        /// Whether the message ends here.
        last: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A message of Automerge's sync protocol with its changes packed, or a part of one. Not before [`PACKED_SINCE`].
    Packed {
        /// Whether the message ends here.
        last: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A saved document, or a part of one, for a side that has nothing of it.
    Whole {
        /// Whether the document ends here.
        last: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The present ([`super::encode_present`]), or a part of it, for a side that asked. The first of them is the first of its
    /// stream. Not before [`PRESENT_SINCE`].
    Present {
        /// Whether the present ends here.
        last: bool,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The first of the stream of attached files.
    OpenAttachments,
    /// Files that the sender has whole, sorted; added to those it told before.
    Have {
        /// Whether the sender has now told all that it has.
        last: bool,
        /// Which.
        ids: Vec<AttachmentId>,
    },
    /// Files that the sender no longer has, sorted.
    Lost(Vec<AttachmentId>),
    /// Asks for chunks of a file.
    Want {
        /// Which file.
        id: AttachmentId,
        /// The first chunk.
        from: u32,
        /// How many, at most [`caps::WANTED_CHUNKS`].
        count: u32,
    },
    /// A chunk that was asked for, as it lies on the sender's disk.
    Chunk {
        /// Of which file.
        id: AttachmentId,
        /// Its number.
        chunk: u32,
        /// The sealed bytes.
        bytes: Vec<u8>,
    },
    /// A file that was asked for is not to be had here.
    Unavailable(AttachmentId),
}

const HELLO: u8 = 1;
const ROSTER: u8 = 2;
const ROSTER_DONE: u8 = 3;
const DIGEST: u8 = 4;
const IN_STEP: u8 = 5;
const DOCUMENTS: u8 = 6;
const GOODBYE: u8 = 7;
const ASK_PRESENT: u8 = 8;
const OPEN: u8 = 16;
const SYNC: u8 = 17;
const WHOLE: u8 = 18;
const PACKED: u8 = 19;
const OPEN_ATTACHMENTS: u8 = 32;
const HAVE: u8 = 33;
const LOST: u8 = 34;
const WANT: u8 = 35;
const CHUNK: u8 = 36;
const UNAVAILABLE: u8 = 37;
const PRESENT: u8 = 48;

impl Frame {
    /// The frame's name, for errors and logs; what is in it belongs into neither.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "Hello",
            Self::Roster(_) => "Roster",
            Self::RosterDone => "RosterDone",
            Self::Digest(_) => "Digest",
            Self::InStep => "InStep",
            Self::Documents(_) => "Documents",
            Self::Goodbye(_) => "Goodbye",
            Self::AskPresent => "AskPresent",
            Self::Open(_) => "Open",
            Self::Sync { .. } => "Sync",
            Self::Packed { .. } => "Packed",
            Self::Whole { .. } => "Whole",
            Self::Present { .. } => "Present",
            Self::OpenAttachments => "OpenAttachments",
            Self::Have { .. } => "Have",
            Self::Lost(_) => "Lost",
            Self::Want { .. } => "Want",
            Self::Chunk { .. } => "Chunk",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Hello(hello) => {
                out.push(HELLO);
                write_unsigned(&mut out, u64::from(hello.versions.oldest));
                write_unsigned(&mut out, u64::from(hello.versions.newest));
                out.extend_from_slice(hello.household.as_bytes());
                write_unsigned(&mut out, hello.counter);
                write_hashes(&mut out, hello.roster_heads.iter());
            }
            Self::Roster(statements) => {
                out.push(ROSTER);
                write_unsigned(&mut out, statements.len() as u64);
                for statement in statements {
                    write_bytes(&mut out, statement);
                }
            }
            Self::RosterDone => out.push(ROSTER_DONE),
            Self::Digest(digest) => {
                out.push(DIGEST);
                out.extend_from_slice(digest);
            }
            Self::InStep => out.push(IN_STEP),
            Self::Documents(documents) => {
                out.push(DOCUMENTS);
                write_unsigned(&mut out, documents.len() as u64);
                for document in documents {
                    document.id.write(&mut out);
                    write_hashes(&mut out, document.heads.iter().map(|head| &head.0));
                }
            }
            Self::Goodbye(reason) => out.extend([GOODBYE, reason.code()]),
            Self::AskPresent => out.push(ASK_PRESENT),
            Self::Open(document) => {
                out.push(OPEN);
                document.write(&mut out);
            }
            Self::Sync { last, bytes } => {
                out.extend([SYNC, u8::from(*last)]);
                out.extend_from_slice(bytes);
            }
            Self::Packed { last, bytes } => {
                out.extend([PACKED, u8::from(*last)]);
                out.extend_from_slice(bytes);
            }
            Self::Whole { last, bytes } => {
                out.extend([WHOLE, u8::from(*last)]);
                out.extend_from_slice(bytes);
            }
            Self::Present { last, bytes } => {
                out.extend([PRESENT, u8::from(*last)]);
                out.extend_from_slice(bytes);
            }
            Self::OpenAttachments => out.push(OPEN_ATTACHMENTS),
            Self::Have { last, ids } => {
                out.extend([HAVE, u8::from(*last)]);
                write_hashes(&mut out, ids.iter().map(AttachmentId::as_bytes));
            }
            Self::Lost(ids) => {
                out.push(LOST);
                write_hashes(&mut out, ids.iter().map(AttachmentId::as_bytes));
            }
            Self::Want { id, from, count } => {
                out.push(WANT);
                out.extend_from_slice(id.as_bytes());
                write_unsigned(&mut out, u64::from(*from));
                write_unsigned(&mut out, u64::from(*count));
            }
            Self::Chunk { id, chunk, bytes } => {
                out.push(CHUNK);
                out.extend_from_slice(id.as_bytes());
                write_unsigned(&mut out, u64::from(*chunk));
                out.extend_from_slice(bytes);
            }
            Self::Unavailable(id) => {
                out.push(UNAVAILABLE);
                out.extend_from_slice(id.as_bytes());
            }
        }
        out
    }

    /// Reads a frame. Never panics, and never keeps more than the bytes that it was given.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not the one spelling of a frame within the caps.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > caps::FRAME {
            return Err(Malformed::Cap("bytes of a frame"));
        }
        let mut reader = Reader::new(bytes);
        let frame = match reader.byte()? {
            HELLO => return read_hello(reader),
            ROSTER => {
                let count = reader.count(caps::ROSTER_STATEMENTS, "statements")?;
                let mut statement = || Ok(reader.bytes(caps::STATEMENT, "bytes of a statement")?.to_vec());
                Self::Roster((0..count).map(|_| statement()).collect::<Result<_, Malformed>>()?)
            }
            ROSTER_DONE => Self::RosterDone,
            DIGEST => Self::Digest(reader.array()?),
            IN_STEP => Self::InStep,
            DOCUMENTS => Self::Documents(read_documents(&mut reader)?),
            GOODBYE => Self::Goodbye(GoodbyeReason::from_code(reader.byte()?)),
            ASK_PRESENT => Self::AskPresent,
            OPEN => Self::Open(DocumentName::read(&mut reader)?),
            SYNC => {
                let (last, bytes) = read_part(&mut reader)?;
                Self::Sync { last, bytes }
            }
            PACKED => {
                let (last, bytes) = read_part(&mut reader)?;
                Self::Packed { last, bytes }
            }
            WHOLE => {
                let (last, bytes) = read_part(&mut reader)?;
                Self::Whole { last, bytes }
            }
            PRESENT => {
                let (last, bytes) = read_part(&mut reader)?;
                Self::Present { last, bytes }
            }
            OPEN_ATTACHMENTS => Self::OpenAttachments,
            HAVE => Self::Have { last: read_last(&mut reader)?, ids: read_ids(&mut reader)? },
            LOST => Self::Lost(read_ids(&mut reader)?),
            WANT => {
                let id = AttachmentId::from_bytes(reader.array()?);
                let from = reader.count(most_chunks(), "chunks of a file")?;
                let count = reader.count(caps::WANTED_CHUNKS as usize, "chunks at a time")?;
                Self::Want { id, from: narrow(from), count: narrow(count) }
            }
            CHUNK => {
                let id = AttachmentId::from_bytes(reader.array()?);
                let chunk = narrow(reader.count(most_chunks(), "chunks of a file")?);
                let bytes = reader.take(reader.rest().len())?;
                if bytes.len() > attachment::CHUNK + attachment::TAG {
                    return Err(Malformed::Cap("bytes of a chunk"));
                }
                Self::Chunk { id, chunk, bytes: bytes.to_vec() }
            }
            UNAVAILABLE => Self::Unavailable(AttachmentId::from_bytes(reader.array()?)),
            unknown => return Err(Malformed::UnknownFrame(unknown)),
        };
        reader.finish()?;
        Ok(frame)
    }
}

impl std::fmt::Debug for Frame {
    /// The name alone: frames carry what people wrote.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

fn read_hello(mut reader: Reader<'_>) -> Result<Frame, Malformed> {
    let mut version = || u32::try_from(reader.unsigned()?).map_err(|_| Malformed::Value("version"));
    let versions = VersionRange { oldest: version()?, newest: version()? };
    if versions.oldest > versions.newest {
        return Err(Malformed::Value("range of versions"));
    }
    let household = HouseholdId::from_bytes(reader.array()?);
    let counter = reader.unsigned()?;
    let roster_heads = reader.hashes(caps::ROSTER_HEADS, "heads of a roster")?;
    // A newer version may have more to say, to its like.
    if versions.newest <= VERSIONS.newest {
        reader.finish()?;
    }
    Ok(Frame::Hello(Hello { versions, household, counter, roster_heads }))
}

fn read_documents(reader: &mut Reader<'_>) -> Result<Vec<ListedDocument>, Malformed> {
    let count = reader.count(caps::DOCUMENTS, "documents")?;
    let document = |reader: &mut Reader<'_>| {
        let id = DocumentName::read(reader)?;
        let heads = reader.hashes(caps::HEADS, "heads of a document")?;
        Ok(ListedDocument { id, heads: heads.into_iter().map(ChangeHash).collect() })
    };
    let documents = (0..count).map(|_| document(reader)).collect::<Result<Vec<_>, _>>()?;
    let sorted = documents.is_sorted_by(|left, right| left.id < right.id);
    if sorted { Ok(documents) } else { Err(Malformed::Unsorted("documents")) }
}

fn read_ids(reader: &mut Reader<'_>) -> Result<Vec<AttachmentId>, Malformed> {
    let ids = reader.hashes(caps::LISTED_ATTACHMENTS, "attached files")?;
    Ok(ids.into_iter().map(AttachmentId::from_bytes).collect())
}

/// The most chunks of a file.
fn most_chunks() -> usize {
    attachment::chunks(attachment::MAX_BYTES) as usize
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("it was measured against a cap that fits")
}

fn read_last(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Value("mark of a last part")),
    }
}

fn read_part(reader: &mut Reader<'_>) -> Result<(bool, Vec<u8>), Malformed> {
    let last = read_last(reader)?;
    let bytes = reader.take(reader.rest().len())?;
    if bytes.len() > caps::PART {
        return Err(Malformed::Cap("bytes of a part"));
    }
    Ok((last, bytes.to_vec()))
}
