//! What pictures of your years are drawn from: counts by the month, which are kept as things are said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::item::Scope;

/// How much there is, by the month: `GET /v1/statistics`. What it costs to ask grows with the years alone, by a row each.
///
/// There is no figure for a partner, and none of what was missed, skipped or left open, or of what you see differently:
/// nobody keeps score.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statistics {
    /// Each scope that was asked for and can be read, `ours` first. What is private is counted apart, and shown to nobody else.
    pub scopes: Vec<ScopeStatistics>,
}

/// What there is in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScopeStatistics {
    /// Which.
    pub scope: Scope,
    /// By state (`exploring`, `agreed`, `paused`, `released`, `reached`), how many goals stand in it now, since whatever
    /// month: as both agreed, and of private ones as their owner says.
    pub goals: BTreeMap<String, u64>,
    /// The months that were asked for, in order; only those in which there is something.
    pub months: Vec<MonthStatistics>,
}

/// One month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MonthStatistics {
    /// `YYYY-MM`.
    pub month: String,
    /// By collection, how many of its items were begun in that month, by their dates. What was let go of since is not among
    /// them. Collections are left out that pictures of them would shame somebody with, such as sayings back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub begun: BTreeMap<String, u64>,
    /// How many occurrences of rituals took place, by the dates that their rules gave.
    #[serde(default, skip_serializing_if = "is_none")]
    pub held: u64,
    /// How many milestones were reached: by the first day on which somebody said so, of those of which it still holds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub milestones_reached: u64,
    /// By state, how many goals have stood in it since that month.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub goals: BTreeMap<String, u64>,
}

/// What is asked of [`Statistics`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatisticsRequest {
    /// Both when not given.
    pub scope: Option<Scope>,
    /// A day (`YYYY-MM-DD`) in the first month; the first of all when not given.
    pub from: Option<String>,
    /// A day in the last month, which is included.
    pub until: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_none(count: &u64) -> bool {
    *count == 0
}
