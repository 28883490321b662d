//! The documents that carry facts: the golden genesis, and what is read out of changes that somebody else made.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, Change, ROOT, ReadDoc};
use betwixt_model::document::{
    Arrival, Document, DocumentError, DocumentId, GENESIS, PRACTICES, Refusal, SIGNATURES, Scope, actor_id,
    genesis_actor, genesis_hash, practice,
};
use betwixt_model::fact::{FactError, SignedFact};
use betwixt_model::ids::{DeviceId, EpochId};
use betwixt_model::schema::KINDS;
use serde_json::json;
use support::{Device, vision};

const OURS: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

#[test]
fn golden_genesis() {
    assert_eq!(blake3::hash(GENESIS).to_hex().as_str(), include_str!("golden/genesis.txt").lines().next().unwrap());
    assert_eq!(genesis_hash().to_string(), include_str!("golden/genesis.txt").lines().nth(1).unwrap());
    let document = Automerge::load(GENESIS).unwrap();
    let [change] = document.get_changes(&[]).try_into().unwrap();
    assert_eq!((change.timestamp(), change.actor_id()), (0, &genesis_actor()));
    for name in PRACTICES.into_iter().chain([SIGNATURES]) {
        let (value, map) = document.get(ROOT, name).unwrap().unwrap();
        assert!(value.is_object() && document.length(&map) == 0, "{name} is an empty map");
    }
    assert_eq!(document.keys(ROOT).count(), PRACTICES.len() + 1);
    assert_eq!(Document::genesis(OURS).heads(), [genesis_hash()]);
}

#[test]
fn every_kind_has_a_practice() {
    for kind in KINDS {
        assert!(PRACTICES.contains(&practice(kind.name)));
        // What the first version's documents have no map for, or the program keeps for itself.
        assert_eq!(practice(kind.name) == "others", ["attachment", "brought"].contains(&kind.name), "{}", kind.name);
    }
    assert_eq!(practice("something_newer"), "others");
}

#[test]
fn document_names_have_one_spelling() {
    for name in ["ours/2026", "mine/1970", "ours/9998.4294967295"] {
        assert_eq!(name.parse::<DocumentId>().unwrap().to_string(), name);
    }
    for name in [
        "",
        "ours",
        "theirs/2026",
        "ours/26",
        "ours/02026",
        "ours/2026.0",
        "ours/2026.01",
        "ours/1969",
        "ours/9999",
        "ours/-1",
        "Ours/2026",
    ] {
        assert!(name.parse::<DocumentId>().is_err(), "{name}");
    }
}

fn says(device: &mut Device) -> SignedFact {
    device.says(Some(vision()), "vision", "draft", json!("A calm, open home."), &[])
}

fn actor(number: u8) -> ActorId {
    actor_id(&DeviceId::from_bytes([number; 32]), &OURS, &EpochId::from_bytes([number; 32]))
}

#[test]
fn what_one_appends_the_other_reads_and_saves() {
    let mut device = Device::new(1);
    let facts = [says(&mut device), says(&mut device)];
    let mut one = Document::genesis(OURS);
    let change = one.append(&actor(1), &facts).unwrap();
    assert_eq!((change.timestamp(), one.sequence(&actor(1))), (0, 1));
    let mut other = Document::genesis(OURS);
    let arrivals = other.apply(&[change]).unwrap();
    let mut read: Vec<SignedFact> = Vec::new();
    for arrival in arrivals {
        let Arrival::Fact(fact) = arrival else { panic!("a fact: {arrival:?}") };
        read.push(*fact);
    }
    let mut sorted = facts.to_vec();
    sorted.sort_by_key(|fact| fact.fact().id());
    assert_eq!((read, other.heads()), (sorted, one.heads()));
    let loaded = Document::load(OURS, &other.save()).unwrap();
    assert_eq!((loaded.heads(), loaded.sequence(&actor(1))), (one.heads(), 1));
}

/// A change that somebody made by hand, and what is read out of it.
fn arrivals(write: impl Fn(&mut Transaction<'_>)) -> Vec<Arrival> {
    let mut document = Automerge::load(GENESIS).unwrap().with_actor(actor(9));
    let hash = {
        let mut transaction = document.transaction();
        write(&mut transaction);
        transaction.commit_with(CommitOptions::default().with_time(0)).0.unwrap()
    };
    let change: Change = document.get_change_by_hash(&hash).unwrap();
    Document::genesis(OURS).apply(&[change]).unwrap()
}

fn put(transaction: &mut Transaction<'_>, map: &str, key: &str, text: &str) {
    let (_, map) = transaction.get(ROOT, map).unwrap().unwrap();
    transaction.put(&map, key, text).unwrap();
}

fn sign(transaction: &mut Transaction<'_>, key: &str, signature: &[u8]) {
    let (_, map) = transaction.get(ROOT, SIGNATURES).unwrap().unwrap();
    transaction.put(&map, key, signature.to_vec()).unwrap();
}

fn refusal(arrivals: Vec<Arrival>) -> Refusal {
    match <[Arrival; 1]>::try_from(arrivals) {
        Ok([Arrival::Refused { reason, .. }]) => reason,
        other => panic!("one refusal: {other:?}"),
    }
}

#[test]
fn hostile_input_is_an_error_and_no_fact() {
    let mut device = Device::new(1);
    let signed = says(&mut device);
    let (id, text, signature) = (signed.fact().id().to_string(), signed.fact().text(), signed.signature());

    let good = arrivals(|transaction| {
        put(transaction, "vision", &id, text);
        sign(transaction, &id, &signature);
    });
    assert!(matches!(good.as_slice(), [Arrival::Fact(fact)] if **fact == signed));
    let unsigned = arrivals(|transaction| put(transaction, "vision", &id, text));
    assert!(matches!(refusal(unsigned), Refusal::Unsigned));
    let forged = arrivals(|transaction| {
        put(transaction, "vision", &id, text);
        sign(transaction, &id, &[7; 64]);
    });
    assert!(matches!(refusal(forged), Refusal::Signature(_)));
    let elsewhere = "a".repeat(52);
    let wrong_key = arrivals(|transaction| {
        put(transaction, "vision", &elsewhere, text);
        sign(transaction, &elsewhere, &signature);
    });
    assert!(matches!(refusal(wrong_key), Refusal::WrongKey));
    let altered = arrivals(|transaction| {
        put(transaction, "vision", &id, &text.replace("calm", "loud"));
        sign(transaction, &id, &signature);
    });
    assert!(matches!(refusal(altered), Refusal::Fact(FactError::WrongHash(_))));
    let outside = arrivals(|transaction| transaction.put(ROOT, "vision", "mine now").unwrap());
    assert!(matches!(refusal(outside), Refusal::NoFact));
    let object = arrivals(|transaction| {
        let (_, map) = transaction.get(ROOT, "vision").unwrap().unwrap();
        transaction.put_object(&map, "x", automerge::ObjType::Text).unwrap();
    });
    assert!(matches!(refusal(object), Refusal::NoFact));
    let newer = text.replace(r#""format":1"#, r#""format":7"#);
    let newer = arrivals(|transaction| put(transaction, "vision", &id, &newer));
    assert!(matches!(newer.as_slice(), [Arrival::Newer { format: 7, .. }]));
    let lone = arrivals(|transaction| sign(transaction, &id, &signature));
    assert!(lone.is_empty(), "a signature of nothing is nothing: {lone:?}");

    let document = DocumentId { year: 2025, ..OURS };
    let mut carrier = Document::genesis(OURS);
    let change = carrier.append(&actor(1), std::slice::from_ref(&signed)).unwrap();
    assert!(matches!(refusal(betwixt_model::document::arrivals(document, &change)), Refusal::WrongYear));
}

/// Removing or altering a key has no meaning, is told, and takes nothing that was read before.
#[test]
fn nothing_deleted_by_removing_keys() {
    let mut device = Device::new(1);
    let signed = says(&mut device);
    let id = signed.fact().id().to_string();
    let mut document = Document::genesis(OURS);
    document.append(&actor(1), std::slice::from_ref(&signed)).unwrap();
    let mut vandal = Automerge::load(&document.save()).unwrap().with_actor(actor(9));
    let (_, map) = vandal.get(ROOT, "vision").unwrap().unwrap();
    let mut transaction = vandal.transaction();
    transaction.delete(&map, id.as_str()).unwrap();
    transaction.delete(ROOT, "vision").unwrap();
    let hash = transaction.commit().0.unwrap();
    let arrivals = document.apply(&[vandal.get_change_by_hash(&hash).unwrap()]).unwrap();
    assert_eq!(arrivals.len(), 2);
    assert!(arrivals.iter().all(|arrival| matches!(arrival, Arrival::Refused { reason: Refusal::NoFact, .. })));
    // The map is gone from Automerge's present state; facts are carried in it all the same.
    let next = says(&mut device);
    let change = document.append(&actor(1), std::slice::from_ref(&next)).unwrap();
    let arrivals = Document::load(OURS, &vandal.save()).unwrap().apply(&[change]).unwrap();
    assert!(matches!(arrivals.as_slice(), [Arrival::Fact(fact)] if **fact == next));
    let loaded = Document::load(OURS, &document.save()).unwrap();
    let read = loaded
        .changes_since(&[])
        .iter()
        .flat_map(|change| betwixt_model::document::arrivals(OURS, change))
        .collect::<Vec<_>>();
    assert_eq!(read.iter().filter(|arrival| matches!(arrival, Arrival::Fact(_))).count(), 2);
}

#[test]
fn damaged_or_foreign_documents_are_refused() {
    let mut foreign = Automerge::new();
    foreign.transact::<_, _, automerge::AutomergeError>(|transaction| transaction.put(ROOT, "x", 1)).unwrap();
    assert!(matches!(Document::load(OURS, &foreign.save()), Err(DocumentError::ForeignGenesis(_))));
    let mut document = Document::genesis(OURS);
    document.append(&actor(1), &[says(&mut Device::new(1))]).unwrap();
    let saved = document.save();
    for at in (0..saved.len()).step_by(7) {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x55;
        if let Ok(document) = Document::load(OURS, &damaged) {
            // Automerge repairs nothing: bytes that load in spite of a flip say what they said before.
            assert!(document.heads() == Document::load(OURS, &saved).unwrap().heads(), "byte {at}");
        }
    }
}
