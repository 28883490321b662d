//! What was ever said about an item, each fact with what was done by it.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::field::{Entry, FieldFacts, Place};
use crate::ids::{FactId, ItemId, PartnerId};
use crate::index::rows::{ReadRows, Table};
use crate::index::{self, FieldKey, IndexError, Standing};
use crate::schema::{self, FieldKind};

/// What somebody did by saying something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Founded the item.
    Founded,
    /// Said something where they had nothing before them.
    Said,
    /// Said something else than what they had before them.
    Changed,
    /// Took the other's version and left their own.
    TookTheirs,
    /// Said what stood there already.
    SaidTheSame,
    /// Let go of what was said.
    LetGo,
    /// Said something where it had been let go of.
    TookUp,
    /// Proposed a wording.
    Proposed,
    /// Offered another wording than the one before them.
    Reworded,
    /// Agreed to the other's wording.
    Agreed,
    /// Withdrew their word: it is no longer theirs, and what was agreed by it is no longer agreed.
    Withdrew,
}

/// What somebody had before them when they said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The fact.
    pub fact: FactId,
    /// Who said it.
    pub by: PartnerId,
    /// Its value; `None` if it was erased.
    pub value: Option<Value>,
}

/// One fact of an item's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The fact.
    pub fact: FactId,
    /// The field.
    pub field: String,
    /// Who said it.
    pub by: PartnerId,
    /// The writer's local date.
    pub on: Date,
    /// What was done by it.
    pub act: Act,
    /// What was said; `None` if it was erased.
    pub value: Option<Value>,
    /// What its writer had before them in that field: by partner, then by fact.
    pub before: Vec<Earlier>,
    /// How it counts.
    pub standing: Standing,
}

/// Everything that was said about an item of this kind, nothing before its past; what is still arriving comes last. What a
/// removed device said beyond what is accepted was never said, and is not here.
///
/// # Errors
/// [`IndexError`].
pub fn timeline<R: ReadRows>(rows: &R, kind: &str, item: &ItemId) -> Result<Vec<Event>, IndexError<R::Error>> {
    let mut events = Vec::new();
    each_event(rows, kind, item, None, false, |event| {
        events.push(event);
        true
    })?;
    Ok(events)
}

/// Shows what [`timeline`] holds one after the other, what follows this fact alone, until `visit` answers false. With
/// `latest_first` the other way round. Reads the values of what is shown, and of nothing else. Answers whether there is such
/// a fact.
///
/// # Errors
/// [`IndexError`].
pub fn each_event<R: ReadRows>(
    rows: &R,
    kind: &str,
    item: &ItemId,
    after: Option<&FactId>,
    latest_first: bool,
    mut visit: impl FnMut(Event) -> bool,
) -> Result<bool, IndexError<R::Error>> {
    let fields = index::fields_of_item(rows, item)?;
    let mut entries = index::history(rows, item)?;
    entries.retain(|entry| entry.standing != Standing::Void && entry.field.kind == kind);
    if latest_first {
        entries.reverse();
    }
    let begin = match after {
        Some(after) => match entries.iter().position(|entry| entry.fact == *after) {
            Some(place) => place + 1,
            None => return Ok(false),
        },
        None => 0,
    };
    for index::HistoryEntry { fact, field: key, standing } in &entries[begin..] {
        let facts = fields.iter().find(|(known, _)| known == key).map(|(_, facts)| facts);
        let facts = facts.ok_or(IndexError::Damaged(Table::Fields))?;
        if !visit(event(rows, key, facts, fact, *standing)?) {
            break;
        }
    }
    Ok(true)
}

/// One fact of a timeline, with the field that it is about; `None` when it is not here, or was never said (see [`timeline`]).
///
/// # Errors
/// [`IndexError`].
pub fn event_of<R: ReadRows>(rows: &R, fact: &FactId) -> Result<Option<(FieldKey, Event)>, IndexError<R::Error>> {
    let Some(signed) = index::fact(rows, fact)? else { return Ok(None) };
    let header = signed.fact().header();
    let key = FieldKey { item: signed.fact().item(), kind: header.kind.clone(), field: header.field.clone() };
    let facts = index::field(rows, &key)?;
    let standing = match facts.entry(fact) {
        None | Some(Entry { place: Place::Void, .. }) => return Ok(None),
        Some(Entry { place: Place::Arriving, .. }) => Standing::Arriving,
        Some(_) if facts.live().any(|live| live.id == *fact) => Standing::Live,
        Some(_) => Standing::Replaced,
    };
    let event = event(rows, &key, &facts, fact, standing)?;
    Ok(Some((key, event)))
}

fn event<R: ReadRows>(
    rows: &R,
    key: &FieldKey,
    facts: &FieldFacts,
    id: &FactId,
    standing: Standing,
) -> Result<Event, IndexError<R::Error>> {
    let entry = facts.entry(id).ok_or(IndexError::Damaged(Table::Fields))?;
    let signed = index::fact(rows, id)?.ok_or(IndexError::Damaged(Table::Facts))?;
    let fact = signed.fact();
    let mut before = Vec::new();
    for earlier in named(facts, entry) {
        let value = index::said(rows, &earlier.id)?.and_then(|(_, value)| value);
        before.push(Earlier { fact: earlier.id, by: earlier.partner, value });
    }
    before.sort_by_key(|earlier| (earlier.by, earlier.fact));
    let kind = schema::field(&key.kind, &key.field).map(|field| field.kind);
    let founds = fact.header().item.is_none();
    Ok(Event {
        fact: *id,
        field: key.field.clone(),
        by: entry.partner,
        on: fact.header().date,
        act: act(kind, founds, entry, &named(facts, entry)),
        value: fact.value().cloned(),
        before,
        standing,
    })
}

/// The facts of the field that a fact names and that count.
fn named<'a>(facts: &'a FieldFacts, entry: &Entry) -> Vec<&'a Entry> {
    entry.seen.iter().filter_map(|id| facts.entry(id)).filter(|earlier| earlier.counts()).collect()
}

fn act(kind: Option<FieldKind>, founds: bool, entry: &Entry, named: &[&Entry]) -> Act {
    let consent = kind == Some(FieldKind::Consent);
    // In a slot of one's own the other's word is not what one answers.
    let named: Vec<&Entry> = match kind {
        Some(FieldKind::Owned(_)) => named.iter().copied().filter(|other| other.partner == entry.partner).collect(),
        _ => named.to_vec(),
    };
    let same = |other: &&&Entry| other.value == entry.value;
    let theirs = |other: &&&Entry| other.partner != entry.partner;
    match (founds, entry.null, consent) {
        (true, ..) => Act::Founded,
        (_, true, true) => Act::Withdrew,
        (_, true, false) => Act::LetGo,
        (_, false, true) if named.iter().filter(theirs).any(|other| same(&other)) => Act::Agreed,
        (_, false, true) if named.iter().any(|other| same(&other)) => Act::SaidTheSame,
        (_, false, true) if named.iter().any(|other| !other.null) => Act::Reworded,
        (_, false, true) => Act::Proposed,
        _ if named.is_empty() => Act::Said,
        _ if named.iter().all(|other| same(&other)) => Act::SaidTheSame,
        _ if named.iter().filter(theirs).any(|other| same(&other)) => Act::TookTheirs,
        _ if named.iter().all(|other| other.null) => Act::TookUp,
        _ => Act::Changed,
    }
}
