//! The documents themselves, for those who bring Automerge.

use automerge::ChangeHash;
use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{Document, DocumentId, GENESIS, Scope};
use betwixt_store::Store;

use super::items::{Open, model_scope, shown_scope};
use super::problem::{stage_problem, storage_problem};
use crate::bridge::repo_id;
use crate::http::Sees;
use crate::replica::Replica;

/// Every year's document that whoever sees so much may open, the oldest first.
pub(crate) fn list(replica: &Replica, sees: Sees, this_year: i16) -> Result<Vec<api::YearDocument>, Problem> {
    let mut shown = Vec::new();
    for scope in [Scope::Ours, Scope::Mine].into_iter().filter(|scope| sees.includes(*scope)) {
        let Some(space) = replica.space(scope) else { continue };
        let documents = replica.year_documents(scope, this_year).map_err(|error| stage_problem(&error))?;
        shown.extend(documents.into_iter().map(|(document, heads)| {
            let id = repo_id(&space, &document);
            api::YearDocument {
                scope: shown_scope(scope),
                year: document.year,
                generation: document.generation,
                url: format!("automerge:{id}"),
                id,
                heads: heads.iter().map(ChangeHash::to_string).collect(),
            }
        }));
    }
    Ok(shown)
}

/// The newest generation of a year's document, if it is there for whoever sees so much.
pub(crate) fn find(
    replica: &Replica,
    sees: Sees,
    scope: api::Scope,
    year: i16,
    this_year: i16,
) -> Result<DocumentId, Problem> {
    let scope = model_scope(scope);
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    Open::new(replica, sees, &view.reader()).one(scope)?;
    let documents = replica.year_documents(scope, this_year).map_err(|error| stage_problem(&error))?;
    let found = documents.into_keys().find(|document| document.year == year);
    found.ok_or_else(|| Problem::new(ProblemKind::NotFound, "Nothing was said in that year."))
}

/// A document as it is on disk, as Automerge saves it. Blocks.
pub(crate) fn saved(store: &Store, document: DocumentId) -> Result<Vec<u8>, Problem> {
    let view = store.read().map_err(|error| storage_problem(&error))?;
    let stored = view.reader().document(document).map_err(|error| storage_problem(&error))?;
    let Some(stored) = stored else { return Ok(Document::genesis(document).save()) };
    let damaged = || Problem::new(ProblemKind::Storage, "The document is damaged; see `betwixt verify`.");
    if !stored.damaged.is_empty() {
        return Err(damaged());
    }
    let document = Document::load(document, &stored.bytes(GENESIS)).map_err(|_| damaged())?;
    Ok(document.save())
}
