//! The present: asked of a peer by a device that has nothing yet, and shown until everything has come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_sync::session::Progress;
use betwixt_sync::wire::{PresentFact, caps};

use super::talk::Conversation;
use super::writes::Write;
use super::{Engine, Output};
use crate::replica::Replica;

/// What a session wants of the present, until somebody with the replica looks.
#[derive(Debug, Default)]
pub(super) struct PresentWanted {
    /// The peer asks for it.
    pub(super) asked: bool,
    /// It came.
    pub(super) came: Option<Vec<PresentFact>>,
    /// It was asked of the peer: what documents bring waits for it.
    awaited: Option<Awaited>,
    /// It did not come for too long.
    is_late: bool,
}

/// A present that was asked for.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    since: Instant,
    /// Of how many bytes it last grew, and when.
    bytes: usize,
    grown: Instant,
}

/// For how long what documents bring waits for a present of which nothing comes. The first of them comes with it, and if it were
/// entered before, the oldest year would be shown for how things stand. Whoever tells of it reads a life for it first, which takes
/// seconds on a machine that is busy.
const STILL: Duration = Duration::from_secs(10);

/// For how long at most, however it comes: a peer that sends it by the byte must not keep back what others bring. Half of the time after
/// which the peer parts that has sent a document and does not hear that it is stored.
const AT_MOST: Duration = caps::STORED_WITHIN.checked_div(2).expect("two is not zero");

impl Awaited {
    /// So many bytes have come by now.
    fn seen(self, bytes: usize, now: Instant) -> Self {
        if bytes == self.bytes { self } else { Self { bytes, grown: now, ..self } }
    }

    /// When it is no longer waited for.
    fn until(&self) -> Instant {
        (self.grown + STILL).min(self.since + AT_MOST)
    }
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
                present.awaited = session
                    .awaited_present()
                    .map(|bytes| present.awaited.unwrap_or(Awaited { since: now, bytes, grown: now }).seen(bytes, now));
                present.is_late |= present.awaited.is_some_and(|awaited| awaited.until() <= now);
                if present.is_late {
                    present.awaited = None;
                }
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

    /// When documents no longer wait for the present; `None` while none does.
    pub(super) fn present_timeout(&self) -> Option<Instant> {
        let talks = self.talks.values().filter(|talk| !talk.closed);
        let conversations = talks.flat_map(|talk| [&talk.shared, &talk.private.conversation]);
        conversations.filter_map(|conversation| Some(conversation.present.awaited?.until())).min()
    }

    /// Takes what documents bring out of the queue while the present is awaited.
    pub(super) fn hold_back(&mut self) -> VecDeque<Write<W>> {
        if self.present_timeout().is_none() {
            return VecDeque::new();
        }
        let (held, others) = std::mem::take(&mut self.queue).into_iter().partition(|write| write.changes() > 0);
        self.queue = others;
        held
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_present_is_waited_for_as_long_as_more_of_it_comes_and_not_for_ever() {
        let since = Instant::now();
        let at = |seconds| since + Duration::from_secs(seconds);
        let mut awaited = Awaited { since, bytes: 0, grown: since };
        assert_eq!(awaited.until(), at(10));
        // Asked again and again while nothing comes, it waits no longer for that.
        awaited = awaited.seen(0, at(9));
        assert_eq!(awaited.until(), at(10));
        awaited = awaited.seen(1, at(9));
        assert_eq!(awaited.until(), at(19));
        for (bytes, seconds) in (2..).zip((18..60).step_by(9)) {
            awaited = awaited.seen(bytes, at(seconds));
        }
        assert_eq!(awaited.until(), at(30), "by the byte");
    }
}
