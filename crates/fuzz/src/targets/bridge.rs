//! What programs send over the bridge: automerge-repo's messages, and Automerge's in them.

use std::sync::OnceLock;
use std::time::Instant;

use betwixt_daemon::fuzz::{heard, name_of_the_document, read_message};
use ciborium::Value;

use super::chunks::fixture;
use crate::frames;
use crate::household::{ours, shared};
use crate::reached::here;
use crate::repair;

/// The first byte of a part that stands for a sync message: what comes before its changes, and the changes, each repaired.
/// In CBOR nothing begins so.
pub(crate) const SYNC: u8 = 0xff;

/// Frames on two connections.
pub(super) fn messages(bytes: &[u8]) {
    let parts = frames::split(bytes);
    let messages: Vec<(bool, Vec<u8>)> = parts
        .into_iter()
        .take(64)
        .map(|(second, part)| {
            let message = match part.split_first() {
                Some((&SYNC, rest)) => sync_message(rest),
                _ => part.to_vec(),
            };
            (second, message)
        })
        .collect();
    for (_, message) in &messages {
        let _ = read_message(message);
    }
    let (home, _) = fixture();
    let document = home.documents[&shared(2026)].clone();
    let before = document.heads();
    let frames: Vec<(bool, &[u8])> = messages.iter().map(|(second, message)| (*second, message.as_slice())).collect();
    static NOW: OnceLock<Instant> = OnceLock::new();
    let sent = heard(document, home.actors(ours(2026)), &frames, *NOW.get_or_init(Instant::now));
    if sent.len() > 1 {
        here("answered");
    }
    assert!(sent.iter().all(|frame| ciborium::from_reader::<Value, _>(frame.as_slice()).is_ok()));
    assert_eq!(before, home.documents[&shared(2026)].heads(), "the document itself is never written to");
}

fn sync_message(rest: &[u8]) -> Vec<u8> {
    // Parts within a part: a byte for each length.
    let mut parts = Vec::new();
    let mut rest = rest;
    while let Some((&length, after)) = rest.split_first() {
        let (part, after) = after.split_at(usize::from(length).min(after.len()));
        parts.push(part);
        rest = after;
    }
    let (before, changes) = parts.split_first().map_or((&[][..], &[][..]), |(before, changes)| (*before, changes));
    wrapped(repair::sync_message(before, changes))
}

/// Automerge's message in one of automerge-repo's.
pub(crate) fn wrapped(data: Vec<u8>) -> Vec<u8> {
    let name = name_of_the_document(ours(2026));
    cbor(vec![("type", "sync".into()), ("documentId", name.into()), ("data", Value::Bytes(data))])
}

pub(crate) fn cbor(members: Vec<(&str, Value)>) -> Vec<u8> {
    let members = members.into_iter().map(|(name, value)| (Value::from(name), value)).collect();
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(members), &mut bytes).expect("a map of texts and bytes is written to memory");
    bytes
}
