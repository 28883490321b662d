//! The side that shows a code.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use betwixt_model::ids::DeviceId;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::accord::{Accord, Progress};
use super::code::{PairingCode, Ticket, ticket_password};
use super::exchange::{PasswordExchange, Role, RunKeys, Spake2Exchange};
use super::frame::{Answer, Frame, MAX_UNPROVEN_FRAME, METHOD_CODE, METHOD_TICKET, Refusal, Start, VERSIONS};
use super::{
    ATTEMPT_INTERVAL, ATTEMPTS, CONFIRM_TIME, Channel, Event, Failure, LIFETIME, Local, LocalError, MAX_WAITING,
    Output, Purpose, STEP_TIME,
};
use crate::dialer::ConnectionId;

/// One offer to pair: a code, and at most [`ATTEMPTS`] wrong tries at it, one after the other.
pub struct PairingOffer {
    code: PairingCode,
    ticket_secret: Zeroizing<[u8; 16]>,
    purpose: Purpose,
    accord: Accord,
    expires: Instant,
    attempts_left: u32,
    next_attempt: Instant,
    /// Connections that have not begun, and until when they may.
    waiting: BTreeMap<ConnectionId, (Channel, Instant)>,
    attempt: Option<Attempt>,
    proven_until: Option<Instant>,
    finished: bool,
}

/// The one run whose proof is awaited.
struct Attempt {
    connection: ConnectionId,
    keys: RunKeys,
    until: Instant,
}

impl PairingOffer {
    /// Draws a code, and a ticket's secret beside it, that hold for [`super::LIFETIME`].
    ///
    /// # Errors
    /// [`LocalError`] when this side cannot be introduced to another.
    pub fn new(local: Local, purpose: Purpose, now: Instant, rng: &mut impl CryptoRngCore) -> Result<Self, LocalError> {
        local.check(Role::Offer, purpose)?;
        let mut ticket_secret = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *ticket_secret);
        Ok(Self {
            code: PairingCode::draw(rng),
            ticket_secret,
            purpose,
            accord: Accord::new(Role::Offer, purpose, local),
            expires: now + LIFETIME,
            attempts_left: ATTEMPTS,
            next_attempt: now,
            waiting: BTreeMap::new(),
            attempt: None,
            proven_until: None,
            finished: false,
        })
    }

    /// What to show.
    pub fn code(&self) -> &PairingCode {
        &self.code
    }

    /// What to show as a QR code; at most [`super::MAX_TICKET_ADDRESSES`] of the addresses are in it.
    pub fn ticket(&self, addresses: &[SocketAddr]) -> Ticket {
        Ticket::new(&self.ticket_secret, addresses)
    }

    /// Until when the code holds.
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// A connection to the pairing endpoint stands, and what TLS says of it.
    pub fn handle_connected(&mut self, connection: ConnectionId, channel: Channel, now: Instant) {
        if self.finished {
            return;
        }
        if now >= self.expires {
            return self.close(connection);
        }
        // Who joins begins at once, so the one that has waited longest is not missed.
        if self.waiting.len() >= MAX_WAITING
            && let Some(oldest) = self.waiting.iter().min_by_key(|(id, (_, until))| (*until, **id)).map(|(id, _)| *id)
        {
            self.waiting.remove(&oldest);
            self.close(oldest);
        }
        self.waiting.insert(connection, (channel, now + STEP_TIME));
    }

    /// A frame arrived.
    pub fn handle_frame(&mut self, connection: ConnectionId, frame: &[u8], now: Instant, rng: &mut impl CryptoRngCore) {
        if self.finished {
            return;
        }
        if self.accord.connection() == Some(connection) {
            let outcome = match Frame::parse(frame) {
                Some(Frame::Sealed(sealed)) => self.accord.handle_sealed(&sealed),
                _ => Err(Failure::Malformed),
            };
            return self.settle(outcome);
        }
        let parsed = if frame.len() <= MAX_UNPROVEN_FRAME { Frame::parse(frame) } else { None };
        match parsed {
            Some(Frame::Start(start)) if self.waiting.contains_key(&connection) => {
                self.handle_start(connection, &start, now, rng);
            }
            Some(Frame::Proof(proof)) if self.is_attempt(connection) => {
                self.handle_proof(&proof, now, rng);
            }
            _ => {
                self.event(Event::Malformed);
                self.drop_connection(connection);
            }
        }
    }

    fn is_attempt(&self, connection: ConnectionId) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.connection == connection)
    }

    fn handle_start(&mut self, connection: ConnectionId, start: &Start, now: Instant, rng: &mut impl CryptoRngCore) {
        let Some((channel, _)) = self.waiting.remove(&connection) else { return };
        let version = start.versions.1.min(VERSIONS.1);
        let refusal = if version < start.versions.0.max(VERSIONS.0) {
            self.event(Event::VersionMismatch(start.versions.0, start.versions.1));
            Some(Refusal::Version(VERSIONS))
        } else if start.purpose != self.purpose.byte() {
            self.event(Event::PurposeMismatch);
            Some(Refusal::Purpose)
        } else if self.attempt.is_some() || self.accord.connection().is_some() || now < self.next_attempt {
            Some(Refusal::Busy)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.refuse(connection, refusal);
        }
        let password = match start.method {
            METHOD_CODE => self.code.password(),
            METHOD_TICKET => ticket_password(&self.ticket_secret),
            _ => {
                self.event(Event::Malformed);
                return self.close(connection);
            }
        };
        // Counted before anything is answered that could be of use.
        self.next_attempt = now + ATTEMPT_INTERVAL;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let (exchange, share) = Spake2Exchange::start(Role::Offer, &password, rng);
        let answer = Answer { version, versions: VERSIONS, nonce, share };
        let Some(common) = exchange.finish(&start.share) else {
            self.event(Event::Malformed);
            self.close(connection);
            return self.count_failure();
        };
        let keys = RunKeys::derive(&common, Role::Offer, &channel, start, &answer);
        self.attempt = Some(Attempt { connection, keys, until: now + STEP_TIME });
        self.send(connection, &Frame::Answer(answer));
    }

    fn handle_proof(&mut self, proof: &[u8; 32], now: Instant, rng: &mut impl CryptoRngCore) {
        let Some(Attempt { connection, keys, .. }) = self.attempt.take() else { return };
        if !keys.verifies(Role::Join, proof) {
            self.event(Event::WrongCode { left: self.attempts_left });
            self.refuse(connection, Refusal::WrongCode);
            return self.count_failure();
        }
        self.attempts_left += 1;
        self.proven_until = Some(now + CONFIRM_TIME);
        self.send(connection, &Frame::Proof(keys.proof(Role::Offer)));
        self.accord.begin(connection, keys.seal(Role::Offer), rng);
    }

    fn count_failure(&mut self) {
        if self.attempts_left == 0 {
            self.finish(Err(Failure::Interfered));
        }
    }

    /// A connection is gone.
    pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
        self.waiting.remove(&connection);
        let was_proven = self.accord.connection() == Some(connection);
        if was_proven {
            self.accord.interrupted();
            self.proven_until = None;
        }
        if self.finished || !(was_proven || self.is_attempt(connection)) {
            return;
        }
        self.event(Event::Interrupted);
        if !was_proven {
            self.attempt = None;
            self.count_failure();
        }
        self.handle_timeout(now);
    }

    /// What the person says to [`Output::AskConfirm`] about this device. Anything but the last one asked about is ignored.
    pub fn handle_confirm(&mut self, device: &DeviceId, yes: bool) {
        if !self.finished {
            let outcome = self.accord.handle_confirm(device, yes);
            self.settle(outcome);
        }
    }

    /// What [`Output::Paired`] brought is durable.
    pub fn handle_stored(&mut self) {
        if !self.finished {
            let outcome = self.accord.handle_stored();
            self.settle(outcome);
        }
    }

    /// Takes the offer back.
    pub fn cancel(&mut self) {
        if !self.finished {
            self.finish(Err(Failure::Declined { by_peer: false }));
        }
    }

    /// A time that [`PairingOffer::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.finished {
            return;
        }
        let late: Vec<ConnectionId> =
            self.waiting.iter().filter(|(_, (_, until))| now >= *until).map(|(connection, _)| *connection).collect();
        for connection in late {
            self.drop_connection(connection);
        }
        if let Some(attempt) = self.attempt.take_if(|attempt| now >= attempt.until) {
            self.event(Event::Interrupted);
            self.close(attempt.connection);
            self.count_failure();
        }
        let is_over = match self.proven_until {
            Some(until) => now >= until,
            None => now >= self.expires && self.attempt.is_none(),
        };
        if is_over && !self.finished {
            self.finish(Err(Failure::Expired));
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.accord.outputs.pop_front()
    }

    /// When [`PairingOffer::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let end = match (self.proven_until, &self.attempt) {
            (Some(until), _) => until,
            (None, Some(attempt)) => attempt.until,
            (None, None) => self.expires,
        };
        self.waiting.values().map(|(_, until)| *until).chain([end]).min()
    }

    fn settle(&mut self, outcome: Result<Progress, Failure>) {
        match outcome {
            Ok(Progress::Open) => {}
            Ok(Progress::Complete) => self.finish(Ok(())),
            Err(failure) => self.finish(Err(failure)),
        }
    }

    fn finish(&mut self, outcome: Result<(), Failure>) {
        let attempt = self.attempt.take().map(|attempt| attempt.connection);
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_keys().chain(attempt).for_each(|connection| self.close(connection));
        self.accord.stop(outcome.err());
        self.finished = true;
        // What this side holds for good, nothing takes back: the other side gets it when it asks again.
        let outcome = if self.accord.is_signed() { Ok(()) } else { outcome };
        self.accord.outputs.push_back(Output::Finished(outcome));
    }

    fn drop_connection(&mut self, connection: ConnectionId) {
        self.waiting.remove(&connection);
        self.close(connection);
        if self.is_attempt(connection) {
            self.attempt = None;
            self.count_failure();
        }
    }

    fn refuse(&mut self, connection: ConnectionId, refusal: Refusal) {
        self.send(connection, &Frame::Refuse(refusal));
        self.close(connection);
    }

    fn send(&mut self, connection: ConnectionId, frame: &Frame) {
        self.accord.outputs.push_back(Output::Send(connection, frame.to_bytes()));
    }

    fn close(&mut self, connection: ConnectionId) {
        self.accord.outputs.push_back(Output::Close(connection));
    }

    fn event(&mut self, event: Event) {
        self.accord.outputs.push_back(Output::Event(event));
    }
}

impl fmt::Debug for PairingOffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PairingOffer({} attempts left, ..)", self.attempts_left)
    }
}
