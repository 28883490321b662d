//! A device of which nothing is there but its index.

use std::collections::BTreeSet;

use betwixt_model::fact::{Fact, Nonce, SignedFact};
use betwixt_model::field::Seen;
use betwixt_model::ids::{DeviceId, FactId, PartnerId};
use betwixt_model::index;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::membership::Membership;
use betwixt_model::say::Writer;
use ed25519_dalek::SigningKey;
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::HOUSEHOLD;
use crate::oracle::Place;

/// How many copies of itself a home keeps.
const COPIES: usize = 3;

pub(super) struct Device {
    key: SigningKey,
    pub(super) id: DeviceId,
    pub(super) partner: PartnerId,
    pub(super) rows: MemoryRows,
    /// The facts that are in its index.
    pub(super) has: BTreeSet<FactId>,
    /// Said since it was last written down.
    fresh: Vec<SignedFact>,
    /// As it was written down last.
    durable: MemoryRows,
    /// Earlier states, to be put back.
    copies: Vec<MemoryRows>,
    /// Pages that somebody left open.
    pub(super) pages: Vec<(Place, Seen)>,
}

impl Device {
    /// Devices with numbers below 100 are the first partner's.
    pub(super) fn new(number: u8) -> Self {
        let key = SigningKey::from_bytes(&[number; 32]);
        let partner = PartnerId::founded_by(&DeviceId::from_bytes([1 + number / 100; 32]));
        Self {
            id: DeviceId::from_bytes(key.verifying_key().to_bytes()),
            key,
            partner,
            rows: MemoryRows::default(),
            has: BTreeSet::new(),
            fresh: Vec::new(),
            durable: MemoryRows::default(),
            copies: Vec::new(),
            pages: Vec::new(),
        }
    }

    pub(super) fn writer(&self, rng: &mut ChaCha20Rng) -> Writer {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let previous = index::tip(&self.rows, &self.id).expect("memory does not fail");
        let (household, date) = (HOUSEHOLD, date(2026, 11, 22));
        Writer { household, partner: self.partner, device: self.id, previous, date, nonce: Nonce::from_bytes(nonce) }
    }

    /// Signs a fact, and enters it.
    pub(super) fn enter(&mut self, membership: &Membership, fact: Fact) {
        let signed = fact.sign(&self.key);
        self.ingest(membership, vec![signed.clone()]);
        self.fresh.push(signed);
    }

    /// Takes in what somebody brought, and writes it down.
    pub(super) fn take(&mut self, membership: &Membership, facts: Vec<SignedFact>) {
        assert!(self.fresh.is_empty(), "what was said is written down before a meeting");
        if !facts.is_empty() {
            self.ingest(membership, facts);
            self.durable = self.rows.clone();
        }
    }

    fn ingest(&mut self, membership: &Membership, facts: Vec<SignedFact>) {
        self.has.extend(facts.iter().map(|fact| fact.fact().id()));
        let effect = index::ingest(&mut self.rows, &HOUSEHOLD, membership, facts).expect("memory does not fail");
        assert!(effect.refused.is_empty(), "a member's fact was refused: {:?}", effect.refused);
    }

    /// Writes down what was said, and answers it.
    pub(super) fn keep(&mut self) -> Vec<SignedFact> {
        if !self.fresh.is_empty() {
            let before = std::mem::replace(&mut self.durable, self.rows.clone());
            self.copies.truncate(COPIES - 1);
            self.copies.insert(0, before);
        }
        std::mem::take(&mut self.fresh)
    }

    /// The power fails: what was not written down was never said. Answers whether anything was lost.
    pub(super) fn crash(&mut self) -> bool {
        let lost = !self.fresh.is_empty();
        for gone in self.fresh.drain(..) {
            self.has.remove(&gone.fact().id());
        }
        self.rows = self.durable.clone();
        // A page that shows what was lost is of no use any more; the program knows nothing of it.
        self.pages.retain(|(_, seen)| seen.facts().iter().all(|fact| self.has.contains(fact)));
        lost
    }

    /// An earlier copy of the home is put in its place: what it says next forks its chain, unless it is told before.
    pub(super) fn restore(&mut self) -> bool {
        let Some(copy) = self.copies.pop() else { return false };
        self.copies.clear();
        self.pages.clear();
        self.has.retain(|id| index::holds(&copy, id).expect("memory does not fail"));
        self.rows = copy.clone();
        self.durable = copy;
        true
    }

    /// Somebody copies the home to another machine, which goes on in the same device's name.
    pub(super) fn copy(&self) -> Self {
        assert!(self.fresh.is_empty(), "what was said is written down before it is copied");
        let (key, rows, durable) = (self.key.clone(), self.rows.clone(), self.durable.clone());
        let (has, pages, copies) = (self.has.clone(), self.pages.clone(), Vec::new());
        Self { key, id: self.id, partner: self.partner, rows, has, fresh: Vec::new(), durable, copies, pages }
    }

    /// A device was removed: the index is derived anew.
    pub(super) fn membership_changed(&mut self, membership: &Membership) {
        index::rebuild(&mut self.rows, &HOUSEHOLD, membership).expect("memory does not fail");
        self.durable = self.rows.clone();
    }
}
