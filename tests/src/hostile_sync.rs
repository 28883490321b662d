//! Messages of Automerge's sync protocol as no honest program sends them.

use automerge::ChangeHash;
use automerge::sync::{ChunkList, Message, MessageVersion};

/// A message that hands over these bytes as changes, and claims a head that nobody has.
pub fn with_changes(changes: Vec<Vec<u8>>) -> Vec<u8> {
    let message = Message {
        heads: vec![ChangeHash([1; 32])],
        need: vec![],
        have: vec![],
        changes: ChunkList::from(changes),
        flags: None,
        version: MessageVersion::V1,
    };
    message.encode()
}

/// A message with a Bloom filter of these bytes, 127 at most, whose numbers Automerge does not check.
pub fn with_filter(filter: &[u8]) -> Vec<u8> {
    let length =
        u8::try_from(filter.len()).ok().filter(|length| *length < 0x80).expect("so short that its length is one byte");
    let mut bytes = vec![0x42, 0, 0, 1, 0, length];
    bytes.extend(filter);
    bytes.push(0);
    bytes
}
