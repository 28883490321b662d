//! Looking at a statement again: when that is, and who answered what.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::{FieldView, Version};
use crate::ids::{FactId, PartnerId};

/// When a statement is to be looked at again, and what was answered for that date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review {
    /// The date. Where the two named different ones, the earliest that not both answered for.
    pub on: Date,
    /// The answers for it, the reader's own first.
    pub answers: Vec<ReviewAnswer>,
}

/// What one partner answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewAnswer {
    /// One of [`OUTCOMES`](crate::schema::OUTCOMES).
    pub outcome: String,
    /// Who.
    pub by: PartnerId,
    /// Whether the reader does.
    pub own: bool,
    /// The local date on which it was said.
    pub on: Date,
    /// The fact.
    pub fact: FactId,
}

impl Review {
    /// Whether it is time, with one of `partners` (two where it is shared) yet to answer. One partner's answer clears
    /// nothing for the other, nor for themselves: it is looked at together.
    pub fn is_due(&self, today: Date, partners: usize) -> bool {
        self.on <= today && self.answered() < partners
    }

    /// Whether the reader answered.
    pub fn answered_by_reader(&self) -> bool {
        self.answers.iter().any(|answer| answer.own)
    }

    fn answered(&self) -> usize {
        let mut partners: Vec<PartnerId> = self.answers.iter().map(|answer| answer.by).collect();
        partners.sort_unstable();
        partners.dedup();
        partners.len()
    }
}

/// The review of an item with these two fields, `review` and `reviewed`; `None` where no date was named.
pub(crate) fn review(review: Option<&FieldView>, reviewed: Option<&FieldView>) -> Option<Review> {
    let named = &review?.reading;
    let mut dates: Vec<Date> = named.values().filter_map(date).collect();
    dates.sort_unstable();
    dates.dedup();
    let mut reviews = dates.into_iter().map(|on| Review { on, answers: answers(reviewed, on) });
    let last = reviews.clone().next_back();
    reviews.find(|review| review.answered() < 2).or(last)
}

fn answers(reviewed: Option<&FieldView>, on: Date) -> Vec<ReviewAnswer> {
    let mut answers = Vec::new();
    for slot in reviewed.map_or_else(Default::default, |field| field.slots.as_slice()) {
        let held = slot.reading.value.as_ref().zip(slot.reading.said.first()).map(|(value, said)| Version {
            value: value.clone(),
            erased: false,
            by: said.by,
            own: slot.own,
            on: said.on,
            fact: said.fact,
        });
        for version in held.iter().chain(&slot.reading.versions) {
            let outcome = version.value.get("outcome").and_then(Value::as_str);
            if let Some(outcome) = outcome.filter(|_| version.value.get("for").and_then(date) == Some(on)) {
                let Version { by, own, on, fact, .. } = *version;
                answers.push(ReviewAnswer { outcome: outcome.to_owned(), by, own, on, fact });
            }
        }
    }
    answers
}

fn date(value: &Value) -> Option<Date> {
    value.as_str()?.parse().ok()
}
