//! People who say things, for tests: two partners' devices with fixed keys, and facts written by hand.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod plain;
pub mod replica;

use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, Effect};
use betwixt_model::membership::{Accepted, Membership, Standing};
use ed25519_dalek::SigningKey;
use jiff::civil::{Date, date};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::Value;

pub const HOUSEHOLD: HouseholdId = HouseholdId::from_bytes([7; 32]);
pub const TODAY: Date = date(2026, 11, 22);

/// How many runs a simulation makes: `BETWIXT_RUNS` times as many as by default.
#[allow(clippy::disallowed_methods, reason = "a test may be asked to take longer")]
pub fn runs(default: u64) -> u64 {
    let factor = std::env::var("BETWIXT_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    default * factor
}

/// A device with its key. Devices with numbers below 100 are the first partner's.
#[derive(Clone)]
pub struct Device {
    pub key: SigningKey,
    pub id: DeviceId,
    pub partner: PartnerId,
    pub last: Option<FactId>,
    /// The date of what it says.
    pub date: Date,
    nonces: u64,
}

impl Device {
    pub fn new(number: u8) -> Self {
        let key = SigningKey::from_bytes(&[number; 32]);
        let id = DeviceId::from_bytes(key.verifying_key().to_bytes());
        Self { key, id, partner: partner(number >= 100), last: None, date: TODAY, nonces: 0 }
    }

    pub fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.id.as_bytes()[..8]);
        bytes[8..].copy_from_slice(&self.nonces.to_le_bytes());
        Nonce::from_bytes(bytes)
    }

    /// Says something and remembers it as the last thing said.
    pub fn says(&mut self, item: Option<ItemId>, kind: &str, field: &str, value: Value, seen: &[FactId]) -> SignedFact {
        let previous = self.last;
        let signed = self.says_after(previous, item, kind, field, value, seen);
        self.last = Some(signed.fact().id());
        signed
    }

    /// Says something with a `previous` of one's choice.
    pub fn says_after(
        &mut self,
        previous: Option<FactId>,
        item: Option<ItemId>,
        kind: &str,
        field: &str,
        value: Value,
        seen: &[FactId],
    ) -> SignedFact {
        let draft = Draft {
            household: HOUSEHOLD,
            item,
            kind: kind.into(),
            field: field.into(),
            seen: seen.to_vec(),
            previous,
            partner: self.partner,
            device: self.id,
            date: self.date,
            nonce: self.nonce(),
            value,
        };
        Fact::write(draft).unwrap().sign(&self.key)
    }
}

pub fn partner(second: bool) -> PartnerId {
    PartnerId::founded_by(&DeviceId::from_bytes([if second { 2 } else { 1 }; 32]))
}

pub fn vision() -> ItemId {
    ItemId::natural(&HOUSEHOLD, "vision", "")
}

pub fn members(devices: &[Device]) -> Membership {
    let mut membership = Membership::default();
    for device in devices {
        membership.set(device.id, Standing { partner: device.partner, accepted: Accepted::Everything });
    }
    membership
}

pub fn ingest(rows: &mut MemoryRows, membership: &Membership, facts: &[SignedFact]) -> Effect {
    index::ingest(rows, &HOUSEHOLD, membership, facts.to_vec()).unwrap()
}

/// A device is removed, and all, nothing or a beginning of what it said is accepted; then up to two of all facts never arrive.
pub fn remove_and_lose(dice: &mut Dice, removed: &Device, membership: &mut Membership, facts: &mut Vec<SignedFact>) {
    let own: Vec<&SignedFact> = facts.iter().filter(|fact| fact.fact().header().device == removed.id).collect();
    let accepted = match dice.below(4) {
        0 => Accepted::Everything,
        1 => Accepted::Nothing,
        _ if own.is_empty() => Accepted::Nothing,
        _ => Accepted::UpTo(own[dice.below(own.len())].fact().id()),
    };
    membership.set(removed.id, Standing { partner: removed.partner, accepted });
    for _ in 0..dice.below(3).min(facts.len()) {
        facts.remove(dice.below(facts.len()));
    }
}

pub struct Dice(ChaCha20Rng);

impl Dice {
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound as u64).unwrap()
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }
}
