//! Attached files between two sessions.

use std::time::Duration;

use betwixt_model::attachment::{CHUNK, TAG, chunks, sealed_chunk_bytes};

use super::*;
use crate::wire::caps;

/// A file as one of the homes has it. Which bytes a chunk has follows from the file; sealing is not the session's affair.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) bytes: u64,
    pub(crate) chunks: Vec<Vec<u8>>,
}

fn id(seed: u8) -> AttachmentId {
    AttachmentId::from_bytes([seed; 32])
}

fn file(seed: u8, bytes: u64) -> File {
    let chunk = |chunk| vec![seed.wrapping_add(chunk as u8); sealed_chunk_bytes(bytes, chunk).unwrap()];
    File { bytes, chunks: (0..chunks(bytes)).map(chunk).collect() }
}

/// How long the files are that are fetched in these tests.
const LONG: u64 = 40 * CHUNK as u64 + 5;

impl Home {
    fn add(&mut self, seed: u8, bytes: u64) {
        self.attachments.insert(id(seed), file(seed, bytes));
    }

    pub(crate) fn held(&self) -> BTreeMap<AttachmentId, u64> {
        self.attachments.iter().map(|(id, file)| (*id, file.bytes)).collect()
    }

    pub(crate) fn store(&mut self, id: AttachmentId, chunk: u32, bytes: Vec<u8>) -> ChunkStored {
        let whole = file(id.as_bytes()[0], LONG);
        if bytes != whole.chunks[chunk as usize] {
            return ChunkStored::Bad;
        }
        let part = self.parts.entry(id).or_default();
        assert_eq!(part.len(), chunk as usize, "chunks come in order");
        part.push(bytes);
        if part.len() < whole.chunks.len() {
            return ChunkStored::Kept;
        }
        self.parts.remove(&id);
        self.attachments.insert(id, whole);
        ChunkStored::Whole
    }
}

impl Connection {
    /// One side asks for a file, from what it has of it on.
    fn fetch(&mut self, homes: &mut [Home; 2], side: usize, seed: u8) {
        let from = homes[side].parts.get(&id(seed)).map_or(0, Vec::len) as u32;
        self.ends[side].session.fetch(self.now, id(seed), LONG, from);
        self.settle(homes);
    }

    fn tell(&mut self, homes: &mut [Home; 2], side: usize) {
        self.ends[side].session.handle_attachments(&homes[side].held());
        self.settle(homes);
        self.run(homes);
    }

    fn hand_frame(&mut self, homes: &mut [Home; 2], to: usize, frame: &Frame) {
        self.hand(homes, to, StreamKey::Attachments, &frame.encode());
    }

    fn violation(&self, side: usize) -> &'static str {
        match &self.ends[side].closed {
            Some(CloseReason::Violation(violation)) => match violation {
                super::super::ProtocolViolation::BadChunk => "bad chunk",
                super::super::ProtocolViolation::OutOfOrder(_) => "out of order",
                super::super::ProtocolViolation::TooMuchAhead => "too much ahead",
                super::super::ProtocolViolation::TooManyAttachments => "too many",
                _ => "another",
            },
            other => panic!("{other:?}"),
        }
    }
}

/// Both in step, and the first with a file that the second lacks.
fn one_has_a_file() -> ([Home; 2], Connection) {
    let mut homes = couple();
    homes[0].say(2026, "a goal");
    homes[0].add(7, LONG);
    homes.iter_mut().for_each(|home| home.knows_attachments = true);
    let connection = meet(&mut homes, 1);
    (homes, connection)
}

#[test]
fn each_tells_what_it_has_once_in_step_and_what_changes_later() {
    let (mut homes, mut connection) = one_has_a_file();
    assert_eq!(connection.ends[1].session.peer_attachments(), Some(&[id(7)].into()));
    assert_eq!(connection.ends[0].session.peer_attachments(), Some(&[].into()));
    assert!(connection.ends[1].events.contains(&Event::PeerAttachments));
    homes[1].add(3, 5);
    connection.tell(&mut homes, 1);
    assert_eq!(connection.ends[0].session.peer_attachments(), Some(&[id(3)].into()));
    homes[0].attachments.clear();
    connection.tell(&mut homes, 0);
    assert_eq!(connection.ends[1].session.peer_attachments(), Some(&[].into()));
    assert!(!connection.ends[1].session.can_fetch(&id(7)));
    connection.assert_in_step(&homes);
}

#[test]
fn who_hears_of_the_first_file_later_tells_then() {
    let mut homes = couple();
    homes[0].say(2026, "a goal");
    let mut connection = meet(&mut homes, 1);
    assert!(!connection.trace.contains(&"OpenAttachments"), "nothing is said of files where there are none");
    homes[0].add(7, LONG);
    connection.tell(&mut homes, 0);
    assert_eq!(connection.ends[1].session.peer_attachments(), Some(&[id(7)].into()));
    connection.tell(&mut homes, 1);
    connection.fetch(&mut homes, 1, 7);
    connection.run(&mut homes);
    assert!(homes[1].attachments.contains_key(&id(7)));
}

#[test]
fn many_are_told_in_several_frames_and_count_once_all_are_there() {
    let mut homes = couple();
    homes.iter_mut().for_each(|home| home.knows_attachments = true);
    for number in 0..=caps::LISTED_ATTACHMENTS as u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        homes[0].attachments.insert(AttachmentId::from_bytes(bytes), file(1, 1));
    }
    let connection = meet(&mut homes, 1);
    assert_eq!(connection.trace.iter().filter(|name| **name == "Have").count(), 3);
    let told = connection.ends[1].session.peer_attachments().map(|told| told.len());
    assert_eq!(told, Some(caps::LISTED_ATTACHMENTS + 1));
}

#[test]
fn a_file_comes_chunk_by_chunk_and_what_is_under_way_is_bounded() {
    let (mut homes, mut connection) = one_has_a_file();
    connection.fetch(&mut homes, 1, 7);
    assert_eq!(connection.ends[1].session.fetching(), Some(id(7)));
    loop {
        let under_way: usize = connection.ends[0].sent.values().flatten().map(Vec::len).sum();
        assert!(under_way <= caps::CHUNKS_AHEAD as usize * (CHUNK + TAG + 64), "{under_way} bytes wait");
        if !connection.step(&mut homes) {
            break;
        }
    }
    assert_eq!(homes[1].attachments[&id(7)].chunks, file(7, LONG).chunks);
    assert_eq!(connection.ends[1].session.fetching(), None);
    connection.assert_in_step(&homes);
}

#[test]
fn a_connection_lost_at_any_frame_costs_what_was_under_way_and_the_next_goes_on_from_there() {
    let (mut homes, mut connection) = one_has_a_file();
    let mut lost = 0;
    for frames in 1_u32.. {
        connection.fetch(&mut homes, 1, 7);
        for _ in 0..frames {
            connection.step(&mut homes);
        }
        if homes[1].attachments.contains_key(&id(7)) {
            break;
        }
        lost += 1;
        connection = meet(&mut homes, u64::from(frames));
    }
    assert!(lost > 5, "{lost} connections were lost");
    assert_eq!(homes[1].attachments[&id(7)].chunks, file(7, LONG).chunks);
}

#[test]
fn edits_go_on_while_a_file_comes() {
    let (mut homes, mut connection) = one_has_a_file();
    connection.fetch(&mut homes, 1, 7);
    for round in 0..5 {
        for _ in 0..4 {
            connection.step(&mut homes);
        }
        connection.say(&mut homes, 1, 2026, &format!("from the other {round}"));
    }
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
    assert!(homes[1].attachments.contains_key(&id(7)));
}

#[test]
fn what_the_peer_does_not_have_is_refused_and_the_session_goes_on() {
    let (mut homes, mut connection) = one_has_a_file();
    // Nothing is asked of somebody who did not say that they have it.
    connection.ends[1].session.fetch(connection.now, id(9), LONG, 0);
    assert_eq!(connection.ends[1].session.fetching(), None);
    // A patched peer asks for a file that no fact names.
    connection.hand_frame(&mut homes, 1, &Frame::OpenAttachments);
    assert_eq!(connection.violation(1), "out of order", "there is one stream for files");

    let (mut homes, mut connection) = one_has_a_file();
    connection.hand_frame(&mut homes, 0, &Frame::Want { id: id(9), from: 0, count: 1 });
    let answer = connection.ends[0].sent[&StreamKey::Attachments].back().unwrap();
    assert_eq!(Frame::decode(answer), Ok(Frame::Unavailable(id(9))));
    // One that goes while it is being fetched ends that.
    connection.run(&mut homes);
    connection.fetch(&mut homes, 1, 7);
    homes[0].attachments.clear();
    connection.tell(&mut homes, 0);
    assert_eq!(connection.ends[1].ended, [(id(7), FetchEnd::Unavailable)]);
    assert_eq!(connection.ends[1].session.fetching(), None);
    connection.assert_in_step(&homes);
}

#[test]
fn hostile_input_is_an_error_chunks_that_are_wrong_or_nobody_asked_for() {
    let sealed = |chunk: usize| file(7, LONG).chunks[chunk].clone();
    let cases: [(&str, &str, Frame); 5] = [
        ("altered", "bad chunk", Frame::Chunk { id: id(7), chunk: 0, bytes: vec![0; CHUNK + TAG] }),
        ("short", "bad chunk", Frame::Chunk { id: id(7), chunk: 0, bytes: sealed(0)[1..].to_vec() }),
        ("out of turn", "out of order", Frame::Chunk { id: id(7), chunk: 1, bytes: sealed(1) }),
        ("far ahead", "out of order", Frame::Chunk { id: id(7), chunk: 30, bytes: sealed(30) }),
        ("of another file", "out of order", Frame::Chunk { id: id(8), chunk: 0, bytes: sealed(0) }),
    ];
    for (what, expected, frame) in cases {
        let (mut homes, mut connection) = one_has_a_file();
        connection.fetch(&mut homes, 1, 7);
        connection.hand_frame(&mut homes, 1, &frame);
        assert_eq!(connection.violation(1), expected, "{what}");
        assert!(!homes[1].parts.contains_key(&id(7)), "{what}");
    }
    let (mut homes, mut connection) = one_has_a_file();
    connection.hand_frame(&mut homes, 1, &Frame::Chunk { id: id(7), chunk: 0, bytes: sealed(0) });
    assert_eq!(connection.violation(1), "out of order", "nothing was asked for");
}

#[test]
fn caps_who_asks_for_too_much_or_has_too_many_breaks_the_protocol() {
    let ask = |from, count| Frame::Want { id: id(7), from, count };
    for frame in [ask(0, 0), ask(40, 2), ask(1_600, 8)] {
        let (mut homes, mut connection) = one_has_a_file();
        connection.hand_frame(&mut homes, 0, &frame);
        assert_eq!(connection.violation(0), "out of order", "{frame:?}");
    }
    // The caller has not read the first chunk yet: what is asked for waits, up to the cap.
    let (homes, mut connection) = one_has_a_file();
    let stream = IncomingStream(3);
    for place in 0..=caps::CHUNKS_OWED / caps::WANTED_CHUNKS {
        let frame = ask(0, caps::WANTED_CHUNKS).encode();
        let outcome = connection.ends[0].session.handle_frame(connection.now, stream, &frame);
        assert_eq!(outcome.is_err(), place == caps::CHUNKS_OWED / caps::WANTED_CHUNKS, "{place}");
    }
    drop(homes);

    let (mut homes, mut connection) = one_has_a_file();
    let mut number = 0_u32;
    while connection.ends[1].closed.is_none() {
        let ids = (0..caps::LISTED_ATTACHMENTS).map(|_| {
            number += 1;
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            AttachmentId::from_bytes(bytes)
        });
        let frame = Frame::Have { last: false, ids: ids.collect() };
        connection.hand_frame(&mut homes, 1, &frame);
        assert!(number < 20_000);
    }
    assert_eq!(connection.violation(1), "too many");
}

#[test]
fn a_file_of_which_nothing_comes_is_given_up_and_what_comes_late_is_passed_over() {
    let (mut homes, mut connection) = one_has_a_file();
    connection.fetch(&mut homes, 1, 7);
    let until = connection.ends[1].session.poll_timeout().expect("something is waited for");
    connection.now = until;
    connection.ends[1].session.handle_timeout(until);
    connection.settle(&mut homes);
    assert_eq!(connection.ends[1].ended, [(id(7), FetchEnd::Stalled)]);
    assert!(!connection.ends[1].session.can_fetch(&id(7)), "what was asked for may still come");
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
    assert!(homes[1].parts.is_empty() && connection.ends[1].session.can_fetch(&id(7)));
    connection.now += Duration::from_secs(1);
    connection.fetch(&mut homes, 1, 7);
    connection.run(&mut homes);
    assert!(homes[1].attachments.contains_key(&id(7)));
}
