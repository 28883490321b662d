//! Staging: what waits is written into one transaction, and what follows is done once it is on disk.

use std::time::Instant;

use betwixt_api::{NoticeKind, Problem};
use betwixt_model::document::Scope;
use betwixt_model::schema::Kind;
use betwixt_net::CloseCode;
use betwixt_store::StoreError;
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::session::CounterWindow;
use betwixt_sync::wire::{GoodbyeReason, SharedDocumentId};
use jiff::Zoned;

use crate::answer::{problem, says};
use crate::http::{Request, Response};
use crate::meeting::counters_setting;
use crate::open::{Open, PeerNames, names_setting};
use crate::replica::{ActError, ArriveError, Committed, OpenError, Stage, StageError};
use crate::writes::{After, MAX_STAGE, Write};

/// The most addresses that are remembered of a peer, and that may be set by hand.
const MAX_ADDRESSES: usize = 8;

impl Open {
    /// Stages what waits; `None` when nothing does. What follows it is kept in [`crate::writes::Writes::in_flight`].
    pub(crate) fn stage(&mut self, now: Instant) -> Option<Stage> {
        let due = self.lazy_at.is_some_and(|at| at <= now);
        if self.writes.in_flight.is_some() || (self.writes.queue.is_empty() && !due) || self.recover_at.is_some() {
            return None;
        }
        let mut stage = match self.house.replica.begin() {
            Ok(stage) => stage,
            Err(error) => {
                self.stage_failed(Vec::new(), &StageError::Store(error), now);
                return None;
            }
        };
        let mut after = Vec::new();
        let mut outcome = self.stage_lazy(&mut stage);
        let count = self.writes.queue.len().min(MAX_STAGE);
        for write in self.writes.queue.drain(..count).collect::<Vec<_>>() {
            match outcome {
                Ok(()) => outcome = self.stage_one(&mut stage, write, &mut after, now),
                // The rest waits for the next stage.
                Err(_) => self.writes.queue.push_back(write),
            }
        }
        if let Err(error) = outcome {
            drop(stage);
            self.stage_failed(after, &error, now);
            return None;
        }
        self.writes.in_flight = Some(after);
        Some(stage)
    }

    fn stage_lazy(&mut self, stage: &mut Stage) -> Result<(), StageError> {
        self.lazy_at = None;
        if self.writes.lazy.is_empty() {
            return Ok(());
        }
        let lazy = std::mem::take(&mut self.writes.lazy);
        let batch = stage.batch();
        for ((peer, document), state) in lazy.sync_states {
            batch.put_sync_state(&peer, document, &state)?;
        }
        let today = days(&Zoned::now());
        for (peer, counter) in lazy.counters {
            let name = counters_setting(&peer);
            let stored: Option<[u8; 16]> = batch.reader().setting(Scope::Ours, &name)?;
            let mut window = stored.map(CounterWindow::from_bytes).unwrap_or_default();
            if !window.note(counter) {
                self.troubles
                    .push("A device of the household seems to run twice: its home was copied or restored.".into());
            }
            batch.put_setting(Scope::Ours, &name, &window.to_bytes())?;
            let mut record = batch.reader().peer(&peer)?.unwrap_or_default();
            record.met = Some(today);
            batch.put_peer(&peer, &record)?;
        }
        for (peer, address) in lazy.addresses {
            let mut record = batch.reader().peer(&peer)?.unwrap_or_default();
            record.addresses.retain(|known| *known != address);
            record.addresses.insert(0, address);
            record.addresses.truncate(MAX_ADDRESSES);
            batch.put_peer(&peer, &record)?;
        }
        Ok(())
    }

    fn stage_one(
        &mut self,
        stage: &mut Stage,
        write: Write,
        after: &mut Vec<After>,
        now: Instant,
    ) -> Result<(), StageError> {
        match write {
            Write::Api(Request::AddressAdd(address), answer) => {
                for peer in self.peers() {
                    let mut record = stage.batch().reader().peer(&peer)?.unwrap_or_default();
                    if !record.by_hand.contains(&address) && record.by_hand.len() < MAX_ADDRESSES {
                        record.by_hand.push(address);
                    }
                    stage.batch().put_peer(&peer, &record)?;
                }
                after.push(After::Addresses(answer));
            }
            Write::Api(Request::AddressRemove(address), answer) => {
                for peer in self.peers() {
                    let mut record = stage.batch().reader().peer(&peer)?.unwrap_or_default();
                    record.by_hand.retain(|known| *known != address);
                    record.addresses.retain(|known| *known != address);
                    stage.batch().put_peer(&peer, &record)?;
                    self.dialer.remove_candidate(peer, address, now);
                }
                after.push(After::Addresses(answer));
            }
            Write::Api(request, sender) => {
                let date = Zoned::now().date();
                match says::write(&mut self.house.replica, stage, date, &mut self.rng, request) {
                    Ok(answer) => after.push(After::Answer(sender, Box::new(answer))),
                    Err(error) => {
                        // Whoever asked may be gone.
                        let _ = sender.send(Err(problem::stage_problem(&error)));
                        return Err(error);
                    }
                }
            }
            Write::BeginSession(connection) => {
                let Some(talk) = self.talks.get(&connection) else { return Ok(()) };
                let counter = stage.batch().next_counter(&talk.peer)?;
                after.push(After::BeginSession(connection, counter));
            }
            Write::Roster(connection, statements) => {
                // A statement that does not read is a peer's fault; the others count.
                let parsed = statements.iter().filter_map(|bytes| SignedStatement::parse(bytes).ok()).collect();
                let new = self.house.replica.adopt(stage, parsed)?;
                after.push(After::RosterSettled(connection, new));
            }
            Write::Arrive { connection, from, persist, document, changes } => {
                let at = jiff::Timestamp::now().as_millisecond();
                let outcome = self.house.replica.arrive(stage, from, at, document.document(), changes);
                let session = self.talks.get_mut(&connection).and_then(|talk| talk.session());
                match outcome {
                    Ok(arrived) => {
                        if arrived.refused > 0 || !arrived.effect.refused.is_empty() {
                            tracing::warn!(
                                keys = arrived.refused,
                                facts = arrived.effect.refused.len(),
                                "a peer brought what has no meaning"
                            );
                        }
                        after.push(After::Persisted(connection, persist, document));
                    }
                    Err(ArriveError::Refused(error)) => {
                        tracing::warn!(%error, "changes were refused");
                        if let Some(session) = session {
                            session.handle_refused(now, persist, &error);
                        }
                    }
                    Err(ArriveError::NotApplied(error)) => {
                        tracing::warn!(%error, "changes were not applied");
                        if let Some(session) = session {
                            session.handle_apply_failed(now, persist);
                        }
                    }
                    Err(ArriveError::Stage(error)) => {
                        if let Some(session) = session {
                            session.handle_persist_failed(now, persist);
                        }
                        return Err(error);
                    }
                }
            }
            Write::Found(peer, statements) => {
                self.found(stage, &peer, statements)?;
                after.push(After::Paired(peer));
            }
        }
        Ok(())
    }

    fn found(
        &mut self,
        stage: &mut Stage,
        peer: &betwixt_sync::pairing::PeerIdentity,
        statements: Vec<SignedStatement>,
    ) -> Result<(), StageError> {
        self.house.replica.adopt(stage, statements)?;
        let names = PeerNames { name: peer.name.clone(), device: peer.device_name.clone() };
        stage.batch().put_setting(Scope::Ours, &names_setting(&peer.device), &names)?;
        self.mark_home(stage.batch())?;
        let identity = self.house.replica.identity();
        let (partner, name) = (identity.partner(), identity.name().to_owned());
        let Some(household) = self.house.replica.space(Scope::Ours) else { return Ok(()) };
        let member = Kind::named("member").and_then(|kind| kind.natural_item(&household, &partner));
        let saying = betwixt_model::say::Saying {
            item: member,
            kind: "member".into(),
            field: "name".into(),
            value: name.into(),
            seen: None,
        };
        let date = Zoned::now().date();
        match self.house.replica.act(stage, Scope::Ours, date, &mut self.rng, |act| act.say(saying)) {
            Err(ActError::Stage(error)) => Err(error),
            // Said at an earlier try of the same pairing.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The stage that was in flight is on disk, or lost.
    pub(crate) fn handle_committed(&mut self, outcome: Result<Committed, StoreError>, now: Instant) {
        let after = self.writes.in_flight.take().unwrap_or_default();
        let committed = match outcome {
            Ok(committed) => committed,
            Err(error) => return self.stage_failed(after, &StageError::Store(error), now),
        };
        if let Err(error) = self.house.replica.committed() {
            tracing::error!(%error, "what was committed does not read");
        }
        for (_, key) in &committed.fields {
            self.notices.tell(NoticeKind::Item, Some(key.item.to_string()), Some(key.field.clone()));
        }
        for after in after {
            if let Err(error) = self.follow(after, now) {
                tracing::error!(%error, "what follows a commit failed");
            }
        }
        let changed: Vec<SharedDocumentId> =
            committed.documents.iter().filter_map(|id| SharedDocumentId::try_from(*id).ok()).collect();
        for talk in self.talks.values_mut().filter(|_| !changed.is_empty()) {
            talk.in_step = false;
            if let Some(session) = talk.session() {
                for document in &changed {
                    session.handle_local_change(now, *document);
                }
                talk.in_step = talk.session().is_some_and(|session| session.is_in_step());
            }
        }
    }

    fn follow(&mut self, after: After, now: Instant) -> Result<(), StageError> {
        match after {
            After::Answer(sender, answer) => {
                // Whoever asked may be gone.
                let _ = sender.send(*answer);
            }
            After::BeginSession(connection, counter) => self.begin_session(connection, counter, now)?,
            After::RosterSettled(connection, new) => {
                if new {
                    self.roster_changed(now)?;
                }
                let Some(talk) = self.talks.get_mut(&connection) else { return Ok(()) };
                let member = self.house.replica.roster().may_connect(&talk.peer);
                if let Some(session) = talk.session() {
                    session.handle_roster_settled(now, member);
                }
            }
            After::Persisted(connection, persist, document) => {
                let Some(talk) = self.talks.get_mut(&connection) else { return Ok(()) };
                let Some(session) = talk.session() else { return Ok(()) };
                if let Some(document) = self.house.replica.durable_document(document.document())? {
                    session.handle_persisted(now, persist, document);
                }
            }
            After::Paired(peer) => {
                self.roster_changed(now)?;
                self.pairing_stored(&peer);
            }
            After::Addresses(answer) => {
                self.addresses_changed(now)?;
                // Whoever asked may be gone.
                let _ = answer.send(self.addresses().map(Response::Addresses));
            }
        }
        Ok(())
    }

    /// A stage was lost: nobody is told anything of it, sessions end, and the disk is tried again.
    fn stage_failed(&mut self, after: Vec<After>, error: &StageError, now: Instant) {
        tracing::error!(%error, "the disk refused");
        let problem = problem::stage_problem(error);
        for after in after {
            self.refuse(after, &problem, now);
        }
        for write in std::mem::take(&mut self.writes.queue) {
            match write {
                Write::Api(_, answer) => {
                    // Whoever asked may be gone.
                    let _ = answer.send(Err(problem.clone()));
                }
                Write::Found(..) => self.pairing_failed(&problem),
                Write::BeginSession(_) | Write::Roster(..) | Write::Arrive { .. } => {}
            }
        }
        for connection in self.talks.keys().copied().collect::<Vec<_>>() {
            self.end(connection, GoodbyeReason::Storage, CloseCode::Done, now);
        }
        self.recover(now);
    }

    fn refuse(&mut self, after: After, problem: &Problem, now: Instant) {
        match after {
            After::Answer(sender, _) | After::Addresses(sender) => {
                // Whoever asked may be gone.
                let _ = sender.send(Err(problem.clone()));
            }
            After::Paired(_) => self.pairing_failed(problem),
            After::Persisted(connection, persist, _) => {
                if let Some(session) = self.talks.get_mut(&connection).and_then(|talk| talk.session()) {
                    session.handle_persist_failed(now, persist);
                }
            }
            After::BeginSession(..) | After::RosterSettled(..) => {}
        }
    }

    /// Opens a store that closed itself, when its time has come.
    pub(crate) fn recover(&mut self, now: Instant) {
        match self.house.store.recover(now) {
            betwixt_store::Recovery::Wait { until, cause } => {
                tracing::warn!(cause, "the disk is in the way");
                self.recover_at = Some(until);
            }
            betwixt_store::Recovery::Open | betwixt_store::Recovery::Reopened => match self.house.replica.abandon() {
                Ok(()) => self.recover_at = None,
                Err(OpenError::Store(_)) => self.recover_at = Some(now + std::time::Duration::from_secs(1)),
                Err(error) => {
                    tracing::error!(%error, "the home cannot be read again");
                    self.recover_at = Some(now + std::time::Duration::from_secs(5));
                }
            },
        }
    }
}

/// The local date as days since 1970-01-01.
pub(crate) fn days(now: &Zoned) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    now.date().since(epoch).map(|span| span.get_days()).unwrap_or(0)
}
