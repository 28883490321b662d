//! The side that enters a code.

use std::fmt;
use std::time::Instant;

use betwixt_model::ids::DeviceId;
use rand_core::CryptoRngCore;

use super::accord::{Accord, Progress};
use super::code::Entered;
use super::exchange::{PasswordExchange, Role, RunKeys, Spake2Exchange};
use super::frame::{Answer, Frame, MAX_UNPROVEN_FRAME, METHOD_CODE, METHOD_TICKET, Refusal, Start, VERSIONS};
use super::{CONFIRM_TIME, Channel, Event, Failure, LIFETIME, Local, LocalError, Output, Purpose, RUNS, STEP_TIME};
use crate::dialer::ConnectionId;

/// One code as it was entered, and at most [`RUNS`] failed runs with it, one after the other.
///
/// Dial the offers that its digits or addresses find, one at a time, until [`Output::Finished`].
pub struct PairingJoin {
    entered: Entered,
    purpose: Purpose,
    pub(super) accord: Accord,
    expires: Instant,
    runs_left: u32,
    run: Option<Run>,
    proven_until: Option<Instant>,
    finished: bool,
}

/// A run before the other side has proven the code.
struct Run {
    connection: ConnectionId,
    until: Instant,
    step: Step,
}

enum Step {
    Started { channel: Channel, start: Start, exchange: Box<Spake2Exchange> },
    Proved(Box<RunKeys>),
}

impl PairingJoin {
    /// Begins to use what was entered; it holds for [`super::LIFETIME`].
    ///
    /// # Errors
    /// [`LocalError`] when this side cannot be introduced to another.
    pub fn new(local: Local, entered: Entered, purpose: Purpose, now: Instant) -> Result<Self, LocalError> {
        local.check(Role::Join, purpose)?;
        Ok(Self {
            entered,
            purpose,
            accord: Accord::new(Role::Join, purpose, local),
            expires: now + LIFETIME,
            runs_left: RUNS,
            run: None,
            proven_until: None,
            finished: false,
        })
    }

    /// What was entered: where to look.
    pub fn entered(&self) -> &Entered {
        &self.entered
    }

    /// Whether to dial (again): there is no connection in use, and a run is left.
    pub fn wants_connection(&self) -> bool {
        !self.finished && self.run.is_none() && self.accord.connection().is_none()
    }

    /// A connection to an offer stands, and what TLS says of it. One at a time: a second one is closed.
    pub fn handle_connected(
        &mut self,
        connection: ConnectionId,
        channel: Channel,
        now: Instant,
        rng: &mut impl CryptoRngCore,
    ) {
        if self.finished {
            return;
        }
        if !self.wants_connection() || now >= self.expires {
            return self.close(connection);
        }
        let (exchange, share) = Spake2Exchange::start(Role::Join, &self.entered.password(), rng);
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let method = match self.entered {
            Entered::Code(_) => METHOD_CODE,
            Entered::Ticket(_) => METHOD_TICKET,
        };
        let start = Start { versions: VERSIONS, purpose: self.purpose.byte(), method, nonce, share };
        self.send(connection, &Frame::Start(start.clone()));
        let step = Step::Started { channel, start, exchange: Box::new(exchange) };
        self.run = Some(Run { connection, until: now + STEP_TIME, step });
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
        let Some(run) = self.run.take_if(|run| run.connection == connection) else { return };
        let parsed = if frame.len() <= MAX_UNPROVEN_FRAME { Frame::parse(frame) } else { None };
        match (parsed, run.step) {
            (Some(Frame::Refuse(refusal)), step) => {
                self.close(connection);
                self.handle_refusal(refusal, matches!(step, Step::Proved(_)));
            }
            (Some(Frame::Answer(answer)), Step::Started { channel, start, exchange }) => {
                self.handle_answer(connection, &channel, &start, *exchange, &answer, now);
            }
            (Some(Frame::Proof(proof)), Step::Proved(keys)) => {
                if !keys.verifies(Role::Offer, &proof) {
                    self.close(connection);
                    return self.wrong_code();
                }
                self.runs_left += 1;
                self.proven_until = Some(now + CONFIRM_TIME);
                self.accord.begin(connection, keys.seal(Role::Join), rng);
            }
            (_, step) => {
                self.event(Event::Malformed);
                self.close(connection);
                self.ended_early(matches!(step, Step::Proved(_)));
            }
        }
    }

    fn handle_answer(
        &mut self,
        connection: ConnectionId,
        channel: &Channel,
        start: &Start,
        exchange: Spake2Exchange,
        answer: &Answer,
        now: Instant,
    ) {
        // Both ranges are part of what is proven, so nobody can talk the two down to an older version.
        let expected = VERSIONS.1.min(answer.versions.1);
        let common = exchange.finish(&answer.share).filter(|_| answer.version == expected && expected >= VERSIONS.0);
        let Some(common) = common else {
            self.event(Event::Malformed);
            return self.close(connection);
        };
        let keys = RunKeys::derive(&common, Role::Join, channel, start, answer);
        // From here on a false offer can tell whether one guess at the code was right.
        self.runs_left = self.runs_left.saturating_sub(1);
        self.send(connection, &Frame::Proof(keys.proof(Role::Join)));
        self.run = Some(Run { connection, until: now + STEP_TIME, step: Step::Proved(Box::new(keys)) });
    }

    fn handle_refusal(&mut self, refusal: Refusal, has_proved: bool) {
        match refusal {
            Refusal::WrongCode if has_proved => return self.wrong_code(),
            Refusal::WrongCode => self.event(Event::Malformed),
            Refusal::Busy => self.event(Event::Busy),
            Refusal::Version((least, greatest)) => self.event(Event::VersionMismatch(least, greatest)),
            Refusal::Purpose => self.event(Event::PurposeMismatch),
        }
        self.ended_early(has_proved);
    }

    fn wrong_code(&mut self) {
        self.event(Event::WrongCode { left: self.runs_left });
        self.ended_early(true);
    }

    /// A run that ended after this side's proof was one guess for whoever was at the other end.
    fn ended_early(&mut self, has_proved: bool) {
        if has_proved && self.runs_left == 0 {
            self.finish(Err(Failure::WrongCode));
        }
    }

    /// A connection is gone.
    pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
        if self.finished {
            return;
        }
        if self.accord.connection() == Some(connection) {
            self.accord.interrupted();
            self.proven_until = None;
            self.event(Event::Interrupted);
        } else if let Some(run) = self.run.take_if(|run| run.connection == connection) {
            self.event(Event::Interrupted);
            self.ended_early(matches!(run.step, Step::Proved(_)));
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

    /// Gives up.
    pub fn cancel(&mut self) {
        if !self.finished {
            self.finish(Err(Failure::Declined { by_peer: false }));
        }
    }

    /// A time that [`PairingJoin::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.finished {
            return;
        }
        if let Some(run) = self.run.take_if(|run| now >= run.until) {
            self.event(Event::Interrupted);
            self.close(run.connection);
            self.ended_early(matches!(run.step, Step::Proved(_)));
        }
        let is_over = match self.proven_until {
            Some(until) => now >= until,
            None => now >= self.expires && self.run.is_none(),
        };
        if is_over && !self.finished {
            self.finish(Err(Failure::Expired));
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.accord.outputs.pop_front()
    }

    /// When [`PairingJoin::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        match (self.proven_until, &self.run) {
            (Some(until), _) => Some(until),
            (None, Some(run)) => Some(run.until),
            (None, None) => Some(self.expires),
        }
    }

    fn settle(&mut self, outcome: Result<Progress, Failure>) {
        match outcome {
            Ok(Progress::Open) => {}
            Ok(Progress::Complete) => self.finish(Ok(())),
            Err(failure) => self.finish(Err(failure)),
        }
    }

    fn finish(&mut self, outcome: Result<(), Failure>) {
        if let Some(run) = self.run.take() {
            self.close(run.connection);
        }
        self.accord.stop(outcome.err());
        self.finished = true;
        let outcome = if self.accord.is_signed() { Ok(()) } else { outcome };
        self.accord.outputs.push_back(Output::Finished(outcome));
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

impl fmt::Debug for PairingJoin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PairingJoin({} runs left, ..)", self.runs_left)
    }
}
