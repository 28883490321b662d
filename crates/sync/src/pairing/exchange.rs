//! From a weak secret to strong keys, bound to everything that both sides believe about this one connection.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::CryptoRngCore;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Channel;
use super::frame::{Answer, Start};

const JOIN: &[u8] = b"betwixt 1 pairing join";
const OFFER: &[u8] = b"betwixt 1 pairing offer";

/// Which side of a pairing this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Shows the code.
    Offer,
    /// Enters it.
    Join,
}

/// A balanced password-authenticated key exchange in one message each way. A run tells the other side whether one guess at
/// the password is right, and nobody anything else.
///
/// What takes SPAKE2's place has to change the version.
pub(super) trait PasswordExchange: Sized {
    /// Begins; answers the share for the other side.
    fn start(role: Role, password: &[u8; 32], rng: &mut impl CryptoRngCore) -> (Self, Vec<u8>);

    /// The common key; another one when the passwords differ. `None` when the share is no share.
    fn finish(self, share: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// SPAKE2 (Abdalla and Pointcheval, "Simple Password-Based Encrypted Key Exchange Protocols") over Ed25519's group, as the
/// `spake2` crate and python-spake2 have it: not the encoding of RFC 9382. Unaudited, as are all in Rust. The crate does
/// not wipe its state; what it holds is one run of a code that soon means nothing.
pub(super) struct Spake2Exchange(Spake2<Ed25519Group>);

impl PasswordExchange for Spake2Exchange {
    fn start(role: Role, password: &[u8; 32], rng: &mut impl CryptoRngCore) -> (Self, Vec<u8>) {
        let password = Password::new(password);
        let (join, offer) = (Identity::new(JOIN), Identity::new(OFFER));
        let (state, share) = match role {
            Role::Join => Spake2::start_a_with_rng(&password, &join, &offer, rng),
            Role::Offer => Spake2::start_b_with_rng(&password, &join, &offer, rng),
        };
        (Self(state), share)
    }

    fn finish(self, share: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.finish(share).ok().map(Zeroizing::new)
    }
}

/// The keys of one run.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct RunKeys {
    join_proof: [u8; 32],
    offer_proof: [u8; 32],
    join_seal: [u8; 32],
    offer_seal: [u8; 32],
    #[zeroize(skip)]
    transcript: [u8; 32],
}

impl RunKeys {
    /// HKDF-SHA256 over the common key, salted with a hash of everything that both sides have said and of the TLS connection
    /// as this side sees it: whoever stands between the two has two connections, and so two transcripts.
    pub(super) fn derive(common: &[u8], role: Role, channel: &Channel, start: &Start, answer: &Answer) -> Self {
        let (offer_key, join_key) = match role {
            Role::Offer => (&channel.own_key, &channel.peer_key),
            Role::Join => (&channel.peer_key, &channel.own_key),
        };
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 pairing transcript");
        let start = start.to_bytes();
        let answer = answer.to_bytes();
        for part in [JOIN, OFFER, &start, &answer, join_key, offer_key, &channel.exporter] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let transcript = *hasher.finalize().as_bytes();
        let hkdf = Hkdf::<Sha256>::new(Some(&transcript), common);
        let key = |label: &[u8]| {
            let mut key = [0; 32];
            hkdf.expand(label, &mut key).expect("32 bytes are fewer than the 8160 that HKDF-SHA256 gives");
            key
        };
        Self {
            join_proof: key(b"join proof"),
            offer_proof: key(b"offer proof"),
            join_seal: key(b"join seal"),
            offer_seal: key(b"offer seal"),
            transcript,
        }
    }

    /// The proof that `role` knows the common key.
    pub(super) fn proof(&self, role: Role) -> [u8; 32] {
        let key = match role {
            Role::Join => &self.join_proof,
            Role::Offer => &self.offer_proof,
        };
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(&self.transcript);
        mac.finalize().into_bytes().into()
    }

    /// Whether a proof is that of `role`, in constant time.
    pub(super) fn verifies(&self, role: Role, proof: &[u8; 32]) -> bool {
        self.proof(role).ct_eq(proof).into()
    }

    /// For what follows the proofs.
    pub(super) fn seal(&self, role: Role) -> Seal {
        let (own, peer) = match role {
            Role::Join => (&self.join_seal, &self.offer_seal),
            Role::Offer => (&self.offer_seal, &self.join_seal),
        };
        Seal {
            own: ChaCha20Poly1305::new(own.into()),
            peer: ChaCha20Poly1305::new(peer.into()),
            sent: 0,
            received: 0,
            transcript: self.transcript,
        }
    }
}

/// Encrypts what follows the proofs, each direction under its own key, counted: nothing can be repeated, left out or moved.
pub(super) struct Seal {
    own: ChaCha20Poly1305,
    peer: ChaCha20Poly1305,
    sent: u64,
    received: u64,
    transcript: [u8; 32],
}

impl Seal {
    pub(super) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let nonce = nonce(self.sent);
        self.sent += 1;
        let payload = Payload { msg: plain, aad: &self.transcript };
        self.own.encrypt(&nonce.into(), payload).expect("encrypting a message of a few KiB into a vector cannot fail")
    }

    pub(super) fn open(&mut self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: sealed, aad: &self.transcript };
        let plain = self.peer.decrypt(&nonce(self.received).into(), payload).ok()?;
        self.received += 1;
        Some(Zeroizing::new(plain))
    }
}

fn nonce(count: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&count.to_le_bytes());
    nonce
}
