//! What was said together, so that it can be taken back together. A fact does not tell which others were said with it, so
//! a short list is kept beside the documents, with the stage that they become durable in.

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_store::{Batch, Reader, StoreError};
use serde::{Deserialize, Serialize};

use super::{Replica, Stage};

const ACTS: &str = "acts to take back";
/// Counts the acts of both scopes, so that it is known which was last.
const COUNT: &str = "acts that were done";

/// How many acts can be taken back, one after the other.
const MAX_ACTS: usize = 16;

/// The most facts of an act that can be taken back.
const MAX_FACTS: usize = 64;

/// What is remembered of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remembered {
    /// Its facts.
    ToTakeBack,
    /// That it was done, and cannot be taken back.
    ForGood,
    /// Nothing: nobody did it.
    Not,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredAct {
    number: u64,
    facts: Vec<FactId>,
    for_good: bool,
}

/// One's own last act on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAct {
    /// Where it was said.
    pub scope: Scope,
    /// Its number among this device's acts.
    pub number: u64,
    /// What was said, in order.
    pub facts: Vec<FactId>,
    /// Whether it is one that cannot be taken back.
    pub for_good: bool,
}

pub(super) fn remember(
    batch: &mut Batch,
    scope: Scope,
    remembered: Remembered,
    mut facts: Vec<FactId>,
) -> Result<(), StoreError> {
    if remembered == Remembered::Not || facts.is_empty() {
        return Ok(());
    }
    let number = batch.reader().setting::<u64>(Scope::Ours, COUNT)?.unwrap_or(0) + 1;
    let for_good = remembered == Remembered::ForGood || facts.len() > MAX_FACTS;
    facts.truncate(MAX_FACTS);
    let mut acts: Vec<StoredAct> = batch.reader().setting(scope, ACTS)?.unwrap_or_default();
    acts.push(StoredAct { number, facts, for_good });
    let beyond = acts.len().saturating_sub(MAX_ACTS);
    acts.drain(..beyond);
    batch.put_setting(Scope::Ours, COUNT, &number)?;
    batch.put_setting(scope, ACTS, &acts)
}

impl Replica {
    /// One's own last act on this device, in those of the scopes that are open; `None` when there is none, or none that is
    /// still remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_act(&self, reader: &Reader<'_>, of: impl Fn(Scope) -> bool) -> Result<Option<LastAct>, StoreError> {
        let mut last: Option<LastAct> = None;
        for scope in [Scope::Ours, Scope::Mine].into_iter().filter(|scope| of(*scope) && self.space(*scope).is_some()) {
            let acts: Vec<StoredAct> = reader.setting(scope, ACTS)?.unwrap_or_default();
            if let Some(StoredAct { number, facts, for_good }) = acts.into_iter().next_back()
                && last.as_ref().is_none_or(|last| last.number < number)
            {
                last = Some(LastAct { scope, number, facts, for_good });
            }
        }
        Ok(last)
    }

    /// Forgets an act that was taken back, and what was done since, which is taking it back: the one before is the last now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_act(&self, stage: &mut Stage, undone: &LastAct) -> Result<(), StoreError> {
        let mut acts: Vec<StoredAct> = stage.batch.reader().setting(undone.scope, ACTS)?.unwrap_or_default();
        acts.retain(|act| act.number < undone.number);
        stage.batch.put_setting(undone.scope, ACTS, &acts)
    }
}
