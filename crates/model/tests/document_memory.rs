//! What documents take in memory once somebody writes to them. A home that was away for a month took 460 megabytes more when the
//! month of the other's came, and kept them (`document/load.rs` tells why).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, Change, ReadDoc};
use betwixt_model::document::{Document, DocumentId, GENESIS, Scope};
use peak_alloc::PeakAlloc;

/// What is allocated is counted, and not what the system has given the process for it.
#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

const ID: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

/// Says so many things after what was said already, each in a change, as long and as spread over the document as facts are.
fn say(document: &mut Automerge, who: u8, numbers: std::ops::Range<u32>) -> Vec<Change> {
    let heads = document.get_heads();
    for number in numbers {
        document.set_actor(ActorId::from(vec![who; 16]));
        let (map, signatures) = (root_map(document, "reflections"), root_map(document, "signatures"));
        let key = blake3::hash(&number.to_le_bytes()).to_hex().to_string();
        let text: Vec<u8> = (0..700_u32).map(|place| (place.wrapping_mul(number | 1) >> 3) as u8 % 26 + b'a').collect();
        let mut transaction = document.transaction();
        transaction.put(map, key.as_str(), String::from_utf8(text).unwrap()).unwrap();
        transaction.put(signatures, key.as_str(), vec![number as u8; 64]).unwrap();
        transaction.commit();
    }
    document.get_changes(&heads)
}

fn root_map(document: &Automerge, name: &str) -> automerge::ObjId {
    document.get(automerge::ROOT, name).unwrap().unwrap().1
}

/// What `run` leaves allocated, in bytes, and what it answers.
fn kept<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = COUNTED.current_usage();
    let answer = run();
    (COUNTED.current_usage().saturating_sub(before), answer)
}

#[test]
fn a_month_of_the_others_takes_no_more_memory_than_it_brings() {
    const MEGABYTE: usize = 1024 * 1024;
    let mut year = Automerge::load(GENESIS).unwrap();
    say(&mut year, 1, 0..2_000);
    let saved = year.save();
    let mut theirs = Automerge::load(&saved).unwrap();
    let month = say(&mut theirs, 2, 2_000..2_200);

    let mut plain = Automerge::load(&saved).unwrap();
    let (trap, ()) = kept(|| plain.apply_changes(month.iter().cloned()).unwrap());
    assert!(trap > 50 * MEGABYTE, "Automerge itself keeps {trap} bytes: if that is less, document/load.rs may go");
    drop(plain);

    let mut document = Document::load(ID, &saved).unwrap();
    let (came, _) = kept(|| document.apply(&month).unwrap());
    assert!(came < 4 * MEGABYTE, "{came} bytes after applying");
    assert_eq!(document.heads(), theirs.get_heads());
    drop(document);

    // The same from the disk, where the month was appended.
    let appended = month.iter().fold(saved, |saved, change| [saved.as_slice(), change.raw_bytes()].concat());
    let (loaded, document) = kept(|| Document::load(ID, &appended).unwrap());
    assert!(loaded < 8 * MEGABYTE, "{loaded} bytes after loading");
    drop(document);

    // And from nothing, in messages of a session, each within what one may bring.
    let mut document = Document::genesis(ID);
    let all = theirs.get_changes(&document.heads());
    let (filled, ()) = kept(|| all.chunks(700).for_each(|changes| drop(document.apply(changes).unwrap())));
    assert!(filled < 10 * MEGABYTE, "{filled} bytes after being filled");
    assert_eq!(document.heads(), theirs.get_heads());
}
