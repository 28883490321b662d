//! The present: asked of a peer by a device that has nothing yet, and shown until everything has come.

use std::time::Instant;

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_sync::session::Progress;
use betwixt_sync::wire::PresentFact;

use super::talk::Conversation;
use super::{Engine, Output};
use crate::replica::Replica;

/// What a session wants of the present, until somebody with the replica looks.
#[derive(Debug, Default)]
pub(super) struct PresentWanted {
    /// The peer asks for it.
    pub(super) asked: bool,
    /// It came.
    pub(super) came: Option<Vec<PresentFact>>,
}

impl<W, A> Engine<W, A> {
    /// Answers who asks for the present, and shows what came of it.
    pub(super) fn look_at_present(&mut self, replica: &mut Replica, now: Instant) {
        for talk in self.talks.values_mut() {
            let peer = talk.peer;
            for lane in talk.lanes() {
                let Some(Conversation { session: Some(session), present, .. }) = talk.conversation(lane) else {
                    continue;
                };
                let scope = session.scope();
                if std::mem::take(&mut present.asked) {
                    let facts = replica.present(scope).unwrap_or_else(|error| {
                        tracing::error!(%error, "the present cannot be read for another device");
                        Vec::new()
                    });
                    session.handle_present_read(now, facts);
                }
                let Some(facts) = present.came.take() else { continue };
                if session.is_in_step() {
                    // What is stored is as new.
                    continue;
                }
                match replica.show_present(scope, peer, &facts) {
                    Ok(true) => self.outputs.push_back(Output::Shown(scope)),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "the present cannot be shown"),
                }
            }
        }
    }

    /// Everything of a scope is the same as on a peer: what is stored is shown, unless it was another device that told of the
    /// present and still brings what belongs to it.
    pub(super) fn everything_came(&mut self, replica: &mut Replica, peer: &DeviceId, scope: Scope) {
        let Some(from) = replica.present_from(scope) else { return };
        if from != *peer && self.talks.values().any(|talk| talk.peer == from && talk.is_met()) {
            return;
        }
        if replica.end_present(scope) {
            self.outputs.push_back(Output::Shown(scope));
        }
    }

    /// How many documents of a scope are the same as on the peer with which most are, of how many; `None` where nobody tells
    /// of any.
    pub fn receiving(&self, scope: Scope) -> Option<Progress> {
        let sessions = self.talks.values().filter(|talk| !talk.closed).filter_map(|talk| match scope {
            Scope::Ours => talk.shared.session.as_ref(),
            Scope::Mine => talk.private.conversation.session.as_ref(),
        });
        sessions
            .filter_map(betwixt_sync::session::Session::progress)
            .max_by_key(|progress| (progress.in_step, progress.of))
    }
}
