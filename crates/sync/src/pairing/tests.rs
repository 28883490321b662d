//! Two machines, what travels between them, and whoever stands there.

#![allow(clippy::disallowed_methods, reason = "simulated time has to begin somewhere")]

use betwixt_model::ids::EpochId;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::time::Instant;

use super::*;
use crate::roster::Roster;

mod give_back;
mod own_device;

struct Person {
    keys: Arc<DeviceKeys>,
    partner: PartnerId,
    statements: Vec<SignedStatement>,
    household: Option<HouseholdId>,
    private_space: Option<HouseholdId>,
    recovery: Option<SigningKey>,
}

impl Person {
    fn new(seed: u64) -> Self {
        let keys = Arc::new(DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed)));
        let statements = Roster::begin(&keys, EpochId::from_bytes([u8::try_from(seed).unwrap(); 32]));
        let partner = PartnerId::founded_by(&keys.device());
        let private_space = Some(HouseholdId::from_bytes([100 + u8::try_from(seed).unwrap(); 32]));
        Self { keys, partner, statements, household: None, private_space, recovery: None }
    }

    fn partner(&self) -> PartnerId {
        self.partner
    }

    fn local(&self) -> Local {
        Local {
            keys: self.keys.clone(),
            partner: self.partner(),
            name: "Private Name".to_owned(),
            device_name: "Private Laptop".to_owned(),
            statements: self.statements.clone(),
            household: self.household,
            private_space: self.private_space,
            recovery: self.recovery.clone(),
        }
    }

    fn store(&mut self, peer: &PeerIdentity, outcome: Outcome) {
        match outcome {
            Outcome::Founded { household, statements } => {
                self.household = Some(household);
                self.statements = statements;
            }
            Outcome::Added { statements } => self.statements = statements,
            Outcome::Returned { partner, household, space, statements } => {
                self.partner = partner;
                self.household = Some(household);
                self.private_space = Some(space);
                self.statements = statements;
            }
            Outcome::Joined { household, space, statements } => {
                self.partner = peer.partner;
                self.household = household;
                self.private_space = Some(space);
                self.statements = statements;
            }
        }
    }

    fn roster(&self) -> Roster {
        Roster::from_statements(self.partner(), self.household, self.statements.clone())
    }
}

#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    asked: Vec<PeerIdentity>,
    paired: usize,
    finished: Option<Result<(), Failure>>,
    closed: bool,
    sent: Vec<Vec<u8>>,
}

/// Both ends of one pairing. `offer` is side 0 and `join` side 1.
struct Room {
    purpose: Purpose,
    now: Instant,
    rng: ChaCha20Rng,
    people: [Person; 2],
    offer: PairingOffer,
    join: PairingJoin,
    seen: [Seen; 2],
    connection: u64,
    answers: [Option<bool>; 2],
    /// Frames that get through until the connection is lost.
    budget: usize,
}

const TEST_FRAMES: usize = 12;

impl Room {
    fn new(seed: u64) -> Self {
        Self::with(seed, [Person::new(1), Person::new(2)])
    }

    fn with(seed: u64, people: [Person; 2]) -> Self {
        Self::about(Purpose::Partner, seed, people)
    }

    fn about(purpose: Purpose, seed: u64, people: [Person; 2]) -> Self {
        let now = Instant::now();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let offer = PairingOffer::new(people[0].local(), purpose, now, &mut rng).unwrap();
        let entered = Entered::parse(&offer.code().to_text()).unwrap();
        let join = PairingJoin::new(people[1].local(), entered, purpose, now).unwrap();
        let seen = [Seen::default(), Seen::default()];
        let answers = [Some(true), Some(true)];
        Self { purpose, now, rng, people, offer, join, seen, connection: 0, answers, budget: usize::MAX }
    }

    fn enter(&mut self, entered: Entered) {
        self.join = PairingJoin::new(self.people[1].local(), entered, self.purpose, self.now).unwrap();
    }

    fn channels(&self) -> [Channel; 2] {
        let number = u8::try_from(self.connection).unwrap();
        let (offer, join, exporter) = ([10; 32], [11; 32], [number; 32]);
        [Channel { own_key: offer, peer_key: join, exporter }, Channel { own_key: join, peer_key: offer, exporter }]
    }

    fn dial(&mut self) {
        self.connection += 1;
        let [offer, join] = self.channels();
        self.dial_through(offer, join);
    }

    fn dial_through(&mut self, offer: Channel, join: Channel) {
        self.seen.iter_mut().for_each(|seen| seen.closed = false);
        let connection = ConnectionId(self.connection);
        self.offer.handle_connected(connection, offer, self.now);
        self.join.handle_connected(connection, join, self.now, &mut self.rng);
        self.exchange();
    }

    /// Carries frames until nothing moves, or the connection breaks.
    fn exchange(&mut self) {
        let connection = ConnectionId(self.connection);
        loop {
            let outputs = self.poll();
            if outputs.is_empty() {
                break;
            }
            for (side, frame) in outputs {
                if self.budget == 0 {
                    self.offer.handle_lost(connection, self.now);
                    self.join.handle_lost(connection, self.now);
                    self.poll();
                    return;
                }
                self.budget = self.budget.saturating_sub(1);
                if side == 0 {
                    self.join.handle_frame(connection, &frame, self.now, &mut self.rng);
                } else {
                    self.offer.handle_frame(connection, &frame, self.now, &mut self.rng);
                }
            }
        }
        if self.seen.iter().any(|seen| seen.closed) {
            self.offer.handle_lost(connection, self.now);
            self.join.handle_lost(connection, self.now);
            self.poll();
        }
    }

    fn poll(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut frames = Vec::new();
        for side in 0..2 {
            while let Some(output) = if side == 0 { self.offer.poll_output() } else { self.join.poll_output() } {
                let text = format!("{output:?}");
                assert!(!text.contains("Private"), "{text}");
                assert_eq!(self.seen[side].finished, None, "{text} after the end");
                match output {
                    Output::Send(_, frame) => {
                        assert!(frame.len() <= MAX_FRAME);
                        self.seen[side].sent.push(frame.clone());
                        frames.push((side, frame));
                    }
                    Output::Close(_) => self.seen[side].closed = true,
                    Output::Event(event) => self.seen[side].events.push(event),
                    Output::Finished(outcome) => self.seen[side].finished = Some(outcome),
                    Output::AskConfirm { peer, .. } => {
                        let device = peer.device;
                        self.seen[side].asked.push(*peer);
                        if let Some(yes) = self.answers[side] {
                            self.confirm(side, &device, yes);
                        }
                    }
                    Output::Paired { peer, outcome } => {
                        self.seen[side].paired += 1;
                        self.people[side].store(&peer, outcome);
                        if side == 0 { self.offer.handle_stored() } else { self.join.handle_stored() }
                    }
                }
            }
        }
        frames
    }

    fn confirm(&mut self, side: usize, device: &DeviceId, yes: bool) {
        if side == 0 { self.offer.handle_confirm(device, yes) } else { self.join.handle_confirm(device, yes) }
    }

    fn assert_paired(&self) {
        for side in 0..2 {
            assert_eq!(self.seen[side].finished, Some(Ok(())), "side {side}: {:?}", self.seen[side].events);
        }
        self.assert_same_household();
    }

    fn assert_same_household(&self) {
        let [first, second] = [0, 1].map(|side| self.people[side].roster());
        assert!(first.household().is_some());
        assert_eq!(first.household(), second.household());
        assert!(first.may_connect(&self.people[1].keys.device()));
        assert!(second.may_connect(&self.people[0].keys.device()));
        assert_eq!(first.digest(&second.partner()), second.digest(&first.partner()));
    }

    fn assert_nothing_said(&self) {
        for side in 0..2 {
            assert_eq!(self.seen[side].paired, 0);
            assert!(self.seen[side].asked.is_empty(), "side {side} was asked");
            assert_eq!(self.people[side].household, None);
        }
    }
}

fn other_code(room: &Room) -> Entered {
    let other = PairingCode::draw(&mut ChaCha20Rng::seed_from_u64(99));
    assert!(other != *room.offer.code());
    Entered::Code(other)
}

#[test]
fn two_people_pair_by_code() {
    let mut room = Room::new(1);
    room.dial();
    room.assert_paired();
    assert_eq!(room.seen[0].asked[0].device, room.people[1].keys.device());
    assert_eq!(room.seen[1].asked[0].name, "Private Name");
    let ids = [0, 1].map(|side| room.people[side].roster().ids(&room.people[0].partner()));
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 5);
}

#[test]
fn two_people_pair_by_ticket() {
    let mut room = Room::new(2);
    let text = room.offer.ticket(&["192.168.1.5:4433".parse().unwrap()]).to_text();
    room.enter(Entered::parse(&text).unwrap());
    room.dial();
    room.assert_paired();
}

#[test]
fn golden_frames() {
    let mut room = Room::new(3);
    room.dial();
    let lines: Vec<String> = room.seen.iter().flat_map(|seen| &seen.sent).map(|frame| hex(frame)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn frames_tell_neither_names_nor_long_term_keys() {
    let mut room = Room::new(4);
    room.dial();
    let sent: Vec<u8> = room.seen.iter().flat_map(|seen| seen.sent.concat()).collect();
    for person in &room.people {
        let device = person.keys.device();
        for secret in [b"Private".as_slice(), device.as_bytes(), person.partner().as_bytes()] {
            assert!(!sent.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[test]
fn a_wrong_code_shows_on_both_sides_and_tells_nothing() {
    let mut room = Room::new(5);
    room.enter(other_code(&room));
    room.dial();
    assert!(room.seen[0].events.contains(&Event::WrongCode { left: ATTEMPTS - 1 }));
    assert!(room.seen[1].events.contains(&Event::WrongCode { left: RUNS - 1 }));
    room.assert_nothing_said();
    // The same offer still holds for the right code.
    room.now += ATTEMPT_INTERVAL;
    room.enter(Entered::parse(&room.offer.code().to_text()).unwrap());
    room.dial();
    room.assert_paired();
}

#[test]
fn a_guesser_uses_the_offer_up_after_32_runs_one_a_second() {
    let mut room = Room::new(6);
    let start = room.now;
    let mut runs = 0;
    while room.seen[0].finished.is_none() {
        room.enter(other_code(&room));
        room.seen[1] = Seen::default();
        room.connection %= 250;
        room.dial();
        runs += u32::from(!room.seen[1].events.contains(&Event::Busy));
        room.now += ATTEMPT_INTERVAL / 4;
        assert!(runs <= ATTEMPTS);
    }
    assert_eq!(runs, ATTEMPTS);
    assert!(room.now - start >= ATTEMPT_INTERVAL * (ATTEMPTS - 1));
    assert_eq!(room.seen[0].finished, Some(Err(Failure::Interfered)));
}

#[test]
fn runs_that_are_broken_off_count_as_guesses() {
    let mut room = Room::new(7);
    for _ in 0..ATTEMPTS {
        assert_eq!(room.seen[0].finished, None);
        room.enter(other_code(&room));
        room.seen[1] = Seen::default();
        room.budget = 1;
        room.dial();
        room.now += ATTEMPT_INTERVAL;
    }
    assert_eq!(room.seen[0].finished, Some(Err(Failure::Interfered)));
}

#[test]
fn a_false_offer_has_five_guesses_at_what_was_typed() {
    let mut room = Room::new(8);
    room.enter(other_code(&room));
    for _ in 0..RUNS {
        assert_eq!(room.seen[1].finished, None);
        room.dial();
        room.now += ATTEMPT_INTERVAL;
    }
    assert_eq!(room.seen[1].finished, Some(Err(Failure::WrongCode)));
}

#[test]
fn attempts_are_serial() {
    let mut room = Room::new(9);
    room.budget = 2;
    room.connection += 1;
    let [offer, join] = room.channels();
    room.offer.handle_connected(ConnectionId(1), offer, room.now);
    room.join.handle_connected(ConnectionId(1), join, room.now, &mut room.rng);
    let start = room.poll().remove(0).1;
    room.offer.handle_frame(ConnectionId(1), &start, room.now, &mut room.rng);
    // Somebody else begins while the first one's proof is awaited, a second later and all.
    room.now += ATTEMPT_INTERVAL;
    room.offer.handle_connected(ConnectionId(2), offer, room.now);
    room.offer.handle_frame(ConnectionId(2), &start, room.now, &mut room.rng);
    let frames = room.poll();
    let refused = frame::Frame::Refuse(frame::Refusal::Busy).to_bytes();
    assert_eq!(frames.last().map(|(_, frame)| frame.clone()), Some(refused));
}

#[test]
fn whoever_stands_between_two_connections_fails_although_both_know_the_code() {
    let swaps: [fn(&mut Channel); 3] = [
        |channel| channel.exporter = [77; 32],
        |channel| channel.peer_key = [77; 32],
        |channel| channel.own_key = [77; 32],
    ];
    for swap in swaps {
        let mut room = Room::new(10);
        room.connection += 1;
        let [mut offer, join] = room.channels();
        swap(&mut offer);
        room.dial_through(offer, join);
        assert!(room.seen[0].events.contains(&Event::WrongCode { left: ATTEMPTS - 1 }));
        room.assert_nothing_said();
    }
}

#[test]
fn every_frame_of_an_earlier_run_is_useless_in_a_later_one() {
    let mut first = Room::new(11);
    first.answers = [None, None];
    first.dial();
    let recorded = first.seen[1].sent.clone();
    assert!(recorded.len() >= 3);
    // Both machines go on; somebody plays the joining side's frames again.
    first.offer.handle_lost(ConnectionId(1), first.now);
    first.now += ATTEMPT_INTERVAL;
    let [offer, _] = first.channels();
    first.offer.handle_connected(ConnectionId(50), offer, first.now);
    for frame in &recorded {
        first.offer.handle_frame(ConnectionId(50), frame, first.now, &mut first.rng);
    }
    first.poll();
    assert!(first.seen[0].events.contains(&Event::WrongCode { left: ATTEMPTS - 1 }));
    assert_eq!(first.seen[0].asked.len(), 1);
}

#[test]
fn a_changed_bit_anywhere_never_pairs_wrongly() {
    let mut probe = Room::new(12);
    probe.dial();
    let lengths: Vec<usize> = probe.seen[1].sent.iter().map(Vec::len).collect();
    for (index, length) in lengths.into_iter().enumerate() {
        for byte in (0..length).step_by(1 + length / 24) {
            let mut room = Room::new(12);
            room.connection += 1;
            let [offer, join] = room.channels();
            let connection = ConnectionId(room.connection);
            room.offer.handle_connected(connection, offer, room.now);
            room.join.handle_connected(connection, join, room.now, &mut room.rng);
            let mut from_join = 0;
            loop {
                let outputs = room.poll();
                if outputs.is_empty() {
                    break;
                }
                for (side, mut frame) in outputs {
                    if side == 0 {
                        room.join.handle_frame(connection, &frame, room.now, &mut room.rng);
                        continue;
                    }
                    if from_join == index {
                        frame[byte] ^= 1;
                    }
                    from_join += 1;
                    room.offer.handle_frame(connection, &frame, room.now, &mut room.rng);
                }
            }
            // Only the very last frame, which says that all is done, comes when this side has paired already.
            let is_last = index + 1 == probe.seen[1].sent.len();
            assert_eq!(room.seen[0].paired == 0, !is_last, "frame {index}, byte {byte}");
        }
    }
}

#[test]
fn a_code_expires_after_five_minutes_on_either_side() {
    let mut room = Room::new(13);
    room.now += LIFETIME;
    assert_eq!(room.offer.poll_timeout(), Some(room.now));
    room.offer.handle_timeout(room.now);
    room.join.handle_timeout(room.now);
    room.poll();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::Expired)));
    assert_eq!(room.seen[1].finished, Some(Err(Failure::Expired)));
    assert_eq!(room.offer.poll_timeout(), None);
    room.dial();
    room.assert_nothing_said();
}

#[test]
fn an_offer_that_is_late_to_be_used_is_not() {
    let mut room = Room::new(14);
    room.now += LIFETIME;
    // No timer has fired yet.
    room.dial();
    room.assert_nothing_said();
}

#[test]
fn silence_ends_a_run_on_both_sides() {
    let mut room = Room::new(15);
    room.connection += 1;
    let [offer, join] = room.channels();
    room.offer.handle_connected(ConnectionId(1), offer, room.now);
    room.join.handle_connected(ConnectionId(1), join, room.now, &mut room.rng);
    room.now += STEP_TIME;
    room.offer.handle_timeout(room.now);
    room.join.handle_timeout(room.now);
    room.poll();
    assert!(room.seen[0].closed && room.seen[1].closed);
    assert!(room.join.wants_connection());
    room.dial();
    room.assert_paired();
}

#[test]
fn connections_that_never_begin_are_bounded_and_keep_nobody_out() {
    let mut room = Room::new(16);
    for number in 100..1100 {
        let [offer, _] = room.channels();
        room.offer.handle_connected(ConnectionId(number), offer, room.now);
    }
    room.poll();
    assert!(room.offer.poll_timeout().is_some());
    room.dial();
    room.assert_paired();
}

#[test]
fn either_can_decline_and_the_other_learns_of_it() {
    for side in 0..2 {
        let mut room = Room::new(17);
        room.answers[side] = Some(false);
        room.dial();
        assert_eq!(room.seen[side].finished, Some(Err(Failure::Declined { by_peer: false })));
        assert_eq!(room.seen[1 - side].finished, Some(Err(Failure::Declined { by_peer: true })));
        assert!(room.people.iter().all(|person| person.household.is_none()));
    }
}

#[test]
fn nothing_is_signed_before_both_people_have_said_yes() {
    let mut room = Room::new(18);
    room.answers = [Some(true), None];
    room.dial();
    assert!(room.seen[0].events.contains(&Event::WaitingForPeer));
    assert_eq!(room.seen[0].paired + room.seen[1].paired, 0);
    // An answer about another device is none.
    let (own, peer) = (room.people[1].keys.device(), room.people[0].keys.device());
    room.confirm(1, &own, true);
    room.exchange();
    assert_eq!(room.seen[0].paired + room.seen[1].paired, 0);
    room.confirm(1, &peer, true);
    room.exchange();
    room.assert_paired();
}

#[test]
fn people_who_never_answer_are_not_waited_for_for_ever() {
    let mut room = Room::new(19);
    room.answers = [None, None];
    room.dial();
    room.now += CONFIRM_TIME;
    room.offer.handle_timeout(room.now);
    room.exchange();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::Expired)));
    assert_eq!(room.seen[1].finished, Some(Err(Failure::Expired)));
}

#[test]
fn a_connection_lost_after_any_frame_is_taken_up_again_and_nobody_is_asked_twice() {
    for frames in 0..TEST_FRAMES {
        let mut room = Room::new(20);
        room.budget = frames;
        room.dial();
        for _ in 0..3 {
            room.budget = usize::MAX;
            room.now += ATTEMPT_INTERVAL;
            if room.join.wants_connection() {
                room.dial();
            }
        }
        room.offer.handle_timeout(room.now + LIFETIME * 3);
        room.poll();
        room.assert_paired();
        assert!(room.seen.iter().all(|seen| seen.asked.len() == 1), "lost after {frames}");
        assert!(room.seen.iter().all(|seen| seen.paired == 1), "lost after {frames}");
    }
}

#[test]
fn a_pairing_cut_off_for_good_is_finished_by_the_next_one() {
    let mut was_one_sided = 0;
    for frames in 0..TEST_FRAMES {
        for swap in [false, true] {
            let mut room = Room::new(21);
            room.budget = frames;
            room.dial();
            was_one_sided += usize::from(room.people[0].household.is_some() != room.people[1].household.is_some());
            // Both daemons are restarted, and maybe the other one shows the code now.
            let mut people = room.people;
            if swap {
                people.reverse();
            }
            let mut room = Room::with(22, people);
            room.dial();
            room.assert_paired();
        }
    }
    assert!(was_one_sided > 0, "no cut left one side behind, so this tests nothing");
}

#[test]
fn nobody_founds_a_second_household() {
    for side in 0..2 {
        let mut couple = Room::new(23);
        couple.dial();
        couple.assert_paired();
        let [taken, _] = couple.people;
        let mut people = [taken, Person::new(3)];
        if side == 1 {
            people.reverse();
        }
        let mut room = Room::with(24, people);
        room.dial();
        assert_eq!(room.seen[0].finished, Some(Err(Failure::AlreadyPaired)), "{:?}", room.seen[0].events);
        assert_eq!(room.seen[1].finished, Some(Err(Failure::AlreadyPaired)));
    }
}

#[test]
fn a_device_of_ones_own_is_no_partner() {
    let mut room = Room::with(25, [Person::new(1), Person::new(1)]);
    room.dial();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::SamePartner)));
    assert_eq!(room.seen[1].finished, Some(Err(Failure::SamePartner)));
}

#[test]
fn versions_that_do_not_fit_say_so_and_end_nothing() {
    let mut room = Room::new(26);
    let [offer, _] = room.channels();
    room.offer.handle_connected(ConnectionId(9), offer, room.now);
    let start = frame::Start { versions: (7, 9), purpose: 1, method: 1, nonce: [0; 16], share: vec![0; 33] };
    let start = frame::Frame::Start(start).to_bytes();
    room.offer.handle_frame(ConnectionId(9), &start, room.now, &mut room.rng);
    let refused = room.poll().remove(0).1;
    assert_eq!(room.seen[0].events, [Event::VersionMismatch(7, 9)]);
    // And on the other side.
    let [_, join] = room.channels();
    room.join.handle_connected(ConnectionId(10), join, room.now, &mut room.rng);
    room.poll();
    room.join.handle_frame(ConnectionId(10), &refused, room.now, &mut room.rng);
    room.poll();
    assert_eq!(room.seen[1].events, [Event::VersionMismatch(VERSIONS.0, VERSIONS.1)]);
    room.dial();
    room.assert_paired();
}

#[test]
fn names_that_steer_terminals_are_refused() {
    for name in ["", " a", "a\u{1b}[31m", "a\u{202e}b", &"a".repeat(65)] {
        let local = Local { name: name.to_owned(), ..Person::new(1).local() };
        let outcome = PairingOffer::new(local, Purpose::Partner, Instant::now(), &mut ChaCha20Rng::seed_from_u64(0));
        assert_eq!(outcome.map(|_| ()), Err(LocalError::Name), "{name:?}");
    }
}

#[test]
fn secrets_and_names_are_not_in_debug() {
    let room = Room::new(27);
    let code = room.offer.code().to_text();
    let text = format!("{:?} {:?} {:?}", room.offer, room.join, room.people[0].local());
    assert!(!text.contains(&code[3..]) && !text.contains("Private"), "{text}");
}

proptest! {
    #[test]
    fn hostile_input_is_an_error_for_both_machines(
        frames in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                (0_u8..6, proptest::collection::vec(any::<u8>(), 0..120)).prop_map(|(kind, rest)| [&[1, kind], &*rest].concat()),
            ],
            0..12,
        ),
        after in 0_usize..8,
    ) {
        let mut room = Room::new(28);
        room.answers = [None, Some(true)];
        room.budget = after;
        room.dial();
        room.budget = usize::MAX;
        let [offer, join] = room.channels();
        for (number, frame) in frames.iter().enumerate() {
            let connection = ConnectionId(60 + number as u64 / 3);
            room.now += ATTEMPT_INTERVAL;
            room.offer.handle_connected(connection, offer, room.now);
            room.join.handle_connected(connection, join, room.now, &mut room.rng);
            room.offer.handle_frame(connection, frame, room.now, &mut room.rng);
            room.join.handle_frame(connection, frame, room.now, &mut room.rng);
            room.poll();
        }
        prop_assert_eq!(room.seen[0].paired + room.seen[1].paired, 0);
    }
}
