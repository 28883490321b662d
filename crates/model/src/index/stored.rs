//! What the rows hold.

use crate::ids::FactId;

/// How much of every branch is a fact's past, the fact itself included: branch to number of facts, sorted by branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock(Vec<(FactId, u32)>);
