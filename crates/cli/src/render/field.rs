//! A field: what it holds, or every version that differs.

use betwixt_api::{Between, Field, FieldState, Passage, Version};
use serde_json::Value;

use super::{Look, indent, words};
use crate::terminal::printable;
use crate::values::{Measure, cadence, show_date};

/// What a field is called, from its name in the API.
pub(crate) fn label(name: &str) -> String {
    let words = match name {
        "why" => "Why".to_owned(),
        "what" => "For".to_owned(),
        "showed" => "It showed".to_owned(),
        "done" => "Done".to_owned(),
        other => {
            let mut characters = other.chars();
            let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            (first + characters.as_str()).replace('_', " ")
        }
    };
    printable(&words)
}

/// A value, by what it is.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "(taken back)".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => printable(&show_date(text.trim_end())),
        // Of an occurrence: what it says, without which one it is about.
        Value::Object(object) if object.contains_key("ritual") => match (object.get("to"), object.get("is")) {
            (Some(to), _) => printable(&format!("moved to {}", to.as_str().unwrap_or_default().replace('T', " "))),
            (None, Some(Value::Bool(skipped))) => if *skipped { "skipped" } else { "not skipped" }.into(),
            (None, is) => {
                let held = is.and_then(Value::as_str) == Some("done");
                if held { "took place" } else { "did not take place" }.into()
            }
        },
        Value::Object(object) if object.contains_key("outcome") => {
            let words = object.get("outcome").and_then(Value::as_str).unwrap_or_default().replace('_', " ");
            printable(&words)
        }
        Value::Object(object) if object.contains_key("to") => {
            let note = object.get("note").and_then(Value::as_str).map(|note| format!(": {note}"));
            printable(&format!("not yet{}", note.unwrap_or_default()))
        }
        Value::Object(object) if object.contains_key("rule") => printable(&cadence::show(value).unwrap_or_default()),
        Value::Object(object) if object.contains_key("from") => {
            let day = |name: &str| object.get(name).and_then(Value::as_str).map(show_date);
            let until = day("until").map(|until| format!(" until {until}")).unwrap_or_default();
            printable(&format!("from {}{until}", day("from").unwrap_or_default()))
        }
        Value::Object(object) if object.contains_key("type") => {
            let measure = Measure::read(Some(value));
            match measure.kind.as_str() {
                "yes_no" => "yes or no".into(),
                _ => printable(&measure.show(0)),
            }
        }
        Value::Object(object) if object.contains_key("text") || object.contains_key("id") => {
            let text = object.get("text").or_else(|| object.get("id"));
            printable(text.and_then(Value::as_str).unwrap_or_default())
        }
        Value::Object(object) => {
            let lines: Vec<String> =
                object.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default())).collect();
            printable(&lines.join("\n"))
        }
        other => printable(&other.to_string()),
    }
}

/// A field in one line, for tables.
pub(crate) fn brief(field: Option<&Field>) -> String {
    let Some(field) = field else { return String::new() };
    let one_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    match &field.state {
        FieldState::Empty => String::new(),
        FieldState::Held { value: held, .. } => one_line(value(held)),
        FieldState::Differing { versions, .. } | FieldState::Each { versions } => {
            let all: Vec<String> = versions.iter().map(|version| one_line(value(&version.value))).collect();
            all.join(" | ")
        }
    }
}

/// A field with its heading: who said what, and what waits. Nothing for a field about which nothing was said.
pub(crate) fn full(look: &Look, name: &str, field: &Field) -> String {
    let mut lines = Vec::new();
    let mut mark = String::new();
    match &field.state {
        FieldState::Empty if field.waiting.is_empty() && field.agreement.is_empty() => return String::new(),
        FieldState::Empty => {}
        FieldState::Held { value: held, said, versions } => {
            // What one partner said and the other has not answered is shown as such below, once.
            let waits = field.waiting.iter().any(|version| version.value == *held);
            if !waits {
                lines.push(indent(&value(held), 2));
                lines.push(look.style.dim(&format!("  {}", provenance(look, field, said, versions))));
            }
        }
        FieldState::Each { versions } => {
            for version in versions {
                lines.push(format!("  {}:", look.said(&version.said)));
                lines.push(indent(&value(&version.value), 4));
            }
        }
        FieldState::Differing { versions, was } => {
            mark = match field.between {
                None => " (to settle)".to_owned(),
                Some(Between::Both) => format!(" (to settle: you and {})", look.other()),
                Some(Between::Yourself) => " (you said this on two devices: yours to settle)".to_owned(),
                Some(Between::Other) => format!(" ({0} said this on two devices: {0}'s to settle)", look.other()),
            };
            if field.passages.is_empty() {
                lines.extend(numbered(look, versions));
                if let Some(was) = was {
                    lines.push(look.style.dim(&indent(&format!("before: {}", value(was)), 2)));
                }
            } else {
                lines.extend(field.passages.iter().map(|passage| self::passage(look, passage)));
            }
        }
    }
    for agreement in &field.agreement {
        // Held, it stands above already.
        if field.held() == Some(&agreement.value) {
            continue;
        }
        lines.push(indent(&value(&agreement.value), 2));
        lines.push(look.style.dim("  agreed by both, and it stands until you both agree to another"));
    }
    for version in &field.waiting {
        // Where words differ, they stand above already.
        if field.differs() && field.versions().contains(version) {
            continue;
        }
        lines.push(format!("  {} ({}):", waiting(look, version), show_date(&version.said.on)));
        lines.push(indent(&value(&version.value), 4));
    }
    if field.crossed {
        lines.push(look.style.dim("  you each took the other's"));
    }
    for version in &field.outside {
        lines.push(format!("  changed outside Betwixt ({}):", show_date(&version.said.on)));
        lines.push(indent(&value(&version.value), 4));
    }
    if field.changed_since_agreed {
        lines.push(look.style.dim("  changed since you both agreed"));
    }
    if field.arriving {
        lines.push(look.style.dim("  part of this is still arriving"));
    }
    format!("{}{mark}\n{}", look.style.bold(&label(name)), lines.join("\n"))
}

fn waiting(look: &Look, version: &Version) -> String {
    if version.said.own { "you propose".into() } else { format!("{} proposes", look.other()) }
}

fn provenance(look: &Look, field: &Field, said: &[betwixt_api::Said], versions: &[Version]) -> String {
    if field.agreed {
        let last = said.iter().map(|said| said.on.as_str()).max().unwrap_or_default();
        return format!("agreed by both, {}", show_date(last));
    }
    if versions.len() > 1 {
        let all: Vec<String> = versions.iter().map(|version| look.said(&version.said)).collect();
        return format!("both texts together: {}", all.join("; "));
    }
    let all: Vec<String> = said.iter().map(|said| look.said(said)).collect();
    all.join("; ")
}

fn numbered(look: &Look, versions: &[Version]) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, version) in versions.iter().enumerate() {
        lines.push(format!("  {}. {}:", place + 1, look.said(&version.said)));
        lines.push(indent(&value(&version.value), 5));
    }
    lines
}

fn passage(look: &Look, passage: &Passage) -> String {
    let text = |text: &str| {
        let text = text.trim();
        if text.is_empty() { "(nothing)".to_owned() } else { printable(text) }
    };
    match passage {
        Passage::Held { text: held } => indent(printable(held).trim_end(), 2),
        Passage::Differing { was, versions } => {
            let mut lines: Vec<String> = versions
                .iter()
                .map(|version| {
                    let all: Vec<String> = version.said.iter().map(|said| look.who(said)).collect();
                    let shown = match version.text.trim() {
                        "" => text(""),
                        said if version.words.is_empty() => text(said),
                        said => words::marked(look, said, &version.words),
                    };
                    format!("  | {}: {shown}", all.join(" and "))
                })
                .collect();
            lines.extend(was.iter().map(|was| look.style.dim(&format!("  | before: {}", text(was)))));
            lines.join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{differing, held, look, proposed, prose};
    use super::*;

    #[test]
    fn a_held_field() {
        insta::assert_snapshot!(full(&look(), "title", &held("Cycle along the coast", true)), @r"
        Title
          Cycle along the coast
          you, 2 March 2027
        ");
    }

    #[test]
    fn a_differing_field_shows_every_version_own_first() {
        insta::assert_snapshot!(full(&look(), "until", &differing("2027-06-01", "2027-09-01", Some("2027-05-01"))), @r"
        Until (to settle)
          1. you, 3 March 2027:
             1 June 2027
          2. Sam, 3 March 2027:
             1 September 2027
          before: 1 May 2027
        ");
    }

    #[test]
    fn prose_differs_passage_by_passage() {
        insta::assert_snapshot!(full(&look(), "draft", &prose()), @r"
        Draft (to settle)
          A calm, open home.
          | you: We travel{+ every year+}.
          | Sam: We [-travel-]{+stay near the sea+}.
          | before: We travel.
        ");
    }

    #[test]
    fn two_devices_of_one_are_told_from_two_partners() {
        let heading = |between| {
            let field = Field { between: Some(between), ..differing("2027-06-01", "2027-09-01", None) };
            full(&look(), "until", &field).lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(heading(Between::Both), "Until (to settle: you and Sam)");
        assert_eq!(heading(Between::Yourself), "Until (you said this on two devices: yours to settle)");
        assert_eq!(heading(Between::Other), "Until (Sam said this on two devices: Sam's to settle)");
    }

    #[test]
    fn a_proposal_waits_beside_what_is_agreed() {
        insta::assert_snapshot!(full(&look(), "wording", &proposed()), @r"
        Wording
          A calm home.
          agreed by both, and it stands until you both agree to another
          Sam proposes (3 March 2027):
            A calm, open home.
        ");
    }

    #[test]
    fn what_was_not_said_is_not_shown() {
        let mut field = held("x", true);
        field.state = FieldState::Empty;
        assert_eq!(full(&look(), "why", &field), "");
    }
}
