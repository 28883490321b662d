//! What there is to settle, as one list: each field that differs and each wording that waits, with what was said about the
//! difference itself; and the statements that are to be looked at again.
//!
//! Nothing here changes what a field holds. Seeing it differently, parking and saying back are facts beside it, and a
//! thread rests only for a time: nobody can settle for the other, and nothing is hidden from them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use crate::field::Seen;
use crate::ids::{FactId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, IndexError};
use crate::schema::{Kind, REVIEW};
use crate::view::{self, FieldView, ItemHead, Reader, Reading, Review, Said, Unsettled};

/// The kind of the items that hold what is said about a difference.
pub const SETTLEMENT: &str = "settlement";

/// The kind of the items in which one says back what one reads in the other's version.
pub const SAYING_BACK: &str = "saying_back";

/// What waits of one item, in short: enough to count it and to put it in its place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The item.
    pub item: ItemHead,
    /// The names of its fields that wait, sorted, each with the date until which it rests.
    pub fields: Vec<(String, Option<Date>)>,
    /// Its review, if that is due.
    pub review: Option<Review>,
}

/// One item that waits for the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// The item.
    pub item: ItemHead,
    /// Its fields that wait, by name.
    pub fields: Vec<Waiting>,
    /// Its review, if that is due.
    pub review: Option<Review>,
    /// What was said back about its fields that wait, oldest first.
    pub said_back: Vec<SaidBack>,
}

/// A field that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Its name.
    pub field: String,
    /// As it stands.
    pub view: FieldView,
    /// Who says of just these versions that they see it differently; agreed where both name one date.
    pub differently: Vec<Differently>,
    /// Until when the reader left it alone.
    pub parked: Option<Date>,
    /// Until when it waits for nothing: both see it differently until then, or the reader parked it. From that date on it
    /// waits again.
    pub rests_until: Option<Date>,
    /// The token for saying "differently".
    pub differently_seen: Seen,
    /// The token for parking.
    pub parked_seen: Seen,
}

/// "We see this differently", with a date to look again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differently {
    /// The date.
    pub again: Date,
    /// Who says so.
    pub said: Vec<Said>,
    /// Whether both do.
    pub agreed: bool,
}

/// What one partner reads in the other's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidBack {
    /// The item that holds it.
    pub id: ItemId,
    /// Who says it back.
    pub by: PartnerId,
    /// Whether that is the reader.
    pub own: bool,
    /// When, by their local date.
    pub on: Date,
    /// The field.
    pub field: String,
    /// The version.
    pub fact: FactId,
    /// The text, as it stands.
    pub text: Reading,
    /// Whether the version's author said "yes, that is it". Only theirs counts.
    pub heard: bool,
    /// The token for saying so.
    pub heard_seen: Seen,
}

impl Waits {
    /// Whether anything in it waits now.
    pub fn waits(&self) -> bool {
        self.count() > 0
    }

    /// How much in it waits now: fields, and a review that is due.
    pub fn count(&self) -> usize {
        self.fields.iter().filter(|(_, rests)| rests.is_none()).count() + usize::from(self.review.is_some())
    }
}

impl Thread {
    /// Whether anything in it waits now.
    pub fn waits(&self) -> bool {
        self.review.is_some() || self.fields.iter().any(|field| field.rests_until.is_none())
    }
}

/// The value that names a field in what is said about its difference.
pub fn of(item: &ItemId, kind: &str, field: &str) -> Value {
    json!({ "item": item, "kind": kind, "field": field })
}

/// Everything to settle on this date, by item, in short. `partners` is how many speak in this space: two where it is shared.
/// Costs a few rows for every item listed, whatever else was said about it.
///
/// # Errors
/// [`IndexError`].
pub fn waits<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    partners: usize,
) -> Result<Vec<Waits>, IndexError<R::Error>> {
    let mut reviews = BTreeMap::new();
    for (key, first) in index::reviews(rows)? {
        if first <= today
            && let Some(head) = view::head(rows, reader, &key.item)?.filter(|head| head.kind == key.kind)
            && let Some(review) = review(rows, reader, &head, today, partners)?
        {
            reviews.insert(head.id, (head, review));
        }
    }
    let mut all = Vec::new();
    for item in view::unsettled(rows, reader, None)? {
        let review = reviews.remove(&item.head.id).map(|(_, review)| review);
        all.push(short(rows, reader, today, item, review)?);
    }
    let due = |(item, review)| Waits { item, fields: Vec::new(), review: Some(review) };
    all.extend(reviews.into_values().map(due));
    all.sort_unstable_by_key(|waits| waits.item.id);
    Ok(all)
}

/// What waits of this item, in short; `None` if nothing does.
///
/// # Errors
/// [`IndexError`].
pub fn waits_of<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    partners: usize,
    item: &ItemId,
) -> Result<Option<Waits>, IndexError<R::Error>> {
    let Some(head) = view::head(rows, reader, item)? else { return Ok(None) };
    let review = review(rows, reader, &head, today, partners)?;
    let mut unsettled = view::unsettled(rows, reader, Some(item))?;
    let unsettled = unsettled.pop().unwrap_or(Unsettled { head, fields: Vec::new() });
    let waits = short(rows, reader, today, unsettled, review)?;
    Ok((waits.review.is_some() || !waits.fields.is_empty()).then_some(waits))
}

/// Everything to settle on this date, by item.
///
/// # Errors
/// [`IndexError`].
pub fn threads<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    partners: usize,
) -> Result<Vec<Thread>, IndexError<R::Error>> {
    waits(rows, reader, today, partners)?.into_iter().map(|waits| thread(rows, reader, today, waits)).collect()
}

/// What waits of an item, with all that was said about it.
///
/// # Errors
/// [`IndexError`].
pub fn thread<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    waits: Waits,
) -> Result<Thread, IndexError<R::Error>> {
    let Waits { item, fields: names, review } = waits;
    let mut fields = Vec::new();
    for (field, _) in names {
        if let Some(view) = view::field(rows, reader, &item, &field)? {
            let Beside { differently, parked } = Beside::read(rows, reader, &item, &field)?;
            fields.push(waiting(today, field, view, &differently, &parked));
        }
    }
    let said_back = said_back(rows, reader, &item, &fields)?;
    Ok(Thread { item, fields, review, said_back })
}

fn short<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    unsettled: Unsettled,
    review: Option<Review>,
) -> Result<Waits, IndexError<R::Error>> {
    let Unsettled { head: item, fields: names } = unsettled;
    let mut fields = Vec::new();
    for name in names {
        let rests = match settlement(reader, &item, &name) {
            Some(settlement) if index::is_item(rows, SETTLEMENT, &settlement)? => {
                let Beside { differently, parked } = Beside::read(rows, reader, &item, &name)?;
                let view = view::field(rows, reader, &item, &name)?.unwrap_or_default();
                waiting(today, name.clone(), view, &differently, &parked).rests_until
            }
            _ => None,
        };
        fields.push((name, rests));
    }
    Ok(Waits { item, fields, review })
}

/// What was said about a difference itself.
#[derive(Default)]
struct Beside {
    differently: FieldView,
    parked: FieldView,
}

impl Beside {
    fn read<R: ReadRows>(
        rows: &R,
        reader: &Reader,
        item: &ItemHead,
        field: &str,
    ) -> Result<Self, IndexError<R::Error>> {
        let Some(settlement) = settlement(reader, item, field) else { return Ok(Self::default()) };
        // Nearly never was anything said about it, which one row tells.
        if !index::is_item(rows, SETTLEMENT, &settlement)? {
            return Ok(Self::default());
        }
        let Some(head) = view::head(rows, reader, &settlement)? else { return Ok(Self::default()) };
        let said = |name: &str| view::field(rows, reader, &head, name).map(Option::unwrap_or_default);
        Ok(Self { differently: said("differently")?, parked: said("parked")? })
    }
}

/// The item that holds what is said about a difference.
fn settlement(reader: &Reader, item: &ItemHead, field: &str) -> Option<ItemId> {
    let value = json!({ "of": of(&item.id, &item.kind, field) });
    Kind::named(SETTLEMENT)?.keyed_item(&reader.household, &value)
}

fn waiting(
    today: Date,
    field: String,
    view: FieldView,
    differently_field: &FieldView,
    parked_field: &FieldView,
) -> Waiting {
    let differently = differently(differently_field, &view.seen);
    let own = parked_field.slots.iter().filter(|slot| slot.own);
    let parked = own.flat_map(|slot| slot.reading.values()).filter_map(|value| date(value, "until")).min();
    let agreed = differently.iter().filter(|said| said.agreed).map(|said| said.again).min();
    let rests_until = agreed.into_iter().chain(parked).filter(|until| *until > today).max();
    Waiting {
        field,
        view,
        differently,
        parked,
        rests_until,
        differently_seen: differently_field.seen.clone(),
        parked_seen: parked_field.seen.clone(),
    }
}

/// What was said about just these versions: as soon as anybody says something else, it is about something that is past.
fn differently(field: &FieldView, live: &Seen) -> Vec<Differently> {
    let about = |value: &Value| {
        let versions: Option<Vec<FactId>> =
            value.get("versions")?.as_array()?.iter().map(|fact| fact.as_str()?.parse().ok()).collect();
        (versions? == live.facts()).then(|| date(value, "again")).flatten()
    };
    let agreed = field.agreement.iter().filter_map(|agreement| {
        Some(Differently { again: about(&agreement.value)?, said: agreement.said.clone(), agreed: true })
    });
    let waiting = field.waiting.iter().filter_map(|version| {
        let said = vec![Said { by: version.by, on: version.on, fact: version.fact }];
        Some(Differently { again: about(&version.value)?, said, agreed: false })
    });
    agreed.chain(waiting).collect()
}

/// What was said back about the versions that stand in these fields.
fn said_back<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    item: &ItemHead,
    fields: &[Waiting],
) -> Result<Vec<SaidBack>, IndexError<R::Error>> {
    let mut all = Vec::new();
    for key in index::links_to(rows, &item.id)? {
        if key.kind != SAYING_BACK || key.field != "of" {
            continue;
        }
        let Some(view) = view::item(rows, reader, &key.item)?.filter(|view| view.kind == SAYING_BACK) else { continue };
        let (Some(founded), Some(value)) =
            (&view.founded, view.fields.get("of").and_then(|of| of.reading.value.as_ref()))
        else {
            continue;
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let fact = text("fact").and_then(|fact| fact.parse::<FactId>().ok());
        let waiting = fields.iter().find(|waiting| text("field") == Some(waiting.field.as_str()));
        let (Some(fact), Some(waiting)) = (fact, waiting) else { continue };
        if text("kind") != Some(item.kind.as_str()) || !waiting.view.seen.facts().contains(&fact) {
            continue;
        }
        let author = index::fact(rows, &fact)?.map(|signed| signed.fact().header().partner);
        let heard = view.fields.get("heard").cloned().unwrap_or_default();
        let authors = heard.slots.iter().filter(|slot| Some(slot.by) == author);
        all.push(SaidBack {
            id: view.id,
            by: founded.by,
            own: founded.by == reader.partner,
            on: founded.on,
            field: waiting.field.clone(),
            fact,
            heard: authors.flat_map(|slot| slot.reading.values()).any(|value| *value == true),
            text: view.fields.get("text").map(|text| text.reading.clone()).unwrap_or_default(),
            heard_seen: heard.seen,
        });
    }
    all.sort_by_key(|said| (said.on, said.id));
    Ok(all)
}

/// A statement's review, if that is due.
fn review<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    item: &ItemHead,
    today: Date,
    partners: usize,
) -> Result<Option<Review>, IndexError<R::Error>> {
    if item.schema().is_none_or(|kind| kind.field(REVIEW).is_none()) {
        return Ok(None);
    }
    let field = |name: &str| view::field(rows, reader, item, name);
    let review = view::review(field(REVIEW)?.as_ref(), field("reviewed")?.as_ref());
    Ok(review.filter(|review| review.is_due(today, partners)))
}

fn date(value: &Value, name: &str) -> Option<Date> {
    value.get(name)?.as_str()?.parse().ok()
}
