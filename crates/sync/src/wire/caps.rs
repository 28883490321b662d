//! How much of anything a peer may send. Everything that arrives is measured against these before it is kept, inflated or
//! given to Automerge (HostileInputIsAnError); what this side sends stays within them.

use std::time::Duration;

use betwixt_model::gate;

/// Bytes of one frame, without the length that the transport writes before it.
pub const FRAME: usize = 1024 * 1024;

/// Bytes of a sync message or a whole document that one frame carries; what is longer takes several.
pub const PART: usize = 256 * 1024;

/// Bytes of one sync message, in all frames together. Has room for the largest change ([`gate::MAX_CHANGE_BYTES`]) and
/// what stands around it.
pub const MESSAGE: usize = 8 * 1024 * 1024;

/// Bytes that a packed message may unpack to. Has room for the largest change, and for what [`MESSAGE_CUT`] lets into a
/// message, which Automerge had compressed.
pub const PACKED: usize = 16 * 1024 * 1024;

/// Shared documents of a household: one a year and generation. Each takes a stream of each side's, of which the transport
/// allows a little more.
pub const DOCUMENTS: usize = 500;

/// Heads of one document, hashes asked for and hashes of a last meeting in one sync message.
pub const HEADS: usize = 1_024;

/// Heads of a roster.
pub const ROSTER_HEADS: usize = 256;

/// Statements of a roster, in all frames together.
pub const ROSTER_STATEMENTS: usize = 4_096;

/// Bytes of a roster's statements, in all frames together.
pub const ROSTER_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of one statement.
pub const STATEMENT: usize = 64 * 1024;

/// Bytes of statements that one frame carries; a longer roster takes several frames.
pub const ROSTER_FRAME: usize = 256 * 1024;

/// Changes that one sync message brings.
pub const CHANGES: usize = 4_096;

/// Bytes of changes after which this side cuts a sync message; the rest goes with the next one. One change may be longer.
pub const MESSAGE_CUT: usize = 1024 * 1024;

/// Changes after which this side cuts a sync message.
pub const CHANGES_CUT: usize = 2_048;

/// Summaries of what the peer has, in one sync message. Automerge sends one.
pub const HAVES: usize = 8;

/// Entries of a Bloom filter.
pub const FILTER_ENTRIES: u64 = 1_000_000;

/// Bits an entry of a Bloom filter; Automerge uses 10. Zero bits make it divide by zero.
pub const FILTER_BITS: std::ops::RangeInclusive<u64> = 1..=64;

/// Probes an entry of a Bloom filter; Automerge uses 7. With `u32::MAX` it would not come back.
pub const FILTER_PROBES: std::ops::RangeInclusive<u64> = 1..=64;

/// Bytes of a whole document as it is sent, in all frames together. A larger one goes as changes.
pub const WHOLE: usize = 8 * 1024 * 1024;

/// Changes of a whole document.
pub const WHOLE_CHANGES: usize = 200_000;

/// Bytes that one message or one whole document may inflate to.
pub const INFLATED: usize = 64 * 1024 * 1024;

/// Operations in one message or one whole document.
pub const OPERATIONS: u64 = 500_000;

/// Facts of a present.
pub const PRESENT_FACTS: usize = 20_000;

/// Bytes of a present as it is sent, in all frames together.
pub const PRESENT: usize = 8 * 1024 * 1024;

/// Bytes that a present may unpack to.
pub const PRESENT_UNPACKED: usize = 16 * 1024 * 1024;

/// Columns of one chunk.
pub const COLUMNS: u64 = 64;

/// Messages of one document that wait until the one before them is stored. A peer of this version says one thing that wants an answer,
/// and waits for anything; beside that there are its answers, and what crosses: never more than five were under way in a search.
pub const WAITING_FRAMES: usize = 8;

/// Bytes of frames and parts that wait, over all documents.
pub const WAITING_BYTES: usize = 48 * 1024 * 1024;

/// Changes of one document that wait for others which they build on.
pub const PARKED: usize = gate::MAX_PARKED;

/// Documents that catch up at a time; the others wait their turn, earliest year first. While one is stored the next comes; more than
/// that would wait in memory.
pub const CATCHING_UP: usize = 2;

/// How long the peer may take for its Hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// How long the peer may take for its roster, and for its answer to a digest.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long the peer may take to store what it was sent, and say so.
pub const STORED_WITHIN: Duration = Duration::from_secs(60);

/// Attached files that one frame lists; more take several.
pub const LISTED_ATTACHMENTS: usize = 4_096;

/// Attached files that a side may have in all. A little above what one keeps, since files that were let go stay.
pub const ATTACHMENTS: usize = 2 * betwixt_model::attachment::MAX_FILES;

/// Chunks of an attached file that are asked for together.
pub const WANTED_CHUNKS: u32 = 8;

/// Chunks that were asked for and are not stored yet: what is under way of a file at a time.
pub const CHUNKS_AHEAD: u32 = 2 * WANTED_CHUNKS;

/// Chunks that a peer may have asked for and not got. One that gave up a file and went on to the next may be owed twice as
/// many as [`CHUNKS_AHEAD`].
pub const CHUNKS_OWED: u32 = 4 * CHUNKS_AHEAD;

/// How long nothing may come of an attached file that was asked for, before it is given up and asked of somebody else.
pub const CHUNK_WITHIN: Duration = Duration::from_secs(60);
