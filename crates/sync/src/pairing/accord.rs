//! What follows once both sides have proven the code, the same on either: who they are, whether both people want it, and
//! the statement that both sign: the founding of a household, or that a device is added.
//!
//! A connection may be lost after any message. The next run begins here again and goes on from what both still know: a
//! person is not asked twice, and a statement that one side completed reaches the other with its identity.

use std::collections::VecDeque;

use betwixt_model::ids::{DeviceId, PartnerId};
use rand_core::CryptoRngCore;

use super::exchange::{Role, Seal};
use super::frame::{Frame, Identity, MAX_FRAME, Message, Reason};
use super::terms::{self, Other, Terms};
use super::{Event, Failure, Local, Output, PeerIdentity, Purpose, is_name};
use crate::dialer::ConnectionId;
use crate::roster::{Roster, SignedStatement};

mod signing;

/// The most statements that one side may bring.
const MAX_STATEMENTS: usize = 1024;

/// One pairing's agreement, over as many runs as it takes.
pub(super) struct Accord {
    role: Role,
    purpose: Purpose,
    local: Local,
    /// Whom the person was asked about last.
    asked: Option<Box<PeerIdentity>>,
    /// Whether the person said yes to that.
    confirmed: bool,
    signed: Option<Signed>,
    run: Option<Run>,
    /// What is to be done, of the whole machine.
    pub(super) outputs: VecDeque<Output>,
}

/// The statement is complete here.
struct Signed {
    /// This side's part, if it was signed now.
    signature: Option<[u8; 64]>,
    stored: bool,
}

/// One proven connection.
struct Run {
    connection: ConnectionId,
    seal: Seal,
    nonce: [u8; 16],
    peer: Option<Peer>,
    own_yes: bool,
    peer_yes: bool,
    own_signature_sent: bool,
}

struct Peer {
    statements: Vec<SignedStatement>,
    terms: Terms,
}

/// Whether a proven run goes on.
pub(super) enum Progress {
    /// It does.
    Open,
    /// Everything is done.
    Complete,
}

impl Accord {
    pub(super) fn new(role: Role, purpose: Purpose, local: Local) -> Self {
        let outputs = VecDeque::new();
        Self { role, purpose, local, asked: None, confirmed: false, signed: None, run: None, outputs }
    }

    /// Whether this side holds the statement: what comes after can no longer undo it.
    pub(super) fn is_signed(&self) -> bool {
        self.signed.is_some()
    }

    /// The connection whose peer has proven the code.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.run.as_ref().map(|run| run.connection)
    }

    pub(super) fn begin(&mut self, connection: ConnectionId, seal: Seal, rng: &mut impl CryptoRngCore) {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let public = self.local.statements.iter().filter(|statement| !statement.is_private());
        let identity = Message::Identity(Identity {
            partner: self.local.partner,
            device: self.local.keys.device(),
            name: self.local.name.clone(),
            device_name: self.local.device_name.clone(),
            statements: public.map(SignedStatement::to_bytes).collect(),
            nonce,
        });
        self.run = Some(Run {
            connection,
            seal,
            nonce,
            peer: None,
            own_yes: false,
            peer_yes: false,
            own_signature_sent: false,
        });
        self.outputs.push_back(Output::Event(Event::Proven));
        self.send(&identity);
    }

    /// The run's connection is gone; what was agreed on stays.
    pub(super) fn interrupted(&mut self) {
        self.run = None;
    }

    /// Tells the other side, if it has proven the code, that this comes to nothing, and ends the run.
    pub(super) fn stop(&mut self, failure: Option<Failure>) {
        let reason = failure.map(|failure| match failure {
            Failure::Declined { .. } => Reason::Declined,
            Failure::AlreadyPaired => Reason::AlreadyPaired,
            Failure::SamePartner => Reason::SamePartner,
            Failure::NotFresh => Reason::NotFresh,
            Failure::AlreadyYours => Reason::AlreadyYours,
            Failure::Removed => Reason::Removed,
            Failure::UnknownRecoveryCode => Reason::UnknownRecoveryCode,
            Failure::NothingToGiveBack => Reason::NothingToGiveBack,
            Failure::Malformed => Reason::Malformed,
            Failure::Expired | Failure::WrongCode | Failure::Interfered => Reason::Expired,
        });
        if let Some(reason) = reason {
            self.send(&Message::Stop(reason));
        }
        if let Some(run) = self.run.take() {
            self.outputs.push_back(Output::Close(run.connection));
        }
    }

    fn send(&mut self, message: &Message) {
        if let Some(run) = &mut self.run {
            let frame = Frame::Sealed(run.seal.seal(&message.to_bytes()));
            self.outputs.push_back(Output::Send(run.connection, frame.to_bytes()));
        }
    }

    pub(super) fn handle_sealed(&mut self, sealed: &[u8]) -> Result<Progress, Failure> {
        let run = self.run.as_mut().ok_or(Failure::Malformed)?;
        let plain = run.seal.open(sealed).ok_or(Failure::Malformed)?;
        match Message::parse(&plain).ok_or(Failure::Malformed)? {
            Message::Identity(identity) => self.handle_identity(&identity)?,
            Message::Confirm => {
                if run.peer.is_none() || run.peer_yes {
                    return Err(Failure::Malformed);
                }
                run.peer_yes = true;
            }
            Message::Stop(reason) => {
                // The other side has ended: it needs no answer.
                let connection = run.connection;
                self.run = None;
                self.outputs.push_back(Output::Close(connection));
                return Err(match reason {
                    Reason::Declined => Failure::Declined { by_peer: true },
                    Reason::Expired => Failure::Expired,
                    Reason::AlreadyPaired => Failure::AlreadyPaired,
                    Reason::SamePartner => Failure::SamePartner,
                    Reason::NotFresh => Failure::NotFresh,
                    Reason::AlreadyYours => Failure::AlreadyYours,
                    Reason::Removed => Failure::Removed,
                    Reason::UnknownRecoveryCode => Failure::UnknownRecoveryCode,
                    Reason::NothingToGiveBack => Failure::NothingToGiveBack,
                    Reason::Malformed => Failure::Malformed,
                });
            }
            Message::Signature(signature) => self.handle_signature(&signature)?,
            Message::Admission(admission) => self.handle_admission(admission)?,
            Message::Return(statement) => self.handle_return(&statement)?,
            Message::Welcome => self.handle_welcome()?,
            Message::Done => {
                let is_stored = self.signed.as_ref().is_some_and(|signed| signed.stored);
                let is_complete = self.role == Role::Offer && run.own_yes && run.peer_yes && is_stored;
                return if is_complete { Ok(Progress::Complete) } else { Err(Failure::Malformed) };
            }
        }
        self.go_on()
    }

    /// What the person says about `device`; an answer about somebody else than was asked about last is none.
    pub(super) fn handle_confirm(&mut self, device: &DeviceId, yes: bool) -> Result<Progress, Failure> {
        if self.asked.as_ref().is_none_or(|asked| asked.device != *device) {
            return Ok(Progress::Open);
        }
        if !yes && !self.confirmed {
            return Err(Failure::Declined { by_peer: false });
        }
        self.confirmed = true;
        self.go_on()
    }

    /// What [`Output::Paired`] brought is durable; only now may the other side learn of it (DurableBeforeTold).
    pub(super) fn handle_stored(&mut self) -> Result<Progress, Failure> {
        if let Some(signed) = &mut self.signed {
            signed.stored = true;
        }
        self.go_on()
    }

    fn handle_identity(&mut self, identity: &Identity) -> Result<(), Failure> {
        let run = self.run.as_mut().filter(|run| run.peer.is_none()).ok_or(Failure::Malformed)?;
        let names_fit = is_name(&identity.name) && is_name(&identity.device_name);
        if !names_fit || identity.statements.len() > MAX_STATEMENTS {
            return Err(Failure::Malformed);
        }
        let mut statements = Vec::new();
        for bytes in &identity.statements {
            let statement = SignedStatement::parse(bytes).map_err(|_| Failure::Malformed)?;
            // Nobody has any business to send these.
            if statement.is_private() {
                return Err(Failure::Malformed);
            }
            statements.push(statement);
        }
        let theirs = Roster::from_statements(identity.partner, None, statements.iter().cloned());
        let speaks_for_them =
            theirs.device(&identity.device).is_some_and(|device| device.partner == identity.partner && !device.removed);
        if !speaks_for_them {
            return Err(Failure::Malformed);
        }
        let other = Other { identity, statements: &statements, roster: &theirs };
        let terms = terms::agree(self.purpose, self.role, &self.local, run.nonce, &other)?;
        run.peer = Some(Peer { statements, terms });
        let devices = theirs.devices().filter(|(_, device)| device.partner == identity.partner && !device.removed);
        let peer = Box::new(PeerIdentity {
            partner: self.speaks_for(identity),
            device: identity.device,
            name: identity.name.clone(),
            device_name: identity.device_name.clone(),
            devices: devices.map(|(id, _)| *id).filter(|id| *id != self.local.keys.device()).collect(),
        });
        // A device that was added belongs to somebody else than before; that was what was asked.
        let is_done = self.signed.is_some() && self.asked.as_ref().is_some_and(|asked| asked.device == peer.device);
        if self.asked.as_ref() != Some(&peer) && !is_done {
            self.confirmed = false;
            self.asked = Some(peer.clone());
            self.outputs.push_back(Output::AskConfirm { peer, purpose: self.purpose });
        }
        Ok(())
    }

    /// Whom the other will speak for, if this comes to something.
    fn speaks_for(&self, identity: &Identity) -> PartnerId {
        let returns = self.purpose == Purpose::GiveBack && self.role == Role::Offer;
        let partner = if returns { self.local.roster().other_partner() } else { None };
        partner.unwrap_or(identity.partner)
    }

    /// Does whatever can be done now.
    fn go_on(&mut self) -> Result<Progress, Failure> {
        let Some(run) = &mut self.run else { return Ok(Progress::Open) };
        let Some(peer) = &run.peer else { return Ok(Progress::Open) };
        if self.confirmed && !run.own_yes {
            run.own_yes = true;
            let peer_yes = run.peer_yes;
            self.send(&Message::Confirm);
            if !peer_yes {
                self.outputs.push_back(Output::Event(Event::WaitingForPeer));
            }
            return self.go_on();
        }
        if !(run.own_yes && run.peer_yes) {
            return Ok(Progress::Open);
        }
        let Some(signed) = &self.signed else {
            match &peer.terms {
                // Who is added waits for what comes with it.
                Terms::Signed(_) if self.purpose == Purpose::OwnDevice && self.role == Role::Join => {}
                Terms::Signed(statement) if self.purpose == Purpose::GiveBack && self.role == Role::Join => {
                    if !std::mem::replace(&mut run.own_signature_sent, true) {
                        let statement = statement.to_bytes();
                        self.send(&Message::Return(statement));
                    }
                }
                Terms::Signed(statement) => {
                    let statement = SignedStatement::clone(statement);
                    self.agreed(statement, None)?;
                }
                Terms::Draft(draft) if self.role == Role::Join && !run.own_signature_sent => {
                    let signature = draft.sign(self.local.keys.signing());
                    run.own_signature_sent = true;
                    self.send(&Message::Signature(signature.to_vec()));
                }
                Terms::Draft(_) | Terms::Awaited => {}
            }
            return Ok(Progress::Open);
        };
        if !signed.stored {
            return Ok(Progress::Open);
        }
        // Within a later run the statement came with the identity.
        let signature = signed.signature.filter(|_| matches!(peer.terms, Terms::Draft(_)));
        match (self.role, self.purpose) {
            (Role::Join, _) => {
                self.send(&Message::Done);
                return Ok(Progress::Complete);
            }
            (Role::Offer, _) if run.own_signature_sent => {}
            (Role::Offer, Purpose::Partner) => {
                if let Some(signature) = signature {
                    run.own_signature_sent = true;
                    self.send(&Message::Signature(signature.to_vec()));
                }
            }
            (Role::Offer, Purpose::OwnDevice) => {
                run.own_signature_sent = true;
                let admission = self.admission(signature)?;
                self.send(&admission);
            }
            (Role::Offer, Purpose::GiveBack) => {
                run.own_signature_sent = true;
                self.send(&Message::Welcome);
            }
        }
        Ok(Progress::Open)
    }
}

impl Local {
    /// The roster that it brings.
    pub(super) fn roster(&self) -> Roster {
        Roster::from_statements(self.partner, self.household, self.statements.iter().cloned())
    }

    /// Whether this can be said to the other side at all.
    pub(super) fn check(&self, role: Role, purpose: Purpose) -> Result<(), super::LocalError> {
        if !is_name(&self.name) || !is_name(&self.device_name) {
            return Err(super::LocalError::Name);
        }
        let roster = self.roster();
        if !roster.may_connect(&self.keys.device()) || roster.household() != self.household {
            return Err(super::LocalError::NotAMember);
        }
        match (purpose, role) {
            (Purpose::OwnDevice, Role::Offer) if self.private_space.is_none() => return Err(super::LocalError::Locked),
            (Purpose::OwnDevice | Purpose::GiveBack, Role::Join) if !terms::is_fresh(&roster) => {
                return Err(super::LocalError::NotFresh);
            }
            (Purpose::GiveBack, Role::Offer) if roster.household().is_none() => {
                return Err(super::LocalError::NothingToGiveBack);
            }
            (Purpose::GiveBack, Role::Join) if self.recovery.is_none() => {
                return Err(super::LocalError::NoRecoveryCode);
            }
            (Purpose::GiveBack, Role::Join) if self.private_space.is_none() => return Err(super::LocalError::Locked),
            _ => {}
        }
        let told = self.statements.iter().filter(|it| !it.is_private() || purpose == Purpose::OwnDevice);
        let sizes: Vec<usize> = told.map(|statement| statement.to_bytes().len()).collect();
        if sizes.len() > MAX_STATEMENTS || sizes.iter().sum::<usize>() > MAX_FRAME - 8 * 1024 {
            return Err(super::LocalError::TooManyStatements);
        }
        Ok(())
    }
}

#[cfg(test)]
impl Accord {
    /// Says that it is somebody else than was checked when it began.
    pub(super) fn pretend(&mut self, local: Local) {
        self.local = local;
    }
}
