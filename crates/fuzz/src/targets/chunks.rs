//! Automerge's bytes, under checksums that are right: changes, saved documents, sync messages, and what the gate and the
//! documents make of what comes out of them.

use std::sync::OnceLock;

use arbitrary::Unstructured;
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use betwixt_model::carry::is_carried;
use betwixt_model::document::{Document, arrivals, read_changes};
use betwixt_model::gate::admit;
use betwixt_sync::wire::caps;
use betwixt_sync::wire::chunk::{Budget, decode_change, decode_document, measure_document};
use betwixt_sync::wire::{decode_packed_message, decode_sync_message};

use crate::frames;
use crate::household::{Home, couple, ours, shared};
use crate::reached::here;
use crate::repair;

/// A change, as it came and repaired.
pub(super) fn changes(bytes: &[u8]) {
    let _ = decode_change(bytes, &mut Budget::default());
    if let Ok(change) = decode_change(&repair::chunk(bytes), &mut Budget::default()) {
        assert!(change.len() as u64 <= caps::OPERATIONS);
        here("applied");
        taken_in(vec![change]);
    }
}

/// A saved document, as it came and repaired.
pub(super) fn documents(bytes: &[u8]) {
    let _ = decode_document(bytes);
    let repaired = repair::chunk(bytes);
    let measured = measure_document(&repaired);
    if let Ok(changes) = decode_document(&repaired) {
        here("loaded");
        assert_eq!(measured, Ok(()), "nothing is loaded that was not measured");
        assert!(changes.len() <= caps::WHOLE_CHANGES);
        taken_in(changes);
        // As the store would load it, if it stood there.
        if let Ok(document) = Document::load(ours(2026), &repaired) {
            let _ = (document.altered(), document.entries(), document.has_its_maps());
        }
    }
}

/// A sync message as it came; and one of what stands before its changes and these, each repaired.
pub(super) fn messages(bytes: &[u8]) {
    if decode_sync_message(bytes).is_ok() {
        here("a message");
    }
    // Packed: as it came, and as what it would be deflated from.
    let _ = decode_packed_message(bytes);
    let _ = decode_packed_message(&repair::deflated(bytes));
    let parts = frames::split(bytes);
    let Some(((_, before), chunks)) = parts.split_first() else { return };
    let chunks: Vec<&[u8]> = chunks.iter().map(|(_, chunk)| *chunk).collect();
    if let Ok((message, changes)) = decode_sync_message(&repair::sync_message(before, &chunks)) {
        here(if changes.is_empty() { "no changes" } else { "changes" });
        assert!(changes.len() <= caps::CHANGES && message.heads.len() <= caps::HEADS);
        // What was read is what Automerge is given: it must be able to take it.
        let (home, _) = fixture();
        let mut document = home.documents[&shared(2026)].clone();
        let mut state = automerge::sync::State::new();
        let taken = crate::panics::caught(|| {
            use automerge::sync::SyncDoc;
            let _ = document.automerge_mut().receive_sync_message(&mut state, message);
            let _ = document.automerge().generate_sync_message(&mut state);
        });
        assert_eq!(taken, Ok(()), "Automerge panics over a message that was let through");
        taken_in(changes);
    }
}

/// Two homes that both said something, and have what the other said; and what is left of the second's that the first lacks.
pub(crate) fn fixture() -> &'static (Home, Vec<Change>) {
    static FIXTURE: OnceLock<(Home, Vec<Change>)> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let [mut one, mut other] = couple();
        let id = shared(2026);
        one.say(2026, "We walk to the sea");
        other.documents.insert(id, one.documents[&id].clone());
        other.say(2026, "A garden");
        one.say(2026, "Two bicycles");
        let theirs = other.documents[&id].changes_since(&one.documents[&id].heads());
        one.take(id, theirs);
        let held = one.documents[&id].heads();
        other.documents.insert(id, one.documents[&id].clone());
        (0..3).for_each(|number| other.say(2026, &format!("More of it {number}")));
        let rest = other.documents[&id].changes_since(&held);
        (one, rest)
    })
}

/// What the gate admits is applied, or the document is as it was; and a document that took it is saved and loads again.
pub(super) fn taken_in(changes: Vec<Change>) {
    let (home, _) = fixture();
    let mut home = home.clone();
    let id = shared(2026);
    changes.iter().for_each(|change| drop(arrivals(id.within(betwixt_model::document::Scope::Ours), change)));
    let _ = read_changes(id.within(betwixt_model::document::Scope::Ours), &changes);
    let before = home.documents[&id].heads();
    home.take(id, changes);
    let document = &home.documents[&id];
    assert!(before.iter().all(|head| document.holds(head)), "what was there is there");
    let loaded = Document::load(document.id(), &document.save());
    assert_eq!(loaded.expect("what was saved loads").heads(), document.heads());
    let _ = (document.entries(), document.altered(), document.has_its_maps());
}

/// Changes forged by somebody who knows the format: genuine ones with other numbers, actors and dependencies, in any order
/// and number.
pub(super) fn gate(bytes: &[u8]) {
    let (home, rest) = fixture();
    let mut input = Unstructured::new(bytes);
    let all: Vec<ExpandedChange> =
        home.documents[&shared(2026)].changes_since(&[]).iter().chain(rest).map(Change::decode).collect();
    let mut batch = Vec::new();
    while !input.is_empty() && batch.len() < 64 {
        let Ok(change) = forged(&mut input, &all, &batch) else { break };
        batch.push(change);
    }
    let actors = home.actors(ours(2026));
    let document = &home.documents[&shared(2026)];
    let admitted = admit(document, batch.clone(), &actors);
    here(if admitted.as_ref().is_ok_and(|admitted| !admitted.changes.is_empty()) { "admitted" } else { "refused" });
    if let Ok(admitted) = admitted {
        assert!(admitted.changes.len() + admitted.parked.len() + admitted.known <= batch.len());
        let mut held: Vec<ChangeHash> = Vec::new();
        for change in &admitted.changes {
            let is_there = |dependency: &ChangeHash| held.contains(dependency) || document.holds(dependency);
            assert!(change.deps().iter().all(is_there), "in causal order");
            let members = actors.device(change.actor_id()).is_some();
            assert!(members || is_carried(document.id(), change), "written by nobody who may");
            held.push(change.hash());
        }
    }
    taken_in(batch);
}

fn forged(input: &mut Unstructured<'_>, all: &[ExpandedChange], batch: &[Change]) -> arbitrary::Result<Change> {
    let mut change = all[usize::from(input.arbitrary::<u8>()?) % all.len()].clone();
    change.hash = None;
    for _ in 0..input.arbitrary::<u8>()? % 4 {
        let number: u64 = match input.arbitrary::<u8>()? {
            wide @ 0xf0.. => u64::from(input.arbitrary::<u32>()?) << (wide & 0xf),
            small => u64::from(small),
        };
        match input.arbitrary::<u8>()? % 9 {
            0 => change.seq = number.max(1),
            1 => change.start_op = std::num::NonZeroU64::new(number.max(1)).expect("at least one"),
            2 => change.time = number as i64,
            3 => change.actor_id = all[number as usize % all.len()].actor_id.clone(),
            4 => change.actor_id = ActorId::from(vec![number as u8; number as usize % 40]),
            5 => change.deps = batch.last().map(Change::hash).into_iter().collect(),
            6 => change.deps.extend(all.get(number as usize).and_then(|other| other.hash)),
            7 => change.deps.push(ChangeHash([number as u8; 32])),
            _ => change.operations.truncate(number as usize),
        }
    }
    Ok(Change::from(change))
}
