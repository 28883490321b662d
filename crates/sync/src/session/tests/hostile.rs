//! HostileInputIsAnError: whatever a peer sends, the session says what is wrong with it and ends, and nothing is lost.

use automerge::sync::BloomFilter;
use betwixt_model::gate::GateError;
use proptest::prelude::*;

use super::*;
use crate::session::ProtocolViolation;
use crate::wire::chunk::ChunkError;
use crate::wire::{GoodbyeReason, Malformed, caps};

/// What the first says to a sync message; and that both meet again afterwards, with everything there.
fn said_to(message: Vec<u8>) -> Option<CloseReason> {
    let (mut homes, mut connection, key) = in_step();
    let frame = Frame::Sync { last: true, bytes: message }.encode();
    connection.hand(&mut homes, 0, key, &frame);
    let closed = connection.ends[0].closed.clone();
    homes[1].say(2026, "after");
    let connection = meet(&mut homes, 2);
    assert_eq!(homes[0].documents[&shared(2026)].changes_since(&[]).len(), 4);
    drop(connection);
    closed
}

fn refused_as(reason: ChunkError) -> Option<CloseReason> {
    Some(CloseReason::Violation(ProtocolViolation::SyncMessage { document: shared(2026), reason }))
}

/// A message with a Bloom filter of these parameters, as the bytes of a V1 message.
fn with_filter(filter: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x42, 0, 0, 1, 0, u8::try_from(filter.len()).unwrap()];
    bytes.extend(filter);
    bytes.push(0);
    bytes
}

fn with_changes(changes: Vec<Vec<u8>>) -> Vec<u8> {
    let message = message(vec![ChangeHash([1; 32])], vec![], changes);
    message.encode()
}

#[test]
fn hostile_input_is_an_error_the_filter_with_zero_bits() {
    let malformed = |what| refused_as(ChunkError::Malformed(Malformed::Value(what)));
    assert_eq!(said_to(with_filter(&[1, 0, 7])), malformed("filter"));
    // The reason for the check: Automerge reads that filter, and divides by zero when it looks something up in it.
    let filter = BloomFilter::try_from(&[1, 0, 7][..]).unwrap();
    let asked = std::panic::catch_unwind(|| filter.contains_hash(&ChangeHash([1; 32])));
    assert!(asked.is_err(), "Automerge has mended this; the check may stay");
}

#[test]
fn hostile_input_is_an_error_the_endless_probe() {
    let malformed = |what| refused_as(ChunkError::Malformed(Malformed::Value(what)));
    assert_eq!(said_to(with_filter(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])), malformed("filter"));
    assert_eq!(said_to(with_filter(&[0, 10, 7])), malformed("number of a filter's entries"));
    assert_eq!(said_to(with_filter(&[1, 10, 7, 0])), malformed("length of a filter"));
    assert_eq!(said_to(with_filter(&[0xff, 0xff, 0xff, 0x7f, 10, 7])), malformed("number of a filter's entries"));
}

#[test]
fn hostile_input_is_an_error_other_messages_than_lists_of_changes() {
    let (homes, ..) = in_step();
    let saved = homes[0].documents[&shared(2026)].save();
    // A whole document in the place of a change, as Automerge's V2 messages have it.
    let kind = refused_as(ChunkError::Malformed(Malformed::Value("kind of chunk")));
    assert_eq!(said_to(with_changes(vec![saved])), kind);
    let v2 = refused_as(ChunkError::Malformed(Malformed::Value("kind of sync message")));
    assert_eq!(said_to(vec![0x43, 0, 0, 0, 0]), v2);
    assert_eq!(said_to(vec![]), refused_as(ChunkError::Malformed(Malformed::Short)));
    let mut unsorted = vec![0x42, 2];
    unsorted.extend([[2; 32], [1; 32]].concat());
    unsorted.extend([0, 0, 0]);
    assert_eq!(said_to(unsorted), refused_as(ChunkError::Malformed(Malformed::Unsorted("heads"))));
}

/// Automerge would answer each time with a message and with every change there is: the changes went with none, and what was said
/// last is not said again.
#[test]
fn a_peer_that_claims_a_last_meeting_nobody_remembers_is_answered_once() {
    let (mut homes, mut connection, key) = in_step();
    let have = vec![Have { last_sync: vec![ChangeHash([9; 32])], ..Have::default() }];
    let message = message(vec![ChangeHash([1; 32])], have, vec![]);
    let frame = Frame::Sync { last: true, bytes: message.encode() }.encode();
    connection.ends[0].sent.clear();
    for _ in 0..5 {
        connection.hand(&mut homes, 0, key, &frame);
        assert_eq!(connection.ends[0].closed, None);
        assert_eq!(connection.ends[0].sent[&key].len(), 1);
    }
    let until = connection.ends[0].session.poll_timeout().expect("they differ");
    connection.ends[0].session.handle_timeout(until);
    connection.ends[0].settle(until, &mut homes[0]);
    assert_eq!(connection.ends[0].closed, Some(CloseReason::Stalled));
}

fn last_change(home: &Home) -> Change {
    home.documents[&shared(2026)].changes_since(&[]).pop().unwrap()
}

/// Hands the first the second's next change, and answers what the session makes of a document that cannot take it.
#[test]
fn hostile_input_is_an_error_changes_that_automerge_refuses_or_panics_over() {
    let (mut homes, mut connection, _) = in_step();
    homes[1].say(2026, "c");
    let change = last_change(&homes[1]).raw_bytes().to_vec();
    let frame = Frame::Sync { last: true, bytes: with_changes(vec![change]) }.encode();
    let (now, end) = (connection.now, &mut connection.ends[0]);
    let document = *end.session.streams.iter().find(|(_, key)| **key == StreamKey::Document(shared(2026))).unwrap().0;
    end.session.handle_frame(now, document, &frame).unwrap();
    let persist = loop {
        match end.session.poll_output().expect("changes are handed on") {
            Output::Persist { id, changes, .. } if !changes.is_empty() => break id,
            _ => {}
        }
    };
    end.session.handle_apply_failed(now, persist);
    // A completion that comes twice does nothing.
    end.session.handle_apply_failed(now, persist);
    let outputs: Vec<Output> = std::iter::from_fn(|| end.session.poll_output()).collect();
    let [Output::Send { frame, .. }, Output::Close(reason)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(Frame::decode(frame), Ok(Frame::Goodbye(GoodbyeReason::Violation)));
    assert_eq!(*reason, CloseReason::Violation(ProtocolViolation::Inapplicable(shared(2026))));
    assert!(!end.session.is_in_step());
    // Nothing is lost: with a document that takes it, the same change comes with the next session.
    meet(&mut homes, 2).assert_in_step(&homes);
}

#[test]
fn what_does_not_fit_into_the_caps_ends_the_session_and_says_what() {
    let mut homes = couple();
    let documents = |count: usize| {
        let document = |index: usize| {
            let year = 1970 + i16::try_from(index).unwrap();
            let id = DocumentId { scope: Scope::Ours, year, generation: 0 };
            let heads = vec![ChangeHash([1; 32])];
            (DocumentName::of(id), SharedDocument { heads, sync_state: Vec::new() })
        };
        (0..count).map(document).collect::<BTreeMap<_, _>>()
    };
    let mut closed_at_once = |change: &dyn Fn(&mut SessionConfig)| {
        let mut config = homes[0].config(Role::Dialling);
        change(&mut config);
        match Session::new(beginning(), config).poll_output() {
            Some(Output::Close(reason)) => Some(reason),
            _ => None,
        }
    };
    let too_large = |what| Some(CloseReason::TooLarge(what));
    assert_eq!(closed_at_once(&|config| config.documents = documents(caps::DOCUMENTS)), None);
    let many = closed_at_once(&|config| config.documents = documents(caps::DOCUMENTS + 1));
    assert_eq!(many, too_large("the number of documents"));
    let hashes = |count: usize| -> Vec<[u8; 32]> {
        let hash = |number: u64| std::array::from_fn(|at| number.to_le_bytes().get(at).copied().unwrap_or(0));
        (0..count as u64).map(hash).collect()
    };
    let headed = closed_at_once(&|config| {
        config.documents = documents(1);
        let heads: Vec<ChangeHash> = hashes(caps::HEADS + 1).into_iter().map(ChangeHash).collect();
        config.documents.values_mut().for_each(|document| document.heads.clone_from(&heads));
    });
    assert_eq!(headed, too_large("the number of a document's heads"));
    let heads = hashes(caps::ROSTER_HEADS + 1);
    assert_eq!(closed_at_once(&|config| config.roster.heads.clone_from(&heads)), too_large("the roster"));

    // One document more, while the session goes on.
    let (homes, mut connection, _) = in_step();
    for id in documents(caps::DOCUMENTS).into_keys() {
        connection.ends[0].session.handle_local_change(connection.now, id);
    }
    let outputs: Vec<Output> = std::iter::from_fn(|| connection.ends[0].session.poll_output()).collect();
    let closed = outputs.iter().find_map(|output| match output {
        Output::Close(reason) => Some(reason.clone()),
        _ => None,
    });
    // All but one of those are new.
    assert_eq!(closed, None);
    let one_more = DocumentId { scope: Scope::Ours, year: 5000, generation: 0 };
    connection.ends[0].session.handle_local_change(connection.now, DocumentName::of(one_more));
    let last = std::iter::from_fn(|| connection.ends[0].session.poll_output()).last();
    assert!(matches!(last, Some(Output::Close(CloseReason::TooLarge("the number of documents")))));
    drop(homes);
}

#[test]
fn forged_changes_are_refused_by_the_gate_and_end_the_session() {
    let (homes, ..) = in_step();
    let mut forged = last_change(&homes[0]).decode();
    forged.actor_id = automerge::ActorId::from(vec![6; 16]);
    forged.hash = None;
    let forged = Change::from(forged);
    let change = forged.hash();
    let refused = ProtocolViolation::Refused { document: shared(2026), reason: GateError::ForeignActor { change } };
    assert_eq!(said_to(with_changes(vec![forged.raw_bytes().to_vec()])), Some(CloseReason::Violation(refused)));

    let mut forged = last_change(&homes[1]).decode();
    forged.time = 5;
    forged.hash = None;
    let forged = Change::from(forged);
    let reason = GateError::DuplicateSequence { change: forged.hash(), sequence: forged.seq() };
    let refused = ProtocolViolation::Refused { document: shared(2026), reason };
    assert_eq!(said_to(with_changes(vec![forged.raw_bytes().to_vec()])), Some(CloseReason::Violation(refused)));
}

#[test]
fn caps_changes_that_wait_for_ever_are_bounded() {
    let (mut homes, mut connection, key) = in_step();
    let genuine = last_change(&homes[1]).decode();
    let mut sent = 0_u64;
    while connection.ends[0].closed.is_none() {
        let orphans = (0..1_000).map(|_| {
            sent += 1;
            let mut orphan = genuine.clone();
            orphan.hash = None;
            orphan.time = i64::try_from(sent).unwrap();
            orphan.deps = vec![ChangeHash([0xee; 32])];
            Change::from(orphan).raw_bytes().to_vec()
        });
        let bytes = with_changes(orphans.collect());
        for part in bytes.chunks(caps::PART).map(<[u8]>::to_vec).collect::<Vec<_>>() {
            connection.hand(&mut homes, 0, key, &Frame::Sync { last: false, bytes: part }.encode());
        }
        connection.hand(&mut homes, 0, key, &Frame::Sync { last: true, bytes: vec![] }.encode());
        assert!(sent < 10_000);
    }
    assert!(sent as usize > caps::PARKED);
    let reason = connection.ends[0].closed.clone().unwrap();
    let gate = matches!(
        &reason,
        CloseReason::Violation(ProtocolViolation::Refused { reason: GateError::TooManyParked(_), .. })
    );
    assert!(gate || reason == CloseReason::Violation(ProtocolViolation::TooManyParked(shared(2026))), "{reason:?}");
    meet(&mut homes, 2);
}

#[test]
fn caps_changes_of_one_message() {
    let mut bytes = vec![0x42, 0, 0, 0, 0x81, 0x20];
    bytes.extend(vec![0; 5_000]);
    assert_eq!(said_to(bytes), refused_as(ChunkError::Malformed(Malformed::Cap("changes"))));
}

/// How many cases the tests with drawn input run.
const CASES: u32 = 64;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_input_is_an_error_random_bytes(
        frames in proptest::collection::vec((0..3_u64, proptest::collection::vec(any::<u8>(), 0..80)), 1..12),
        tagged in any::<bool>(),
    ) {
        let mut homes = couple();
        homes[0].say(2026, "a");
        let mut connection = Connection::new(&mut homes, 1);
        for (stream, mut bytes) in frames {
            if let (true, Some(tag)) = (tagged, bytes.first_mut()) {
                *tag = [1, 2, 3, 4, 5, 6, 7, 16, 17, 18][usize::from(*tag) % 10];
            }
            let end = &mut connection.ends[0];
            if end.closed.is_none() {
                let _ = end.session.handle_frame(connection.now, IncomingStream(stream), &bytes);
                end.settle(connection.now, &mut homes[0]);
            }
        }
        homes[0].seen = CounterWindow::default();
        meet(&mut homes, 2);
    }

    #[test]
    fn hostile_input_is_an_error_mutated_frames(
        seed in 0..4_u64,
        index in 0..30_usize,
        position in any::<proptest::sample::Index>(),
        mutation in 0..4_u8,
        value in any::<u8>(),
    ) {
        one_frame_otherwise(seed, index, |frame| {
            let at = position.index(frame.len());
            match mutation {
                0 => frame[at] ^= value | 1,
                1 => frame.truncate(at),
                2 => frame.insert(at, value),
                _ => drop(frame.remove(at)),
            }
        });
    }
}

/// Came up in two of three runs of the test above, one afternoon, and never before: a byte more in a message whose changes are packed made
/// another change of one, whose fact nobody signed. Packed changes come without checksums, and their hashes follow from what came. TLS
/// keeps anybody but the peer from doing this, and a peer can say two things in its own name anyway. Whoever is named refuses it, and the
/// document is carried on as any that is divided.
#[test]
fn hostile_input_is_an_error_a_frame_that_makes_another_change_of_one() {
    let newest = one_frame_otherwise(1, 10, |frame| frame.insert(462, 168));
    assert_eq!(newest.generation(), 1, "the byte still makes another change");
}

/// Came up once in many runs of the test above: the changed byte was a generation's, so that a document was spoken of that nobody
/// had begun. From then on nothing was said of the older one, which is as it should be: whoever has it carries it on.
#[test]
fn hostile_input_is_an_error_a_frame_that_makes_a_generation_up() {
    let newest = one_frame_otherwise(1, 5, |frame| {
        let at = frame.len() * 3 / 4;
        frame[at] ^= 1;
    });
    assert_eq!(newest.generation(), 1, "the byte is still a generation's");
}

/// A real conversation in which one frame arrives otherwise than it was sent. Answers the newest document of the year that
/// both spoke of.
fn one_frame_otherwise(seed: u64, index: usize, change: impl Fn(&mut Vec<u8>)) -> DocumentName {
    let mut homes = couple();
    homes[0].say(2026, "the beginning");
    meet(&mut homes, seed);
    homes[0].say(2026, "first");
    homes[1].say(2026, "second");
    homes[1].say(2025, "older");
    let mut connection = Connection::new(&mut homes, seed);
    for _ in 0..1_000 {
        if connection.delivered != index {
            if !connection.step(&mut homes) {
                break;
            }
            continue;
        }
        let from = (0..2).find(|from| !connection.ends[*from].streams_with_frames().is_empty());
        let Some(from) = from else { break };
        let key = connection.ends[from].streams_with_frames()[0];
        let mut frame = connection.ends[from].sent.get_mut(&key).and_then(VecDeque::pop_front).unwrap();
        change(&mut frame);
        connection.delivered += 1;
        connection.hand(&mut homes, 1 - from, key, &frame);
    }
    drop(connection);
    // Counters and rosters are believed as they come, inside TLS; this test is about the rest.
    homes.iter_mut().for_each(|home| home.seen = CounterWindow::default());
    let mut newest: BTreeMap<i16, DocumentName> = BTreeMap::new();
    for id in homes.iter().flat_map(|home| home.documents.keys()) {
        let known = newest.entry(id.year()).or_insert(*id);
        *known = (*known).max(*id);
    }
    // A change that is another one by the way is its actor's second of that number: the document is divided, and carried on.
    for id in divided(&homes) {
        let next = DocumentId { generation: id.generation() + 1, ..id.within(Scope::Ours) };
        newest.insert(id.year(), DocumentName::of(next));
    }
    for id in newest.values().filter(|id| id.generation() > 0) {
        homes.iter_mut().for_each(|home| home.carry_on(*id));
    }
    meet(&mut homes, seed);
    assert!(homes.iter().all(|home| home.knows(newest[&2026]) == 3), "{newest:?}");
    newest[&2026]
}

/// The documents in which one has a change in the other's name that the other never made.
fn divided(homes: &[Home; 2]) -> Vec<DocumentName> {
    let mut divided = Vec::new();
    for (home, other) in [(&homes[0], &homes[1]), (&homes[1], &homes[0])] {
        for (id, document) in &home.documents {
            let theirs = actor_id(&other.device(), &document.id(), &other.epoch);
            let made = |hash| other.documents.get(id).is_some_and(|document| document.holds(&hash));
            let changes = document.automerge().get_changes(&[]);
            if changes.iter().any(|change| *change.actor_id() == theirs && !made(change.hash())) {
                divided.push(*id);
            }
        }
    }
    divided
}
