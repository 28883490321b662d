//! The engine: what goes on in an open home between its disk and its peers, without sockets and without a clock.
//!
//! It holds what waits to be written, the one stage that is on its way to the disk, a session for each connection, and the
//! dialler. It is told what happened and what time it is, and says what it wants done. The daemon's loop drives it with
//! `net`'s events; the simulated network of `testkit` drives the same code with simulated ones.
//!
//! It does not know what frontends ask: an owner's write `W` is staged by the closure that the owner hands in, and what
//! follows it, `A`, is handed back once it is on disk.
//!
//! # How to drive it
//!
//! After every call, [`Engine::progress`] and [`Engine::poll_output`] until it answers `None`, in turn for as long as there are outputs; then
//! [`Engine::stage`], its outputs, and all of it again where there were any, or a stage was answered. A stage that is answered is to be committed off the loop, and what
//! came of it told to [`Engine::handle_committed`]. Then one timer for [`Engine::poll_timeout`].
//!
//! # DurableBeforeTold
//!
//! While a stage is on its way, sessions are asked for nothing, and whatever follows a write follows once it is on disk.
//! Writes that come meanwhile form the next stage: so commits are grouped without a timer.

mod attachments;
mod knocks;
mod meeting;
mod networks;
mod output;
mod present;
mod private;
mod staging;
mod talk;
mod writes;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::interfaces::Network;
use betwixt_sync::dialer::{ConnectionId, Dialer, Reach};
use betwixt_sync::wire::{VERSIONS, VersionRange, caps};
use jiff::civil::Date;

use crate::replica::Replica;

pub(crate) use attachments::attachments_setting;
pub use attachments::{ChunkPlace, MAX_FETCHES};
pub use knocks::Knocks;
pub use meeting::peers;
pub use networks::ports;
pub use output::{Output, PeerChange, Trouble};
pub(crate) use staging::days;
pub use talk::Talk;

use attachments::Attachments;
use writes::{Flight, Lazy, Write};

/// How late what may be lost is written.
const LAZY: Duration = Duration::from_millis(500);

/// For how long documents stay in memory that a device at rest does not need.
const REST: Duration = Duration::from_secs(5);

/// The most addresses that may be set by hand for a peer.
pub const MAX_ADDRESSES: usize = 8;

/// The most writes in one stage, so that no one waits for all the others.
pub const MAX_STAGE: usize = 64;

/// So many changes of peers end a stage, and of more that come together the others follow in the next one: years that a new device
/// receives come several at a time and take a second each, in which nobody else would be answered.
pub const MANY_CHANGES: usize = 1_000;

/// What time it is, in the ways that count here.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The monotonic clock, for everything that is due.
    pub now: Instant,
    /// The local date, for display only (CausalityNotClocks).
    pub date: Date,
    /// Milliseconds since 1970 by the wall clock, for display only.
    pub at: i64,
}

/// What goes on in an open home. See the [module](self) on how to drive it.
pub struct Engine<W, A> {
    dialer: Dialer,
    talks: BTreeMap<ConnectionId, Talk>,
    queue: VecDeque<Write<W>>,
    /// The stage that is on its way to the disk; `None` when none is.
    in_flight: Option<Flight<A>>,
    lazy: Lazy,
    /// Peers with which everything of a scope has come to be the same.
    in_step: Vec<(DeviceId, Scope)>,
    /// When what may be written late is written.
    lazy_at: Option<Instant>,
    /// When a closed store is to be tried again.
    recover_at: Option<Instant>,
    /// When documents that nobody has used since leave memory, and how often any had been used when that was set.
    rest_at: Option<(Instant, u64)>,
    /// What the disk said when it last refused a stage, until something that was said is on it again.
    refused: Option<String>,
    outputs: VecDeque<Output<W, A>>,
    /// Where this device is now.
    networks: Vec<Network>,
    knocks: Knocks,
    attachments: Attachments,
    /// The versions of the protocol that sessions begin with.
    versions: VersionRange,
    /// So many changes of peers end a stage; see [`MANY_CHANGES`].
    many_changes: usize,
    /// So many changes at most go with one message; see [`caps::CHANGES_CUT`].
    changes_cut: usize,
}

impl<W, A> Engine<W, A> {
    /// An engine of a device that is in these networks, and meets nobody until [`Engine::roster_changed`].
    pub fn new(dialer: Dialer, networks: Vec<Network>, knocks: Knocks) -> Self {
        Self {
            dialer,
            talks: BTreeMap::new(),
            queue: VecDeque::new(),
            in_flight: None,
            lazy: Lazy::default(),
            in_step: Vec::new(),
            lazy_at: None,
            recover_at: None,
            rest_at: None,
            refused: None,
            outputs: VecDeque::new(),
            networks,
            knocks,
            attachments: Attachments::default(),
            versions: VERSIONS,
            many_changes: MANY_CHANGES,
            changes_cut: caps::CHANGES_CUT,
        }
    }

    /// So many changes of peers end a stage from now on, one at least, instead of [`MANY_CHANGES`]: so that what happens between
    /// the stages of one message happens in a short life, too.
    pub fn set_many_changes(&mut self, many: usize) {
        self.many_changes = many.max(1);
    }

    /// From the next session on so many changes at most go with one message, one at least, instead of [`caps::CHANGES_CUT`]: for the
    /// same reason.
    pub fn set_changes_cut(&mut self, most: usize) {
        self.changes_cut = most.max(1);
    }

    /// From the next session on it speaks these versions of the protocol alone, as a build of an earlier time does: devices of one
    /// household are not updated together.
    pub fn set_versions(&mut self, versions: VersionRange) {
        self.versions = versions;
    }

    /// Something to be written, after what waits already.
    pub fn write(&mut self, write: W) {
        self.queue.push_back(Write::Own(write));
    }

    /// Does what sessions and the dialler want, as far as it can be done now: while a stage is on its way, no document is
    /// spoken of. To be called again once what it wants was carried out, until it wants nothing, and before [`Engine::stage`]: what was
    /// said goes out before a document is loaded for what is said next.
    pub fn progress(&mut self, replica: &mut Replica, now: Instant) {
        self.make_progress(replica, now);
        if self.rest_at.is_none() {
            self.rest_at = replica.unrest().map(|uses| (now + REST, uses));
        }
    }

    fn make_progress(&mut self, replica: &mut Replica, now: Instant) {
        loop {
            self.look_at_private(replica, now);
            self.look_at_attachments(now);
            self.poll_meeting(now);
            self.note_in_step(replica, now);
            self.look_at_present(replica, now);
            if self.in_flight.is_some() || !self.wants_documents() {
                break;
            }
            // A year takes 0.1 s to load. Two that meet have told each other what differs, and both load it at the same time.
            if self.outputs.iter().any(|output| matches!(output, Output::Send { .. })) {
                break;
            }
            if let Err(error) = self.generate(replica, now) {
                tracing::error!(%error, "a document cannot be read");
                self.outputs.push_back(Output::Trouble(Trouble::UnreadableDocument));
                break;
            }
        }
    }

    /// Notes who has come into step, and what they were told by then. While older generations of documents wait for
    /// everybody to have the newest, it counts who has it.
    fn note_in_step(&mut self, replica: &mut Replica, now: Instant) {
        for (peer, scope) in std::mem::take(&mut self.in_step) {
            self.everything_came(replica, &peer, scope);
            // What cannot be read now is asked again when the two meet the next time.
            let superseded = replica.superseded(scope).is_ok_and(|older| !older.is_empty());
            if superseded {
                self.queue.push_back(Write::Held(peer, scope));
            }
            if scope == Scope::Mine {
                continue;
            }
            // What is on its way to the disk may be there already and not told yet, and what an older generation holds may
            // have to be carried on first: then it is seen later.
            let settled = self.in_flight.is_none() && !superseded;
            let told = if settled { replica.told().ok() } else { None };
            self.lazy.in_step.insert(peer, told);
            self.lazy_at.get_or_insert(now + LAZY);
        }
    }

    /// What is to be done next; `None` when nothing is, until the next input.
    pub fn poll_output(&mut self) -> Option<Output<W, A>> {
        self.outputs.pop_front()
    }

    /// When to call [`Engine::handle_timeout`] if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.talks.values().filter_map(Talk::poll_timeout);
        // While the disk is busy, or in the way, nothing can be written; whatever ends that is an input.
        let lazy_at = self.lazy_at.filter(|_| self.in_flight.is_none() && self.recover_at.is_none());
        sessions
            .chain(
                [
                    self.dialer.poll_timeout(),
                    lazy_at,
                    self.recover_at,
                    self.rest_at.map(|(at, _)| at),
                    self.attachments_timeout(),
                    self.present_timeout(),
                ]
                .into_iter()
                .flatten(),
            )
            .min()
    }

    /// The time of [`Engine::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, replica: &mut Replica, now: Instant) {
        for talk in self.talks.values_mut() {
            talk.handle_timeout(now);
        }
        if self.dialer.poll_timeout().is_some_and(|at| at <= now) {
            self.dialer.handle_timeout(now);
        }
        if self.recover_at.is_some_and(|at| at <= now) {
            self.recover(replica, now);
        }
        if let Some((_, uses)) = self.rest_at.take_if(|(at, _)| *at <= now)
            && replica.unrest() == Some(uses)
        {
            replica.rest();
        }
    }

    /// The dialler, to enable it and to tell it of networks and addresses.
    pub fn dialer(&mut self) -> &mut Dialer {
        &mut self.dialer
    }

    /// How dialling a device goes; `None` for one that is connected, or that may not be dialled.
    pub fn reach(&self, peer: &DeviceId) -> Option<Reach> {
        self.dialer.reach(peer)
    }

    /// Every connection.
    pub fn talks(&self) -> impl Iterator<Item = &Talk> {
        self.talks.values()
    }

    /// Whether this device has met `peer` and, as far as it knows, each has on its disk everything shared that the other
    /// has on its own.
    ///
    /// What is on its way to this device's disk may be there already, and whoever reads the disk sees it, before any
    /// session was told: until it has been, nobody is in step. Nor is a peer of which it is still to be noted that it has
    /// the newest generations: what only older ones hold here is carried on then (NewestHasAll).
    pub fn is_in_step_with(&self, peer: &DeviceId) -> bool {
        let noted = !self.queue.iter().any(|write| matches!(write, Write::Held(held, _) if held == peer));
        noted && self.is_in_step_of(peer, Scope::Ours)
    }

    /// The same of a scope, whatever is still to be noted. Private documents are spoken of beside shared ones.
    fn is_in_step_of(&self, peer: &DeviceId, scope: Scope) -> bool {
        let private = self.talks().any(|talk| talk.peer() == *peer && talk.private.wanted);
        let untold = self.in_flight.as_ref().is_some_and(|flight| flight.shares || (private && flight.private));
        let reached =
            scope == Scope::Ours || self.talks().any(|talk| talk.peer() == *peer && talk.is_private_in_step());
        !untold && reached && self.meets_in_step(peer)
    }

    /// Whether a session has brought the documents that sessions speak of into step.
    fn meets_in_step(&self, peer: &DeviceId) -> bool {
        self.talks().any(|talk| talk.peer() == *peer && talk.is_in_step())
    }

    /// Whether private documents, too, are the same on both: with another device of the same partner, on which they are not
    /// locked.
    pub fn is_in_step_privately_with(&self, peer: &DeviceId) -> bool {
        self.is_in_step_with(peer) && self.is_in_step_of(peer, Scope::Mine)
    }

    /// Whether a stage is on its way to the disk.
    pub fn is_committing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether nothing waits to be written, except what may be written late.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_none() && !self.wants_documents()
    }

    /// Whether the store closed itself and is tried again later.
    pub fn is_recovering(&self) -> bool {
        self.recover_at.is_some()
    }

    /// Why the disk did not take what was last to be written, in words; `None` once it has taken something that was said. A store
    /// that was closed by that may be open again long before: a disk that is full takes small things and no large ones.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}
