//! What a passphrase is said for once more: the ways to open the home, and new keys after a leak.

use std::sync::Arc;
use std::time::Instant;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_store::Home;
use betwixt_store::keys::{Cost, DataKeys};
use ed25519_dalek::SigningKey;
use tokio::sync::oneshot;

use super::opening::let_go;
use super::{Daemon, State, busy};
use crate::answer::problem::home_problem;
use crate::answer::{leave, ways};
use crate::event::{Finished, Renewed};
use crate::house::{self, House};
use crate::http::{Answer, Response, WayRequest, WayResponse};
use crate::open::Open;
use crate::telling;
use crate::writes::Write;

impl Daemon {
    /// Answers a request about the ways to open the home.
    pub(super) fn way(&mut self, request: WayRequest, answer: oneshot::Sender<Answer>) {
        if let (State::Locked, WayRequest::Leave(proof)) = (&self.state, &request) {
            let (home, secret) = (self.options.home.clone(), proof.passphrase.clone());
            self.state = State::Busy;
            return self.beside(move || {
                let home = Home::open(&home).map_err(|error| home_problem(&error));
                let proven = home.and_then(|home| house::open_keys(&home, &secret).map(drop));
                Some(Finished::MayLeave(proven, answer))
            });
        }
        let State::Open(open) = &mut self.state else { return drop(answer.send(Err(self.not_open()))) };
        // Deriving a key takes memory and time by intention: whoever may try passphrases tries one after another.
        if std::mem::replace(&mut open.unlocking, true) {
            return drop(answer.send(Err(busy())));
        }
        let handle = open.house.handle();
        match request {
            WayRequest::Passphrase(change) if change.leaked => {
                self.beside(move || Some(Finished::MayRenew(handle.everything(&change.present), change.new, answer)))
            }
            WayRequest::Leave(proof) => {
                self.beside(move || Some(Finished::MayLeave(handle.everything(&proof.passphrase).map(drop), answer)));
            }
            request => self.beside(move || {
                let outcome = ways::answer(&handle, &request);
                let key = ways::recovery_key(Some(&request), &outcome);
                Some(Finished::Tried(outcome, key, answer))
            }),
        }
    }

    /// The passphrase was tried, and what it was said for is done. The key of a recovery code goes into the roster before anybody
    /// is told.
    pub(super) fn tried(&mut self, outcome: Answer, key: Option<SigningKey>, answer: oneshot::Sender<Answer>) {
        match (&mut self.state, key) {
            (State::Open(open), Some(key)) => {
                open.unlocking = false;
                open.engine.write(Write::RecoveryKey(key, answer, Box::new(outcome)));
            }
            (state, _) => {
                if let State::Open(open) = state {
                    open.unlocking = false;
                }
                // Whoever asked may be gone.
                let _ = answer.send(outcome);
            }
        }
    }

    /// The passphrase was tried; when it is right, the daemon goes down, as ever, and destroys the keys before it ends.
    pub(super) fn may_leave(&mut self, proven: Result<(), Problem>, answer: oneshot::Sender<Answer>) {
        match &mut self.state {
            State::Open(open) => open.unlocking = false,
            State::New | State::Locked | State::Busy => self.settle_state(),
        }
        match proven {
            Ok(()) => {
                self.leaving = Some(answer);
                self.going_down = true;
            }
            Err(problem) => drop(answer.send(Err(problem))),
        }
    }

    /// Destroys the home that was closed, if it is to be left. Whoever asked for it is answered.
    pub(super) async fn leave(&mut self, house: Option<House>) {
        let Some(answer) = self.leaving.take() else { return };
        let path = self.options.home.clone();
        let left = tokio::task::spawn_blocking(move || {
            let home = match house {
                Some(house) => house.release_at_once(),
                None => Arc::new(Home::open(&path).map_err(|error| home_problem(&error))?),
            };
            leave::leave(&home)
        });
        let outcome = left.await.unwrap_or_else(|_| {
            let detail = "The keys may still be there: look with `betwixt status`, and leave again if they are.";
            Err(Problem::new(ProblemKind::Internal, detail))
        });
        // Whoever asked may be gone.
        let _ = answer.send(outcome.map(|left| Response::Ways(WayResponse::Left(left))));
    }

    /// The passphrase was tried; when it is right, the home is closed, gets new keys, and is opened again.
    pub(super) fn may_renew(
        &mut self,
        keys: Result<DataKeys, Problem>,
        new: api::Secret,
        answer: oneshot::Sender<Answer>,
        now: Instant,
    ) {
        let State::Open(open) = &mut self.state else { return drop(answer.send(Err(self.not_open()))) };
        if open.engine.is_committing() {
            // Once more, when the stage is down.
            let _ = self.finished.send(Finished::MayRenew(keys, new, answer));
            return;
        }
        open.unlocking = false;
        let keys = match keys {
            Ok(keys) => keys,
            Err(problem) => return drop(answer.send(Err(problem))),
        };
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Busy) else { return };
        open.engine.end_all(now);
        open.carry_out(now);
        self.net = None;
        let (bind, port) = (self.options.bind(), self.options.fixed_port());
        let progress = self.progress();
        let Open { net, house, notices, troubles, searching, .. } = *open;
        let working = searching.working();
        self.beside(move || {
            working.end();
            if let Err(error) = telling::keep(&house.store, &notices) {
                tracing::warn!(%error, "readers of events will have to read everything again");
            }
            drop(notices);
            let_go(net, bind, port);
            let (opened, outcome) = ways::renew(house, &keys, &new, Cost::default(), progress);
            Some(Finished::Renewed(Box::new(Renewed { opened, outcome, troubles }), answer))
        });
    }

    pub(super) fn renewed(&mut self, renewed: Renewed, answer: oneshot::Sender<Answer>, now: Instant) {
        let Renewed { opened, outcome, mut troubles } = renewed;
        let opened = opened.and_then(|opened| {
            troubles.extend(opened.troubles);
            self.open(opened.house, troubles, now)
        });
        self.settle_state();
        // What was changed is told, also where the home did not open again by itself: the new code is in it.
        if let (Err(problem), Ok(_)) = (&opened, &outcome) {
            tracing::error!(%problem, "the home did not open again under its new keys");
        }
        let outcome = outcome.map(|changed| Response::Ways(WayResponse::Changed(changed)));
        let key = ways::recovery_key(None, &outcome);
        self.tried(outcome, key, answer);
    }
}
