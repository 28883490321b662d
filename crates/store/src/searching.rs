//! What a search index needs of the store: its key, where it lies, how far it has come, and which facts it has yet to take in.
//!
//! The index itself is a cache in a directory of its own, one for each scope. What is queued here is in the same transaction as
//! the facts, and leaves it in a later one, after the index is on the disk: so a fact is in the queue, or in the index, or in
//! both, and never in neither.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::source::Transaction;
use crate::tables::{Area, Span, decode, encode, group, numbered, pack};

/// The directory of the indexes, in a home.
pub(crate) const SEARCH: &str = "search";

/// The group of the one row that says how far the index has come; the queue has none.
const STATE: &[u8] = b"state";

/// How many facts a row of the queue names at most.
const PART: usize = 1024;

/// How far a scope's search index has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchState {
    /// Which index it is: drawn anew whenever one is begun.
    pub index: [u8; 16],
    /// How many parts of the facts that were there when it began it has taken in.
    pub parts: u16,
    /// The number that it was given with what it took in last. One that knows of a lesser number is an older copy.
    pub mark: u64,
    /// The number before which nothing is queued any more.
    taken: u64,
}

impl SearchState {
    /// That of an index in which nothing is.
    pub fn begin(index: [u8; 16]) -> Self {
        Self { index, parts: 0, mark: 0, taken: 0 }
    }

    /// The same index, when it has come as far as this.
    #[must_use]
    pub fn come_to(self, parts: u16, mark: u64) -> Self {
        Self { parts, mark, ..self }
    }
}

/// Facts that wait to be taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queued {
    /// The facts, in the order in which they came.
    pub facts: Vec<FactId>,
    /// Whether there are more.
    pub more: bool,
    /// What [`Batch::put_search_state`] is told when these were taken in.
    pub until: u64,
}

impl Batch {
    /// Writes down that these facts wait to be taken into the search index.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queue_for_search(&mut self, scope: Scope, facts: &[FactId]) -> Result<(), StoreError> {
        if facts.is_empty() {
            return Ok(());
        }
        let next = match self.reader().edge(scope, Area::Searching, &[], true)? {
            Some(last) => last + 1,
            None => self.reader().search_state(scope)?.map_or(0, |state| state.taken),
        };
        for (number, part) in (next..).zip(facts.chunks(PART)) {
            let row = numbered(self.keys().of(scope)?, Area::Searching, &[], number);
            self.put_sealed(scope, Area::Searching, &row, &pack(&[], &[], &encode(part)?))?;
        }
        Ok(())
    }

    /// Writes down how far the index has come, and takes off the queue what it has taken in: what came before the number that
    /// [`Queued::until`] said. An index that is not the one that `before` says has been given up meanwhile: then nothing is
    /// written. Answers whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_search_state(
        &mut self,
        scope: Scope,
        before: Option<[u8; 16]>,
        state: &SearchState,
        until: Option<u64>,
    ) -> Result<bool, StoreError> {
        let known = self.reader().search_state(scope)?;
        if known.as_ref().map(|known| known.index) != before {
            return Ok(false);
        }
        let taken = known.map_or(0, |known| known.taken).max(until.unwrap_or(0));
        let row = numbered(self.keys().of(scope)?, Area::Searching, STATE, 0);
        let state = SearchState { taken, ..state.clone() };
        self.put_sealed(scope, Area::Searching, &row, &pack(STATE, &[], &encode(&state)?))?;
        let first = self.reader().edge(scope, Area::Searching, &[], false)?;
        for number in first.into_iter().flat_map(|first| first..taken) {
            self.take_off(scope, &[], number)?;
        }
        Ok(true)
    }

    /// Gives up a scope's index, and the queue with it: the next one begins with every fact that is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_search(&mut self, scope: Scope) -> Result<(), StoreError> {
        self.take_off(scope, STATE, 0)?;
        let first = self.reader().edge(scope, Area::Searching, &[], false)?;
        let last = self.reader().edge(scope, Area::Searching, &[], true)?;
        for number in first.zip(last).into_iter().flat_map(|(first, last)| first..=last) {
            self.take_off(scope, &[], number)?;
        }
        Ok(())
    }

    fn take_off(&mut self, scope: Scope, of: &[u8], number: u64) -> Result<(), StoreError> {
        let row = numbered(self.keys().of(scope)?, Area::Searching, of, number);
        self.edit(scope, Area::Searching, |table| {
            table.remove(row.as_slice())?;
            Ok(())
        })
    }
}

impl Reader<'_> {
    /// How far the search index of a scope has come; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn search_state(&self, scope: Scope) -> Result<Option<SearchState>, StoreError> {
        let row = self.by_number(scope, Area::Searching, STATE, 0)?;
        row.map(|row| decode(Area::Searching.table(scope), &row.value)).transpose()
    }

    /// The facts that wait to be taken in, the first of them: about as many as are asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn queued_for_search(&self, scope: Scope, most: usize) -> Result<Queued, StoreError> {
        let table = Area::Searching.table(scope);
        let prefix = group(self.key(scope)?, Area::Searching, &[]);
        let mut queued = Queued::default();
        let mut rows = 0;
        self.each(scope, Area::Searching, Span::of(&prefix), &mut |row| {
            queued.more = queued.facts.len() >= most;
            if !queued.more {
                queued.facts.extend(decode::<Vec<FactId>>(table, &row.value)?);
                rows += 1;
            }
            Ok(!queued.more)
        })?;
        let first = self.edge(scope, Area::Searching, &[], false)?;
        queued.until = first.map_or(0, |first| first + rows);
        Ok(queued)
    }

    /// The secret that a scope's search index is sealed under: its own, derived from the scope's data key.
    ///
    /// # Errors
    /// [`StoreError::Locked`].
    pub fn search_secret(&self, scope: Scope) -> Result<[u8; 32], StoreError> {
        Ok(self.key(scope)?.search_secret())
    }
}

/// Where a home has a scope's search index: a directory of its own.
pub fn search_path(home: &Path, scope: Scope) -> PathBuf {
    home.join(SEARCH).join(scope.name())
}

/// Takes away both indexes, files first: what they were made of is not what the home holds now. What cannot be taken away keeps
/// nobody from a home: it is not taken for the index of what is there, and goes when that one is begun.
pub(crate) fn remove_indexes(home: &Path) {
    for scope in [Scope::Ours, Scope::Mine] {
        let directory = search_path(home, scope);
        let removed = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(mut entries) => {
                entries.try_for_each(|entry| fs::remove_file(entry?.path())).and_then(|()| fs::remove_dir(&directory))
            }
        };
        if let Err(error) = removed {
            tracing::warn!(%error, scope = scope.name(), "a search index could not be taken away");
        }
    }
    // Gone already, or not empty, which was told.
    let _ = fs::remove_dir(home.join(SEARCH));
}
