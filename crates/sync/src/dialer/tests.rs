//! Two devices and the network between them, in simulated time.

#![allow(
    clippy::disallowed_methods,
    reason = "simulated time has to begin somewhere, and the number of seeds comes from outside"
)]

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use rand_core::{RngCore, SeedableRng};

use super::*;

fn device(byte: u8) -> DeviceId {
    DeviceId::from_bytes([byte; 32])
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 168, 1, host], 4433))
}

fn dialer(own: u8, seed: u64) -> Dialer {
    Dialer::new(device(own), ChaCha20Rng::seed_from_u64(seed))
}

fn outputs(dialer: &mut Dialer) -> Vec<Output> {
    std::iter::from_fn(|| dialer.poll_output()).collect()
}

fn dials(outputs: &[Output]) -> Vec<(AttemptId, SocketAddr)> {
    let dials = outputs.iter().filter_map(|output| match output {
        Output::Dial { attempt, address, .. } => Some((*attempt, *address)),
        _ => None,
    });
    dials.collect()
}

/// Runs the dialer up to a moment, failing every dial `after` it began.
fn run_until(dialer: &mut Dialer, now: &mut Instant, end: Instant) -> Vec<(Instant, Output)> {
    let mut all = Vec::new();
    loop {
        all.extend(outputs(dialer).into_iter().map(|output| (*now, output)));
        match dialer.poll_timeout() {
            Some(next) if next <= end => *now = next.max(*now),
            _ => break,
        }
        dialer.handle_timeout(*now);
    }
    *now = end;
    all
}

#[test]
fn on_link_addresses_come_first_and_a_quarter_of_a_second_apart() {
    let start = Instant::now();
    let mut now = start;
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.set_enabled(false, now);
    dialer.handle_candidate(device(2), address(1), Source::Remembered, false, now).unwrap();
    dialer.handle_candidate(device(2), address(2), Source::ByHand, false, now).unwrap();
    dialer.handle_advert(device(2), &[address(3)], now);
    dialer.set_enabled(true, now);
    let all = run_until(&mut dialer, &mut now, start + Duration::from_secs(1));
    let found: Vec<_> = all
        .iter()
        .flat_map(|(at, output)| dials(&[*output]).into_iter().map(move |(_, address)| (*at - start, address)))
        .collect();
    let expected = [(Duration::ZERO, address(3)), (STAGGER, address(2)), (STAGGER * 2, address(1))];
    assert_eq!(found, expected);
}

#[test]
fn rounds_that_nobody_answers_are_told_until_somebody_does_or_the_network_is_another() {
    let mut now = Instant::now();
    let mut dialer = dialer(1, 3);
    assert_eq!(dialer.reach(&device(2)), None);
    dialer.set_peers([device(2)], now);
    assert_eq!(dialer.reach(&device(2)), Some(Reach::default()));
    dialer.handle_candidate(device(2), address(1), Source::ByHand, true, now).unwrap();
    dialer.handle_candidate(device(2), address(2), Source::ByHand, true, now).unwrap();
    assert_eq!(dialer.reach(&device(2)), Some(Reach { has_address: true, unanswered: 0 }));
    let end = now + STAGGER + DIAL_TIME;
    run_until(&mut dialer, &mut now, end);
    assert_eq!(dialer.reach(&device(2)), Some(Reach { has_address: true, unanswered: 1 }), "a round, not an address");
    dialer.handle_network_changed(now);
    assert_eq!(dialer.reach(&device(2)), Some(Reach { has_address: true, unanswered: 0 }));
    let end = now + Duration::from_secs(30);
    run_until(&mut dialer, &mut now, end);
    assert!(dialer.reach(&device(2)).is_some_and(|reach| reach.unanswered > 1));
    dialer.handle_connected(device(2), ConnectionId(7), Direction::Incoming, address(77), now);
    assert_eq!(dialer.reach(&device(2)), None);
    dialer.handle_lost(ConnectionId(7), now);
    assert_eq!(dialer.reach(&device(2)), Some(Reach { has_address: true, unanswered: 0 }));
}

#[test]
fn rounds_back_off_with_jitter_and_news_end_the_wait() {
    let by_hand = (Source::ByHand, LONGEST_WAIT_BY_HAND, 3600);
    for (source, longest, seconds) in [by_hand, (Source::Remembered, LONGEST_WAIT, 4 * 3600)] {
        let start = Instant::now();
        let mut now = start;
        let mut dialer = dialer(1, 7);
        dialer.set_peers([device(2)], now);
        dialer.handle_candidate(device(2), address(1), source, true, now).unwrap();
        let all = run_until(&mut dialer, &mut now, start + Duration::from_secs(seconds));
        let dialled = all.iter().filter(|(_, output)| !dials(&[*output]).is_empty());
        let at: Vec<Instant> = dialled.map(|(at, _)| *at).collect();
        let gaps: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0] - DIAL_TIME).collect();
        for (round, gap) in gaps.iter().enumerate() {
            let most = FIRST_WAIT.saturating_mul(1 << round.min(10)).min(longest);
            assert!(*gap <= most && *gap >= most / 2, "{source:?}, round {round}: {gap:?}");
        }
        assert!(gaps.len() > 15, "{source:?}: it was given up");
        assert!(gaps.iter().collect::<BTreeSet<_>>().len() > gaps.len() - 3, "no jitter: {gaps:?}");
        outputs(&mut dialer);
        dialer.handle_network_changed(now);
        assert_eq!(dials(&outputs(&mut dialer)).len(), 1);
    }
}

/// An address that is set by hand without naming a device counts for every device that is missing. Where the partner's laptop
/// answers, the lost telephone was dialled every minute for years: 0.7 MB an hour for each such device.
#[test]
fn where_one_peer_is_connected_no_other_one_is_dialled() {
    let start = Instant::now();
    let mut now = start;
    let mut dialer = dialer(1, 5);
    dialer.set_peers([device(2), device(3)], now);
    let (taken, elsewhere) = (address(1), address(2));
    dialer.handle_connected(device(2), ConnectionId(7), Direction::Incoming, taken, now);
    dialer.handle_candidate(device(3), taken, Source::ByHand, true, now).unwrap();
    dialer.handle_candidate(device(2), taken, Source::ByHand, true, now).unwrap();
    let all = run_until(&mut dialer, &mut now, start + Duration::from_secs(600));
    assert_eq!(all.iter().map(|(_, output)| dials(&[*output]).len()).sum::<usize>(), 0);
    // Its other addresses are dialled, and the connected peer itself is where its connection may be dead.
    dialer.handle_candidate(device(3), elsewhere, Source::ByHand, true, now).unwrap();
    dialer.handle_network_changed(now);
    let later = now + Duration::from_secs(5);
    let all = run_until(&mut dialer, &mut now, later);
    let mut dialled = BTreeSet::new();
    for (_, output) in &all {
        if let Output::Dial { peer, address, .. } = output {
            dialled.insert((*peer, *address));
        }
    }
    assert_eq!(dialled, [(device(2), taken), (device(3), elsewhere)].into());
    // When it is free, whoever is missing may be there.
    dialer.handle_lost(ConnectionId(7), now);
    let later = now + LONGEST_WAIT_BY_HAND + DIAL_TIME;
    let all = run_until(&mut dialer, &mut now, later);
    let free = |output: &Output| matches!(output, Output::Dial { peer, address, .. } if *peer == device(3) && *address == taken);
    assert!(all.iter().any(|(_, output)| free(output)));
}

#[test]
fn nothing_outbound_addresses_of_networks_that_were_left_are_dialled_no_more() {
    let now = Instant::now();
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.handle_candidate(device(2), address(1), Source::Remembered, true, now).unwrap();
    dialer.handle_candidate(device(2), address(2), Source::ByHand, true, now).unwrap();
    dialer.handle_advert(device(2), &[address(3)], now);
    outputs(&mut dialer);
    dialer.forget_networks();
    dialer.handle_candidate(device(2), address(4), Source::Remembered, true, now).unwrap();
    dialer.handle_network_changed(now);
    let mut later = now;
    let all = run_until(&mut dialer, &mut later, now + Duration::from_secs(10));
    let dialled: BTreeSet<_> = all.iter().flat_map(|(_, output)| dials(&[*output])).map(|(_, to)| to).collect();
    assert_eq!(dialled, [address(2), address(4)].into());
}

#[test]
fn a_stale_advert_is_verified_and_by_hand_is_not() {
    let now = Instant::now();
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.handle_advert(device(2), &[address(1)], now);
    let [(attempt, _)] = dials(&outputs(&mut dialer))[..] else { panic!("one dial") };
    dialer.handle_dial_failed(attempt, now);
    assert_eq!(outputs(&mut dialer), [Output::Verify { peer: device(2), address: address(1) }]);
}

#[test]
fn a_flood_of_adverts_costs_neither_memory_nor_connections() {
    let start = Instant::now();
    let mut now = start;
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.handle_candidate(device(2), address(1), Source::ByHand, false, now).unwrap();
    dialer.handle_candidate(device(2), address(2), Source::Remembered, false, now).unwrap();
    let mut dialled = 0;
    for number in 0..20_000_u32 {
        now = start + Duration::from_millis(u64::from(number));
        let [_, b, c, d] = number.to_be_bytes();
        dialer.handle_advert(device(2), &[SocketAddr::from(([10, b, c, d], 1))], now);
        dialer.handle_timeout(now);
        dialled += dials(&outputs(&mut dialer)).len();
        assert!(dialer.peers[&device(2)].attempts.len() <= MAX_PARALLEL);
        assert!(dialer.peers[&device(2)].queue.len() <= 20);
    }
    assert!(dialled < 120, "{dialled} dials in 20 seconds");
    let candidates = dialer.candidates(&device(2));
    assert!(candidates.len() <= 2 + MAX_DISCOVERED);
    assert!(
        candidates.contains(&(address(1), Source::ByHand)) && candidates.contains(&(address(2), Source::Remembered))
    );
}

#[test]
fn addresses_by_hand_are_capped_and_unknown_peers_are_not_dialled() {
    let now = Instant::now();
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(1), device(2)], now);
    let by_hand =
        |dialer: &mut Dialer, peer, host| dialer.handle_candidate(peer, address(host), Source::ByHand, true, now);
    for host in 1..=8 {
        by_hand(&mut dialer, device(2), host).unwrap();
    }
    assert_eq!(by_hand(&mut dialer, device(2), 9), Err(CandidateError::TooMany));
    assert_eq!(by_hand(&mut dialer, device(1), 1), Err(CandidateError::UnknownPeer(device(1))));
    let nowhere = "0.0.0.0:1".parse().unwrap();
    let outcome = dialer.handle_candidate(device(2), nowhere, Source::ByHand, true, now);
    assert_eq!(outcome, Err(CandidateError::NotDialable));
    dialer.handle_connected(device(3), ConnectionId(1), Direction::Incoming, address(77), now);
    assert!(outputs(&mut dialer).contains(&Output::Close(ConnectionId(1))));
}

#[test]
fn whoever_leaves_the_roster_is_cut_off() {
    let now = Instant::now();
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.handle_connected(device(2), ConnectionId(1), Direction::Incoming, address(77), now);
    outputs(&mut dialer);
    dialer.set_peers([], now);
    assert_eq!(outputs(&mut dialer), [Output::Close(ConnectionId(1))]);
    assert_eq!(dialer.poll_timeout(), None);
}

#[test]
fn the_replacement_of_a_dead_connection_is_kept() {
    for own in [1, 3] {
        let now = Instant::now();
        let mut dialer = dialer(own, 0);
        dialer.set_peers([device(2)], now);
        dialer.handle_connected(device(2), ConnectionId(1), Direction::Incoming, address(77), now);
        let later = now + Duration::from_secs(20);
        dialer.handle_connected(device(2), ConnectionId(2), Direction::Incoming, address(77), later);
        assert_eq!(dialer.current(&device(2)), Some(ConnectionId(2)));
        assert!(outputs(&mut dialer).contains(&Output::Close(ConnectionId(1))));
    }
}

#[test]
fn a_peer_that_closes_at_once_is_not_dialled_in_a_loop() {
    let start = Instant::now();
    let mut now = start;
    let mut dialer = dialer(1, 0);
    dialer.set_peers([device(2)], now);
    dialer.handle_candidate(device(2), address(1), Source::ByHand, true, now).unwrap();
    let mut count = 0;
    while now < start + Duration::from_secs(60) {
        for (attempt, _) in dials(&outputs(&mut dialer)) {
            count += 1;
            let connection = ConnectionId(count);
            dialer.handle_connected(device(2), connection, Direction::Outgoing(attempt), address(77), now);
            dialer.handle_lost(connection, now);
        }
        now = dialer.poll_timeout().unwrap();
        dialer.handle_timeout(now);
    }
    assert!(count < 15, "{count} dials in a minute");
}

/// What travels, or happens at one side by itself.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// A handshake has reached the side that did not dial.
    Arrives {
        at: usize,
        connection: u64,
    },
    /// The answer is back at the side that dialled.
    Answered {
        at: usize,
        connection: u64,
        attempt: AttemptId,
    },
    /// A closed connection is noticed.
    Lost {
        at: usize,
        connection: u64,
    },
    Failed {
        at: usize,
        attempt: AttemptId,
    },
    Changed {
        at: usize,
    },
}

struct World {
    now: Instant,
    sides: [Dialer; 2],
    ids: [DeviceId; 2],
    pending: Vec<(Instant, u64, Happening)>,
    /// Connections: the dialling side, and whether it stands on side 0 and 1.
    connections: Vec<(usize, [bool; 2])>,
    cut_until: Instant,
    rng: ChaCha20Rng,
    order: u64,
    /// How often nobody was connected any more.
    gaps: usize,
    connected: [bool; 2],
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let sides = [dialer(1, seed), dialer(2, seed + 1)];
        let rng = ChaCha20Rng::seed_from_u64(seed + 2);
        let ids = [device(1), device(2)];
        let mut world = Self {
            now,
            sides,
            ids,
            pending: Vec::new(),
            connections: Vec::new(),
            cut_until: now,
            rng,
            order: 0,
            gaps: 0,
            connected: [false; 2],
        };
        for side in 0..2 {
            world.sides[side].set_peers([ids[1 - side]], now);
        }
        world
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(1 + self.rng.next_u64() % 300)
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.order += 1;
        self.pending.push((self.now + after, self.order, happening));
    }

    fn drain(&mut self) {
        let connected = [0, 1].map(|side| self.sides[side].current(&self.ids[1 - side]).is_some());
        // One side may be without for as long as the other's answer takes.
        self.gaps += usize::from(self.connected != [false; 2] && connected == [false; 2]);
        self.connected = connected;
        for side in 0..2 {
            let all: VecDeque<Output> = std::iter::from_fn(|| self.sides[side].poll_output()).collect();
            for output in all {
                match output {
                    Output::Dial { attempt, .. } => {
                        let after = self.latency();
                        if self.now < self.cut_until {
                            self.plan(after, Happening::Failed { at: side, attempt });
                            continue;
                        }
                        let connection = self.connections.len() as u64;
                        self.connections.push((side, [false; 2]));
                        // Either side may be the first to hear the other's answer.
                        let later = after + self.latency();
                        let (there, here) =
                            if self.rng.next_u64().is_multiple_of(2) { (after, later) } else { (later, after) };
                        self.plan(there, Happening::Arrives { at: 1 - side, connection });
                        self.plan(here, Happening::Answered { at: side, connection, attempt });
                    }
                    Output::Close(ConnectionId(connection)) => self.close(side, connection),
                    Output::Cancel(_) | Output::Use { .. } | Output::Verify { .. } | Output::Remember { .. } => {}
                }
            }
        }
    }

    fn close(&mut self, side: usize, connection: u64) {
        self.connections[connection as usize].1[side] = false;
        let after = self.latency();
        // The other side hears of it, or its idle time-out tells.
        let after = if self.now < self.cut_until { Duration::from_secs(15) } else { after };
        self.plan(after, Happening::Lost { at: 1 - side, connection });
        self.plan(Duration::ZERO, Happening::Lost { at: side, connection });
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Arrives { at, connection } => {
                self.connections[connection as usize].1[at] = true;
                let peer = self.ids[1 - at];
                self.sides[at].handle_connected(peer, ConnectionId(connection), Direction::Incoming, address(77), now);
            }
            Happening::Answered { at, connection, attempt } => {
                self.connections[connection as usize].1[at] = true;
                let peer = self.ids[1 - at];
                let direction = Direction::Outgoing(attempt);
                self.sides[at].handle_connected(peer, ConnectionId(connection), direction, address(77), now);
            }
            Happening::Lost { at, connection } => {
                self.connections[connection as usize].1[at] = false;
                self.sides[at].handle_lost(ConnectionId(connection), now);
            }
            Happening::Failed { at, attempt } => self.sides[at].handle_dial_failed(attempt, now),
            Happening::Changed { at } => self.sides[at].handle_network_changed(now),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let planned = self.pending.iter().map(|(at, ..)| *at).min();
            let timers = self.sides.iter().filter_map(Dialer::poll_timeout).min();
            let Some(next) = planned.into_iter().chain(timers).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.sides.iter_mut().for_each(|side| side.handle_timeout(now));
            self.pending.sort_by_key(|(at, order, _)| (*at, *order));
            while self.pending.first().is_some_and(|(at, ..)| *at <= now) {
                let (_, _, happening) = self.pending.remove(0);
                self.happen(happening);
                self.drain();
            }
        }
        self.now = end;
    }

    fn assert_one_connection(&self, seed: u64) {
        let [a, b] = [0, 1].map(|side| self.sides[side].current(&self.ids[1 - side]));
        assert!(a.is_some() && a == b, "seed {seed}: {a:?} and {b:?}");
        let standing = self.connections.iter().filter(|(_, at)| at[0] || at[1]).count();
        assert_eq!(standing, 1, "seed {seed}: {standing} connections stand");
    }
}

fn seeds() -> u64 {
    std::env::var("BETWIXT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn two_devices_come_to_use_one_connection_and_the_same() {
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        let now = world.now;
        for side in 0..2 {
            let peer = world.ids[1 - side];
            for host in 1..=(1 + seed % 3) {
                world.sides[side].handle_advert(peer, &[address(u8::try_from(host).unwrap())], now);
            }
            let pause = Duration::from_millis(world.rng.next_u64() % 400);
            world.run(pause);
        }
        // Both have settled on one while the spares still stand.
        world.run(Duration::from_millis(1900) - (world.now - now));
        let used = [0, 1].map(|side| world.sides[side].current(&world.ids[1 - side]));
        assert!(used[0].is_some() && used[0] == used[1], "seed {seed}: {used:?}");
        world.run(Duration::from_secs(20));
        world.assert_one_connection(seed);
        assert_eq!(world.gaps, 0, "seed {seed}: crossing dials cost the connection");
    }
}

#[test]
fn they_come_together_again_after_cuts_and_changes_of_network() {
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        let now = world.now;
        for side in 0..2 {
            let peer = world.ids[1 - side];
            world.sides[side].handle_candidate(peer, address(1), Source::ByHand, true, now).unwrap();
        }
        for _ in 0..6 {
            let time = Duration::from_millis(world.rng.next_u64() % 4000);
            match world.rng.next_u64() % 3 {
                0 => world.cut_until = world.now + time,
                1 => {
                    let at = usize::try_from(world.rng.next_u64() % 2).unwrap();
                    world.plan(time / 2, Happening::Changed { at });
                }
                _ => {
                    let standing: Vec<u64> = (0..world.connections.len() as u64)
                        .filter(|connection| world.connections[*connection as usize].1 != [false; 2])
                        .collect();
                    standing.into_iter().for_each(|connection| {
                        world.close(0, connection);
                    });
                }
            }
            world.run(time);
        }
        world.run(Duration::from_secs(60));
        world.assert_one_connection(seed);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_panics_or_makes_a_busy_loop(
        events in proptest::collection::vec((0_u8..11, 0_u8..4, 0_u64..12, 0_u64..4000), 0..120),
    ) {
        let mut now = Instant::now();
        let mut dialer = dialer(2, 0);
        dialer.set_peers([device(1), device(3)], now);
        for (event, peer, number, pause) in events {
            now += Duration::from_millis(pause);
            let (id, host) = (device(peer), address(u8::try_from(number).unwrap()));
            match event {
                0 => dialer.handle_advert(id, &[host, address(20)], now),
                1 => drop(dialer.handle_candidate(id, host, Source::ByHand, pause % 2 == 0, now)),
                2 => drop(dialer.handle_candidate(id, host, Source::Remembered, false, now)),
                3 => dialer.handle_connected(id, ConnectionId(number), Direction::Incoming, host, now),
                4 => dialer.handle_connected(id, ConnectionId(number), Direction::Outgoing(AttemptId(number)), host, now),
                5 => dialer.handle_lost(ConnectionId(number), now),
                6 => dialer.handle_dial_failed(AttemptId(number), now),
                7 => dialer.handle_network_changed(now),
                8 => dialer.set_enabled(pause % 2 == 0, now),
                9 => dialer.remove_candidate(id, host, now),
                _ => dialer.handle_timeout(now),
            }
            outputs(&mut dialer);
            dialer.handle_timeout(now);
            prop_assert!(dialer.poll_timeout().is_none_or(|next| next > now));
            prop_assert!(dialer.peers.values().all(|peer| peer.spares.len() <= MAX_SPARES));
        }
    }
}
