//! Chapters, in words.

use betwixt_api::{ChapterProposal, Chapters, ErasedFact};

use super::{Look, indent, short};
use crate::terminal::printable;
use crate::values::show_date;

/// How it stands, and what can be done.
pub(crate) fn chapters(look: &Look, chapters: &Chapters) -> String {
    let mut lines = Vec::new();
    if chapters.made > 0 {
        lines.push(format!(
            "You have begun {} together, in which {} lost.",
            count(chapters.made, "new chapter", "new chapters"),
            match chapters.erased {
                1 => "the value of 1 fact was".to_owned(),
                many => format!("the values of {many} facts were"),
            }
        ));
        lines.push(
            "Backups and snapshots that were made before still hold them; so does a device until you meet it.".into(),
        );
    }
    for proposal in &chapters.proposals {
        lines.extend(proposed(look, proposal));
    }
    if chapters.proposals.is_empty() {
        lines.push(match (chapters.arriving, chapters.keeps) {
            (true, _) => "Part of what you share is still arriving, so no chapter can begin now.".into(),
            (false, 0) => "Nothing was said yet that a new chapter could keep.".into(),
            (false, keeps) => format!(
                "A new chapter would keep {}, and erase the values that you both name. `betwixt chapter propose --erase FACT` \
                 proposes one; facts are named by `betwixt history ITEM --json`.",
                count(keeps, "fact", "facts")
            ),
        });
    }
    lines.join("\n")
}

fn proposed(look: &Look, proposal: &ChapterProposal) -> Vec<String> {
    let who = if proposal.said.own { "You propose".to_owned() } else { format!("{} proposes", look.other()) };
    let keeps = match proposal.keeps {
        Some(keeps) => format!("keeps {}", count(keeps, "fact", "facts")),
        None => "keeps more than is here yet".to_owned(),
    };
    let erases = match proposal.erases.len() as u64 {
        0 => "erases nothing".to_owned(),
        number => {
            format!("erases the {} of {}", if number == 1 { "value" } else { "values" }, count(number, "fact", "facts"))
        }
    };
    let mut lines =
        vec![format!("{who} a new chapter ({}), which {keeps} and {erases}.", show_date(&proposal.said.on))];
    lines.extend(proposal.erases.iter().map(|erased| indent(&one(look, erased), 2)));
    lines.push(if proposal.said.own {
        format!("It begins when {} agrees. `betwixt chapter withdraw` takes it back.", look.other())
    } else if proposal.keeps.is_some() {
        "`betwixt chapter agree` agrees to it. That cannot be taken back.".to_owned()
    } else {
        "You can agree to it when the rest is here.".to_owned()
    });
    lines
}

fn one(look: &Look, erased: &ErasedFact) -> String {
    let (Some(said), Some(kind), Some(field)) = (&erased.said, &erased.kind, &erased.field) else {
        return format!("{}  still arriving", short(&erased.fact));
    };
    let value = match &erased.value {
        Some(serde_json::Value::String(text)) => printable(text),
        Some(value) => printable(&value.to_string()),
        None => "(erased)".to_owned(),
    };
    let line = value.lines().next().unwrap_or_default().to_owned();
    let more = if value.lines().nth(1).is_some() { " ..." } else { "" };
    format!("{}  {} {}, {}: {line}{more}", short(&erased.fact), printable(kind), printable(field), look.said(said))
}

/// What is asked before agreeing.
pub(crate) fn question(look: &Look, before: &Chapters) -> String {
    let theirs: Vec<String> = before
        .proposals
        .iter()
        .filter(|proposal| !proposal.said.own)
        .map(|proposal| proposed(look, proposal).join("\n"))
        .collect();
    format!("{}\nAgree? What is erased does not come back.", theirs.join("\n"))
}

fn count(number: u64, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

#[cfg(test)]
mod tests {
    use betwixt_api::Said;
    use serde_json::json;

    use super::*;
    use crate::terminal::Style;

    fn look() -> Look {
        Look { partner: Some("Sam".into()), style: Style::PLAIN, width: None }
    }

    fn said(own: bool) -> Said {
        Said { by: "x".into(), own, on: "2027-03-02".into(), fact: "f".repeat(52) }
    }

    #[test]
    fn what_would_be_kept_and_erased_is_shown_and_what_it_does_not_reach() {
        let mut chapters = Chapters { made: 0, erased: 0, keeps: 0, arriving: false, proposals: Vec::new() };
        assert_eq!(super::chapters(&look(), &chapters), "Nothing was said yet that a new chapter could keep.");
        chapters.keeps = 12;
        assert!(super::chapters(&look(), &chapters).starts_with("A new chapter would keep 12 facts"));
        let erased = ErasedFact {
            said: Some(said(true)),
            fact: "k".repeat(52),
            kind: Some("vision".into()),
            item: Some("i".repeat(52)),
            field: Some("draft".into()),
            value: Some(json!("A secret.\nAnd more.")),
        };
        chapters.proposals.push(ChapterProposal { said: said(false), keeps: Some(12), erases: vec![erased] });
        let text = super::chapters(&look(), &chapters);
        assert!(
            text.contains(
                "Sam proposes a new chapter (2 March 2027), which keeps 12 facts and erases the value of 1 fact."
            ),
            "{text}"
        );
        assert!(text.contains("kkkkkkkk  vision draft, you, 2 March 2027: A secret. ..."), "{text}");
        assert!(text.contains("cannot be taken back"), "{text}");
        let chapters = Chapters { made: 1, erased: 1, keeps: 12, arriving: false, proposals: Vec::new() };
        let text = super::chapters(&look(), &chapters);
        assert!(text.contains("the value of 1 fact was lost") && text.contains("Backups and snapshots"), "{text}");
    }
}
