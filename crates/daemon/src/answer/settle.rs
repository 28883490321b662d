//! What waits for the two: the list, and what is said about a difference itself.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::IndexError;
use betwixt_model::index::rows::ReadRows;
use betwixt_model::schema::Kind;
use betwixt_model::settle::{self, SETTLEMENT, Thread, Waits};
use betwixt_model::view::Reader;
use betwixt_store::StoreError;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::failure::Failure;
use super::items::{Open, OpenScope, ReadError, shown_scope};
use super::problem::storage_problem;
use super::says::Writing;
use crate::http::lists::names;
use crate::http::{Answer, Response, Sees, SettleList, ThreadPlace, cursor, shown};
use crate::replica::Replica;

/// A page of what is to settle on this date. Which of it rests is known only of the whole, of which no more is read than that;
/// the threads of the page alone are read.
pub(crate) fn read(replica: &Replica, sees: Sees, list: &SettleList, today: Date) -> Answer {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    page(&Open::shown(replica, sees, &view.reader()), list, today).map(Response::ToSettle).map_err(Problem::from)
}

fn page(open: &Open<'_>, list: &SettleList, today: Date) -> Result<api::Page<api::SettleThread>, ReadError> {
    let kind = list.collection.map(shown::kind_of);
    let mut all: Vec<(ThreadPlace, &OpenScope<'_>, Waits)> = Vec::new();
    for open in open.wanted(list.scope)? {
        let found = match &list.item {
            Some(item) => beginning(open, today, item)?,
            None => settle::waits(&open.rows, &open.reader, today, partners(open.scope))?,
        };
        let found = found.into_iter().filter(|waits| kind.is_none_or(|kind| waits.item.kind == kind));
        let placed = |waits: Waits| ((!waits.waits(), shown_scope(open.scope), waits.item.id), open, waits);
        all.extend(found.map(placed));
    }
    all.retain(|(place, ..)| list.paging.after.as_ref().is_none_or(|after| place > after));
    all.sort_by_key(|(place, ..)| *place);
    let next = (all.len() > list.paging.limit).then(|| all[list.paging.limit - 1].0);
    all.truncate(list.paging.limit);
    let mut items = Vec::new();
    for (_, open, waits) in all {
        items.extend(thread(open, today, waits)?);
    }
    Ok(api::Page { items, next: next.map(|place| cursor::write(names::SETTLE, &place)).transpose()? })
}

/// A thread as the API shows it; `None` where its kind is not shown.
fn thread(
    open: &OpenScope<'_>,
    today: Date,
    waits: Waits,
) -> Result<Option<api::SettleThread>, IndexError<StoreError>> {
    let named = shown::named(&open.rows, &open.reader, shown_scope(open.scope), &waits.item)?;
    let Some(named) = named else { return Ok(None) };
    let thread = settle::thread(&open.rows, &open.reader, today, waits)?;
    Ok(Some(show(&open.reader, named, &thread)))
}

/// What waits of one scope under a name: `vision`, or the beginning of an id. Of a whole id, that item alone is looked at.
fn beginning(open: &OpenScope<'_>, today: Date, item: &str) -> Result<Vec<Waits>, IndexError<StoreError>> {
    let partners = partners(open.scope);
    let vision = || ItemId::natural(&open.reader.household, "vision", "");
    let whole = if item == "vision" { Some(vision()) } else { item.parse().ok() };
    if let Some(id) = whole {
        return Ok(settle::waits_of(&open.rows, &open.reader, today, partners, &id)?.into_iter().collect());
    }
    let mut all = settle::waits(&open.rows, &open.reader, today, partners)?;
    all.retain(|waits| waits.item.id.to_string().starts_with(item));
    Ok(all)
}

/// The item that waits under a name: `vision` (the shared one first), or the unique beginning of an id.
fn find<'o, 'a>(open: &'o Open<'a>, today: Date, item: &str) -> Result<(&'o OpenScope<'a>, Waits), ReadError> {
    let mut found: Vec<(&OpenScope<'a>, Waits)> = Vec::new();
    for open in open.scopes() {
        if item != "vision" || found.is_empty() {
            found.extend(beginning(open, today, item)?.into_iter().map(|waits| (open, waits)));
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(found), true) => Ok(found),
        (Some(_), false) => {
            let detail = "More than one id begins like that; give more of it.";
            Err(Problem::new(ProblemKind::Ambiguous, detail).into())
        }
        (None, _) => Err(Problem::new(ProblemKind::NotFound, "Nothing waits there.").into()),
    }
}

/// How much waits now in one scope: fields, and reviews that are due.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn waiting<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    scope: Scope,
    today: Date,
) -> Result<u64, IndexError<R::Error>> {
    let waits = settle::waits(rows, reader, today, partners(scope))?;
    Ok(waits.iter().map(|waits| waits.count() as u64).sum())
}

/// How many speak in a scope.
const fn partners(scope: Scope) -> usize {
    match scope {
        Scope::Ours => 2,
        Scope::Mine => 1,
    }
}

fn show(reader: &Reader, item: api::ItemReference, thread: &Thread) -> api::SettleThread {
    let fields = thread.fields.iter().map(|waiting| {
        let said = |said: &betwixt_model::view::Said| shown::said(reader, said.by, said.on, &said.fact);
        let differently = waiting.differently.iter().map(|differently| api::Differently {
            again: differently.again.to_string(),
            agreed: differently.agreed,
            said: differently.said.iter().map(said).collect(),
        });
        let shown = api::WaitingField {
            field: shown::field(reader, &thread.item.kind, &waiting.field, &waiting.view),
            differently: differently.collect(),
            parked: waiting.parked.map(|date| date.to_string()),
            rests_until: waiting.rests_until.map(|date| date.to_string()),
            differently_seen: api::Seen(waiting.differently_seen.to_string()),
            parked_seen: api::Seen(waiting.parked_seen.to_string()),
        };
        (waiting.field.clone(), shown)
    });
    let said_back = thread.said_back.iter().map(|said| api::SaidBack {
        id: said.id.to_string(),
        by: said.by.to_string(),
        own: said.own,
        on: said.on.to_string(),
        field: said.field.clone(),
        fact: said.fact.to_string(),
        text: said.text.value.as_ref().and_then(Value::as_str).map(str::to_owned),
        heard: said.heard,
        heard_seen: api::Seen(said.heard_seen.to_string()),
    });
    api::SettleThread {
        item,
        kind: thread.item.kind.clone(),
        waits: thread.waits(),
        fields: fields.collect(),
        review: thread.review.as_ref().map(|review| shown::review(reader, review)),
        said_back: said_back.collect(),
    }
}

/// A field that waits, as a request names it.
struct Named {
    scope: Scope,
    settlement: ItemId,
    of: Value,
}

impl Writing<'_> {
    /// Says "we see this differently" of the versions that the writer had before them.
    pub(super) fn differently(
        &mut self,
        item: &str,
        field: &str,
        say: api::SayDifferently,
    ) -> Result<Response, Failure> {
        let Named { scope, settlement, of } = self.waiting(item, field)?;
        let versions: Result<Vec<FactId>, _> = say.versions.iter().map(|fact| fact.parse::<FactId>()).collect();
        let mut versions = versions
            .map_err(|_| Problem::new(ProblemKind::Invalid, "A version is named by its fact.").about("versions"))?;
        versions.sort_unstable();
        let value = match say.again {
            Some(again) => json!({ "of": of, "versions": versions, "again": again }),
            None => Value::Null,
        };
        self.say_of(scope, SETTLEMENT, settlement, "differently", api::Say { value, seen: say.seen })
    }

    /// Leaves a field alone until a date.
    pub(super) fn park(&mut self, item: &str, field: &str, park: api::Park) -> Result<Response, Failure> {
        let Named { scope, settlement, of } = self.waiting(item, field)?;
        let value = park.until.map_or(Value::Null, |until| json!({ "of": of, "until": until }));
        self.say_of(scope, SETTLEMENT, settlement, "parked", api::Say { value, seen: park.seen })
    }

    /// A field of the item that waits under this name.
    fn waiting(&mut self, item: &str, field: &str) -> Result<Named, Failure> {
        let today = self.date;
        let open = self.open();
        let (open, waits) = find(&open, today, item)?;
        let item = &waits.item;
        let of = settle::of(&item.id, &item.kind, field);
        let known = item.schema().is_some_and(|kind| kind.field(field).is_some());
        let settlement = Kind::named(SETTLEMENT)
            .and_then(|kind| kind.keyed_item(&open.reader.household, &json!({ "of": of })))
            .filter(|_| known);
        let nothing = || Problem::new(ProblemKind::NotFound, "There is no field of that name.").about(field);
        Ok(Named { scope: open.scope, settlement: settlement.ok_or_else(nothing)?, of })
    }
}
