//! Real documents through the store: appended, loaded, compacted, damaged.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use betwixt_model::document::{Document, DocumentId, GENESIS, Scope, actor_id};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{CompactError, Store, StoreOptions, StoredDocument};
use ed25519_dalek::SigningKey;
use rand_core::OsRng;

const DOCUMENT: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

fn fact(key: &SigningKey, number: usize) -> SignedFact {
    let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
    let draft = Draft {
        household: HouseholdId::from_bytes([1; 32]),
        item: None,
        kind: "goal".into(),
        field: "title".into(),
        seen: vec![],
        previous: None,
        partner: PartnerId::founded_by(&device),
        device,
        date: "2026-03-01".parse().unwrap(),
        nonce: Nonce::from_bytes([number as u8; 16]),
        value: format!("goal number {number}").into(),
    };
    Fact::write(draft).unwrap().sign(key)
}

fn load(stored: &StoredDocument) -> Result<Document, String> {
    if let Some(damage) = stored.damaged.first() {
        return Err(damage.to_string());
    }
    let document = Document::load(DOCUMENT, &stored.bytes(GENESIS)).map_err(|error| error.to_string())?;
    let mut heads = document.heads();
    heads.sort_unstable();
    if heads == stored.heads { Ok(document) } else { Err("other heads".into()) }
}

fn read(store: &Store) -> StoredDocument {
    store.read().unwrap().reader().document(DOCUMENT).unwrap().unwrap()
}

#[test]
fn changes_that_are_appended_together_are_those_that_are_appended_one_by_one() {
    let store = Store::in_memory(&DataKeys::random(&mut OsRng)).unwrap();
    let key = SigningKey::from_bytes(&[11; 32]);
    let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
    let actor = actor_id(&device, &DOCUMENT, &EpochId::from_bytes([1; 32]));
    let mut document = Document::genesis(DOCUMENT);
    let changes: Vec<_> = (0..7).map(|number| document.append(&actor, &[fact(&key, number)]).unwrap()).collect();
    let mut batch = store.begin().unwrap();
    assert_eq!(batch.append_change(DOCUMENT, changes[0].raw_bytes()).unwrap(), 0);
    assert_eq!(batch.append_changes(DOCUMENT, changes[1..6].iter().map(|change| change.raw_bytes())).unwrap(), 1);
    assert_eq!(batch.append_changes(DOCUMENT, []).unwrap(), 6);
    assert_eq!(batch.append_change(DOCUMENT, changes[6].raw_bytes()).unwrap(), 6);
    batch.put_heads(DOCUMENT, &document.heads()).unwrap();
    batch.commit().unwrap();
    let stored = read(&store);
    assert!(stored.changes.iter().map(Vec::as_slice).eq(changes.iter().map(|change| change.raw_bytes())));
    assert_eq!(load(&stored).unwrap().save(), document.save());
    assert_eq!(store.read().unwrap().reader().documents(Scope::Ours).unwrap()[&DOCUMENT].appended, 7);
}

#[test]
fn a_document_comes_back_from_its_changes_and_from_its_snapshot() {
    let keys = DataKeys::random(&mut OsRng);
    let disk = MemoryDisk::new();
    let store = Store::create(disk.clone(), &keys, StoreOptions::default()).unwrap();
    let key = SigningKey::from_bytes(&[11; 32]);
    let epoch = store.read().unwrap().reader().epoch().unwrap();
    let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
    let actor = actor_id(&device, &DOCUMENT, &EpochId::from_bytes(*epoch.as_bytes()));
    let mut document = Document::genesis(DOCUMENT);
    for number in 0..12 {
        let change = document.append(&actor, &[fact(&key, number)]).unwrap();
        let mut batch = store.begin().unwrap();
        batch.append_change(DOCUMENT, change.raw_bytes()).unwrap();
        batch.put_heads(DOCUMENT, &document.heads()).unwrap();
        batch.commit().unwrap();
        if number == 7 {
            let check = |bytes: &[u8]| {
                let document = Document::load(DOCUMENT, bytes).map_err(|error| error.to_string())?;
                Ok(document.heads())
            };
            // What lacks the last change is not the document.
            let mut older = Document::genesis(DOCUMENT);
            older.append(&actor, &[fact(&key, 0)]).unwrap();
            let refused = store.compact(DOCUMENT, &older.save(), check);
            assert!(matches!(refused, Err(CompactError::Refused { .. })));
            let refused = store.compact(DOCUMENT, b"rubbish", check);
            assert!(matches!(refused, Err(CompactError::Refused { .. })));
            assert_eq!(store.compact(DOCUMENT, &document.save(), check).unwrap().covered, 8);
        }
        let mut expected = document.heads();
        expected.sort_unstable();
        assert_eq!(store.read().unwrap().reader().heads(DOCUMENT).unwrap(), Some(expected));
        assert_eq!(load(&read(&store)).unwrap().save(), document.save());
    }
    drop(store);
    let store = Store::open(disk, &keys, StoreOptions::default()).unwrap();
    let stored = read(&store);
    assert_eq!(stored.changes.len(), 4);
    assert_eq!(load(&stored).unwrap().save(), document.save());
    let report = store.verify(&mut |_, stored| load(stored).map(drop)).unwrap();
    assert!(report.is_whole() && report.documents == 1);

    // A document that arrives whole is one more chunk.
    let other = Store::in_memory(&keys).unwrap();
    let mut batch = other.begin().unwrap();
    batch.append_change(DOCUMENT, &document.save()).unwrap();
    batch.put_heads(DOCUMENT, &document.heads()).unwrap();
    batch.commit().unwrap();
    assert_eq!(load(&read(&other)).unwrap().save(), document.save());
}

#[test]
fn heads_that_the_bytes_do_not_have_are_found_by_verifying() {
    let keys = DataKeys::random(&mut OsRng);
    let store = Store::in_memory(&keys).unwrap();
    let key = SigningKey::from_bytes(&[11; 32]);
    let mut document = Document::genesis(DOCUMENT);
    let actor = actor_id(&DeviceId::from_bytes([1; 32]), &DOCUMENT, &EpochId::from_bytes([1; 32]));
    let first = document.append(&actor, &[fact(&key, 1)]).unwrap();
    document.append(&actor, &[fact(&key, 2)]).unwrap();
    let mut batch = store.begin().unwrap();
    batch.append_change(DOCUMENT, first.raw_bytes()).unwrap();
    batch.put_heads(DOCUMENT, &document.heads()).unwrap();
    batch.commit().unwrap();
    let report = store.verify(&mut |_, stored| load(stored).map(drop)).unwrap();
    assert_eq!(report.unloadable, [(DOCUMENT, "other heads".to_owned())]);
}
