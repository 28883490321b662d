//! Automerge's sync messages, read without Automerge.
//!
//! Its own reader takes Bloom filters that divide by zero or never come back, reserves what a length claims, and accepts
//! whole documents in the place of changes. So a message is taken apart here, within the caps, and put together again from
//! parts that are known to be harmless: without flags, so that neither side ever offers more than lists of changes
//! (Automerge's V1 messages).

use automerge::sync::{BloomFilter, ChunkList, Have, Message, MessageVersion};
use automerge::{Change, ChangeHash};

use super::caps;
use super::chunk::{Budget, ChunkError, decode_change};
use super::codec::{Malformed, Reader};
use super::packed::unpack;

/// The first byte of a V1 message.
const MESSAGE_V1: u8 = 0x42;

/// Reads a sync message: what the peer says of itself, with an empty list of changes, and the changes apart, measured and
/// decoded.
///
/// # Errors
/// [`ChunkError`] when it is not a V1 message within the caps, or Automerge cannot decode a change.
pub fn decode_sync_message(bytes: &[u8]) -> Result<(Message, Vec<Change>), ChunkError> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != MESSAGE_V1 {
        return Err(Malformed::Value("kind of sync message").into());
    }
    let hashes = |reader: &mut Reader<'_>, what| {
        let hashes = reader.hashes(caps::HEADS, what)?;
        Ok::<_, Malformed>(hashes.into_iter().map(ChangeHash).collect::<Vec<_>>())
    };
    let heads = hashes(&mut reader, "heads")?;
    let need = hashes(&mut reader, "hashes asked for")?;
    let count = reader.count(caps::HAVES, "summaries")?;
    let mut have = Vec::with_capacity(count);
    for _ in 0..count {
        let last_sync = hashes(&mut reader, "hashes of the last meeting")?;
        let filter = reader.bytes(caps::MESSAGE, "bytes of a filter")?;
        have.push(Have { last_sync, bloom: read_filter(filter)? });
    }
    let count = reader.count(caps::CHANGES, "changes")?;
    let mut budget = Budget::default();
    let mut changes = Vec::new();
    for _ in 0..count {
        changes.push(decode_change(reader.bytes(caps::MESSAGE, "bytes of a change")?, &mut budget)?);
    }
    // What may follow are flags: an offer of other messages, which is not taken up.
    let message = Message { heads, need, have, changes: ChunkList::empty(), flags: None, version: MessageVersion::V1 };
    Ok((message, changes))
}

/// Reads a packed sync message: the same, once it is unpacked.
///
/// # Errors
/// As [`decode_sync_message`], and when it does not unpack within the caps.
pub fn decode_packed_message(bytes: &[u8]) -> Result<(Message, Vec<Change>), ChunkError> {
    decode_sync_message(&unpack(bytes)?)
}

fn read_filter(bytes: &[u8]) -> Result<BloomFilter, ChunkError> {
    if !bytes.is_empty() {
        let mut reader = Reader::new(bytes);
        let entries = reader.unsigned()?;
        let bits = reader.unsigned()?;
        let probes = reader.unsigned()?;
        if !(1..=caps::FILTER_ENTRIES).contains(&entries) {
            return Err(Malformed::Value("number of a filter's entries").into());
        }
        if !caps::FILTER_BITS.contains(&bits) || !caps::FILTER_PROBES.contains(&probes) {
            return Err(Malformed::Value("filter").into());
        }
        if reader.rest().len() as u64 != (entries * bits).div_ceil(8) {
            return Err(Malformed::Value("length of a filter").into());
        }
    }
    BloomFilter::try_from(bytes).map_err(|_| Malformed::Value("filter").into())
}
