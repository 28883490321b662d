//! What pictures are drawn from. Read from the rows that the index keeps for it, whatever was said in those years.

use std::collections::BTreeMap;

use betwixt_api as api;
use betwixt_model::document::Scope;
use betwixt_model::index::{self, BEGUN, Begun, Counted, GoalState, Statistics};

use super::items::{Open, ReadError, shown_scope};
use super::problem::storage_problem;
use crate::http::{Answer, Response, Sees, StatisticsAsked, shown};
use crate::replica::Replica;

/// Answers what is asked by somebody who sees so much.
pub(crate) fn read(replica: &Replica, sees: Sees, asked: &StatisticsAsked) -> Answer {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    let open = Open::new(replica, sees, &view.reader());
    let scopes = scopes(&open, asked).map_err(api::Problem::from)?;
    Ok(Response::Statistics(api::Statistics { scopes }))
}

fn scopes(open: &Open<'_>, asked: &StatisticsAsked) -> Result<Vec<api::ScopeStatistics>, ReadError> {
    let mut scopes = Vec::new();
    for open in open.wanted(asked.scope)? {
        let statistics = index::statistics(&open.rows)?;
        scopes.push(shown_statistics(open.scope, &statistics, asked));
    }
    Ok(scopes)
}

fn shown_statistics(scope: Scope, statistics: &Statistics, asked: &StatisticsAsked) -> api::ScopeStatistics {
    let mut goals = BTreeMap::new();
    let mut months = Vec::new();
    for (month, counts) in statistics {
        let mut shown = api::MonthStatistics { month: month.to_string(), ..api::MonthStatistics::default() };
        for (counted, count) in counts {
            match *counted {
                Counted::Begun(begun) => shown.begun.extend(collection(begun).map(|name| (name, *count))),
                Counted::Held => shown.held = *count,
                Counted::MilestoneReached => shown.milestones_reached = *count,
                Counted::GoalSaid(_) | Counted::GoalAgreed(_) => {
                    shown.goals.extend(state(scope, *counted).map(|state| (state.name().to_owned(), *count)));
                }
            }
        }
        for (state, count) in &shown.goals {
            *goals.entry(state.clone()).or_default() += count;
        }
        let nothing = api::MonthStatistics { month: shown.month.clone(), ..api::MonthStatistics::default() };
        if asked.holds(*month) && shown != nothing {
            months.push(shown);
        }
    }
    api::ScopeStatistics { scope: shown_scope(scope), goals, months }
}

/// How a goal stands: in private there is nobody to agree with.
fn state(scope: Scope, counted: Counted) -> Option<GoalState> {
    match (scope, counted) {
        (Scope::Ours, Counted::GoalAgreed(state)) | (Scope::Mine, Counted::GoalSaid(state)) => Some(state),
        _ => None,
    }
}

/// What the API calls a kind's collection.
fn collection(begun: Begun) -> Option<String> {
    let (_, kind) = BEGUN.into_iter().find(|(known, _)| *known == begun)?;
    let named = |collection: &api::Collection| shown::kind_of(*collection) == kind;
    api::Collection::ALL.into_iter().find(named).map(|collection| collection.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_counted_has_its_collection() {
        let names: Vec<String> = BEGUN.into_iter().filter_map(|(begun, _)| collection(begun)).collect();
        assert_eq!(names.len(), BEGUN.len(), "{names:?}");
    }
}
