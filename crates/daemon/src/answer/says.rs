//! Saying: what is asked to be said or brought over, staged whole or refused whole.
//!
//! What is answered is what the stage holds; it is given to the caller only once that is durable (DurableBeforeTold).

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::say::Saying;
use betwixt_model::schema::{self, Kind, Naming, Shape};
use betwixt_model::view::{self, ItemView};
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use super::attachments::StoredFile;
use super::failure::{Failure, gone, refused};
use super::items::{self, Open, OpenScope};
use super::remembered::Key;
use crate::http::{Answer, Request, Response, Sees, Target, shown};
use crate::replica::{Replica, Stage, StageError};

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
    sees: Sees,
    request: Request,
) -> Result<Answer, StageError> {
    let mut writing = Writing { replica, stage, date, rng, sees };
    let answered = match request {
        Request::Create { collection, key, item } => writing.create(collection, key.as_deref(), item),
        Request::Say { target, field, say } => writing.say(&target, &field, say),
        Request::SayOccurrence { ritual, date, field, say } => writing.say_occurrence(&ritual, date, &field, say),
        Request::SealAnswer { session, answer } => writing.seal_answer(&session, answer),
        Request::Progress { target, key, entry } => writing.progress(&target, key.as_deref(), entry),
        Request::Differently { item, field, say } => writing.differently(&item, &field, say),
        Request::Park { item, field, park } => writing.park(&item, &field, park),
        Request::Undo => writing.undo(),
        Request::Bring(chosen) => writing.bring(&chosen),
        Request::ChapterPropose(request) => writing.chapter_propose(&request),
        Request::ChapterAgree => writing.chapter_agree(),
        Request::ChapterWithdraw => writing.chapter_withdraw(),
        _ => Err(Problem::new(ProblemKind::Internal, "That is nothing to be said.").into()),
    };
    match answered {
        Ok(response) => Ok(Ok(response)),
        Err(Failure::Refused(problem)) => Ok(Err(while_coming(writing.replica, sees, problem))),
        Err(Failure::Stage(error)) => Err(error),
    }
}

/// What is shown before everything has come can be refused for what is not here yet.
fn while_coming(replica: &Replica, sees: Sees, problem: Problem) -> Problem {
    let mut seen = [Scope::Ours, Scope::Mine].into_iter().filter(|scope| sees.includes(*scope));
    if seen.all(|scope| replica.present_from(scope).is_none()) {
        return problem;
    }
    let detail = format!(
        "{} What is older is still coming from your other device (`betwixt status` tells how far it is): try again then.",
        problem.detail
    );
    Problem { detail, ..problem }
}

/// Says that a file is attached, into `stage`: as [`write()`].
///
/// # Errors
/// [`StageError`].
pub(crate) fn attach(
    replica: &mut Replica,
    stage: &mut Stage,
    date: Date,
    rng: &mut ChaCha20Rng,
    sees: Sees,
    (key, stored): (Option<&str>, StoredFile),
) -> Result<Answer, StageError> {
    match (Writing { replica, stage, date, rng, sees }).attach(key, stored) {
        Ok(response) => Ok(Ok(response)),
        Err(Failure::Refused(problem)) => Ok(Err(problem)),
        Err(Failure::Stage(error)) => Err(error),
    }
}

/// One stage, and what is said into it.
pub(super) struct Writing<'a> {
    pub(super) replica: &'a mut Replica,
    pub(super) stage: &'a mut Stage,
    pub(super) date: Date,
    pub(super) rng: &'a mut ChaCha20Rng,
    /// What whoever says it sees: to them, nothing else is there.
    pub(super) sees: Sees,
}

impl Writing<'_> {
    /// What can be read, with what is staged.
    pub(super) fn open(&mut self) -> Open<'_> {
        Open::new(self.replica, self.sees, &self.stage.batch().reader())
    }

    pub(super) fn create(
        &mut self,
        collection: api::Collection,
        key: Option<&str>,
        item: api::NewItem,
    ) -> Result<Response, Failure> {
        if collection == api::Collection::Attachments {
            // Otherwise there would be a fact, and nowhere a file.
            let detail = "A file is added with `POST /v1/files`, whose body is the file.";
            return Err(Problem::new(ProblemKind::Invalid, detail).into());
        }
        let kind = shown::kind_of(collection);
        let key = key.map(|key| Key::new(key, (collection, &item))).transpose()?;
        if let Some(answer) = self.remembered(kind, key.as_ref())? {
            return Ok(answer);
        }
        let Some(Kind { naming: Naming::Founded { first }, .. }) = Kind::named(kind) else {
            // The vision, and occurrences: whoever speaks of one names it.
            return Err(Problem::new(
                ProblemKind::Invalid,
                format!("No {kind} is founded: it is there already; say something about its fields."),
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
            (api::Collection::Sealed, Some(api::Scope::Mine)) => {
                let words = "Answers are sealed between two: a question of that kind is asked of both.";
                return Err(Problem::new(ProblemKind::Invalid, words).about("scope").into());
            }
            (api::Collection::Sealed, _) => Some(api::Scope::Ours),
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
    pub(super) fn found(&mut self, scope: Scope, kind: &str, fields: Vec<(String, Value)>) -> Result<ItemId, Failure> {
        let Self { replica, stage, date, rng, .. } = self;
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

    pub(super) fn say(&mut self, target: &Target, field: &str, say: api::Say) -> Result<Response, Failure> {
        let kind = shown::kind_of(target.collection());
        if schema::field(kind, field).is_none() {
            return Err(Problem::new(ProblemKind::NotFound, format!("A {kind} has no field of that name.")).into());
        }
        let open = self.open();
        let found = open.locate(target)?;
        if found.head.arriving() {
            return Err(Problem::new(
                ProblemKind::Arriving,
                "The beginning of this is still arriving; it can be changed once that is here.",
            )
            .into());
        }
        let (scope, item) = (found.open.scope, found.head.id);
        check_link(found.open, kind, field, &say.value)?;
        drop(open);
        self.say_of(scope, kind, item, field, say)
    }

    /// Says something of an item that is there, or of one that its value names.
    pub(super) fn say_of(
        &mut self,
        scope: Scope,
        kind: &str,
        item: ItemId,
        field: &str,
        say: api::Say,
    ) -> Result<Response, Failure> {
        let seen: Option<Seen> = say.seen.map(|seen| seen.0.parse()).transpose().map_err(|_| {
            Problem::new(ProblemKind::UnknownSeen, "That is no `seen` token; read the field again.").about(field)
        })?;
        let before = seen.clone().unwrap_or_default();
        let Self { replica, stage, date, rng, .. } = self;
        let saying =
            Saying { item: Some(item), kind: kind.to_owned(), field: field.to_owned(), value: say.value, seen };
        let said = replica.act(stage, scope, *date, *rng, |act| act.say(saying));
        let said = said.map_err(|error| refused(error, field))?;
        let fact = said.fact().id();
        let open = self.open();
        let open = open.one(scope)?;
        let head = open.head(kind, &item)?.ok_or_else(gone)?;
        let shown = view::field(&open.rows, &open.reader, &head, field)?.ok_or_else(gone)?;
        Ok(Response::Saying(Box::new(api::Saying {
            item: item.to_string(),
            field: field.to_owned(),
            fact: fact.to_string(),
            seen: api::Seen(own_token(&shown.seen, &before, fact).to_string()),
            now: shown::field(&open.reader, kind, field, &shown),
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
        let found = open.locate(target)?;
        let (scope, item) = (found.open.scope, found.head.id);
        drop(open);
        let mut fields: Vec<(String, Value)> =
            vec![("milestone".into(), item.to_string().into()), ("amount".into(), entry.amount.into())];
        fields.extend(entry.note.map(|note| ("note".to_owned(), note.into())));
        self.found(scope, shown::kind_of(api::Collection::Progress), fields)?;
        self.remember(scope, key, item)?;
        self.shown(scope, milestone, item)
    }

    /// An item that was just said, or was before.
    pub(super) fn shown(&mut self, scope: Scope, kind: &str, item: ItemId) -> Result<Response, Failure> {
        let open = self.open();
        let open = open.one(scope)?;
        let view: ItemView = open.view(kind, &item)?.ok_or_else(gone)?;
        let shown = open.show(&view)?.ok_or_else(gone)?;
        Ok(Response::Item(Box::new(shown)))
    }
}

/// Checks that what is linked to is there, in the same scope: a private id must not enter a shared document.
fn check_link(open: &OpenScope<'_>, kind: &str, field: &str, value: &Value) -> Result<(), Failure> {
    let target = match schema::field(kind, field).map(|field| field.shape) {
        Some(Shape::Link(target)) => target,
        Some(Shape::SaidBack) => return check_said_back(open, field, value),
        Some(Shape::Item) => return check_item(open, field, value),
        _ => return Ok(()),
    };
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

/// Checks that the item of whatever kind is there.
fn check_item(open: &OpenScope<'_>, field: &str, value: &Value) -> Result<(), Failure> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let named = text("item").parse::<ItemId>().ok();
    let there = named.map(|item| open.head(text("kind"), &item)).transpose()?.flatten().is_some();
    if there || value.is_null() {
        return Ok(());
    }
    let detail = "There is no such item among those that the same people see; give the whole id, and its kind.";
    Err(Problem::new(ProblemKind::Invalid, detail).about(field).into())
}

/// Checks that the version which is said back stands.
fn check_said_back(open: &OpenScope<'_>, field: &str, value: &Value) -> Result<(), Failure> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let item = text("item").parse::<ItemId>().ok().map(|item| open.head(text("kind"), &item)).transpose()?.flatten();
    let fact = text("fact").parse::<FactId>().ok();
    let said = item.map(|item| view::field(&open.rows, &open.reader, &item, text("field"))).transpose()?.flatten();
    if said.is_some_and(|said| fact.is_some_and(|fact| said.seen.facts().contains(&fact))) || value.is_null() {
        return Ok(());
    }
    let detail = "That version does not stand there, or no longer; read the field again.";
    Err(Problem::new(ProblemKind::Invalid, detail).about(field).into())
}

/// The writer's own token: what they had seen of what still stands, and what they have now said.
fn own_token(standing: &Seen, before: &Seen, said: FactId) -> Seen {
    let seen = standing.facts().iter().copied().filter(|fact| before.facts().contains(fact));
    Seen::new(seen.chain([said]).collect())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
