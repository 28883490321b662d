//! The bridge with clients that are Automerge itself, and no sockets.

use std::time::Duration;

use automerge::sync::{State, SyncDoc};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{AutoCommit, ROOT, ReadDoc};
use betwixt_model::document::{Document, practice};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::gate::Actors;
use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, ItemId, PartnerId};
use ciborium::Value;
use ed25519_dalek::SigningKey;
use sha2::Digest;

use super::*;
use crate::http::Sees;

const OURS: DocumentId = DocumentId { scope: Scope::Ours, year: 2027, generation: 0 };
const MINE: DocumentId = DocumentId { scope: Scope::Mine, year: 2027, generation: 0 };
const NEXT: DocumentId = DocumentId { scope: Scope::Ours, year: 2027, generation: 1 };

/// A device's documents, by what they are called here.
struct Home {
    documents: BTreeMap<DocumentId, Document>,
    key: SigningKey,
    previous: Option<FactId>,
}

impl Home {
    fn new() -> Self {
        let documents = [OURS, MINE].map(|id| (id, Document::genesis(id))).into();
        Self { documents, key: SigningKey::from_bytes(&[7; 32]), previous: None }
    }

    fn device(&self) -> DeviceId {
        DeviceId::from_bytes(self.key.verifying_key().to_bytes())
    }

    fn say(&mut self, id: DocumentId, value: &str) -> FactId {
        let fact = Fact::write(Draft {
            household: HouseholdId::from_bytes([1; 32]),
            item: None,
            kind: "thanks".into(),
            field: "what".into(),
            seen: Vec::new(),
            previous: self.previous,
            partner: PartnerId::from_bytes([2; 32]),
            device: self.device(),
            date: jiff::civil::date(2027, 3, 1),
            nonce: Nonce::from_bytes([3; 16]),
            value: value.into(),
        });
        let signed: SignedFact = fact.expect("is a fact").sign(&self.key);
        let fact = signed.fact().id();
        let actor = betwixt_model::document::actor_id(&self.device(), &id, &EpochId::from_bytes([4; 32]));
        self.documents.get_mut(&id).expect("is there").append(&actor, &[signed]).expect("appends");
        self.previous = Some(fact);
        fact
    }
}

impl Documents for Home {
    fn named(&self, name: &str, sees: Sees) -> Option<DocumentId> {
        self.documents.keys().find(|id| id.to_string() == name && sees.includes(id.scope)).copied()
    }

    fn durable(&mut self, document: DocumentId) -> Option<&Document> {
        self.documents.get(&document)
    }

    fn members(&self, document: DocumentId) -> Actors {
        let mut actors = Actors::new(document);
        actors.own(self.device(), &EpochId::from_bytes([4; 32]));
        actors
    }
}

/// A client with one document.
struct Client {
    id: SocketId,
    name: String,
    document: AutoCommit,
    state: State,
    unavailable: bool,
}

impl Client {
    fn sync(&mut self) -> Option<Vec<u8>> {
        let message = self.document.sync().generate_sync_message(&mut self.state)?;
        Some(sync(&self.name, message.encode()))
    }

    fn texts(&self, map: &str) -> BTreeMap<String, String> {
        let (_, map) = self.document.get(ROOT, map).expect("reads").expect("is there");
        let keys: Vec<String> = self.document.keys(&map).collect();
        let text = |key: &String| {
            let (value, _) = self.document.get(&map, key.as_str()).expect("reads").expect("is there");
            (key.clone(), value.as_str().unwrap_or_default().to_owned())
        };
        keys.iter().map(text).collect()
    }

    fn write(&mut self, map: &str, key: &str, value: &str) {
        let (_, map) = self.document.get(ROOT, map).expect("reads").expect("is there");
        self.document.put(&map, key, value).expect("puts");
        self.document.commit_with(CommitOptions::default());
    }
}

fn cbor(members: Vec<(&str, Value)>) -> Vec<u8> {
    let members = members.into_iter().map(|(name, value)| (Value::from(name), value)).collect();
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(members), &mut bytes).expect("is written");
    bytes
}

fn join() -> Vec<u8> {
    cbor(vec![("type", "join".into()), ("senderId", "client".into())])
}

fn sync(document: &str, data: Vec<u8>) -> Vec<u8> {
    cbor(vec![("type", "sync".into()), ("documentId", document.into()), ("data", Value::Bytes(data))])
}

struct Scene {
    bridge: Bridge,
    home: Home,
    clients: Vec<Client>,
    closed: BTreeMap<SocketId, Close>,
    /// What is to be said.
    asked: Vec<(Place, Unsigned)>,
    actors: u8,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let (bridge, home) = (Bridge::default(), Home::new());
        let now = Instant::now();
        Self { bridge, home, clients: Vec::new(), closed: BTreeMap::new(), asked: Vec::new(), actors: 0, now }
    }

    fn connect(&mut self, document: &str, sees: Sees, writes: bool) -> usize {
        let id = SocketId(self.clients.len() as u64);
        let guest = Guest { name: format!("guest {}", id.0), sees, writes };
        self.bridge.connected(id, guest, format!("betwixt-{}", id.0), self.now);
        self.bridge.heard(id, &join());
        let (state, name) = (State::new(), document.to_owned());
        self.clients.push(Client { id, name, document: AutoCommit::new(), state, unavailable: false });
        self.clients.len() - 1
    }

    fn reader(&mut self) -> usize {
        let client = self.connect(&OURS.to_string(), Sees::Shared, false);
        self.settle();
        client
    }

    fn writer(&mut self) -> usize {
        let client = self.connect(&OURS.to_string(), Sees::Shared, true);
        self.settle();
        client
    }

    fn send(&mut self, client: usize, frame: &[u8]) {
        let id = self.clients[client].id;
        self.bridge.heard(id, frame);
    }

    /// Carries messages until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..64 {
            let mut quiet = true;
            for client in 0..self.clients.len() {
                if self.closed.contains_key(&self.clients[client].id) {
                    continue;
                }
                if let Some(frame) = self.clients[client].sync() {
                    quiet = false;
                    self.send(client, &frame);
                }
            }
            quiet &= !self.go_on();
            if quiet {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn go_on(&mut self) -> bool {
        let Self { bridge, home, actors, .. } = self;
        bridge.progress(home, || {
            *actors += 1;
            ActorId::from([*actors; 16])
        });
        let mut any = false;
        while let Some(output) = self.bridge.poll_output() {
            any = true;
            match output {
                Output::Send(id, frame) => {
                    self.deliver(id, &frame);
                    self.bridge.drained(id);
                }
                Output::Close(id, close) => drop(self.closed.insert(id, close)),
                Output::Say { place, unsigned, .. } => self.asked.push((place, *unsigned)),
            }
        }
        any
    }

    fn deliver(&mut self, id: SocketId, frame: &[u8]) {
        let message: Value = ciborium::from_reader(frame).expect("is CBOR");
        let members = message.into_map().expect("is a map");
        let get =
            |name: &str| members.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value.clone());
        let client = self.clients.iter_mut().find(|client| client.id == id).expect("is known");
        match get("type").and_then(|kind| kind.into_text().ok()).as_deref() {
            Some("sync") => {
                let data = get("data").and_then(|data| data.into_bytes().ok()).expect("has data");
                let message = automerge::sync::Message::decode(&data).expect("is a sync message");
                client.document.sync().receive_sync_message(&mut client.state, message).expect("is taken");
            }
            Some("doc-unavailable") => client.unavailable = true,
            Some("peer" | "error") => {}
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, document: DocumentId) {
        self.bridge.committed(&[document].into(), &mut self.home);
    }

    /// Says what was asked for, as the loop does.
    fn say_asked(&mut self) -> Vec<FactId> {
        let mut facts = Vec::new();
        for (place, unsigned) in std::mem::take(&mut self.asked) {
            let fact = self.home.say(place.document, unsigned.value.as_str().unwrap_or_default());
            self.commit(place.document);
            let item = ItemId::from_bytes(*fact.as_bytes());
            self.bridge.answered(&place, &Ok(SaidFact { fact, item }));
            facts.push(fact);
        }
        facts
    }

    fn close_of(&self, client: usize) -> Option<Close> {
        self.closed.get(&self.clients[client].id).copied()
    }
}

const NEW: &str = r#"{"kind":"thanks","field":"what","value":"For the soup"}"#;

#[test]
fn a_client_sees_what_is_said_and_says_something_that_others_see_with_its_answer() {
    let mut scene = Scene::new();
    let first = scene.home.say(OURS, "For the morning");
    let (writer, reader) = (scene.writer(), scene.reader());
    for client in [writer, reader] {
        assert!(scene.clients[client].texts("thanks").contains_key(&first.to_string()));
    }
    let second = scene.home.say(OURS, "For the evening");
    scene.settle();
    assert!(!scene.clients[writer].texts("thanks").contains_key(&second.to_string()), "it is not on disk yet");
    scene.commit(OURS);
    scene.settle();
    assert!(scene.clients[writer].texts("thanks").contains_key(&second.to_string()));

    scene.clients[writer].write(practice("thanks"), "new:one", NEW);
    scene.settle();
    assert_eq!(scene.asked.len(), 1);
    assert_eq!(scene.asked[0].1, serde_json::from_str(NEW).expect("reads"));
    assert!(!scene.clients[reader].texts("thanks").contains_key("new:one"), "nobody is told before it is answered");
    let [fact] = scene.say_asked()[..] else { panic!("one was asked for") };
    scene.settle();
    for client in [writer, reader] {
        let texts = scene.clients[client].texts("thanks");
        assert!(!texts.contains_key("new:one"));
        assert!(texts.contains_key(&fact.to_string()), "{texts:?}");
        let answer: serde_json::Value = serde_json::from_str(&texts["answer:one"]).expect("is JSON");
        assert_eq!(answer["fact"], fact.to_string());
    }
    assert!(scene.closed.is_empty());
    // The document itself has nothing of a client's.
    assert_eq!(scene.home.documents[&OURS].changes_since(&[]).len(), 4);
}

#[test]
fn whoever_may_not_write_is_told_so_and_what_is_no_fact_is_healed() {
    let mut scene = Scene::new();
    let fact = scene.home.say(OURS, "For the morning").to_string();
    let (reader, writer) = (scene.reader(), scene.writer());
    let whole = scene.clients[reader].texts("thanks");
    scene.clients[reader].write("thanks", "new:one", NEW);
    scene.settle();
    assert!(scene.asked.is_empty());
    let answer = &scene.clients[reader].texts("thanks")["answer:one"];
    assert!(answer.contains("not-permitted"), "{answer}");

    // Rubbish of every kind; a fact altered, and one removed with its signature.
    let rubbish = &mut scene.clients[writer];
    rubbish.write("thanks", &fact, "altered");
    rubbish.write("thanks", "nothing", "rubbish");
    rubbish.write("thanks", "answer:one", "forged");
    rubbish.write("signatures", &fact, "no signature");
    rubbish.write("signatures", "new:two", NEW);
    rubbish.document.put(ROOT, "rubbish", 1).expect("puts");
    let (_, goals) = rubbish.document.get(ROOT, "goals").expect("reads").expect("is there");
    rubbish.document.put_object(&goals, "nested", automerge::ObjType::Map).expect("puts");
    rubbish.document.commit();
    scene.settle();
    let (_, thanks) = scene.clients[reader].document.get(ROOT, "thanks").expect("reads").expect("is there");
    scene.clients[reader].document.delete(&thanks, fact.as_str()).expect("deletes");
    scene.clients[reader].document.commit();
    scene.settle();
    for client in [reader, writer] {
        let client = &scene.clients[client];
        let mut texts = client.texts("thanks");
        let answer = texts.remove("answer:one").expect("is there");
        assert!(answer.contains("not-permitted"));
        assert_eq!(texts, whole);
        assert!(client.texts("goals").is_empty() && client.document.get(ROOT, "rubbish").expect("reads").is_none());
        let (_, signatures) = client.document.get(ROOT, "signatures").expect("reads").expect("is there");
        let signatures: Vec<String> = client.document.keys(&signatures).collect();
        assert_eq!(signatures, std::slice::from_ref(&fact));
        let (signature, _) = client.document.get(ROOT, "signatures").expect("reads").expect("is there");
        assert!(signature.is_object());
    }
    assert!(scene.closed.is_empty() && scene.asked.is_empty());
}

#[test]
fn a_client_that_comes_back_brings_its_own_and_is_answered_again() {
    let mut scene = Scene::new();
    let writer = scene.writer();
    scene.clients[writer].write("thanks", "new:one", NEW);
    scene.settle();
    let (place, _) = scene.asked.remove(0);
    // It is said, and the daemon ends before anybody was told.
    let fact = scene.home.say(OURS, "For the soup");
    scene.bridge.gone(scene.clients[writer].id);
    assert!(scene.bridge.copies.is_empty(), "nobody has it open");
    let said = Ok(SaidFact { fact, item: ItemId::from_bytes(*fact.as_bytes()) });
    scene.bridge.answered(&place, &said);
    assert!(scene.bridge.copies.is_empty());

    let again = scene.connect(&OURS.to_string(), Sees::Shared, true);
    scene.clients[again].document = scene.clients[writer].document.fork();
    scene.clients.swap_remove(writer);
    let again = 0;
    scene.settle();
    assert_eq!(scene.asked.len(), 1, "it is brought again; who says it knows that it was said");
    let (place, _) = scene.asked.remove(0);
    scene.bridge.answered(&place, &said);
    scene.settle();
    let texts = scene.clients[again].texts("thanks");
    assert!(
        texts.contains_key(&fact.to_string()) && texts.contains_key("answer:one") && !texts.contains_key("new:one")
    );
    assert!(scene.closed.is_empty());
}

#[test]
fn documents_are_there_for_whoever_sees_them_and_go_when_they_are_locked_or_carried_on() {
    let mut scene = Scene::new();
    let (shared, private) = (
        scene.connect(&MINE.to_string(), Sees::Shared, true),
        scene.connect(&MINE.to_string(), Sees::Everything, true),
    );
    let unknown = scene.connect("unknown", Sees::Everything, true);
    scene.settle();
    let unavailable: Vec<bool> = scene.clients.iter().map(|client| client.unavailable).collect();
    assert_eq!(unavailable, [true, false, true]);
    assert!(scene.clients[private].texts("thanks").is_empty());
    let ours = scene.reader();
    scene.bridge.opened();
    scene.go_on();
    let again: Vec<usize> = (0..scene.clients.len()).filter(|client| scene.close_of(*client).is_some()).collect();
    assert_eq!(again, [shared, unknown], "whoever missed one comes again");
    scene.bridge.locked();
    scene.go_on();
    assert!(matches!(scene.close_of(private), Some(Close::Again(_))));
    assert_eq!(scene.close_of(ours), None);
    scene.home.documents.insert(NEXT, Document::genesis(NEXT));
    scene.commit(NEXT);
    scene.go_on();
    assert!(matches!(scene.close_of(ours), Some(Close::Again(_))), "a newer generation carries it on");
    assert!(scene.bridge.copies.is_empty());
}

#[test]
fn hostile_input_is_an_error_and_ends_its_connection_alone() {
    let mut scene = Scene::new();
    scene.home.say(OURS, "For the morning");
    let honest = scene.reader();
    let name = OURS.to_string();
    let filter = |filter: &[u8]| {
        let mut bytes = vec![0x42, 0, 0, 1, 0, u8::try_from(filter.len()).expect("is short")];
        bytes.extend(filter);
        bytes.push(0);
        sync(&name, bytes)
    };
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (vec![0xff; 10], 1007),
        (cbor(vec![("type", 1.into())]), 1008),
        (join(), 1008),
        (vec![0; MAX_FRAME + 1], 1009),
        // Filters that make Automerge divide by zero, and never come back.
        (filter(&[1, 0, 7]), 1008),
        (filter(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), 1008),
        (sync(&name, vec![0x42, 0xff, 0xff, 0xff, 0xff, 0x0f]), 1008),
        (sync(&name, vec![0x43, 0, 0, 0, 0]), 1008),
    ];
    for (number, (frame, code)) in cases.into_iter().enumerate() {
        let hostile = scene.writer();
        scene.send(hostile, &frame);
        scene.go_on();
        assert_eq!(scene.close_of(hostile).map(|close| close.code_and_words().0), Some(code), "case {number}");
    }
    let silent = SocketId(1_000);
    let guest = Guest { name: "silent".into(), sees: Sees::Shared, writes: true };
    scene.bridge.connected(silent, guest, "betwixt".into(), scene.now);
    let due = scene.bridge.poll_timeout().expect("it has to join");
    assert!(due - scene.now <= Duration::from_secs(10));
    scene.bridge.handle_timeout(due);
    let told: Vec<Output> = std::iter::from_fn(|| scene.bridge.poll_output()).collect();
    assert!(matches!(told[..], [Output::Close(id, Close::Violation(_))] if id == silent), "{told:?}");
    scene.home.say(OURS, "For the evening");
    scene.commit(OURS);
    scene.settle();
    assert_eq!(scene.clients[honest].texts("thanks").len(), 2);
    assert_eq!(scene.close_of(honest), None);
}

#[test]
fn hostile_input_is_an_error_changes_that_automerge_refuses_or_panics_over() {
    let mut scene = Scene::new();
    scene.home.say(OURS, "For the morning");
    let writer = scene.writer();
    let known = scene.clients[writer].document.get_heads();
    scene.clients[writer].write("thanks", "new:one", NEW);
    let changes = scene.clients[writer].document.get_changes(&known);
    let raw = changes[0].raw_bytes().to_vec();
    scene.bridge.gone(scene.clients.remove(writer).id);
    // Magic, checksum, kind, length; the data come after.
    let start = 9 + raw[9..].iter().position(|byte| byte & 0x80 == 0).expect("it has a length") + 1;
    let mut closed: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, at) in (start..raw.len()).enumerate() {
        for flip in [1, 2, 0x7f, 0x80] {
            let mut altered = raw.clone();
            altered[at] ^= flip;
            let checksum = sha2::Sha256::digest(&altered[8..]);
            altered[4..8].copy_from_slice(&checksum[..4]);
            let message = automerge::sync::Message {
                heads: known.clone(),
                need: Vec::new(),
                have: Vec::new(),
                changes: vec![altered].into(),
                flags: None,
                version: automerge::sync::MessageVersion::V1,
            };
            let id = SocketId(10_000 + 4 * number as u64 + u64::from(flip % 4));
            let guest = Guest { name: "hostile".into(), sees: Sees::Shared, writes: true };
            scene.bridge.connected(id, guest, "betwixt".into(), scene.now);
            for frame in [join(), sync(&OURS.to_string(), message.encode())] {
                scene.bridge.heard(id, &frame);
            }
            let Scene { bridge, home, .. } = &mut scene;
            bridge.progress(home, || ActorId::from([8; 16]));
            while let Some(output) = scene.bridge.poll_output() {
                if let Output::Close(_, close) = output {
                    *closed.entry(close.code_and_words().1).or_default() += 1;
                }
            }
            scene.bridge.gone(id);
            assert!(scene.bridge.copies.is_empty());
        }
    }
    assert!(closed.get("changes that cannot be applied").is_some_and(|count| *count > 0), "{closed:?}");
    let honest = scene.reader();
    assert_eq!(scene.clients[honest].texts("thanks").len(), 1);
    assert_eq!(scene.close_of(honest), None);
}

#[test]
fn maps_that_are_removed_and_members_names_are_refused_before_anything_is_applied() {
    let mut scene = Scene::new();
    scene.home.say(OURS, "For the morning");
    let honest = scene.reader();
    let before = scene.bridge.copies[&OURS].copy.document().heads();
    let remover = scene.writer();
    scene.clients[remover].document.delete(ROOT, "thanks").expect("deletes");
    scene.clients[remover].document.commit();
    scene.settle();
    assert!(matches!(scene.close_of(remover), Some(Close::Violation(_))));
    let forger = scene.writer();
    let member = betwixt_model::document::actor_id(&scene.home.device(), &OURS, &EpochId::from_bytes([4; 32]));
    scene.clients[forger].document.set_actor(member);
    scene.clients[forger].write("thanks", "new:one", NEW);
    scene.settle();
    assert!(matches!(scene.close_of(forger), Some(Close::Violation(_))));
    assert_eq!(scene.bridge.copies[&OURS].copy.document().heads(), before);
    assert_eq!(scene.close_of(honest), None);
    assert!(scene.asked.is_empty());
}

#[test]
fn a_frontend_has_a_few_connections_and_a_slow_reader_costs_one_message() {
    let mut scene = Scene::new();
    let guest = Guest { name: "same".into(), sees: Sees::Shared, writes: false };
    for number in 0..=MAX_SOCKETS as u64 {
        scene.bridge.connected(SocketId(100 + number), guest.clone(), "betwixt".into(), scene.now);
    }
    assert!(matches!(scene.bridge.poll_output(), Some(Output::Close(id, Close::Full(_))) if id.0 == 108));
    let slow = scene.reader();
    let id = scene.clients[slow].id;
    for number in 0..10 {
        scene.home.say(OURS, &number.to_string());
        scene.commit(OURS);
        let Scene { bridge, home, .. } = &mut scene;
        bridge.progress(home, || unreachable!("the copy is there"));
    }
    let sent: Vec<Output> = std::iter::from_fn(|| scene.bridge.poll_output()).collect();
    assert_eq!(sent.len(), 1);
    for output in sent {
        let Output::Send(to, frame) = output else { panic!("{output:?}") };
        assert_eq!(to, id);
        scene.deliver(to, &frame);
        scene.bridge.drained(to);
    }
    scene.settle();
    assert_eq!(scene.clients[slow].texts("thanks").len(), 10);
}
