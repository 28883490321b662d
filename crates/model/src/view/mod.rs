//! Views: what a frontend shows, folded from the index alone. Serialisable, and the same JSON for the same facts apart from
//! whose versions come first (SameFactsSameView).
//!
//! Views hold no wall time and nothing about who is where; dates are those that writers gave.

mod difference;
mod fields;
mod head;
mod page;
mod prose;
mod review;
mod unsettled;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::field::Seen;
use crate::ids::{FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, IndexError};
use crate::schema::{Kind, Shape};

pub use difference::{Between, Difference, Spoken};
pub(crate) use fields::{unsaid as unsaid_field, value as value_of};
pub use head::{ItemHead, field, head};
pub use page::{Page, page, page_linked};
pub use prose::{PassageVersion, PassageView};
pub(crate) use review::review;
pub use review::{Review, ReviewAnswer};
pub(crate) use unsettled::{Unsettled, unsettled};
pub use unsettled::{all_to_settle, differences, to_settle};

/// Whose view it is: versions of their own come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The space that is read.
    pub household: HouseholdId,
    /// Who reads.
    pub partner: PartnerId,
}

/// Whether a field holds one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was said that counts.
    #[default]
    Unsaid,
    /// Everybody who counts says the same, or what they say merges.
    Held,
    /// Several values stand beside each other.
    Differing,
    /// Each partner has a slot of their own: see [`FieldView::slots`].
    Each,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Who.
    pub by: PartnerId,
    /// The writer's local date.
    pub on: Date,
    /// The fact.
    pub fact: FactId,
}

/// One of the values that stand beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The value; `null` if it was let go of, or erased.
    pub value: Value,
    /// Whether a new chapter erased the value.
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// Who says so.
    pub by: PartnerId,
    /// Whether the reader does.
    pub own: bool,
    /// The writer's local date.
    pub on: Date,
    /// The fact.
    pub fact: FactId,
}

/// A value that both partners said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// What they agreed.
    pub value: Value,
    /// The later of the two dates.
    pub on: Date,
    /// Both sayings.
    pub said: Vec<Said>,
}

/// What one partner says in a field in which each has a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Whose slot it is.
    pub by: PartnerId,
    /// Whether it is the reader's.
    pub own: bool,
    /// What it holds. Where it differs, its owner said it on two devices apart, and settles it alone.
    #[serde(flatten)]
    pub reading: Reading,
}

/// What some facts of a field say together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Whether they hold one value.
    pub state: State,
    /// The value; present exactly when it is held. `null`: it was let go of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether a new chapter erased the held value.
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// Whether the held value is the merge of several versions of prose.
    #[serde(skip_serializing_if = "is_false")]
    pub merged: bool,
    /// Who says what is held, the reader first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
    /// The versions that differ or were merged, the reader's own first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
    /// What it was before it differed, if that is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// Differing prose in reading order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<PassageView>,
}

impl Reading {
    /// What it holds, or every version that it differs in.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        let versions = self.versions.iter().filter(|_| self.value.is_none());
        self.value.iter().chain(versions.map(|version| &version.value))
    }
}

/// A field as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldView {
    /// What it says.
    #[serde(flatten)]
    pub reading: Reading,
    /// The token to send back with what is said about it.
    pub seen: Seen,
    /// Each partner's slot, the reader's first; only with [`State::Each`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// In a field of consent, whether what it holds is agreed by both; absent in others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<bool>,
    /// What stands agreed, whatever is proposed beside it; two where agreements were reached apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agreement: Vec<Agreement>,
    /// Words that wait for the other partner to say the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Version>,
    /// Whether each took the other's offer and left their own.
    #[serde(skip_serializing_if = "is_false")]
    pub crossed: bool,
    /// Whether part of what was said is still arriving; nothing can be said until it is here.
    #[serde(skip_serializing_if = "is_false")]
    pub arriving: bool,
    /// What does not count: what somebody other than the owner said in an owned field, and what names another item than the
    /// one it was said about. Changed outside Betwixt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Version>,
    /// Whether a newer version made this field.
    #[serde(skip_serializing_if = "is_false")]
    pub newer: bool,
}

/// Who founded an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Founded {
    /// Who.
    pub by: PartnerId,
    /// Their local date.
    pub on: Date,
}

/// What a milestone's progress entries come to. No figure for a partner: nobody keeps score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The sum of all entries, in the smallest unit.
    pub sum: i64,
    /// How many entries are in it.
    pub entries: usize,
    /// How many are not, because their owner's own two devices differ about them, or part of them is still arriving.
    pub open: usize,
}

/// An item as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemView {
    /// The item.
    pub id: ItemId,
    /// Its kind.
    pub kind: String,
    /// Who founded it; absent for natural items, and while that is still arriving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub founded: Option<Founded>,
    /// Whose it is, where it is one partner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<PartnerId>,
    /// Whether its beginning is still arriving.
    #[serde(skip_serializing_if = "is_false")]
    pub arriving: bool,
    /// Whether a newer version made it.
    #[serde(skip_serializing_if = "is_false")]
    pub newer: bool,
    /// Its fields, those that nothing was said about, too.
    pub fields: BTreeMap<String, FieldView>,
    /// Of a milestone that counts or sums, what its progress comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// Of a statement with an agreed wording, whether its draft reads otherwise since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_since_agreed: Option<bool>,
    /// Of a statement, when it is to be looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

impl ItemView {
    /// An item with these fields alone.
    fn of(head: ItemHead, fields: BTreeMap<String, FieldView>) -> Self {
        Self {
            arriving: head.arriving(),
            newer: head.schema().is_none(),
            id: head.id,
            kind: head.kind,
            founded: head.founded,
            owner: head.owner,
            fields,
            tally: None,
            changed_since_agreed: None,
            review: None,
        }
    }
}

/// One item; `None` when nothing is known of it. The vision and the members are there before anything was said.
///
/// # Errors
/// [`IndexError`].
pub fn item<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemId) -> Result<Option<ItemView>, IndexError<R::Error>> {
    head(rows, reader, item)?.map(|head| whole(rows, reader, head)).transpose()
}

/// The items of a kind, oldest first (by date, then by id). Natural ones only where something was said.
///
/// # Errors
/// [`IndexError`].
pub fn items<R: ReadRows>(rows: &R, reader: &Reader, kind: &str) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut views = Vec::new();
    for entry in index::items(rows, kind)? {
        let head = head::claimed(rows, reader, kind, &entry)?;
        if head::is_named(rows, reader, &head)? {
            views.push(whole(rows, reader, head)?);
        }
    }
    Ok(views)
}

/// The items that link to this one, oldest first: a goal's milestones, a milestone's progress. Only links that the linking
/// field holds, or one of its versions says.
///
/// # Errors
/// [`IndexError`].
pub fn linked<R: ReadRows>(rows: &R, reader: &Reader, target: &ItemId) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut views: Vec<ItemView> = Vec::new();
    for key in index::links_to(rows, target)? {
        if views.iter().any(|view| view.id == key.item) {
            continue;
        }
        if let Some(view) = item(rows, reader, &key.item)?
            && names(&view, &key.field, target)
        {
            views.push(view);
        }
    }
    views.sort_by_key(|view| (view.founded.as_ref().map(|founded| founded.on), view.id));
    Ok(views)
}

fn names(view: &ItemView, field: &str, target: &ItemId) -> bool {
    let Some(shape) = crate::schema::field(&view.kind, field).map(|field| field.shape) else { return false };
    let Some(field) = view.fields.get(field) else { return false };
    let link = |value: &Value| shape.link(value) == Some(*target);
    let mut readings = std::iter::once(&field.reading).chain(field.slots.iter().map(|slot| &slot.reading));
    readings.any(|reading| {
        reading.value.as_ref().is_some_and(link) || reading.versions.iter().any(|version| link(&version.value))
    })
}

/// The item that this is, as it stands.
///
/// # Errors
/// [`IndexError`].
pub fn whole<R: ReadRows>(rows: &R, reader: &Reader, head: ItemHead) -> Result<ItemView, IndexError<R::Error>> {
    let known = head.schema();
    let mut views: BTreeMap<String, FieldView> = known
        .map(|known| known.fields.iter().map(|field| (field.name.to_owned(), fields::unsaid(field.kind))).collect())
        .unwrap_or_default();
    for (key, facts) in index::readers_of_item(rows, &head.id)? {
        if key.kind == head.kind {
            let view = fields::view(rows, reader, known, head.owner, &key, &facts)?;
            views.insert(key.field, view);
        }
    }
    let tally = match (head.kind.as_str(), views.get("measure").and_then(|measure| measure.reading.value.as_ref())) {
        ("milestone", Some(measure)) if counts(measure) => Some(tally(rows, reader, &head.id)?),
        _ => None,
    };
    Ok(ItemView {
        changed_since_agreed: changed_since_agreed(known, &views),
        review: review::review(views.get("review"), views.get("reviewed")),
        tally,
        ..ItemView::of(head, views)
    })
}

fn counts(measure: &Value) -> bool {
    measure.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "yes_no")
}

fn tally<R: ReadRows>(rows: &R, reader: &Reader, milestone: &ItemId) -> Result<Tally, IndexError<R::Error>> {
    let mut tally = Tally::default();
    for entry in linked(rows, reader, milestone)? {
        let field = |name: &str| entry.fields.get(name).filter(|field| !field.arriving).map(|field| &field.reading);
        let (Some(link), Some(amount)) = (field("milestone"), field("amount")) else {
            tally.open += 1;
            continue;
        };
        match (link.state, amount.state, amount.value.as_ref()) {
            // The entry was let go of, or nothing was counted yet.
            (State::Held, State::Held, Some(Value::Null)) | (State::Held, State::Unsaid, _) => {}
            (State::Held, State::Held, Some(value))
                if crate::schema::check_value("progress", "amount", value).is_ok() =>
            {
                tally.sum = tally.sum.saturating_add(value.as_i64().unwrap_or(0));
                tally.entries += 1;
            }
            _ => tally.open += 1,
        }
    }
    Ok(tally)
}

fn changed_since_agreed(kind: Option<&Kind>, fields: &BTreeMap<String, FieldView>) -> Option<bool> {
    let prose = |name: &str| kind.and_then(|kind| kind.field(name)).is_some_and(|field| field.shape == Shape::Prose);
    if !prose("draft") || !prose("wording") {
        return None;
    }
    let [agreed] = fields.get("wording")?.agreement.as_slice() else { return None };
    let draft = &fields.get("draft")?.reading;
    Some(draft.state != State::Unsaid && draft.value.as_ref() != Some(&agreed.value))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}
