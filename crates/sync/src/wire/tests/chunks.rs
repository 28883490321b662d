//! Bombs: chunks that claim far more than they hold; and chunks altered under a repaired checksum.

use std::io::Write;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, Change, ROOT};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::wire::caps;
use crate::wire::chunk::{Budget, ChunkError, decode_change, decode_document};
use crate::wire::codec::write_unsigned;

fn document() -> AutoCommit {
    let mut document = AutoCommit::new();
    document.set_actor(automerge::ActorId::from(vec![1; 16]));
    for index in 0..20 {
        document.put(ROOT, format!("key {index}"), "some text that is long enough to be deflated".repeat(12)).unwrap();
        document.commit();
    }
    document
}

/// A chunk around these data. Compressed changes carry the checksum of what they inflate to.
fn chunk(kind: u8, data: &[u8], hashed_kind: u8, hashed: &[u8]) -> Vec<u8> {
    let mut head = vec![hashed_kind];
    write_unsigned(&mut head, hashed.len() as u64);
    let hash = Sha256::new().chain_update(&head).chain_update(hashed).finalize();
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend(&hash[..4]);
    chunk.push(kind);
    write_unsigned(&mut chunk, data.len() as u64);
    chunk.extend(data);
    chunk
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The data of a change with these columns.
fn change_with(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut data = vec![0, 1, 9, 1, 1, 0, 0, 0];
    columns_into(&mut data, columns);
    columns.iter().for_each(|(_, bytes)| data.extend(*bytes));
    data
}

fn columns_into(data: &mut Vec<u8>, columns: &[(u64, &[u8])]) {
    write_unsigned(data, columns.len() as u64);
    for (specification, bytes) in columns {
        write_unsigned(data, *specification);
        write_unsigned(data, bytes.len() as u64);
    }
}

fn decoded(chunk: &[u8]) -> Result<Change, ChunkError> {
    decode_change(chunk, &mut Budget::default())
}

#[test]
fn genuine_changes_and_documents_are_read() {
    let mut document = document();
    let changes = document.get_changes(&[]);
    for change in &changes {
        assert_eq!(decoded(change.raw_bytes()).unwrap().hash(), change.hash());
        let compressed = change.clone().bytes().into_owned();
        assert_eq!(compressed[8], 2, "long enough to be compressed");
        assert_eq!(decoded(&compressed).unwrap().hash(), change.hash());
    }
    let read: Vec<_> = decode_document(&document.save()).unwrap().iter().map(Change::hash).collect();
    assert_eq!(read, changes.iter().map(Change::hash).collect::<Vec<_>>());
}

#[test]
fn caps_a_change_that_inflates_to_too_much() {
    let zeroes = vec![0; caps::INFLATED + 1];
    let bomb = chunk(2, &deflated(&zeroes), 1, &zeroes);
    assert!(bomb.len() < caps::MESSAGE, "it would fit a message");
    assert_eq!(decoded(&bomb), Err(ChunkError::Bomb));
    // Many that each are within the cap are not, together.
    let half = vec![0; caps::INFLATED / 2 + 1];
    let bomb = chunk(2, &deflated(&half), 1, &half);
    let mut budget = Budget::default();
    assert_ne!(decode_change(&bomb, &mut budget), Err(ChunkError::Bomb));
    assert_eq!(decode_change(&bomb, &mut budget), Err(ChunkError::Bomb));
}

#[test]
fn caps_a_document_whose_columns_inflate_to_too_much() {
    let column = deflated(&vec![0; caps::INFLATED + 1]);
    let mut data = vec![0, 0, 0];
    columns_into(&mut data, &[(0x57 | 8, &column)]);
    data.extend(&column);
    assert_eq!(decode_document(&chunk(0, &data, 0, &data)).map(drop), Err(ChunkError::Bomb));
}

#[test]
fn caps_runs_that_claim_more_operations_than_there_may_be() {
    let mut long = Vec::new();
    // A run of 2^40 of the same value.
    long.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0]);
    for kind in [0, 1, 2, 3, 6] {
        let data = change_with(&[((4 << 4) | kind, &long)]);
        assert_eq!(decoded(&chunk(1, &data, 1, &data)), Err(ChunkError::TooManyOperations), "kind {kind}");
    }
    let nulls = [0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    let booleans = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    for (kind, bytes) in [(2, &nulls[..]), (4, &booleans[..])] {
        let data = change_with(&[((4 << 4) | kind, bytes)]);
        assert_eq!(decoded(&chunk(1, &data, 1, &data)), Err(ChunkError::TooManyOperations), "kind {kind}");
    }
    // One row of a group that stands for 2^40 members.
    let group = [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    let data = change_with(&[(7 << 4, &group)]);
    assert_eq!(decoded(&chunk(1, &data, 1, &data)), Err(ChunkError::TooManyOperations));
    // A long text, many times.
    let mut text = vec![0x80, 0x80, 0x04];
    text.extend([0x80, 0x80, 0x01]);
    text.extend(vec![b'x'; 16_384]);
    let data = change_with(&[((1 << 4) | 5, &text)]);
    assert_eq!(decoded(&chunk(1, &data, 1, &data)), Err(ChunkError::Bomb));
    let mut document = vec![0, 0, 0];
    columns_into(&mut document, &[((4 << 4) | 2, &long)]);
    document.extend(&long);
    let outcome = decode_document(&chunk(0, &document, 0, &document));
    assert_eq!(outcome.map(drop), Err(ChunkError::TooManyOperations));
}

/// Found by fuzzing: the number of a column was changed, from one that says which object is meant to one that Automerge does
/// not know. It applied such a change and forgot the column, so the document that it saved then did not load any more.
#[test]
fn hostile_input_is_an_error_a_change_that_automerge_would_spell_otherwise() {
    let mut document = AutoCommit::new().with_actor(automerge::ActorId::from(vec![1; 16]));
    let map = document.put_object(ROOT, "a map", automerge::ObjType::Map).unwrap();
    document.commit();
    document.put(&map, "a key", "a value").unwrap();
    document.commit();
    let change = document.get_changes(&[]).pop().unwrap();
    assert!(decoded(change.raw_bytes()).is_ok());
    let mut data = change.raw_bytes()[10..].to_vec();
    // The columns' number, then the objects' actors and counters: kinds 1 and 2, each a run of one.
    let columns = [1, 2, 2, 2];
    let at = data.windows(columns.len()).position(|window| window == columns).expect("the columns are listed");
    data[at + 2] = 3;
    let forged = chunk(1, &data, 1, &data);
    // The reason for the check.
    let taken = Change::try_from(forged.as_slice()).unwrap();
    let mut ruined = document.fork_at(change.deps()).unwrap();
    ruined.apply_changes([taken]).unwrap();
    assert!(AutoCommit::load(&ruined.save()).is_err(), "Automerge has mended this; the check may stay");
    assert_eq!(decoded(&forged), Err(ChunkError::NotCanonical));
}

#[test]
fn a_wrong_checksum_is_refused_before_automerge_sees_it() {
    let mut document = document();
    let mut change = document.get_changes(&[])[0].raw_bytes().to_vec();
    let last = change.len() - 1;
    change[last] ^= 1;
    assert_eq!(decoded(&change), Err(ChunkError::Checksum));
    let mut saved = document.save();
    let last = saved.len() - 1;
    saved[last] ^= 1;
    assert_eq!(decode_document(&saved).map(drop), Err(ChunkError::Checksum));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// HostileInputIsAnError: Automerge panics over some of these; here that is an error.
    #[test]
    fn hostile_input_is_an_error_chunks_altered_under_a_repaired_checksum(
        which in 0..20_usize,
        alterations in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        whole in any::<bool>(),
    ) {
        let mut document = document();
        let original =
            if whole { document.save() } else { document.get_changes(&[])[which].raw_bytes().to_vec() };
        let head = 9 + original[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let mut data = original[head..].to_vec();
        for (index, value) in alterations {
            let at = index.index(data.len());
            data[at] = value;
        }
        if whole {
            let _ = decode_document(&chunk(0, &data, 0, &data));
        } else if let Ok(change) = decoded(&chunk(1, &data, 1, &data)) {
            prop_assert!(change.len() as u64 <= caps::OPERATIONS);
        }
    }
}
