//! A network of simulated devices: simulated time, connections that break, partitions, crashes, clocks that are off.
//!
//! The devices run the daemon's own engine and replica, and with them its sessions, dialler and fold, over the real store,
//! with no trait between; what is simulated is time, the wire, the disk and what is found in the network. The same seed
//! gives the same run. What a run went through is said when its network is dropped (see [`crate::survived`]).
//!
//! ```no_run
//! use betwixt_testkit::network::Network;
//!
//! let mut network = Network::seeded(7);
//! let (first, second) = network.couple();
//! network.say_anything(first);
//! network.partition(first, second);
//! network.say_anything(second);
//! network.heal();
//! network.run_until_idle();
//! network.assert_converged();
//! network.assert_no_silent_winner();
//! ```

mod chapters;
mod check;
mod clock;
mod counts;
mod device;
mod faults;
mod files;
mod filters;
mod hostile;
mod household;
mod in_step;
mod power;
mod private;
mod queue;
mod said;
mod sayings;
mod seals;
mod tampering;
mod wires;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_sync::dialer::{AttemptId, ConnectionId, Direction};
use betwixt_sync::wire::OutgoingStream;
use jiff::civil::{Date, date};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::oracle::Oracle;
use device::{Device, Effect, Input};
use queue::Queue;
use wires::Wires;

pub use chapters::ChapterWish;
pub use counts::Counts;
pub use tampering::Author;

/// Names a device of the network, in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceName(usize);

/// How the network misbehaves.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The shortest and the longest time that a frame travels.
    pub latency: (Duration, Duration),
    /// One frame in this many takes its connection down with it; 0 for none.
    pub lost_at_frame: u32,
    /// How many bits of a hundred are set in the Bloom filters by which devices say what they have: the more, the more of what is
    /// missing they hide. 0 for those that Automerge makes.
    pub set_in_filters: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Self { latency: (Duration::from_micros(100), Duration::from_millis(80)), lost_at_frame: 200, set_in_filters: 0 }
    }
}

enum Happening {
    /// A device is given something, unless it was restarted since this was planned.
    Give { to: usize, incarnation: u64, input: Input },
    /// A commit is on the disk, and nobody knows yet.
    Written { at: usize, incarnation: u64 },
    /// The end of a commit.
    Commit { at: usize, incarnation: u64 },
    /// A timer.
    Timer { at: usize, incarnation: u64 },
    /// A dial arrives.
    Dial { from: usize, incarnation: u64, attempt: AttemptId, to: usize },
    /// A frame arrives, unless its connection is gone.
    Frame { connection: ConnectionId, to: usize, stream: u64, bytes: Vec<u8> },
    /// One end of a connection notices that it is gone.
    Lost { connection: ConnectionId, to: usize },
    /// A disk works again.
    DiskHeals { at: usize },
    /// Somebody starts a device that crashed.
    Starts { at: usize },
}

/// Devices, and the network between them.
pub struct Network {
    seed: u64,
    rng: ChaCha20Rng,
    began: Instant,
    queue: Queue<Happening>,
    devices: Vec<Device>,
    timers: Vec<Option<Instant>>,
    wires: Wires,
    cut: BTreeSet<(usize, usize)>,
    weather: Weather,
    today: Date,
    oracle: Oracle,
    /// Devices whose frames are altered and mixed with rubbish.
    hostile: BTreeSet<usize>,
    private: private::Private,
    /// Who says to be in step with whom.
    in_step: BTreeSet<(usize, usize)>,
    /// What devices were found to hold.
    held: BTreeSet<(usize, Scope, FactId)>,
    /// Whether some disk holds less than it did, or some home was copied.
    rolled_back: bool,
    planned: faults::Planned,
    survived: faults::Record,
}

/// How much simulated time [`Network::run_until_idle`] gives the devices to come into step. The longest wait of an honest
/// network is a dialer's longest backoff after an idle time-out.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// How long a dial to nobody takes to fail.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How many microseconds a commit takes at most, over the least.
const LONGEST_COMMIT: u32 = 5_000;

/// How many microseconds may pass at most until whoever waits for a commit learns of it.
const LONGEST_WAKE: u32 = 1_000;

/// How long an end of a dead connection may not notice it: QUIC's idle time-out.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

impl Network {
    /// A network without devices.
    pub fn seeded(seed: u64) -> Self {
        let queue = Queue::new();
        Self {
            seed,
            rng: ChaCha20Rng::seed_from_u64(seed),
            began: queue.now(),
            queue,
            devices: Vec::new(),
            timers: Vec::new(),
            wires: Wires::default(),
            cut: BTreeSet::new(),
            weather: Weather::default(),
            today: date(2026, 12, 28),
            oracle: Oracle::default(),
            hostile: BTreeSet::new(),
            private: private::Private::default(),
            in_step: BTreeSet::new(),
            held: BTreeSet::new(),
            rolled_back: false,
            planned: faults::Planned::default(),
            survived: faults::Record::default(),
        }
    }

    /// Sets how the network misbehaves from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// A number below `bound`, from the seed: for tests that decide by it what happens next.
    pub fn draw(&mut self, bound: u32) -> u32 {
        draw(&mut self.rng, bound)
    }

    /// A device replaces what was appended to its documents by checked snapshots.
    pub fn compact(&mut self, device: DeviceName) {
        self.give(device.0, Input::Compact);
    }

    /// Cuts the connection between two devices: what is under way is lost, and neither is told before a time-out.
    pub fn partition(&mut self, left: DeviceName, right: DeviceName) {
        self.cut.insert(pair(left.0, right.0));
        self.survived.fault("network cut");
        for connection in self.wires.between(left.0, right.0) {
            self.lose(connection);
        }
    }

    /// Mends every cut. Every device notices that its network changed, or that another one is there again.
    pub fn heal(&mut self) {
        let mended = std::mem::take(&mut self.cut);
        for (left, right) in mended {
            for (own, other) in [(left, right), (right, left)] {
                let wait = self.latency();
                let input = match draw(&mut self.rng, 3) {
                    0 => Input::NetworkChanged,
                    1 => Input::Advert { peer: self.devices[other].id, address: self.devices[other].address },
                    _ => continue,
                };
                self.give_in(wait, own, input);
            }
        }
    }

    /// The power of a device fails, at once: what is not durable is lost.
    pub fn crash(&mut self, device: DeviceName) {
        self.devices[device.0].crash();
        self.planned.forget(device.0);
        self.forget_held(device.0);
        self.timers[device.0] = None;
        for connection in self.wires.of(device.0) {
            self.lose(connection);
        }
    }

    /// Starts a device that crashed, from its disk. One that runs goes on.
    pub fn restart(&mut self, device: DeviceName) {
        let now = self.now(device.0);
        for word in self.devices[device.0].restart(now) {
            self.remember(device.0, &word);
        }
        self.work(device.0);
    }

    /// What happened so far, all devices together.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.devices.iter().for_each(|device| sum += device.counts);
        let opened = (0..self.devices.len()).map(|device| self.opened(DeviceName(device))).max();
        Counts { erased: self.erased() as u64, opened: opened.unwrap_or(0) as u64, ..sum }
    }

    /// Lets simulated time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.queue.now() + time;
        while self.queue.next_time().is_some_and(|at| at <= until) {
            self.step();
        }
        self.queue.move_on(until);
    }

    /// Runs until every two running devices that can reach each other are in step and nothing is left to do.
    ///
    /// # Panics
    /// When that takes unreasonably long in simulated time.
    pub fn run_until_idle(&mut self) {
        let limit = self.queue.now() + PATIENCE;
        while !self.is_idle() {
            assert!(
                self.queue.now() < limit && self.step(),
                "seed {}: not in step after {:?} of simulated time: {}",
                self.seed,
                PATIENCE,
                self.describe()
            );
        }
    }

    fn is_idle(&self) -> bool {
        let busy = |happening: &Happening| match happening {
            Happening::Timer { .. } | Happening::Lost { .. } | Happening::Dial { .. } => false,
            Happening::Give { to, incarnation, .. } => self.devices[*to].incarnation == *incarnation,
            Happening::Written { .. } | Happening::Commit { .. } => true,
            Happening::DiskHeals { .. } | Happening::Starts { .. } => true,
            Happening::Frame { connection, .. } => self.wires.is_alive(*connection),
        };
        self.devices.iter().all(Device::is_idle)
            && self.reachable_pairs().all(|(left, right)| {
                let (left, right) = (&self.devices[left], &self.devices[right]);
                left.is_in_step_with(&right.id) && right.is_in_step_with(&left.id)
            })
            && !self.queue.any(busy)
    }

    fn reachable_pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = 0..self.devices.len();
        let pairs = all.clone().flat_map(move |left| (left + 1..all.end).map(move |right| (left, right)));
        pairs.filter(|(left, right)| {
            let up = [left, right].iter().all(|device| self.devices[**device].is_running());
            up && !self.cut.contains(&(*left, *right)) && self.devices[*left].id != self.devices[*right].id
        })
    }

    fn describe(&self) -> String {
        let pairs = self.reachable_pairs().map(|(left, right)| {
            let (from, to) = (&self.devices[left], &self.devices[right]);
            let state = |own: &Device, other: &Device| if own.is_in_step_with(&other.id) { "in step" } else { "not" };
            format!("{left}->{right} {}, {right}->{left} {}", state(from, to), state(to, from))
        });
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The next thing happens; false when nothing is planned.
    fn step(&mut self) -> bool {
        let Some(happening) = self.queue.next() else { return false };
        self.survived.steps += 1;
        if let Some(until) = self.asleep(&happening) {
            self.queue.plan(until, happening);
            return true;
        }
        let current = |devices: &[Device], at: usize, incarnation| devices[at].incarnation == incarnation;
        match happening {
            Happening::Give { to, incarnation, input } => {
                if current(&self.devices, to, incarnation) {
                    self.give(to, input);
                }
            }
            Happening::Written { at, incarnation } => {
                if current(&self.devices, at, incarnation) {
                    self.devices[at].write();
                    if self.disk_failed(at) {
                        return true;
                    }
                    self.judge_in_step(at, true);
                    let wait = Duration::from_micros(u64::from(draw(&mut self.rng, LONGEST_WAKE)));
                    self.queue.plan_in(wait, Happening::Commit { at, incarnation });
                }
            }
            Happening::Commit { at, incarnation } => {
                if current(&self.devices, at, incarnation) {
                    let now = self.now(at);
                    self.devices[at].end_commit(now);
                    self.work(at);
                }
            }
            Happening::Timer { at, incarnation } => {
                // Another may have been planned in its place, for later.
                let due = self.timers[at].is_some_and(|planned| planned <= self.queue.now());
                if due && current(&self.devices, at, incarnation) {
                    self.timers[at] = None;
                    let now = self.now(at);
                    self.devices[at].handle_timeout(now);
                    self.work(at);
                }
            }
            Happening::Dial { from, incarnation, attempt, to } => {
                if current(&self.devices, from, incarnation) {
                    self.connect(from, attempt, to);
                }
            }
            Happening::Frame { connection, to, stream, bytes } => {
                if self.wires.is_alive(connection) {
                    let stream = betwixt_sync::wire::IncomingStream(stream);
                    self.give(to, Input::Frame { connection, stream, bytes });
                }
            }
            Happening::Lost { connection, to } => self.give(to, Input::Lost { connection }),
            Happening::DiskHeals { at } => self.devices[at].power.heal(),
            Happening::Starts { at } => self.restart(DeviceName(at)),
        }
        true
    }

    fn give(&mut self, to: usize, input: Input) {
        if self.devices[to].asleep_until.is_some_and(|until| until > self.queue.now()) {
            // It is planned anew for when the device wakes.
            return self.give_in(Duration::ZERO, to, input);
        }
        let now = self.now(to);
        self.devices[to].give(now, input);
        if !self.disk_failed(to) {
            self.work(to);
        }
    }

    fn give_in(&mut self, wait: Duration, to: usize, input: Input) {
        let incarnation = self.devices[to].incarnation;
        self.queue.plan_in(wait, Happening::Give { to, incarnation, input });
    }

    fn work(&mut self, at: usize) {
        let mut effects = Vec::new();
        let moment = self.moment(at);
        self.devices[at].work(moment, &mut effects);
        self.carry_out(at, effects);
        self.judge_in_step(at, false);
        let due = self.devices[at].poll_timeout().map(|due| self.devices[at].clock.when(due));
        if let Some(due) = due.filter(|due| self.timers[at].is_none_or(|planned| *due < planned)) {
            self.timers[at] = Some(due);
            self.queue.plan(due, Happening::Timer { at, incarnation: self.devices[at].incarnation });
        }
    }

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Dial { attempt, peer, address } => {
                    let to = self.devices.iter().position(|device| device.id == peer && device.address == address);
                    let to = to.expect("only addresses of devices are handed out");
                    let wait = self.latency() * 3;
                    let incarnation = self.devices[at].incarnation;
                    self.queue.plan_in(wait, Happening::Dial { from: at, incarnation, attempt, to });
                }
                Effect::Send { connection, stream, bytes } => self.send(at, connection, stream, bytes),
                Effect::Close { connection } => {
                    let own = self.latency();
                    self.queue.plan_in(own, Happening::Lost { connection, to: at });
                    if let Some(other) = self.wires.other_end(connection, at) {
                        // After the frames that left before it.
                        let arrives = self.wires.last_arrival(connection, at).unwrap_or(self.queue.now());
                        let wait = arrives.saturating_duration_since(self.queue.now()) + self.latency();
                        self.queue.plan_in(wait, Happening::Lost { connection, to: other });
                    }
                }
                Effect::Commit => {
                    let wait = Duration::from_micros(u64::from(200 + draw(&mut self.rng, LONGEST_COMMIT)));
                    let incarnation = self.devices[at].incarnation;
                    self.queue.plan_in(wait, Happening::Written { at, incarnation });
                }
                Effect::Acknowledged(word) => self.remember(at, &word),
                Effect::RosterChanged => self.advertise(at),
            }
        }
    }

    /// A device hears of all others, some time later.
    fn advertise(&mut self, to: usize) {
        for other in 0..self.devices.len() {
            if other != to {
                let wait = self.latency();
                let (peer, address) = (self.devices[other].id, self.devices[other].address);
                self.give_in(wait, to, Input::Advert { peer, address });
            }
        }
    }

    fn remember(&mut self, at: usize, (scope, fact): &device::Word) {
        match scope {
            Scope::Ours => {
                self.oracle.remember(fact);
                let early = self.oracle.judge_opening(fact).filter(|_| self.hostile.is_empty());
                assert!(early.is_none(), "seed {}, device {at}: {early:?}", self.seed);
            }
            Scope::Mine => self.private.remember(at, (**fact).clone()),
        }
    }

    fn connect(&mut self, from: usize, attempt: AttemptId, to: usize) {
        let reachable = self.devices[to].is_running() && !self.cut.contains(&pair(from, to));
        if !reachable {
            self.give_in(DIAL_TIMEOUT, from, Input::DialFailed { attempt });
            return;
        }
        // The one who dialled may learn later that the connection stands, and gets no frame before.
        let wait = self.latency();
        if !self.wires.between(from, to).is_empty() {
            self.survived.fault("second connection");
        }
        let connection = self.wires.connect(from, to, self.queue.now() + wait);
        let (peer, remote) = (self.devices[to].id, self.devices[to].address);
        let direction = Direction::Outgoing(attempt);
        self.give_in(wait, from, Input::Connected { connection, peer, direction, remote });
        let (peer, remote) = (self.devices[from].id, self.devices[from].address);
        self.give(to, Input::Connected { connection, peer, direction: Direction::Incoming, remote });
    }

    fn send(&mut self, from: usize, connection: ConnectionId, stream: OutgoingStream, bytes: Vec<u8>) {
        if let Some(to) = self.wires.other_end(connection, from) {
            self.assert_nothing_private(from, to, stream.lane, &bytes);
            // On one that is gone it is said to a program that runs no more.
            if self.wires.is_alive(connection) {
                self.assert_is_understood(from, to, &bytes);
            }
        }
        let bytes = self.with_bits_set(bytes);
        let bytes = self.altered(from, bytes);
        let latency = self.latency();
        let Some(sent) = self.wires.send(connection, from, stream, self.queue.now() + latency) else { return };
        let by_chance = self.weather.lost_at_frame > 0 && draw(&mut self.rng, self.weather.lost_at_frame) == 0;
        if by_chance || self.is_planned_frame() {
            self.survived.fault("connection lost at a frame");
            self.lose(connection);
            return;
        }
        let frame = Happening::Frame { connection, to: sent.to, stream: sent.stream, bytes };
        self.queue.plan(sent.arrives, frame);
    }

    /// A connection dies, and each end notices it some time later.
    fn lose(&mut self, connection: ConnectionId) {
        for end in self.wires.lose(connection).into_iter().flatten() {
            let wait = IDLE_TIMEOUT.mul_f64(f64::from(draw(&mut self.rng, 100)) / 100.0);
            if self.devices[end].is_running() {
                self.queue.plan_in(wait, Happening::Lost { connection, to: end });
            }
        }
    }

    fn latency(&mut self) -> Duration {
        let (shortest, longest) = self.weather.latency;
        let span = u64::try_from((longest - shortest).as_micros()).unwrap_or(u64::MAX);
        shortest + Duration::from_micros(self.rng.next_u64() % (span + 1))
    }
}

fn pair(left: usize, right: usize) -> (usize, usize) {
    (left.min(right), left.max(right))
}

/// A number below `bound`, from the seed; 0 when there is none.
fn draw(rng: &mut impl RngCore, bound: u32) -> u32 {
    rng.next_u32().checked_rem(bound).unwrap_or(0)
}
