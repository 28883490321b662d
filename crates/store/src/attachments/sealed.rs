//! The chunks of a file on disk, which are also what goes between devices: each sealed under the file's own key
//! (XChaCha20-Poly1305). Its number and whether it is the last are part of the nonce, so that chunks cannot change places,
//! and a file that was cut short does not pass for a whole one (the construction is STREAM, Hoang et al. 2015). A key seals one file
//! and nothing else, so no nonce comes twice.

use betwixt_model::attachment::{Attached, CHUNK, TAG, chunks, sealed_chunk_bytes};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// How long a sealed chunk is that is not the last.
pub(super) const SEALED: u64 = (CHUNK + TAG) as u64;

const LABEL: &[u8] = b"betwixt 1 attachment chunk";

/// A chunk that does not open: altered, in another place, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a piece of the file does not decrypt")]
pub struct BadChunk;

fn nonce(chunk: u32, last: bool) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..4].copy_from_slice(&chunk.to_le_bytes());
    nonce[4] = u8::from(last);
    nonce
}

pub(super) fn seal_chunk(key: &[u8; 32], chunk: u32, last: bool, bytes: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: bytes, aad: LABEL };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(XNonce::from_slice(&nonce(chunk, last)), payload);
    sealed.expect("sealing fails only beyond 256 GiB, and a chunk has 64 KiB")
}

pub(super) fn open_with(key: &[u8; 32], chunk: u32, last: bool, sealed: &[u8]) -> Result<Vec<u8>, BadChunk> {
    let payload = Payload { msg: sealed, aad: LABEL };
    let opened = XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(&nonce(chunk, last)), payload);
    opened.map_err(|_| BadChunk)
}

/// What is in a chunk of a file, as it lies on disk or came from another device.
///
/// # Errors
/// [`BadChunk`], for a number that the file does not have, too.
pub fn open_chunk(file: &Attached, chunk: u32, sealed: &[u8]) -> Result<Vec<u8>, BadChunk> {
    if sealed_chunk_bytes(file.bytes, chunk) != Some(sealed.len()) {
        return Err(BadChunk);
    }
    open_with(&file.key, chunk, chunk + 1 == file.chunks(), sealed)
}

/// How long a file of so many bytes is on disk.
pub(super) fn sealed_bytes(bytes: u64) -> u64 {
    bytes + u64::from(chunks(bytes)) * TAG as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: u64) -> Attached {
        Attached { content: [1; 32], key: [2; 32], bytes, media: "text/plain".into() }
    }

    #[test]
    fn a_chunk_opens_in_its_place_alone() {
        let two = file(CHUNK as u64 + 5);
        let (first, last) = (vec![7; CHUNK], vec![8; 5]);
        let sealed = [seal_chunk(&two.key, 0, false, &first), seal_chunk(&two.key, 1, true, &last)];
        assert_eq!(open_chunk(&two, 0, &sealed[0]), Ok(first));
        assert_eq!(open_chunk(&two, 1, &sealed[1]), Ok(last));
        for (chunk, wrong) in [(0, &sealed[1]), (1, &sealed[0]), (2, &sealed[1])] {
            assert_eq!(open_chunk(&two, chunk, wrong), Err(BadChunk));
        }
        // A file that ends with its first chunk is another file.
        assert_eq!(open_chunk(&file(CHUNK as u64), 0, &sealed[0]), Err(BadChunk));
        let other = Attached { key: [3; 32], ..two.clone() };
        assert_eq!(open_chunk(&other, 1, &sealed[1]), Err(BadChunk));
        for position in 0..sealed[1].len() {
            let mut altered = sealed[1].clone();
            altered[position] ^= 1;
            assert_eq!(open_chunk(&two, 1, &altered), Err(BadChunk));
            assert_eq!(open_chunk(&two, 1, &sealed[1][..position]), Err(BadChunk));
        }
    }

    #[test]
    fn an_empty_file_is_one_chunk_of_nothing() {
        let sealed = seal_chunk(&[2; 32], 0, true, b"");
        assert_eq!(open_chunk(&file(0), 0, &sealed), Ok(Vec::new()));
        assert_eq!(sealed_bytes(0), TAG as u64);
    }
}
