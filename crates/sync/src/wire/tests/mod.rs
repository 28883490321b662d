//! The bytes of frames, pinned; and chunks that claim more than they hold.

mod chunks;
mod packed;
mod present;

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{AttachmentId, HouseholdId};
use proptest::prelude::*;

use super::*;

/// One line a frame: its name and its bytes. They are the protocol's version 1: a line that changes is another version.
const GOLDEN: &str = include_str!("golden.txt");

/// The frames that came with version 2.
const GOLDEN_2: &str = include_str!("golden-2.txt");

/// The frames that came with version 3.
const GOLDEN_3: &str = include_str!("golden-3.txt");

fn shared(year: i16, generation: u32) -> DocumentName {
    DocumentName::of(DocumentId { scope: Scope::Ours, year, generation })
}

fn bytes(seed: u8) -> [u8; 32] {
    std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(index as u8 * 7))
}

fn one_of_each() -> Vec<(&'static str, Frame)> {
    let hello = Hello {
        versions: VersionRange { oldest: 1, newest: 1 },
        household: HouseholdId::from_bytes(bytes(1)),
        counter: 300,
        roster_heads: vec![bytes(0), bytes(2)],
    };
    let listed = vec![
        ListedDocument { id: shared(2025, 0), heads: vec![] },
        ListedDocument { id: shared(2026, 0), heads: vec![ChangeHash(bytes(0)), ChangeHash(bytes(3))] },
        ListedDocument { id: shared(2026, 1), heads: vec![ChangeHash(bytes(4))] },
    ];
    let mut all = vec![
        ("hello", Frame::Hello(hello)),
        ("roster", Frame::Roster(vec![b"a statement".to_vec(), vec![], b"another".to_vec()])),
        ("roster-done", Frame::RosterDone),
        ("digest", Frame::Digest(bytes(5))),
        ("in-step", Frame::InStep),
        ("documents", Frame::Documents(listed)),
        ("open", Frame::Open(shared(2026, 3))),
        ("sync-part", Frame::Sync { last: false, bytes: b"B...".to_vec() }),
        ("sync-last", Frame::Sync { last: true, bytes: b"B...".to_vec() }),
        ("whole-part", Frame::Whole { last: false, bytes: b"saved".to_vec() }),
        ("whole-last", Frame::Whole { last: true, bytes: b"saved".to_vec() }),
    ];
    let goodbyes = [
        ("goodbye-down", GoodbyeReason::Down),
        ("goodbye-violation", GoodbyeReason::Violation),
        ("goodbye-version", GoodbyeReason::Version),
        ("goodbye-repeated-counter", GoodbyeReason::RepeatedCounter),
        ("goodbye-not-a-member", GoodbyeReason::NotAMember),
        ("goodbye-storage", GoodbyeReason::Storage),
        ("goodbye-stalled", GoodbyeReason::Stalled),
        ("goodbye-replaced", GoodbyeReason::Replaced),
        ("goodbye-other", GoodbyeReason::Other(200)),
    ];
    all.extend(goodbyes.map(|(name, reason)| (name, Frame::Goodbye(reason))));
    let file = |seed| AttachmentId::from_bytes(bytes(seed));
    all.extend([
        ("open-attachments", Frame::OpenAttachments),
        ("have-part", Frame::Have { last: false, ids: vec![file(0), file(2)] }),
        ("have-last", Frame::Have { last: true, ids: vec![] }),
        ("lost", Frame::Lost(vec![file(1)])),
        ("want", Frame::Want { id: file(6), from: 300, count: 8 }),
        ("chunk", Frame::Chunk { id: file(6), chunk: 300, bytes: b"sealed".to_vec() }),
        ("unavailable", Frame::Unavailable(file(6))),
    ]);
    all
}

fn one_of_each_since_version_2() -> Vec<(&'static str, Frame)> {
    vec![
        ("packed-part", Frame::Packed { last: false, bytes: b"deflated".to_vec() }),
        ("packed-last", Frame::Packed { last: true, bytes: b"deflated".to_vec() }),
    ]
}

fn one_of_each_since_version_3() -> Vec<(&'static str, Frame)> {
    vec![
        ("ask-present", Frame::AskPresent),
        ("present-part", Frame::Present { last: false, bytes: b"deflated".to_vec() }),
        ("present-last", Frame::Present { last: true, bytes: b"deflated".to_vec() }),
    ]
}

#[test]
fn golden_every_frame_has_the_bytes_that_version_1_gave_it() {
    assert_golden(one_of_each(), GOLDEN);
}

#[test]
fn golden_the_frames_of_version_2_have_their_bytes() {
    assert_golden(one_of_each_since_version_2(), GOLDEN_2);
}

#[test]
fn golden_the_frames_of_version_3_have_their_bytes() {
    assert_golden(one_of_each_since_version_3(), GOLDEN_3);
}

fn assert_golden(frames: Vec<(&'static str, Frame)>, expected: &str) {
    let hex = data_encoding::HEXLOWER;
    let written: String =
        frames.iter().map(|(name, frame)| format!("{name} {}\n", hex.encode(&frame.encode()))).collect();
    assert_eq!(written, expected, "the wire format changed:\n{written}");
    for (line, (name, frame)) in expected.lines().zip(frames) {
        let (golden_name, golden) = line.split_once(' ').unwrap();
        assert_eq!(golden_name, name);
        assert_eq!(Frame::decode(&hex.decode(golden.as_bytes()).unwrap()), Ok(frame), "{name}");
    }
}

#[test]
fn frames_that_are_cut_short_or_have_something_after_them_are_refused() {
    let later = one_of_each_since_version_2().into_iter().chain(one_of_each_since_version_3());
    for (name, frame) in one_of_each().into_iter().chain(later) {
        let in_parts =
            matches!(frame, Frame::Sync { .. } | Frame::Packed { .. } | Frame::Whole { .. } | Frame::Present { .. });
        let open_ended = in_parts || matches!(frame, Frame::Chunk { .. });
        let bytes = frame.encode();
        let shortest = match frame {
            // A tag, a file's id and a number of two bytes.
            Frame::Chunk { .. } => 35,
            _ if open_ended => 2,
            _ => bytes.len(),
        };
        for length in 0..shortest {
            assert!(Frame::decode(&bytes[..length]).is_err(), "{name} cut to {length}");
        }
        if !open_ended {
            assert_eq!(Frame::decode(&[&bytes[..], &[0]].concat()), Err(Malformed::LeftOver), "{name}");
        }
    }
    assert_eq!(Frame::decode(&[99]), Err(Malformed::UnknownFrame(99)));
    assert_eq!(Frame::decode(&[17, 2, 0]), Err(Malformed::Value("mark of a last part")));
}

#[test]
fn caps_lists_are_refused_by_their_number_alone() {
    let number = |value: usize| {
        let mut bytes = Vec::new();
        codec::write_unsigned(&mut bytes, value as u64);
        bytes
    };
    let refused = |tag: u8, count: usize, what| {
        let bytes = [vec![tag], number(count)].concat();
        assert_eq!(Frame::decode(&bytes), Err(Malformed::Cap(what)));
        assert_eq!(Frame::decode(&[vec![tag], number(count - 1)].concat()), Err(Malformed::Short));
    };
    refused(2, caps::ROSTER_STATEMENTS + 1, "statements");
    refused(6, caps::DOCUMENTS + 1, "documents");
    refused(34, caps::LISTED_ATTACHMENTS + 1, "attached files");
    let statement = [vec![2, 1], number(caps::STATEMENT + 1)].concat();
    assert_eq!(Frame::decode(&statement), Err(Malformed::Cap("bytes of a statement")));
    let heads = [vec![6, 1, 0xea, 0x0f, 0], number(caps::HEADS + 1)].concat();
    assert_eq!(Frame::decode(&heads), Err(Malformed::Cap("heads of a document")));
    let roster_heads = [vec![1, 1, 1], vec![0; 32], vec![1], number(caps::ROSTER_HEADS + 1)].concat();
    assert_eq!(Frame::decode(&roster_heads), Err(Malformed::Cap("heads of a roster")));
    for tag in [17, 18, 19, 48] {
        let part = [vec![tag, 0], vec![0; caps::PART + 1]].concat();
        assert_eq!(Frame::decode(&part), Err(Malformed::Cap("bytes of a part")));
    }
    let chunk = |chunk: usize, bytes: usize| [vec![36], vec![0; 32], number(chunk), vec![0; bytes]].concat();
    let longest = betwixt_model::attachment::CHUNK + betwixt_model::attachment::TAG;
    assert!(Frame::decode(&chunk(1_600, longest)).is_ok());
    assert_eq!(Frame::decode(&chunk(0, longest + 1)), Err(Malformed::Cap("bytes of a chunk")));
    assert_eq!(Frame::decode(&chunk(1_601, 0)), Err(Malformed::Cap("chunks of a file")));
    let wants = [vec![35], vec![0; 32], number(0), number(caps::WANTED_CHUNKS as usize + 1)].concat();
    assert_eq!(Frame::decode(&wants), Err(Malformed::Cap("chunks at a time")));
}

#[test]
fn lists_have_one_order_and_documents_are_of_possible_years() {
    let documents = |ids: &[DocumentName]| {
        Frame::Documents(ids.iter().map(|id| ListedDocument { id: *id, heads: vec![] }).collect()).encode()
    };
    let twice = documents(&[shared(2026, 0), shared(2026, 0)]);
    assert_eq!(Frame::decode(&twice), Err(Malformed::Unsorted("documents")));
    let backwards = documents(&[shared(2026, 0), shared(2025, 0)]);
    assert_eq!(Frame::decode(&backwards), Err(Malformed::Unsorted("documents")));
    assert_eq!(Frame::decode(&[16, 1, 0]), Err(Malformed::Value("year")));
    assert_eq!(Frame::decode(&[16, 0xff, 0xff, 0x03, 0]), Err(Malformed::Value("year")));
    let backwards = VersionRange { oldest: 2, newest: 1 };
    let hello =
        Hello { versions: backwards, household: HouseholdId::from_bytes([0; 32]), counter: 1, roster_heads: vec![] };
    assert_eq!(Frame::decode(&Frame::Hello(hello).encode()), Err(Malformed::Value("range of versions")));
}

#[test]
fn versions_meet_at_the_newest_that_both_speak() {
    let range = |oldest, newest| VersionRange { oldest, newest };
    assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
    assert_eq!(range(2, 5).common(range(1, 3)), Some(3));
    assert_eq!(range(1, 2).common(range(3, 4)), None);
    assert_eq!(range(3, 4).common(range(1, 2)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// HostileInputIsAnError; and what is read has one spelling.
    #[test]
    fn hostile_input_is_an_error_for_frames_and_what_is_read_is_written_the_same(
        tag in proptest::sample::select(vec![1_u8, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 32, 33, 34, 35, 36, 37, 48, 99]),
        mut bytes in proptest::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..200),
    ) {
        bytes.insert(0, tag);
        if let Ok(frame) = Frame::decode(&bytes) {
            let newer = matches!(&frame, Frame::Hello(hello) if hello.versions.newest > VERSIONS.newest);
            prop_assert!(newer || frame.encode() == bytes);
        }
        let _ = decode_sync_message(&bytes);
        let _ = decode_packed_message(&bytes);
        let _ = decode_present(&bytes);
    }
}
