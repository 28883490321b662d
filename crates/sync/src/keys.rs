//! A device's long-term keys, and the key that every pair of rostered devices derives for itself.
//!
//! The pair's key does two small things before any connection stands: it lets a listener ignore strangers (a *knock*, put
//! into QUIC's initial connection id), and it lets devices of a household recognise each other's adverts without telling
//! anybody else who they are. It replaces no TLS. The keys of files that are carried by hand ([`crate::carry`]) are sealed under keys
//! that are derived from it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use betwixt_model::ids::{DeviceId, HouseholdId};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::{CryptoRngCore, RngCore};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// How many random bytes begin a knock.
pub const KNOCK_NONCE: usize = 8;

/// How many bytes a knock has: the longest connection id that QUIC allows (RFC 9000, section 17.2), 8 of nonce and 12 of
/// HMAC. A stranger's guess is right once in 2^96.
pub const KNOCK: usize = 20;

/// How many knocks a [`KnockMemory`] remembers.
pub const REMEMBERED_KNOCKS: usize = 4096;

/// How many random bytes an advert has.
pub const ADVERT_NONCE: usize = 16;

/// How many slots an advert has, used or not.
pub const ADVERT_SLOTS: usize = 16;

/// How many bytes a slot has.
pub const SLOT: usize = 8;

/// How many bytes an advert has: its nonce, then its slots.
pub const ADVERT: usize = ADVERT_NONCE + ADVERT_SLOTS * SLOT;

/// How many random bytes a file has for the key that its own is sealed under.
pub(crate) const CARRY_SALT: usize = 32;

const PAIR_LABEL: &[u8] = b"betwixt 1 pair key\0";
const KNOCK_LABEL: &[u8] = b"betwixt 1 knock\0";
const ADVERT_LABEL: &[u8] = b"betwixt 1 advert\0";
const CARRY_LABEL: &[u8] = b"betwixt 1 carried file\0";

/// A device's X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgreementKey([u8; 32]);

impl AgreementKey {
    /// The key with these bytes. Whether they are any good shows in [`PairKey::derive`].
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AgreementKey(..)")
    }
}

/// A device's long-term keys: Ed25519 to sign (facts, roster statements, TLS) and X25519 to agree on pair keys.
///
/// Wiped from memory when dropped, and never in `Debug`.
pub struct DeviceKeys {
    signing: SigningKey,
    agreement: StaticSecret,
}

impl DeviceKeys {
    /// Draws new keys.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        let mut bytes = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// The keys that [`DeviceKeys::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut signing = Zeroizing::new([0; 32]);
        let mut agreement = Zeroizing::new([0; 32]);
        signing.copy_from_slice(&bytes[..32]);
        agreement.copy_from_slice(&bytes[32..]);
        Self { signing: SigningKey::from_bytes(&signing), agreement: StaticSecret::from(*agreement) }
    }

    /// The secret keys, for the store: Ed25519's seed, then X25519's scalar.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(self.signing.as_bytes());
        bytes[32..].copy_from_slice(self.agreement.as_bytes());
        bytes
    }

    /// Which device these are the keys of.
    pub fn device(&self) -> DeviceId {
        DeviceId::from_bytes(self.signing.verifying_key().to_bytes())
    }

    /// The key that signs.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The public half of the key that agrees.
    pub fn agreement(&self) -> AgreementKey {
        AgreementKey(PublicKey::from(&self.agreement).to_bytes())
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DeviceKeys({:?})", self.device())
    }
}

/// A public key that agrees on the same secret with everybody (a point of small order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agreement key of {0:?} is weak: that device has to be removed")]
pub struct WeakKey(pub DeviceId);

/// What one device shares with one other: 32 bytes that both derive, and which two they are.
///
/// Wiped from memory when dropped, and never in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairKey {
    key: [u8; 32],
    #[zeroize(skip)]
    own: DeviceId,
    #[zeroize(skip)]
    peer: DeviceId,
}

impl PairKey {
    /// Derives the key of `own` and `peer`: HKDF-SHA256 (RFC 5869) over their static-static X25519 secret, salted with the
    /// household, for both device ids in order. Both sides get the same, and devices that never met have it, too.
    ///
    /// # Errors
    /// [`WeakKey`] when the peer's key is one that everybody could have.
    pub fn derive(
        own: &DeviceKeys,
        household: &HouseholdId,
        peer: &DeviceId,
        peer_agreement: &AgreementKey,
    ) -> Result<Self, WeakKey> {
        let secret = own.agreement.diffie_hellman(&PublicKey::from(peer_agreement.0));
        if !secret.was_contributory() {
            return Err(WeakKey(*peer));
        }
        let device = own.device();
        let (first, second) = if device < *peer { (&device, peer) } else { (peer, &device) };
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(household.as_bytes()), secret.as_bytes())
            .expand_multi_info(&[PAIR_LABEL, first.as_bytes(), second.as_bytes()], &mut key)
            .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 gives");
        Ok(Self { key, own: device, peer: *peer })
    }

    /// The other device.
    pub fn peer(&self) -> DeviceId {
        self.peer
    }

    /// This device.
    pub(crate) fn own(&self) -> DeviceId {
        self.own
    }

    /// The key under which the key of one file is sealed that `from`, one of the two, wrote for the other: HKDF-SHA256 over
    /// this key, salted by the file. So what one wrote does not pass for what the other did.
    pub(crate) fn carry_key(&self, salt: &[u8; CARRY_SALT], from: &DeviceId) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), &self.key)
            .expand_multi_info(&[CARRY_LABEL, from.as_bytes()], &mut *key)
            .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 gives");
        key
    }

    /// The initial connection id of a dial to the peer: a fresh nonce, and an HMAC over it and who dials.
    pub fn knock(&self, rng: &mut impl CryptoRngCore) -> [u8; KNOCK] {
        let mut knock = [0; KNOCK];
        rng.fill_bytes(&mut knock[..KNOCK_NONCE]);
        let mac = self.mac(KNOCK_LABEL, &knock[..KNOCK_NONCE], &self.own);
        knock[KNOCK_NONCE..].copy_from_slice(&mac[..KNOCK - KNOCK_NONCE]);
        knock
    }

    /// Whether the peer, and not this device itself, made this knock.
    fn admits(&self, knock: &[u8; KNOCK]) -> Choice {
        let mac = self.mac(KNOCK_LABEL, &knock[..KNOCK_NONCE], &self.peer);
        mac[..KNOCK - KNOCK_NONCE].ct_eq(&knock[KNOCK_NONCE..])
    }

    /// The slot for this pair in an advert of `from`.
    fn slot(&self, nonce: &[u8], from: &DeviceId) -> [u8; SLOT] {
        let mac = self.mac(ADVERT_LABEL, nonce, from);
        let mut slot = [0; SLOT];
        slot.copy_from_slice(&mac[..SLOT]);
        slot
    }

    fn mac(&self, label: &[u8], nonce: &[u8], from: &DeviceId) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        // Label and id have fixed lengths, so nothing moves across a boundary.
        mac.update(label);
        mac.update(from.as_bytes());
        mac.update(nonce);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for PairKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PairKey({:?} with {:?})", self.own, self.peer)
    }
}

/// Who knocks: the known device whose pair key made this initial connection id. Takes the same time whichever it is.
///
/// The same knock is answered again and again; [`KnockMemory`] tells a replay.
pub fn verify_knock<'a>(knock: &[u8], known: impl IntoIterator<Item = &'a PairKey>) -> Option<DeviceId> {
    let knock = <&[u8; KNOCK]>::try_from(knock).ok()?;
    let mut found = None;
    for pair in known {
        if bool::from(pair.admits(knock)) {
            found = Some(pair.peer);
        }
    }
    found
}

/// The nonces of the last [`REMEMBERED_KNOCKS`] knocks, so that one seen on the wire opens nothing a second time.
///
/// Only knocks that [`verify_knock`] admitted belong in here, so a stranger cannot push any out.
#[derive(Debug, Default)]
pub struct KnockMemory {
    order: VecDeque<[u8; KNOCK]>,
    known: BTreeSet<[u8; KNOCK]>,
}

impl KnockMemory {
    /// Remembers a knock; `false` when it was here before, or is no knock.
    pub fn is_fresh(&mut self, knock: &[u8]) -> bool {
        let Ok(knock) = <[u8; KNOCK]>::try_from(knock) else { return false };
        if !self.known.insert(knock) {
            return false;
        }
        self.order.push_back(knock);
        if self.order.len() > REMEMBERED_KNOCKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// An advert's bytes: a nonce, and [`ADVERT_SLOTS`] slots in random order, one for each pair and random for the rest. Whoever
/// has none of the keys sees random bytes, and not how many devices there are.
///
/// With more pairs than slots each advert names a random choice of them, so that all are named in turn.
pub fn advert<'a>(pairs: impl IntoIterator<Item = &'a PairKey>, rng: &mut impl CryptoRngCore) -> [u8; ADVERT] {
    let mut pairs: Vec<&PairKey> = pairs.into_iter().collect();
    shuffle(&mut pairs, rng);
    let mut advert = [0; ADVERT];
    rng.fill_bytes(&mut advert);
    let (nonce, slots) = advert.split_at_mut(ADVERT_NONCE);
    let mut slots: Vec<&mut [u8]> = slots.chunks_exact_mut(SLOT).collect();
    shuffle(&mut slots, rng);
    for (slot, pair) in slots.into_iter().zip(pairs) {
        slot.copy_from_slice(&pair.slot(nonce, &pair.own));
    }
    advert
}

/// Which known devices an advert may come from: those whose slot it holds. One, for an honest advert; an HMAC a known
/// device, whatever the advert holds. Who replays a foreign advert gains a dial, never a connection.
pub fn recognise<'a>(advert: &[u8], known: impl IntoIterator<Item = &'a PairKey>) -> Vec<DeviceId> {
    let Ok(advert) = <&[u8; ADVERT]>::try_from(advert) else { return Vec::new() };
    let (nonce, slots) = advert.split_at(ADVERT_NONCE);
    let holds = |pair: &PairKey| {
        let expected = pair.slot(nonce, &pair.peer);
        let found = slots.chunks_exact(SLOT).fold(Choice::from(0), |found, slot| found | slot.ct_eq(&expected));
        bool::from(found)
    };
    known.into_iter().filter(|pair| holds(pair)).map(PairKey::peer).collect()
}

/// Fisher and Yates. The bias of the remainder, under 2^-58 here, tells nobody anything.
fn shuffle<T>(items: &mut [T], rng: &mut impl RngCore) {
    for last in (1..items.len()).rev() {
        let chosen = rng.next_u64() % (last as u64 + 1);
        items.swap(last, usize::try_from(chosen).expect("no more than `last`, which is a usize"));
    }
}

#[cfg(test)]
mod tests;
