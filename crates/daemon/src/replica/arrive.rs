//! Arrivals: changes of another device go through the gate, into the document, and their facts into the index.

use automerge::Change;
use betwixt_model::carry::Entries;
use betwixt_model::document::{Arrival, DocumentId, Scope};
use betwixt_model::gate::{self, Actors};
use betwixt_model::ids::{DeviceId, FactId};
use betwixt_model::index::{self, Effect};

use super::carrying;
use super::healing::touched;
use super::health::CarriedOn;
use super::reading::{self, Reading};
use super::{ArriveError, Replica, Stage, StageError};

/// So many new facts at once are a life's that a new device receives, year by year: what its next years' rows have in common is known
/// by then, and would otherwise be looked at when the home is next opened.
const MUCH: usize = 512;

/// What came of an arrival.
#[derive(Debug, Default)]
pub struct Arrived {
    /// How many changes were new.
    pub changes: usize,
    /// What the facts did to the index.
    pub effect: Effect,
    /// Facts of newer formats: kept and carried.
    pub newer: Vec<FactId>,
    /// How many keys held no fact, or one that is not signed by who it names: they have no meaning.
    pub refused: usize,
    /// How many changes wait for others that have not come; they were not kept.
    pub parked: usize,
    /// Nothing was taken in: a newer generation of the document is here, or has just begun. Whoever has these changes
    /// carries on what they say once they know of it.
    pub superseded: bool,
}

impl Replica {
    /// Takes in changes that `from` brought. Everything about them is staged: changes, index rows, heads and who brought
    /// what, when. What was read of them ahead is not read again.
    ///
    /// # Errors
    /// [`ArriveError`]. Refused or not applied, nothing was changed and the stage goes on; when the stage failed, it is to
    /// be dropped and [`Replica::abandon`] called.
    pub fn arrive(
        &mut self,
        stage: &mut Stage,
        from: DeviceId,
        at: i64,
        id: DocumentId,
        changes: Vec<Change>,
        reading: Option<&Reading>,
    ) -> Result<Arrived, ArriveError> {
        let actors = self.members(id);
        let newest = carrying::newest(&stage.batch.reader(), id.scope, id.year).map_err(ArriveError::Stage)?;
        if newest.is_some_and(|newest| newest > id) {
            return Ok(Arrived { superseded: true, ..Arrived::default() });
        }
        let carried = match self.documents.load(&stage.batch.reader(), id) {
            Ok(document) => match gate::admit(document, changes.clone(), &actors) {
                Ok(admitted) => Ok(admitted),
                Err(error) if error.divides() => {
                    let begun = self.begin_next_with(stage, id, CarriedOn::Divided, &changes)?;
                    Err(begun.ok_or(ArriveError::Refused(error)))
                }
                Err(error) => Err(Err(error.into())),
            },
            Err(error) if error.damaged_document().is_some() => {
                let begun = self.begin_next_with(stage, id, CarriedOn::Unreadable, &changes)?;
                Err(begun.ok_or(ArriveError::Stage(error)))
            }
            Err(error) => Err(Err(error.into())),
        };
        let admitted = match carried {
            Ok(admitted) => admitted,
            Err(Ok(arrived)) => {
                self.record(stage, id.scope, from, at, &arrived)?;
                return Ok(arrived);
            }
            Err(Err(error)) => return Err(error),
        };
        let document = self.documents.load(&stage.batch.reader(), id).map_err(ArriveError::Stage)?;
        let parked = admitted.parked.len();
        if admitted.changes.is_empty() {
            return Ok(Arrived { parked, ..Arrived::default() });
        }
        let arrivals = match reading::apply(document, &admitted.changes, reading) {
            Ok(arrivals) => arrivals,
            Err(error) => {
                self.reload(stage, id)?;
                if newest == Some(id) {
                    self.begin_next(stage, id, CarriedOn::NotApplied, Entries::new())?;
                }
                return Err(ArriveError::NotApplied(error));
            }
        };
        let heads = document.heads();
        let changes = admitted.changes.len();
        stage.batch.append_changes(id, admitted.changes.iter().map(Change::raw_bytes)).map_err(StageError::from)?;
        stage.batch.put_heads(id, &heads).map_err(StageError::from)?;
        stage.changes.entry(id).or_default().extend(admitted.changes);
        let touched = touched(&arrivals);
        let arrived = self.enter(stage, id.scope, arrivals)?;
        if arrived.effect.added.len() >= MUCH {
            self.compress_staged(stage, id.scope)?;
        }
        self.record(stage, id.scope, from, at, &arrived)?;
        if newest.is_some_and(|newest| newest < id) {
            self.note_newer(stage, id)?;
        }
        self.note_touched(stage, id, touched)?;
        if id.scope == Scope::Ours {
            self.begin_chapters(stage)?;
        }
        Ok(Arrived { changes, parked, ..arrived })
    }

    /// Who may write to a document: the devices of the roster, in the epochs that they have told; to a private one those of
    /// its own partner.
    pub(crate) fn members(&self, id: DocumentId) -> Actors {
        let mut actors = Actors::new(id);
        let own = self.identity.partner();
        let devices = self.roster.devices().filter(|(_, entry)| id.scope == Scope::Ours || entry.partner == own);
        for (device, entry) in devices {
            for epoch in &entry.epochs {
                actors.allow(*device, epoch);
            }
        }
        actors.own(self.identity.device(), &self.identity.epoch);
        actors
    }

    /// Notes who brought what is new, and when.
    fn record(
        &self,
        stage: &mut Stage,
        scope: Scope,
        from: DeviceId,
        at: i64,
        arrived: &Arrived,
    ) -> Result<(), StageError> {
        stage.batch.record_arrivals(scope, &from, at, &arrived.effect.added)?;
        Ok(())
    }

    /// Enters what changes brought into the index.
    pub(super) fn enter(
        &mut self,
        stage: &mut Stage,
        scope: Scope,
        arrivals: Vec<Arrival>,
    ) -> Result<Arrived, StageError> {
        let mut arrived = Arrived::default();
        let Some(household) = self.space(scope) else { return Ok(arrived) };
        let membership = self.roster.membership(scope);
        let mut facts = Vec::new();
        let mut rows = stage.batch.rows(scope)?;
        for arrival in arrivals {
            match arrival {
                Arrival::Fact(fact) => facts.push(*fact),
                Arrival::Newer { id, format } => {
                    index::note_newer(&mut rows, &id, format)?;
                    arrived.newer.push(id);
                }
                Arrival::Refused { .. } => arrived.refused += 1,
            }
        }
        arrived.effect = index::ingest(&mut rows, &household, &membership, facts)?;
        drop(rows);
        stage.batch.queue_for_search(scope, &arrived.effect.added)?;
        stage.batch.queue_for_search(scope, &arrived.effect.filled)?;
        stage.fields.extend(arrived.effect.fields.iter().map(|field| (scope, field.clone())));
        Ok(arrived)
    }

    /// Loads a document again that Automerge may have left half changed: from the disk, with what this stage has added.
    fn reload(&mut self, stage: &Stage, id: DocumentId) -> Result<(), StageError> {
        self.documents.drop(id);
        // The batch reads its own writes, so what was staged before is there.
        self.documents.load(&stage.batch.reader(), id)?;
        Ok(())
    }
}
