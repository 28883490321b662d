//! Views: what a frontend shows, folded from the index alone. Serialisable, and the same JSON for the same facts apart from
//! whose versions come first (SameFactsSameView).
//!
//! Views hold no wall time and nothing about who is where; dates are those that writers gave.

mod difference;
mod fields;
mod page;
mod prose;
mod review;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::field::Seen;
use crate::ids::{FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError, ItemEntry};
use crate::schema::{FieldKind, Kind, Naming, Shape};

pub use difference::{Between, Difference, Spoken};
pub(crate) use fields::{unsaid as unsaid_field, value as value_of};
pub use page::{Page, page, page_linked};
pub use prose::{PassageVersion, PassageView};
pub use review::{Review, ReviewAnswer};

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

/// One item; `None` when nothing is known of it. The vision and the members are there before anything was said.
///
/// # Errors
/// [`IndexError`].
pub fn item<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemId) -> Result<Option<ItemView>, IndexError<R::Error>> {
    // Facts may claim an item for several kinds: a natural item is of the kind that its id is made of, whoever else names it.
    let mut claimed = None;
    for (kind, entry) in index::claims(rows, item)? {
        let view = whole(rows, reader, &kind, &entry)?;
        let natural = Kind::named(&kind).is_some_and(|kind| !matches!(kind.naming, Naming::Founded { .. }));
        if is_named(rows, reader, &view)? {
            if natural {
                return Ok(Some(view));
            }
            claimed = claimed.or(Some(view));
        }
    }
    let mut natural =
        crate::schema::KINDS.iter().filter(|kind| kind.natural_item(&reader.household, &reader.partner) == Some(*item));
    Ok(natural.next().map(|kind| unsaid(reader, kind, item)).or(claimed))
}

/// The items of a kind, oldest first (by date, then by id). Natural ones only where something was said.
///
/// # Errors
/// [`IndexError`].
pub fn items<R: ReadRows>(rows: &R, reader: &Reader, kind: &str) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut views = Vec::new();
    for entry in index::items(rows, kind)? {
        let view = whole(rows, reader, kind, &entry)?;
        if is_named(rows, reader, &view)? {
            views.push(view);
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

/// Everything to settle: the items that have fields which differ or words that wait, with those fields alone. What a partner
/// said on two devices apart in a field of their own is listed for them only.
///
/// # Errors
/// [`IndexError`].
pub fn differences<R: ReadRows>(rows: &R, reader: &Reader) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut views: BTreeMap<ItemId, ItemView> = BTreeMap::new();
    for FieldKey { item: id, .. } in index::unsettled(rows)? {
        if let std::collections::btree_map::Entry::Vacant(place) = views.entry(id)
            && let Some(mut view) = item(rows, reader, &id)?
        {
            // By the item's own kind: facts may name it under another, which hides nothing.
            let (kind, owner) = (view.kind.clone(), view.owner);
            view.fields.retain(|name, field| is_to_settle(reader, &kind, name, owner, field));
            place.insert(view);
        }
    }
    Ok(views.into_values().filter(|view| !view.fields.is_empty()).collect())
}

/// The fields of one item that wait to be settled: what [`differences`] has of it.
///
/// # Errors
/// [`IndexError`].
pub fn to_settle<R: ReadRows>(rows: &R, reader: &Reader, id: &ItemId) -> Result<Vec<String>, IndexError<R::Error>> {
    let Some(view) = item(rows, reader, id)? else { return Ok(Vec::new()) };
    let (kind, owner) = (view.kind, view.owner);
    let waiting = view.fields.into_iter().filter(|(name, field)| is_to_settle(reader, &kind, name, owner, field));
    Ok(waiting.map(|(name, _)| name).collect())
}

fn is_to_settle(reader: &Reader, kind: &str, name: &str, owner: Option<PartnerId>, field: &FieldView) -> bool {
    let own = |state| state == State::Differing;
    // What is said about a difference waits with the difference.
    if kind == crate::settle::SETTLEMENT {
        return false;
    }
    match crate::schema::field(kind, name).map(|field| field.kind) {
        None | Some(FieldKind::Light) => false,
        Some(FieldKind::Shared) => own(field.reading.state),
        Some(FieldKind::Consent) => own(field.reading.state) || !field.waiting.is_empty() || field.agreement.len() > 1,
        Some(FieldKind::Owned(crate::schema::Owner::Founder)) => {
            own(field.reading.state) && owner == Some(reader.partner)
        }
        Some(FieldKind::Owned(crate::schema::Owner::EachPartner)) => {
            field.slots.iter().any(|slot| slot.own && own(slot.reading.state))
        }
    }
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

/// Whether an item is one that its kind can have: a natural one has the name that the schema gives it.
fn is_named<R: ReadRows>(rows: &R, reader: &Reader, view: &ItemView) -> Result<bool, IndexError<R::Error>> {
    Ok(match Kind::named(&view.kind) {
        Some(Kind { naming: Naming::Internal, .. }) => false,
        Some(kind @ Kind { naming: Naming::One, .. }) => {
            kind.natural_item(&reader.household, &reader.partner) == Some(view.id)
        }
        Some(Kind { naming: Naming::OnePerPartner, .. }) => view.owner.is_some(),
        Some(kind @ Kind { naming: Naming::Keyed { .. }, .. }) => {
            index::is_keyed(rows, &reader.household, kind, &view.id)?
        }
        Some(Kind { naming: Naming::Founded { .. }, .. }) | None => true,
    })
}

fn unsaid(reader: &Reader, kind: &Kind, item: &ItemId) -> ItemView {
    let owner = (kind.naming == Naming::OnePerPartner).then_some(reader.partner);
    ItemView {
        id: *item,
        kind: kind.name.to_owned(),
        founded: None,
        owner,
        arriving: false,
        newer: false,
        fields: kind.fields.iter().map(|field| (field.name.to_owned(), fields::unsaid(field.kind))).collect(),
        tally: None,
        changed_since_agreed: None,
        review: None,
    }
}

fn whole<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    kind: &str,
    entry: &ItemEntry,
) -> Result<ItemView, IndexError<R::Error>> {
    let known = Kind::named(kind);
    let founded = entry.founding.map(|(by, on)| Founded { by, on });
    let owner = match known {
        Some(known) => index::owner(rows, &reader.household, known, &entry.item)?,
        None => None,
    };
    let mut views: BTreeMap<String, FieldView> = known
        .map(|known| known.fields.iter().map(|field| (field.name.to_owned(), fields::unsaid(field.kind))).collect())
        .unwrap_or_default();
    for (key, live) in index::live_of_item(rows, &entry.item)? {
        if key.kind == kind {
            let view = fields::view(rows, reader, known, owner, &key, &live)?;
            views.insert(key.field, view);
        }
    }
    let natural = known.is_some_and(|known| !matches!(known.naming, Naming::Founded { .. }));
    let tally = match (kind, views.get("measure").and_then(|measure| measure.reading.value.as_ref())) {
        ("milestone", Some(measure)) if counts(measure) => Some(tally(rows, reader, &entry.item)?),
        _ => None,
    };
    Ok(ItemView {
        id: entry.item,
        kind: kind.to_owned(),
        arriving: founded.is_none() && !natural,
        newer: known.is_none(),
        changed_since_agreed: changed_since_agreed(known, &views),
        review: review::review(&views),
        founded,
        owner,
        fields: views,
        tally,
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
