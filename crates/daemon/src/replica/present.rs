//! The present, for a device that has nothing yet: picked for another device, and shown here until all of it has come.
//!
//! It is shown and nothing else. No fact of it goes into a document or into the index that is kept, nothing that is decided
//! looks at it, and a restart forgets it. Whoever sends it can leave something out for as long as the documents take; they
//! cannot put words into anybody's mouth, since every fact is verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use betwixt_model::document::Scope;
use betwixt_model::fact::{Fact, SignedFact};
use betwixt_model::ids::DeviceId;
use betwixt_model::index::rows::{KeyValue, MemoryRows, ReadRows, Table};
use betwixt_model::index::{self, IndexError};
use betwixt_model::present;
use betwixt_store::{Reader, Rows, StoreError};
use betwixt_sync::wire::PresentFact;
use rayon::prelude::*;

use super::Replica;

/// How much of what was said here before the present came is shown beside it.
const SAID_LAST: usize = 64;

/// What is shown of the scopes that have not come.
#[derive(Debug, Default)]
pub(super) struct Presents {
    shown: BTreeMap<Scope, Present>,
    /// What was said here in the stage that is open, to be shown once it is durable.
    said: Vec<(Scope, SignedFact)>,
}

#[derive(Debug)]
struct Present {
    rows: Arc<MemoryRows>,
    from: DeviceId,
}

/// Rows to be shown, and not to be decided by: those that are stored, or the present while they are still coming.
#[derive(Debug)]
pub enum ShownRows<'a> {
    /// What is stored.
    Stored(Rows<'a>),
    /// What another device says of how things stand.
    Present(Arc<MemoryRows>),
}

impl ReadRows for ShownRows<'_> {
    type Error = StoreError;

    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Stored(rows) => rows.get(table, group, key),
            Self::Present(rows) => rows.get(table, group, key).map_err(|never| match never {}),
        }
    }

    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<KeyValue>, StoreError> {
        match self {
            Self::Stored(rows) => rows.group(table, group),
            Self::Present(rows) => rows.group(table, group).map_err(|never| match never {}),
        }
    }
}

impl Presents {
    /// What was said is shown with the next commit, where anything is shown.
    pub(super) fn said(&mut self, scope: Scope, facts: &[SignedFact]) {
        if self.shown.contains_key(&scope) {
            self.said.extend(facts.iter().map(|fact| (scope, fact.clone())));
        }
    }

    /// The stage was given up.
    pub(super) fn abandon(&mut self) {
        self.said.clear();
    }
}

impl Replica {
    /// Whether nothing of a scope is here that could be shown.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn wants_present(&self, scope: Scope) -> Result<bool, IndexError<StoreError>> {
        if self.space(scope).is_none() {
            return Ok(false);
        }
        let counts = index::counts(&self.store.read()?.reader().rows(scope))?;
        Ok(counts.facts.is_empty())
    }

    /// The present of a scope, for another device. Reads what is durable.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn present(&self, scope: Scope) -> Result<Vec<PresentFact>, IndexError<StoreError>> {
        let Some(household) = self.space(scope) else { return Ok(Vec::new()) };
        let membership = self.roster.membership(scope);
        let facts = present::facts(&self.store.read()?.reader().rows(scope), &household, &membership)?;
        let told =
            |signed: &SignedFact| PresentFact { text: signed.fact().text().to_owned(), signature: signed.signature() };
        Ok(facts.iter().map(told).collect())
    }

    /// Shows what `from` says of a scope until [`Replica::end_present`], and beside it what was said here. What is no fact, or
    /// not signed by who it names, is left out. Answers whether something is shown.
    ///
    /// # Errors
    /// [`IndexError`] when the store cannot be read.
    pub fn show_present(
        &mut self,
        scope: Scope,
        from: DeviceId,
        told: &[PresentFact],
    ) -> Result<bool, IndexError<StoreError>> {
        let Some(household) = self.space(scope) else { return Ok(false) };
        let verified =
            told.par_iter().filter_map(|told| SignedFact::verify(Fact::parse(&told.text).ok()?, &told.signature).ok());
        let mut facts: Vec<SignedFact> = verified.collect();
        if facts.is_empty() {
            return Ok(false);
        }
        tracing::info!(scope = scope.name(), facts = facts.len(), "the present came");
        facts.extend(self.said_last(scope)?);
        match present::show(&household, &self.roster.membership(scope), facts) {
            Ok(rows) => {
                self.presents.shown.insert(scope, Present { rows: Arc::new(rows), from });
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(%error, "what another device says of the present cannot be shown");
                Ok(false)
            }
        }
    }

    /// What this device said last, in the moments before there was anything to be shown beside it.
    fn said_last(&self, scope: Scope) -> Result<Vec<SignedFact>, IndexError<StoreError>> {
        let view = self.store.read()?;
        let rows = view.reader().rows(scope);
        let mut next = index::tip(&rows, &self.identity.device())?;
        let mut said = Vec::new();
        while let Some(signed) = next.map(|id| index::fact(&rows, &id)).transpose()?.flatten() {
            next = signed.fact().header().previous;
            said.push(signed);
            if said.len() >= SAID_LAST {
                break;
            }
        }
        Ok(said)
    }

    /// Who says what is shown of a scope; `None` when what is stored is.
    pub fn present_from(&self, scope: Scope) -> Option<DeviceId> {
        self.presents.shown.get(&scope).map(|present| present.from)
    }

    /// From now on what is stored of a scope is shown. Answers whether something else was.
    pub fn end_present(&mut self, scope: Scope) -> bool {
        self.presents.said.retain(|(of, _)| *of != scope);
        self.presents.shown.remove(&scope).is_some()
    }

    /// The rows of a scope, to be shown.
    pub fn shown_rows<'a>(&self, reader: &Reader<'a>, scope: Scope) -> ShownRows<'a> {
        match self.presents.shown.get(&scope) {
            Some(present) => ShownRows::Present(Arc::clone(&present.rows)),
            None => ShownRows::Stored(reader.rows(scope)),
        }
    }

    /// What was said became durable: it is shown with the rest.
    pub(super) fn show_said(&mut self) {
        for (scope, fact) in std::mem::take(&mut self.presents.said) {
            let (household, membership) = (self.space(scope), self.roster.membership(scope));
            let Some((household, present)) = household.zip(self.presents.shown.get_mut(&scope)) else { continue };
            let rows = Arc::make_mut(&mut present.rows);
            if let Err(error) = present::add(rows, &household, &membership, vec![fact]) {
                tracing::warn!(%error, "what was said cannot be shown beside the present");
                self.presents.shown.remove(&scope);
            }
        }
    }
}
