//! What follows once both sides have proven the code, the same on either: who they are, whether both people want it, and
//! the founding that both sign.
//!
//! A connection may be lost after any message. The next run begins here again and goes on from what both still know: a
//! person is not asked twice, and a founding that one side completed reaches the other with its identity.

use std::collections::VecDeque;

use betwixt_model::ids::DeviceId;
use rand_core::CryptoRngCore;

use super::exchange::{Role, Seal};
use super::frame::{Frame, Identity, MAX_FRAME, Message, Reason};
use super::{Event, Failure, Local, Output, PeerIdentity, Purpose, is_name};
use crate::dialer::ConnectionId;
use crate::roster::{Draft, FoundingSide, Roster, SignedStatement};

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
    founded: Option<Founded>,
    run: Option<Run>,
    /// What is to be done, of the whole machine.
    pub(super) outputs: VecDeque<Output>,
}

struct Founded {
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

/// What both would sign, or have signed already.
enum Terms {
    Draft(Box<Draft>),
    Signed(Box<SignedStatement>),
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
        Self { role, purpose, local, asked: None, confirmed: false, founded: None, run: None, outputs }
    }

    /// Whether this side holds the founding: what comes after can no longer undo it.
    pub(super) fn is_founded(&self) -> bool {
        self.founded.is_some()
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
                    Reason::Malformed => Failure::Malformed,
                });
            }
            Message::Signature(signature) => self.handle_signature(&signature)?,
            Message::Done => {
                let is_stored = self.founded.as_ref().is_some_and(|founded| founded.stored);
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
        if let Some(founded) = &mut self.founded {
            founded.stored = true;
        }
        self.go_on()
    }

    fn handle_identity(&mut self, identity: &Identity) -> Result<(), Failure> {
        let run = self.run.as_mut().filter(|run| run.peer.is_none()).ok_or(Failure::Malformed)?;
        let names_fit = is_name(&identity.name) && is_name(&identity.device_name);
        if !names_fit || identity.statements.len() > MAX_STATEMENTS {
            return Err(Failure::Malformed);
        }
        if identity.partner == self.local.partner {
            return Err(Failure::SamePartner);
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
        let terms = agree_on_terms(&self.local, run.nonce, identity, &statements, &theirs)?;
        run.peer = Some(Peer { statements, terms });
        let devices = theirs.devices().filter(|(_, device)| device.partner == identity.partner && !device.removed);
        let peer = Box::new(PeerIdentity {
            partner: identity.partner,
            device: identity.device,
            name: identity.name.clone(),
            device_name: identity.device_name.clone(),
            devices: devices.map(|(id, _)| *id).collect(),
        });
        if self.asked.as_ref() != Some(&peer) {
            self.confirmed = false;
            self.asked = Some(peer.clone());
            self.outputs.push_back(Output::AskConfirm { peer, purpose: self.purpose });
        }
        Ok(())
    }

    /// The other's signature. On the offering side it comes first, and completes the founding there.
    fn handle_signature(&mut self, signature: &[u8]) -> Result<(), Failure> {
        let run = self.run.as_mut().ok_or(Failure::Malformed)?;
        let both_want = run.own_yes && run.peer_yes && self.founded.is_none();
        let in_turn = self.role == Role::Offer || run.own_signature_sent;
        let (Some(peer), true, true) = (&run.peer, both_want, in_turn) else { return Err(Failure::Malformed) };
        let Terms::Draft(draft) = &peer.terms else { return Err(Failure::Malformed) };
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| Failure::Malformed)?;
        let own = draft.sign(self.local.keys.signing());
        let is_first = draft.signers()[0] == self.local.keys.device();
        let signatures = if is_first { [own, signature] } else { [signature, own] };
        let founding = Draft::clone(draft).complete(&signatures).map_err(|_| Failure::Malformed)?;
        self.found(founding, Some(own))
    }

    fn found(&mut self, founding: SignedStatement, signature: Option<[u8; 64]>) -> Result<(), Failure> {
        let run = self.run.as_ref().and_then(|run| run.peer.as_ref());
        let (Some(peer), Some(asked)) = (run, &self.asked) else { return Err(Failure::Malformed) };
        let household = founding.founds().ok_or(Failure::Malformed)?;
        let own = Roster::from_statements(self.local.partner, Some(household), self.local.statements.iter().cloned());
        let merged = own.merge(peer.statements.iter().cloned().chain([founding]));
        let is_paired = merged.roster.household() == Some(household) && merged.roster.may_connect(&asked.device);
        if !is_paired {
            return Err(Failure::Malformed);
        }
        self.local.household = Some(household);
        self.local.statements = merged.roster.statements().cloned().collect();
        let statements = self.local.statements.clone();
        self.outputs.push_back(Output::Paired { peer: asked.clone(), household, statements });
        self.founded = Some(Founded { signature, stored: false });
        Ok(())
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
        let Some(founded) = &self.founded else {
            match &peer.terms {
                Terms::Signed(founding) => {
                    let founding = SignedStatement::clone(founding);
                    self.found(founding, None)?;
                }
                Terms::Draft(draft) if self.role == Role::Join && !run.own_signature_sent => {
                    let signature = draft.sign(self.local.keys.signing());
                    run.own_signature_sent = true;
                    self.send(&Message::Signature(signature.to_vec()));
                }
                Terms::Draft(_) => {}
            }
            return Ok(Progress::Open);
        };
        if !founded.stored {
            return Ok(Progress::Open);
        }
        match self.role {
            Role::Join => {
                self.send(&Message::Done);
                Ok(Progress::Complete)
            }
            Role::Offer => {
                // Within a later run the founding came with the identity.
                let signature = founded.signature.filter(|_| matches!(peer.terms, Terms::Draft(_)));
                if let (Some(signature), false) = (signature, run.own_signature_sent) {
                    run.own_signature_sent = true;
                    self.send(&Message::Signature(signature.to_vec()));
                }
                Ok(Progress::Open)
            }
        }
    }
}

/// A founding that both signed before and that was cut off, or else a new one. Nobody founds a second household.
fn agree_on_terms(
    local: &Local,
    nonce: [u8; 16],
    identity: &Identity,
    statements: &[SignedStatement],
    theirs: &Roster,
) -> Result<Terms, Failure> {
    let own = local.keys.device();
    let signed_by_both = |statement: &SignedStatement| {
        statement.founds().is_some()
            && statement.signers().contains(&own)
            && statement.signers().contains(&identity.device)
    };
    if let Some(household) = local.household {
        let known = local.statements.iter().find(|statement| statement.founds() == Some(household));
        let shared = known.filter(|statement| signed_by_both(statement)).ok_or(Failure::AlreadyPaired)?;
        return Ok(Terms::Signed(Box::new(shared.clone())));
    }
    if let Some(shared) = statements.iter().find(|statement| signed_by_both(statement)) {
        return Ok(Terms::Signed(Box::new(shared.clone())));
    }
    if theirs.foundings().next().is_some() {
        return Err(Failure::AlreadyPaired);
    }
    let all = local.statements.iter().chain(statements).cloned();
    let both = Roster::from_statements(local.partner, None, all);
    let side = FoundingSide { partner: local.partner, device: own, nonce };
    let other = FoundingSide { partner: identity.partner, device: identity.device, nonce: identity.nonce };
    let draft = both.draft_founding(side, other).ok_or(Failure::SamePartner)?;
    Ok(Terms::Draft(Box::new(draft)))
}

impl Local {
    /// Whether this can be said to the other side at all.
    pub(super) fn check(&self) -> Result<(), super::LocalError> {
        if !is_name(&self.name) || !is_name(&self.device_name) {
            return Err(super::LocalError::Name);
        }
        let roster = Roster::from_statements(self.partner, self.household, self.statements.iter().cloned());
        if !roster.may_connect(&self.keys.device()) || roster.household() != self.household {
            return Err(super::LocalError::NotAMember);
        }
        let public = self.statements.iter().filter(|statement| !statement.is_private());
        let sizes: Vec<usize> = public.map(|statement| statement.to_bytes().len()).collect();
        if sizes.len() > MAX_STATEMENTS || sizes.iter().sum::<usize>() > MAX_FRAME - 8 * 1024 {
            return Err(super::LocalError::TooManyStatements);
        }
        Ok(())
    }
}
