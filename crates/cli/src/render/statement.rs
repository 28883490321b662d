//! What is said around a wording: not yet, and looking at it again.

use betwixt_api::{Field, Item, Review, Said, Version};
use serde_json::Value;

use super::Look;
use crate::terminal::printable;
use crate::values::show_date;

/// Answers to proposals that still stand, and when it is to be looked at again; a block each.
pub(crate) fn around(look: &Look, item: &Item) -> Vec<String> {
    let answers = answers(item).map(|answer| not_yet(look, answer));
    let review = item.review.as_ref().map(|shown| review(look, shown));
    answers.chain(review).collect()
}

/// "Not yet", where it answers a wording that still waits.
pub(crate) fn answers(item: &Item) -> impl Iterator<Item = &Version> {
    let standing = |fact: &str| {
        let wording = item.fields.get("wording");
        let mut live = wording.into_iter().flat_map(|wording| wording.waiting.iter().chain(wording.versions()));
        live.any(|version| version.said.fact == fact)
    };
    let said = item.fields.get("not_yet").map(Field::versions).unwrap_or_default();
    said.iter().filter(move |answer| answer.value.get("to").and_then(Value::as_str).is_some_and(standing))
}

/// `Sam: not yet (the part about money)`
pub(crate) fn not_yet(look: &Look, answer: &Version) -> String {
    let note = answer.value.get("note").and_then(Value::as_str).map(|note| format!(": {}", printable(note)));
    let who = if answer.said.own { "You are".to_owned() } else { format!("{} is", look.other()) };
    format!("{who} not there yet ({}){}", show_date(&answer.said.on), note.unwrap_or_default())
}

/// When it is to be looked at again, and who found what.
pub(crate) fn review(look: &Look, review: &Review) -> String {
    let mut lines = vec![format!("{} {}", look.style.bold("To look at again"), show_date(&review.on))];
    lines.extend(review.answers.iter().map(|answer| format!("  {}", found(look, &answer.outcome, &answer.said))));
    lines.join("\n")
}

fn found(look: &Look, outcome: &str, said: &Said) -> String {
    let words = match outcome {
        "still_true" => "it is still true",
        "reword" => "to be worded anew",
        "retire" => "it has had its time",
        _ => "said by a newer version",
    };
    format!("{}: {words}", look.said(said))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{field, goal, look, proposed, said, version};
    use super::*;
    use betwixt_api::{FieldState, ReviewAnswer};
    use serde_json::json;

    #[test]
    fn not_yet_is_shown_while_what_it_answers_waits() {
        let mut item = goal();
        let answer = json!({"to": "f7qk", "note": "the part about money"});
        item.fields.insert("not_yet".into(), field(FieldState::Each { versions: vec![version(answer, false)] }));
        assert_eq!(around(&look(), &item), Vec::<String>::new());
        item.fields.insert("wording".into(), proposed());
        assert_eq!(around(&look(), &item), ["Sam is not there yet (3 March 2027): the part about money"]);
    }

    #[test]
    fn a_review_shows_who_found_what() {
        let answers = vec![ReviewAnswer { outcome: "reword".into(), said: said(false, "2027-03-02") }];
        insta::assert_snapshot!(review(&look(), &Review { on: "2027-03-01".into(), answers }), @r"
        To look at again 1 March 2027
          Sam, 2 March 2027: to be worded anew
        ");
    }
}
