//! Pairing: its frames, two machines with somebody between them, and a peer that knows the code and breaks the rules.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId};
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::pairing::{
    Channel, Entered, Failure, Local, MAX_FRAME, Outcome, Output, PairingJoin, PairingOffer, Purpose, fuzz,
};
use betwixt_sync::roster::{FoundingSide, Roster};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::roster::partner;
use crate::frames;
use crate::reached::here;

/// One input is tried for each.
const PURPOSES: [Purpose; 3] = [Purpose::Partner, Purpose::OwnDevice, Purpose::GiveBack];

/// The most operations of one input.
const OPERATIONS: usize = 64;

/// Frames, what is sealed in them, and what people type, each in its one spelling.
pub(super) fn frames(bytes: &[u8]) {
    if let Some(again) = fuzz::read_frame(bytes) {
        here("a frame");
        assert!(bytes.len() <= MAX_FRAME);
        assert_eq!(again, bytes);
    }
    if let Some(again) = fuzz::read_message(bytes) {
        here("a message");
        assert_eq!(again, bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Entered::parse(text) {
            Ok(Entered::Code(code)) => {
                here("a code");
                assert_eq!(Entered::parse(&code.to_text()), Ok(Entered::Code(code)));
            }
            Ok(Entered::Ticket(ticket)) => {
                here("a ticket");
                assert_eq!(Entered::parse(&ticket.to_text()), Ok(Entered::Ticket(ticket)));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A device that was never paired.
pub(crate) fn local(seed: u64) -> Local {
    static KEYS: OnceLock<[std::sync::Arc<DeviceKeys>; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        [1, 2].map(|seed| std::sync::Arc::new(DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed))))
    });
    let keys = keys[usize::from(seed == 2)].clone();
    Local {
        partner: partner(&keys),
        name: "Private Name".to_owned(),
        device_name: "Private Laptop".to_owned(),
        statements: Roster::begin(&keys, EpochId::from_bytes([1; 32])),
        household: None,
        private_space: Some(HouseholdId::from_bytes([7; 32])),
        recovery: None,
        keys,
    }
}

/// The two sides of a purpose: the one that shows the code and the one that enters it.
fn locals(purpose: Purpose) -> [Local; 2] {
    if purpose == Purpose::GiveBack { after_a_loss() } else { [local(1), local(2)] }
}

/// A device whose partner has lost all of theirs, and a new one with the key of their recovery code.
fn after_a_loss() -> [Local; 2] {
    let (lost, recovery) = (local(2), SigningKey::from_bytes(&[3; 32]));
    let stays = local(1);
    let theirs = Roster::from_statements(lost.partner, None, lost.statements.iter().cloned());
    let told = theirs.add_recovery_key(&lost.keys, &recovery);
    let all = stays.statements.iter().chain(&lost.statements).cloned().chain([told]);
    let both = Roster::from_statements(stays.partner, None, all);
    let side = |local: &Local| FoundingSide { partner: local.partner, device: local.keys.device(), nonce: [4; 16] };
    let draft = both.draft_founding(side(&stays), side(&lost)).expect("they are two");
    let signatures: Vec<[u8; 64]> = draft
        .signers()
        .iter()
        .map(|signer| {
            draft.sign(
                [&stays, &lost]
                    .into_iter()
                    .find(|side| side.keys.device() == *signer)
                    .map_or_else(|| stays.keys.signing(), |side| side.keys.signing()),
            )
        })
        .collect();
    let founding = draft.complete(&signatures).expect("both have signed");
    let statements: Vec<_> = both.statements().cloned().chain([founding.clone()]).collect();
    let keys = std::sync::Arc::new(DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(6)));
    let new = Local {
        partner: partner(&keys),
        statements: Roster::begin(&keys, EpochId::from_bytes([2; 32])),
        recovery: Some(recovery),
        keys,
        ..local(2)
    };
    [Local { statements, household: founding.founds(), ..stays }, new]
}

/// A peer that has proven the code says these. Whoever shows the code is asked, and says yes.
pub(super) fn proven(bytes: &[u8]) {
    let messages: Vec<&[u8]> = frames::split(bytes).into_iter().map(|(_, message)| message).collect();
    for purpose in PURPOSES {
        proven_for(purpose, &messages);
    }
}

fn proven_for(purpose: Purpose, messages: &[&[u8]]) {
    let [shows, _] = locals(purpose);
    let (outputs, outcome) = fuzz::after_proof(shows, purpose, messages);
    let asked = outputs.iter().any(|output| matches!(output, Output::AskConfirm { .. }));
    let paired = outputs.iter().any(|output| matches!(output, Output::Paired { .. }));
    if asked {
        here("asked");
    }
    assert!(asked || !paired, "nobody is paired with whom the person was not asked about");
    assert!(outcome != Some(Ok(())) || paired);
    outputs.iter().for_each(hides);
}

/// What is logged of an output names nobody.
fn hides(output: &Output) {
    let text = format!("{output:?}");
    assert!(!text.contains("Private"), "{text}");
}

#[derive(Default)]
struct Side {
    sent: VecDeque<(ConnectionId, Vec<u8>)>,
    before: Vec<Vec<u8>>,
    asked: Option<DeviceId>,
    /// Whether the person said yes.
    yes: bool,
    /// What both belong to now.
    paired: Option<HouseholdId>,
    finished: Option<Result<(), Failure>>,
}

/// The one who shows a code is side 0, the one who enters it side 1.
struct Room {
    purpose: Purpose,
    now: Instant,
    rng: ChaCha20Rng,
    offer: PairingOffer,
    join: PairingJoin,
    sides: [Side; 2],
    connections: u64,
}

/// Both machines, and somebody between them who alters, adds and repeats.
pub(super) fn operations(bytes: &[u8]) {
    PURPOSES.into_iter().for_each(|purpose| operations_for(purpose, bytes));
}

fn operations_for(purpose: Purpose, bytes: &[u8]) {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    let now = *BEGINNING.get_or_init(Instant::now);
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let [shows, enters] = locals(purpose);
    let offer = PairingOffer::new(shows, purpose, now, &mut rng).expect("it can be introduced");
    let entered = Entered::parse(&offer.code().to_text()).expect("a code that is shown is read");
    let join = PairingJoin::new(enters, entered, purpose, now).expect("it can be introduced");
    let mut room = Room { purpose, now, rng, offer, join, sides: [Side::default(), Side::default()], connections: 0 };
    room.connect();
    let mut input = Unstructured::new(bytes);
    for _ in 0..OPERATIONS {
        if input.is_empty() || room.operate(&mut input).is_err() {
            break;
        }
        room.poll();
    }
    let [one, other] = &room.sides;
    if let (Some(one), Some(other)) = (one.paired, other.paired) {
        here("both paired");
        assert_eq!(one, other, "both are of one household, or of one partner");
    }
    for side in &room.sides {
        if matches!(side.finished, Some(Err(Failure::Declined { .. }))) {
            here("declined");
        }
        assert!(side.finished != Some(Ok(())) || side.paired.is_some());
    }
}

impl Room {
    fn connect(&mut self) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let exporter = [self.connections as u8; 32];
        let (shows, enters) = ([10; 32], [11; 32]);
        let channel = |own_key, peer_key| Channel { own_key, peer_key, exporter };
        self.offer.handle_connected(connection, channel(shows, enters), self.now);
        self.join.handle_connected(connection, channel(enters, shows), self.now, &mut self.rng);
        self.poll();
    }

    fn hand(&mut self, to: usize, connection: ConnectionId, frame: &[u8]) {
        if to == 0 {
            self.offer.handle_frame(connection, frame, self.now, &mut self.rng);
        } else {
            self.join.handle_frame(connection, frame, self.now, &mut self.rng);
        }
    }

    fn operate(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let (operation, side) = (input.arbitrary::<u8>()? % 16, usize::from(input.arbitrary::<bool>()?));
        match operation {
            0..=5 => {
                if let Some((connection, frame)) = self.sides[side].sent.pop_front() {
                    self.hand(1 - side, connection, &frame);
                }
            }
            6 => {
                if let Some((connection, mut frame)) = self.sides[side].sent.pop_front() {
                    let at = usize::from(input.arbitrary::<u16>()?) % frame.len().max(1);
                    let value: u8 = input.arbitrary()?;
                    frame.get_mut(at).into_iter().for_each(|byte| *byte ^= value | 1);
                    self.hand(1 - side, connection, &frame);
                }
            }
            7 => {
                let connection = ConnectionId(u64::from(input.arbitrary::<u8>()? % 4));
                let length = usize::from(input.arbitrary::<u16>()?).min(input.len());
                let frame = input.bytes(length)?.to_vec();
                self.hand(side, connection, &frame);
            }
            8 => {
                let choice = usize::from(input.arbitrary::<u8>()?);
                let frame = self.sides[side].before.get(choice).cloned();
                let connection = ConnectionId(self.connections);
                frame.into_iter().for_each(|frame| self.hand(1 - side, connection, &frame));
            }
            9 => {
                let connection = ConnectionId(self.connections);
                self.offer.handle_lost(connection, self.now);
                self.join.handle_lost(connection, self.now);
            }
            10 | 11 => {
                // Frames of a connection that is gone do not come any more.
                self.sides.iter_mut().for_each(|side| side.sent.clear());
                self.connect();
            }
            12 => {
                self.now += Duration::from_millis(u64::from(input.arbitrary::<u16>()?) * 4);
                self.offer.handle_timeout(self.now);
                self.join.handle_timeout(self.now);
            }
            13 | 14 => {
                let yes = input.arbitrary::<u8>()? >= 8;
                if let Some(device) = self.sides[side].asked {
                    self.sides[side].yes |= yes;
                    if side == 0 {
                        self.offer.handle_confirm(&device, yes);
                    } else {
                        self.join.handle_confirm(&device, yes);
                    }
                }
            }
            _ if input.arbitrary::<u8>()? < 8 => {
                if side == 0 {
                    self.offer.cancel()
                } else {
                    self.join.cancel()
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn poll(&mut self) {
        for side in 0..2 {
            while let Some(output) = if side == 0 { self.offer.poll_output() } else { self.join.poll_output() } {
                hides(&output);
                let own = &mut self.sides[side];
                assert_eq!(own.finished, None, "{output:?} after the end");
                match output {
                    Output::Send(connection, frame) => {
                        assert!(frame.len() <= MAX_FRAME);
                        own.before.push(frame.clone());
                        own.sent.push_back((connection, frame));
                    }
                    Output::AskConfirm { peer, .. } => own.asked = Some(peer.device),
                    Output::Paired { peer, outcome } => {
                        assert!(own.yes, "nothing is signed before the person has said yes");
                        own.paired = Some(match outcome {
                            Outcome::Founded { household, .. } => household,
                            Outcome::Added { .. } if self.purpose == Purpose::GiveBack => {
                                HouseholdId::from_bytes(*peer.partner.as_bytes())
                            }
                            Outcome::Added { .. } => HouseholdId::from_bytes(*local(1).partner.as_bytes()),
                            Outcome::Returned { partner, .. } => HouseholdId::from_bytes(*partner.as_bytes()),
                            Outcome::Joined { .. } => HouseholdId::from_bytes(*peer.partner.as_bytes()),
                        });
                        if side == 0 { self.offer.handle_stored() } else { self.join.handle_stored() }
                    }
                    Output::Finished(outcome) => own.finished = Some(outcome),
                    Output::Close(_) | Output::Event(_) => {}
                }
            }
        }
    }
}
