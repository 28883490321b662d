//! Taking back one's own last act.

use betwixt_api::{self as api, Problem, ProblemKind};
use betwixt_model::past::{self, UndoError};
use betwixt_model::say::Saying;
use betwixt_store::StoreError;

use super::Past;
use super::since::told;
use crate::answer::failure::{Failure, gone, refused};
use crate::answer::items::{OpenScope, ReadError};
use crate::answer::problem::sentence;
use crate::answer::says::Writing;
use crate::http::{PastResponse, Response, shown};
use crate::replica::LastAct;

impl Past<'_> {
    pub(super) fn last_act(&self) -> Result<api::LastAct, ReadError> {
        let reader = self.view.reader();
        let last = self
            .replica
            .last_act(&reader, |scope| self.sees.includes(scope))
            .map_err(betwixt_model::index::IndexError::Rows)?;
        let last = last.ok_or_else(nothing)?;
        let open = self.open.one(last.scope)?;
        let said = told(open, last.facts.iter())?;
        let cannot = match sayings(open, &last) {
            Ok(_) => None,
            Err(ReadError::Refused(problem)) => Some(problem.detail),
            Err(error) => return Err(error),
        };
        Ok(api::LastAct { said, cannot })
    }
}

impl Writing<'_> {
    /// Takes back one's own last act, whole or not at all.
    pub(in crate::answer) fn undo(&mut self) -> Result<Response, Failure> {
        let reader = self.stage.batch().reader();
        let sees = self.sees;
        let last = self.replica.last_act(&reader, |scope| sees.includes(scope))?.ok_or_else(nothing)?;
        let open = self.open();
        let open = open.one(last.scope)?;
        let took_back = told(open, last.facts.iter())?;
        let sayings = sayings(open, &last)?;
        let Self { replica, stage, date, rng, .. } = self;
        let said = replica.act(stage, last.scope, *date, *rng, |act| {
            act.by_itself();
            sayings.into_iter().map(|saying| act.say(saying)).collect::<Result<Vec<_>, _>>()
        });
        let said = said.map_err(|error| refused(error, ""))?;
        replica.forget_act(stage, &last)?;
        let open = self.open();
        let open = open.one(last.scope)?;
        let mut answers = Vec::new();
        for signed in said {
            let (fact, header) = (signed.fact(), signed.fact().header());
            let view = open.view(&header.kind, &fact.item())?.ok_or_else(gone)?;
            let field = view.fields.get(&header.field).ok_or_else(gone)?;
            answers.push(api::Saying {
                item: fact.item().to_string(),
                field: header.field.clone(),
                fact: fact.id().to_string(),
                seen: api::Seen(fact.id().to_string()),
                now: shown::field(&open.reader, &header.kind, &header.field, field),
            });
        }
        Ok(Response::Past(PastResponse::Undone(api::Undone { took_back, said: answers })))
    }
}

/// What to say so that an act is taken back.
fn sayings(open: &OpenScope<'_>, last: &LastAct) -> Result<Vec<Saying>, ReadError> {
    let cannot = |detail: String| ReadError::from(Problem::new(ProblemKind::CannotUndo, detail));
    if last.for_good {
        return Err(cannot("What was brought over, or said in great number, is not taken back like that.".into()));
    }
    past::undo(&open.rows, &open.reader.partner, &last.facts).map_err(|error: UndoError<StoreError>| match error {
        UndoError::Index(error) => error.into(),
        error => cannot(sentence(&error)),
    })
}

fn nothing() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is nothing of yours on this device to take back.")
}
