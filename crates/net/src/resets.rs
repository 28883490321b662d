//! No stateless resets (RFC 9000, section 10.3): who replays a packet of a connection that is over would get one, and so learn
//! that QUIC listens here, and that it knew the connection.
//!
//! quinn sends one for every packet to a connection id that it does not know any more, and has no switch for it. A reset is
//! recognised by its last 16 bytes, the token that was agreed on with the connection id. So the tokens of this side end in a mark that
//! only this process knows, and what ends in the mark is not sent. Their first half is a keyed hash of the connection id: a device that
//! was told some of them cannot guess those of another's connection.

use std::fmt;

use quinn::crypto::{CryptoError, HmacKey};
use rand_core::{OsRng, RngCore as _};

/// Bytes of a token.
const TOKEN: usize = 16;
const MARK: usize = 8;

/// Makes the tokens of one process, and recognises them.
#[derive(Clone, Copy)]
pub(crate) struct ResetTokens {
    key: [u8; 32],
    mark: [u8; MARK],
}

impl fmt::Debug for ResetTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResetTokens(..)")
    }
}

impl ResetTokens {
    pub(crate) fn new() -> Self {
        let (mut key, mut mark) = ([0; 32], [0; MARK]);
        OsRng.fill_bytes(&mut key);
        OsRng.fill_bytes(&mut mark);
        Self { key, mark }
    }

    /// Whether a datagram that is to be sent is a stateless reset. Another packet ends so once in 2^64.
    pub(crate) fn is_reset(&self, datagram: &[u8]) -> bool {
        let short_header = datagram.first().is_some_and(|first| first & 0x80 == 0);
        short_header && datagram.ends_with(&self.mark)
    }

    fn token(&self, id: &[u8]) -> [u8; TOKEN] {
        let mut token = [0; TOKEN];
        token[..MARK].copy_from_slice(&blake3::keyed_hash(&self.key, id).as_bytes()[..MARK]);
        token[MARK..].copy_from_slice(&self.mark);
        token
    }
}

impl HmacKey for ResetTokens {
    fn sign(&self, id: &[u8], token: &mut [u8]) {
        token.copy_from_slice(&self.token(id));
    }

    fn signature_len(&self) -> usize {
        TOKEN
    }

    fn verify(&self, id: &[u8], token: &[u8]) -> Result<(), CryptoError> {
        if token == self.token(id) { Ok(()) } else { Err(CryptoError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_by_connection_and_are_recognised() {
        let (tokens, other) = (ResetTokens::new(), ResetTokens::new());
        let [one, two] = [[1; 8], [2; 8]].map(|id| tokens.token(&id));
        assert_ne!(one[..MARK], two[..MARK]);
        assert!(tokens.verify(&[1; 8], &one).is_ok() && tokens.verify(&[1; 8], &two).is_err());
        let reset = [&[0x41; 20][..], &one].concat();
        assert!(tokens.is_reset(&reset) && !other.is_reset(&reset));
        assert!(!tokens.is_reset(&[&[0xc1; 20][..], &one].concat()));
        assert!(!tokens.is_reset(&[]) && !tokens.is_reset(&reset[..30]));
    }
}
