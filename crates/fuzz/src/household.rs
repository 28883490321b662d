//! Two people with a device each, real facts in real documents, and the real gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use betwixt_model::document::{Document, DocumentId, Scope, actor_id};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::gate::{Actors, admit};
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::wire::DocumentName;
use ed25519_dalek::SigningKey;
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The household of both.
pub(crate) const HOUSEHOLD: HouseholdId = HouseholdId::from_bytes([3; 32]);

/// A year's shared document.
pub(crate) const fn ours(year: i16) -> DocumentId {
    DocumentId { scope: Scope::Ours, year, generation: 0 }
}

/// The same, as it is called on the wire.
pub(crate) fn shared(year: i16) -> DocumentName {
    DocumentName::of(ours(year))
}

/// One partner's device.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) keys: Arc<DeviceKeys>,
    pub(crate) epoch: EpochId,
    /// Whose changes the gate lets in.
    pub(crate) allowed: Vec<(DeviceId, EpochId)>,
    pub(crate) documents: BTreeMap<DocumentName, Document>,
    said: u64,
}

/// Two homes in which nothing was said.
pub(crate) fn couple() -> [Home; 2] {
    let keys = [1, 2].map(|seed| Arc::new(DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed))));
    let epochs = [10, 11].map(|byte| EpochId::from_bytes([byte; 32]));
    let allowed = vec![(keys[0].device(), epochs[0]), (keys[1].device(), epochs[1])];
    [0, 1].map(|side| Home {
        keys: keys[side].clone(),
        epoch: epochs[side],
        allowed: allowed.clone(),
        documents: BTreeMap::new(),
        said: 0,
    })
}

impl Home {
    pub(crate) fn device(&self) -> DeviceId {
        self.keys.device()
    }

    fn key(&self) -> &SigningKey {
        self.keys.signing()
    }

    /// Whose changes may enter a document here.
    pub(crate) fn actors(&self, document: DocumentId) -> Actors {
        let mut actors = Actors::new(document);
        actors.own(self.device(), &self.epoch);
        self.allowed.iter().for_each(|(device, epoch)| actors.allow(*device, epoch));
        actors
    }

    /// A fact, signed.
    pub(crate) fn fact(&mut self, year: i16, value: &str) -> SignedFact {
        self.said += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.said.to_le_bytes());
        let fact = Fact::write(Draft {
            household: HOUSEHOLD,
            item: None,
            kind: "goal".into(),
            field: "title".into(),
            seen: Vec::new(),
            previous: None,
            partner: PartnerId::founded_by(&self.device()),
            device: self.device(),
            date: date(year, 3, 1),
            nonce: Nonce::from_bytes(nonce),
            value: value.into(),
        });
        fact.expect("it is within the limits").sign(self.key())
    }

    /// Says something in a year's document, in one change. A document that hostile changes have ruined takes nothing more.
    pub(crate) fn say(&mut self, year: i16, value: &str) {
        let fact = self.fact(year, value);
        let actor = actor_id(&self.device(), &ours(year), &self.epoch);
        let document = self.documents.entry(shared(year)).or_insert_with(|| Document::genesis(ours(year)));
        let before = document.clone();
        if document.append(&actor, &[fact]).is_err() {
            *document = before;
        }
    }

    /// Takes in what the gate admits, as the daemon does: after a failure the document is as it was.
    pub(crate) fn take(&mut self, id: DocumentName, changes: Vec<automerge::Change>) -> Taken {
        let actors = self.actors(id.within(betwixt_model::document::Scope::Ours));
        let document = self
            .documents
            .entry(id)
            .or_insert_with(|| Document::genesis(id.within(betwixt_model::document::Scope::Ours)));
        let admitted = match admit(document, changes, &actors) {
            Ok(admitted) => admitted,
            Err(reason) => return Taken::Refused(reason),
        };
        let before = document.clone();
        if document.apply(&admitted.changes).is_ok() {
            return Taken::Applied;
        }
        *document = before;
        Taken::Inapplicable
    }
}

/// What became of changes.
pub(crate) enum Taken {
    /// They are in the document, or wait.
    Applied,
    /// Automerge refused them, or panicked.
    Inapplicable,
    /// The gate did.
    Refused(betwixt_model::gate::GateError),
}
