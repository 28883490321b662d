//! Saying what came over the bridge unsigned, as the same thing is said over HTTP: with the same checks, and once.

use betwixt_api as api;
use betwixt_api::{Collection, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::schema;
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;

use super::failure::{Failure, gone};
use super::items::shown_scope;
use super::remembered::Key;
use super::says::Writing;
use crate::bridge::{SaidFact, Unsigned};
use crate::http::{Response, Sees, Target, shown};
use crate::replica::{Replica, Stage, StageError};

/// Says an unsigned fact in a scope. `name` is what its writer calls it: said again under the same one, it is what was said.
/// The answer is to be given only after the stage was committed.
///
/// # Errors
/// [`StageError`], as for every other write.
#[allow(clippy::too_many_arguments, reason = "what every write takes, and where it stood")]
pub(crate) fn say(
    replica: &mut Replica,
    stage: &mut Stage,
    date: Date,
    rng: &mut ChaCha20Rng,
    sees: Sees,
    scope: Scope,
    name: &str,
    unsigned: Unsigned,
) -> Result<Result<SaidFact, Problem>, StageError> {
    let mut writing = Writing { replica, stage, date, rng, sees };
    match writing.say_unsigned(scope, name, unsigned) {
        Ok(said) => Ok(Ok(said)),
        Err(Failure::Refused(problem)) => Ok(Err(problem)),
        Err(Failure::Stage(error)) => Err(error),
    }
}

impl Writing<'_> {
    fn say_unsigned(&mut self, scope: Scope, name: &str, unsigned: Unsigned) -> Result<SaidFact, Failure> {
        // No header holds a line break, so no request over HTTP has this key.
        let key = Key::new(&format!("bridge\n{name}"), (shown_scope(scope), &unsigned))?;
        if let Some(said) = self.remembered_fact(scope, &key)? {
            return Ok(said);
        }
        let Unsigned { item, kind, field, seen, value } = unsigned;
        let nothing = |detail: String| Problem::new(ProblemKind::NotFound, detail);
        let collection = shown::collection_of(&kind)
            .ok_or_else(|| nothing("There is no kind of that name.".into()).about("kind"))?;
        if schema::field(&kind, &field).is_none() {
            return Err(nothing(format!("A {kind} has no field of that name.")).about("field").into());
        }
        let target = match (item, collection) {
            (Some(item), _) if item.parse::<ItemId>().is_ok() => Target::Item(collection, item),
            (Some(_), _) => return Err(nothing("An item is named by its whole id.".into()).about("item").into()),
            (None, Collection::Vision) => Target::Vision(Some(shown_scope(scope))),
            (None, _) => {
                if seen.is_some_and(|seen| !seen.0.is_empty()) {
                    let detail = "Nothing was said yet about what is new: leave `seen` out.";
                    return Err(Problem::new(ProblemKind::Invalid, detail).about("seen").into());
                }
                let item = api::NewItem { scope: Some(shown_scope(scope)), fields: [(field, value)].into() };
                let Response::Item(founded) = self.create(collection, None, item)? else { return Err(gone()) };
                let item: ItemId = founded.id.parse().map_err(|_| gone())?;
                // A founded item is named by the fact that founds it.
                let fact = FactId::from_bytes(*item.as_bytes());
                return self.said(scope, key, SaidFact { fact, item });
            }
        };
        let open = self.open();
        if open.locate(&target)?.open.scope != scope {
            return Err(open.nothing(&kind).into());
        }
        drop(open);
        let Response::Saying(saying) = self.say(&target, &field, api::Say { value, seen })? else { return Err(gone()) };
        let (fact, item) = (saying.fact.parse().map_err(|_| gone())?, saying.item.parse().map_err(|_| gone())?);
        self.said(scope, key, SaidFact { fact, item })
    }

    fn said(&mut self, scope: Scope, key: Key, said: SaidFact) -> Result<SaidFact, Failure> {
        self.remember_fact(scope, key, &said)?;
        Ok(said)
    }
}
