//! Documents that other programs changed, that divide, or that have to be carried on: what is said stays said.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, Change, ROOT, ReadDoc};
use betwixt_model::carry::{self, Entries, Entry};
use betwixt_model::document::{Arrival, Document, DocumentId, Refusal, SIGNATURES, Scope, actor_id, arrivals};
use betwixt_model::fact::SignedFact;
use betwixt_model::gate::{self, Actors, GateError};
use betwixt_model::ids::{EpochId, FactId};
use betwixt_model::index;
use betwixt_model::index::rows::MemoryRows;
use serde_json::json;
use support::{Device, Dice, ingest, members, runs, vision};

const FIRST: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };
const NEXT: DocumentId = DocumentId { generation: 1, ..FIRST };
const EPOCH: EpochId = EpochId::from_bytes([5; 32]);

fn actor(device: &Device, document: DocumentId) -> ActorId {
    actor_id(&device.id, &document, &EPOCH)
}

fn actors(document: DocumentId, devices: &[&Device]) -> Actors {
    let mut actors = Actors::new(document);
    devices.iter().for_each(|device| actors.allow(device.id, &EPOCH));
    actors
}

fn says(device: &mut Device, text: &str) -> SignedFact {
    device.says(Some(vision()), "vision", "draft", json!(text), &[])
}

fn entries(facts: &[SignedFact]) -> Entries {
    facts.iter().map(|signed| (signed.fact().id(), Entry::of(signed))).collect()
}

/// What another program, run by whoever owns `device`, writes into a document.
fn tampered(document: &Document, device: &Device, write: impl Fn(&mut Transaction<'_>)) -> Change {
    let mut other = Automerge::load(&document.save()).unwrap().with_actor(actor(device, document.id()));
    let hash = {
        let mut transaction = other.transaction();
        write(&mut transaction);
        transaction.commit_with(CommitOptions::default().with_time(0)).0.unwrap()
    };
    other.get_change_by_hash(&hash).unwrap()
}

fn remove(transaction: &mut Transaction<'_>, map: &str, key: &FactId) {
    let (_, map) = transaction.get(ROOT, map).unwrap().unwrap();
    transaction.delete(&map, key.to_string()).unwrap();
}

fn alter(transaction: &mut Transaction<'_>, map: &str, key: &FactId, text: &str) {
    let (_, map) = transaction.get(ROOT, map).unwrap().unwrap();
    transaction.put(&map, key.to_string(), text).unwrap();
}

fn index_of(documents: &[&Document], devices: &[Device]) -> MemoryRows {
    let (mut rows, membership) = (MemoryRows::default(), members(devices));
    for document in documents {
        let read = document.changes_since(&[]).into_iter().flat_map(|change| arrivals(document.id(), &change));
        let facts: Vec<SignedFact> = read
            .filter_map(|arrival| match arrival {
                Arrival::Fact(fact) => Some(*fact),
                Arrival::Newer { .. } | Arrival::Refused { .. } => None,
            })
            .collect();
        ingest(&mut rows, &membership, &facts);
    }
    rows
}

/// Another program removes one key, alters another and puts a third value beside a fact's. The index that is built anew
/// from the document is what it was, byte for byte; the damage is told; saying the facts' bytes again mends it, and where
/// both do at once they come to the same.
#[test]
fn nothing_deleted_altered_keys_change_no_index_are_told_and_are_healed_by_both_at_once() {
    let (mut ada, mut ben) = (Device::new(1), Device::new(101));
    let facts = [says(&mut ada, "A calm home."), says(&mut ada, "An open home."), says(&mut ben, "A garden.")];
    let ids: Vec<FactId> = facts.iter().map(|signed| signed.fact().id()).collect();
    let mut document = Document::genesis(FIRST);
    document.append(&actor(&ada, FIRST), &facts).unwrap();
    let devices = [ada.clone(), ben.clone()];
    let before = index_of(&[&document], &devices);
    assert_eq!(document.altered().unwrap(), []);

    let change = tampered(&document, &ben, |transaction| {
        remove(transaction, "vision", &ids[0]);
        alter(transaction, "vision", &ids[1], "{}");
        remove(transaction, SIGNATURES, &ids[2]);
    });
    let admitted = gate::admit(&document, vec![change], &actors(FIRST, &[&ada, &ben])).unwrap();
    let read = document.apply(&admitted.changes).unwrap();
    assert!(read.iter().all(|arrival| matches!(arrival, Arrival::Refused { .. })) && read.len() == 3, "{read:?}");
    let mut altered = ids.clone();
    altered.sort_unstable();
    assert_eq!(document.altered().unwrap(), altered);
    assert_eq!(index_of(&[&document], &devices), before);

    // Both heal apart, and then meet.
    let mut other = Document::load(FIRST, &document.save()).unwrap();
    let mine = document.append(&actor(&ada, FIRST), &facts).unwrap();
    let theirs = other.append(&actor(&ben, FIRST), &facts).unwrap();
    document.apply(&[theirs]).unwrap();
    other.apply(&[mine]).unwrap();
    for document in [&document, &other] {
        assert_eq!(document.altered().unwrap(), []);
        assert_eq!(index_of(&[document], &devices), before);
    }
    assert_eq!(document.heads(), other.heads());
}

/// Somebody writes a change in another device's name, with a fact of their own that names that device's partner. The gate
/// cannot tell, the fact's signature does; and then the document is divided, because the real owner of the number goes on.
#[test]
fn a_forged_author_says_nothing_and_divides_a_document_which_the_next_generation_brings_together() {
    let (mut ada, mut ben, mut eve) = (Device::new(1), Device::new(101), Device::new(102));
    let said = says(&mut ada, "A calm home.");
    let mut hers = Document::genesis(FIRST);
    let first = hers.append(&actor(&ada, FIRST), std::slice::from_ref(&said)).unwrap();
    let mut his = Document::genesis(FIRST);
    his.apply(&[first]).unwrap();

    // Eve has his key ring's place in the roster, and forges the next change of Ada's device.
    let draft = says(&mut eve, "A loud home.");
    let text = draft.fact().text().replace(&eve.partner.to_string(), &ada.partner.to_string());
    let text = text.replace(&eve.id.to_string(), &ada.id.to_string());
    let forged_id = FactId::from_bytes(*blake3::hash(header_of(&text).as_bytes()).as_bytes());
    let forged = tampered(&his, &ada, |transaction| {
        alter(transaction, "vision", &forged_id, &text);
        let (_, signatures) = transaction.get(ROOT, SIGNATURES).unwrap().unwrap();
        transaction.put(&signatures, forged_id.to_string(), draft.signature().to_vec()).unwrap();
    });
    let admitted = gate::admit(&his, vec![forged], &actors(FIRST, &[&ada, &ben])).unwrap();
    let read = his.apply(&admitted.changes).unwrap();
    assert!(matches!(read.as_slice(), [Arrival::Refused { reason: Refusal::Signature(_), .. }]), "{read:?}");

    // Ada goes on; the two documents can never meet again.
    let more = says(&mut ada, "A calm, open home.");
    let change = hers.append(&actor(&ada, FIRST), std::slice::from_ref(&more)).unwrap();
    let refused = gate::admit(&his, vec![change], &actors(FIRST, &[&ada, &ben])).unwrap_err();
    assert!(refused.divides(), "{refused}");
    let mut own = actors(FIRST, &[&ada, &ben]);
    own.own(ada.id, &EPOCH);
    let refused = gate::admit(&hers, his.changes_since(&hers.heads()), &own).unwrap_err();
    assert!(refused.divides() && matches!(refused, GateError::OwnActor { .. }));

    // Each carries on what it has, his with something of his own in it.
    let own = says(&mut ben, "A garden.");
    his.append(&actor(&ben, FIRST), std::slice::from_ref(&own)).unwrap();
    let carried = [&hers, &his].map(|document| {
        let mut next = Document::genesis(NEXT);
        next.carry(carry::changes(NEXT, &document.entries().unwrap()).unwrap()).unwrap();
        next
    });
    let [mut one, mut other] = carried;
    let (left, right) = (one.changes_since(&other.heads()), other.changes_since(&one.heads()));
    for (document, changes) in [(&mut one, right), (&mut other, left)] {
        let admitted = gate::admit(document, changes, &actors(NEXT, &[&ada, &ben])).unwrap();
        document.apply(&admitted.changes).unwrap();
    }
    assert_eq!((one.heads(), one.altered().unwrap()), (other.heads(), Vec::new()));
    let devices = [ada, ben];
    let all = [said, more, own];
    let mut expected = MemoryRows::default();
    ingest(&mut expected, &members(&devices), &all);
    assert_eq!(index_of(&[&one], &devices), expected);
    assert_eq!(one.entries().unwrap(), entries(&all));
}

/// The header's exact bytes within a fact's text.
fn header_of(text: &str) -> &str {
    let end = text.find(r#","nonce""#).unwrap();
    &text[r#"{"header":"#.len()..end]
}

#[test]
fn equal_sets_are_carried_by_equal_bytes_in_whatever_order_they_came() {
    let mut ada = Device::new(1);
    let mut facts: Vec<SignedFact> = (0..40).map(|number| says(&mut ada, &format!("Sentence {number}."))).collect();
    let one = carry::changes(NEXT, &entries(&facts)).unwrap();
    Dice::seeded(3).shuffle(&mut facts);
    let other = carry::changes(NEXT, &entries(&facts)).unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!((one[0].timestamp(), one[0].raw_bytes()), (0, other[0].raw_bytes()));
    // In another generation or year they are other changes, so that nothing is carried where it does not belong.
    let later = DocumentId { generation: 2, ..NEXT };
    assert!(carry::is_carried(NEXT, &one[0]) && !carry::is_carried(later, &one[0]));
    assert!(!carry::is_carried(FIRST, &one[0]));
    assert!(carry::changes(NEXT, &Entries::new()).unwrap().is_empty());
}

/// A year that is too long for one change is carried by several; two sets that differ in one fact have all of these but one
/// in common.
#[test]
fn a_long_year_is_carried_in_parts_that_sets_have_in_common() {
    let mut ada = Device::new(1);
    let long = "We take time. ".repeat(4_000);
    let mut facts: Vec<SignedFact> = (0..60).map(|number| says(&mut ada, &format!("{number} {long}"))).collect();
    let whole = carry::changes(NEXT, &entries(&facts)).unwrap();
    assert!(whole.len() > 3);
    for change in &whole {
        assert!(change.raw_bytes().len() < gate::MAX_CHANGE_BYTES / 2);
    }
    facts.pop();
    let less = carry::changes(NEXT, &entries(&facts)).unwrap();
    let common = less.iter().filter(|change| whole.iter().any(|other| other.hash() == change.hash())).count();
    assert!(common + 2 >= less.len(), "{common} of {}", less.len());
    let mut document = Document::genesis(NEXT);
    let admitted = gate::admit(&document, [whole, less].concat(), &actors(NEXT, &[])).unwrap();
    document.apply(&admitted.changes).unwrap();
    assert_eq!((document.entries().unwrap().len(), document.altered().unwrap()), (60, Vec::new()));
}

/// Nobody's actor lets nothing in but facts that are somebody's, exactly as they are carried.
#[test]
fn hostile_input_is_an_error_what_only_looks_carried_is_refused() {
    let (mut ada, ben) = (Device::new(1), Device::new(101));
    let facts = [says(&mut ada, "A calm home."), says(&mut ada, "An open home.")];
    let good = carry::changes(NEXT, &entries(&facts)).unwrap().remove(0);
    let document = Document::genesis(NEXT);
    let none = actors(NEXT, &[&ben]);
    assert_eq!(gate::admit(&document, vec![good.clone()], &none).unwrap().changes.len(), 1);
    let make = |actor: &ActorId, time: i64, write: &dyn Fn(&mut Transaction<'_>)| {
        let mut other = Automerge::load(&document.save()).unwrap().with_actor(actor.clone());
        let mut transaction = other.transaction();
        write(&mut transaction);
        let hash = transaction.commit_with(CommitOptions::default().with_time(time)).0.unwrap();
        other.get_change_by_hash(&hash).unwrap()
    };
    let put = |transaction: &mut Transaction<'_>, signed: &SignedFact| {
        let key = signed.fact().id();
        alter(transaction, "vision", &key, signed.fact().text());
        let (_, signatures) = transaction.get(ROOT, SIGNATURES).unwrap().unwrap();
        transaction.put(&signatures, key.to_string(), signed.signature().to_vec()).unwrap();
    };
    let carried = good.actor_id();
    let wrong = [
        // Another actor, another time, less than the actor says, more than facts, an empty one.
        make(&ActorId::from([9; 16]), 0, &|transaction| facts.iter().for_each(|signed| put(transaction, signed))),
        make(carried, 1, &|transaction| facts.iter().for_each(|signed| put(transaction, signed))),
        make(carried, 0, &|transaction| put(transaction, &facts[0])),
        make(carried, 0, &|transaction| {
            facts.iter().for_each(|signed| put(transaction, signed));
            transaction.put(ROOT, "x", 1).unwrap();
        }),
        make(carried, 0, &|transaction| alter(transaction, "vision", &facts[0].fact().id(), "nothing")),
    ];
    for (number, change) in wrong.into_iter().enumerate() {
        let refused = gate::admit(&document, vec![change], &none);
        assert!(matches!(refused, Err(GateError::ForeignActor { .. })), "{number}: {refused:?}");
    }
    // The first generation has only what devices wrote.
    let refused = gate::admit(&Document::genesis(FIRST), vec![good], &actors(FIRST, &[&ben]));
    assert!(matches!(refused, Err(GateError::ForeignActor { .. })));
}

#[test]
fn facts_of_a_newer_format_are_carried_on_as_they_are() {
    let mut ada = Device::new(1);
    let signed = says(&mut ada, "A calm home.");
    let text = signed.fact().text().replace(r#""format":1"#, r#""format":7"#);
    let id = FactId::from_bytes(*blake3::hash(header_of(&text).as_bytes()).as_bytes());
    let mut document = Document::genesis(FIRST);
    let change = tampered(&document, &ada, |transaction| alter(transaction, "values", &id, &text));
    document.apply(&[change]).unwrap();
    let mut next = Document::genesis(NEXT);
    let changes = carry::changes(NEXT, &document.entries().unwrap()).unwrap();
    let admitted = gate::admit(&next, changes, &actors(NEXT, &[])).unwrap();
    let read = next.apply(&admitted.changes).unwrap();
    assert!(matches!(read.as_slice(), [Arrival::Newer { id: read, format: 7 }] if *read == id), "{read:?}");
    assert_eq!(next.entries().unwrap().values().next().unwrap().text(), text);
}

#[test]
fn a_map_that_is_taken_out_of_the_root_is_told_and_whole_again_in_the_next_generation() {
    let mut ada = Device::new(1);
    let mut document = Document::genesis(FIRST);
    document.append(&actor(&ada, FIRST), &[says(&mut ada, "A calm home.")]).unwrap();
    assert!(document.has_its_maps());
    let change = tampered(&document, &ada, |transaction| transaction.delete(ROOT, "vision").unwrap());
    document.apply(&[change]).unwrap();
    assert!(!document.has_its_maps());
    let mut next = Document::genesis(NEXT);
    next.carry(carry::changes(NEXT, &document.entries().unwrap()).unwrap()).unwrap();
    assert!(next.has_its_maps());
    assert_eq!(next.entries().unwrap(), document.entries().unwrap());
}

/// Two devices begin the next generation at different times, with sets that overlap, and go on in it: in whatever order
/// they hear of each other, they come to the same document and the same index.
#[test]
fn same_facts_same_view_generations_begun_apart_converge() {
    for seed in 0..runs(10) {
        let mut dice = Dice::seeded(seed);
        let mut devices = [Device::new(1), Device::new(101)];
        let mut said: Vec<SignedFact> = Vec::new();
        for number in 0..dice.below(20) + 4 {
            let speaker = dice.below(2);
            let seen = said.last().map(|signed| signed.fact().id());
            let seen: Vec<FactId> = seen.into_iter().filter(|_| dice.chance(50)).collect();
            let text = json!(format!("{number}"));
            said.push(devices[speaker].says(Some(vision()), "vision", "draft", text, &seen));
        }
        let mut sides: Vec<Document> = Vec::new();
        for device in &mut devices {
            let some: Vec<SignedFact> = said.iter().filter(|_| dice.chance(70)).cloned().collect();
            let mut next = Document::genesis(NEXT);
            next.carry(carry::changes(NEXT, &entries(&some)).unwrap()).unwrap();
            if dice.chance(60) {
                let more = says(device, "afterwards");
                next.append(&actor(device, NEXT), std::slice::from_ref(&more)).unwrap();
                said.push(more);
            }
            // What the old generation brings late is carried on as well.
            let late: Vec<SignedFact> = said.iter().filter(|_| dice.chance(30)).cloned().collect();
            next.carry(carry::changes(NEXT, &entries(&late)).unwrap()).unwrap();
            sides.push(next);
        }
        let allowed = actors(NEXT, &[&devices[0], &devices[1]]);
        let (left, right) = (sides[0].changes_since(&[]), sides[1].changes_since(&[]));
        for (side, mut changes) in sides.iter_mut().zip([right, left]) {
            changes.retain(|change| change.actor_id() != &betwixt_model::document::genesis_actor());
            dice.shuffle(&mut changes);
            let half = changes.split_off(changes.len() / 2);
            // In two batches, where what waits is offered again.
            let first = gate::admit(side, changes, &allowed).unwrap();
            side.apply(&first.changes).unwrap();
            let second = gate::admit(side, [first.parked, half].concat(), &allowed).unwrap();
            assert!(second.parked.is_empty());
            side.apply(&second.changes).unwrap();
        }
        assert_eq!(sides[0].heads(), sides[1].heads(), "seed {seed}");
        assert_eq!(sides[0].altered().unwrap(), [], "seed {seed}");
        let [one, other] = [&sides[0], &sides[1]].map(|side| index_of(&[side], &devices));
        assert_eq!(one, other, "seed {seed}");
        let loaded = Document::load(NEXT, &sides[0].save()).unwrap();
        assert_eq!(index_of(&[&loaded], &devices), one, "seed {seed}");
        assert!(index::is_current(&one).unwrap());
    }
}
