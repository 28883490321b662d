//! Idempotency keys: a request that is sent again makes nothing twice.

use betwixt_api::{IDEMPOTENCY_KEY, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_store::StoreError;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::says::Writing;
use crate::bridge::SaidFact;
use crate::http::Response;

/// What is kept under an idempotency key, in the scope that it was said in.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// The hash of the request.
    request: String,
    /// The item that was answered.
    item: ItemId,
    /// The fact that was said, where that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fact: Option<FactId>,
}

/// An idempotency key and what it stands for.
pub(super) struct Key {
    text: String,
    /// The hash of the request, so that the key is not taken for that of another one.
    request: String,
}

impl Key {
    pub(super) fn new(text: &str, request: impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(&request)
            .map_err(|_| Problem::new(ProblemKind::Internal, "The request cannot be written down."))?;
        Ok(Self { text: text.to_owned(), request: blake3::hash(&bytes).to_hex().to_string() })
    }
}

impl Writing<'_> {
    /// The answer to a request that was carried out before, as the item is now.
    pub(super) fn remembered(&mut self, kind: &str, key: Option<&Key>) -> Result<Option<Response>, Failure> {
        let Some(key) = key else { return Ok(None) };
        let scopes: Vec<Scope> = self.open().scopes().iter().map(|open| open.scope).collect();
        for scope in scopes {
            if let Some(remembered) = self.remembered_in(scope, key)? {
                return self.shown(scope, kind, remembered.item).map(Some);
            }
        }
        Ok(None)
    }

    fn remembered_in(&mut self, scope: Scope, key: &Key) -> Result<Option<Remembered>, Failure> {
        let Some(bytes) = self.stage.batch().reader().response(scope, &key.text)? else { return Ok(None) };
        let remembered = serde_json::from_slice::<Remembered>(&bytes).ok();
        match remembered.filter(|remembered| remembered.request == key.request) {
            Some(remembered) => Ok(Some(remembered)),
            None => Err(Problem::new(
                ProblemKind::Invalid,
                "This Idempotency-Key was sent with another request; a new request needs a new one.",
            )
            .about(IDEMPOTENCY_KEY)
            .into()),
        }
    }

    /// The fact that was said under this key before, in this scope.
    pub(super) fn remembered_fact(&mut self, scope: Scope, key: &Key) -> Result<Option<SaidFact>, Failure> {
        let remembered = self.remembered_in(scope, key)?;
        Ok(remembered.and_then(|remembered| Some(SaidFact { fact: remembered.fact?, item: remembered.item })))
    }

    pub(super) fn remember_fact(&mut self, scope: Scope, key: Key, said: &SaidFact) -> Result<(), Failure> {
        self.keep(scope, &key.text, Remembered { request: key.request, item: said.item, fact: Some(said.fact) })
    }

    pub(super) fn remember(&mut self, scope: Scope, key: Option<Key>, item: ItemId) -> Result<(), Failure> {
        let Some(Key { text, request }) = key else { return Ok(()) };
        self.keep(scope, &text, Remembered { request, item, fact: None })
    }

    fn keep(&mut self, scope: Scope, key: &str, remembered: Remembered) -> Result<(), Failure> {
        let remembered = serde_json::to_vec(&remembered).map_err(|error| StoreError::Unstorable(error.to_string()))?;
        Ok(self.stage.batch().remember_response(scope, key, &remembered)?)
    }
}
