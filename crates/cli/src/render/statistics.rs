//! How much there is, by the year or by the month. What there is none of is not mentioned.

use std::collections::BTreeMap;

use betwixt_api::{MonthStatistics, Scope, ScopeStatistics, Statistics};
use jiff::civil::Date;

use super::{Look, rows};
use crate::terminal::printable;

/// What is begun, by its collection: the word for one, and for several.
const BEGUN: [(&str, &str, &str); 11] = [
    ("journal", "entry in the journal", "entries in the journal"),
    ("reflections", "reflection", "reflections"),
    ("thanks", "thanks", "thanks"),
    ("goals", "goal", "goals"),
    ("milestones", "milestone", "milestones"),
    ("progress", "entry of progress", "entries of progress"),
    ("values", "value", "values"),
    ("agreements", "agreement", "agreements"),
    ("rituals", "ritual", "rituals"),
    ("sealed", "sealed question", "sealed questions"),
    ("attachments", "photo or file", "photos and files"),
];

/// Every year that was asked for, on a line.
pub(crate) fn by_year(look: &Look, statistics: &Statistics) -> String {
    let year = |month: &MonthStatistics| month.month.split('-').next().unwrap_or_default().to_owned();
    blocks(look, statistics, year)
}

/// Every month that was asked for, on a line.
pub(crate) fn by_month(look: &Look, statistics: &Statistics) -> String {
    let month = |month: &MonthStatistics| {
        let first: Option<Date> = format!("{}-01", month.month).parse().ok();
        first.map_or_else(|| month.month.clone(), |first| first.strftime("%B %Y").to_string())
    };
    blocks(look, statistics, month)
}

fn blocks(look: &Look, statistics: &Statistics, name: impl Fn(&MonthStatistics) -> String) -> String {
    let blocks: Vec<String> = statistics.scopes.iter().filter_map(|scope| block(look, scope, &name)).collect();
    if blocks.is_empty() {
        return "There is nothing to count yet.".into();
    }
    blocks.join("\n\n")
}

fn block(look: &Look, scope: &ScopeStatistics, name: impl Fn(&MonthStatistics) -> String) -> Option<String> {
    // In the order of the months, some of which go under one name.
    let mut spans: Vec<(String, MonthStatistics)> = Vec::new();
    for month in &scope.months {
        let name = name(month);
        match spans.last_mut().filter(|(last, _)| *last == name) {
            Some((_, span)) => add(span, month),
            None => spans.push((name, month.clone())),
        }
    }
    let mut table = look.table(["WHEN", "WHAT"]);
    for (name, span) in &spans {
        table.add_row([printable(name), told(span)]);
    }
    let title = look.style.bold(match scope.scope {
        Scope::Ours => "Together",
        Scope::Mine => "Private, only yours",
    });
    let now = (!scope.goals.is_empty()).then(|| format!("Goals now: {}.", states(&scope.goals)));
    if spans.is_empty() {
        return now.map(|now| format!("{title}\n{now}"));
    }
    let lines = [Some(title), Some(rows(&table)), now];
    Some(lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

fn add(span: &mut MonthStatistics, month: &MonthStatistics) {
    for (collection, count) in &month.begun {
        *span.begun.entry(collection.clone()).or_default() += count;
    }
    span.held += month.held;
    span.milestones_reached += month.milestones_reached;
    for (state, count) in &month.goals {
        *span.goals.entry(state.clone()).or_default() += count;
    }
}

fn told(span: &MonthStatistics) -> String {
    let mut words = Vec::new();
    let mut tell = |count: u64, one: &str, several: &str| {
        if count > 0 {
            words.push(format!("{count} {}", if count == 1 { one } else { several }));
        }
    };
    for (collection, one, several) in BEGUN {
        tell(span.begun.get(collection).copied().unwrap_or_default(), one, several);
    }
    tell(span.held, "ritual took place", "rituals took place");
    tell(span.milestones_reached, "milestone reached", "milestones reached");
    let reached = span.goals.get("reached").copied().unwrap_or_default();
    tell(reached, "goal reached", "goals reached");
    words.join(", ")
}

fn states(goals: &BTreeMap<String, u64>) -> String {
    let state = |(state, count): (&String, &u64)| format!("{count} {}", printable(state));
    goals.iter().map(state).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::samples::look;
    use super::*;

    fn month(month: &str, begun: &[(&str, u64)], held: u64, reached: u64) -> MonthStatistics {
        MonthStatistics {
            month: month.into(),
            begun: begun.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            held,
            milestones_reached: 0,
            goals: if reached > 0 { [("reached".to_owned(), reached)].into() } else { BTreeMap::new() },
        }
    }

    fn sample() -> Statistics {
        let months = vec![
            month("2026-12", &[("thanks", 1)], 0, 0),
            month("2027-01", &[("thanks", 3), ("goals", 1)], 4, 0),
            month("2027-02", &[("thanks", 2)], 1, 1),
        ];
        let goals = [("exploring".to_owned(), 2), ("reached".to_owned(), 1)].into();
        Statistics { scopes: vec![ScopeStatistics { scope: Scope::Ours, goals, months }] }
    }

    #[test]
    fn years_are_the_sums_of_their_months() {
        let expected = "Together\nWHEN  WHAT\n2026  1 thanks\n2027  5 thanks, 1 goal, 5 rituals took place, 1 goal reached\n\
                        Goals now: 2 exploring, 1 reached.";
        assert_eq!(by_year(&look(), &sample()), expected);
    }

    #[test]
    fn months_stand_by_themselves_and_nothing_is_said_of_what_there_is_none_of() {
        let told = by_month(&look(), &sample());
        assert!(told.contains("January 2027   3 thanks, 1 goal, 4 rituals took place\n"), "{told}");
        assert!(!told.contains(" 0 "), "{told}");
        let empty = ScopeStatistics { scope: Scope::Mine, goals: BTreeMap::new(), months: vec![] };
        assert_eq!(by_year(&look(), &Statistics { scopes: vec![empty] }), "There is nothing to count yet.");
    }
}
