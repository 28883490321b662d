//! Saying: what is asked to be said or brought over, staged whole or refused whole.
//!
//! What is answered is what the stage holds; it is given to the caller only once that is durable (DurableBeforeTold).

use betwixt_api as api;
use betwixt_api::{IDEMPOTENCY_KEY, Problem, ProblemKind};
use betwixt_model::bring::{self, BringError, Bringer, Brought, Chosen};
use betwixt_model::document::Scope;
use betwixt_model::fact::Nonce;
use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::Table;
use betwixt_model::index::{self, IndexError};
use betwixt_model::say::{SayError, Saying};
use betwixt_model::schema::{self, Kind, Naming, Shape, ValueError};
use betwixt_model::view::{self, ItemView};
use betwixt_store::StoreError;
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::items::{self, Open, OpenScope, ReadError, sentence};
use crate::http::{Answer, Request, Response, Target, shown};
use crate::replica::{ActError, Replica, Stage, StageError};

/// Carries out a request that says something, into `stage`. The answer is to be given only after the stage was committed.
/// A problem in it means that nothing was staged, and the stage goes on.
///
/// # Errors
/// [`StageError`]; the stage is to be dropped then, [`Replica::abandon`] called, and nobody told of anything in it.
pub(crate) fn write(
    replica: &mut Replica,
    stage: &mut Stage,
    date: Date,
    rng: &mut ChaCha20Rng,
    request: Request,
) -> Result<Answer, StageError> {
    let mut writing = Writing { replica, stage, date, rng };
    let answered = match request {
        Request::Create { collection, key, item } => writing.create(collection, key.as_deref(), item),
        Request::Say { target, field, say } => writing.say(&target, &field, say),
        Request::Progress { target, key, entry } => writing.progress(&target, key.as_deref(), entry),
        Request::Bring(chosen) => writing.bring(&chosen),
        _ => Err(Problem::new(ProblemKind::Internal, "That is nothing to be said.").into()),
    };
    match answered {
        Ok(response) => Ok(Ok(response)),
        Err(Failure::Refused(problem)) => Ok(Err(problem)),
        Err(Failure::Stage(error)) => Err(error),
    }
}

enum Failure {
    /// Nothing was staged.
    Refused(Problem),
    /// The stage is lost.
    Stage(StageError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Stage(error.into())
    }
}

impl From<IndexError<StoreError>> for Failure {
    fn from(error: IndexError<StoreError>) -> Self {
        Self::Stage(error.into())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(problem) => problem.into(),
            ReadError::Rows(error) => error.into(),
        }
    }
}

/// What is kept under an idempotency key, in the scope that it was said in.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// The hash of the request.
    request: String,
    /// The item that was answered.
    item: ItemId,
}

struct Writing<'a> {
    replica: &'a mut Replica,
    stage: &'a mut Stage,
    date: Date,
    rng: &'a mut ChaCha20Rng,
}

impl Writing<'_> {
    /// What can be read, with what is staged.
    fn open(&mut self) -> Open<'_> {
        Open::new(self.replica, &self.stage.batch().reader())
    }

    fn create(
        &mut self,
        collection: api::Collection,
        key: Option<&str>,
        item: api::NewItem,
    ) -> Result<Response, Failure> {
        let kind = shown::kind_of(collection);
        let key = key.map(|key| Key::new(key, (collection, &item))).transpose()?;
        if let Some(answer) = self.remembered(kind, key.as_ref())? {
            return Ok(answer);
        }
        let Some(Kind { naming: Naming::Founded { first }, .. }) = Kind::named(kind) else {
            return Err(Problem::new(
                ProblemKind::Invalid,
                format!("There is one {kind} already; say something about its fields."),
            )
            .into());
        };
        let api::NewItem { scope, fields: mut given } = item;
        let value = given.remove(*first).ok_or_else(|| {
            Problem::new(ProblemKind::Invalid, format!("A new {kind} begins with its {first}.")).about(*first)
        })?;
        let mut fields = vec![((*first).to_owned(), value)];
        fields.extend(given);
        let scope = self.scope_of_new(collection, scope, &fields)?;
        let open = self.open();
        for (field, value) in &fields {
            check_link(open.one(scope)?, kind, field, value)?;
        }
        drop(open);
        let item = self.found(scope, kind, fields)?;
        self.remember(scope, key, item)?;
        self.shown(scope, kind, item)
    }

    /// Where a new item belongs: where it was asked for, where the item is that it belongs to, or the default.
    fn scope_of_new(
        &mut self,
        collection: api::Collection,
        asked: Option<api::Scope>,
        fields: &[(String, Value)],
    ) -> Result<Scope, Failure> {
        let kind = shown::kind_of(collection);
        let asked = match (collection, asked) {
            (api::Collection::Journal, Some(api::Scope::Ours)) => {
                return Err(Problem::new(ProblemKind::Invalid, "Journal entries are always private.")
                    .about("scope")
                    .into());
            }
            (api::Collection::Journal, _) => Some(api::Scope::Mine),
            (_, asked) => asked,
        };
        let open = self.open();
        if let Some(asked) = asked {
            return Ok(open.one(items::model_scope(asked))?.scope);
        }
        if let Some((field, value)) = fields.first()
            && let Some(Shape::Link(target)) = schema::field(kind, field).map(|field| field.shape)
        {
            for open in open.scopes() {
                if open.holds_item(target, value)? {
                    return Ok(open.scope);
                }
            }
        }
        Ok(open.default()?.scope)
    }

    /// Founds an item with its first field and says the others, as one act.
    fn found(&mut self, scope: Scope, kind: &str, fields: Vec<(String, Value)>) -> Result<ItemId, Failure> {
        let Self { replica, stage, date, rng } = self;
        let mut about = String::new();
        let said = replica.act(stage, scope, *date, *rng, |act| {
            let mut item = None;
            for (field, value) in fields {
                about.clone_from(&field);
                let saying = Saying { item, kind: kind.to_owned(), field, value, seen: None };
                item = item.or(Some(act.say(saying)?.fact().item()));
            }
            Ok(item)
        });
        match said {
            Ok(Some(item)) => Ok(item),
            Ok(None) => Err(Problem::new(ProblemKind::Invalid, "Nothing was said.").about("fields").into()),
            Err(error) => Err(refused(error, &about)),
        }
    }

    fn say(&mut self, target: &Target, field: &str, say: api::Say) -> Result<Response, Failure> {
        let kind = shown::kind_of(target.collection());
        if schema::field(kind, field).is_none() {
            return Err(Problem::new(ProblemKind::NotFound, format!("A {kind} has no field of that name.")).into());
        }
        let open = self.open();
        let found = open.find(target)?;
        if found.view.arriving {
            return Err(Problem::new(
                ProblemKind::Arriving,
                "The beginning of this is still arriving; it can be changed once that is here.",
            )
            .into());
        }
        let (scope, item) = (found.open.scope, found.view.id);
        check_link(found.open, kind, field, &say.value)?;
        drop(open);
        let seen: Option<Seen> = say.seen.map(|seen| seen.0.parse()).transpose().map_err(|_| {
            Problem::new(ProblemKind::UnknownSeen, "That is no `seen` token; read the field again.").about(field)
        })?;
        let before = seen.clone().unwrap_or_default();
        let Self { replica, stage, date, rng } = self;
        let saying =
            Saying { item: Some(item), kind: kind.to_owned(), field: field.to_owned(), value: say.value, seen };
        let said = replica.act(stage, scope, *date, *rng, |act| act.say(saying));
        let fact = said.map_err(|error| refused(error, field))?.fact().id();
        let open = self.open();
        let open = open.one(scope)?;
        let view = open.view(kind, &item)?.ok_or_else(gone)?;
        let shown = view.fields.get(field).ok_or_else(gone)?;
        Ok(Response::Saying(Box::new(api::Saying {
            item: item.to_string(),
            field: field.to_owned(),
            fact: fact.to_string(),
            seen: api::Seen(own_token(&shown.seen, &before, fact).to_string()),
            now: shown::field(&open.reader, kind, field, shown),
        })))
    }

    fn progress(&mut self, target: &Target, key: Option<&str>, entry: api::ProgressEntry) -> Result<Response, Failure> {
        let milestone = shown::kind_of(api::Collection::Milestones);
        let named = match target {
            Target::Item(api::Collection::Milestones, id) => id,
            _ => return Err(Problem::new(ProblemKind::NotFound, "Only milestones have progress.").into()),
        };
        let key = key.map(|key| Key::new(key, (api::Collection::Progress, named, &entry))).transpose()?;
        if let Some(answer) = self.remembered(milestone, key.as_ref())? {
            return Ok(answer);
        }
        let open = self.open();
        let found = open.find(target)?;
        let (scope, item) = (found.open.scope, found.view.id);
        drop(open);
        let mut fields: Vec<(String, Value)> =
            vec![("milestone".into(), item.to_string().into()), ("amount".into(), entry.amount.into())];
        fields.extend(entry.note.map(|note| ("note".to_owned(), note.into())));
        self.found(scope, shown::kind_of(api::Collection::Progress), fields)?;
        self.remember(scope, key, item)?;
        self.shown(scope, milestone, item)
    }

    /// Brings private items over: new facts in `ours` and the note of what was brought in `mine`, in one stage.
    fn bring(&mut self, chosen: &api::Bring) -> Result<Response, Failure> {
        let open = self.open();
        let (ours, mine) = (open.one(Scope::Ours)?.reader, open.one(Scope::Mine)?);
        let chosen_items = chosen_items(mine, chosen)?;
        let mut before = Vec::new();
        for item in &chosen_items {
            before.push((*item, items::brought_to(mine, item)?));
        }
        let mine = mine.reader;
        drop(open);
        let device = self.replica.identity().device();
        let bringer = |scope: Scope, reader: view::Reader, stage: &mut Stage| {
            let previous = index::tip(&stage.batch().reader().rows(scope), &device)?;
            Ok::<_, Failure>(Bringer { partner: reader.partner, device, household: reader.household, previous })
        };
        let in_ours = bringer(Scope::Ours, ours, self.stage)?;
        let in_mine = bringer(Scope::Mine, mine, self.stage)?;
        let whole = *chosen == api::Bring::All;
        let Brought { ours, mine, items } = self.facts_to_bring(chosen_items, whole, &in_ours, &in_mine)?;
        let now: Vec<ItemId> = ours.iter().map(betwixt_model::fact::Fact::item).collect();
        let Self { replica, stage, date, rng } = self;
        if !ours.is_empty() {
            let said = replica.act(stage, Scope::Ours, *date, *rng, |act| {
                ours.into_iter().try_for_each(|fact| act.add(fact).map(drop))
            });
            said.map_err(|error| refused(error, ""))?;
        }
        if !mine.is_empty() {
            let noted = replica.act(stage, Scope::Mine, *date, *rng, |act| {
                mine.into_iter().try_for_each(|fact| act.add(fact).map(drop))
            });
            // Without the note the items would be brought twice: what was staged in `ours` must not stand alone.
            noted.map_err(|error| Failure::Stage(fatal(error)))?;
        }
        let open = self.open();
        let open = open.one(Scope::Ours)?;
        let mut report = api::BringReport { brought: Vec::new(), already: Vec::new() };
        for (from, to) in items {
            let brought_before = before.iter().any(|(item, to)| *item == from && to.is_some());
            let list = match (now.contains(&to), brought_before) {
                (true, _) => &mut report.brought,
                (false, true) => &mut report.already,
                // There was nothing in it that could be brought.
                (false, false) => continue,
            };
            let view = view::item(&open.rows, &open.reader, &to)?;
            let to = view.and_then(|view| shown::reference(api::Scope::Ours, &view));
            list.extend(to.map(|to| api::Brought { from: from.to_string(), to }));
        }
        Ok(Response::BringReport(report))
    }

    /// The facts that bring these items over. With `whole`, items that cannot come now (part of one is still arriving, its
    /// first field was let go of, or what it belongs to stays) are left for another time; chosen ones are refused.
    fn facts_to_bring(
        &mut self,
        mut chosen: Vec<ItemId>,
        whole: bool,
        in_ours: &Bringer,
        in_mine: &Bringer,
    ) -> Result<Brought, Failure> {
        let Self { stage, date, rng, .. } = self;
        let batch = stage.batch();
        let rows = batch.reader().rows(Scope::Mine);
        loop {
            let asked: Vec<Chosen> = chosen.iter().map(|item| Chosen { item: *item, fields: None }).collect();
            let nonce = || {
                let mut nonce = [0; 16];
                rng.fill_bytes(&mut nonce);
                Nonce::from_bytes(nonce)
            };
            let error = match bring::bring(&rows, &asked, in_ours, in_mine, *date, nonce) {
                Ok(brought) => return Ok(brought),
                Err(error) => error,
            };
            let left = match &error {
                BringError::NotWhole(item) | BringError::WithoutFirst { item, .. } | BringError::Needs { item, .. }
                    if whole =>
                {
                    *item
                }
                _ => return Err(not_brought(error)),
            };
            let known = chosen.len();
            chosen.retain(|item| *item != left);
            if chosen.len() == known {
                return Err(not_brought(error));
            }
        }
    }

    /// The answer to a request that was carried out before, as the item is now.
    fn remembered(&mut self, kind: &str, key: Option<&Key>) -> Result<Option<Response>, Failure> {
        let Some(key) = key else { return Ok(None) };
        let scopes: Vec<Scope> = self.open().scopes().iter().map(|open| open.scope).collect();
        for scope in scopes {
            let Some(bytes) = self.stage.batch().reader().response(scope, &key.text)? else { continue };
            let remembered = serde_json::from_slice::<Remembered>(&bytes).ok();
            let Some(remembered) = remembered.filter(|remembered| remembered.request == key.request) else {
                return Err(Problem::new(
                    ProblemKind::Invalid,
                    "This Idempotency-Key was sent with another request; a new request needs a new one.",
                )
                .about(IDEMPOTENCY_KEY)
                .into());
            };
            return self.shown(scope, kind, remembered.item).map(Some);
        }
        Ok(None)
    }

    fn remember(&mut self, scope: Scope, key: Option<Key>, item: ItemId) -> Result<(), Failure> {
        let Some(Key { text, request }) = key else { return Ok(()) };
        let remembered = serde_json::to_vec(&Remembered { request, item })
            .map_err(|error| StoreError::Unstorable(error.to_string()))?;
        Ok(self.stage.batch().remember_response(scope, &text, &remembered)?)
    }

    /// An item that was just said, or was before.
    fn shown(&mut self, scope: Scope, kind: &str, item: ItemId) -> Result<Response, Failure> {
        let open = self.open();
        let open = open.one(scope)?;
        let view: ItemView = open.view(kind, &item)?.ok_or_else(gone)?;
        let shown = open.show(&view)?.ok_or_else(gone)?;
        Ok(Response::Item(Box::new(shown)))
    }
}

/// An idempotency key and what it stands for.
struct Key {
    text: String,
    /// The hash of the request, so that the key is not taken for that of another one.
    request: String,
}

impl Key {
    fn new(text: &str, request: impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(&request)
            .map_err(|_| Problem::new(ProblemKind::Internal, "The request cannot be written down."))?;
        Ok(Self { text: text.to_owned(), request: blake3::hash(&bytes).to_hex().to_string() })
    }
}

/// The private items that are to be brought, each once.
fn chosen_items(mine: &OpenScope<'_>, chosen: &api::Bring) -> Result<Vec<ItemId>, Failure> {
    let all = mine.bringable()?;
    let prefixes = match chosen {
        // A name is said anew where one wants to be called by it.
        api::Bring::All => {
            let member = shown::kind_of(api::Collection::Members);
            return Ok(all.into_iter().filter(|view| view.kind != member).map(|view| view.id).collect());
        }
        api::Bring::Items(prefixes) => prefixes,
    };
    let mut items = Vec::new();
    for prefix in prefixes {
        let fits: Vec<ItemId> =
            all.iter().map(|view| view.id).filter(|id| id.to_string().starts_with(prefix.as_str())).collect();
        let problem = match fits.as_slice() {
            _ if prefix.is_empty() => Problem::new(ProblemKind::Invalid, "An empty id names nothing."),
            [item] => {
                if !items.contains(item) {
                    items.push(*item);
                }
                continue;
            }
            [] => Problem::new(
                ProblemKind::NotFound,
                "There is nothing private by one of these ids that could be brought over.",
            ),
            _ => Problem::new(ProblemKind::Ambiguous, "More than one item begins like one of these ids."),
        };
        return Err(problem.about("items").into());
    }
    Ok(items)
}

/// Checks that what is linked to is there, in the same scope: a private id must not enter a shared document.
fn check_link(open: &OpenScope<'_>, kind: &str, field: &str, value: &Value) -> Result<(), Failure> {
    let Some(Shape::Link(target)) = schema::field(kind, field).map(|field| field.shape) else { return Ok(()) };
    if value.is_null() || open.holds_item(target, value)? {
        return Ok(());
    }
    let whose = match open.scope {
        Scope::Ours => "what is shared",
        Scope::Mine => "your own pages",
    };
    Err(Problem::new(ProblemKind::Invalid, format!("There is no {target} by that id in {whose}; give the whole id."))
        .about(field)
        .into())
}

/// The writer's own token: what they had seen of what still stands, and what they have now said.
fn own_token(standing: &Seen, before: &Seen, said: FactId) -> Seen {
    let seen = standing.facts().iter().copied().filter(|fact| before.facts().contains(fact));
    Seen::new(seen.chain([said]).collect())
}

/// That what was just said cannot be read back.
fn gone() -> Failure {
    Failure::Stage(IndexError::Damaged(Table::Items).into())
}

/// What an act that did not happen is to the caller.
fn refused(error: ActError, field: &str) -> Failure {
    if error.fails_stage() {
        return Failure::Stage(fatal(error));
    }
    let detail = sentence(&error);
    let (kind, about) = match &error {
        ActError::NotPaired => (ProblemKind::NotPaired, None),
        ActError::Locked => (ProblemKind::Locked, None),
        ActError::Date(_) => (ProblemKind::Invalid, Some("date")),
        ActError::Stage(_) => (ProblemKind::Storage, None),
        ActError::Say(error) => match error {
            SayError::SeenMissing(key) => (ProblemKind::SeenMissing, Some(key.field.as_str())),
            SayError::SeenUnknown { field, .. } => (ProblemKind::UnknownSeen, Some(field.field.as_str())),
            SayError::Arriving(key) => (ProblemKind::Arriving, Some(key.field.as_str())),
            SayError::NotOwner(key) => (ProblemKind::NotYours, Some(key.field.as_str())),
            SayError::UnknownItem { .. } => (ProblemKind::NotFound, None),
            SayError::WrongFirst { first, .. } => (ProblemKind::Invalid, Some(*first)),
            SayError::Value(ValueError::UnknownField { field, .. } | ValueError::Shape { field, .. }) => {
                (ProblemKind::Invalid, Some(field.as_str()))
            }
            SayError::NotFounded(_) | SayError::Value(ValueError::UnknownKind { .. }) => (ProblemKind::Invalid, None),
            SayError::SeenOfNothing(_) | SayError::OtherKey { .. } | SayError::Fact(_) => {
                (ProblemKind::Invalid, Some(field))
            }
            SayError::Index(_) => (ProblemKind::Storage, None),
        },
    };
    let problem = Problem::new(kind, detail);
    match about.filter(|about| !about.is_empty()) {
        Some(about) => problem.about(about).into(),
        None => problem.into(),
    }
}

/// An act's failure where nothing of the stage may be kept.
fn fatal(error: ActError) -> StageError {
    match error {
        ActError::Stage(error) => error,
        ActError::Say(SayError::Index(error)) => error.into(),
        // Asked before anything was staged, so these do not come up in the middle of a request.
        ActError::NotPaired => StoreError::Locked(Scope::Ours).into(),
        ActError::Locked => StoreError::Locked(Scope::Mine).into(),
        error @ (ActError::Say(_) | ActError::Date(_)) => StoreError::Unstorable(error.to_string()).into(),
    }
}

/// Why nothing was brought.
fn not_brought(error: BringError<StoreError>) -> Failure {
    let kind = match error {
        BringError::Index(error) => return error.into(),
        BringError::UnknownItem(_) => ProblemKind::NotFound,
        BringError::NotWhole(_) => ProblemKind::Arriving,
        BringError::WithoutFirst { .. } | BringError::Needs { .. } | BringError::Fact(_) => ProblemKind::Invalid,
    };
    Problem::new(kind, sentence(&error)).about("items").into()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
