//! Which text of a fact is searched.

use std::borrow::Cow;

use serde_json::Value;

use crate::schema::{self, Naming, Shape};

/// What a value of this field says in words, where people are to find it by them; `None` for values without text, for kinds that
/// this program keeps for itself, and for what this version does not know.
pub fn text<'v>(kind: &str, field: &str, value: &'v Value) -> Option<Cow<'v, str>> {
    let kind = schema::Kind::named(kind).filter(|kind| kind.naming != Naming::Internal)?;
    let text = match kind.field(field)?.shape {
        Shape::Line | Shape::Prose => value.as_str().map(Cow::Borrowed),
        Shape::Prompt => value.get("text").and_then(Value::as_str).map(Cow::Borrowed),
        Shape::Mark | Shape::NotYet => value.get("note").and_then(Value::as_str).map(Cow::Borrowed),
        // What opens an answer is said only once both have answered.
        Shape::Opening => value.get("answer").and_then(Value::as_str).map(Cow::Borrowed),
        Shape::Terms => {
            let terms = value.as_object()?.values().filter_map(Value::as_str);
            Some(Cow::Owned(terms.collect::<Vec<_>>().join("\n")))
        }
        _ => None,
    };
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_wrote_is_searched_and_nothing_else() {
        let of = |kind, field, value: Value| text(kind, field, &value).map(|text| text.into_owned());
        let found = |words: &str| Some(words.to_owned());
        assert_eq!(of("journal", "text", json!("A good day")), found("A good day"));
        assert_eq!(of("reflection", "prompt", json!({ "id": "x1", "text": "What was new?" })), found("What was new?"));
        assert_eq!(of("member", "terms", json!({ "partner": "spouse", "home": "nest" })), found("nest\nspouse"));
        let mark = json!({ "ritual": "r", "date": "2027-01-01", "is": "done", "note": "Long talk" });
        assert_eq!(of("occurrence", "mark", mark), found("Long talk"));
        assert_eq!(of("sealed", "opening", json!({ "commitments": {}, "salt": "s", "answer": "Yes" })), found("Yes"));
        for (kind, field, value) in [
            ("journal", "text", Value::Null),
            ("journal", "text", json!("  ")),
            ("goal", "state", json!("agreed")),
            ("milestone", "goal", json!("some id")),
            ("sealed", "commitment", json!({ "hash": "h", "deck": "d" })),
            ("sealed_text", "text", json!({ "answer": "not opened yet" })),
            ("goal", "unheard_of", json!("from a newer version")),
        ] {
            assert_eq!(of(kind, field, value.clone()), None, "{kind} {field} {value}");
        }
    }
}
