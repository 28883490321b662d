//! One simulated device: the daemon's own replica and engine, with the simulation in the place of its loop.
//!
//! What it writes becomes durable only when its commit ends, some milliseconds of simulated time later, and only then is
//! anything of it told (DurableBeforeTold); a crash in between loses it.

use std::net::SocketAddr;
use std::time::Instant;

use betwixt_daemon::engine::{Engine, Knocks, Moment, Output, Trouble};
use betwixt_daemon::replica::{Belonging, Committed, Replica, Stage};
use betwixt_model::document::Scope;
use betwixt_model::fact::Fact;
use betwixt_model::ids::{AttachmentId, DeviceId, EpochId, ItemId, PartnerId};
use betwixt_model::{attachment, index, seal};
use betwixt_net::interfaces::{InterfaceAddress, InterfaceKind, Network, NetworkId};
use betwixt_store::{Batch, StoreError};
use betwixt_sync::dialer::{AttemptId, ConnectionId, Dialer, Direction};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::session::CloseReason;
use betwixt_sync::wire::{GoodbyeReason, IncomingStream, OutgoingStream, VERSIONS, VersionRange};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::clock::Clock;
use super::counts::Counts;
use super::files::{Shelf, named};
use super::power::{Power, begin_epoch};
use super::said::{self, Thought, Wish};

/// What a device is given.
pub(super) enum Input {
    /// A person says something. What they saw is decided when it is said, from the page that they have before them.
    Say(Thought),
    /// A connection was made.
    Connected { connection: ConnectionId, peer: DeviceId, direction: Direction, remote: SocketAddr },
    /// A frame came.
    Frame { connection: ConnectionId, stream: IncomingStream, bytes: Vec<u8> },
    /// A connection is gone.
    Lost { connection: ConnectionId },
    /// Nobody answered.
    DialFailed { attempt: AttemptId },
    /// The addresses of a peer were advertised.
    Advert { peer: DeviceId, address: SocketAddr },
    /// The device's own link came up.
    NetworkChanged,
    /// Documents are replaced by checked snapshots.
    Compact,
    /// The private part is locked, or unlocked.
    Lock(bool),
}

/// A fact that was said, and its scope.
pub(super) type Word = (Scope, Box<Fact>);

/// What follows what was written.
pub(super) enum Followed {
    /// Somebody is told that these are said.
    Said(Vec<Word>),
    /// The others are told of the new epoch.
    NewEpoch,
}

/// What a device wants of the network.
#[derive(Debug)]
pub(super) enum Effect {
    Dial {
        attempt: AttemptId,
        peer: DeviceId,
        address: SocketAddr,
    },
    Send {
        connection: ConnectionId,
        stream: OutgoingStream,
        bytes: Vec<u8>,
    },
    /// Once what was sent before has left.
    Close {
        connection: ConnectionId,
    },
    /// A commit began, and is to be ended.
    Commit,
    /// A fact is durable, and its writer was told.
    Acknowledged(Word),
    /// There may be others to be met.
    RosterChanged,
}

struct Running {
    replica: Replica,
    engine: Engine<Wish, Followed>,
    /// On its way to the disk, and what was said in it.
    flying: Option<(Flight, Vec<Word>)>,
    /// Whether a new epoch was begun since it started: once is enough, for no other copy knows it.
    epoch_renewed: bool,
}

impl Running {
    fn open_files(&mut self, shelf: &Shelf, scope: Scope) {
        open_files(&self.replica, &mut self.engine, shelf, scope);
    }

    /// Whether the store is open.
    fn has_disk(&self) -> bool {
        !self.engine.is_recovering() && !matches!(self.flying, Some((Flight::Failed(_), _)))
    }
}

/// Tells the engine which files a scope names, and which are here.
fn open_files(replica: &Replica, engine: &mut Engine<Wish, Followed>, shelf: &Shelf, scope: Scope) {
    if let Some(mut earlier) = named(replica, scope) {
        engine.attachments_opened(scope, shelf.whole(scope));
        let later = earlier.split_off(earlier.len() / 2);
        engine.attachments_read(scope, later, false);
        engine.attachments_read(scope, earlier, true);
    }
}

/// How far a commit has come.
enum Flight {
    /// Nothing of it is sure to be on the disk.
    Staged(Box<Stage>),
    /// It is on the disk, and the engine has yet to be told.
    Written(Committed),
    /// The disk failed: whether it is there shows when the store is opened again. The engine has yet to be told.
    Failed(StoreError),
}

/// The one network in which all devices are; what they call it never leaves them.
fn the_network() -> Network {
    Network {
        interface: "eth0".to_owned(),
        index: 1,
        kind: InterfaceKind::Ordinary,
        addresses: vec![InterfaceAddress { ip: [192, 0, 2, 1].into(), prefix: 24 }],
        id: NetworkId::from_bytes([1; 32]),
    }
}

/// A device, running or not.
pub(super) struct Device {
    pub(super) address: SocketAddr,
    pub(super) id: DeviceId,
    pub(super) partner: PartnerId,
    pub(super) incarnation: u64,
    pub(super) counts: Counts,
    /// How many days its calendar is off.
    pub(super) skew: i32,
    /// Its monotonic clock.
    pub(super) clock: Clock,
    /// Until when nothing happens on it: it is suspended, or another program has all of the machine.
    pub(super) asleep_until: Option<Instant>,
    /// Whether everybody it talks with is what they seem to be: then nothing may ever be refused.
    pub(super) trusting: bool,
    pub(super) power: Power,
    pub(super) shelf: Shelf,
    /// The versions of the protocol that its program speaks.
    versions: VersionRange,
    backup: Option<Power>,
    rng: ChaCha20Rng,
    /// What was said in commits that a crash or the disk broke off.
    doubtful: Vec<Word>,
    running: Option<Running>,
}

impl Device {
    /// A new home on a new disk.
    pub(super) fn found(number: u16, now: Instant, mut rng: ChaCha20Rng) -> Self {
        let (power, store) = Power::new(&mut rng);
        let name = format!("Person {number}");
        let replica = Replica::found(store, &name, "a device", &mut rng).expect("a new store takes a home");
        Self::with(number, power, replica, now, rng)
    }

    /// Another device of the partner that `other` speaks for. Answers it, and the statement that adds it.
    pub(super) fn join(number: u16, now: Instant, mut rng: ChaCha20Rng, other: &Replica) -> (Self, SignedStatement) {
        let (power, store) = Power::new(&mut rng);
        let keys = DeviceKeys::generate(&mut rng);
        let (by, roster) = (other.identity(), other.roster());
        let draft = roster.draft_add_device(by.device(), keys.device(), keys.agreement());
        let signatures = [by.keys().signing(), keys.signing()].map(|key| draft.sign(key));
        let added = draft.complete(&signatures).expect("both have signed");
        let belonging = Belonging {
            partner: by.partner(),
            name: by.name().to_owned(),
            household: roster.household(),
            space: other.space(Scope::Mine).expect("the private part is open"),
            statements: roster.statements().cloned().chain([added.clone()]).collect(),
        };
        let replica = Replica::join(store, &keys, &belonging, "another").expect("a new store takes a home");
        (Self::with(number, power, replica, now, rng), added)
    }

    /// A copy of this device's home, on another machine: it has the same key and goes on in the same epoch.
    pub(super) fn copy(&self, number: u16, now: Instant, rng: ChaCha20Rng) -> Self {
        let power = self.power.copy();
        let replica = Replica::open(power.open()).expect("a copy of a home is a home");
        Self::with(number, power, replica, now, rng)
    }

    fn with(number: u16, power: Power, replica: Replica, now: Instant, rng: ChaCha20Rng) -> Self {
        let mut device = Self {
            address: SocketAddr::from(([192, 0, 2, 1], 1000 + number)),
            id: replica.identity().device(),
            partner: replica.identity().partner(),
            incarnation: 0,
            counts: Counts::default(),
            skew: 0,
            clock: Clock::right(now),
            asleep_until: None,
            trusting: true,
            power,
            shelf: Shelf::default(),
            versions: VERSIONS,
            backup: None,
            rng,
            doubtful: Vec::new(),
            running: None,
        };
        device.run(replica);
        device
    }

    fn run(&mut self, replica: Replica) {
        let dialer = Dialer::new(self.id, ChaCha20Rng::seed_from_u64(self.rng.next_u64()));
        let mut engine = Engine::new(dialer, vec![the_network()], Knocks::default());
        engine.set_versions(self.versions);
        if self.id.as_bytes()[0].is_multiple_of(2) {
            // On every other device stages and messages are as short as may be.
            engine.set_many_changes(2);
            engine.set_changes_cut(3);
        }
        let mut running = Running { replica, engine, flying: None, epoch_renewed: false };
        // Answers may have become due while it was down.
        running.engine.write(Wish::OpenAnswers(None));
        for scope in [Scope::Ours, Scope::Mine] {
            running.open_files(&self.shelf, scope);
        }
        self.running = Some(running);
    }

    /// Its program speaks these versions of the protocol from the next start on.
    pub(super) fn install(&mut self, versions: VersionRange) {
        self.versions = versions;
    }

    pub(super) fn versions(&self) -> VersionRange {
        self.versions
    }

    /// A file of this device's own is whole on its disk.
    pub(super) fn attached(&mut self, scope: Scope, file: AttachmentId) {
        if let Some(running) = &mut self.running {
            running.engine.attachment_stored(scope, file);
        }
    }

    /// A file was found damaged.
    pub(super) fn file_lost(&mut self, scope: Scope, file: AttachmentId) {
        if let Some(running) = &mut self.running {
            running.engine.attachment_lost(scope, file);
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The replica, to look at; `None` while the device is down, or its disk is in the way.
    pub(super) fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().filter(|running| running.has_disk()).map(|running| &running.replica)
    }

    /// The power fails: what is not durable is gone, and of what was written but not yet synced the disk keeps what the
    /// seed says.
    pub(super) fn crash(&mut self) {
        let Some(Running { replica, engine, flying, .. }) = self.running.take() else { return };
        self.counts.crashes += 1;
        let mut stage = None;
        if let Some((flight, said)) = flying {
            self.counts.in_commit += 1;
            self.doubtful.extend(said);
            if let Flight::Staged(flown) = flight {
                stage = Some(*flown);
            }
        }
        self.power.fail(stage, &mut self.rng);
        self.shelf.crash(&mut self.rng);
        drop((replica, engine));
        self.asleep_until = None;
        self.incarnation += 1;
    }

    /// Starts from the disk. `now` is what its own clock shows, here and below. Answers the facts that turn out to be durable although nobody was told before.
    pub(super) fn restart(&mut self, now: Instant) -> Vec<Word> {
        if self.running.is_some() {
            return Vec::new();
        }
        let replica = Replica::open(self.power.open()).expect("what a crash leaves is a whole home");
        let untold = self.found_durable(&replica);
        self.run(replica);
        self.meet(now);
        untold
    }

    /// Of what was in doubt, what the store holds.
    fn found_durable(&mut self, replica: &Replica) -> Vec<Word> {
        let view = replica.read().expect("the store is open");
        let durable = |(scope, fact): &Word| {
            let rows = view.reader().rows(*scope);
            index::fact(&rows, &fact.id()).expect("the index can be read").is_some()
        };
        let untold: Vec<Word> = self.doubtful.drain(..).filter(durable).collect();
        self.counts.untold += untold.len() as u64;
        untold
    }

    /// Keeps a copy of the home as it is on the disk now.
    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.power.copy());
    }

    /// Whether there is a copy to be put back.
    pub(super) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Puts the copy in the place of the home, which is down, and begins a new epoch: what restoring does.
    pub(super) fn restore(&mut self, now: Instant) {
        let Some(backup) = self.backup.take() else { return };
        self.power = backup;
        // What a crash left in doubt went with the disk.
        self.doubtful.clear();
        begin_epoch(&self.power.open(), &mut self.rng);
        self.restart(now);
    }

    /// Starts after the power failed on a disk that lied: as the home that is there, which may be an older one; or from the copy that it
    /// kept, where what is there is damaged. Answers whether it was there.
    pub(super) fn start_after_lies(&mut self, now: Instant) -> bool {
        self.doubtful.clear();
        let there = self.power.open_if_whole().is_some();
        match there {
            true => drop(self.restart(now)),
            false => self.restore(now),
        }
        there
    }

    /// Lets the dialler know whom it may dial, and where they were last.
    pub(super) fn meet(&mut self, now: Instant) {
        let Some(Running { replica, engine, .. }) = &mut self.running else { return };
        engine.roster_changed(replica, now).expect("the store is open");
    }

    /// Statements of the roster, made durable at once: what pairing does at its end.
    pub(super) fn adopt(&mut self, now: Instant, statements: Vec<SignedStatement>) {
        let Some(Running { replica, .. }) = &mut self.running else { return };
        let mut stage = replica.begin().expect("the store is open");
        replica.adopt(&mut stage, statements).expect("the roster can be stored");
        stage.commit().expect("a disk in memory does not fail");
        replica.committed().expect("the roster can be read");
        if let Some(running) = &mut self.running {
            running.open_files(&self.shelf, Scope::Ours);
        }
        self.meet(now);
    }

    pub(super) fn is_committing(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.engine.is_committing())
    }

    /// Changes what is on the disk behind the replica's back, durably and at once. Not while it writes itself; answers
    /// whether anything was changed.
    pub(super) fn rewrite(&mut self, change: impl FnOnce(&mut Batch) -> bool) -> bool {
        let free = |running: &&mut Running| !running.engine.is_committing() && running.has_disk();
        let Some(running) = self.running.as_mut().filter(free) else { return false };
        let mut stage = running.replica.begin().expect("the store is open");
        let changed = change(stage.batch());
        stage.commit().expect("a disk in memory does not fail");
        running.replica.abandon().expect("the roster can be read");
        changed
    }

    pub(super) fn give(&mut self, now: Instant, input: Input) {
        let Some(Running { replica, engine, .. }) = &mut self.running else { return };
        match input {
            Input::Say(thought) => engine.write(Wish::Say(thought)),
            Input::Connected { connection, peer, direction, remote } => {
                engine.handle_connected(connection, peer, direction, remote);
            }
            Input::Frame { connection, stream, bytes } => engine.handle_frame(replica, now, connection, stream, bytes),
            Input::Lost { connection } => engine.handle_lost(connection, now),
            Input::DialFailed { attempt } => engine.handle_dial_failed(attempt, now),
            Input::Advert { peer, address } => engine.handle_advert(peer, &[address], now),
            Input::NetworkChanged => engine.dialer().handle_network_changed(now),
            // The daemon does so between two stages, too.
            Input::Compact if !engine.is_committing() && !engine.is_recovering() => match replica.compact_beyond(1) {
                Ok(_) => self.counts.compacted += 1,
                Err(error) => {
                    assert!(self.power.has_failed(), "compacting failed: {error}");
                    engine.recover(replica, now);
                }
            },
            Input::Compact => {}
            // The daemon locks between two stages, too.
            Input::Lock(locked) if !engine.is_committing() && !engine.is_recovering() => {
                self.power.lock(replica.store(), locked);
                replica.lock_changed().expect("a disk in memory does not fail");
                match locked {
                    true => engine.attachments_locked(Scope::Mine),
                    false => open_files(replica, engine, &self.shelf, Scope::Mine),
                }
            }
            Input::Lock(_) => {}
        }
    }

    /// The time for which a timer was asked has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(Running { replica, engine, .. }) = &mut self.running {
            engine.handle_timeout(replica, now);
        }
    }

    /// When to call [`Device::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.running.as_ref()?.engine.poll_timeout()
    }

    /// Whether there is nothing to do until something comes from outside.
    pub(super) fn is_idle(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.engine.is_idle())
    }

    /// Whether this device has a session with `peer` in which everything is the same on both sides.
    pub(super) fn is_in_step_with(&self, peer: &DeviceId) -> bool {
        self.running.as_ref().is_some_and(|running| running.engine.is_in_step_with(peer))
    }

    /// Whether a session over private documents says so, too.
    pub(super) fn is_in_step_privately_with(&self, peer: &DeviceId) -> bool {
        self.running.as_ref().is_some_and(|running| running.engine.is_in_step_privately_with(peer))
    }

    /// Does what there is to do, up to the beginning of a commit.
    pub(super) fn work(&mut self, moment: Moment, effects: &mut Vec<Effect>) {
        loop {
            loop {
                let Some(Running { replica, engine, .. }) = &mut self.running else { return };
                engine.progress(replica, moment.now);
                if !self.carry_out(moment.now, effects) {
                    break;
                }
            }
            let flying = self.stage(moment);
            let staged = flying.is_some();
            if let Some(flying) = flying {
                effects.push(Effect::Commit);
                let (stage, said) = flying;
                self.running.as_mut().expect("it was running").flying = Some((Flight::Staged(Box::new(stage)), said));
            }
            if !self.carry_out(moment.now, effects) && !staged {
                break;
            }
        }
        self.end_doubt(effects);
    }

    /// Once the store is open again, what was being written when the disk failed turns out to be there or not.
    fn end_doubt(&mut self, effects: &mut Vec<Effect>) {
        let Some(running) = self.running.take() else { return };
        if !self.doubtful.is_empty() && running.has_disk() {
            effects.extend(self.found_durable(&running.replica).into_iter().map(Effect::Acknowledged));
        }
        self.running = Some(running);
    }

    fn stage(&mut self, moment: Moment) -> Option<(Stage, Vec<Word>)> {
        let (rng, counts) = (&mut self.rng, &mut self.counts);
        let Running { replica, engine, .. } = self.running.as_mut()?;
        let mut said = Vec::new();
        let stage = engine.stage(replica, moment, |replica, stage, wish: Wish| {
            let words = match wish {
                Wish::Say(thought) => {
                    let Some(what) = thought(replica, rng) else { return Ok(Followed::Said(Vec::new())) };
                    said::say(replica, stage, moment.date, rng, what).unwrap_or_else(|error| {
                        assert!(!error.fails_stage(), "saying failed the stage: {error}");
                        counts.refused += 1;
                        Vec::new()
                    })
                }
                Wish::OpenAnswers(sessions) => {
                    let sessions = match sessions {
                        Some(sessions) => sessions,
                        None => replica.sealed_sessions(stage)?,
                    };
                    let opened = replica.open_answers(stage, moment.date, rng, &sessions)?;
                    opened.into_iter().map(|fact| said::word(stage, Scope::Ours, fact)).collect()
                }
                Wish::NewEpoch => {
                    let mut epoch = [0; 32];
                    rng.fill_bytes(&mut epoch);
                    replica.begin_epoch(stage, EpochId::from_bytes(epoch))?;
                    return Ok(Followed::NewEpoch);
                }
            };
            said.extend(words.iter().cloned());
            Ok(Followed::Said(words))
        })?;
        Some((stage, said))
    }

    /// What was staged is on the disk from now on, or the disk failed. The engine learns of it at [`Device::end_commit`].
    pub(super) fn write(&mut self) {
        let Some((flight, said)) = self.running.as_mut().and_then(|running| running.flying.take()) else { return };
        let flight = match flight {
            Flight::Staged(stage) => match stage.commit() {
                Ok(committed) => Flight::Written(committed),
                Err(error) => {
                    assert!(self.power.has_failed(), "a disk that works refused a stage: {error}");
                    Flight::Failed(error)
                }
            },
            written => written,
        };
        self.running.as_mut().expect("it was running").flying = Some((flight, said));
    }

    /// The commit that was begun ends.
    pub(super) fn end_commit(&mut self, now: Instant) {
        let Some(Running { replica, engine, flying, .. }) = &mut self.running else { return };
        match flying.take() {
            Some((Flight::Written(committed), _)) => {
                engine.handle_committed(replica, Ok(committed), now);
                self.counts.commits += 1;
            }
            Some((Flight::Failed(error), said)) => {
                engine.handle_committed(replica, Err(error), now);
                self.doubtful.extend(said);
            }
            _ => {}
        }
    }

    /// Answers whether there was anything.
    fn carry_out(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let mut any = false;
        while let Some(output) = running.engine.poll_output() {
            any = true;
            let counts = &mut self.counts;
            match output {
                Output::Dial { attempt, peer, address } => effects.push(Effect::Dial { attempt, peer, address }),
                Output::Send { connection, stream, frame } => {
                    effects.push(Effect::Send { connection, stream, bytes: frame });
                }
                Output::Close { connection, .. } => effects.push(Effect::Close { connection }),
                Output::Ended { reason, .. } => {
                    let honest = matches!(reason, CloseReason::ByPeer(_) | CloseReason::Here(_) | CloseReason::Stalled);
                    assert!(honest || !self.trusting, "between honest devices a session ended: {reason}");
                    counts.broken += u64::from(!honest);
                    counts.stalled += u64::from(matches!(reason, CloseReason::Stalled));
                    if reason == CloseReason::ByPeer(GoodbyeReason::RepeatedCounter) && !running.epoch_renewed {
                        running.epoch_renewed = true;
                        running.engine.write(Wish::NewEpoch);
                    }
                }
                Output::Trouble(trouble) => {
                    assert!(!self.trusting, "among honest devices there was trouble: {trouble:?}");
                    counts.run_twice += u64::from(trouble == Trouble::RunsTwice);
                }
                Output::Meaningless { keys, facts, .. } => {
                    assert!(!self.trusting, "an honest device brought what has no meaning: {keys} keys, {facts} facts");
                    counts.meaningless += (keys + facts) as u64;
                }
                Output::Shown(scope) => {
                    counts.presents += u64::from(running.replica.present_from(scope).is_some());
                }
                Output::RosterChanged => effects.push(Effect::RosterChanged),
                Output::Durable(Followed::Said(words)) => {
                    counts.said += words.len() as u64;
                    effects.extend(words.into_iter().map(Effect::Acknowledged));
                }
                Output::Durable(Followed::NewEpoch) => {
                    running.engine.roster_changed(&running.replica, now).expect("the store is open");
                }
                Output::Committed(committed) => {
                    for (scope, key) in &committed.fields {
                        let file = key.kind == attachment::KIND && key.field == attachment::FILE;
                        let Some(space) = running.replica.space(*scope).filter(|_| file) else { continue };
                        let view = running.replica.read().expect("the store is open");
                        let files = attachment::files(&view.reader().rows(*scope), &space, &key.item);
                        let files = files.expect("the index can be read");
                        let gone = running.engine.attachment_said(*scope, key.item, files);
                        self.shelf.remove(*scope, &gone);
                    }
                    let sealed = committed.items().into_iter().filter(|(_, kind, _)| kind == seal::KIND);
                    let sessions: Vec<ItemId> = sealed.map(|(_, _, item)| item).collect();
                    if !sessions.is_empty() {
                        running.engine.write(Wish::OpenAnswers(Some(sessions)));
                    }
                }
                // Whoever waits is told; whether what was being written is there shows when the store is open again.
                Output::Lost { error, .. } => {
                    assert!(self.power.has_failed(), "a stage failed: {error}");
                    counts.refused_by_disk += 1;
                    // Answers may be due to be opened, as the daemon looks for them again.
                    running.engine.write(Wish::OpenAnswers(None));
                }
                Output::ResumeAttachment { scope, file } => {
                    let chunks = self.shelf.resume(scope, &file);
                    running.engine.handle_attachment_resumed(now, scope, &file, chunks);
                }
                Output::ReadChunk(place) => running.engine.handle_chunk_read(&place, self.shelf.read(&place)),
                Output::StoreChunk { place, bytes } => {
                    // Otherwise it was locked meanwhile, and the session that it came over ends.
                    let Some(space) = running.replica.space(place.scope) else { continue };
                    let stored = self.shelf.store(&place, &space, &bytes);
                    running.engine.handle_chunk_stored(now, &place, stored);
                }
                Output::AttachmentArrived { items, .. } => counts.files += items.len() as u64,
                // Some are read ahead and some are not, which makes no difference.
                Output::ReadAhead(reading) => reading.pieces().step_by(2).for_each(|piece| piece.read()),
                // Dials fail by themselves; who is in step is asked for when it counts.
                Output::Cancel(_) | Output::Verify { .. } | Output::Peer { .. } => {}
            }
        }
        any
    }
}
