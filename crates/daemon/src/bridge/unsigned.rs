//! What a client wants said, and what it is told.

use betwixt_api::{Problem, ProblemKind, Seen};
use betwixt_model::ids::{FactId, ItemId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An unsigned fact, as a client writes it. Who says it, on which device, after what and when is the daemon's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unsigned {
    /// The whole id of the item; `None` founds one, and means the vision where the kind is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
    /// The kind of the item, as facts call it.
    pub(crate) kind: String,
    /// The field.
    pub(crate) field: String,
    /// What whoever says it had before them: the live facts of the field, joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Seen>,
    /// What is said.
    pub(crate) value: Value,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaidFact {
    /// The fact.
    pub(crate) fact: FactId,
    /// The item that it is about.
    pub(crate) item: ItemId,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<'a> {
    Problem(&'a Problem),
    #[serde(untagged)]
    Said {
        fact: FactId,
        item: ItemId,
    },
}

impl Unsigned {
    /// Reads what stands under a client's key.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let text = text.ok_or_else(|| not_understood("What is to be said is a text of up to 512 KiB."))?;
        serde_json::from_str(text).map_err(|_| {
            not_understood(
                "What is to be said is JSON with kind, field, value and, where there are such, item and seen.",
            )
        })
    }
}

fn not_understood(detail: &str) -> Problem {
    Problem::new(ProblemKind::NotUnderstood, detail)
}

/// What stands in the place of what was to be said.
pub(super) fn answer(outcome: &Result<SaidFact, Problem>) -> String {
    let answer = match outcome {
        Ok(SaidFact { fact, item }) => Answer::Said { fact: *fact, item: *item },
        Err(problem) => Answer::Problem(problem),
    };
    serde_json::to_string(&answer).expect("ids and problems are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_the_fact_or_the_problem() {
        let said = SaidFact { fact: FactId::from_bytes([1; 32]), item: ItemId::from_bytes([2; 32]) };
        let told: Value = serde_json::from_str(&answer(&Ok(said.clone()))).expect("is JSON");
        assert_eq!(told, serde_json::json!({ "fact": said.fact.to_string(), "item": said.item.to_string() }));
        let problem = Unsigned::parse(None).expect_err("is nothing");
        let told: Value = serde_json::from_str(&answer(&Err(problem))).expect("is JSON");
        assert_eq!(told["problem"]["type"], "urn:betwixt:problem:not-understood");
    }
}
