//! One simulated device: the real replica, sessions and dialer, with the simulation in the place of the daemon's loop.
//!
//! A device does one thing after the other. What it writes becomes durable only when its commit ends, some milliseconds of
//! simulated time later, and only then is anything of it told (DurableBeforeTold); a crash in between loses it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use betwixt_daemon::replica::{Replica, Stage};
use betwixt_model::document::Scope;
use betwixt_model::fact::Fact;
use betwixt_model::ids::{DeviceId, EpochId, PartnerId};
use betwixt_model::index;
use betwixt_model::say::Saying;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use betwixt_sync::dialer::{self, AttemptId, ConnectionId, Dialer, Direction, Source};
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::session::{
    CloseReason, CounterWindow, Event, Output, PersistId, Role, RosterOffer, Session, SessionConfig, SharedDocument,
};
use betwixt_sync::wire::{IncomingStream, SharedDocumentId, StreamKey, VERSIONS};
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::draw;
use crate::disk::{CrashDisk, FailingDisk, Failure};

/// The most tasks that share one commit.
const MOST_IN_A_STAGE: usize = 8;

/// What a device is given.
pub(super) enum Input {
    /// A person says something. What they saw is decided when it is said, from the page that they have before them.
    Say(Wish),
    /// A connection was made.
    Connected { connection: ConnectionId, peer: DeviceId, direction: Direction },
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
}

/// What somebody wants to say, as a function of the device's state at the moment when they say it.
pub(super) type Wish = Box<dyn FnOnce(&Replica, &mut ChaCha20Rng) -> Option<Saying> + Send>;

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
        stream: StreamKey,
        bytes: Vec<u8>,
    },
    /// Once what was sent before has left.
    Close {
        connection: ConnectionId,
    },
    /// A commit began, and is to be ended.
    Commit,
    /// A fact is durable, and its writer was told.
    Acknowledged(Box<Fact>),
}

/// What is to be done, one after the other.
enum Task {
    Input(Input),
    Roster { connection: ConnectionId, statements: Vec<Vec<u8>> },
    Generate { connection: ConnectionId, document: SharedDocumentId },
    Persist { connection: ConnectionId, id: PersistId, document: SharedDocumentId, changes: Vec<automerge::Change> },
    SyncState { connection: ConnectionId, document: SharedDocumentId, state: Vec<u8> },
    Met { connection: ConnectionId, counter: u64 },
}

/// What follows once a stage is durable.
#[derive(Debug)]
enum After {
    Said(Box<Fact>),
    Persisted { connection: ConnectionId, id: PersistId, document: SharedDocumentId },
    RosterSettled { connection: ConnectionId },
}

struct Talk {
    peer: DeviceId,
    direction: Direction,
    session: Session,
    synced: bool,
}

struct Running {
    replica: Replica,
    dialer: Dialer,
    talks: BTreeMap<ConnectionId, Talk>,
    tasks: VecDeque<Task>,
    staged: Option<(Stage, Vec<After>)>,
    committing: bool,
}

/// How often things happened that a run should contain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Facts said and acknowledged.
    pub said: u64,
    /// Sayings that the model refused, such as into a field that is still arriving.
    pub refused: u64,
    /// Commits.
    pub commits: u64,
    /// Crashes.
    pub crashes: u64,
    /// Crashes in the middle of a commit.
    pub in_commit: u64,
    /// Facts that a crash left durable although nobody was told.
    pub untold: u64,
    /// Sessions that came to be in step.
    pub in_step: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, Self { said, refused, commits, crashes, in_commit, untold, in_step }: Self) {
        self.said += said;
        self.refused += refused;
        self.commits += commits;
        self.crashes += crashes;
        self.in_commit += in_commit;
        self.untold += untold;
        self.in_step += in_step;
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
    keys: DataKeys,
    platters: CrashDisk,
    disk: FailingDisk,
    rng: ChaCha20Rng,
    /// What was said in commits that a crash broke off.
    doubtful: Vec<Fact>,
    running: Option<Running>,
}

impl Device {
    /// A new home on a new disk.
    pub(super) fn found(number: u16, mut rng: ChaCha20Rng) -> Self {
        let keys = DataKeys::random(&mut rng);
        let platters = CrashDisk::new();
        let disk = FailingDisk::new(platters.clone());
        let store = Store::create(disk.clone(), &keys, options()).expect("an empty disk in memory takes a store");
        // The epoch names Automerge's actors: drawn from the seed, so that a seed gives the same run.
        let mut epoch = [0; 32];
        rng.fill_bytes(&mut epoch);
        let mut batch = store.begin().expect("a new store takes a batch");
        batch.begin_epoch(&EpochId::from_bytes(epoch)).expect("a new store takes an epoch");
        batch.commit().expect("a disk in memory does not fail");
        let name = format!("Person {number}");
        let replica = Replica::found(store, &name, "a device", &mut rng).expect("a new store takes a home");
        let (id, partner) = (replica.identity().device(), replica.identity().partner());
        let address = SocketAddr::from(([192, 0, 2, 1], 1000 + number));
        let mut device = Self {
            address,
            id,
            partner,
            incarnation: 0,
            counts: Counts::default(),
            skew: 0,
            keys,
            platters,
            disk,
            rng,
            doubtful: Vec::new(),
            running: None,
        };
        device.run(replica);
        device
    }

    fn run(&mut self, replica: Replica) {
        let dialer = Dialer::new(self.id, ChaCha20Rng::seed_from_u64(self.rng.next_u64()));
        let (talks, tasks) = (BTreeMap::new(), VecDeque::new());
        self.running = Some(Running { replica, dialer, talks, tasks, staged: None, committing: false });
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The replica, to look at; `None` while the device is down.
    pub(super) fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().map(|running| &running.replica)
    }

    /// The power fails: what is not durable is gone, and of what was written but not yet synced the disk keeps what the
    /// seed says.
    pub(super) fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.counts.crashes += 1;
        let Running { replica, staged, .. } = running;
        if let Some((stage, after)) = staged {
            let said = after.into_iter().filter_map(|after| match after {
                After::Said(fact) => Some(*fact),
                After::Persisted { .. } | After::RosterSettled { .. } => None,
            });
            self.doubtful.extend(said);
            self.counts.in_commit += 1;
            // The plug is pulled before the commit began, or after some of its operations on the disk; a commit that came
            // to its end is durable although nobody was told, and so may be one that failed at its last operations.
            if draw(&mut self.rng, 4) > 0 {
                self.disk.fail_after(u64::from(draw(&mut self.rng, 24)), Failure::Broken);
                let _ = stage.commit();
            }
        }
        drop(replica);
        self.incarnation += 1;
        self.platters.crash(self.rng.next_u64());
        self.disk.heal();
    }

    /// Starts from the disk. Answers the facts that turn out to be durable although nobody was told before.
    pub(super) fn restart(&mut self, now: Instant, peers: &[(DeviceId, SocketAddr)]) -> Vec<Fact> {
        if self.running.is_some() {
            return Vec::new();
        }
        let store =
            Store::open(self.disk.clone(), &self.keys, options()).expect("what a crash leaves is a whole store");
        let replica = Replica::open(store).expect("what a crash leaves is a whole home");
        let view = replica.read().expect("the store is open");
        let rows = view.reader().rows(Scope::Ours);
        let durable = |fact: &Fact| index::fact(&rows, &fact.id()).expect("the index can be read").is_some();
        let untold: Vec<Fact> = self.doubtful.drain(..).filter(durable).collect();
        drop(view);
        self.counts.untold += untold.len() as u64;
        self.run(replica);
        self.begin_dialling(now, peers);
        untold
    }

    /// Lets the dialer know whom it may dial, and where they were last.
    pub(super) fn begin_dialling(&mut self, now: Instant, peers: &[(DeviceId, SocketAddr)]) {
        let Some(running) = &mut self.running else { return };
        let own = self.id;
        running.dialer.set_peers(peers.iter().map(|(peer, _)| *peer).filter(|peer| *peer != own), now);
        for (peer, address) in peers.iter().filter(|(peer, _)| *peer != own) {
            let known = running.dialer.handle_candidate(*peer, *address, Source::Remembered, true, now);
            known.expect("a few peers with one address each");
        }
    }

    /// Statements of the roster, made durable at once: what pairing does at its end.
    pub(super) fn adopt(&mut self, statements: Vec<SignedStatement>) {
        let Some(running) = &mut self.running else { return };
        let mut stage = running.replica.begin().expect("the store is open");
        running.replica.adopt(&mut stage, statements).expect("the roster can be stored");
        stage.commit().expect("a disk in memory does not fail");
        running.replica.committed().expect("the roster can be read");
    }

    pub(super) fn give(&mut self, input: Input) {
        if let Some(running) = &mut self.running {
            running.tasks.push_back(Task::Input(input));
        }
    }

    /// The time for which a timer was asked has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some(running) = &mut self.running else { return };
        if running.dialer.poll_timeout().is_some_and(|at| at <= now) {
            running.dialer.handle_timeout(now);
        }
        for talk in running.talks.values_mut() {
            if talk.session.poll_timeout().is_some_and(|at| at <= now) {
                talk.session.handle_timeout(now);
            }
        }
    }

    /// When to call [`Device::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        let sessions = running.talks.values().filter_map(|talk| talk.session.poll_timeout());
        sessions.chain(running.dialer.poll_timeout()).min()
    }

    /// Whether there is nothing to do until something comes from outside.
    pub(super) fn is_idle(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.staged.is_none() && running.tasks.is_empty())
    }

    /// Whether this device has a session with `peer` in which everything is the same on both sides.
    pub(super) fn is_in_step_with(&self, peer: &DeviceId) -> bool {
        let Some(running) = &self.running else { return false };
        let current = running.dialer.current(peer).and_then(|connection| running.talks.get(&connection));
        current.is_some_and(|talk| talk.session.is_in_step())
    }

    /// Does what there is to do, up to the beginning of a commit.
    pub(super) fn work(&mut self, now: Instant, today: Date, effects: &mut Vec<Effect>) {
        loop {
            self.poll(now, effects);
            let Some(running) = &mut self.running else { return };
            if running.committing {
                return;
            }
            let Some(task) = running.tasks.pop_front() else { break };
            let room = running.staged.as_ref().is_none_or(|(_, after)| after.len() < MOST_IN_A_STAGE);
            if !room || (running.staged.is_some() && !task.may_join_a_stage()) {
                running.tasks.push_front(task);
                break;
            }
            self.perform(task, now, today);
            // Sometimes more than one task shares a commit, sometimes not.
            if self.running.as_ref().is_some_and(|running| running.staged.is_some()) && draw(&mut self.rng, 3) == 0 {
                break;
            }
        }
        let Some(running) = &mut self.running else { return };
        if running.staged.is_some() {
            running.committing = true;
            effects.push(Effect::Commit);
        }
    }

    /// The commit that was begun ends.
    pub(super) fn end_commit(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(running) = &mut self.running else { return };
        let Some((stage, after)) = running.staged.take() else { return };
        running.committing = false;
        let committed = stage.commit().expect("a disk in memory does not fail");
        running.replica.committed().expect("what was committed can be read");
        self.counts.commits += 1;
        for after in after {
            match after {
                After::Said(fact) => {
                    self.counts.said += 1;
                    effects.push(Effect::Acknowledged(fact));
                }
                After::Persisted { connection, id, document } => {
                    running.persisted(now, connection, id, document);
                }
                After::RosterSettled { connection } => {
                    let Some(talk) = running.talks.get_mut(&connection) else { continue };
                    let member = running.replica.roster().may_connect(&talk.peer);
                    talk.session.handle_roster_settled(now, member);
                }
            }
        }
        let changed: BTreeSet<SharedDocumentId> =
            committed.documents.iter().filter_map(|id| SharedDocumentId::try_from(*id).ok()).collect();
        for talk in running.talks.values_mut() {
            for document in &changed {
                talk.session.handle_local_change(now, *document);
            }
        }
    }

    fn poll(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(running) = &mut self.running else { return };
        let mut closed = Vec::new();
        for (&connection, talk) in &mut running.talks {
            while let Some(output) = talk.session.poll_output() {
                let task = match output {
                    Output::Send { stream, frame } => {
                        effects.push(Effect::Send { connection, stream, bytes: frame });
                        continue;
                    }
                    Output::Event(Event::Met { counter, .. }) => Task::Met { connection, counter },
                    Output::Event(Event::InStep) => {
                        self.counts.in_step += u64::from(!std::mem::replace(&mut talk.synced, true));
                        continue;
                    }
                    Output::Event(_) => continue,
                    Output::Close(reason) => {
                        let honest =
                            matches!(reason, CloseReason::ByPeer(_) | CloseReason::Here(_) | CloseReason::Stalled);
                        assert!(honest, "between honest devices a session ended: {reason}");
                        closed.push(connection);
                        break;
                    }
                    Output::Roster { statements } => Task::Roster { connection, statements },
                    Output::Generate(document) => Task::Generate { connection, document },
                    Output::Persist { id, document, changes } => Task::Persist { connection, id, document, changes },
                    Output::SyncState { document, state } => Task::SyncState { connection, document, state },
                };
                running.tasks.push_back(task);
            }
        }
        for connection in closed {
            running.forget(connection, now);
            effects.push(Effect::Close { connection });
        }
        while let Some(output) = running.dialer.poll_output() {
            match output {
                dialer::Output::Dial { attempt, peer, address } => {
                    effects.push(Effect::Dial { attempt, peer, address })
                }
                dialer::Output::Close(connection) => {
                    running.forget(connection, now);
                    effects.push(Effect::Close { connection });
                }
                // Dials fail by themselves, and every address is remembered.
                dialer::Output::Cancel(_)
                | dialer::Output::Use { .. }
                | dialer::Output::Remember { .. }
                | dialer::Output::Verify { .. } => {}
            }
        }
    }

    fn perform(&mut self, task: Task, now: Instant, today: Date) {
        let Some(running) = &mut self.running else { return };
        match task {
            Task::Input(Input::Say(wish)) => {
                let Some(saying) = wish(&running.replica, &mut self.rng) else { return };
                let date = today.saturating_add(jiff::Span::new().days(self.skew));
                let (mut stage, mut after) = running.take_stage();
                let rng = &mut self.rng;
                match running.replica.act(&mut stage, Scope::Ours, date, rng, |act| act.say(saying)) {
                    Ok(signed) => after.push(After::Said(Box::new(signed.fact().clone()))),
                    Err(error) => {
                        assert!(!error.fails_stage(), "saying failed the stage: {error}");
                        self.counts.refused += 1;
                    }
                }
                running.keep_stage(stage, after);
            }
            Task::Input(Input::Connected { connection, peer, direction }) => {
                self.begin_session(now, connection, peer, direction);
            }
            Task::Input(Input::Frame { connection, stream, bytes }) => {
                let Some(talk) = running.talks.get_mut(&connection) else { return };
                let outcome = talk.session.handle_frame(now, stream, &bytes);
                outcome.expect("honest devices keep to the protocol");
            }
            Task::Input(Input::Lost { connection }) => running.forget(connection, now),
            Task::Input(Input::DialFailed { attempt }) => running.dialer.handle_dial_failed(attempt, now),
            Task::Input(Input::Advert { peer, address }) => running.dialer.handle_advert(peer, &[address], now),
            Task::Input(Input::NetworkChanged) => running.dialer.handle_network_changed(now),
            Task::Met { connection, counter } => {
                let Some(talk) = running.talks.get(&connection) else { return };
                let (peer, direction) = (talk.peer, talk.direction);
                let (mut stage, after) = running.take_stage();
                let mut window = counters(&stage.batch().reader(), &peer);
                assert!(window.note(counter), "a peer's counter came twice without a copied home");
                let name = counters_name(&peer);
                stage.batch().put_setting(Scope::Ours, &name, &window.to_bytes()).expect("a setting can be put");
                running.keep_stage(stage, after);
                running.dialer.handle_connected(peer, connection, direction, now);
            }
            Task::Roster { connection, statements } => {
                let parsed = statements.iter().map(|bytes| SignedStatement::parse(bytes));
                let parsed = parsed.collect::<Result<Vec<_>, _>>().expect("honest statements can be read");
                let (mut stage, mut after) = running.take_stage();
                running.replica.adopt(&mut stage, parsed).expect("the roster can be stored");
                after.push(After::RosterSettled { connection });
                running.keep_stage(stage, after);
            }
            Task::Generate { connection, document } => running.generate(now, connection, document),
            Task::Persist { connection, id, document, changes } if changes.is_empty() => {
                running.persisted(now, connection, id, document);
            }
            Task::Persist { connection, id, document, changes } => {
                let Some(peer) = running.talks.get(&connection).map(|talk| talk.peer) else { return };
                let (mut stage, mut after) = running.take_stage();
                let at = i64::from(self.skew);
                let arrived = running.replica.arrive(&mut stage, peer, at, document.document(), changes);
                let arrived = arrived.expect("honest changes are taken in");
                assert_eq!(arrived.refused, 0, "an honest change had a key that is no fact");
                assert!(arrived.effect.refused.is_empty(), "an honest fact was refused: {:?}", arrived.effect.refused);
                after.push(After::Persisted { connection, id, document });
                running.keep_stage(stage, after);
            }
            Task::SyncState { connection, document, state } => {
                let Some(talk) = running.talks.get(&connection) else { return };
                let peer = talk.peer;
                let (mut stage, after) = running.take_stage();
                let put = stage.batch().put_sync_state(&peer, document.document(), &state);
                put.expect("a sync state can be put");
                running.keep_stage(stage, after);
            }
        }
    }

    fn begin_session(&mut self, now: Instant, connection: ConnectionId, peer: DeviceId, direction: Direction) {
        let Some(running) = &mut self.running else { return };
        let replica = &mut running.replica;
        let Some(household) = replica.space(Scope::Ours) else { return };
        // The counter is on disk before the session begins.
        let mut stage = replica.begin().expect("the store is open");
        let counter = stage.batch().next_counter(&peer).expect("a counter can be put");
        stage.commit().expect("a disk in memory does not fail");
        replica.committed().expect("what was committed can be read");
        let view = replica.read().expect("the store is open");
        let reader = view.reader();
        let mut documents = BTreeMap::new();
        for (id, heads) in replica.shared_heads().expect("heads can be read") {
            let Ok(shared) = SharedDocumentId::try_from(id) else { continue };
            let sync_state = reader.sync_state(&peer, id).expect("sync states can be read").unwrap_or_default();
            documents.insert(shared, SharedDocument { heads, sync_state });
        }
        let roster = replica.roster();
        let statements: Vec<Vec<u8>> =
            roster.missing(&peer_partner(replica, &peer), &[]).iter().map(SignedStatement::to_bytes).collect();
        let heads = vec![roster.digest(&peer_partner(replica, &peer))];
        let config = SessionConfig {
            role: if matches!(direction, Direction::Incoming) { Role::Accepting } else { Role::Dialling },
            household,
            versions: VERSIONS,
            counter,
            peer_counters: counters(&reader, &peer),
            roster: RosterOffer { heads, statements },
            documents,
        };
        let talk = Talk { peer, direction, session: Session::new(now, config), synced: false };
        running.talks.insert(connection, talk);
    }
}

impl Running {
    fn take_stage(&mut self) -> (Stage, Vec<After>) {
        self.staged.take().unwrap_or_else(|| (self.replica.begin().expect("the store is open"), Vec::new()))
    }

    fn keep_stage(&mut self, stage: Stage, after: Vec<After>) {
        self.staged = Some((stage, after));
    }

    fn generate(&mut self, now: Instant, connection: ConnectionId, document: SharedDocumentId) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        let found = self.replica.durable_document(document.document()).expect("a document can be read");
        talk.session.generate(now, found.expect("no stage is open"));
    }

    fn persisted(&mut self, now: Instant, connection: ConnectionId, id: PersistId, document: SharedDocumentId) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        let found = self.replica.durable_document(document.document()).expect("a document can be read");
        talk.session.handle_persisted(now, id, found.expect("no stage is open"));
    }

    fn forget(&mut self, connection: ConnectionId, now: Instant) {
        self.talks.remove(&connection);
        self.dialer.handle_lost(connection, now);
    }
}

impl Task {
    /// Whether it can go on while a stage is open; the others wait for the documents to be durable.
    fn may_join_a_stage(&self) -> bool {
        match self {
            Self::Input(Input::Connected { .. }) | Self::Generate { .. } => false,
            Self::Persist { changes, .. } => !changes.is_empty(),
            Self::Input(_) | Self::Roster { .. } | Self::SyncState { .. } | Self::Met { .. } => true,
        }
    }
}

fn peer_partner(replica: &Replica, peer: &DeviceId) -> PartnerId {
    let known = replica.roster().device(peer).map(|device| device.partner);
    known.unwrap_or_else(|| replica.identity().partner())
}

fn counters_name(peer: &DeviceId) -> String {
    format!("counters of {peer}")
}

fn counters(reader: &betwixt_store::Reader<'_>, peer: &DeviceId) -> CounterWindow {
    let stored = reader.setting::<[u8; 16]>(Scope::Ours, &counters_name(peer));
    stored.expect("a setting can be read").map(CounterWindow::from_bytes).unwrap_or_default()
}

/// A small cache, and no check of every page on opening: thousands of homes are opened.
fn options() -> StoreOptions {
    StoreOptions { cache: 1 << 20, check: false, ..StoreOptions::default() }
}

/// How long a commit takes, in simulated time.
pub(super) fn commit_time(rng: &mut impl RngCore) -> Duration {
    Duration::from_micros(u64::from(200 + draw(rng, 5_000)))
}
