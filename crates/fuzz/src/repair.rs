//! Checksums put right: without this nothing that was altered would come further than the check of them, which hides what
//! an attacker, who can reckon as well, reaches behind it.

use std::io::Read;

use betwixt_sync::wire::caps;
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, DeflateEncoder};
use sha2::{Digest, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Magic, checksum and kind.
const HEAD: usize = 9;
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;

/// Unsigned LEB128.
pub(crate) fn unsigned(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An Automerge chunk with the length and the checksum that its data have. What is too short to be one comes back as it is.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let Some(kind) = bytes.get(HEAD - 1).copied() else { return bytes.to_vec() };
    let length = bytes[HEAD..].iter().take_while(|byte| **byte & 0x80 != 0).take(9).count() + 1;
    let data = bytes.get(HEAD + length..).unwrap_or_default();
    let mut chunk = MAGIC.to_vec();
    chunk.extend(checksum(kind, data));
    chunk.push(kind);
    unsigned(&mut chunk, data.len());
    chunk.extend_from_slice(data);
    chunk
}

fn checksum(kind: u8, data: &[u8]) -> [u8; 4] {
    let hash = |kind: u8, length: usize| {
        let mut head = vec![kind];
        unsigned(&mut head, length);
        Sha256::new().chain_update(head)
    };
    let hash = if kind == COMPRESSED_CHANGE {
        // Of what it inflates to, which is never held at once.
        let inflated = || DeflateDecoder::new(data).take(caps::INFLATED as u64 + 1);
        let length = std::io::copy(&mut inflated(), &mut std::io::sink()).unwrap_or(0);
        let mut hash = hash(CHANGE, usize::try_from(length).unwrap_or(0));
        let _ = std::io::copy(&mut inflated(), &mut hash);
        hash
    } else {
        hash(kind, data.len()).chain_update(data)
    };
    let hash = hash.finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Bytes that inflate to these.
pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::new();
    let mut encoder = DeflateEncoder::new(bytes, Compression::fast());
    encoder.read_to_end(&mut deflated).expect("memory does not fail");
    deflated
}

/// A sync message of what stands before its changes, and these changes, each repaired.
pub(crate) fn sync_message(before: &[u8], changes: &[&[u8]]) -> Vec<u8> {
    let mut message = before.to_vec();
    unsigned(&mut message, changes.len());
    for change in changes {
        let change = chunk(change);
        unsigned(&mut message, change.len());
        message.extend(change);
    }
    message
}
