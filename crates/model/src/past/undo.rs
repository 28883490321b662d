//! Taking back one's own last act: the earlier values are said again. Nothing that the other said is named, so nothing of
//! theirs can go by it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::field::{Entry, FieldFacts, Seen};
use crate::ids::{FactId, PartnerId};
use crate::index::rows::{ReadRows, Table};
use crate::index::{self, FieldKey, IndexError};
use crate::say::Saying;
use crate::schema::{self, FieldKind, Kind, Naming};

/// Why an act cannot be taken back. Then none of it is.
#[derive(Debug, thiserror::Error)]
pub enum UndoError<E: std::error::Error> {
    /// A fact of it is not here, or not by the one who asks.
    #[error("what you said last is not here")]
    Unknown(FactId),
    /// The other partner has said something else in its place.
    #[error("the {} was changed by your partner since; say what you mean in its place", .0.field)]
    ChangedByPartner(FieldKey),
    /// One has said something else in its place oneself, on another device.
    #[error("the {} was changed by yourself since, on another device", .0.field)]
    ChangedByYourself(FieldKey),
    /// Both say it now.
    #[error("you both agree on the {} now; to go back on that, withdraw your word", .0.field)]
    AgreedByBoth(FieldKey),
    /// It took the place of several values.
    #[error("before it, the {} had several versions; choose one of them from its history", .0.field)]
    SeveralBefore(FieldKey),
    /// What it took the place of was erased by a new chapter.
    #[error("what the {} was before was erased", .0.field)]
    Erased(FieldKey),
    /// It was said for good: a commitment, an opening, the note of what was brought.
    #[error("the {} of a {} is said for good", .0.field, .0.kind)]
    ForGood(FieldKey),
    /// Part of what was said there is still arriving.
    #[error("part of the {} is still arriving", .0.field)]
    Arriving(FieldKey),
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError<E>),
}

/// What to say so that an act of `partner`, which said these facts, is taken back. A first word is taken back by letting go
/// of it. Each saying names what the act said there, and nothing else.
///
/// # Errors
/// [`UndoError`], of the first field that stands in the way.
pub fn undo<R: ReadRows>(rows: &R, partner: &PartnerId, act: &[FactId]) -> Result<Vec<Saying>, UndoError<R::Error>> {
    let mut fields: BTreeMap<FieldKey, Vec<FactId>> = BTreeMap::new();
    let mut order = Vec::new();
    for id in act {
        let signed = index::fact(rows, id)?.ok_or(UndoError::Unknown(*id))?;
        let header = signed.fact().header();
        if header.partner != *partner {
            return Err(UndoError::Unknown(*id));
        }
        let key = FieldKey { item: signed.fact().item(), kind: header.kind.clone(), field: header.field.clone() };
        let facts = fields.entry(key.clone()).or_default();
        if facts.is_empty() {
            order.push(key);
        }
        facts.push(*id);
    }
    // Last said, first taken back: an item's founding comes last.
    order.reverse();
    order.into_iter().map(|key| take_back(rows, partner, &fields[&key], key)).collect()
}

fn take_back<R: ReadRows>(
    rows: &R,
    partner: &PartnerId,
    said: &[FactId],
    key: FieldKey,
) -> Result<Saying, UndoError<R::Error>> {
    if is_for_good(&key) {
        return Err(UndoError::ForGood(key));
    }
    let facts = index::field(rows, &key)?;
    if facts.arriving() {
        return Err(UndoError::Arriving(key));
    }
    let live: Vec<&Entry> = facts.live().collect();
    let stands = |id: &FactId| live.iter().copied().find(|entry| entry.id == *id).or_else(|| said_again(&facts, id));
    let Some(standing) = said.last().and_then(stands) else {
        let namers = facts.entries().iter().filter(|entry| entry.seen.iter().any(|id| said.contains(id)));
        let by_partner = namers.clone().any(|entry| entry.partner != *partner);
        return Err(if by_partner { UndoError::ChangedByPartner(key) } else { UndoError::ChangedByYourself(key) });
    };
    let consent = schema::field(&key.kind, &key.field).is_some_and(|field| field.kind == FieldKind::Consent);
    let both = |other: &&Entry| other.partner != *partner && other.value == standing.value && !other.null;
    if consent && live.iter().copied().any(|other| both(&other)) {
        return Err(UndoError::AgreedByBoth(key));
    }
    // What it took the place of; what it named and left standing stands without being said again.
    let named = said.iter().filter_map(|id| facts.entry(id)).flat_map(|entry| &entry.seen);
    let gone: Vec<&Entry> = named
        .filter(|id| !said.contains(id))
        .filter_map(|id| facts.entry(id))
        .filter(|entry| entry.counts() && !live.iter().any(|live| live.id == entry.id))
        .collect();
    let value = match gone.split_first() {
        None => Value::Null,
        Some((first, rest)) if rest.iter().all(|other| other.value == first.value) => {
            let signed = index::fact(rows, &first.id)?.ok_or(IndexError::Damaged(Table::Facts))?;
            signed.fact().value().cloned().ok_or_else(|| UndoError::Erased(key.clone()))?
        }
        Some(_) => return Err(UndoError::SeveralBefore(key)),
    };
    let seen = Some(Seen::new(vec![standing.id]));
    Ok(Saying { item: Some(key.item), kind: key.kind, field: key.field, value, seen })
}

/// The live fact by which its own speaker says the same as this fact again, after other words of theirs: so it is once these
/// were taken back.
fn said_again<'a>(facts: &'a FieldFacts, id: &FactId) -> Option<&'a Entry> {
    let first = facts.entry(id)?;
    let same = |entry: &&Entry| entry.partner == first.partner && entry.value == first.value;
    facts.live().filter(same).find(|entry| {
        let mut open = vec![*entry];
        let mut known = BTreeSet::new();
        while let Some(later) = open.pop() {
            if later.id == first.id {
                return true;
            }
            let own = later.seen.iter().filter_map(|id| facts.entry(id)).filter(|other| other.partner == first.partner);
            open.extend(own.filter(|other| known.insert(other.id)));
        }
        false
    })
}

/// Whether what is said in a field cannot be said otherwise later.
fn is_for_good(key: &FieldKey) -> bool {
    let internal = Kind::named(&key.kind).is_none_or(|kind| kind.naming == Naming::Internal);
    internal || matches!(key.field.as_str(), "commitment" | "opening")
}
