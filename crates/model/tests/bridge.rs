//! The bridge's copy of a document: what guests write has no meaning, and the document never has it.

#![allow(clippy::unwrap_used, reason = "tests")]

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ROOT, ReadDoc};
use betwixt_model::bridge::{BridgeCopy, BridgeError, MAX_ACTORS, Unsaid};
use betwixt_model::document::{Document, DocumentId, Scope, actor_id};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::gate::{Actors, GateError};
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use ed25519_dalek::SigningKey;

const ID: DocumentId = DocumentId { scope: Scope::Ours, year: 2027, generation: 0 };

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn device() -> DeviceId {
    DeviceId::from_bytes(key().verifying_key().to_bytes())
}

fn member() -> ActorId {
    actor_id(&device(), &ID, &EpochId::from_bytes([4; 32]))
}

fn members() -> Actors {
    let mut actors = Actors::new(ID);
    actors.own(device(), &EpochId::from_bytes([4; 32]));
    actors
}

fn say(document: &mut Document, value: &str) -> SignedFact {
    let fact = Fact::write(Draft {
        household: HouseholdId::from_bytes([1; 32]),
        item: None,
        kind: "goal".into(),
        field: "title".into(),
        seen: Vec::new(),
        previous: None,
        partner: PartnerId::from_bytes([2; 32]),
        device: device(),
        date: jiff::civil::date(2027, 3, 1),
        nonce: Nonce::from_bytes([3; 16]),
        value: value.into(),
    });
    let signed = fact.unwrap().sign(&key());
    document.append(&member(), std::slice::from_ref(&signed)).unwrap();
    signed
}

struct Scene {
    document: Document,
    copy: BridgeCopy,
    guest: AutoCommit,
    fact: SignedFact,
}

impl Scene {
    fn new() -> Self {
        let mut document = Document::genesis(ID);
        let fact = say(&mut document, "Cycle along the coast");
        let copy = BridgeCopy::new(&document, ActorId::from([8; 16]));
        let mut guest = AutoCommit::load(&document.save()).unwrap();
        guest.set_actor(ActorId::from([9; 16]));
        Self { document, copy, guest, fact }
    }

    /// What the guest has written and the copy has not.
    fn written(&mut self) -> Vec<Change> {
        let heads = self.copy.document().heads();
        let known: Vec<ChangeHash> =
            heads.into_iter().filter(|head| self.guest.get_change_by_hash(head).is_some()).collect();
        self.guest.get_changes(&known)
    }

    fn goals(&mut self) -> automerge::ObjId {
        self.guest.get(ROOT, "goals").unwrap().unwrap().1
    }

    fn put(&mut self, key: &str, value: &str) {
        let goals = self.goals();
        self.guest.put(goals, key, value).unwrap();
        self.guest.commit();
    }

    fn in_copy(&self, key: &str) -> Option<String> {
        let automerge = self.copy.document().automerge();
        let (_, goals) = automerge.get(ROOT, "goals").unwrap().unwrap();
        let values = automerge.get_all(goals, key).unwrap();
        values.last().and_then(|(value, _)| value.as_str().map(str::to_owned))
    }
}

#[test]
fn what_a_guest_alters_is_brought_back_whatever_the_document_went_on_to_say() {
    let mut scene = Scene::new();
    let (id, text) = (scene.fact.fact().id().to_string(), scene.fact.fact().text().to_owned());
    scene.put(&id, "altered");
    scene.put("rubbish", "rubbish");
    let changes = scene.written();
    let received = scene.copy.receive(changes, &members()).unwrap();
    assert!(received.changed && received.unsaid.is_empty() && received.parked.is_empty());
    assert_eq!(scene.in_copy(&id), Some(text.clone()));
    assert_eq!(scene.in_copy("rubbish"), None);

    // A guest that has not seen a fact writes under its id beforehand.
    let mut ahead = scene.document.clone();
    let next = say(&mut ahead, "Plant two trees");
    let next_id = next.fact().id().to_string();
    scene.put(&next_id, "forged");
    let changes = scene.written();
    scene.copy.receive(changes, &members()).unwrap();
    assert_eq!(scene.in_copy(&next_id), None);
    assert!(scene.copy.follow(&ahead).unwrap() && !scene.copy.follow(&ahead).unwrap());
    assert_eq!(scene.in_copy(&next_id).as_deref(), Some(next.fact().text()));
    // And goes on writing there, and deletes it.
    let changes = scene.copy.document().changes_since(&[]);
    scene.guest.apply_changes(changes).unwrap();
    let goals = scene.goals();
    scene.guest.delete(goals, next_id.as_str()).unwrap();
    scene.guest.commit();
    let changes = scene.written();
    scene.copy.receive(changes, &members()).unwrap();
    assert_eq!(scene.in_copy(&next_id).as_deref(), Some(next.fact().text()));
    assert_eq!(scene.in_copy(&id), Some(text));
    assert_eq!(scene.document.changes_since(&[]).len(), 2, "the document has nothing of it");
}

#[test]
fn what_is_to_be_said_is_handed_out_once_and_its_answer_stands() {
    let mut scene = Scene::new();
    scene.put("new:one", "a saying");
    let goals = scene.goals();
    scene.guest.put(&goals, "new:number", 1).unwrap();
    let object = scene.guest.put_object(&goals, "new:text", automerge::ObjType::Text).unwrap();
    scene.guest.splice_text(&object, 0, 0, "a text").unwrap();
    for no_name in ["new:", "new:no name", &format!("new:{}", "a".repeat(65))] {
        scene.guest.put(&goals, no_name, "rubbish").unwrap();
    }
    scene.guest.commit();
    let changes = scene.written();
    let received = scene.copy.receive(changes.clone(), &members()).unwrap();
    let unsaid =
        |name: &str, text: Option<&str>| Unsaid { map: "goals", name: name.into(), text: text.map(str::to_owned) };
    assert_eq!(
        received.unsaid,
        [unsaid("number", None), unsaid("one", Some("a saying")), unsaid("text", Some("a text"))]
    );
    assert!(scene.copy.is_waiting() && scene.in_copy("new:no name").is_none());
    assert!(!scene.copy.receive(changes, &members()).unwrap().changed, "it is known");
    for name in ["one", "number", "text"] {
        scene.copy.answer("goals", name, format!("answer to {name}")).unwrap();
    }
    assert!(!scene.copy.is_waiting());
    assert_eq!(scene.in_copy("new:one"), None);
    assert_eq!(scene.in_copy("answer:one").as_deref(), Some("answer to one"));
    // Written again, and forged, it stays.
    scene.put("new:one", "another saying");
    scene.put("answer:one", "forged");
    let changes = scene.written();
    assert!(scene.copy.receive(changes, &members()).unwrap().unsaid.is_empty());
    assert_eq!(scene.in_copy("new:one"), None);
    assert_eq!(scene.in_copy("answer:one").as_deref(), Some("answer to one"));
}

#[test]
fn hostile_input_is_an_error_what_cannot_be_undone_is_not_applied() {
    let mut scene = Scene::new();
    let heads = scene.copy.document().heads();
    for (map, replaced) in [("goals", false), ("signatures", false), ("thanks", true)] {
        let mut guest = scene.guest.fork().with_actor(ActorId::random());
        match replaced {
            true => drop(guest.put_object(ROOT, map, automerge::ObjType::Map).unwrap()),
            false => guest.delete(ROOT, map).unwrap(),
        }
        guest.commit();
        let refused = scene.copy.receive(guest.get_changes(&heads), &members());
        assert!(matches!(refused, Err(BridgeError::RemovesMap(_))), "{refused:?}");
    }
    scene.guest.set_actor(member());
    scene.put("new:one", "in a member's name");
    let changes = scene.written();
    let refused = scene.copy.receive(changes, &members());
    assert!(matches!(refused, Err(BridgeError::Gate(GateError::MembersActor { .. }))), "{refused:?}");
    assert_eq!(scene.copy.document().heads(), heads);
}

#[test]
fn changes_that_build_on_others_wait_and_too_many_guests_fill_a_copy() {
    let mut scene = Scene::new();
    scene.put("one", "rubbish");
    scene.put("two", "rubbish");
    let changes = scene.written();
    let [first, second] = &changes[..] else { panic!("{changes:?}") };
    let received = scene.copy.receive(vec![second.clone()], &members()).unwrap();
    assert!(!received.changed);
    assert_eq!(received.parked, std::slice::from_ref(second));
    let received = scene.copy.receive(vec![second.clone(), first.clone()], &members()).unwrap();
    assert!(received.changed && received.parked.is_empty());

    let heads = scene.document.heads();
    let mut all = Vec::new();
    for number in 0..=u16::try_from(MAX_ACTORS).unwrap() {
        let mut guest = AutoCommit::load(&scene.document.save()).unwrap();
        guest.set_actor(ActorId::from(&number.to_be_bytes()));
        guest.put(ROOT, "rubbish", 1).unwrap();
        guest.commit();
        all.extend(guest.get_changes(&heads));
    }
    let full = scene.copy.receive(all, &members());
    assert!(matches!(full, Err(BridgeError::Full("actors"))), "{full:?}");
}
