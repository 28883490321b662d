//! Pairing as it goes on here: the machine of `sync`, the endpoint of `net`, and what the person sees of it.

use std::net::SocketAddr;
use std::time::Instant;

use betwixt_api::{self as api, NoticeKind, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_net::{Frame, PairingEvent};
use betwixt_store::StoreError;
use betwixt_store::keys::RecoveryCode;
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::pairing::{Entered, Event, Local, Output, PairingJoin, PairingOffer, PeerIdentity, Purpose};
use ed25519_dalek::SigningKey;

use crate::answer::problem::{sentence, storage_problem};
use crate::open::Open;
use crate::writes::Write;

/// One of the two sides.
enum Machine {
    Offer(Box<PairingOffer>, Vec<SocketAddr>),
    Join(Box<PairingJoin>, Vec<SocketAddr>, Option<ConnectionId>),
}

/// What the person sees.
#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Running,
    Asking(Box<PeerIdentity>, Purpose),
    AwaitingOther,
    Paired(Box<PeerIdentity>),
    Failed(String),
}

/// The pairing that goes on, if any.
#[derive(Default)]
pub(crate) struct Pairing {
    machine: Option<Machine>,
    stage: Stage,
    notice: Option<String>,
    dial_at: Option<Instant>,
}

impl Pairing {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let machine = match &self.machine {
            Some(Machine::Offer(offer, _)) => offer.poll_timeout(),
            Some(Machine::Join(join, ..)) => join.poll_timeout(),
            None => None,
        };
        machine.into_iter().chain(self.dial_at).min()
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self.machine.as_mut()? {
            Machine::Offer(offer, _) => offer.poll_output(),
            Machine::Join(join, ..) => join.poll_output(),
        }
    }
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Pairing, detail)
}

impl Open {
    fn local(&self, purpose: Purpose, recovery: Option<SigningKey>) -> Local {
        let replica = &self.house.replica;
        let (identity, roster) = (replica.identity(), replica.roster());
        let is_own = purpose == Purpose::OwnDevice;
        let audience = roster.other_partner().filter(|_| !is_own).unwrap_or_else(|| identity.partner());
        Local {
            keys: self.keys.clone(),
            partner: identity.partner(),
            name: identity.name().to_owned(),
            device_name: identity.device_name().to_owned(),
            statements: roster.missing(&audience, &[]),
            household: roster.household(),
            private_space: replica.space(Scope::Mine).filter(|_| is_own || recovery.is_some()),
            recovery,
        }
    }

    /// A device becomes another one of somebody's only as long as nothing was written on it: what was, is its writer's.
    fn must_be_blank(&self) -> Result<(), Problem> {
        match self.house.replica.is_blank() {
            Ok(true) => Ok(()),
            Ok(false) => Err(refused(
                "Something was written on this device already. A device becomes one of yours while it is new: found another \
                 home on it (in another directory, see --home) and enter the code there.",
            )),
            Err(StoreError::Locked(_)) => Err(refused("Unlock this home first: `betwixt unlock`.")),
            Err(error) => Err(storage_problem(&error)),
        }
    }

    /// Shows a code.
    pub(crate) fn pairing_start(&mut self, request: &api::StartPairing, now: Instant) -> Result<api::Pairing, Problem> {
        let purpose = meant(request.purpose);
        self.pairing_end();
        let offer = PairingOffer::new(self.local(purpose, None), purpose, now, &mut self.rng)
            .map_err(|error| refused(error.to_string()))?;
        let digits = self.discovery.then(|| offer.code().find());
        let place = self.net.open_pairing(digits).map_err(|error| refused(error.to_string()))?;
        self.pairing = Pairing {
            machine: Some(Machine::Offer(Box::new(offer), place.addresses)),
            stage: Stage::Running,
            ..Pairing::default()
        };
        Ok(self.pairing_shown(now))
    }

    /// Enters the code that the other device shows.
    pub(crate) fn pairing_enter(&mut self, request: &api::EnterCode, now: Instant) -> Result<api::Pairing, Problem> {
        let purpose = meant(request.purpose);
        if purpose != Purpose::Partner {
            self.must_be_blank()?;
        }
        let recovery = match (purpose, &request.recovery_code) {
            (Purpose::GiveBack, Some(code)) => Some(recovery_key(code)?),
            _ => None,
        };
        let entered = Entered::parse(request.code.reveal()).map_err(|error| refused(error.to_string()))?;
        let mut addresses = Vec::new();
        for address in &request.addresses {
            let parsed = address.parse().map_err(|_| refused("An address is written like 192.168.1.5:4433."))?;
            addresses.push(parsed);
        }
        let mut digits = None;
        match &entered {
            Entered::Ticket(ticket) => addresses.extend(ticket.addresses()),
            Entered::Code(code) => digits = Some(code.find()),
        }
        self.pairing_end();
        let join = PairingJoin::new(self.local(purpose, recovery), entered, purpose, now)
            .map_err(|error| refused(error.to_string()))?;
        self.net.find_pairing(digits.filter(|_| self.discovery));
        self.pairing = Pairing {
            machine: Some(Machine::Join(Box::new(join), addresses, None)),
            stage: Stage::Running,
            ..Pairing::default()
        };
        self.pairing_dial();
        Ok(self.pairing_shown(now))
    }

    /// Whether a yes to the question that is asked takes the passphrase: to let another device hold the private pages.
    pub(crate) fn pairing_takes_passphrase(&self) -> bool {
        let adds = matches!(self.pairing.machine, Some(Machine::Offer(..)));
        adds && matches!(self.pairing.stage, Stage::Asking(_, Purpose::OwnDevice))
    }

    /// What the person says to the question. For [`Open::pairing_takes_passphrase`] the passphrase was found to be right.
    pub(crate) fn pairing_confirm(&mut self, yes: bool, now: Instant) -> Result<api::Pairing, Problem> {
        let peer = match &self.pairing.stage {
            Stage::Asking(peer, _) => peer,
            // It failed while the person thought about it.
            Stage::Failed(reason) => return Err(refused(reason.as_str())),
            _ => return Err(refused("There is nothing to confirm just now.")),
        };
        let device = peer.device;
        if yes {
            self.pairing.stage = Stage::AwaitingOther;
        }
        match self.pairing.machine.as_mut() {
            Some(Machine::Offer(offer, _)) => offer.handle_confirm(&device, yes),
            Some(Machine::Join(join, ..)) => join.handle_confirm(&device, yes),
            None => {}
        }
        self.poll_pairing(now);
        Ok(self.pairing_shown(now))
    }

    /// Ends whatever goes on.
    pub(crate) fn pairing_cancel(&mut self, now: Instant) -> api::Pairing {
        match self.pairing.machine.as_mut() {
            Some(Machine::Offer(offer, _)) => offer.cancel(),
            Some(Machine::Join(join, ..)) => join.cancel(),
            None => {}
        }
        self.poll_pairing(now);
        self.pairing_end();
        self.pairing_shown(now)
    }

    fn pairing_end(&mut self) {
        self.net.close_pairing();
        self.net.find_pairing(None);
        if let Some(Machine::Join(_, _, Some(connection))) = self.pairing.machine {
            self.net.close_pairing_channel(connection);
        }
        self.pairing = Pairing::default();
    }

    /// How far it is.
    pub(crate) fn pairing_shown(&self, now: Instant) -> api::Pairing {
        let pairing = &self.pairing;
        match (&pairing.stage, &pairing.machine) {
            (Stage::Running, Some(Machine::Offer(offer, addresses))) => api::Pairing::Offering {
                code: api::Secret::from(offer.code().to_text().to_string()),
                qr: api::Secret::from(offer.ticket(addresses).to_text().to_string()),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                expires_in: offer.expires().saturating_duration_since(now).as_secs(),
                notice: pairing.notice.clone(),
            },
            (Stage::Running, _) => api::Pairing::Searching { notice: pairing.notice.clone() },
            (Stage::Idle, _) => api::Pairing::Idle,
            (Stage::Asking(peer, purpose), machine) => api::Pairing::Asking {
                name: peer.name.clone(),
                device: peer.device_name.clone(),
                purpose: match purpose {
                    Purpose::OwnDevice => api::Purpose::OwnDevice,
                    Purpose::GiveBack => api::Purpose::GiveBack,
                    _ => api::Purpose::Partner,
                },
                question: question(peer, *purpose, matches!(machine, Some(Machine::Offer(..)))),
            },
            (Stage::AwaitingOther, _) => api::Pairing::AwaitingOther,
            (Stage::Paired(peer), _) => api::Pairing::Paired {
                partner: api::Partner { id: peer.partner.to_string(), name: peer.name.clone() },
                device: peer.device.to_string(),
                device_name: peer.device_name.clone(),
            },
            (Stage::Failed(reason), _) => api::Pairing::Failed { reason: reason.clone() },
        }
    }

    fn pairing_dial(&mut self) {
        self.pairing.dial_at = None;
        if let Some(Machine::Join(join, addresses, connection @ None)) = self.pairing.machine.as_mut()
            && join.wants_connection()
            && !addresses.is_empty()
        {
            *connection = Some(self.net.join_pairing(addresses.clone()));
        }
    }

    /// Somebody shows a code with the digits that were entered.
    pub(crate) fn handle_pairing_found(&mut self, found: Vec<SocketAddr>, _now: Instant) {
        if let Some(Machine::Join(_, addresses, _)) = self.pairing.machine.as_mut() {
            for address in found {
                if !addresses.contains(&address) && addresses.len() < 8 {
                    addresses.push(address);
                }
            }
        }
        self.pairing_dial();
    }

    /// Something on a pairing channel.
    pub(crate) fn handle_pairing_net(&mut self, connection: ConnectionId, event: PairingEvent, now: Instant) {
        let rng = &mut self.rng;
        match (self.pairing.machine.as_mut(), event) {
            (None, PairingEvent::Opened { .. } | PairingEvent::Frame(_)) => self.net.close_pairing_channel(connection),
            (None, PairingEvent::Closed(_)) => {}
            (Some(Machine::Offer(offer, _)), PairingEvent::Opened { channel, .. }) => {
                offer.handle_connected(connection, channel, now);
            }
            (Some(Machine::Join(join, ..)), PairingEvent::Opened { channel, .. }) => {
                join.handle_connected(connection, channel, now, rng);
            }
            (Some(Machine::Offer(offer, _)), PairingEvent::Frame(frame)) => {
                offer.handle_frame(connection, bytes(&frame), now, rng);
            }
            (Some(Machine::Join(join, ..)), PairingEvent::Frame(frame)) => {
                join.handle_frame(connection, bytes(&frame), now, rng);
            }
            (Some(Machine::Offer(offer, _)), PairingEvent::Closed(_)) => offer.handle_lost(connection, now),
            (Some(Machine::Join(join, _, dialled)), PairingEvent::Closed(reason)) => {
                join.handle_lost(connection, now);
                if *dialled == Some(connection) {
                    *dialled = None;
                    self.pairing.notice = Some(reason.to_string());
                    self.pairing.dial_at = Some(now + std::time::Duration::from_secs(1));
                }
            }
        }
        self.poll_pairing(now);
    }

    /// Times that have come.
    pub(crate) fn handle_pairing_timeout(&mut self, now: Instant) {
        match self.pairing.machine.as_mut() {
            Some(Machine::Offer(offer, _)) if offer.poll_timeout().is_some_and(|at| at <= now) => {
                offer.handle_timeout(now)
            }
            Some(Machine::Join(join, ..)) if join.poll_timeout().is_some_and(|at| at <= now) => {
                join.handle_timeout(now)
            }
            _ => {}
        }
        if self.pairing.dial_at.is_some_and(|at| at <= now) {
            self.pairing_dial();
        }
        self.poll_pairing(now);
    }

    fn poll_pairing(&mut self, now: Instant) {
        let mut told = false;
        while let Some(output) = self.pairing.poll_output() {
            told = true;
            match output {
                Output::Send(connection, frame) => {
                    if let Err(error) = self.net.send_pairing(connection, frame) {
                        tracing::info!(%error, "a pairing message could not be sent");
                    }
                }
                Output::Close(connection) => self.net.close_pairing_channel(connection),
                Output::AskConfirm { peer, purpose } => self.pairing.stage = Stage::Asking(peer, purpose),
                Output::Paired { peer, outcome } => self.engine.write(Write::Pair(peer, Box::new(outcome))),
                Output::Event(event) => self.pairing_event(event),
                Output::Finished(outcome) => {
                    self.net.close_pairing();
                    self.net.find_pairing(None);
                    self.pairing.machine = None;
                    self.pairing.dial_at = None;
                    match outcome {
                        Ok(()) => {}
                        Err(_) if matches!(self.pairing.stage, Stage::Paired(_)) => {}
                        Err(error) => self.pairing.stage = Stage::Failed(error.to_string()),
                    }
                }
            }
        }
        if let Some(Machine::Join(join, _, None)) = self.pairing.machine.as_ref()
            && join.wants_connection()
            && self.pairing.dial_at.is_none()
            && told
        {
            self.pairing.dial_at = Some(now + std::time::Duration::from_secs(1));
        }
        if told {
            self.notices.tell_all(NoticeKind::Pairing);
        }
    }

    fn pairing_event(&mut self, event: Event) {
        let notice = match event {
            Event::WrongCode { left } => format!("A wrong code was entered; {left} tries are left."),
            Event::Interrupted => "The connection to the other device was lost; trying again.".to_owned(),
            Event::Busy => "The other device is busy with another try; trying again.".to_owned(),
            Event::VersionMismatch(..) => "The other device has another version of Betwixt: update both.".to_owned(),
            Event::PurposeMismatch => "The other device pairs for another purpose.".to_owned(),
            Event::Malformed => "Somebody sent something that is no part of pairing.".to_owned(),
            _ => return,
        };
        self.pairing.notice = Some(notice);
    }

    /// The founding is on disk: the other may be told.
    pub(crate) fn pairing_stored(&mut self, peer: &PeerIdentity) {
        self.pairing.stage = Stage::Paired(Box::new(peer.clone()));
        match self.pairing.machine.as_mut() {
            Some(Machine::Offer(offer, _)) => offer.handle_stored(),
            Some(Machine::Join(join, ..)) => join.handle_stored(),
            None => {}
        }
        self.poll_pairing(Instant::now());
    }

    /// The founding could not be stored.
    pub(crate) fn pairing_failed(&mut self, problem: &Problem) {
        self.pairing_end();
        self.pairing.stage = Stage::Failed(problem.detail.clone());
    }
}

fn meant(purpose: api::Purpose) -> Purpose {
    match purpose {
        api::Purpose::Partner => Purpose::Partner,
        api::Purpose::OwnDevice => Purpose::OwnDevice,
        api::Purpose::GiveBack => Purpose::GiveBack,
    }
}

fn recovery_key(code: &api::Secret) -> Result<SigningKey, Problem> {
    let code = RecoveryCode::parse(code.reveal())
        .map_err(|error| Problem::new(ProblemKind::Invalid, sentence(error)).about("recovery_code"))?;
    Ok(SigningKey::from_bytes(&code.signing_seed()))
}

/// What a yes grants, in words.
fn question(peer: &PeerIdentity, purpose: Purpose, shows_code: bool) -> String {
    match purpose {
        Purpose::OwnDevice if shows_code => format!(
            "This is your own new device \"{}\". It will hold everything that is on this one, your private pages included, and \
             speak for you. Is it yours, and in your hands?",
            peer.device_name
        ),
        Purpose::OwnDevice => format!(
            "This device becomes another one of {}'s, beside \"{}\". It will hold everything of theirs, the private pages \
             included. Is that you?",
            peer.name, peer.device_name
        ),
        Purpose::GiveBack if shows_code => format!(
            "This says that it is {}, your partner, who has lost all devices, with a new one called \"{}\"; it has to show their \
             recovery code. Everything that you share will be on it. Are you sure that it is them, and that they want this?",
            peer.name, peer.device_name
        ),
        Purpose::GiveBack => format!(
            "This device gets back what you share with {}, from \"{}\", and speaks for you from now on. Private pages do not come \
             back this way. Is that your partner?",
            peer.name, peer.device_name
        ),
        _ => format!(
            "This is {}, your partner, with the device \"{}\". Everything that you share from now on will be on \
             both of your devices, and what was shared stays there. Is that so?",
            peer.name, peer.device_name
        ),
    }
}

fn bytes(frame: &Frame) -> &[u8] {
    frame.bytes()
}
