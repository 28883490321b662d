//! The shapes of rituals and of their occurrences.

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::shape::{line, text_date};
use crate::ids::{ItemId, PartnerId};

/// The most characters of a recurrence rule.
pub const MAX_RULE: usize = 500;

/// The most minutes that an occurrence takes: a week.
pub const MAX_MINUTES: u64 = 7 * 24 * 60;

/// A local date and time of day, `YYYY-MM-DDTHH:MM`, in its one spelling.
pub(crate) fn text_date_time(value: &Value) -> Option<DateTime> {
    let text = value.as_str().filter(|text| text.len() == 16)?;
    text.parse().ok().filter(|time: &DateTime| time.strftime("%Y-%m-%dT%H:%M").to_string() == text)
}

const SCHEDULES: &str = "is {\"start\": \"YYYY-MM-DD\" or \"YYYY-MM-DDTHH:MM\", \"zone\": TIME ZONE, \"rule\": RFC 5545 RULE, \
                         \"minutes\"?: NUMBER}";

pub(super) fn schedule(value: &Value) -> Result<(), String> {
    let object = object(value, &["start", "zone", "rule"], &["minutes"]).ok_or(SCHEDULES)?;
    if text_date(&object["start"]).is_none() && text_date_time(&object["start"]).is_none() {
        return Err(SCHEDULES.into());
    }
    line(&object["zone"], 64).map_err(|problem| format!("has a time zone that {problem}"))?;
    line(&object["rule"], MAX_RULE).map_err(|problem| format!("has a rule that {problem}"))?;
    match object.get("minutes") {
        Some(minutes) if !minutes.as_u64().is_some_and(|minutes| (1..=MAX_MINUTES).contains(&minutes)) => {
            Err(format!("takes 1 to {MAX_MINUTES} minutes"))
        }
        _ => Ok(()),
    }
}

pub(super) fn pause(value: &Value) -> Result<(), String> {
    const PAUSES: &str =
        "is {\"from\": \"YYYY-MM-DD\", \"until\"?: \"YYYY-MM-DD\"}, with the last day not before the first";
    let object = object(value, &["from"], &["until"]).ok_or(PAUSES)?;
    let from = text_date(&object["from"]).ok_or(PAUSES)?;
    match object.get("until") {
        None => Ok(()),
        Some(until) if text_date(until).is_some_and(|until| until >= from) => Ok(()),
        Some(_) => Err(PAUSES.into()),
    }
}

pub(super) fn turns(value: &Value) -> Result<(), String> {
    let object = object(value, &["first"], &["from"]);
    let object = object.filter(|object| object.get("from").is_none_or(|from| text_date(from).is_some()));
    let first = object.and_then(|object| object["first"].as_str());
    let first = first.and_then(|text| text.parse::<PartnerId>().ok());
    first
        .map(|_| ())
        .ok_or_else(|| "is {\"first\": the id of the partner who leads first, \"from\"?: \"YYYY-MM-DD\"}".into())
}

/// What every value about an occurrence names: the ritual, and the date that the ritual's rule gave.
fn occurrence<'a>(value: &'a Value, needed: &[&str], optional: &[&str]) -> Option<&'a Map<String, Value>> {
    let needed: Vec<&str> = ["ritual", "date"].iter().chain(needed).copied().collect();
    let object = object(value, &needed, optional)?;
    (ritual_of(value).is_some() && text_date(&object["date"]).is_some()).then_some(object)
}

pub(super) fn mark(value: &Value) -> Result<(), String> {
    const MARKS: &str =
        "is {\"ritual\": ID, \"date\": \"YYYY-MM-DD\", \"is\": \"done\" or \"missed\", \"note\"?: TEXT}";
    let object = occurrence(value, &["is"], &["note"]).ok_or(MARKS)?;
    if !matches!(object["is"].as_str(), Some("done" | "missed")) {
        return Err(MARKS.into());
    }
    object.get("note").map_or(Ok(()), |note| line(note, 1000).map_err(|problem| format!("has a note that {problem}")))
}

pub(super) fn skip(value: &Value) -> Result<(), String> {
    let object = occurrence(value, &["is"], &[]).filter(|object| object["is"].is_boolean());
    object.map(|_| ()).ok_or_else(|| "is {\"ritual\": ID, \"date\": \"YYYY-MM-DD\", \"is\": true or false}".into())
}

pub(super) fn moved(value: &Value) -> Result<(), String> {
    let object = occurrence(value, &["to"], &[]);
    let object = object.filter(|object| text_date(&object["to"]).is_some() || text_date_time(&object["to"]).is_some());
    object.map(|_| ()).ok_or_else(|| {
        "is {\"ritual\": ID, \"date\": \"YYYY-MM-DD\", \"to\": \"YYYY-MM-DD\" or \"YYYY-MM-DDTHH:MM\"}".into()
    })
}

/// The ritual that a value about an occurrence names.
pub(super) fn ritual_of(value: &Value) -> Option<ItemId> {
    value.get("ritual")?.as_str()?.parse().ok()
}

/// An object with all of these entries and no others.
pub(crate) fn object<'a>(value: &'a Value, needed: &[&str], optional: &[&str]) -> Option<&'a Map<String, Value>> {
    let object = value.as_object()?;
    let known = |name: &str| needed.contains(&name) || optional.contains(&name);
    let whole = needed.iter().all(|name| object.contains_key(*name)) && object.keys().all(|name| known(name));
    whole.then_some(object)
}
