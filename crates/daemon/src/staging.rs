//! What the daemon stages beside what its engine does, and what follows once that is on disk.

use std::collections::BTreeSet;
use std::time::Instant;

use betwixt_api::NoticeKind;
use betwixt_model::document::Scope;
use betwixt_model::ids::{EpochId, ItemId};
use betwixt_model::schema::Kind;
use betwixt_model::seal;
use betwixt_net::Net;
use betwixt_net::interfaces::NetworkId;
use betwixt_sync::pairing::{Outcome, PeerIdentity};
use betwixt_sync::roster::SignedStatement;
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use tokio::sync::oneshot;

use crate::answer::{carry, devices, problem, says, unsigned};
use crate::engine::{self, MAX_ADDRESSES, Moment};
use crate::http::access::Stored;
use crate::http::{Answer, Request, Response, Sees};
use crate::idle::Idle;
use crate::open::{LISTEN, Open, PAUSED, PeerNames, SETTLING, mark_home, names_setting};
use crate::replica::{ActError, Belonging, Replica, Stage, StageError};
use crate::searching::{self, Then};
use crate::writes::{After, Write};

/// In how many sessions it is looked for sealed answers that are due before others are answered: a life has thousands.
const SESSIONS_AT_ONCE: usize = 256;

impl Open {
    /// Stages what waits; `None` when nothing does, or something is on its way already.
    pub(crate) fn stage(&mut self, now: Instant) -> Option<Stage> {
        let Self { engine, house, net, home_networks, rng, .. } = self;
        let moment = moment(now);
        let mut own = Own { net, home_networks, rng, date: moment.date, at: moment.at };
        engine.stage(&mut house.replica, moment, |replica, stage, write| own.stage(replica, stage, write))
    }

    /// What follows a write that is on disk.
    pub(crate) fn follow(&mut self, after: After, now: Instant) {
        let outcome = match after {
            After::Answer(sender, answer) => {
                // Whoever asked may be gone.
                let _ = sender.send(*answer);
                Ok(())
            }
            After::Unsigned(place, outcome) => {
                if place.document.scope == Scope::Mine {
                    self.idle.used(now, Timestamp::now());
                }
                self.bridge.answered(&place, &outcome);
                Ok(())
            }
            After::Frontends(change, answer) => {
                self.frontends.apply(&change);
                if let Some((sender, answer)) = answer {
                    // Whoever asked may be gone.
                    let _ = sender.send(*answer);
                }
                Ok(())
            }
            After::Lock(sender) => {
                self.lock(sender);
                Ok(())
            }
            After::IdleLimit(seconds, sender) => {
                self.idle.set(seconds);
                self.idle.used(now, Timestamp::now());
                let status = self.status(self.house.home.path(), Sees::Everything).map(Response::Status);
                // Whoever asked may be gone.
                let _ = sender.send(status);
                Ok(())
            }
            After::RecoveryKey(sender, answer) => {
                // Whoever asked may be gone.
                let _ = sender.send(*answer);
                self.engine.roster_changed(&self.house.replica, now)
            }
            After::NewEpoch => self.engine.roster_changed(&self.house.replica, now),
            After::Searched(then) => {
                match then {
                    Some(then) => self.searching.ended(then, now),
                    None => self.searching.may_be_due(now),
                }
                Ok(())
            }
            After::OpenAnswers(sessions) => {
                self.engine.write(Write::OpenAnswers(Some(sessions)));
                Ok(())
            }
            After::Nothing => Ok(()),
            After::Paired(peer) => {
                let outcome = self.engine.roster_changed(&self.house.replica, now);
                self.pairing_stored(&peer);
                self.bridge.opened();
                // There was no shared part before.
                self.open_attachments(Scope::Ours, now);
                outcome
            }
            After::Joined(peer) => {
                if let Err(error) = self.joined(now) {
                    tracing::error!(%error, "the home cannot be opened as what it is now");
                    self.trouble("This home is another device of yours now. Restart `betwixt` to go on with it.");
                }
                let outcome = self.engine.roster_changed(&self.house.replica, now);
                self.pairing_stored(&peer);
                self.private_opened(now);
                outcome
            }
            After::Devices(answer) => {
                let outcome = self.engine.roster_changed(&self.house.replica, now);
                let devices = self.devices().map(Response::Devices).map_err(|error| problem::storage_problem(&error));
                // Whoever asked may be gone.
                let _ = answer.send(devices);
                outcome
            }
            After::Carried(sender, took) => {
                let outcome =
                    if took.devices_changed { self.engine.roster_changed(&self.house.replica, now) } else { Ok(()) };
                // Whoever read the file may be gone.
                let _ = sender.send(Ok(took));
                outcome
            }
            After::Addresses { answer, removed } => {
                if let Some(address) = removed {
                    for peer in self.peers() {
                        self.engine.dialer().remove_candidate(peer, address, now);
                    }
                }
                let outcome = self.engine.addresses_changed(&self.house.replica, now);
                // Whoever asked may be gone.
                let _ = answer.send(self.addresses().map(Response::Addresses));
                outcome
            }
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "what follows a commit failed");
        }
    }

    /// A stage was lost: whoever waits for it is told.
    pub(crate) fn refuse(&mut self, after: Vec<After>, waiting: Vec<Write>, error: &StageError) {
        let problem = problem::stage_problem(error);
        for after in after {
            match after {
                After::Answer(sender, _)
                | After::Devices(sender)
                | After::IdleLimit(_, sender)
                | After::Addresses { answer: sender, .. }
                | After::Frontends(_, Some((sender, _))) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(Err(problem.clone()));
                }
                After::RecoveryKey(sender, answer) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(*answer);
                }
                After::Unsigned(place, _) => self.bridge.answered(&place, &Err(problem.clone())),
                // Whoever read the file may be gone.
                After::Carried(sender, _) => drop(sender.send(Err(problem.clone()))),
                After::Searched(then) => self.search_later(then),
                // It needs no disk.
                After::Lock(sender) => self.lock(sender),
                After::NewEpoch => self.epoch_renewed = false,
                After::Paired(_) | After::Joined(_) => self.pairing_failed(&problem),
                After::OpenAnswers(_) | After::Nothing | After::Frontends(_, None) => {}
            }
        }
        for write in waiting {
            match write {
                Write::Api(.., sender)
                | Write::File(.., sender)
                | Write::Device(_, sender)
                | Write::IdleLimit(_, sender)
                | Write::Frontends(_, Some((sender, _)))
                | Write::Listen(_, sender, _)
                | Write::Paused(_, sender, _) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(Err(problem.clone()));
                }
                // Whoever read the file may be gone.
                Write::Carried(_, sender) => drop(sender.send(Err(problem.clone()))),
                Write::Unsigned { place, .. } => self.bridge.answered(&place, &Err(problem.clone())),
                Write::RecoveryKey(_, sender, answer) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(*answer);
                }
                Write::Searched(_, then) => self.search_later(then),
                Write::Lock(sender) => self.lock(sender),
                Write::NewEpoch => self.epoch_renewed = false,
                Write::Pair(..) => self.pairing_failed(&problem),
                // Looked for below; a frontend is used again.
                Write::OpenAnswers(_) | Write::Frontends(_, None) => {}
            }
        }
        // Answers may have been about to be opened, and nothing else would come by there before the next start. Not where the
        // store is open: then the disk was not what refused, and the same could be refused over and over.
        if self.engine.is_recovering() {
            self.engine.write(Write::OpenAnswers(None));
        }
    }

    /// How far a search index has come could not be written down: it is taken in once more.
    fn search_later(&mut self, then: Option<Then>) {
        if then.is_some() {
            self.searching.ended(Then::Later, Instant::now());
        }
    }

    /// Locks the private part when nobody has used it for as long as was chosen.
    pub(crate) fn lock_if_idle(&mut self, now: Instant) {
        if self.house.store.mine_is_open() && self.idle.take_due(now, Timestamp::now()) {
            // Nobody waits for the answer.
            self.lock_soon(oneshot::channel().0);
        }
    }

    /// Locks the private part, once what was asked before is done.
    pub(crate) fn lock_soon(&mut self, answer: oneshot::Sender<Answer>) {
        if self.engine.is_idle() || self.engine.is_recovering() {
            self.lock(answer);
        } else {
            self.engine.write(Write::Lock(answer));
        }
    }

    /// Locks the private part. Only while no stage is on its way.
    fn lock(&mut self, answer: oneshot::Sender<Answer>) {
        let home = self.house.home.path().to_owned();
        let locked = self.house.lock_mine();
        self.differing.forget(Scope::Mine);
        self.waiting.forget(Scope::Mine);
        self.lock_attachments();
        self.bridge.locked();
        self.notices.tell_all(NoticeKind::Locked);
        let locked = locked.and_then(|()| self.status(&home, Sees::Everything)).map(Response::Status);
        // Whoever asked may be gone.
        let _ = answer.send(locked);
    }

    /// Sealed answers of which something arrived or was said may be due to be opened.
    pub(crate) fn look_at_seals(&mut self, committed: &crate::replica::Committed) {
        let mut sessions: Vec<ItemId> = Vec::new();
        for (scope, key) in &committed.fields {
            if *scope == Scope::Ours && key.kind == seal::KIND && !sessions.contains(&key.item) {
                sessions.push(key.item);
            }
        }
        if !sessions.is_empty() {
            self.engine.write(Write::OpenAnswers(Some(sessions)));
        }
    }

    /// The private part was opened: answers that wait for their texts may be due.
    pub(crate) fn private_opened(&mut self, now: Instant) {
        self.waiting.forget(Scope::Mine);
        self.idle.used(now, Timestamp::now());
        self.bridge.opened();
        self.searching.may_be_due(now);
        self.answers_at = Some(now + SETTLING);
    }
}

/// What staging needs of an open home, apart from its engine and its replica.
struct Own<'a> {
    net: &'a Net,
    home_networks: &'a mut BTreeSet<NetworkId>,
    rng: &'a mut ChaCha20Rng,
    date: Date,
    at: i64,
}

impl Own<'_> {
    fn stage(&mut self, replica: &mut Replica, stage: &mut Stage, write: Write) -> Result<After, StageError> {
        match write {
            Write::Api(sees, request, sender) => match self.stage_request(replica, stage, sees, request) {
                Ok(Staged::Answer(answer)) => Ok(After::Answer(sender, answer)),
                Ok(Staged::Addresses { removed }) => Ok(After::Addresses { answer: sender, removed }),
                Err(error) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(Err(problem::stage_problem(&error)));
                    Err(error)
                }
            },
            Write::File(sees, key, stored, sender) => {
                match says::attach(replica, stage, self.date, self.rng, sees, (key.as_deref(), *stored)) {
                    Ok(answer) => Ok(After::Answer(sender, Box::new(answer))),
                    Err(error) => {
                        // Whoever asked may be gone.
                        let _ = sender.send(Err(problem::stage_problem(&error)));
                        Err(error)
                    }
                }
            }
            Write::Unsigned { place, sees, unsigned } => {
                let scope = place.document.scope;
                let said = unsigned::say(replica, stage, self.date, self.rng, sees, scope, &place.name, *unsigned)?;
                Ok(After::Unsigned(place, Box::new(said)))
            }
            Write::Frontends(change, answer) => {
                let mut stored = Stored::read(&stage.batch().reader())?;
                match change.apply(&mut stored) {
                    Ok(true) => {
                        stored.write(stage.batch())?;
                        Ok(After::Frontends(change, answer))
                    }
                    // Not made once more in memory, either, where it may have been revoked since.
                    Ok(false) => Ok(answer.map_or(After::Nothing, |(sender, answer)| After::Answer(sender, answer))),
                    Err(problem) => {
                        if let Some((sender, _)) = answer {
                            // Whoever asked may be gone.
                            let _ = sender.send(Err(problem));
                        }
                        Ok(After::Nothing)
                    }
                }
            }
            Write::Listen(address, sender, answer) => {
                let address = address.map(|address| address.to_string());
                stage.batch().put_setting(Scope::Ours, LISTEN, &address)?;
                Ok(After::Answer(sender, answer))
            }
            Write::Device(change, sender) => Ok(match devices::change(replica, stage, &change)? {
                Ok(()) => After::Devices(sender),
                Err(problem) => After::Answer(sender, Box::new(Err(problem))),
            }),
            Write::Paused(paused, sender, answer) => {
                stage.batch().put_setting(Scope::Ours, PAUSED, &paused)?;
                Ok(After::Answer(sender, answer))
            }
            Write::Lock(sender) => Ok(After::Lock(sender)),
            Write::IdleLimit(seconds, sender) => {
                Idle::keep(stage.batch(), seconds)?;
                Ok(After::IdleLimit(seconds, sender))
            }
            Write::RecoveryKey(key, sender, answer) => match replica.tell_recovery_key(stage, &key) {
                Ok(()) => Ok(After::RecoveryKey(sender, answer)),
                Err(error) => {
                    // Whoever asked may be gone.
                    let _ = sender.send(*answer);
                    Err(error)
                }
            },
            Write::Carried(carried, sender) => match carry::take_in(replica, stage, self.at, *carried) {
                Ok(Ok(took)) => Ok(After::Carried(sender, took)),
                // Whoever read the file may be gone.
                Ok(Err(problem)) => {
                    let _ = sender.send(Err(problem));
                    Ok(After::Nothing)
                }
                Err(error) => {
                    let _ = sender.send(Err(problem::stage_problem(&error)));
                    Err(error)
                }
            },
            Write::Searched(change, then) => {
                searching::write_down(replica, stage, change)?;
                Ok(After::Searched(then))
            }
            Write::NewEpoch => {
                let mut epoch = [0; 32];
                self.rng.fill_bytes(&mut epoch);
                replica.begin_epoch(stage, EpochId::from_bytes(epoch))?;
                Ok(After::NewEpoch)
            }
            Write::OpenAnswers(sessions) => {
                let mut sessions = match sessions {
                    Some(sessions) => sessions,
                    None => replica.sealed_sessions(stage)?,
                };
                let later = sessions.split_off(sessions.len().min(SESSIONS_AT_ONCE));
                replica.open_answers(stage, self.date, self.rng, &sessions)?;
                Ok(if later.is_empty() { After::Nothing } else { After::OpenAnswers(later) })
            }
            Write::Pair(peer, outcome) => match *outcome {
                Outcome::Founded { statements, .. } => {
                    self.found(replica, stage, &peer, statements)?;
                    Ok(After::Paired(peer))
                }
                Outcome::Added { statements } => {
                    replica.adopt(stage, statements)?;
                    self.met(stage, &peer)?;
                    Ok(After::Paired(peer))
                }
                Outcome::Returned { partner, household, space, statements } => {
                    let name = replica.identity().name().to_owned();
                    let household = Some(household);
                    replica.join_others(stage, &Belonging { partner, name, household, space, statements })?;
                    self.met(stage, &peer)?;
                    Ok(After::Joined(peer))
                }
                Outcome::Joined { household, space, statements } => {
                    let (partner, name) = (peer.partner, peer.name.clone());
                    replica.join_others(stage, &Belonging { partner, name, household, space, statements })?;
                    self.met(stage, &peer)?;
                    Ok(After::Joined(peer))
                }
            },
        }
    }

    fn stage_request(
        &mut self,
        replica: &mut Replica,
        stage: &mut Stage,
        sees: Sees,
        request: Request,
    ) -> Result<Staged, StageError> {
        match request {
            Request::AddressAdd(address) => {
                for peer in engine::peers(replica) {
                    let mut record = stage.batch().reader().peer(&peer)?.unwrap_or_default();
                    if !record.by_hand.contains(&address) && record.by_hand.len() < MAX_ADDRESSES {
                        record.by_hand.push(address);
                    }
                    stage.batch().put_peer(&peer, &record)?;
                }
                Ok(Staged::Addresses { removed: None })
            }
            Request::AddressRemove(address) => {
                for peer in engine::peers(replica) {
                    let mut record = stage.batch().reader().peer(&peer)?.unwrap_or_default();
                    record.by_hand.retain(|known| *known != address);
                    record.addresses.retain(|met| met.address != address);
                    stage.batch().put_peer(&peer, &record)?;
                }
                Ok(Staged::Addresses { removed: Some(address) })
            }
            request => {
                let answer = says::write(replica, stage, self.date, self.rng, sees, request)?;
                Ok(Staged::Answer(Box::new(answer)))
            }
        }
    }

    /// Remembers what a device is called with which this one was paired, and that it is at home where they were.
    fn met(&mut self, stage: &mut Stage, peer: &PeerIdentity) -> Result<(), StageError> {
        let names = PeerNames { name: peer.name.clone(), device: peer.device_name.clone() };
        stage.batch().put_setting(Scope::Ours, &names_setting(&peer.device), &names)?;
        mark_home(self.home_networks, self.net, stage.batch())?;
        Ok(())
    }

    fn found(
        &mut self,
        replica: &mut Replica,
        stage: &mut Stage,
        peer: &PeerIdentity,
        statements: Vec<SignedStatement>,
    ) -> Result<(), StageError> {
        replica.adopt(stage, statements)?;
        self.met(stage, peer)?;
        let identity = replica.identity();
        let (partner, name) = (identity.partner(), identity.name().to_owned());
        let Some(household) = replica.space(Scope::Ours) else { return Ok(()) };
        let member = Kind::named("member").and_then(|kind| kind.natural_item(&household, &partner));
        let saying = betwixt_model::say::Saying {
            item: member,
            kind: "member".into(),
            field: "name".into(),
            value: name.into(),
            seen: None,
        };
        let said = replica.act(stage, Scope::Ours, self.date, self.rng, |act| {
            act.by_itself();
            act.say(saying)
        });
        match said {
            Err(ActError::Stage(error)) => Err(error),
            // Said at an earlier try of the same pairing.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

enum Staged {
    Answer(Box<crate::http::Answer>),
    Addresses { removed: Option<std::net::SocketAddr> },
}

/// What time it is, by this machine's clocks.
pub(crate) fn moment(now: Instant) -> Moment {
    let wall = Zoned::now();
    Moment { now, date: wall.date(), at: wall.timestamp().as_millisecond() }
}
