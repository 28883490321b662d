//! From one state of the home to the next: founding, unlocking, restoring, and closing it.

use std::time::Instant;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_net::{Bind, Net};
use tokio::sync::{mpsc, oneshot};

use super::{Daemon, FAREWELL, RELEASE, State, busy};
use crate::answer::backups;
use crate::event::Finished;
use crate::house::{self, House};
use crate::http::{Answer, Response, Sees};
use crate::open::Open;
use crate::staging::moment;
use crate::telling;
use crate::writes::Write;

/// Ends the network of a home that is to be opened again, and waits until the port that was asked for is free: connections and dials
/// that are on their way hold it for a while. Blocks, and belongs beside the loop.
pub(super) fn let_go(net: Net, bind: Bind, port: Option<u16>) {
    tokio::runtime::Handle::current().block_on(net.shut_down());
    if let Some(port) = port {
        betwixt_net::wait_until_free(bind, port, RELEASE);
    }
}

impl Daemon {
    pub(super) fn init(&mut self, request: api::InitRequest, answer: oneshot::Sender<Answer>) {
        match self.state {
            State::New | State::Locked => {}
            State::Busy => return drop(answer.send(Err(busy()))),
            State::Open(_) => {
                let problem = Problem::new(ProblemKind::AlreadySetUp, "There is a home here already.");
                return drop(answer.send(Err(problem)));
            }
        }
        self.state = State::Busy;
        let home = self.options.home.clone();
        self.beside(move || Some(Finished::Founded(house::found(&home, &request), answer)));
    }

    pub(super) fn unlock(&mut self, request: api::UnlockRequest, answer: oneshot::Sender<Answer>) {
        match &mut self.state {
            State::New => {
                let problem = Problem::new(ProblemKind::NotSetUp, "There is no home here yet: run `betwixt init`.");
                drop(answer.send(Err(problem)));
            }
            State::Busy => drop(answer.send(Err(busy()))),
            State::Locked => {
                self.state = State::Busy;
                let (home, progress) = (self.options.home.clone(), self.progress());
                let unlock = move || house::unlock(&home, &request.passphrase, progress);
                self.beside(move || Some(Finished::Unlocked(unlock(), answer)));
            }
            State::Open(open) => {
                // Deriving a key takes memory and time by intention: whoever may try passphrases tries one after another.
                if std::mem::replace(&mut open.unlocking, true) {
                    return drop(answer.send(Err(busy())));
                }
                let handle = open.house.handle();
                self.beside(move || Some(Finished::PrivateKey(handle.private_key(&request.passphrase), answer)));
            }
        }
    }

    pub(super) fn pairing_takes_passphrase(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.pairing_takes_passphrase())
    }

    /// Tries the passphrase that lets a device of one's own in, beside the loop.
    pub(super) fn allow_pairing(&mut self, request: api::ConfirmPairing, answer: oneshot::Sender<Answer>) {
        let State::Open(open) = &mut self.state else { return };
        let Some(passphrase) = request.passphrase else {
            let words = "A device that will hold your private pages is let in with your passphrase.";
            return drop(answer.send(Err(Problem::new(ProblemKind::WrongPassphrase, words).about("passphrase"))));
        };
        if std::mem::replace(&mut open.unlocking, true) {
            return drop(answer.send(Err(busy())));
        }
        let handle = open.house.handle();
        self.beside(move || Some(Finished::PairingAllowed(handle.private_key(&passphrase).map(drop), answer)));
    }

    pub(super) fn restore(&mut self, request: api::RestoreRequest, answer: oneshot::Sender<Answer>) {
        if matches!(self.state, State::Busy) {
            return drop(answer.send(Err(busy())));
        }
        let house = match std::mem::replace(&mut self.state, State::Busy) {
            State::Open(mut open) => {
                if open.engine.is_committing() {
                    self.state = State::Open(open);
                    return drop(answer.send(Err(busy())));
                }
                open.engine.end_all(Instant::now());
                open.carry_out(Instant::now());
                self.net = None;
                let Open { net, house, searching, .. } = *open;
                Some((net, house, searching.working()))
            }
            _ => None,
        };
        let home = self.options.home.clone();
        let (bind, port) = (self.options.bind(), self.options.fixed_port());
        self.beside(move || {
            let house = house.map(|(net, house, searching)| {
                searching.end();
                let_go(net, bind, port);
                house
            });
            let outcome = backups::restore(&home, house, &request).map(Response::Restored);
            Some(Finished::Restored(outcome, answer))
        });
    }

    pub(super) fn handle_finished(&mut self, finished: Finished, now: Instant) {
        match finished {
            Finished::Committed(outcome) => {
                if let State::Open(open) = &mut self.state {
                    open.engine.handle_committed(&mut open.house.replica, outcome, now);
                }
            }
            Finished::Founded(outcome, answer) => {
                let outcome = outcome.and_then(|(house, code)| {
                    self.open(house, Vec::new(), now)?;
                    Ok(Response::Initialised(api::Initialised {
                        status: self.status(Sees::Everything)?,
                        recovery_code: Some(code),
                    }))
                });
                self.settle_state();
                let _ = answer.send(outcome);
            }
            Finished::Unlocked(outcome, answer) => {
                let outcome = outcome.and_then(|opened| {
                    self.open(opened.house, opened.troubles, now)?;
                    self.status(Sees::Everything).map(Response::Status)
                });
                self.settle_state();
                // Before anything is written today: what was there before is what a snapshot is for.
                self.look_after();
                let _ = answer.send(outcome);
            }
            Finished::PrivateKey(outcome, answer) => {
                let State::Open(open) = &mut self.state else { return };
                if open.engine.is_committing() {
                    // Once more, when the stage is down.
                    let _ = self.finished.send(Finished::PrivateKey(outcome, answer));
                    return;
                }
                open.unlocking = false;
                let outcome = outcome.and_then(|key| open.house.unlock_mine(key));
                if outcome.is_ok() {
                    open.private_opened(now);
                    open.open_attachments(betwixt_model::document::Scope::Mine, now);
                    open.tell_unlocked();
                }
                let _ = answer.send(outcome.and_then(|()| self.status(Sees::Everything).map(Response::Status)));
            }
            Finished::PairingAllowed(outcome, answer) => {
                let State::Open(open) = &mut self.state else { return };
                open.unlocking = false;
                let outcome = outcome.and_then(|()| open.pairing_confirm(true, now));
                let _ = answer.send(outcome.map(Response::Pairing));
            }
            Finished::Tried(outcome, key, answer) => self.tried(outcome, key, answer),
            Finished::TakenIn(taken, answer) => self.taken_in(taken, answer, now),
            Finished::Moved(moved) => {
                if let State::Open(open) = &mut self.state {
                    open.handle_moved(moved, now);
                }
            }
            Finished::FoundDamaged(documents) => {
                if let State::Open(open) = &mut self.state {
                    documents.into_iter().for_each(|document| open.engine.found_damaged(document));
                }
            }
            Finished::MayLeave(proven, answer) => self.may_leave(proven, answer),
            Finished::MayRenew(keys, new, answer) => self.may_renew(keys, new, answer, now),
            Finished::Renewed(renewed, answer) => self.renewed(*renewed, answer, now),
            Finished::Searched(slice) => {
                if let State::Open(open) = &mut self.state {
                    match slice.change {
                        Some(change) => open.engine.write(Write::Searched(change, Some(slice.then))),
                        None => open.searching.ended(slice.then, now),
                    }
                }
            }
            Finished::SearchDamaged(changes) => {
                if let State::Open(open) = &mut self.state {
                    open.search_anew(changes);
                }
            }
            // Where the home is no longer open, whoever reads the file hears that the daemon goes down.
            Finished::Carried(carried, sender) => {
                if let State::Open(open) = &mut self.state {
                    open.take_in(carried, sender, now);
                }
            }
            Finished::Restored(outcome, answer) => {
                self.settle_state();
                let _ = answer.send(outcome);
            }
        }
    }

    pub(super) fn open(&mut self, house: House, troubles: Vec<String>, now: Instant) -> Result<(), Problem> {
        let opened = Open::new(house, troubles, &self.options, self.registry.clone(), self.finished.clone(), now);
        let (mut open, events) = opened.map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))?;
        open.private_opened(now);
        self.state = State::Open(Box::new(open));
        self.net = Some(events);
        self.listen_as_set();
        Ok(())
    }

    /// What is there after work that had the home has failed.
    pub(super) fn settle_state(&mut self) {
        if matches!(self.state, State::Busy) {
            let exists = betwixt_store::Home::exists(&self.options.home);
            self.state = if exists { State::Locked } else { State::New };
        }
    }

    /// Ends sessions, waits for what is on its way to the disk, and closes the home.
    pub(super) async fn shut_down(&mut self, done: &mut mpsc::UnboundedReceiver<Finished>) {
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Busy) else {
            return self.leave(None).await;
        };
        open.house.home.closing();
        let now = Instant::now();
        while open.engine.is_committing() {
            match done.recv().await {
                Some(Finished::Committed(outcome)) => {
                    open.engine.handle_committed(&mut open.house.replica, outcome, now);
                    open.carry_out(now);
                }
                Some(_) => {}
                None => break,
            }
        }
        open.tell_farewell();
        open.engine.end_all(now);
        open.carry_out(now);
        if let Some(stage) = open.engine.stage_last(&mut open.house.replica, moment(now))
            && let Ok(Err(error)) = tokio::task::spawn_blocking(move || stage.commit()).await
        {
            tracing::warn!(%error, "what may be lost was lost");
        }
        let Open { net, house, notices, waiters, searching, .. } = *open;
        let working = searching.working();
        // It ends in no other way.
        let _ = tokio::task::spawn_blocking(move || working.end()).await;
        let store = house.store.clone();
        let kept = tokio::task::spawn_blocking(move || telling::keep(&store, &notices)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "readers of events will have to read everything again");
        }
        drop(waiters);
        if tokio::time::timeout(FAREWELL, net.shut_down()).await.is_err() {
            tracing::info!("the other devices were not waited for");
        }
        if self.leaving.is_some() {
            return self.leave(Some(house)).await;
        }
        let closed = tokio::task::spawn_blocking(move || house.close()).await;
        if let Ok(Err(problem)) = closed {
            tracing::error!(%problem, "the home was not closed as it should be");
        }
    }
}
