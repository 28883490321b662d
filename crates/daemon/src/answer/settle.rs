//! What waits for the two: the list, and what is said about a difference itself.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::IndexError;
use betwixt_model::index::rows::ReadRows;
use betwixt_model::schema::Kind;
use betwixt_model::settle::{self, SETTLEMENT, Thread};
use betwixt_model::view::Reader;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::failure::Failure;
use super::items::{Open, OpenScope, ReadError, shown_scope};
use super::problem::storage_problem;
use super::says::Writing;
use crate::http::lists::names;
use crate::http::{Answer, Response, Sees, SettleList, ThreadPlace, cursor, shown};
use crate::replica::Replica;

/// A page of what is to settle on this date. Which of it rests is known only of the whole, which is as long as what two people
/// leave open.
pub(crate) fn read(replica: &Replica, sees: Sees, list: &SettleList, today: Date) -> Answer {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    page(&Open::new(replica, sees, &view.reader()), list, today).map(Response::ToSettle).map_err(Problem::from)
}

fn page(open: &Open<'_>, list: &SettleList, today: Date) -> Result<api::Page<api::SettleThread>, ReadError> {
    let kind = list.collection.map(shown::kind_of);
    let mut threads: Vec<(ThreadPlace, &OpenScope<'_>, Thread)> = Vec::new();
    for open in open.wanted(list.scope)? {
        let found = settle::threads(&open.rows, &open.reader, today, partners(open.scope))?;
        let found = found.into_iter().filter(|thread| kind.is_none_or(|kind| thread.item.kind == kind));
        let placed = |thread: Thread| ((!thread.waits(), shown_scope(open.scope), thread.item.id), open, thread);
        threads.extend(found.map(placed));
    }
    threads.retain(|(place, ..)| list.paging.after.as_ref().is_none_or(|after| place > after));
    threads.sort_by_key(|(place, ..)| *place);
    let next = (threads.len() > list.paging.limit).then(|| threads[list.paging.limit - 1].0);
    threads.truncate(list.paging.limit);
    let items = threads.iter().filter_map(|(_, open, thread)| show(&open.reader, open.scope, thread)).collect();
    Ok(api::Page { items, next: next.map(|place| cursor::write(names::SETTLE, &place)).transpose()? })
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
    let threads = settle::threads(rows, reader, today, partners(scope))?;
    let count = |thread: &Thread| {
        let fields = thread.fields.iter().filter(|field| field.rests_until.is_none()).count();
        fields as u64 + u64::from(thread.review.is_some())
    };
    Ok(threads.iter().map(count).sum())
}

/// How many speak in a scope.
const fn partners(scope: Scope) -> usize {
    match scope {
        Scope::Ours => 2,
        Scope::Mine => 1,
    }
}

fn show(reader: &Reader, scope: Scope, thread: &Thread) -> Option<api::SettleThread> {
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
    Some(api::SettleThread {
        item: shown::reference(shown_scope(scope), &thread.item)?,
        kind: thread.item.kind.clone(),
        waits: thread.waits(),
        fields: fields.collect(),
        review: thread.review.as_ref().map(|review| shown::review(reader, review)),
        said_back: said_back.collect(),
    })
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

    /// The field that waits under an item's name: `vision` (the shared one first), or the unique beginning of an id.
    fn waiting(&mut self, item: &str, field: &str) -> Result<Named, Failure> {
        let today = self.date;
        let open = self.open();
        let mut found = Vec::new();
        for open in open.scopes() {
            for thread in settle::threads(&open.rows, &open.reader, today, partners(open.scope))? {
                let vision = item == "vision" && thread.item.kind == "vision" && found.is_empty();
                if vision || thread.item.id.to_string().starts_with(item) {
                    found.push((open.scope, open.reader, thread.item));
                }
            }
        }
        let (scope, reader, item) = match (found.pop(), found.is_empty()) {
            (Some(found), true) => found,
            (Some(_), false) => {
                let detail = "More than one id begins like that; give more of it.";
                return Err(Problem::new(ProblemKind::Ambiguous, detail).into());
            }
            (None, _) => return Err(Problem::new(ProblemKind::NotFound, "Nothing waits there.").into()),
        };
        let of = settle::of(&item.id, &item.kind, field);
        let known = item.fields.contains_key(field);
        let settlement = Kind::named(SETTLEMENT)
            .and_then(|kind| kind.keyed_item(&reader.household, &json!({ "of": of })))
            .filter(|_| known);
        let nothing = || Problem::new(ProblemKind::NotFound, "There is no field of that name.").about(field);
        Ok(Named { scope, settlement: settlement.ok_or_else(nothing)?, of })
    }
}
