//! What a frontend may send to the bridge, with one document behind it and nothing that is ever said.

use std::time::Instant;

use automerge::ActorId;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{Document, DocumentId};
use betwixt_model::gate::Actors;

use super::message::Incoming;
use super::{Bridge, Documents, Guest, Output, SocketId};
use crate::http::Sees;

/// Whether a frame is a message of automerge-repo's.
pub fn read_message(frame: &[u8]) -> bool {
    Incoming::decode(frame).is_ok()
}

struct One {
    document: Document,
    members: Actors,
}

impl Documents for One {
    fn named(&self, name: &str, _: Sees) -> Option<DocumentId> {
        (name == name_of_the_document(self.document.id())).then(|| self.document.id())
    }

    fn durable(&mut self, document: DocumentId) -> Option<&Document> {
        Some(&self.document).filter(|own| own.id() == document)
    }

    fn members(&self, _: DocumentId) -> Actors {
        self.members.clone()
    }
}

/// What clients call the document of [`heard`].
pub fn name_of_the_document(document: DocumentId) -> String {
    document.to_string()
}

/// Hears frames from two connections of a frontend that may write, in the order in which they come; each frame with the
/// connection that it comes on. Whatever is to be said is refused. Answers the frames that were sent back.
pub fn heard(document: Document, members: Actors, frames: &[(bool, &[u8])], now: Instant) -> Vec<Vec<u8>> {
    let mut bridge = Bridge::default();
    let mut documents = One { document, members };
    let mut open = [true; 2];
    for (number, id) in [SocketId(0), SocketId(1)].into_iter().enumerate() {
        let guest = Guest { name: "a frontend".into(), sees: Sees::Shared, writes: true };
        bridge.connected(id, guest, format!("betwixt-{number}"), now);
    }
    let mut sent = Vec::new();
    let mut actors = 0_u8;
    for (second, frame) in frames {
        let id = SocketId(u64::from(*second));
        if !open[usize::from(*second)] {
            continue;
        }
        bridge.heard(id, frame);
        bridge.progress(&mut documents, || {
            actors = actors.wrapping_add(1);
            ActorId::from([actors; 16])
        });
        while let Some(output) = bridge.poll_output() {
            match output {
                Output::Send(to, frame) => {
                    sent.push(frame);
                    bridge.drained(to);
                }
                Output::Close(which, _) => {
                    open[usize::from(which == SocketId(1))] = false;
                    bridge.gone(which);
                }
                Output::Say { place, .. } => {
                    let refused = Problem::new(ProblemKind::Invalid, "Nothing is said here.");
                    bridge.answered(&place, &Err(refused));
                }
            }
        }
    }
    sent
}
