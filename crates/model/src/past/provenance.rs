//! Where a wording comes from, in facts: proposed by one, reworded by the other, agreed by both. Never in shares of a text.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Serialize;

use super::timeline::{Act, Event};
use crate::ids::{FactId, PartnerId};

/// What somebody did for a wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Said it first.
    Proposed,
    /// Said it in other words.
    Reworded,
    /// Said the same as the other: agreed by both.
    Agreed,
    /// Went back on it.
    Withdrew,
}

/// One step on the way to a wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done.
    pub how: How,
    /// Who did it, by partner: both for [`How::Agreed`].
    pub by: Vec<PartnerId>,
    /// The writer's local date; the later of the two for [`How::Agreed`].
    pub on: Date,
    /// The fact by which it was done.
    pub fact: FactId,
}

/// The way to the wording that a fact says, from the events of its field in the order of the timeline: the steps that its
/// writer had before them, one after the other. What one partner reworded several times in a row is one step, the last.
pub fn provenance(events: &[Event], fact: &FactId) -> Vec<Step> {
    let mut way: BTreeSet<FactId> = BTreeSet::from([*fact]);
    for event in events.iter().rev().filter(|event| event.value.is_some()) {
        if way.contains(&event.fact) {
            way.extend(event.before.iter().map(|earlier| earlier.fact));
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for event in events.iter().filter(|event| way.contains(&event.fact)) {
        let how = match event.act {
            Act::Agreed => How::Agreed,
            Act::Withdrew | Act::LetGo => How::Withdrew,
            Act::SaidTheSame | Act::TookTheirs => continue,
            _ if steps.iter().all(|step| step.how == How::Withdrew) => How::Proposed,
            _ => How::Reworded,
        };
        let mut step = Step { how, by: vec![event.by], on: event.on, fact: event.fact };
        if how == How::Agreed {
            let same = event.before.iter().filter(|earlier| earlier.by != event.by && earlier.value == event.value);
            for earlier in same {
                step.by.push(earlier.by);
                let said = events.iter().find(|event| event.fact == earlier.fact);
                step.on = said.map_or(step.on, |said| said.on.max(step.on));
            }
            step.by.sort_unstable();
            step.by.dedup();
        }
        match steps.last_mut() {
            Some(last) if last.how == How::Reworded && how == How::Reworded && last.by == step.by => *last = step,
            _ => steps.push(step),
        }
    }
    steps
}
