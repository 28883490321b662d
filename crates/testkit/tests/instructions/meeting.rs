//! Two replicas that meet: the daemon's own engine on both sides, frames handed over at once, each stage committed at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use betwixt_daemon::engine::{Engine, Knocks, Moment, Output};
use betwixt_daemon::replica::Replica;
use betwixt_net::interfaces::{InterfaceAddress, InterfaceKind, Network, NetworkId};
use betwixt_sync::dialer::{ConnectionId, Dialer, Direction};
use betwixt_sync::wire::{IncomingStream, OutgoingStream};
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The most rounds in which the two talk.
const ROUNDS: usize = 10_000;

/// The two engines, and what they share.
pub(crate) struct Meeting {
    engines: [Engine<(), ()>; 2],
    now: Instant,
    connections: u64,
}

fn network() -> Network {
    Network {
        interface: "eth0".to_owned(),
        index: 1,
        kind: InterfaceKind::Ordinary,
        addresses: vec![InterfaceAddress { ip: [192, 0, 2, 1].into(), prefix: 24 }],
        id: NetworkId::from_bytes([1; 32]),
    }
}

impl Meeting {
    pub(crate) fn of(replicas: [&Replica; 2]) -> Self {
        let now = Instant::now();
        let engine = |replica: &Replica| {
            let dialer = Dialer::new(replica.identity().device(), ChaCha20Rng::seed_from_u64(1));
            let mut engine = Engine::new(dialer, vec![network()], Knocks::default());
            engine.roster_changed(replica, now).expect("the store is open");
            engine
        };
        Self { engines: replicas.map(engine), now, connections: 0 }
    }

    /// They meet, and talk until everything is the same on both and nothing is left to say.
    pub(crate) fn meet(&mut self, mut replicas: [&mut Replica; 2]) {
        let devices = [0, 1].map(|who: usize| replicas[who].identity().device());
        self.connections += 1;
        let mut talk = Talk {
            connection: ConnectionId(self.connections),
            streams: BTreeMap::new(),
            arriving: Default::default(),
            connected: false,
        };
        let address = SocketAddr::from(([192, 0, 2, 2], 4000));
        self.engines[0].handle_advert(devices[1], &[address], self.now);
        for _ in 0..ROUNDS {
            let mut any = false;
            for (who, replica) in replicas.iter_mut().enumerate() {
                any |= self.work(who, replica, &devices, &mut talk);
            }
            let in_step =
                talk.connected && [0, 1].iter().all(|who| self.engines[*who].is_in_step_with(&devices[1 - *who]));
            if !any && in_step {
                return;
            }
            if !any {
                // What may be written late, and what is dialled later, is due then.
                self.now += Duration::from_secs(1);
            }
        }
        panic!("the two talk for ever");
    }

    /// The connection is gone; what may be written late is written.
    pub(crate) fn part(&mut self, mut replicas: [&mut Replica; 2]) {
        let devices = [0, 1].map(|who: usize| replicas[who].identity().device());
        let connection = ConnectionId(self.connections);
        // Some time later: an address that was advertised a moment ago is not dialled again.
        self.now += Duration::from_secs(60);
        for (who, replica) in replicas.iter_mut().enumerate() {
            self.engines[who].handle_lost(connection, self.now);
            let mut nobody =
                Talk { connection, streams: BTreeMap::new(), arriving: Default::default(), connected: true };
            while self.work(who, replica, &devices, &mut nobody) {}
        }
    }

    /// Everything that one side has to do; answers whether there was anything.
    fn work(
        &mut self,
        who: usize,
        replica: &mut Replica,
        devices: &[betwixt_model::ids::DeviceId; 2],
        talk: &mut Talk,
    ) -> bool {
        let (now, mut any) = (self.now, false);
        while let Some((stream, frame)) = talk.arriving[who].pop_front() {
            self.engines[who].handle_frame(replica, now, talk.connection, stream, frame);
            any = true;
        }
        self.engines[who].handle_timeout(replica, now);
        self.engines[who].progress(replica, now);
        any |= self.carry_out(who, devices, talk);
        let moment = Moment { now, date: date(2036, 12, 31), at: 0 };
        if let Some(stage) = self.engines[who].stage(replica, moment, |_, _, ()| Ok(())) {
            let committed = stage.commit();
            self.engines[who].handle_committed(replica, committed, now);
            any = true;
        }
        self.carry_out(who, devices, talk) || any
    }

    fn carry_out(&mut self, who: usize, devices: &[betwixt_model::ids::DeviceId; 2], talk: &mut Talk) -> bool {
        let mut any = false;
        while let Some(output) = self.engines[who].poll_output() {
            any = true;
            match output {
                Output::Dial { attempt, address, .. } if who == 0 && !talk.connected => {
                    talk.connected = true;
                    let direction = Direction::Outgoing(attempt);
                    self.engines[0].handle_connected(talk.connection, devices[1], direction, address);
                    let from = SocketAddr::from(([192, 0, 2, 1], 4000));
                    self.engines[1].handle_connected(talk.connection, devices[0], Direction::Incoming, from);
                }
                Output::Dial { attempt, .. } => self.engines[who].handle_dial_failed(attempt, self.now),
                Output::Send { stream, frame, .. } => {
                    let number = talk.streams.len() as u64;
                    let number = *talk.streams.entry((who, stream)).or_insert(number);
                    talk.arriving[1 - who].push_back((IncomingStream(number), frame));
                }
                Output::Ended { reason, .. } => panic!("between honest devices a session ended: {reason}"),
                Output::Trouble(trouble) => panic!("among honest devices there was trouble: {trouble:?}"),
                _ => {}
            }
        }
        any
    }
}

/// A connection.
struct Talk {
    connection: ConnectionId,
    streams: BTreeMap<(usize, OutgoingStream), u64>,
    /// What is on its way to each.
    arriving: [VecDeque<(IncomingStream, Vec<u8>)>; 2],
    connected: bool,
}
