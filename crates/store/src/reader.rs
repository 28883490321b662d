//! What can be read, of a [`View`](crate::View) and, with its own writes, of a [`Batch`](crate::Batch).

use std::collections::BTreeMap;

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, EpochId, FactId};
use serde::de::DeserializeOwned;

use crate::error::{Damage, StoreError};
use crate::records::{ArrivalRecord, DocumentRow, DocumentState, PeerRecord, StoredDocument};
use crate::rows::Rows;
use crate::seal::ScopeKey;
use crate::settings::EPOCH;
use crate::source::Source;
use crate::store::Inner;
use crate::tables::{Area, Row, Span, decode, group, member, number_of, numbered, opened, single};

/// A statement of the roster: its hash and its bytes.
pub type Statement = ([u8; 32], Vec<u8>);

/// The reading side of a transaction.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    source: &'a dyn Source,
    inner: &'a Inner,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn Source, inner: &'a Inner) -> Self {
        Self { source, inner }
    }

    /// The documents of a scope, with their heads, without loading any.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Locked`] for `mine` without its key.
    pub fn documents(&self, scope: Scope) -> Result<BTreeMap<DocumentId, DocumentState>, StoreError> {
        let table = Area::Documents.table(scope);
        let mut documents = BTreeMap::new();
        for row in self.all(scope, Area::Documents, Span::ALL)? {
            let row: DocumentRow = decode(table, &row.value)?;
            documents.insert(row.document, row.state());
        }
        Ok(documents)
    }

    /// One document's heads and counts; `None` when the store does not have it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn document_state(&self, document: DocumentId) -> Result<Option<DocumentState>, StoreError> {
        Ok(self.document_row(document)?.map(|row| row.state()))
    }

    /// A document's durable heads; `None` when the store does not have it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn heads(&self, document: DocumentId) -> Result<Option<Vec<ChangeHash>>, StoreError> {
        Ok(self.document_state(document)?.map(|state| state.heads))
    }

    /// A document's bytes: its snapshot, and every change appended since. What cannot be read of it is kept aside and
    /// named in the answer; the rest is there.
    ///
    /// # Errors
    /// [`StoreError`] when the store as a whole cannot be read, or the document's own row cannot.
    pub fn document(&self, document: DocumentId) -> Result<Option<StoredDocument>, StoreError> {
        let Some(row) = self.document_row(document)? else { return Ok(None) };
        let scope = document.scope;
        let mut stored = StoredDocument { heads: row.heads(), ..StoredDocument::default() };
        if let Some(slot) = row.snapshot {
            stored.snapshot = self.snapshot(document, slot, &mut stored.damaged)?;
        }
        // One scan: the changes lie side by side.
        let key = self.source.key(scope)?;
        let name = document.to_string();
        let prefix = group(key, Area::Changes, name.as_bytes());
        let table = Area::Changes.table(scope);
        let mut expected = row.first;
        let mut broken = Vec::new();
        let mut missing = Vec::new();
        self.source.scan(scope, Area::Changes, Span::of(&prefix), &mut |at, sealed| {
            let Some(sequence) = number_of(at) else { return Err(StoreError::row(table)) };
            if sequence < row.first || sequence >= row.next {
                return Ok(true);
            }
            missing.extend(expected..sequence);
            expected = sequence + 1;
            match opened(key, table, at, sealed) {
                Ok(found) if found.group == name.as_bytes() => stored.changes.push(found.value),
                _ => broken.push((sequence, sealed.to_vec())),
            }
            Ok(true)
        })?;
        missing.extend(expected..row.next);
        for (sequence, sealed) in broken {
            self.inner.aside.keep(&format!("change-{sequence}"), &sealed)?;
            stored.damaged.push(Damage::Change { document, sequence });
        }
        stored.damaged.extend(missing.into_iter().map(|sequence| Damage::Change { document, sequence }));
        stored.damaged.sort();
        Ok(Some(stored))
    }

    /// A row of the fact index, and so on: the index of a scope as it was when this transaction began.
    pub fn rows(&self, scope: Scope) -> Rows<'a> {
        Rows::new(self.source, scope)
    }

    /// The state of Automerge's sync protocol with a peer about a document.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sync_state(&self, peer: &DeviceId, document: DocumentId) -> Result<Option<Vec<u8>>, StoreError> {
        let name = document.to_string();
        self.in_group(document.scope, Area::SyncStates, peer.as_bytes(), name.as_bytes())
    }

    /// The roster's statements, as (hash, bytes), in the order in which they were learnt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn statements(&self) -> Result<Vec<Statement>, StoreError> {
        let table = Area::Statements.table(Scope::Ours);
        let rows = self.all(Scope::Ours, Area::Statements, Span::ALL)?;
        let statement = |row: Row| Ok((row.key.try_into().map_err(|_| StoreError::row(table))?, row.value));
        rows.into_iter().map(statement).collect()
    }

    /// A statement by its hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn statement(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(number) = self.by_name(Scope::Ours, Area::StatementHashes, hash)? else { return Ok(None) };
        let number = decode(Area::StatementHashes.table(Scope::Ours), &number)?;
        Ok(self.by_number(Scope::Ours, Area::Statements, &[], number)?.map(|row| row.value))
    }

    /// What was kept under a name by `Batch::put_setting`.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] also when it was of another type.
    pub fn setting<T: DeserializeOwned>(&self, scope: Scope, name: &str) -> Result<Option<T>, StoreError> {
        let Some(value) = self.by_name(scope, Area::Settings, name.as_bytes())? else { return Ok(None) };
        decode(Area::Settings.table(scope), &value).map(Some)
    }

    /// Which life of the store this is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn epoch(&self) -> Result<EpochId, StoreError> {
        self.setting(Scope::Ours, EPOCH)?.ok_or_else(|| StoreError::row(Area::Settings.table(Scope::Ours)))
    }

    /// The response that was given to a request with this idempotency key, as long as it is remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn response(&self, scope: Scope, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.by_name(scope, Area::Responses, key.as_bytes())
    }

    /// What is known of a peer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peer(&self, peer: &DeviceId) -> Result<Option<PeerRecord>, StoreError> {
        let Some(value) = self.by_name(Scope::Ours, Area::Peers, peer.as_bytes())? else { return Ok(None) };
        decode(Area::Peers.table(Scope::Ours), &value).map(Some)
    }

    /// Every peer of which something is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peers(&self) -> Result<BTreeMap<DeviceId, PeerRecord>, StoreError> {
        let table = Area::Peers.table(Scope::Ours);
        let rows = self.all(Scope::Ours, Area::Peers, Span::ALL)?;
        let peer = |row: Row| {
            let id: [u8; 32] = row.key.try_into().map_err(|_| StoreError::row(table))?;
            Ok((DeviceId::from_bytes(id), decode(table, &row.value)?))
        };
        rows.into_iter().map(peer).collect()
    }

    /// When a fact arrived, from whom; `None` for a fact said here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn arrival(&self, scope: Scope, fact: &FactId) -> Result<Option<ArrivalRecord>, StoreError> {
        let Some(value) = self.by_name(scope, Area::Arrivals, fact.as_bytes())? else { return Ok(None) };
        decode(Area::Arrivals.table(scope), &value).map(Some)
    }

    pub(crate) fn document_row(&self, document: DocumentId) -> Result<Option<DocumentRow>, StoreError> {
        let value = self.by_name(document.scope, Area::Documents, document.to_string().as_bytes())?;
        value.map(|value| decode(Area::Documents.table(document.scope), &value)).transpose()
    }

    /// A row of a document, a change or a whole snapshot; `None` with an entry in `damaged`, and its bytes kept aside, when it cannot be read.
    pub(crate) fn piece(
        &self,
        document: DocumentId,
        area: Area,
        number: u64,
        damage: Damage,
        damaged: &mut Vec<Damage>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let name = document.to_string();
        let key = self.source.key(document.scope)?;
        let row = numbered(key, area, name.as_bytes(), number);
        let sealed = self.source.raw(document.scope, area, &row)?;
        if let Some(sealed) = sealed {
            match opened(key, area.table(document.scope), &row, &sealed) {
                Ok(found) if found.group == name.as_bytes() => return Ok(Some(found.value)),
                _ => {
                    let label = if area == Area::Snapshots { "snapshot" } else { "change" };
                    self.inner.aside.keep(&format!("{label}-{number}"), &sealed)?
                }
            };
        }
        damaged.push(damage);
        Ok(None)
    }

    pub(crate) fn by_name(&self, scope: Scope, area: Area, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = single(self.source.key(scope)?, area, name);
        self.checked(scope, area, &row, name)
    }

    pub(crate) fn in_group(
        &self,
        scope: Scope,
        area: Area,
        of: &[u8],
        name: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = member(self.source.key(scope)?, area, of, name);
        self.checked(scope, area, &row, name)
    }

    pub(crate) fn by_number(
        &self,
        scope: Scope,
        area: Area,
        of: &[u8],
        number: u64,
    ) -> Result<Option<Row>, StoreError> {
        let key = self.source.key(scope)?;
        let row = numbered(key, area, of, number);
        let sealed = self.source.raw(scope, area, &row)?;
        sealed.map(|sealed| opened(key, area.table(scope), &row, &sealed)).transpose()
    }

    fn checked(&self, scope: Scope, area: Area, row: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let table = area.table(scope);
        let Some(sealed) = self.source.raw(scope, area, row)? else { return Ok(None) };
        let found = opened(self.source.key(scope)?, table, row, &sealed)?;
        if found.key == name { Ok(Some(found.value)) } else { Err(StoreError::row(table)) }
    }

    pub(crate) fn all(&self, scope: Scope, area: Area, span: Span<'_>) -> Result<Vec<Row>, StoreError> {
        let key = self.source.key(scope)?;
        let mut rows = Vec::new();
        self.source.scan(scope, area, span, &mut |at, sealed| {
            rows.push(opened(key, area.table(scope), at, sealed)?);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// Keeps what cannot be read.
    pub(crate) fn keep_aside(&self, label: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.inner.aside.keep(label, sealed)?;
        Ok(())
    }

    /// Where this reads.
    pub(crate) fn source(&self) -> &'a dyn Source {
        self.source
    }

    /// A scope's key.
    pub(crate) fn key(&self, scope: Scope) -> Result<&'a ScopeKey, StoreError> {
        self.source.key(scope)
    }

    /// Rows one after the other, until `visit` says stop by answering false.
    pub(crate) fn each(
        &self,
        scope: Scope,
        area: Area,
        span: Span<'_>,
        visit: &mut dyn FnMut(Row) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let key = self.source.key(scope)?;
        self.source.scan(scope, area, span, &mut |at, sealed| visit(opened(key, area.table(scope), at, sealed)?))
    }

    /// The first or last number in a group.
    pub(crate) fn edge(&self, scope: Scope, area: Area, of: &[u8], last: bool) -> Result<Option<u64>, StoreError> {
        let prefix = group(self.source.key(scope)?, area, of);
        let mut number = None;
        let span = Span { backwards: last, ..Span::of(&prefix) };
        self.source.scan(scope, area, span, &mut |at, _| {
            number = number_of(at);
            Ok(false)
        })?;
        Ok(number)
    }
}
