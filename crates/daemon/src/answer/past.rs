//! The past: what was said, how things stood, whose words a text has, what came and went, and what can be taken back.

mod since;
mod then;
pub(super) mod timeline;
mod undo;
mod words;

use betwixt_api::{self as api, Problem, ProblemKind};
use betwixt_model::ids::FactId;
use betwixt_model::index;
use betwixt_store::View;

use super::items::{Found, Open, ReadError};
use super::problem::storage_problem;
use crate::http::{Answer, Named, PastRequest, PastResponse, Request, Response, Sees};
use crate::replica::Replica;

pub(super) use then::local_date;

/// Answers a request about the past; `None` for every other request.
pub(crate) fn read(replica: &Replica, sees: Sees, request: &Request) -> Option<Answer> {
    let Request::Past(request) = request else { return None };
    let view = match replica.read() {
        Ok(view) => view,
        Err(error) => return Some(Err(storage_problem(&error))),
    };
    let past = Past { replica, view: &view, sees, open: Open::new(replica, sees, &view.reader()) };
    let answer = match request {
        PastRequest::History { item, list } => past.history(item, list).map(PastResponse::History),
        PastRequest::Provenance(named) => past.provenance(named).map(PastResponse::Provenance),
        PastRequest::Then { item, when } => past.then(item, when).map(|then| PastResponse::Then(Box::new(then))),
        PastRequest::Compare { item, from, to } => past.compare(item, from, to).map(PastResponse::Comparison),
        PastRequest::Words(named) => past.words(named).map(PastResponse::Words),
        PastRequest::LastAct => past.last_act().map(PastResponse::LastAct),
        PastRequest::Since(list) => past.since(list).map(PastResponse::Since),
    };
    Some(answer.map(Response::Past).map_err(Problem::from))
}

/// One state of the store, to be asked about the past.
struct Past<'a> {
    replica: &'a Replica,
    view: &'a View,
    sees: Sees,
    open: Open<'a>,
}

impl<'a> Past<'a> {
    /// The item that a path names, of whatever collection.
    fn find(&self, named: &Named) -> Result<Found<'_, 'a>, ReadError> {
        self.open.find_named(named)
    }

    /// The fact of an item whose id begins so.
    fn fact(&self, found: &Found<'_, '_>, prefix: &str) -> Result<FactId, ReadError> {
        let history = index::history(&found.open.rows, &found.view.id)?;
        let mut fits = history.iter().map(|entry| entry.fact).filter(|fact| fact.to_string().starts_with(prefix));
        match (fits.next(), fits.next()) {
            (Some(fact), None) => Ok(fact),
            (None, _) => Err(Problem::new(ProblemKind::NotFound, "Nothing that was said there has that id.").into()),
            (Some(_), Some(_)) => {
                let detail = "More than one thing that was said there begins like that; give more of the id.";
                Err(Problem::new(ProblemKind::Ambiguous, detail).into())
            }
        }
    }
}

/// What the model compared, as the API tells it.
fn changes(changes: Vec<betwixt_model::past::Change>) -> Vec<api::Change> {
    changes.into_iter().map(crate::http::shown::change).collect()
}
