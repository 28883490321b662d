//! A sync message with its changes packed: what the changes of one message repeat is written once.
//!
//! Automerge compresses each change alone, and what a household's changes repeat (its id, its devices, the names of fields) is in
//! every one of them. A packed message has the changes as they are, without what follows from the rest of it, and is deflated
//! (RFC 1951) as a whole:
//!
//! - the message without its changes, its length before it;
//! - the number of changes;
//! - of each: how many changes it builds on, and each of those as its distance back in this message, or as 0 and its hash;
//!   then the rest of its data, its length before it. Magic, checksum and kind follow from these.
//!
//! Unpacking gives a message in its V1 form, which is measured like any other (see [`super::decode_sync_message`]).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::caps;
use super::chunk::{ChunkError, change_chunk, change_data, hash_of_change};
use super::codec::{Malformed, Reader, write_bytes, write_unsigned};

/// Packs a message of which `header` is the V1 form without any changes, and these are the changes. `None` when a change is
/// none, or they are longer than a peer would unpack; the message then goes as it is.
pub(crate) fn pack<'a>(header: &[u8], changes: impl ExactSizeIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    // The last byte is the number of changes, which is none.
    write_bytes(&mut packed, header.split_last()?.1);
    write_unsigned(&mut packed, changes.len() as u64);
    let mut hashes = Vec::with_capacity(changes.len());
    for change in changes {
        let data = change_data(change).ok()?;
        let mut reader = Reader::new(&data);
        let count = reader.count(caps::HEADS, "dependencies").ok()?;
        write_unsigned(&mut packed, count as u64);
        for _ in 0..count {
            let dependency: [u8; 32] = reader.array().ok()?;
            // Nearly always the one before.
            match hashes.iter().rev().position(|hash| *hash == dependency) {
                Some(back) => write_unsigned(&mut packed, back as u64 + 1),
                None => {
                    packed.push(0);
                    packed.extend_from_slice(&dependency);
                }
            }
        }
        write_bytes(&mut packed, reader.rest());
        hashes.push(hash_of_change(&data));
        if packed.len() > caps::PACKED {
            return None;
        }
    }
    deflate(&packed)
}

/// Bytes that inflate to these. `None` would be memory that fails.
pub(super) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// What these bytes inflate to, which may be this long; all of them are read.
pub(super) fn inflate(deflated: &[u8], longest: usize) -> Result<Vec<u8>, ChunkError> {
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated);
    decoder.by_ref().take(longest as u64 + 1).read_to_end(&mut inflated).map_err(|_| ChunkError::Deflate)?;
    if inflated.len() > longest {
        return Err(ChunkError::Bomb);
    }
    if decoder.total_in() != deflated.len() as u64 {
        return Err(Malformed::LeftOver.into());
    }
    Ok(inflated)
}

/// The reverse of [`pack`]: the message in its V1 form.
///
/// # Errors
/// [`ChunkError`] when it is none, or is longer than [`caps::PACKED`].
pub(crate) fn unpack(deflated: &[u8]) -> Result<Vec<u8>, ChunkError> {
    let packed = inflate(deflated, caps::PACKED)?;
    let mut reader = Reader::new(&packed);
    let mut message = reader.bytes(caps::MESSAGE, "bytes of a message")?.to_vec();
    let count = reader.count(caps::CHANGES, "changes")?;
    write_unsigned(&mut message, count as u64);
    let mut hashes: Vec<[u8; 32]> = Vec::with_capacity(count);
    for _ in 0..count {
        let dependencies = reader.count(caps::HEADS, "dependencies")?;
        let mut data = Vec::new();
        write_unsigned(&mut data, dependencies as u64);
        for _ in 0..dependencies {
            let dependency = match reader.count(caps::CHANGES, "changes back")? {
                0 => reader.array()?,
                back => {
                    let place = hashes.len().checked_sub(back).ok_or(Malformed::Value("number of changes back"))?;
                    hashes[place]
                }
            };
            data.extend_from_slice(&dependency);
        }
        data.extend_from_slice(reader.bytes(caps::MESSAGE, "bytes of a change")?);
        let (chunk, hash) = change_chunk(&data);
        write_bytes(&mut message, &chunk);
        hashes.push(hash);
        // Hashes that are named by a byte or two must not make a message of any length.
        if message.len() > 2 * caps::PACKED {
            return Err(ChunkError::Bomb);
        }
    }
    reader.finish()?;
    Ok(message)
}
