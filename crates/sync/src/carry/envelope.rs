//! Around what is inside: the header with the file's key, and pieces that are sealed one by one.

use chacha20poly1305::aead::stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::error::CarryError;
use crate::keys::{CARRY_SALT, PairKey};

/// What a file begins with.
pub const MAGIC: [u8; 8] = *b"bxcarry\n";

/// The version of the format that this one writes, and the only one that it reads.
pub const VERSION: u8 = 1;

const KEY: usize = 32;
const TAG: usize = 16;

/// How many bytes stand before the first piece: magic, version, salt, and the file's key, sealed.
pub const HEADER: usize = MAGIC.len() + 1 + CARRY_SALT + KEY + TAG;

/// How many bytes a piece has inside.
pub(super) const CHUNK: usize = 64 * 1024;

/// How many bytes a piece has in the file.
pub const SEALED_CHUNK: usize = CHUNK + TAG;

/// What STREAM puts before its counter (4 bytes) and its mark of the last piece (1 byte).
const NONCE: usize = 24 - 5;

/// Where the sealed key begins in the header; what is before it is authenticated with it.
const SEALED_KEY: usize = HEADER - KEY - TAG;

/// The cipher of a file, and its header. The file's key is drawn for it alone, so nonces may begin at zero.
pub(super) fn begin(pair: &PairKey, rng: &mut impl CryptoRngCore) -> (EncryptorBE32<XChaCha20Poly1305>, Vec<u8>) {
    let mut header = MAGIC.to_vec();
    header.push(VERSION);
    let mut salt = [0; CARRY_SALT];
    rng.fill_bytes(&mut salt);
    header.extend_from_slice(&salt);
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill_bytes(&mut *key);
    let sealed = wrapping(&pair.carry_key(&salt, &pair.own()))
        .encrypt(&XNonce::default(), Payload { msg: &*key, aad: &header })
        .expect("a key is shorter than what ChaCha20 can encrypt");
    header.extend_from_slice(&sealed);
    (EncryptorBE32::new((&*key).into(), (&[0; NONCE]).into()), header)
}

/// The cipher of a file that begins with these bytes, and which of the keys opened it: the one of whoever wrote it.
pub(super) fn open<'a>(
    header: &[u8],
    known: impl IntoIterator<Item = &'a PairKey>,
) -> Result<(DecryptorBE32<XChaCha20Poly1305>, &'a PairKey), CarryError> {
    let present = &header[..header.len().min(MAGIC.len())];
    if present != &MAGIC[..present.len()] {
        return Err(CarryError::Foreign);
    }
    match header.get(MAGIC.len()) {
        None => return Err(CarryError::CutShort),
        Some(&VERSION) => {}
        Some(0) => return Err(CarryError::Foreign),
        Some(newer) => return Err(CarryError::Newer(*newer)),
    }
    let header = <&[u8; HEADER]>::try_from(header).map_err(|_| CarryError::CutShort)?;
    let (before, sealed) = header.split_at(SEALED_KEY);
    let mut salt = [0; CARRY_SALT];
    salt.copy_from_slice(&before[MAGIC.len() + 1..]);
    for pair in known {
        let (own, peer) = (pair.own(), pair.peer());
        let opened = |from| {
            let payload = Payload { msg: sealed, aad: before };
            let key = wrapping(&pair.carry_key(&salt, from)).decrypt(&XNonce::default(), payload).ok();
            key.map(Zeroizing::new)
        };
        if let Some(key) = opened(&peer) {
            let key =
                <&[u8; KEY]>::try_from(key.as_slice()).expect("what was sealed has the length of a key and a tag");
            return Ok((DecryptorBE32::new(key.into(), (&[0; NONCE]).into()), pair));
        }
        if opened(&own).is_some() {
            return Err(CarryError::Own(peer));
        }
    }
    Err(CarryError::ForAnother)
}

/// What seals a file's key. Each file has its own, by its salt, so the nonce may be zero.
fn wrapping(key: &[u8; KEY]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}
