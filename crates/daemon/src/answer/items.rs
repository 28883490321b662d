//! Reading: what is asked about items, answered from one state of the store.
//!
//! Answers come from what is durable, never from a stage that may still fail (DurableBeforeTold).

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::ItemId;
use betwixt_model::index::{self, FieldKey, IndexError};
use betwixt_model::schema::{KINDS, Kind, Naming};
use betwixt_model::settle;
use betwixt_model::view::{self, ItemHead, ItemView, Reader};
use betwixt_store::StoreError;
use serde_json::Value;

use super::{rituals, seals};
use crate::answer::problem::{storage_problem, unreadable};
use crate::http::{Answer, Named, Request, Response, Sees, Target, shown};
use crate::replica::{Replica, ShownRows};

/// Answers a request that reads items; `None` for every other request.
pub(crate) fn read(replica: &Replica, sees: Sees, request: &Request) -> Option<Answer> {
    match request {
        Request::Items { .. }
        | Request::Item(_)
        | Request::Calendar { .. }
        | Request::Seals(_)
        | Request::Seal(_)
        | Request::BringChoices(_) => {}
        _ => return None,
    }
    let view = match replica.read() {
        Ok(view) => view,
        Err(error) => return Some(Err(storage_problem(&error))),
    };
    let open = match request {
        // What is brought over is said.
        Request::BringChoices(_) => Open::new(replica, sees, &view.reader()),
        _ => Open::shown(replica, sees, &view.reader()),
    };
    let answer = match request {
        Request::Items { collection, list } => open.items(*collection, list).map(Response::Items),
        Request::Item(target) => open.item(target).map(|item| Response::Item(Box::new(item))),
        Request::Calendar { ritual, asked } => {
            rituals::calendar(replica, &open, ritual.as_ref(), asked).map(Response::Calendar)
        }
        Request::Seals(paging) => seals::page(replica, &open, paging).map(Response::Seals),
        Request::Seal(target) => seals::one(replica, &open, target).map(|one| Response::Seal(Box::new(one))),
        Request::BringChoices(paging) => open.bring_choices(paging).map(Response::BringChoices),
        _ => return None,
    };
    Some(answer.map_err(Problem::from))
}

/// Why something was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is not there, or not to be read.
    Refused(Problem),
    /// The rows failed.
    Rows(IndexError<StoreError>),
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<IndexError<StoreError>> for ReadError {
    fn from(error: IndexError<StoreError>) -> Self {
        Self::Rows(error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(problem) => problem,
            ReadError::Rows(error) => unreadable(&error),
        }
    }
}

/// The scopes that can be read now by whoever asks: `ours` once paired, then `mine` while it is unlocked.
pub(super) struct Open<'a> {
    sees: Sees,
    scopes: Vec<OpenScope<'a>>,
}

/// One scope that can be read.
pub(super) struct OpenScope<'a> {
    /// Which.
    pub(super) scope: Scope,
    /// Whose view it is.
    pub(super) reader: Reader,
    /// Its index.
    pub(super) rows: ShownRows<'a>,
}

/// An item that a request names: where it is, and nothing of what its fields say.
pub(super) struct Located<'o, 'a> {
    /// Where it is.
    pub(super) open: &'o OpenScope<'a>,
    /// What it is.
    pub(super) head: ItemHead,
}

/// An item that a request names.
pub(super) struct Found<'o, 'a> {
    /// Where it is.
    pub(super) open: &'o OpenScope<'a>,
    /// As it stands.
    pub(super) view: ItemView,
}

/// Whose views can be read now by whoever asks: of both scopes, or of the one that is named.
///
/// # Errors
/// [`Problem`] that says why there is none.
pub(crate) fn readers(
    replica: &Replica,
    sees: Sees,
    scope: Option<api::Scope>,
) -> Result<Vec<(Scope, Reader)>, Problem> {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    let open = Open::new(replica, sees, &view.reader());
    Ok(open.wanted(scope)?.into_iter().map(|open| (open.scope, open.reader)).collect())
}

/// What the API calls a scope.
pub(super) const fn shown_scope(scope: Scope) -> api::Scope {
    match scope {
        Scope::Ours => api::Scope::Ours,
        Scope::Mine => api::Scope::Mine,
    }
}

/// What the model calls a scope.
pub(super) const fn model_scope(scope: api::Scope) -> Scope {
    match scope {
        api::Scope::Ours => Scope::Ours,
        api::Scope::Mine => Scope::Mine,
    }
}

/// Whether private items of this kind may be brought over. Journal entries stay private for good.
pub(super) fn may_be_brought(kind: &Kind) -> bool {
    // What is said about a difference stays with it.
    // And a private file is sealed and named by what the other does not know: it is shared by adding it again.
    let about = [settle::SETTLEMENT, settle::SAYING_BACK, betwixt_model::attachment::KIND].contains(&kind.name);
    kind.naming != Naming::Internal && kind.name != shown::kind_of(api::Collection::Journal) && !about
}

/// What a private item was brought as; `None` when it was not. Where own devices brought it apart, the least goes on, as
/// in [`mod@betwixt_model::bring`].
pub(super) fn brought_to(mine: &OpenScope<'_>, item: &ItemId) -> Result<Option<ItemId>, IndexError<StoreError>> {
    let note = ItemId::natural(&mine.reader.household, "brought", &item.to_string());
    let facts = index::live(&mine.rows, &FieldKey { item: note, kind: "brought".into(), field: "as".into() })?;
    let mut known = Vec::new();
    for entry in facts.live() {
        let signed = index::fact(&mine.rows, &entry.id)?;
        let value: Option<ItemId> =
            signed.as_ref().and_then(|signed| signed.fact().value()?.get("item")?.as_str()?.parse().ok());
        known.extend(value);
    }
    Ok(known.into_iter().min())
}

impl<'a> Open<'a> {
    /// What is stored: for whatever is said, decided or counted.
    pub(super) fn new(replica: &Replica, sees: Sees, store: &betwixt_store::Reader<'a>) -> Self {
        Self::with_rows(replica, sees, |scope| ShownRows::Stored(store.rows(scope)))
    }

    /// What is to be shown: of a scope that is still coming, the present.
    pub(super) fn shown(replica: &Replica, sees: Sees, store: &betwixt_store::Reader<'a>) -> Self {
        Self::with_rows(replica, sees, |scope| replica.shown_rows(store, scope))
    }

    fn with_rows(replica: &Replica, sees: Sees, rows: impl Fn(Scope) -> ShownRows<'a>) -> Self {
        let scopes = [Scope::Ours, Scope::Mine]
            .into_iter()
            .filter(|scope| sees.includes(*scope))
            .filter_map(|scope| Some(OpenScope { scope, reader: replica.reader(scope)?, rows: rows(scope) }));
        Self { sees, scopes: scopes.collect() }
    }

    /// One scope, or why it cannot be read.
    pub(super) fn one(&self, scope: Scope) -> Result<&OpenScope<'a>, Problem> {
        self.scopes.iter().find(|open| open.scope == scope).ok_or_else(|| match scope {
            Scope::Ours => not_paired(),
            Scope::Mine if !self.sees.includes(scope) => Problem::new(
                ProblemKind::NotPermitted,
                "This needs the permission `private`, which this frontend was not given.",
            ),
            Scope::Mine => locked(),
        })
    }

    /// The scope that is meant where none is named: the shared one once there is one.
    pub(super) fn default(&self) -> Result<&OpenScope<'a>, Problem> {
        self.scopes.first().ok_or_else(|| self.nothing_open())
    }

    /// Every scope that can be read, `ours` first.
    pub(super) fn scopes(&self) -> &[OpenScope<'a>] {
        &self.scopes
    }

    /// Why there is nothing to be read at all.
    fn nothing_open(&self) -> Problem {
        if self.sees.includes(Scope::Mine) {
            return locked();
        }
        let detail = "Nothing is shared before the two are paired, and this frontend does not see what is private.";
        Problem::new(ProblemKind::NotPaired, detail)
    }

    pub(super) fn wanted(&self, scope: Option<api::Scope>) -> Result<Vec<&OpenScope<'a>>, Problem> {
        match scope {
            Some(scope) => Ok(vec![self.one(model_scope(scope))?]),
            None if self.scopes.is_empty() => Err(self.nothing_open()),
            None => Ok(self.scopes.iter().collect()),
        }
    }

    /// The item that a path names, as it stands; see [`Self::locate`].
    pub(super) fn find(&self, target: &Target) -> Result<Found<'_, 'a>, ReadError> {
        self.locate(target)?.whole()
    }

    /// The item that a path names. The beginning of an id has to be unique among the items of its collection.
    pub(super) fn locate(&self, target: &Target) -> Result<Located<'_, 'a>, ReadError> {
        let kind = shown::kind_of(target.collection());
        let mut found = match target {
            Target::Vision(scope) => {
                let open = match scope {
                    Some(scope) => self.one(model_scope(*scope))?,
                    None => self.default()?,
                };
                let id = Kind::named(kind).and_then(|kind| natural(open, kind));
                match id {
                    Some(id) => open.head(kind, &id)?.map(|head| Located { open, head }).into_iter().collect(),
                    None => Vec::new(),
                }
            }
            Target::Item(_, prefix) => {
                let mut found = Vec::new();
                for open in self.wanted(None)? {
                    found.extend(open.beginning(kind, prefix)?.into_iter().map(|head| Located { open, head }));
                }
                found
            }
        };
        match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(Problem::new(
                ProblemKind::Ambiguous,
                format!("More than one {kind} begins like that; give more of the id."),
            )
            .into()),
            (None, _) => Err(self.nothing(kind).into()),
        }
    }

    /// The item that a path names, of whatever collection.
    pub(super) fn find_named(&self, named: &Named) -> Result<Found<'_, 'a>, ReadError> {
        let prefix = match named {
            Named::Vision => return self.find(&Target::Vision(None)),
            Named::Item(prefix) => prefix,
        };
        let mut found: Option<Located<'_, 'a>> = None;
        for collection in api::Collection::ALL.into_iter().filter(|collection| *collection != api::Collection::Vision) {
            match self.locate(&Target::Item(collection, prefix.clone())) {
                Ok(other) if found.is_none() => found = Some(other),
                Ok(_) => {
                    let detail = "More than one item begins like that; give more of the id.";
                    return Err(Problem::new(ProblemKind::Ambiguous, detail).into());
                }
                Err(ReadError::Refused(problem)) if problem.kind == ProblemKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        found.ok_or_else(|| self.nothing("item"))?.whole()
    }

    /// That there is no item of this kind by the id that was given.
    pub(super) fn nothing(&self, kind: &str) -> Problem {
        let locked = self.sees.includes(Scope::Mine) && self.scopes.iter().all(|open| open.scope != Scope::Mine);
        let hint = if locked { " Your own pages are locked, and were not looked through." } else { "" };
        Problem::new(ProblemKind::NotFound, format!("There is no {kind} by that id.{hint}"))
    }

    pub(super) fn is_default(&self, open: &OpenScope<'_>) -> bool {
        self.scopes.first().is_some_and(|first| first.scope == open.scope)
    }

    fn item(&self, target: &Target) -> Result<api::Item, ReadError> {
        let Found { open, view } = self.find(target)?;
        let shown = open.show(&view)?;
        shown.ok_or_else(|| self.nothing(&view.kind).into())
    }
}

impl<'o, 'a> Located<'o, 'a> {
    /// The item as it stands.
    pub(super) fn whole(self) -> Result<Found<'o, 'a>, ReadError> {
        let Self { open, head } = self;
        Ok(Found { open, view: view::whole(&open.rows, &open.reader, head)? })
    }
}

impl OpenScope<'_> {
    /// What an item of this kind is.
    pub(super) fn head(&self, kind: &str, item: &ItemId) -> Result<Option<ItemHead>, IndexError<StoreError>> {
        Ok(view::head(&self.rows, &self.reader, item)?.filter(|head| head.kind == kind))
    }

    /// An item of this kind.
    pub(super) fn view(&self, kind: &str, item: &ItemId) -> Result<Option<ItemView>, IndexError<StoreError>> {
        Ok(view::item(&self.rows, &self.reader, item)?.filter(|view| view.kind == kind))
    }

    /// As the API shows it.
    pub(super) fn show(&self, view: &ItemView) -> Result<Option<api::Item>, IndexError<StoreError>> {
        shown::item(&self.rows, &self.reader, shown_scope(self.scope), view)
    }

    /// The private items that may be brought over, in the order in which links allow it.
    pub(super) fn bringable(&self) -> Result<Vec<ItemView>, IndexError<StoreError>> {
        let mut views = Vec::new();
        for kind in KINDS.iter().filter(|kind| may_be_brought(kind)) {
            views.extend(view::items(&self.rows, &self.reader, kind.name)?);
        }
        Ok(views)
    }

    /// The items of a kind; with `own`, the reader's own member is among them before anything was said about it.
    pub(super) fn items(&self, kind: &str, own: bool) -> Result<Vec<ItemView>, IndexError<StoreError>> {
        let mut views = view::items(&self.rows, &self.reader, kind)?;
        if let Some(id) = Kind::named(kind).and_then(|kind| natural(self, kind)).filter(|_| own)
            && !views.iter().any(|view| view.id == id)
        {
            views.extend(self.view(kind, &id)?);
        }
        Ok(views)
    }

    /// The items of a kind whose ids begin so.
    fn beginning(&self, kind: &str, prefix: &str) -> Result<Vec<ItemHead>, IndexError<StoreError>> {
        if let Ok(id) = prefix.parse() {
            return Ok(self.head(kind, &id)?.into_iter().collect());
        }
        let entries = index::items(&self.rows, kind)?;
        let mut ids: Vec<ItemId> = entries.into_iter().map(|entry| entry.item).collect();
        ids.extend(Kind::named(kind).and_then(|kind| natural(self, kind)));
        ids.retain(|id| id.to_string().starts_with(prefix));
        ids.sort_unstable();
        ids.dedup();
        let mut heads = Vec::new();
        for id in ids {
            heads.extend(self.head(kind, &id)?);
        }
        Ok(heads)
    }

    /// Whether a value is the id of an item of this kind that is here.
    pub(super) fn holds_item(&self, kind: &str, value: &Value) -> Result<bool, IndexError<StoreError>> {
        match value.as_str().and_then(|text| text.parse().ok()) {
            Some(id) => Ok(self.head(kind, &id)?.is_some()),
            None => Ok(false),
        }
    }
}

fn natural(open: &OpenScope<'_>, kind: &Kind) -> Option<ItemId> {
    kind.natural_item(&open.reader.household, &open.reader.partner)
}

fn not_paired() -> Problem {
    Problem::new(ProblemKind::NotPaired, "Nothing is shared before you are paired: run `betwixt pair`.")
}

fn locked() -> Problem {
    Problem::new(ProblemKind::Locked, "Your own pages are locked: run `betwixt unlock`.")
}
