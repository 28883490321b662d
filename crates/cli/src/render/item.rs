//! Items: one, or many, and what waits to be settled between them.

use betwixt_api::{BringChoice, BringReport, Collection, Differences, Field, Item, ItemReference, Scope};

use super::{Look, field, indent, rows, short, statement};
use crate::terminal::printable;
use crate::values::{Measure, show_date};

/// The order in which fields are shown.
const ORDER: [&str; 13] = [
    "title", "name", "pronouns", "why", "area", "state", "from", "until", "prompt", "what", "showed", "draft",
    "wording",
];

/// Fields that are shown in another way, or are not for reading.
const UNSHOWN: [&str; 9] = ["rank", "goal", "milestone", "measure", "to", "not_yet", "review", "reviewed", "turns"];

/// An item with all its fields.
pub(crate) fn full(look: &Look, item: &Item) -> String {
    let mut blocks = vec![heading(look, item)];
    for (name, field) in ordered(item) {
        let block = field::full(look, name, field);
        if !block.is_empty() {
            blocks.push(block);
        }
    }
    blocks.extend(statement::around(look, item));
    for milestone in item.parts.get("milestones").into_iter().flatten() {
        blocks.push(milestone_line(look, milestone));
    }
    for file in item.parts.get("attachments").into_iter().flatten() {
        let title = field::brief(file.fields.get("title"));
        blocks.push(format!("{} {}  {title}", look.style.bold("Attachment"), short(&file.id)));
    }
    if item.newer {
        blocks.push(look.style.dim("Part of this was made by a newer version of Betwixt, and is kept."));
    }
    if blocks.len() == 1 {
        blocks.push("Nothing was said here yet.".into());
    }
    blocks.join("\n")
}

fn heading(look: &Look, item: &Item) -> String {
    let scope = match item.scope {
        Scope::Ours => "shared",
        Scope::Mine => "private",
    };
    let heading = match item.collection {
        Collection::Vision => format!("Vision ({scope})"),
        collection => format!("{} {} ({scope})", singular(collection), short(&item.id)),
    };
    look.style.bold(&heading)
}

fn ordered(item: &Item) -> Vec<(&str, &Field)> {
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut fields: Vec<(&str, &Field)> = item
        .fields
        .iter()
        .map(|(name, field)| (name.as_str(), field))
        .filter(|(name, _)| !UNSHOWN.contains(name))
        .collect();
    fields.sort_by_key(|(name, _)| place(name));
    fields
}

fn milestone_line(look: &Look, milestone: &Item) -> String {
    let measure = Measure::read(milestone.fields.get("measure").and_then(Field::held));
    let title = field::brief(milestone.fields.get("title"));
    let progress = match (measure.kind.as_str(), &milestone.tally) {
        ("yes_no", _) => {
            let done = milestone.fields.get("done").is_some_and(|field| {
                field.held().and_then(serde_json::Value::as_bool).unwrap_or_default()
                    || field.versions().iter().any(|version| version.value == true)
            });
            if done { "done" } else { "open" }.to_owned()
        }
        (_, tally) => printable(&measure.show(tally.as_ref().map_or(0, |tally| tally.sum))),
    };
    format!("{} {}  {title}: {progress}", look.style.bold("Milestone"), short(&milestone.id))
}

/// What one item of a collection is called.
pub(crate) fn singular(collection: Collection) -> &'static str {
    match collection {
        Collection::Vision => "Vision",
        Collection::Values => "Value",
        Collection::Agreements => "Agreement",
        Collection::Goals => "Goal",
        Collection::Milestones => "Milestone",
        Collection::Progress => "Progress",
        Collection::Reflections => "Reflection",
        Collection::Journal => "Journal entry",
        Collection::Thanks => "Thanks",
        Collection::SayingsBack => "Said back",
        Collection::Members => "Member",
        Collection::Rituals => "Ritual",
        Collection::Occurrences => "Occurrence",
        Collection::Sealed => "Sealed question",
        Collection::Attachments => "Attachment",
    }
}

/// Goals, or values, as a table.
pub(crate) fn list(look: &Look, collection: Collection, items: &[Item]) -> String {
    if items.is_empty() {
        return match collection {
            Collection::Goals => "There are no goals yet. Name one: betwixt goal add \"...\"".into(),
            Collection::Agreements => "There are no agreements yet. Name one: betwixt agreement add \"...\"".into(),
            Collection::Values => "There are no values yet. Name one: betwixt value add \"...\"".into(),
            _ => "There is nothing yet.".into(),
        };
    }
    let mut table = look.table(["ID", "TITLE", "STATE", "WHOSE"]);
    for item in items {
        let waits = item.fields.values().any(|field| field.differs() || !field.waiting.is_empty());
        let state = match item.fields.get("wording").filter(|field| field.agreed) {
            _ if waits => "to settle".to_owned(),
            Some(_) => "agreed".to_owned(),
            None => field::brief(item.fields.get("state")),
        };
        let whose = if item.scope == Scope::Ours { "shared" } else { "private" };
        table.add_row([short(&item.id), field::brief(item.fields.get("title")), state, whose.into()]);
    }
    rows(&table)
}

/// Entries that are read one after the other: reflections, thanks, the journal. `text` is the field that is read.
pub(crate) fn entries(look: &Look, items: &[Item], text: &str) -> String {
    let mut blocks = Vec::new();
    for item in items {
        let who = if item.own { "you".to_owned() } else { look.other() };
        let on = item.on.as_deref().map(show_date).unwrap_or_default();
        let mut block = format!("{}  {}", look.style.bold(&format!("{on}, {who}")), look.style.dim(&short(&item.id)));
        for name in ["title", "prompt", text, "showed"] {
            let said = item.fields.get(name).map(all).unwrap_or_default();
            if !said.is_empty() {
                let heading = if name == "showed" { "It showed: " } else { "" };
                block.push('\n');
                block.push_str(&indent(&format!("{heading}{said}"), 2));
            }
        }
        blocks.push(block);
    }
    if blocks.is_empty() { "There is nothing yet.".into() } else { blocks.join("\n\n") }
}

fn all(field: &Field) -> String {
    match field.held() {
        Some(held) => field::value(held),
        None => field.versions().iter().map(|version| field::value(&version.value)).collect::<Vec<_>>().join("\n"),
    }
}

/// What waits to be settled.
pub(crate) fn differences(look: &Look, differences: &Differences) -> String {
    if differences.threads.is_empty() {
        return "Nothing waits to be settled.".into();
    }
    let mut blocks = Vec::new();
    for thread in &differences.threads {
        let name = reference(&thread.item);
        let mut block = look.style.bold(&name);
        let handle = match thread.item.collection {
            Collection::Vision => "vision".to_owned(),
            _ => short(&thread.item.id),
        };
        for (name, field) in &thread.fields {
            block.push('\n');
            block.push_str(&indent(&field::full(look, name, field), 2));
            let hint = format!("betwixt settle take|say|say-back|differ|park {handle} {name}");
            block.push('\n');
            block.push_str(&look.style.dim(&format!("    {hint}")));
        }
        blocks.push(block);
    }
    blocks.join("\n\n")
}

/// `Goal k3j4k3j4: Cycle along the coast`
pub(crate) fn reference(item: &ItemReference) -> String {
    let title = printable(item.title.lines().next().unwrap_or_default());
    match item.collection {
        Collection::Vision => "Vision".into(),
        collection => format!("{} {}: {title}", singular(collection), short(&item.id)),
    }
}

/// What could be brought over.
pub(crate) fn bring_choices(look: &Look, choices: &[BringChoice]) -> String {
    if choices.is_empty() {
        return "There is nothing private that could be brought over.".into();
    }
    let mut table = look.table(["ID", "WHAT", "TITLE", ""]);
    for choice in choices {
        let brought = if choice.brought_to.is_some() { "brought already" } else { "" };
        let title = printable(choice.item.title.lines().next().unwrap_or_default());
        table.add_row([short(&choice.item.id), singular(choice.item.collection).into(), title, brought.into()]);
    }
    format!("{}\n\nBring one with `betwixt bring ID`, or all with `betwixt bring --all`.", rows(&table))
}

/// What was brought over.
pub(crate) fn bring_report(report: &BringReport) -> String {
    let mut lines: Vec<String> =
        report.brought.iter().map(|brought| format!("Brought over: {}", reference(&brought.to))).collect();
    lines.extend(report.already.iter().map(|brought| format!("There already: {}", reference(&brought.to))));
    if lines.is_empty() { "There was nothing to bring over.".into() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{differing, goal, look, proposed};
    use super::*;
    use betwixt_api::{Brought, Thread};

    fn coast() -> ItemReference {
        ItemReference {
            id: "k3j4k3j4k3j4".into(),
            collection: Collection::Goals,
            scope: Scope::Ours,
            title: "Cycle along the coast".into(),
        }
    }

    #[test]
    fn a_goal() {
        insta::assert_snapshot!(full(&look(), &goal()), @r"
        Goal k3j4k3j4 (shared)
        Title
          Cycle along the coast
          you, 2 March 2027
        Why
          you, 3 March 2027:
            To be outside together
          Sam, 3 March 2027:
            For the sea
        Until (to settle)
          1. you, 3 March 2027:
             1 June 2027
          2. Sam, 3 March 2027:
             1 September 2027
        Milestone m7d2m7d2  Travel money: 50.50 of 800.00 EUR
        ");
    }

    #[test]
    fn goals() {
        insta::assert_snapshot!(list(&look(), Collection::Goals, &[goal()]), @r"
        ID        TITLE                  STATE      WHOSE
        k3j4k3j4  Cycle along the coast  to settle  shared
        ");
    }

    #[test]
    fn what_waits_to_be_settled() {
        let vision =
            ItemReference { collection: Collection::Vision, title: String::new(), id: "v".into(), scope: Scope::Ours };
        let all = Differences {
            threads: vec![
                Thread { item: vision, fields: [("wording".to_owned(), proposed())].into() },
                Thread {
                    item: coast(),
                    fields: [("until".to_owned(), differing("2027-06-01", "2027-09-01", None))].into(),
                },
            ],
        };
        insta::assert_snapshot!(differences(&look(), &all), @r"
        Vision
          Wording
            A calm home.
            agreed by both, and it stands until you both agree to another
            Sam proposes (3 March 2027):
              A calm, open home.
            betwixt settle take|say|say-back|differ|park vision wording

        Goal k3j4k3j4: Cycle along the coast
          Until (to settle)
            1. you, 3 March 2027:
               1 June 2027
            2. Sam, 3 March 2027:
               1 September 2027
            betwixt settle take|say|say-back|differ|park k3j4k3j4 until
        ");
    }

    #[test]
    fn bringing() {
        let choices = [
            BringChoice { item: coast(), brought_to: None },
            BringChoice {
                item: ItemReference { collection: Collection::Values, ..coast() },
                brought_to: Some("x".into()),
            },
        ];
        insta::assert_snapshot!(bring_choices(&look(), &choices), @r"
        ID        WHAT   TITLE
        k3j4k3j4  Goal   Cycle along the coast
        k3j4k3j4  Value  Cycle along the coast  brought already

        Bring one with `betwixt bring ID`, or all with `betwixt bring --all`.
        ");
        let report = BringReport { brought: vec![Brought { from: "a".into(), to: coast() }], already: vec![] };
        insta::assert_snapshot!(bring_report(&report), @r"Brought over: Goal k3j4k3j4: Cycle along the coast");
    }

    #[test]
    fn thanks_in_a_row() {
        let mut item = goal();
        item.fields = [("what".to_owned(), super::super::samples::held("You made tea", false))].into();
        item.own = false;
        insta::assert_snapshot!(entries(&look(), &[item], "what"), @r"
        2 March 2027, Sam  k3j4k3j4
          You made tea
        ");
    }
}
