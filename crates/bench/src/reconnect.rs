//! What a session says when nothing has changed: two real sessions, frame by frame.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::HouseholdId;
use betwixt_sync::session::{
    CounterWindow, Event, Output, Role, RosterOffer, Session, SessionConfig, SessionScope, SharedDocument,
};
use betwixt_sync::wire::{DocumentName, IncomingStream, StreamKey, VERSIONS, caps};

/// What it cost to find out that everything is the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Bytes of frames in both directions, with the length before each that the transport adds (four bytes at most).
    pub(crate) bytes: usize,
    /// After both hellos: how often one side had to wait for the other.
    pub(crate) round_trips: usize,
}

/// Two devices that have the same documents meet.
pub(crate) fn measure(documents: usize) -> anyhow::Result<Cost> {
    let now = Instant::now();
    let mut all = BTreeMap::new();
    for number in 0..documents {
        // Of a year only the newest generation is spoken of, so each has a year of its own.
        let id = DocumentId { scope: Scope::Ours, year: i16::try_from(2026 + number)?, generation: 0 };
        let mut head = [0; 32];
        head[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let document = SharedDocument { heads: vec![ChangeHash(head)], sync_state: Vec::new() };
        all.insert(DocumentName::of(id), document);
    }
    let session = |role| {
        let config = SessionConfig {
            role,
            scope: SessionScope::Ours,
            household: HouseholdId::from_bytes([7; 32]),
            versions: VERSIONS,
            changes_cut: caps::CHANGES_CUT,
            counter: 1,
            peer_counters: CounterWindow::default(),
            roster: RosterOffer { heads: vec![[1; 32], [2; 32]], statements: Vec::new() },
            documents: all.clone(),
            attachments: None,
            wants_present: false,
        };
        Session::new(now, config)
    };
    let mut sides = [session(Role::Dialling), session(Role::Accepting)];
    let mut in_step = [false; 2];
    let mut streams: BTreeMap<(usize, StreamKey), u64> = BTreeMap::new();
    let mut bytes = 0;
    let mut flights = 0;
    // One flight: everything that both sides say before either hears the other.
    let mut arriving: [VecDeque<(IncomingStream, Vec<u8>)>; 2] = Default::default();
    loop {
        let mut leaving: [VecDeque<(IncomingStream, Vec<u8>)>; 2] = Default::default();
        for side in 0..2 {
            for (stream, frame) in std::mem::take(&mut arriving[side]) {
                sides[side].handle_frame(now, stream, &frame)?;
            }
            while let Some(output) = sides[side].poll_output() {
                match output {
                    Output::Send { stream, frame } => {
                        bytes += frame.len() + 4;
                        let number = streams.len() as u64;
                        let number = *streams.entry((side, stream)).or_insert(number);
                        leaving[1 - side].push_back((IncomingStream(number), frame));
                    }
                    Output::Event(Event::InStep) => in_step[side] = true,
                    Output::Event(_) => {}
                    other => anyhow::bail!("nothing differs, and yet: {other:?}"),
                }
            }
        }
        if leaving.iter().all(VecDeque::is_empty) {
            break;
        }
        flights += 1;
        arriving = leaving;
    }
    anyhow::ensure!(in_step == [true, true], "the sides did not find out that they are in step");
    // The first flight is the hellos; two more are one round trip.
    Ok(Cost { bytes, round_trips: (flights - 1usize).div_ceil(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnecting_when_nothing_changed_is_one_round_trip_and_under_600_bytes_whatever_the_size() {
        for documents in [1, 400] {
            let cost = measure(documents).expect("the sessions agree");
            assert!(cost.bytes < 600 && cost.round_trips == 1, "{documents} documents: {cost:?}");
        }
    }
}
