//! Clocks: how much of every branch is in a fact's past.

use serde::{Deserialize, Serialize};

use crate::ids::FactId;

/// How many facts of every branch are in a fact's past or are the fact itself. A branch is named by its first fact.
///
/// A vector clock (Fidge 1988, Mattern 1989) whose processes are branches of devices' chains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock(Vec<(FactId, u32)>);

impl Clock {
    /// How many facts of this branch are in the past.
    pub fn get(&self, branch: &FactId) -> u32 {
        self.0.binary_search_by(|(known, _)| known.cmp(branch)).map_or(0, |place| self.0[place].1)
    }

    /// Branches with their numbers of facts, sorted by branch.
    pub fn branches(&self) -> impl Iterator<Item = &(FactId, u32)> {
        self.0.iter()
    }

    /// How many facts the past has, this one included. A fact weighs more than every fact of its past, so that sorting by
    /// weight is an order in which nothing comes before its past.
    pub fn weight(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// A clock of branches that are sorted; `None` if they are not.
    pub(crate) fn from_sorted(branches: Vec<(FactId, u32)>) -> Option<Self> {
        branches.is_sorted_by(|left, right| left.0 < right.0).then_some(Self(branches))
    }

    /// Takes in another fact's past.
    pub(crate) fn join(&mut self, other: &Self) {
        for (branch, count) in &other.0 {
            self.raise(branch, *count);
        }
    }

    /// Keeps what another fact's past has, too.
    pub(crate) fn meet(&mut self, other: &Self) {
        for (branch, count) in &mut self.0 {
            *count = (*count).min(other.get(branch));
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// Makes a branch's number at least `count`.
    pub(crate) fn raise(&mut self, branch: &FactId, count: u32) {
        match self.0.binary_search_by(|(known, _)| known.cmp(branch)) {
            Ok(place) => self.0[place].1 = self.0[place].1.max(count),
            Err(place) => self.0.insert(place, (*branch, count)),
        }
    }
}
