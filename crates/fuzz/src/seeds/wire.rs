//! What devices and programs send each other.

use automerge::sync::{State, SyncDoc};
use automerge::{AutoCommit, Change};
use betwixt_model::document::Document;
use betwixt_model::ids::{AttachmentId, HouseholdId};
use betwixt_sync::keys::advert;
use betwixt_sync::pairing::{PairingOffer, Purpose, fuzz};
use betwixt_sync::wire::{Frame, GoodbyeReason, Hello, ListedDocument, PresentFact, VersionRange, encode_present};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::{Seed, named, numbered};
use crate::frames::join;
use crate::household::{couple, ours, shared};
use crate::targets::{SYNC, cbor, chains, fixture, inside, local, their_pair, wrapped};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn frames() -> Vec<Seed> {
    let (home, rest) = fixture();
    let hello = |newest| {
        Frame::Hello(Hello {
            versions: VersionRange { oldest: 1, newest },
            household: HouseholdId::from_bytes([1; 32]),
            counter: 300,
            roster_heads: vec![[2; 32], [3; 32]],
        })
    };
    let listed =
        [2025, 2026].map(|year| ListedDocument { id: shared(year), heads: home.documents[&shared(2026)].heads() });
    let file = |seed| AttachmentId::from_bytes([seed; 32]);
    let all = [
        ("hello", hello(1)),
        ("hello-newer", hello(9)),
        ("roster", Frame::Roster(vec![b"a statement".to_vec(), Vec::new()])),
        ("roster-done", Frame::RosterDone),
        ("digest", Frame::Digest([5; 32])),
        ("in-step", Frame::InStep),
        ("documents", Frame::Documents(listed.to_vec())),
        ("goodbye", Frame::Goodbye(GoodbyeReason::Other(77))),
        ("open", Frame::Open(shared(2026))),
        ("sync", Frame::Sync { last: true, bytes: rest[0].raw_bytes().to_vec() }),
        ("whole", Frame::Whole { last: false, bytes: b"saved".to_vec() }),
        ("open-attachments", Frame::OpenAttachments),
        ("have", Frame::Have { last: true, ids: vec![file(1), file(2)] }),
        ("lost", Frame::Lost(vec![file(1)])),
        ("want", Frame::Want { id: file(1), from: 3, count: 8 }),
        ("chunk", Frame::Chunk { id: file(1), chunk: 3, bytes: b"sealed".to_vec() }),
        ("unavailable", Frame::Unavailable(file(1))),
        ("ask-present", Frame::AskPresent),
        ("present", Frame::Present { last: true, bytes: packed(&[]) }),
    ];
    all.into_iter().map(|(name, frame)| named(name, frame.encode())).collect()
}

fn packed(facts: &[PresentFact]) -> Vec<u8> {
    encode_present(facts).expect("it is within the caps")
}

/// Presents as they are sent, and as what they are deflated from.
pub(super) fn presents() -> Vec<Seed> {
    let mut home = couple()[0].clone();
    let mut fact = |value: &str| home.fact(2026, value);
    let facts = [fact("We walk to the sea"), fact("A garden"), fact("what was said and taken back").without_value()];
    let facts = facts.map(|fact| PresentFact { text: fact.fact().text().to_owned(), signature: fact.signature() });
    let mut sorted = facts.to_vec();
    sorted.sort_unstable();
    let mut plain = vec![3];
    for fact in &sorted {
        let length = fact.text.len();
        plain.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        plain.extend(fact.text.as_bytes());
        plain.extend(fact.signature);
    }
    vec![named("some", packed(&facts)), named("none", packed(&[])), named("inside", plain)]
}

/// Records of a file, as `carry` takes them apart.
pub(super) fn carried() -> Vec<Seed> {
    let chains = chains();
    let (home, rest) = fixture();
    let between = [&[1][..], chains.devices[1].device().as_bytes(), chains.devices[0].device().as_bytes()].concat();
    let statements: Vec<Vec<u8>> = chains.statements.iter().map(|statement| statement.to_bytes()).collect();
    let list = |tag: u8, parts: &[Vec<u8>]| {
        let mut record = vec![tag];
        let parts = parts.iter().map(|part| (false, part.as_slice()));
        let count = parts.len();
        record.push(u8::try_from(count).expect("few"));
        record.extend(inside(parts));
        record
    };
    let document = |year: u16, heads: &[automerge::ChangeHash]| {
        let mut record = vec![4, (year & 0x7f) as u8 | 0x80, (year >> 7) as u8, 0];
        record.push(u8::try_from(heads.len()).expect("few"));
        heads.iter().for_each(|head| record.extend(head.0));
        record
    };
    let chunks: Vec<Vec<u8>> = rest.iter().map(|change| change.clone().bytes().into_owned()).collect();
    let base = home.documents[&shared(2026)].heads();
    let (roster, private) = (list(2, &statements[..2]), [&[3][..], &[8; 32]].concat());
    let one = [&[5][..], rest[0].raw_bytes()].concat();
    let whole: Vec<(bool, &[u8])> = vec![(false, &between), (false, &roster)];
    let (years, changes) = ([document(2025, &[]), document(2026, &base)], list(5, &chunks));
    let shared = [&whole[..], &[(false, &years[0]), (false, &years[1]), (false, &changes), (false, &[6])]].concat();
    let marked = [&whole[..], &[(false, &years[1]), (true, &one), (false, &[6])]].concat();
    let own = [&whole[..], &[(false, &private), (false, &years[0]), (true, &one), (false, &[6])]].concat();
    vec![
        named("shared", join(shared)),
        named("repaired", join(marked)),
        named("private", join(own)),
        named("nothing", join([&whole[..], &[(false, &[6])]].concat())),
        named("no-end", join(whole)),
    ]
}

/// Changes of the household's, as they are and compressed.
pub(super) fn changes() -> Vec<Seed> {
    let (home, rest) = fixture();
    let mut long = couple()[0].clone();
    long.documents.insert(shared(2026), home.documents[&shared(2026)].clone());
    let held = home.documents[&shared(2026)].heads();
    long.say(2026, &"a long text that is deflated ".repeat(40));
    let long = long.documents[&shared(2026)].changes_since(&held);
    let raw = |change: &Change| change.raw_bytes().to_vec();
    let mut seeds = numbered("change", home.documents[&shared(2026)].changes_since(&[]).iter().chain(rest).map(raw));
    seeds.extend(long.iter().map(|change| named("compressed", change.clone().bytes().into_owned())));
    seeds
}

pub(super) fn documents() -> Vec<Seed> {
    let (home, rest) = fixture();
    let document = &home.documents[&shared(2026)];
    let mut whole = document.clone();
    let taken = whole.apply(rest);
    assert!(taken.is_ok(), "the rest follows");
    vec![
        named("genesis", Document::genesis(ours(2026)).save()),
        named("some", document.save()),
        named("all", whole.save()),
        named("not-ours", AutoCommit::new().save()),
    ]
}

/// Messages of a real conversation, taken apart: what stands before the changes, and the changes.
pub(super) fn sync_messages() -> Vec<Seed> {
    let (home, rest) = fixture();
    let mut here = home.documents[&shared(2026)].clone();
    let mut there = here.clone();
    assert!(there.apply(rest).is_ok(), "the rest follows");
    let (mut mine, mut theirs) = (State::new(), State::new());
    let mut seeds = Vec::new();
    for round in 0..4 {
        let outgoing = here.automerge().generate_sync_message(&mut mine);
        let incoming = there.automerge().generate_sync_message(&mut theirs);
        for (side, message) in [("here", outgoing), ("there", incoming)] {
            let Some(mut message) = message else { continue };
            message.version = automerge::sync::MessageVersion::V1;
            message.flags = None;
            seeds.push(named(&format!("raw-{side}-{round}"), message.clone().encode()));
            let to = if side == "here" { &mut there } else { &mut here };
            let state = if side == "here" { &mut theirs } else { &mut mine };
            let taken = to.automerge_mut().receive_sync_message(state, message.clone());
            assert!(taken.is_ok(), "an honest message is taken");
            message.changes = automerge::sync::ChunkList::empty();
            let mut before = message.encode();
            before.pop();
            let chunks = rest.iter().map(|change| (false, change.raw_bytes()));
            seeds.push(named(&format!("{side}-{round}"), join([(false, &before[..])].into_iter().chain(chunks))));
        }
    }
    seeds
}

/// Operations: how many forgeries, and of which kinds.
pub(super) fn gate() -> Vec<Seed> {
    let mut seeds = vec![
        named("in-order", (0..8_u8).flat_map(|number| [number, 0]).collect::<Vec<_>>()),
        named("backwards", (0..8_u8).rev().flat_map(|number| [number, 0]).collect::<Vec<_>>()),
    ];
    for kind in 0..9_u8 {
        seeds.push(named(&format!("other-{kind}"), vec![5, 1, kind + 1, kind, 6, 1, kind, kind, 7, 0]));
    }
    seeds
}

/// Conversations in which something goes wrong: numbers of operations, their sides and what belongs to them.
pub(super) fn session() -> Vec<Seed> {
    let deliver: Vec<u8> = (0..40).flat_map(|number: u8| [0, number & 1, 0]).collect();
    let after = |first: &[u8], rest: &[u8]| [&deliver[..60], first, rest].concat();
    let frames = self::frames();
    let mut seeds = vec![
        named("all-goes-well", deliver.clone()),
        named(
            "something-new-each-time",
            (0..30).flat_map(|at: u8| [10, at & 1, at, 0, 1 - (at & 1), 0]).collect::<Vec<_>>(),
        ),
        named("breaks-and-begins-again", after(&[13, 0], &deliver)),
        named("late", after(&[12, 0, 255, 12, 1, 255], &deliver)),
        named("down", after(&[15, 0, 0], &deliver)),
        named("another-roster", after(&[14, 0, 9], &deliver)),
    ];
    for how in 0..5_u8 {
        seeds.push(named(&format!("altered-{how}"), after(&[5, how & 1, 0, 9, 0, how, 3], &deliver)));
        seeds.push(named(&format!("forged-{how}"), after(&[8, how & 1, how, 60, 0, how, 7], &deliver)));
        seeds.push(named(&format!("forged-whole-{how}"), after(&[9, how & 1, 0xc0, 60, 0, how, 7], &deliver)));
    }
    for (name, frame) in frames {
        let length = u16::try_from(frame.len()).expect("seeds are short").to_le_bytes();
        let injected = [&[7, 1, 99][..], &length, &frame].concat();
        seeds.push(named(&format!("added-{name}"), after(&injected, &deliver)));
    }
    seeds
}

/// Numbers of operations, their sides and what belongs to them.
pub(super) fn pairing() -> Vec<Seed> {
    let deliver: Vec<u8> = (0..12).flat_map(|number: u8| [0, 1 - (number & 1)]).collect();
    let yes = [13, 0, 99, 13, 1, 99];
    let whole = [&deliver[..], &yes, &deliver].concat();
    let mut seeds = vec![
        named("all-goes-well", whole.clone()),
        named("one-says-no", [&deliver[..], &[13, 0, 99, 13, 1, 0], &deliver].concat()),
        named("lost-and-again", [&deliver[..6], &[9, 0, 12, 0, 0, 2, 10, 0], &whole].concat()),
        named("expired", [&deliver[..4], &[12, 0, 0xff, 0xff], &[12, 0, 0xff, 0xff], &deliver].concat()),
        named("taken-back", [&deliver[..8], &[15, 0, 0], &deliver].concat()),
        named("repeated", [&deliver[..8], &[8, 1, 0, 8, 0, 0], &whole].concat()),
    ];
    for at in 0..6 {
        seeds.push(named(
            &format!("altered-{at}"),
            [&deliver[..at * 2], &[6, 1 - (at as u8 & 1), 5, 0, 1], &whole].concat(),
        ));
    }
    seeds
}

pub(super) fn pairing_frames() -> Vec<Seed> {
    // Both machines' first frames, and the messages of the one who joins.
    let mut seeds = numbered("message", fuzz::messages(&local(2)));
    let now = std::time::Instant::now();
    let offer = PairingOffer::new(local(1), Purpose::Partner, now, &mut rng(5)).expect("it can be introduced");
    seeds.push(named("code", offer.code().to_text().as_bytes()));
    seeds.push(named("ticket", offer.ticket(&["192.168.1.20:4711".parse().expect("an address")]).to_text().as_bytes()));
    let start = [&[1, 0, 1, 1, 1, 1][..], &[7; 16], &[33], &[9; 33]].concat();
    let answer = [&[1, 1, 1, 1, 1][..], &[7; 16], &[33], &[9; 33]].concat();
    seeds.push(named("start", start));
    seeds.push(named("answer", answer));
    seeds.push(named("proof", [&[1, 2][..], &[8; 32]].concat()));
    seeds.extend([0, 1, 3].map(|refusal| named(&format!("refuse-{refusal}"), vec![1, 3, refusal])));
    seeds.push(named("refuse-2", vec![1, 3, 2, 1, 1]));
    seeds.push(named("sealed", [&[1, 4, 20][..], &[6; 20]].concat()));
    seeds
}

pub(super) fn pairing_proven() -> Vec<Seed> {
    let messages = fuzz::messages(&local(2));
    let list = |order: &[usize]| join(order.iter().map(|at| (false, messages[*at].as_slice())));
    vec![
        named("in-order", list(&[0, 1, 2, 3])),
        named("identity", list(&[0])),
        named("identity-twice", list(&[0, 0])),
        named("confirms-first", list(&[1, 0])),
        named("done-at-once", list(&[0, 1, 3])),
        named("own-identity", join([(false, &fuzz::messages(&local(1))[0][..])])),
    ]
}

pub(super) fn bridge() -> Vec<Seed> {
    let (_, rest) = fixture();
    let hello = cbor(vec![("type", "join".into()), ("senderId", "client".into())]);
    let mut document = AutoCommit::new();
    let mut state = State::new();
    let first = document.sync().generate_sync_message(&mut state).expect("something is asked");
    let first = wrapped(first.encode());
    let mut changes = vec![SYNC, 4, 0x42, 0, 0, 0];
    for change in rest.iter().filter(|change| change.raw_bytes().len() < 256).take(2) {
        changes.push(change.raw_bytes().len() as u8);
        changes.extend(change.raw_bytes());
    }
    let other = |kind: &str| cbor(vec![("type", kind.into()), ("senderId", "client".into())]);
    vec![
        named("join", join([(false, &hello[..])])),
        named("asks", join([(false, &hello[..]), (false, &first)])),
        named("two-ask", join([(false, &hello[..]), (true, &hello), (false, &first), (true, &first)])),
        named("brings-changes", join([(false, &hello[..]), (false, &first), (false, &changes)])),
        named("speaks-first", join([(false, &first[..]), (false, &hello)])),
        named("says-other-things", join([(false, &hello[..]), (false, &other("ephemeral")), (false, &other("leave"))])),
    ]
}

pub(super) fn adverts() -> Vec<Seed> {
    let txt = |key: &str, value: &[u8]| {
        let property = [key.as_bytes(), b"=", value].concat();
        [&[property.len() as u8][..], &property].concat()
    };
    // Port, number of addresses; then interface, kind and address.
    let addresses = [0x67, 0x12, 2, 2, 0, 192, 168, 1, 7, 3, 0, 10, 1, 1, 1];
    let far = [0x67, 0x12, 2, 2, 0, 8, 8, 8, 8, 2, 0, 127, 0, 0, 1];
    let of = |head: &[u8], txt: &[u8]| [head, txt].concat();
    let own = advert([&their_pair()], &mut rng(1));
    vec![
        named("device", of(&addresses, &txt("a", &own))),
        named("far-away", of(&far, &txt("a", &own))),
        named("pairing", of(&addresses, &txt("d", b"47"))),
        named("pairing-not-digits", of(&addresses, &txt("d", b"4x"))),
        named("cut-short", of(&addresses, &txt("a", &own[..50]))),
    ]
}

pub(super) fn datagrams() -> Vec<Seed> {
    let mut initial = vec![0xc0, 0, 0, 0, 1, 20];
    initial.extend(their_pair().knock(&mut rng(2)));
    initial.resize(1200, 0);
    let of = |stride: u16, bytes: &[u8]| [&stride.to_le_bytes()[..], bytes].concat();
    let mut short = vec![0x40];
    short.resize(60, 3);
    let mut negotiation = initial.clone();
    negotiation[1..5].fill(0);
    let mut noise = vec![0; 1400];
    rng(4).fill_bytes(&mut noise);
    vec![
        named("knock", of(1200, &initial)),
        named("two", of(1200, &[&initial[..], &initial].concat())),
        named("short", of(60, &short)),
        named("negotiation", of(1200, &negotiation)),
        named("noise", of(100, &noise)),
        named("stride-0", of(0, &short)),
    ]
}
