//! Staging: what waits is written into one transaction, and what follows is done once it is on disk.

use std::time::{Duration, Instant};

use automerge::Change;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_net::CloseCode;
use betwixt_store::{Recovery, StoreError};
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::session::CounterWindow;
use betwixt_sync::wire::{DocumentName, GoodbyeReason, Lane};
use jiff::civil::Date;

use super::attachments::attachments_setting;
use super::meeting::counters_setting;
use super::networks;
use super::writes::{After, Arrive, Flight, Lazy, Write};
use super::{Engine, LAZY, MAX_STAGE, Moment, Output, Trouble};
use crate::replica::{ArriveError, Committed, OpenError, Reading, Replica, Stage, StageError};

/// In how many pieces those changes are read ahead that fill a stage.
const PIECES: usize = 8;

impl<W, A> Engine<W, A> {
    /// Stages what waits; `None` when nothing does, or a stage is on its way already. A stage that is answered is on its way:
    /// commit it, then call [`Engine::handle_committed`].
    ///
    /// `own` stages one write of the owner's and answers what follows it. When it fails the stage is lost, and the owner
    /// has told whoever asked.
    pub fn stage(
        &mut self,
        replica: &mut Replica,
        moment: Moment,
        own: impl FnMut(&mut Replica, &mut Stage, W) -> Result<A, StageError>,
    ) -> Option<Stage> {
        let held = self.hold_back();
        let stage = self.stage_what_waits(replica, moment, own);
        self.queue.extend(held);
        stage
    }

    fn stage_what_waits(
        &mut self,
        replica: &mut Replica,
        moment: Moment,
        mut own: impl FnMut(&mut Replica, &mut Stage, W) -> Result<A, StageError>,
    ) -> Option<Stage> {
        let due = self.lazy_at.is_some_and(|at| at <= moment.now);
        if self.in_flight.is_some() || (self.queue.is_empty() && !due) || self.recover_at.is_some() {
            return None;
        }
        let mut stage = match replica.begin() {
            Ok(stage) => stage,
            Err(error) => {
                self.stage_failed(replica, Vec::new(), StageError::Store(error), moment.now);
                return None;
            }
        };
        let mut after = Vec::new();
        let mut outcome = self.stage_lazy(replica, &mut stage, moment);
        let many = self.many_changes;
        let count = at_once(many, self.queue.iter().map(Write::changes));
        for mut write in self.queue.drain(..count).collect::<Vec<_>>() {
            write.cut(many);
            match outcome {
                Ok(()) => outcome = self.stage_one(replica, &mut stage, write, &mut after, moment, &mut own),
                // Not tried: whoever waits for it is told with the rest.
                Err(_) => self.queue.push_back(write),
            }
        }
        if let Err(error) = outcome {
            drop(stage);
            self.stage_failed(replica, after, error, moment.now);
            return None;
        }
        let has = |scope| stage.documents().any(|document| document.scope == scope);
        self.in_flight = Some(Flight { after, shares: has(Scope::Ours), private: has(Scope::Mine) });
        Some(stage)
    }

    /// Stages what may be lost, a last time before the home is closed. What else waits is dropped.
    pub fn stage_last(&mut self, replica: &mut Replica, moment: Moment) -> Option<Stage> {
        self.queue.clear();
        if self.lazy.is_empty() {
            return None;
        }
        self.lazy_at = Some(moment.now);
        self.stage(replica, moment, |_, _, _| unreachable!("nothing waits"))
    }

    fn stage_lazy(&mut self, replica: &Replica, stage: &mut Stage, moment: Moment) -> Result<(), StageError> {
        self.lazy_at = None;
        if self.lazy.is_empty() {
            return Ok(());
        }
        let Lazy { sync_states, attachments, counters, addresses, ports, knocks, in_step } =
            std::mem::take(&mut self.lazy);
        for (peer, told) in in_step {
            // Nothing is staged yet, so what is on disk is what the peer has, if they are in step still; otherwise they will
            // be again.
            let told = match told {
                Some(told) => told,
                None if self.is_in_step_with(&peer) => replica.told()?,
                None => {
                    if self.meets_in_step(&peer) {
                        self.lazy.in_step.insert(peer, None);
                        self.lazy_at = Some(moment.now + LAZY);
                    }
                    continue;
                }
            };
            stage.batch().record_in_step(Scope::Ours, &peer, moment.at, told)?;
        }
        let batch = stage.batch();
        for ((peer, document), state) in sync_states {
            batch.put_sync_state(&peer, document, &state)?;
        }
        for ((peer, scope), has) in attachments {
            let has: Vec<[u8; 32]> = has.iter().map(|id| *id.as_bytes()).collect();
            batch.put_setting(scope, &attachments_setting(&peer), &has)?;
        }
        let today = days(moment.date);
        for (peer, counter) in counters {
            let name = counters_setting(&peer);
            let stored: Option<[u8; 16]> = batch.reader().setting(Scope::Ours, &name)?;
            let mut window = stored.map(CounterWindow::from_bytes).unwrap_or_default();
            if !window.note(counter) {
                self.outputs.push_back(Output::Trouble(Trouble::RunsTwice));
            }
            batch.put_setting(Scope::Ours, &name, &window.to_bytes())?;
            let mut record = batch.reader().peer(&peer)?.unwrap_or_default();
            record.met = Some(today);
            batch.put_peer(&peer, &record)?;
        }
        for (peer, met) in addresses {
            let mut record = batch.reader().peer(&peer)?.unwrap_or_default();
            networks::remember(&mut record, met);
            batch.put_peer(&peer, &record)?;
        }
        networks::store_ports(batch, &ports)?;
        self.knocks.store(batch, &knocks)?;
        Ok(())
    }

    fn stage_one(
        &mut self,
        replica: &mut Replica,
        stage: &mut Stage,
        write: Write<W>,
        after: &mut Vec<After<A>>,
        moment: Moment,
        own: &mut impl FnMut(&mut Replica, &mut Stage, W) -> Result<A, StageError>,
    ) -> Result<(), StageError> {
        match write {
            Write::Own(write) => after.push(After::Own(own(replica, stage, write)?)),
            Write::BeginSession(connection) => {
                let Some(talk) = self.talks.get(&connection) else { return Ok(()) };
                let counter = stage.batch().next_counter(&talk.peer)?;
                after.push(After::BeginSession(connection, counter));
            }
            Write::Roster(connection, statements) => {
                // A statement that does not read is a peer's fault; the others count.
                let parsed = statements.iter().filter_map(|bytes| SignedStatement::parse(bytes).ok()).collect();
                let changed = replica.adopt(stage, parsed)?;
                after.push(After::RosterSettled { connection, changed });
            }
            // The private part was locked meanwhile; the next session brings them again.
            Write::Arrive(Arrive { document, .. })
                if replica.space(document.scope).is_none() && document.scope == Scope::Mine => {}
            Write::Arrive(mut arrive) => {
                let Arrive { connection, lane, from, persist, document, .. } = arrive;
                let changes = std::mem::take(&mut arrive.changes);
                let outcome = replica.arrive(stage, from, moment.at, document, changes, arrive.reading.as_ref());
                let session = self.session(connection, lane);
                match outcome {
                    Ok(arrived) if arrived.superseded => after.push(After::Superseded(connection, lane, persist)),
                    Ok(arrived) => {
                        let (keys, facts) = (arrived.refused, arrived.effect.refused.len());
                        if keys > 0 || facts > 0 {
                            self.outputs.push_back(Output::Meaningless { peer: from, keys, facts });
                        }
                        if arrive.later.is_empty() {
                            after.push(After::Persisted(connection, lane, persist, document));
                        } else {
                            // Before anything else that came, so that what builds on it finds it.
                            arrive.changes = std::mem::take(&mut arrive.later);
                            self.queue.push_front(Write::Arrive(arrive));
                        }
                    }
                    Err(ArriveError::Refused(error)) => {
                        tracing::warn!(%error, "changes were refused");
                        if let Some(session) = session {
                            session.handle_refused(moment.now, persist, &error);
                        }
                    }
                    Err(ArriveError::NotApplied(error)) => {
                        tracing::warn!(%error, "changes were not applied");
                        if let Some(session) = session {
                            session.handle_apply_failed(moment.now, persist);
                        }
                    }
                    Err(ArriveError::Stage(error)) => {
                        if let Some(session) = session {
                            session.handle_persist_failed(moment.now, persist);
                        }
                        return Err(error);
                    }
                }
            }
            // Locked meanwhile: it is found again.
            Write::CarryOn(document) if replica.space(document.scope).is_none() => {}
            Write::CarryOn(document) => replica.carry_on_damaged(stage, document)?,
            // Only what was on the disk when they came into step is held by both: not what this stage begins.
            Write::Held(peer, scope) if !stage.is_empty() => self.queue.push_back(Write::Held(peer, scope)),
            Write::Held(peer, scope) if self.is_in_step_of(&peer, scope) => replica.held_by(stage, peer, scope)?,
            // They will come into step again.
            Write::Held(..) => {}
        }
        Ok(())
    }

    /// The stage that was on its way is on disk, or lost.
    pub fn handle_committed(&mut self, replica: &mut Replica, outcome: Result<Committed, StoreError>, now: Instant) {
        let after = self.in_flight.take().map(|flight| flight.after).unwrap_or_default();
        let committed = match outcome {
            Ok(committed) => committed,
            Err(error) => return self.stage_failed(replica, after, StageError::Store(error), now),
        };
        if let Err(error) = replica.committed() {
            tracing::error!(%error, "what was committed does not read");
        }
        let changed = committed.documents.clone();
        if !changed.is_empty() {
            self.refused = None;
        }
        self.outputs.push_back(Output::Committed(committed));
        // Before anything that follows: a session that learns that one document was stored, and not yet that another has
        // changed in the same stage, would be in step with a peer that lacks the other.
        for talk in self.talks.values_mut() {
            for lane in talk.lanes() {
                let Some(session) = talk.session(lane) else { continue };
                let scope = session.scope();
                for document in changed.iter().filter(|document| document.scope == scope) {
                    session.handle_local_change(now, DocumentName::of(*document));
                }
            }
        }
        for after in after {
            if let Err(error) = self.follow(replica, after, now) {
                tracing::error!(%error, "what follows a commit failed");
            }
        }
    }

    fn follow(&mut self, replica: &mut Replica, after: After<A>, now: Instant) -> Result<(), StageError> {
        match after {
            After::Own(after) => self.outputs.push_back(Output::Durable(after)),
            After::BeginSession(connection, counter) => self.begin_session(replica, connection, counter, now)?,
            After::RosterSettled { connection, changed } => {
                if changed {
                    self.roster_changed(replica, now)?;
                }
                let Some(talk) = self.talks.get_mut(&connection) else { return Ok(()) };
                let member = replica.roster().may_connect(&talk.peer);
                if let Some(session) = talk.session(Lane::Shared) {
                    session.handle_roster_settled(now, member);
                }
            }
            After::Persisted(connection, lane, persist, document) => {
                let Some(session) = self.session(connection, lane) else { return Ok(()) };
                match replica.durable_document(document) {
                    Ok(Some(document)) => session.handle_persisted(now, persist, document),
                    Ok(None) => {}
                    Err(error) => self.carry_on(error)?,
                }
            }
            After::Superseded(connection, lane, persist) => {
                if let Some(session) = self.session(connection, lane) {
                    session.handle_superseded(now, persist);
                }
            }
        }
        Ok(())
    }

    /// Has changes read ahead, where they are so many that it is worth waking another thread.
    pub(super) fn read_ahead(&mut self, document: DocumentId, changes: &[Change]) -> Option<Reading> {
        let piece = self.many_changes.div_ceil(PIECES);
        if changes.len() < piece {
            return None;
        }
        let reading = Reading::new(document, changes, piece);
        self.outputs.push_back(Output::ReadAhead(reading.clone()));
        Some(reading)
    }

    /// A document was found damaged by somebody who read the disk: its next generation begins, if it is the newest of its year and
    /// still so. Nobody may have asked for it in a session, because what both have of it is the same by its heads.
    pub fn found_damaged(&mut self, document: DocumentId) {
        self.queue.push_back(Write::CarryOn(document));
    }

    /// Whoever found that a document cannot be read has its next generation begun; other errors stay errors.
    pub(super) fn carry_on(&mut self, error: StageError) -> Result<(), StageError> {
        let Some(document) = error.damaged_document() else { return Err(error) };
        tracing::warn!(%error, "a document is to be carried on");
        self.queue.push_back(Write::CarryOn(document));
        Ok(())
    }

    /// A stage was lost: nobody is told anything of it, sessions end, and the disk is tried again.
    fn stage_failed(&mut self, replica: &mut Replica, after: Vec<After<A>>, error: StageError, now: Instant) {
        tracing::error!(%error, "the disk refused");
        self.refused = Some(error.to_string());
        let mut lost = Vec::new();
        for after in after {
            match after {
                After::Own(after) => lost.push(after),
                After::Persisted(connection, lane, persist, _) | After::Superseded(connection, lane, persist) => {
                    if let Some(session) = self.session(connection, lane) {
                        session.handle_persist_failed(now, persist);
                    }
                }
                After::BeginSession(..) | After::RosterSettled { .. } => {}
            }
        }
        let waiting = std::mem::take(&mut self.queue).into_iter().filter_map(|write| match write {
            Write::Own(write) => Some(write),
            Write::BeginSession(_) | Write::Roster(..) | Write::Arrive(_) | Write::CarryOn(_) | Write::Held(..) => None,
        });
        self.outputs.push_back(Output::Lost { after: lost, waiting: waiting.collect(), error });
        for connection in self.talks.keys().copied().collect::<Vec<_>>() {
            self.end(connection, GoodbyeReason::Storage, CloseCode::Done, now);
        }
        self.recover(replica, now);
    }

    /// Opens a store that closed itself, when its time has come.
    pub fn recover(&mut self, replica: &mut Replica, now: Instant) {
        match replica.store().recover(now) {
            Recovery::Wait { until, cause } => {
                tracing::warn!(cause, "the disk is in the way");
                self.recover_at = Some(until);
            }
            Recovery::Open | Recovery::Reopened => match replica.abandon() {
                Ok(()) => self.recover_at = None,
                Err(OpenError::Store(_)) => self.recover_at = Some(now + Duration::from_secs(1)),
                Err(error) => {
                    tracing::error!(%error, "the home cannot be read again");
                    self.recover_at = Some(now + Duration::from_secs(5));
                }
            },
        }
    }
}

/// A local date as days since 1970-01-01.
pub(crate) fn days(date: Date) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    date.since(epoch).map(|span| span.get_days()).unwrap_or(0)
}

/// How many of the writes that wait, each of which brings so many changes, go into one stage: the first whatever it brings.
fn at_once(many: usize, writes: impl Iterator<Item = usize>) -> usize {
    let before = writes.take(MAX_STAGE).scan(0, |sum, changes| Some(std::mem::replace(sum, *sum + changes)));
    before.take_while(|before| *before < many).count()
}

#[cfg(test)]
mod tests {
    use super::super::MANY_CHANGES;
    use super::*;

    #[test]
    fn a_stage_takes_many_small_writes_or_few_large_ones_and_always_one() {
        let taken = |writes: &[usize]| at_once(MANY_CHANGES, writes.iter().copied());
        assert_eq!(taken(&[]), 0);
        assert_eq!(taken(&[100 * MANY_CHANGES]), 1);
        assert_eq!(taken(&[MANY_CHANGES, 0, 0]), 1);
        assert_eq!(taken(&[0, 1, MANY_CHANGES - 2, 1, 1]), 4);
        assert_eq!(taken(&[0; 10 * MAX_STAGE]), MAX_STAGE);
    }
}
