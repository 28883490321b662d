//! Tokens: 256 random bits, of which only a hash is kept.

use betwixt_api::Secret;
use data_encoding::BASE64URL_NOPAD;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// What a token begins with, so that one that leaks is recognised by whoever scans for such things.
const PREFIX: &str = "betwixt_";

/// The domain of the hash.
const DOMAIN: &str = "betwixt 2026 token of a frontend";

/// A new token. It is given to one frontend and kept nowhere.
pub(crate) fn random(rng: &mut (impl RngCore + CryptoRng)) -> Secret {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    Secret::from(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)))
}

/// What is kept of a token. Its 256 bits cannot be found by trying, so one quick hash is enough; and comparing hashes
/// tells nothing about a token by how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of what somebody shows as a token.
    pub(crate) fn of(token: &str) -> Self {
        Self(blake3::derive_key(DOMAIN, token.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn a_token_has_256_bits_and_its_hash_does_not_show_it() {
        let (one, other) = (random(&mut OsRng), random(&mut OsRng));
        assert_ne!(one, other);
        let bits = one.reveal().strip_prefix(PREFIX).expect("is marked");
        assert_eq!(BASE64URL_NOPAD.decode(bits.as_bytes()).expect("decodes").len(), 32);
        assert_eq!(TokenHash::of(one.reveal()), TokenHash::of(one.reveal()));
        assert_ne!(TokenHash::of(one.reveal()), TokenHash::of(other.reveal()));
    }
}
