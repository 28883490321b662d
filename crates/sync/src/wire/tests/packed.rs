//! Packed messages: smaller, the same when unpacked, and no bombs.

use std::io::{Read, Write};

use automerge::sync::{ChunkList, Have, Message, MessageVersion};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, Change, ROOT};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use crate::wire::chunk::ChunkError;
use crate::wire::codec::{write_bytes, write_unsigned};
use crate::wire::{Malformed, caps, decode_packed_message, decode_sync_message, pack};

/// Forty changes by two who heard of each other now and then; every third is long enough for Automerge to compress it.
fn changes() -> Vec<Change> {
    let mut first = AutoCommit::new().with_actor(automerge::ActorId::from(vec![1; 16]));
    let mut second = first.fork().with_actor(automerge::ActorId::from(vec![2; 16]));
    for index in 0..20 {
        for (who, document) in [&mut first, &mut second].into_iter().enumerate() {
            let text = format!("what {who} said {index} ").repeat(if index % 3 == 0 { 40 } else { 1 });
            document.put(ROOT, format!("{who} {index}"), text).unwrap();
            document.commit();
        }
        if index % 7 == 6 {
            first.merge(&mut second).unwrap();
        }
    }
    first.merge(&mut second).unwrap();
    first.get_changes(&[])
}

fn message(changes: &[Change]) -> Message {
    Message {
        heads: vec![changes.last().unwrap().hash()],
        need: vec![automerge::ChangeHash([5; 32])],
        have: vec![Have { last_sync: vec![automerge::ChangeHash([6; 32])], ..Have::default() }],
        changes: ChunkList::empty(),
        flags: None,
        version: MessageVersion::V1,
    }
}

fn packed(changes: &[Change]) -> Vec<u8> {
    let chunks: Vec<Vec<u8>> = changes.iter().map(|change| change.clone().bytes().into_owned()).collect();
    pack(&message(changes).encode(), chunks.iter().map(Vec::as_slice)).unwrap()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_packed_message_says_the_same_and_takes_less() {
    let changes = changes();
    let packed = packed(&changes);
    let (read, unpacked) = decode_packed_message(&packed).unwrap();
    let hashes = |changes: &[Change]| changes.iter().map(Change::hash).collect::<Vec<_>>();
    assert_eq!(hashes(&unpacked), hashes(&changes));
    assert_eq!(read, message(&changes));
    let plain: Vec<Vec<u8>> = changes.iter().map(|change| change.clone().bytes().into_owned()).collect();
    let plain = Message { changes: plain.into(), ..message(&changes) }.encode();
    assert_eq!(hashes(&decode_sync_message(&plain).unwrap().1), hashes(&changes));
    assert!(packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
}

#[test]
fn caps_a_packed_message_that_unpacks_to_too_much() {
    let zeroes = deflated(&vec![0; caps::PACKED + 1]);
    assert_eq!(decode_packed_message(&zeroes).map(drop), Err(ChunkError::Bomb));
    // One change, and then thousands that say in two bytes each that they build on it a thousand times.
    let header = [0x42, 0, 0, 0];
    let mut bomb = Vec::new();
    write_bytes(&mut bomb, &header);
    write_unsigned(&mut bomb, caps::CHANGES as u64);
    write_unsigned(&mut bomb, 0);
    write_bytes(&mut bomb, b"");
    for back in 1..caps::CHANGES {
        write_unsigned(&mut bomb, caps::HEADS as u64);
        (0..caps::HEADS).for_each(|_| write_unsigned(&mut bomb, back as u64));
        write_bytes(&mut bomb, b"");
    }
    let bomb = deflated(&bomb);
    assert!(bomb.len() < caps::MESSAGE, "it would fit a message");
    assert_eq!(decode_packed_message(&bomb).map(drop), Err(ChunkError::Bomb));
}

#[test]
fn hostile_input_is_an_error_for_what_does_not_unpack() {
    let changes = changes();
    let packed = packed(&changes);
    let more = [packed.as_slice(), &[0]].concat();
    assert_eq!(decode_packed_message(&more).map(drop), Err(Malformed::LeftOver.into()));
    assert_eq!(decode_packed_message(b"\xff not deflated").map(drop), Err(ChunkError::Deflate));
    let mut back = Vec::new();
    write_bytes(&mut back, &[0x42, 0, 0, 0]);
    // A change that builds on the one before the first.
    back.extend([1, 1, 1, 0]);
    assert_eq!(
        decode_packed_message(&deflated(&back)).map(drop),
        Err(Malformed::Value("number of changes back").into())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// HostileInputIsAnError: altered after it was deflated, and before.
    #[test]
    fn hostile_input_is_an_error_for_altered_packed_messages(place in any::<prop::sample::Index>(), bit in 0..8_u8, tail in any::<bool>()) {
        let whole = packed(&changes()[..6]);
        let mut packed = whole.clone();
        let place = place.index(packed.len());
        packed[place] ^= 1_u8 << bit;
        if tail {
            packed.truncate(place);
        }
        let _ = decode_packed_message(&packed);
        let mut plain = Vec::new();
        DeflateDecoder::new(whole.as_slice()).read_to_end(&mut plain).unwrap();
        let place = place % plain.len();
        plain[place] ^= 1_u8 << bit;
        let _ = decode_packed_message(&deflated(&plain));
    }
}
