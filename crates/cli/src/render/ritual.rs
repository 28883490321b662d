//! Rituals: when each is next, and how its occurrences stand.

use betwixt_api::{Calendar, Field, Leader, Occurrence, OccurrenceStatus, RitualCalendar, Version, When};
use serde_json::Value;

use super::{Look, rows, short};
use crate::terminal::printable;
use crate::values::show_date;

/// Every ritual with its next occurrence.
pub(crate) fn list(look: &Look, calendar: &Calendar) -> String {
    if calendar.rituals.is_empty() {
        return "There are no rituals yet. Name one: betwixt ritual add \"...\"".into();
    }
    let mut table = look.table(["ID", "TITLE", "NEXT", "LEADS"]);
    for ritual in &calendar.rituals {
        let (next, leads) = match &ritual.next {
            Some(next) => (times(&next.when), who(look, next.leads.as_ref())),
            None if ritual.problems.is_empty() => ("not agreed, or over".into(), String::new()),
            None => ("cannot be followed".into(), String::new()),
        };
        table.add_row([short(&ritual.ritual.id), printable(&ritual.ritual.title), next, leads]);
    }
    rows(&table)
}

/// One ritual's occurrences, one a line.
pub(crate) fn occurrences(look: &Look, ritual: &RitualCalendar) -> String {
    let mut lines: Vec<String> =
        ritual.problems.iter().map(|problem| format!("The cadence {}", printable(problem))).collect();
    for occurrence in &ritual.occurrences {
        lines.push(format!("  {}", line(look, occurrence)));
    }
    match &ritual.next {
        Some(next) => {
            let leads = next.leads.as_ref().map(|leads| format!("; {}", leading(look, leads))).unwrap_or_default();
            lines.push(format!("Next: {}{leads}", times(&next.when)));
        }
        None => lines.push("Next: none, until you both agree when it is.".into()),
    }
    lines.join("\n")
}

/// What takes place on some days, of all rituals.
pub(crate) fn days(look: &Look, calendar: &Calendar) -> String {
    let mut lines: Vec<(Option<String>, String)> = Vec::new();
    for ritual in &calendar.rituals {
        for occurrence in &ritual.occurrences {
            let begins = occurrence.when.iter().map(local).min();
            let title = look.style.bold(&printable(&ritual.ritual.title));
            let id = look.style.dim(&short(&ritual.ritual.id));
            lines.push((begins, format!("{title} {id}  {}", line(look, occurrence))));
        }
    }
    lines.sort();
    if lines.is_empty() {
        return "Nothing is planned.".into();
    }
    lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

fn line(look: &Look, occurrence: &Occurrence) -> String {
    let mut words = vec![times(&occurrence.when)];
    let planned = show_date(&occurrence.date);
    if !occurrence.when.iter().any(|when| when.date == occurrence.date) {
        words.push(format!("planned for {planned}"));
    }
    words.push(status(look, occurrence));
    words.extend(occurrence.leads.as_ref().map(|leads| leading(look, leads)));
    if !occurrence.scheduled {
        words.push("not in the cadence".into());
    }
    words.extend(notes(look, &occurrence.mark));
    words.join("; ")
}

fn status(look: &Look, occurrence: &Occurrence) -> String {
    let marked = |word: &str| {
        let says = |version: &&Version| version.value.get("is").and_then(Value::as_str) == Some(word);
        let who: Vec<String> =
            occurrence.mark.versions().iter().filter(says).map(|version| look.who(&version.said)).collect();
        who.join(" and ")
    };
    match occurrence.status {
        OccurrenceStatus::Open => "open".into(),
        OccurrenceStatus::Held => format!("took place ({})", marked("done")),
        OccurrenceStatus::Missed => format!("did not take place ({})", marked("missed")),
        OccurrenceStatus::Skipped => "skipped".into(),
        OccurrenceStatus::Paused => "paused".into(),
        OccurrenceStatus::Unclear => {
            let done = marked("done");
            if done.is_empty() {
                "you said different things of it".into()
            } else {
                format!("{done} did it, and it was skipped")
            }
        }
    }
}

fn notes(look: &Look, mark: &Field) -> Vec<String> {
    let note = |version: &Version| {
        let note = version.value.get("note")?.as_str()?;
        Some(format!("{}: \"{}\"", look.who(&version.said), printable(note)))
    };
    mark.versions().iter().filter_map(note).collect()
}

fn leading(look: &Look, leads: &Leader) -> String {
    let who = who(look, Some(leads));
    if leads.own { format!("{who} lead") } else { format!("{who} leads") }
}

fn who(look: &Look, leads: Option<&Leader>) -> String {
    match leads {
        None => String::new(),
        Some(leads) if leads.own => "you".into(),
        Some(_) => look.other(),
    }
}

/// When: each of the times on which it may be.
fn times(when: &[When]) -> String {
    let each = when.iter().map(|when| {
        let (date, time) = match local(when).split_once('T') {
            Some((date, time)) => (date.to_owned(), Some(time.to_owned())),
            None => (when.date.clone(), None),
        };
        let mut words = show_date(&date);
        words.extend(time.map(|time| format!(" {time}")));
        words.push_str(match when.irregular.as_deref() {
            Some("never") => " (the clocks leave out its usual time)",
            Some("twice") => " (the clocks show that twice: the first)",
            _ => "",
        });
        printable(&words)
    });
    each.collect::<Vec<_>>().join(" or ")
}

/// Day and time for whoever looks.
fn local(when: &When) -> String {
    let there = || match &when.time {
        Some(time) => format!("{}T{time}", when.date),
        None => when.date.clone(),
    };
    when.here.clone().unwrap_or_else(there)
}

#[cfg(test)]
mod tests {
    use betwixt_api::{FieldKind, FieldState, ItemReference, NextOccurrence, Scope};
    use serde_json::json;

    use super::super::samples::{look, version};
    use super::*;

    fn when(date: &str) -> When {
        let zone = "Europe/Berlin".into();
        When {
            date: date.into(),
            time: Some("19:00".into()),
            zone,
            at: None,
            here: None,
            irregular: None,
            minutes: None,
        }
    }

    fn occurrence(date: &str, status: OccurrenceStatus, marks: Vec<Version>) -> Occurrence {
        let mark = Field { state: FieldState::Each { versions: marks }, ..Field::empty(FieldKind::Owned) };
        let empty = || Field::empty(FieldKind::Shared);
        let (date, when) = (date.to_owned(), vec![when(date)]);
        Occurrence {
            id: "o2".into(),
            date,
            scheduled: true,
            when,
            status,
            leads: None,
            mark,
            skip: empty(),
            moved: empty(),
        }
    }

    #[test]
    fn a_ritual_with_its_occurrences() {
        let done = |own| version(json!({ "is": "done", "note": "by the sea" }), own);
        let mut moved = occurrence("2027-01-17", OccurrenceStatus::Open, vec![]);
        moved.when = vec![when("2027-01-19"), When { here: Some("2027-01-21T07:00".into()), ..when("2027-01-20") }];
        moved.leads = Some(Leader { partner: "p2".into(), own: false });
        let mut old =
            occurrence("2027-01-04", OccurrenceStatus::Missed, vec![version(json!({ "is": "missed" }), false)]);
        old.scheduled = false;
        let ritual = RitualCalendar {
            ritual: ItemReference {
                id: "k3j4k3j4k3".into(),
                collection: betwixt_api::Collection::Rituals,
                scope: Scope::Ours,
                title: "Sunday talk".into(),
            },
            occurrences: vec![
                occurrence(
                    "2027-01-03",
                    OccurrenceStatus::Held,
                    vec![done(true), version(json!({ "is": "done" }), false)],
                ),
                old,
                occurrence("2027-01-10", OccurrenceStatus::Unclear, vec![version(json!({ "is": "done" }), false)]),
                moved,
            ],
            next: Some(NextOccurrence {
                date: "2027-01-17".into(),
                when: vec![when("2027-01-19")],
                leads: Some(Leader { partner: "p1".into(), own: true }),
            }),
            problems: vec![],
        };
        insta::assert_snapshot!(occurrences(&look(), &ritual), @r#"
          3 January 2027 19:00; took place (you and Sam); you: "by the sea"
          4 January 2027 19:00; did not take place (Sam); not in the cadence
          10 January 2027 19:00; Sam did it, and it was skipped
          19 January 2027 19:00 or 21 January 2027 07:00; planned for 17 January 2027; open; Sam leads
        Next: 19 January 2027 19:00; you lead
        "#);
        let calendar = Calendar { from: "2027-01-01".into(), until: "2027-01-31".into(), rituals: vec![ritual] };
        insta::assert_snapshot!(list(&look(), &calendar), @r"
        ID        TITLE        NEXT                   LEADS
        k3j4k3j4  Sunday talk  19 January 2027 19:00  you
        ");
        assert_eq!(days(&look(), &calendar).lines().count(), 4);
        let none = Calendar { rituals: vec![], ..calendar };
        assert!(list(&look(), &none).contains("betwixt ritual add"));
        assert_eq!(days(&look(), &none), "Nothing is planned.");
    }
}
