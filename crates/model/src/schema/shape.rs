//! What values a field takes.

use jiff::civil::Date;
use serde_json::Value;

use super::{ritual, settlement};
use crate::ids::{ItemId, PartnerId};

/// The most characters of a [`Shape::Line`].
pub const MAX_LINE: usize = 200;

/// The most bytes of a [`Shape::Prose`]: a fact's limit, less room for its header and for JSON's escapes.
pub const MAX_PROSE: usize = 200 * 1024;

/// The most entries of a [`Shape::Terms`].
pub const MAX_TERMS: usize = 64;

/// The largest amount, either way: beyond it, JSON readers lose digits.
pub const MAX_AMOUNT: i64 = 9_007_199_254_740_991;

/// The shape of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One line of text, 1 to [`MAX_LINE`] characters.
    Line,
    /// Text that is merged sentence by sentence, up to [`MAX_PROSE`] bytes.
    Prose,
    /// An item of this kind, by id.
    Link(&'static str),
    /// An item of any kind: `{"item": ID, "kind": KIND}`.
    Item,
    /// An attached file: its size, its type, and what it is found and opened by; see [`mod@crate::attachment`].
    File,
    /// A partner, by id.
    Partner,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A date, `YYYY-MM-DD`.
    Date,
    /// `true` or `false`.
    Flag,
    /// An integer of the smallest unit, within [`MAX_AMOUNT`] either way.
    Amount,
    /// `{"type": "yes_no"}`, `{"type": "count", "target": 12, "unit": "books"}` or
    /// `{"type": "amount", "target": 500000, "unit": "EUR", "decimals": 2}` with the target in the smallest unit.
    Measure,
    /// Up to [`MAX_TERMS`] lines under lines: `{"partner": "spouse"}`.
    Terms,
    /// What a reflection answers: `{"id": "...", "text": "..."}`, each a line and either alone allowed.
    Prompt,
    /// A place in an order: 1 to 64 of `0-9a-z`, compared as text.
    Rank,
    /// When a ritual recurs: `{"start": DATE or local DATE-TIME, "zone": IANA name, "rule": RFC 5545 rule, "minutes"?: n}`.
    Schedule,
    /// `{"from": DATE, "until"?: DATE}`, both days included.
    Pause,
    /// `{"first": PARTNER}`.
    Turns,
    /// What one partner says of an occurrence: `{"ritual", "date", "is": "done" or "missed", "note"?}`.
    Mark,
    /// `{"ritual", "date", "is": true or false}`.
    Skip,
    /// `{"ritual", "date", "to": DATE or local DATE-TIME}`.
    Moved,
    /// What a partner answered when a statement was looked at again: `{"for": DATE, "outcome": "still_true"}`, with the date
    /// on which it was due, and one of [`OUTCOMES`](super::OUTCOMES).
    Reviewed,
    /// "Not yet", to a wording that the other proposed: `{"to": FACT}`, with an optional `note` of one line.
    NotYet,
    /// "We see this differently": `{"of": {"item", "kind", "field"}, "versions": [FACT, ...], "again": DATE}`, with the facts
    /// sorted, so that both say the same of the same versions.
    Differently,
    /// A field left alone until a date: `{"of": {"item", "kind", "field"}, "until": DATE}`.
    Parked,
    /// The version that is said back: `{"item", "kind", "field", "fact"}`.
    SaidBack,
    /// A commitment to a sealed answer; see [`mod@crate::seal`].
    Commitment,
    /// What opens a sealed answer.
    Opening,
    /// A sealed answer as its owner keeps it.
    SealedText,
    /// What a chapter keeps and erases: said by [`mod@crate::chapter`] alone.
    Chapter,
    /// What was brought: kept by [`mod@crate::bring`] alone.
    Brought,
}

/// A value that a field does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The schema has no such kind.
    #[error("there is no kind `{kind}` in this version")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// The kind has no such field.
    #[error("a {kind} has no field `{field}` in this version")]
    UnknownField {
        /// The kind.
        kind: String,
        /// The field.
        field: String,
    },
    /// The value has another shape or passes a limit.
    #[error("the {field} of a {kind} {problem}")]
    Shape {
        /// The kind.
        kind: String,
        /// The field.
        field: String,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
}

impl Shape {
    /// Whether values are prose, to be merged on reading.
    pub fn is_prose(self) -> bool {
        self == Self::Prose
    }

    /// Whether values are links to items.
    pub fn is_link(self) -> bool {
        use Shape::{Differently, Item, Link, Mark, Moved, Parked, SaidBack, Skip};
        matches!(self, Link(_) | Item | Mark | Skip | Moved | Differently | Parked | SaidBack)
    }

    /// The item that a value links to.
    pub fn link(self, value: &Value) -> Option<ItemId> {
        match self {
            Self::Link(_) => value.as_str()?.parse().ok(),
            Self::Mark | Self::Skip | Self::Moved => ritual::ritual_of(value),
            Self::Differently | Self::Parked => settlement::item_of(value.get("of")?),
            Self::SaidBack | Self::Item => settlement::item_of(value),
            _ => None,
        }
    }

    /// A value that links to `target` and says the same otherwise; `None` where that cannot be said of another item.
    pub(crate) fn relinked(self, value: &Value, target: &ItemId) -> Option<Value> {
        let mut value = value.clone();
        match self {
            Self::Link(_) => value = target.to_string().into(),
            Self::Mark | Self::Skip | Self::Moved => *value.get_mut("ritual")? = target.to_string().into(),
            Self::Item => *value.get_mut("item")? = target.to_string().into(),
            _ => return None,
        }
        Some(value)
    }

    /// Checks a value other than `null`; the error ends the sentence "the FIELD of a KIND ...".
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        match self {
            Self::Line => line(value, MAX_LINE),
            Self::Prose => match value.as_str() {
                Some(text) if text.len() <= MAX_PROSE => Ok(()),
                Some(text) => Err(format!("has {} bytes, more than the {MAX_PROSE} that are allowed", text.len())),
                None => Err("is text".into()),
            },
            Self::Link(kind) => {
                let id = value.as_str().and_then(|text| text.parse::<ItemId>().ok());
                id.map(|_| ()).ok_or_else(|| format!("is the id of a {kind}"))
            }
            Self::Item => settlement::item(value),
            Self::File => crate::attachment::check(value),
            Self::Partner => {
                let id = value.as_str().and_then(|text| text.parse::<PartnerId>().ok());
                id.map(|_| ()).ok_or_else(|| "is the id of a partner".into())
            }
            Self::OneOf(words) => match value.as_str() {
                Some(word) if words.contains(&word) => Ok(()),
                _ => Err(format!("is one of: {}", words.join(", "))),
            },
            Self::Date => text_date(value).map(|_| ()).ok_or_else(|| "is a date, YYYY-MM-DD".into()),
            Self::Flag => value.as_bool().map(|_| ()).ok_or_else(|| "is true or false".into()),
            Self::Amount => amount(value, -MAX_AMOUNT),
            Self::Measure => measure(value),
            Self::Terms => terms(value),
            Self::Prompt => prompt(value),
            Self::Rank => match value.as_str() {
                Some(rank) if (1..=64).contains(&rank.len()) && rank.bytes().all(is_rank) => Ok(()),
                _ => Err("is 1 to 64 of 0-9 and a-z".into()),
            },
            Self::Schedule => {
                ritual::schedule(value)?;
                crate::ritual::Schedule::check(value).map_err(|error| error.to_string())
            }
            Self::Pause => ritual::pause(value),
            Self::Turns => ritual::turns(value),
            Self::Mark => ritual::mark(value),
            Self::Skip => ritual::skip(value),
            Self::Moved => ritual::moved(value),
            Self::Reviewed => settlement::reviewed(value),
            Self::NotYet => settlement::not_yet(value),
            Self::Differently => settlement::differently(value),
            Self::Parked => settlement::parked(value),
            Self::SaidBack => settlement::said_back(value),
            Self::Commitment => crate::seal::check_commitment(value),
            Self::Opening => crate::seal::check_opening(value),
            Self::SealedText => crate::seal::check_text(value),
            Self::Chapter => {
                let known = crate::chapter::Chapter::parse(value);
                known.map(|_| ()).ok_or_else(|| "says what is kept and what is erased".into())
            }
            Self::Brought => value.as_object().map(|_| ()).ok_or_else(|| "is an object".into()),
        }
    }
}

fn is_rank(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase()
}

/// A date in its one spelling, `YYYY-MM-DD`.
pub(crate) fn text_date(value: &Value) -> Option<Date> {
    let text = value.as_str().filter(|text| text.len() == 10)?;
    text.parse().ok().filter(|date: &Date| date.to_string() == text)
}

pub(super) fn line(value: &Value, most: usize) -> Result<(), String> {
    let text = value.as_str().ok_or("is text")?;
    let count = text.chars().count();
    if text.trim().is_empty() {
        Err("cannot be empty".into())
    } else if count > most {
        Err(format!("has {count} characters, more than the {most} that are allowed"))
    } else if text.chars().any(char::is_control) {
        Err("is one line, without control characters".into())
    } else {
        Ok(())
    }
}

fn amount(value: &Value, least: i64) -> Result<(), String> {
    match value.as_i64() {
        Some(number) if (least..=MAX_AMOUNT).contains(&number) => Ok(()),
        _ => Err(format!("is an integer of the smallest unit, {least} to {MAX_AMOUNT}")),
    }
}

const MEASURES: &str = "is {\"type\": \"yes_no\"}, {\"type\": \"count\", \"target\": NUMBER, \"unit\": TEXT} or \
                        {\"type\": \"amount\", \"target\": NUMBER, \"unit\": TEXT, \"decimals\": 0 to 9}";

fn measure(value: &Value) -> Result<(), String> {
    let object = value.as_object().ok_or(MEASURES)?;
    let kind = object.get("type").and_then(Value::as_str).ok_or(MEASURES)?;
    let (needed, optional): (&[&str], &[&str]) = match kind {
        "yes_no" => (&[], &[]),
        "count" => (&["target"], &["unit"]),
        "amount" => (&["target", "unit", "decimals"], &[]),
        _ => return Err(MEASURES.into()),
    };
    let known = |name: &str| name == "type" || needed.contains(&name) || optional.contains(&name);
    if !needed.iter().all(|name| object.contains_key(*name)) || !object.keys().all(|name| known(name)) {
        return Err(MEASURES.into());
    }
    if let Some(target) = object.get("target") {
        amount(target, 1).map_err(|problem| format!("has a target that should differ: it {problem}"))?;
    }
    if let Some(unit) = object.get("unit") {
        line(unit, 24).map_err(|problem| format!("has a unit that {problem}"))?;
    }
    match object.get("decimals") {
        Some(decimals) if decimals.as_u64().is_none_or(|decimals| decimals > 9) => Err(MEASURES.into()),
        _ => Ok(()),
    }
}

fn terms(value: &Value) -> Result<(), String> {
    let object = value.as_object().ok_or("is an object of lines: {\"partner\": \"spouse\"}")?;
    if object.len() > MAX_TERMS {
        return Err(format!("has {} entries, more than the {MAX_TERMS} that are allowed", object.len()));
    }
    object.iter().try_for_each(|(name, term)| {
        line(&Value::from(name.as_str()), MAX_LINE).and_then(|()| line(term, MAX_LINE)).map_err(|problem| {
            let name: String = name.chars().take(24).collect();
            format!("has an entry {name:?} that {problem}")
        })
    })
}

fn prompt(value: &Value) -> Result<(), String> {
    const PROMPTS: &str = "is {\"id\": TEXT, \"text\": TEXT}, with at least one of the two";
    let object = value.as_object().ok_or(PROMPTS)?;
    if object.is_empty() || !object.keys().all(|name| name == "id" || name == "text") {
        return Err(PROMPTS.into());
    }
    object
        .iter()
        .try_for_each(|(name, text)| line(text, 1000).map_err(|problem| format!("has an entry {name} that {problem}")))
}
