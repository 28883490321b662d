//! The shapes of what is said around a wording and around a difference: not yet, looking again, seeing it differently,
//! leaving it for a while, saying back.

use serde_json::Value;

use super::ritual::object;
use super::shape::{MAX_LINE, line, text_date};
use crate::fact::MAX_SEEN;
use crate::ids::{FactId, ItemId};

/// What a partner may answer when a statement is looked at again.
pub const OUTCOMES: [&str; 3] = ["still_true", "reword", "retire"];

pub(super) fn reviewed(value: &Value) -> Result<(), String> {
    const FORM: &str = "is {\"for\": DATE, \"outcome\": \"still_true\", \"reword\" or \"retire\"}";
    let object = object(value, &["for", "outcome"], &[]).ok_or(FORM)?;
    let fits = text_date(&object["for"]).is_some()
        && object["outcome"].as_str().is_some_and(|outcome| OUTCOMES.contains(&outcome));
    if fits { Ok(()) } else { Err(FORM.into()) }
}

pub(super) fn not_yet(value: &Value) -> Result<(), String> {
    const FORM: &str = "is {\"to\": FACT, \"note\"?: TEXT}";
    let object = object(value, &["to"], &["note"]).ok_or(FORM)?;
    fact(&object["to"]).ok_or(FORM)?;
    object
        .get("note")
        .map_or(Ok(()), |note| line(note, MAX_LINE).map_err(|problem| format!("has a note that {problem}")))
}

pub(super) fn differently(value: &Value) -> Result<(), String> {
    const FORM: &str =
        "is {\"of\": {\"item\", \"kind\", \"field\"}, \"versions\": two or more FACTs in order, \"again\": DATE}";
    let object = object(value, &["of", "versions", "again"], &[]).ok_or(FORM)?;
    let versions = object["versions"].as_array().ok_or(FORM)?;
    let versions: Option<Vec<FactId>> = versions.iter().map(fact).collect();
    let versions = versions.filter(|versions| (2..=MAX_SEEN).contains(&versions.len()) && versions.is_sorted());
    let fits = of(&object["of"]) && versions.is_some() && text_date(&object["again"]).is_some();
    if fits { Ok(()) } else { Err(FORM.into()) }
}

pub(super) fn parked(value: &Value) -> Result<(), String> {
    const FORM: &str = "is {\"of\": {\"item\", \"kind\", \"field\"}, \"until\": DATE}";
    let object = object(value, &["of", "until"], &[]).ok_or(FORM)?;
    let fits = of(&object["of"]) && text_date(&object["until"]).is_some();
    if fits { Ok(()) } else { Err(FORM.into()) }
}

pub(super) fn said_back(value: &Value) -> Result<(), String> {
    const FORM: &str = "is {\"item\", \"kind\", \"field\", \"fact\"}: the version that is said back";
    let object = object(value, &["item", "kind", "field", "fact"], &[]).ok_or(FORM)?;
    let fits =
        item_of(value).is_some() && name(&object["kind"]) && name(&object["field"]) && fact(&object["fact"]).is_some();
    if fits { Ok(()) } else { Err(FORM.into()) }
}

/// An item, named with its kind.
pub(super) fn item(value: &Value) -> Result<(), String> {
    const FORM: &str = "is {\"item\": ID, \"kind\": KIND}";
    let object = object(value, &["item", "kind"], &[]).ok_or(FORM)?;
    if item_of(value).is_some() && name(&object["kind"]) { Ok(()) } else { Err(FORM.into()) }
}

/// The item that is named beside kind and field.
pub(super) fn item_of(value: &Value) -> Option<ItemId> {
    value.get("item")?.as_str()?.parse().ok()
}

/// A field, named by its item, the item's kind, and its own name.
fn of(value: &Value) -> bool {
    let object = object(value, &["item", "kind", "field"], &[]);
    object.is_some_and(|object| item_of(value).is_some() && name(&object["kind"]) && name(&object["field"]))
}

/// A kind's or a field's name, of this version or another.
fn name(value: &Value) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    value.as_str().is_some_and(|name| (1..=32).contains(&name.len()) && name.bytes().all(fits))
}

fn fact(value: &Value) -> Option<FactId> {
    value.as_str()?.parse().ok()
}
