//! HostileInputIsAnError, with a real daemon: a partner's device, paired as it should be, runs a patched Betwixt. After
//! everything that it tries the daemon answers, says in words what happened, keeps everything and goes on with the same
//! device as soon as that is honest again.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use automerge::{ActorId, Change, ChangeHash};
use betwixt_api::Collection;
use betwixt_model::document::{Document, DocumentId, actor_id};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::gate::{self, Actors};
use betwixt_model::ids::HouseholdId;
use betwixt_sync::wire::{Frame, GoodbyeReason, Hello, StreamKey, VersionRange, caps, decode_sync_message};
use betwixt_tests::home::{Home, couple_on_loopback, in_step, shared};
use betwixt_tests::hostile_sync::{with_changes, with_filter};
use betwixt_tests::patched::Patched;
use rand_core::{OsRng, RngCore as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon under attack, and the device that attacks it and is honest in between.
struct Scene {
    victim: Home,
    other: Home,
    rounds: usize,
}

impl Scene {
    async fn new() -> Self {
        let (victim, other) = couple_on_loopback().await.unwrap();
        Self::with(victim, other).await
    }

    async fn with(victim: Home, other: Home) -> Self {
        let mut scene = Self { victim, other, rounds: 0 };
        scene.share().await;
        scene.other.down().await.unwrap();
        scene
    }

    /// Both say something, and both have all that was ever said.
    async fn share(&mut self) {
        self.rounds += 1;
        for (home, who) in [(&self.victim, "victim"), (&self.other, "other")] {
            let key = format!("{who}-{}", self.rounds);
            home.create(Collection::Thanks, &key, "what", json!(key)).await.unwrap();
        }
        in_step(&self.victim, &self.other, PATIENCE).await.unwrap();
        for home in [&self.victim, &self.other] {
            let thanks = home.client().items(Collection::Thanks, None).await.unwrap();
            let said: Vec<&Value> = thanks.iter().filter_map(|item| item.fields.get("what")?.held()).collect();
            for who in ["victim", "other"] {
                for round in 1..=self.rounds {
                    assert!(said.contains(&&json!(format!("{who}-{round}"))), "{who}-{round} is missing: {said:?}");
                }
            }
        }
    }

    fn attack(&self) -> Patched {
        Patched::take_over(&self.other, &self.victim).unwrap()
    }

    /// After an attack: the daemon answers and says these words; the same device, honest, is in step with it again.
    async fn survives(&mut self, attacker: Patched, words: &str) {
        attacker.leave().await.unwrap();
        self.says(words).await;
        self.other.up_and_unlock().await.unwrap();
        self.share().await;
        self.other.down().await.unwrap();
        let verified = self.victim.client().verify().await.unwrap();
        assert!(verified.damaged.is_empty(), "{verified:?}");
    }

    /// Words may take a moment: facts are stored first.
    async fn says(&self, words: &str) {
        let begun = Instant::now();
        loop {
            let troubles = self.victim.client().status().await.unwrap().troubles;
            if troubles.iter().any(|trouble| trouble.contains(words)) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{words:?} is not in {troubles:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn hostile_input_is_an_error_a_patched_partner_that_breaks_the_protocol() {
    let mut scene = Scene::new().await;

    // Bytes that are no frame; a frame cut short; the longest frame there may be.
    let mut attacker = scene.attack();
    let hello = Frame::Hello(attacker.hello().unwrap()).encode();
    for bytes in [vec![0xee; 40], hello[..hello.len() / 2].to_vec(), Vec::new(), vec![0; caps::FRAME]] {
        let line = attacker.dial().await.unwrap();
        attacker.send_bytes(line, StreamKey::Control, bytes).unwrap();
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    }
    scene.survives(attacker, "what is no message of Betwixt's").await;

    // Out of order: no Hello first, two of them, a page's frame on the control stream, a page before the digests.
    let mut attacker = scene.attack();
    let page = Frame::Sync { last: true, bytes: with_changes(vec![]) };
    for frames in [vec![Frame::Digest([1; 32])], vec![page], vec![Frame::InStep]] {
        let line = attacker.dial().await.unwrap();
        frames.iter().for_each(|frame| attacker.send(line, frame).unwrap());
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    }
    let hello = Frame::Hello(attacker.hello().unwrap());
    let line = attacker.dial().await.unwrap();
    attacker.send(line, &hello).unwrap();
    attacker.send(line, &hello).unwrap();
    assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    scene.survives(attacker, "a message at the wrong time").await;

    // Another household; more statements than a roster has.
    let mut attacker = scene.attack();
    let hello = Hello { household: HouseholdId::from_bytes([6; 32]), ..attacker.hello().unwrap() };
    let line = attacker.dial().await.unwrap();
    attacker.send(line, &Frame::Hello(hello)).unwrap();
    assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    scene.says("another household").await;
    let line = attacker.dial().await.unwrap();
    let hello = Frame::Hello(attacker.hello().unwrap());
    attacker.send(line, &hello).unwrap();
    for _ in 0..3 {
        // It may be hung up on in between.
        let _ = attacker.send(line, &Frame::Roster(vec![vec![7]; caps::ROSTER_STATEMENTS / 2]));
    }
    assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    scene.survives(attacker, "more than is allowed").await;

    // A protocol of the future, and one of the past.
    for (versions, words) in [
        (VersionRange { oldest: 1000, newest: 1001 }, "newer protocol: update Betwixt on this device"),
        (VersionRange { oldest: 0, newest: 0 }, "older protocol: update Betwixt on the other device"),
    ] {
        let mut attacker = scene.attack();
        let hello = Hello { versions, ..attacker.hello().unwrap() };
        let line = attacker.dial().await.unwrap();
        attacker.send(line, &Frame::Hello(hello)).unwrap();
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Version);
        scene.survives(attacker, words).await;
    }
    // However much it tries, `status` stays short.
    assert!(scene.victim.client().status().await.unwrap().troubles.len() < 10);
}

#[tokio::test]
async fn hostile_input_is_an_error_sync_messages_that_make_automerge_panic_or_hang() {
    let mut scene = Scene::new().await;
    let mut attacker = scene.attack();
    let document = attacker.latest().unwrap();
    let zero_bits = with_filter(&[1, 0, 7]);
    let endless_probe = with_filter(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    for message in [zero_bits, endless_probe, vec![0x43, 0, 0, 0, 0], vec![0x42, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let line = attacker.meet().await.unwrap();
        attacker.say(line, document, message, false).unwrap();
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    }
    scene.survives(attacker, "a page that cannot be read").await;

    // One that Automerge refuses or panics over, although its checksum is right and the gate sees nothing wrong in it.
    let mut attacker = scene.attack();
    let change = inapplicable(&mut attacker);
    let line = attacker.meet().await.unwrap();
    attacker.say(line, document, with_changes(vec![change]), false).unwrap();
    assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    scene.survives(attacker, "changes that cannot be applied").await;
}

/// The next change that this device could honestly make, altered under a repaired checksum until Automerge does not take it
/// although everything before Automerge does.
fn inapplicable(attacker: &mut Patched) -> Vec<u8> {
    let id = attacker.latest().unwrap();
    let fact = thanks(attacker, "never taken").sign(attacker.keys().signing());
    let before = attacker.document(id).unwrap();
    let saved = before.save();
    let mut ahead = Document::load(id, &saved).unwrap();
    let actor = actor_id(&attacker.keys().device(), &id, &attacker.replica().epoch());
    let change = ahead.append(&actor, &[fact]).unwrap();
    let mut actors = Actors::new(id);
    actors.allow(attacker.keys().device(), &attacker.replica().epoch());
    let other = attacker.other();
    let epochs = {
        let roster = attacker.replica().roster();
        roster.device(&other).unwrap().epochs.to_vec()
    };
    epochs.iter().for_each(|epoch| actors.allow(other, epoch));
    let raw = change.raw_bytes().to_vec();
    // Magic, checksum, kind, length; the data come after.
    let start = 9 + raw[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    for at in (start..raw.len()).rev() {
        for flip in [1, 2, 0x7f, 0x80] {
            let mut altered = raw.clone();
            altered[at] ^= flip;
            let checksum = Sha256::digest(&altered[8..]);
            altered[4..8].copy_from_slice(&checksum[..4]);
            let Ok((_, changes)) = decode_sync_message(&with_changes(vec![altered.clone()])) else { continue };
            let Ok(admitted) = gate::admit(&before, changes, &actors) else { continue };
            if admitted.changes.is_empty() {
                continue;
            }
            let mut document = Document::load(id, &saved).unwrap();
            if document.apply(&admitted.changes).is_err() {
                return altered;
            }
        }
    }
    panic!("Automerge takes whatever the gate admits: this part of the test has nothing to test any more");
}

fn draft(attacker: &mut Patched, kind: &str, value: &str) -> Draft {
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    let year = attacker.latest().unwrap().year;
    Draft {
        household: attacker.household(),
        item: None,
        kind: kind.to_owned(),
        field: "what".to_owned(),
        seen: Vec::new(),
        previous: None,
        partner: attacker.replica().identity().partner(),
        device: attacker.keys().device(),
        date: serde_json::from_value(format!("{year}-06-01").into()).unwrap(),
        nonce: Nonce::from_bytes(nonce),
        value: value.into(),
    }
}

fn thanks(attacker: &mut Patched, value: &str) -> Fact {
    Fact::write(draft(attacker, "thanks", value)).unwrap()
}

async fn thanks_of(home: &Home) -> String {
    serde_json::to_string(&home.client().items(Collection::Thanks, None).await.unwrap()).unwrap()
}

#[tokio::test]
async fn hostile_input_is_an_error_facts_that_are_forged_foreign_or_of_no_known_kind() {
    let mut scene = Scene::new().await;
    let before = thanks_of(&scene.victim).await;
    let mut attacker = scene.attack();
    let id = attacker.latest().unwrap();

    // Signed by another key; in the other's name, by one's own key; of another household; of a kind from the future.
    let stranger = betwixt_sync::keys::DeviceKeys::generate(&mut OsRng);
    let forged: SignedFact = thanks(&mut attacker, "forged").sign(stranger.signing());
    let other = attacker.other();
    let victim_partner = {
        let roster = attacker.replica().roster();
        roster.device(&other).unwrap().partner
    };
    let in_my_name = Draft { partner: victim_partner, ..draft(&mut attacker, "thanks", "never said") };
    let in_my_name = Fact::write(in_my_name).unwrap().sign(attacker.keys().signing());
    let by_my_device = Draft { partner: victim_partner, device: other, ..draft(&mut attacker, "thanks", "nor this") };
    let by_my_device = Fact::write(by_my_device).unwrap().sign(attacker.keys().signing());
    let foreign =
        Draft { household: HouseholdId::from_bytes([6; 32]), ..draft(&mut attacker, "thanks", "from abroad") };
    let foreign = Fact::write(foreign).unwrap().sign(attacker.keys().signing());
    let unknown = Fact::write(draft(&mut attacker, "constellation", "of the future")).unwrap();
    let unknown = unknown.sign(attacker.keys().signing());
    let mut changes = Vec::new();
    for facts in [vec![forged], vec![in_my_name, by_my_device], vec![foreign], vec![unknown]] {
        changes.push(attacker.carry(id, &facts).unwrap().raw_bytes().to_vec());
    }
    let line = attacker.meet().await.unwrap();
    attacker.say(line, id, with_changes(changes), false).unwrap();
    scene.says("entries that count for nothing").await;
    let after = thanks_of(&scene.victim).await;
    for text in ["forged", "never said", "nor this", "from abroad", "of the future"] {
        assert!(!after.contains(text), "{text:?} is shown");
    }
    assert_eq!(before, after, "what was there is there");
    attacker.hang_up(line);
    scene.survives(attacker, "entries that count for nothing").await;
}

#[tokio::test]
async fn hostile_input_is_an_error_changes_that_its_documents_cannot_have() {
    let mut scene = Scene::new().await;
    let mut attacker = scene.attack();
    let id = attacker.latest().unwrap();
    let fact = thanks(&mut attacker, "next").sign(attacker.keys().signing());
    let actor = actor_id(&attacker.keys().device(), &id, &attacker.replica().epoch());
    let next = attacker.document(id).unwrap().append(&actor, &[fact]).unwrap();
    let altered = |change: &Change, alter: &dyn Fn(&mut automerge::ExpandedChange)| {
        let mut expanded = change.decode();
        expanded.hash = None;
        alter(&mut expanded);
        Change::from(expanded).raw_bytes().to_vec()
    };
    let refused = [
        // A number that is not the next one. (One that is taken, and one in the name of the daemon under attack, divide the
        // document, which goes on in its next generation:
        // `no_silent_winner_a_doubled_number_and_a_change_in_the_daemons_own_name_divide_nobody`.)
        altered(&next, &|change| change.seq += 5),
        // In the name of nobody.
        altered(&next, &|change| change.actor_id = ActorId::from(vec![6; 16])),
    ];
    for change in refused {
        let line = attacker.meet().await.unwrap();
        attacker.say(line, id, with_changes(vec![change]), false).unwrap();
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation);
    }
    // Building on what nobody has: it waits outside of the document, is asked for, and blocks nothing.
    let orphan = altered(&next, &|change| change.deps.push(ChangeHash([5; 32])));
    let line = attacker.meet().await.unwrap();
    attacker.say(line, id, with_changes(vec![orphan]), false).unwrap();
    loop {
        if let Frame::Sync { bytes, .. } = attacker.frame(line).await.unwrap()
            && decode_sync_message(&bytes).unwrap().0.need.contains(&ChangeHash([5; 32]))
        {
            break;
        }
    }
    attacker.hang_up(line);
    assert!(!thanks_of(&scene.victim).await.contains("next"));
    scene.survives(attacker, "changes that its pages cannot have").await;
}

/// What a peer brings under a number that is taken, or in the daemon's own name, can never go into the same document: the
/// daemons go on in its next generation, with what either of them holds, and nothing that anybody said is gone.
#[tokio::test]
async fn no_silent_winner_a_doubled_number_and_a_change_in_the_daemons_own_name_divide_nobody() {
    let mut scene = Scene::new().await;
    for (text, in_its_name) in [("under a number that is used twice", false), ("in the daemon's own name", true)] {
        let mut attacker = scene.attack();
        let id = attacker.latest().unwrap();
        let fact = thanks(&mut attacker, text).sign(attacker.keys().signing());
        let actor = if in_its_name { attacker.other_actor(id).unwrap() } else { attacker.actor(id) };
        // It does not keep this, so the next thing that is said on it has the same number.
        let change = attacker.document(id).unwrap().append(&actor, &[fact]).unwrap();
        let line = attacker.meet().await.unwrap();
        attacker.say(line, id, with_changes(vec![change.raw_bytes().to_vec()]), false).unwrap();
        let begun = Instant::now();
        while !thanks_of(&scene.victim).await.contains(text) {
            assert!(begun.elapsed() < PATIENCE, "what was said is not shown: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        attacker.hang_up(line);
        attacker.leave().await.unwrap();
        scene.other.up_and_unlock().await.unwrap();
        scene.share().await;
        let shown = [shared(&scene.victim).await.unwrap(), shared(&scene.other).await.unwrap()];
        assert_eq!(shown[0], shown[1]);
        for home in [&scene.victim, &scene.other] {
            assert!(thanks_of(home).await.contains(text), "{text:?} is gone");
            let verified = home.client().verify().await.unwrap();
            assert!(verified.damaged.is_empty(), "{text}: {verified:?}");
            let newest = home.client().status().await.unwrap().documents;
            let next = newest.iter().map(|document| document.id.parse::<DocumentId>().unwrap().generation).max();
            assert!(next > Some(id.generation), "{text}: nobody went on in a new generation: {newest:?}");
        }
        scene.other.down().await.unwrap();
    }
}

/// A chunk around these data; a compressed change carries the checksum of what it inflates to.
fn chunk(kind: u8, data: &[u8], hashed_kind: u8, hashed: &[u8]) -> Vec<u8> {
    let mut head = vec![hashed_kind];
    unsigned(&mut head, hashed.len());
    let hash = Sha256::new().chain_update(&head).chain_update(hashed).finalize();
    let mut chunk = [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], &[kind]].concat();
    unsigned(&mut chunk, data.len());
    chunk.extend(data);
    chunk
}

/// LEB128.
fn unsigned(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

/// So many zeroes, deflated: a megabyte of them, over and over, each ending in a full flush that makes the next independent.
fn deflated_zeroes(megabytes: usize) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut once = Vec::with_capacity(1 << 20);
    compress.compress_vec(&vec![0; 1 << 20], &mut once, flate2::FlushCompress::Full).unwrap();
    let mut all = once.repeat(megabytes);
    // An empty last block (RFC 1951, section 3.2.6).
    all.extend([3, 0]);
    all
}

/// A saved document with one compressed column.
fn document_bomb(megabytes: usize) -> Vec<u8> {
    let column = deflated_zeroes(megabytes);
    let mut data = vec![0, 0, 0, 1];
    unsigned(&mut data, 0x57 | 8);
    unsigned(&mut data, column.len());
    data.extend(&column);
    chunk(0, &data, 0, &data)
}

/// A change without operations that inflates to so much.
fn change_bomb(megabytes: usize) -> Vec<u8> {
    chunk(2, &deflated_zeroes(megabytes), 1, &vec![0; megabytes << 20])
}

/// What the daemon may have of data: what one message may inflate to, or deriving a key from the passphrase takes (64 MiB either), twice,
/// and 32 MiB to run. Any bomb that is inflated beyond its cap passes this by itself.
const DATA: u64 = 160 << 20;

#[tokio::test]
async fn hostile_input_is_an_error_decompression_bombs_under_a_memory_limit() {
    let mut victim = Home::on_loopback().unwrap();
    victim.limit_memory(DATA);
    let mut scene = {
        let mut other = Home::on_loopback().unwrap();
        victim.found("Robin").await.unwrap();
        other.found("Kim").await.unwrap();
        betwixt_tests::home::pair(&victim, &other, true).await.unwrap();
        betwixt_tests::home::introduce(&victim, &other).await.unwrap();
        betwixt_tests::home::introduce(&other, &victim).await.unwrap();
        Scene::with(victim, other).await
    };
    let process = scene.victim.process().unwrap();
    eprintln!("before the bombs: {}", memory(process));
    let mut attacker = scene.attack();
    let document = attacker.latest().unwrap();
    let elsewhere = DocumentId { year: document.year + 3, ..document };
    let many = |count: usize, bomb: Vec<u8>| with_changes(vec![bomb; count]);
    let (within, above) = (caps::INFLATED >> 20, usize::try_from(DATA >> 20).unwrap() + 32);
    let bombs: Vec<(&str, DocumentId, Vec<u8>, bool)> = vec![
        ("a change of more than there is", document, with_changes(vec![change_bomb(above)]), false),
        ("a change within the cap", document, with_changes(vec![change_bomb(within)]), false),
        ("many that are within the cap alone", document, many(20, change_bomb(within / 2)), false),
        ("a document of more than there is", elsewhere, document_bomb(above), true),
        ("a document within the cap", elsewhere, document_bomb(within), true),
    ];
    for (what, document, bytes, whole) in bombs {
        assert!(bytes.len() <= caps::MESSAGE, "{what} has {} bytes and would be refused unread", bytes.len());
        let line = attacker.meet().await.unwrap();
        attacker.say(line, document, bytes, whole).unwrap();
        assert_eq!(attacker.hung_up(line).await.unwrap(), GoodbyeReason::Violation, "{what}");
        eprintln!("after {what}: {}", memory(process));
    }
    assert_eq!(scene.victim.process(), Some(process));
    scene.survives(attacker, "a page that cannot be read").await;
    eprintln!("at the end: {}", memory(process));
}

fn memory(process: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let lines = status.lines().filter(|line| ["VmPeak", "VmHWM", "VmData"].iter().any(|name| line.starts_with(name)));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
