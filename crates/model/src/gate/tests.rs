//! Honest changes in every order, and forged ones, at the gate.

use automerge::ReadDoc;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::{GENESIS, Scope};
use crate::fact::{Draft, Fact, Nonce};
use crate::ids::{HouseholdId, PartnerId};

const ID: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

/// A device with its own copy of the document.
struct Writer {
    key: SigningKey,
    epoch: EpochId,
    document: Document,
    said: u8,
}

impl Writer {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        Self { key, epoch: EpochId::from_bytes([seed; 32]), document: Document::genesis(ID), said: 0 }
    }

    fn device(&self) -> DeviceId {
        DeviceId::from_bytes(self.key.verifying_key().to_bytes())
    }

    fn actor(&self) -> ActorId {
        actor_id(&self.device(), &ID, &self.epoch)
    }

    fn say(&mut self) -> Change {
        self.said += 1;
        let device = self.device();
        let fact = Fact::write(Draft {
            household: HouseholdId::from_bytes([3; 32]),
            item: None,
            kind: "goal".into(),
            field: "title".into(),
            seen: vec![],
            previous: None,
            partner: PartnerId::founded_by(&device),
            device,
            date: jiff::civil::date(2026, 3, 1),
            nonce: Nonce::from_bytes([self.said; 16]),
            value: json!("words"),
        });
        self.document.append(&self.actor(), &[fact.unwrap().sign(&self.key)]).unwrap()
    }
}

/// The device that receives, as the first; who else may write, as the rest.
fn actors(writers: &[&Writer]) -> Actors {
    let mut actors = Actors::new(ID);
    let [own, others @ ..] = writers else { unreachable!("every test has a receiver") };
    actors.own(own.device(), &own.epoch);
    others.iter().for_each(|other| actors.allow(other.device(), &other.epoch));
    actors
}

/// The change with something about it altered.
fn forged(change: &Change, alter: impl FnOnce(&mut automerge::ExpandedChange)) -> Change {
    let mut expanded = change.decode();
    expanded.hash = None;
    alter(&mut expanded);
    Change::from(expanded)
}

fn hashes(changes: &[Change]) -> Vec<ChangeHash> {
    changes.iter().map(Change::hash).collect()
}

fn refused(document: &Document, change: Change, actors: &Actors) -> GateError {
    admit(document, vec![change], actors).unwrap_err()
}

#[test]
fn a_batch_in_any_order_is_admitted_in_causal_order() {
    let (receiver, mut first, mut second) = (Writer::new(1), Writer::new(2), Writer::new(3));
    let mut changes = vec![first.say(), first.say()];
    second.document.apply(&changes).unwrap();
    changes.push(second.say());
    first.document.apply(&changes[2..]).unwrap();
    changes.push(first.say());
    let actors = actors(&[&receiver, &first, &second]);
    let backwards: Vec<_> = changes.iter().rev().chain(&changes).cloned().collect();
    let admitted = admit(&receiver.document, backwards, &actors).unwrap();
    assert_eq!(hashes(&admitted.changes), hashes(&changes));
    assert!(admitted.parked.is_empty());
    let mut document = receiver.document;
    document.apply(&admitted.changes).unwrap();
    assert_eq!(document.heads(), first.document.heads());
    let again = admit(&document, changes, &actors).unwrap();
    assert_eq!((again.changes.len(), again.known), (0, 4));
}

#[test]
fn the_genesis_is_known_and_another_one_is_refused() {
    let receiver = Writer::new(1);
    let actors = actors(&[&receiver]);
    let genesis = automerge::Automerge::load(GENESIS).unwrap().get_changes(&[]);
    assert_eq!(admit(&receiver.document, genesis.clone(), &actors).unwrap().known, 1);
    let other = forged(&genesis[0], |change| change.time = 1);
    let change = other.hash();
    assert_eq!(refused(&receiver.document, other, &actors), GateError::Genesis { change });
    let mut other = Writer::new(2);
    let posing = forged(&other.say(), |change| {
        change.actor_id = genesis_actor();
        change.seq = 2;
    });
    let change = posing.hash();
    assert_eq!(refused(&receiver.document, posing, &actors), GateError::Genesis { change });
}

#[test]
fn a_foreign_actor_is_refused() {
    let (receiver, mut stranger) = (Writer::new(1), Writer::new(9));
    let written = stranger.say();
    let change = written.hash();
    assert_eq!(refused(&receiver.document, written, &actors(&[&receiver])), GateError::ForeignActor { change });
}

#[test]
fn an_actor_of_another_document_is_foreign_here() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let elsewhere = DocumentId { year: 2025, ..ID };
    let actor = actor_id(&other.device(), &elsewhere, &other.epoch);
    let posing = forged(&other.say(), |change| change.actor_id = actor);
    let change = posing.hash();
    let actors = actors(&[&receiver, &other]);
    assert_eq!(refused(&receiver.document, posing, &actors), GateError::ForeignActor { change });
}

#[test]
fn own_changes_come_back_from_earlier_epochs_and_never_from_the_present_one() {
    let (mut lost, mut other) = (Writer::new(1), Writer::new(2));
    let before = lost.say();
    let mut restored = Writer::new(1);
    let change = before.hash();
    let present = actors(&[&restored, &other]);
    assert_eq!(refused(&restored.document, before.clone(), &present), GateError::OwnActor { change });
    restored.epoch = EpochId::from_bytes([77; 32]);
    let mut later = actors(&[&restored, &other]);
    later.allow(lost.device(), &lost.epoch);
    assert_eq!(admit(&restored.document, vec![before], &later).unwrap().changes.len(), 1);
    // What the document has already comes back harmlessly, whoever wrote it.
    let own = restored.say();
    other.document.apply(std::slice::from_ref(&own)).unwrap();
    assert_eq!(admit(&restored.document, vec![own], &later).unwrap().known, 1);
}

#[test]
fn a_sequence_number_that_was_used_is_refused() {
    let (mut receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let double = forged(&genuine, |change| change.time = 1);
    let (change, sequence) = (double.hash(), 1);
    let actors = actors(&[&receiver, &other]);
    receiver.document.apply(std::slice::from_ref(&genuine)).unwrap();
    let duplicate = GateError::DuplicateSequence { change, sequence };
    assert_eq!(refused(&receiver.document, double.clone(), &actors), duplicate);
    // Both at once: whichever is looked at second is the duplicate, and neither is applied.
    let both = admit(&Document::genesis(ID), vec![double, genuine], &actors);
    assert!(matches!(both, Err(GateError::DuplicateSequence { sequence: 1, .. })));
}

#[test]
fn a_forged_sequence_number_is_refused() {
    let (mut receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let ahead = forged(&genuine, |change| change.seq = 7);
    let change = ahead.hash();
    let actors = actors(&[&receiver, &other]);
    let wrong = GateError::WrongSequence { change, sequence: 7, expected: 1 };
    assert_eq!(refused(&receiver.document, ahead, &actors), wrong);
    let zero = forged(&genuine, |change| change.seq = 0);
    let change = zero.hash();
    let wrong = GateError::WrongSequence { change, sequence: 0, expected: 1 };
    assert_eq!(refused(&receiver.document, zero, &actors), wrong);
    // The next number, but not built on the one before it: a second branch of the same actor.
    receiver.document.apply(std::slice::from_ref(&genuine)).unwrap();
    let branch = forged(&genuine, |change| change.seq = 2);
    let change = branch.hash();
    let wrong = GateError::WrongSequence { change, sequence: 2, expected: 2 };
    assert_eq!(refused(&receiver.document, branch, &actors), wrong);
}

#[test]
fn operation_numbers_are_the_next_ones() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let actors = actors(&[&receiver, &other]);
    for start in [1_u64, u64::from(u32::MAX) - 1] {
        let start_op = std::num::NonZeroU64::new(start).unwrap();
        let forged = forged(&genuine, |change| change.start_op = start_op);
        let expected = genuine.start_op().get();
        let wrong = GateError::WrongOperations { change: forged.hash(), start, expected };
        assert_eq!(refused(&receiver.document, forged, &actors), wrong);
    }
}

#[test]
fn an_orphan_is_parked_and_admitted_when_what_it_builds_on_comes() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let (first, second) = (other.say(), other.say());
    let actors = actors(&[&receiver, &other]);
    let admitted = admit(&receiver.document, vec![second.clone(), second.clone()], &actors).unwrap();
    assert_eq!((admitted.changes.len(), hashes(&admitted.parked)), (0, vec![second.hash()]));
    let together = admit(&receiver.document, vec![second.clone(), first.clone()], &actors).unwrap();
    assert_eq!(hashes(&together.changes), [first.hash(), second.hash()]);
    let orphan = forged(&first, |change| change.deps = vec![ChangeHash([0xee; 32])]);
    assert_eq!(admit(&receiver.document, vec![orphan], &actors).unwrap().parked.len(), 1);
}

#[test]
fn caps_of_a_batch() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let actors = actors(&[&receiver, &other]);
    let many = vec![genuine.clone(); MAX_CHANGES + 1];
    let outcome = admit(&receiver.document, many, &actors);
    assert_eq!(outcome.unwrap_err(), GateError::TooManyChanges(MAX_CHANGES + 1));
    let orphans = (0..=MAX_PARKED as i64).map(|time| {
        forged(&genuine, |change| {
            change.time = time;
            change.deps = vec![ChangeHash([0xee; 32])];
        })
    });
    let outcome = admit(&receiver.document, orphans.collect(), &actors);
    assert_eq!(outcome.unwrap_err(), GateError::TooManyParked(MAX_PARKED + 1));
}

#[test]
fn caps_of_one_change() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let actors = actors(&[&receiver, &other]);
    let too_large = |forged: Change, what| {
        let change = forged.hash();
        assert_eq!(refused(&receiver.document, forged, &actors), GateError::TooLarge { change, what });
    };
    too_large(forged(&genuine, |change| change.message = Some("x".repeat(MAX_CHANGE_BYTES))), "bytes");
    let dependencies = (0..=MAX_DEPENDENCIES).map(|number| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        ChangeHash(hash)
    });
    too_large(forged(&genuine, |change| change.deps = dependencies.collect()), "dependencies");
    let mut operation = genuine.decode().operations[0].clone();
    operation.action = automerge::legacy::OpType::Put(automerge::ScalarValue::Null);
    let operations = vec![operation; MAX_OPERATIONS + 1];
    too_large(forged(&genuine, |change| change.operations = operations), "operations");
}

#[test]
fn a_reference_to_an_actor_that_wrote_nothing_here_is_refused() {
    let (receiver, mut other) = (Writer::new(1), Writer::new(2));
    let genuine = other.say();
    let actors = actors(&[&receiver, &other]);
    let nobody = automerge::ActorId::from(vec![0xaa; 16]);
    let posing = forged(&genuine, |change| {
        change.operations[0].obj = automerge::legacy::ObjectId::Id(automerge::legacy::OpId(3, nobody));
    });
    let change = posing.hash();
    assert_eq!(refused(&receiver.document, posing, &actors), GateError::UnknownReference { change });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever pieces changes come in, with what is parked offered again, everything is there in the end, and Automerge
    /// never has anything that it must make wait.
    #[test]
    fn pieces_in_any_order_come_to_the_same_document(
        steps in proptest::collection::vec((0..2_usize, any::<bool>()), 1..24),
        order in any::<u64>(),
        piece in 1..6_usize,
    ) {
        let mut writers = [Writer::new(2), Writer::new(3)];
        let mut all = Vec::new();
        for (writer, meets) in steps {
            if meets {
                let missing = writers[1 - writer].document.changes_since(&writers[writer].document.heads());
                let new: Vec<_> =
                    missing.into_iter().filter(|change| !writers[writer].document.holds(&change.hash())).collect();
                writers[writer].document.apply(&new).unwrap();
            }
            all.push(writers[writer].say());
        }
        let mut shuffled: Vec<_> = all.clone();
        shuffled.sort_by_key(|change| {
            let bytes: [u8; 8] = change.hash().0[..8].try_into().unwrap();
            u64::from_le_bytes(bytes).wrapping_mul(order | 1)
        });
        let mut receiver = Writer::new(1);
        let actors = actors(&[&receiver, &writers[0], &writers[1]]);
        let mut parked = Vec::new();
        for changes in shuffled.chunks(piece) {
            let offered = changes.iter().cloned().chain(std::mem::take(&mut parked)).collect();
            let admitted = admit(&receiver.document, offered, &actors).unwrap();
            receiver.document.apply(&admitted.changes).unwrap();
            prop_assert!(receiver.document.automerge().get_missing_deps(&[]).is_empty());
            parked = admitted.parked;
        }
        prop_assert!(parked.is_empty());
        prop_assert!(all.iter().all(|change| receiver.document.holds(&change.hash())));
    }
}
