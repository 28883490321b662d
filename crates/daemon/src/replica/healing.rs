//! Healing: keys that another program removed or altered have no meaning, and are put back with the next thing said here.

use std::collections::BTreeSet;

use betwixt_model::carry::{Entries, Entry};
use betwixt_model::document::{Arrival, DocumentId, PRACTICES, SIGNATURES, Scope};
use betwixt_model::fact::SignedFact;
use betwixt_model::ids::FactId;
use betwixt_model::index;

use super::health::CarriedOn;
use super::{Replica, Stage, StageError, carrying};

/// The most facts that one act puts back, so that nobody can make a word cost much by altering much.
const MAX_PUT_BACK: usize = 32;

/// The keys that arriving changes wrote, removed or altered.
#[derive(Debug, Default)]
pub(super) struct Touched {
    facts: Vec<SignedFact>,
    refused: Vec<String>,
}

pub(super) fn touched(arrivals: &[Arrival]) -> Touched {
    let mut touched = Touched::default();
    for arrival in arrivals {
        match arrival {
            Arrival::Fact(signed) => touched.facts.push((**signed).clone()),
            Arrival::Newer { .. } => {}
            Arrival::Refused { key, .. } => touched.refused.push(key.clone()),
        }
    }
    touched
}

impl Replica {
    /// Notes what has become of the keys that changes touched. A document whose maps were taken out of it is carried on.
    pub(super) fn note_touched(
        &mut self,
        stage: &mut Stage,
        id: DocumentId,
        touched: Touched,
    ) -> Result<(), StageError> {
        let mut meaningless = 0;
        let mut looked_at = touched.facts;
        for key in &touched.refused {
            let known = match key.parse::<FactId>() {
                Ok(fact) => index::fact(&stage.batch.reader().rows(id.scope), &fact)?,
                Err(_) => None,
            };
            match known.filter(|signed| signed.fact().header().date.year() == id.year) {
                Some(signed) => looked_at.push(signed),
                None => meaningless += 1,
            }
        }
        let document = self.documents.load(&stage.batch.reader(), id)?;
        let mut whole = BTreeSet::new();
        let mut altered = BTreeSet::new();
        for signed in &looked_at {
            let fact = signed.fact().id();
            let list = if document.is_whole(&fact, &Entry::of(signed)) { &mut whole } else { &mut altered };
            list.insert(fact);
        }
        let is_map = |key: &String| PRACTICES.contains(&key.as_str()) || key == SIGNATURES;
        let taken_apart = touched.refused.iter().any(is_map) && !document.has_its_maps();
        stage.note_health(id, |health| {
            health.meaningless = health.meaningless.saturating_add(meaningless);
            health.altered.retain(|fact| !whole.contains(fact));
            health.altered.extend(altered);
        })?;
        if taken_apart {
            self.begin_next(stage, id, CarriedOn::TakenApart, Entries::new())?;
        }
        Ok(())
    }

    /// Says the bytes of altered facts again, some at a time: those that other devices say again, too, come to the same.
    pub(super) fn put_back(&mut self, stage: &mut Stage, scope: Scope) -> Result<(), StageError> {
        for (id, health) in stage.health(scope)? {
            let newest = carrying::newest(&stage.batch.reader(), scope, id.year)?;
            if health.altered.is_empty() || newest != Some(id) {
                continue;
            }
            let some: Vec<FactId> = health.altered.into_iter().take(MAX_PUT_BACK).collect();
            let mut facts = Vec::new();
            let rows = stage.batch.reader().rows(scope);
            for fact in &some {
                facts.extend(index::fact(&rows, fact)?);
            }
            let document = self.documents.load(&stage.batch.reader(), id)?;
            facts.retain(|signed| !document.is_whole(&signed.fact().id(), &Entry::of(signed)));
            if !facts.is_empty() {
                self.append(stage, id, &facts)?;
            }
            stage.note_health(id, |health| health.altered.retain(|fact| !some.contains(fact)))?;
        }
        Ok(())
    }
}
