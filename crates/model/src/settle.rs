//! What there is to settle, as one list: each field that differs and each wording that waits, with what was said about the
//! difference itself; and the statements that are to be looked at again.
//!
//! Nothing here changes what a field holds. Seeing it differently, parking and saying back are facts beside it, and a
//! thread rests only for a time: nobody can settle for the other, and nothing is hidden from them.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use crate::field::Seen;
use crate::ids::{FactId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::{KINDS, Kind};
use crate::view::{self, FieldView, ItemView, Reader, Reading, Review, Said};

/// The kind of the items that hold what is said about a difference.
pub const SETTLEMENT: &str = "settlement";

/// The kind of the items in which one says back what one reads in the other's version.
pub const SAYING_BACK: &str = "saying_back";

/// One item that waits for the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// The item, whole.
    pub item: ItemView,
    /// Its fields that wait, by name.
    pub fields: Vec<Waiting>,
    /// Its review, if that is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// What was said back about its fields that wait, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differently: Vec<Differently>,
    /// Until when the reader left it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<Date>,
    /// Until when it waits for nothing: both see it differently until then, or the reader parked it. From that date on it
    /// waits again.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Everything to settle on this date, by item. `partners` is how many speak in this space: two where it is shared.
///
/// # Errors
/// [`IndexError`].
pub fn threads<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    partners: usize,
) -> Result<Vec<Thread>, IndexError<R::Error>> {
    let mut threads = Vec::new();
    for waiting in view::differences(rows, reader)? {
        let Some(item) = view::item(rows, reader, &waiting.id)? else { continue };
        let mut fields = Vec::new();
        for (field, view) in waiting.fields {
            fields.push(self::waiting(rows, reader, today, &item, field, view)?);
        }
        let said_back = said_back(rows, reader, &item, &fields)?;
        threads.push(Thread { item, fields, review: None, said_back });
    }
    for item in reviews(rows, reader, today, partners)? {
        match threads.iter_mut().find(|thread| thread.item.id == item.id) {
            Some(thread) => thread.review.clone_from(&item.review),
            None => {
                let review = item.review.clone();
                threads.push(Thread { item, fields: Vec::new(), review, said_back: Vec::new() });
            }
        }
    }
    threads.sort_by_key(|thread| thread.item.id);
    Ok(threads)
}

fn waiting<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    item: &ItemView,
    field: String,
    view: FieldView,
) -> Result<Waiting, IndexError<R::Error>> {
    let value = json!({ "of": of(&item.id, &item.kind, &field) });
    let named = Kind::named(SETTLEMENT).and_then(|kind| kind.keyed_item(&reader.household, &value));
    let said = named.map(|named| view::item(rows, reader, &named)).transpose()?.flatten();
    let said = |name: &str| said.as_ref().and_then(|said| said.fields.get(name)).cloned().unwrap_or_default();
    let (differently_field, parked_field) = (said("differently"), said("parked"));
    let differently = differently(&differently_field, &view.seen);
    let own = parked_field.slots.iter().filter(|slot| slot.own);
    let parked = own.flat_map(|slot| slot.reading.values()).filter_map(|value| date(value, "until")).min();
    let agreed = differently.iter().filter(|said| said.agreed).map(|said| said.again).min();
    let rests_until = agreed.into_iter().chain(parked).filter(|until| *until > today).max();
    Ok(Waiting {
        field,
        view,
        differently,
        parked,
        rests_until,
        differently_seen: differently_field.seen,
        parked_seen: parked_field.seen,
    })
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
    item: &ItemView,
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

/// The statements that are to be looked at again by this date. Reads no item whose review was never spoken of.
fn reviews<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    today: Date,
    partners: usize,
) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut due = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.field("review").is_some()) {
        for entry in index::items(rows, kind.name)? {
            let key = FieldKey { item: entry.item, kind: kind.name.to_owned(), field: "review".to_owned() };
            if !index::field(rows, &key)?.is_said() {
                continue;
            }
            let item = view::item(rows, reader, &entry.item)?.filter(|item| item.kind == kind.name);
            let is_due = |item: &ItemView| item.review.as_ref().is_some_and(|review| review.is_due(today, partners));
            due.extend(item.filter(is_due));
        }
    }
    Ok(due)
}

fn date(value: &Value, name: &str) -> Option<Date> {
    value.get(name)?.as_str()?.parse().ok()
}
