//! Writing: what is staged in one batch is on disk together, or not at all.

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, EpochId, FactId};
use redb::{ReadableTable, WriteTransaction};
use serde::Serialize;

use crate::error::StoreError;
use crate::keys::KeyId;
use crate::open::{PLAIN_COMMITS, PLAIN_FORMAT, PLAIN_KEYS};
use crate::reader::Reader;
use crate::records::{ArrivalRecord, DocumentRow, PeerRecord};
use crate::rows::BatchRows;
use crate::settings::EPOCH;
use crate::source::Transaction;
use crate::store::{Held, Keys};
use crate::tables::{Area, PLAIN, SCOPES, encode, group, guarded, member, numbered, pack, single};

/// How far an epoch's counters lie beyond those of the one before: more than anybody sends in one.
const EPOCH_COUNTERS: u64 = 1 << 32;

/// A transaction that writes. Nothing of it is seen by views, or on disk, before [`Batch::commit`] has returned
/// (DurableBeforeTold); dropped, it leaves no trace. May be sent to another thread, for the commit waits for the disk.
pub struct Batch {
    inner: Held,
    keys: Keys,
    transaction: WriteTransaction,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl Batch {
    pub(crate) fn new(inner: Held, keys: Keys, transaction: WriteTransaction) -> Self {
        Self { inner, keys, transaction }
    }

    /// What can be read, with this batch's own writes.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self, &self.inner)
    }

    /// Appends a change, or any chunk that `Automerge::load` takes, to a document, and makes the document if it is not
    /// there. Answers the change's sequence number in the document. The heads follow with [`Batch::put_heads`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn append_change(&mut self, document: DocumentId, change: &[u8]) -> Result<u64, StoreError> {
        self.append_changes(document, [change])
    }

    /// The same of several, in this order. Answers the sequence number of the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn append_changes<'c>(
        &mut self,
        document: DocumentId,
        changes: impl IntoIterator<Item = &'c [u8]>,
    ) -> Result<u64, StoreError> {
        let mut row = self.reader().document_row(document)?.unwrap_or_else(|| DocumentRow::new(document));
        let first = row.next;
        for change in changes {
            self.put_numbered(document, Area::Changes, row.next, change)?;
            row.next += 1;
            row.appended_bytes += change.len() as u64;
        }
        self.put_document_row(&row)?;
        Ok(first)
    }

    /// Writes down the heads that a document has with everything appended to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_heads(&mut self, document: DocumentId, heads: &[ChangeHash]) -> Result<(), StoreError> {
        let mut row = self.reader().document_row(document)?.unwrap_or_else(|| DocumentRow::new(document));
        row.heads = heads.iter().map(|head| head.0).collect();
        row.heads.sort_unstable();
        self.put_document_row(&row)
    }

    /// The fact index of a scope, for reading and writing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rows(&mut self, scope: Scope) -> Result<BatchRows<'_>, StoreError> {
        let batch: &Self = self;
        let key = batch.keys.of(scope)?;
        let transaction = &batch.transaction;
        let open = |area: Area| batch.inner.watch(guarded(|| Ok(transaction.open_table(area.definition(scope))?)));
        Ok(BatchRows::new((open(Area::Rows)?, open(Area::Packed)?), batch, key, scope))
    }

    /// Removes the whole fact index of a scope with its dictionaries, to be rebuilt from the documents.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_rows(&mut self, scope: Scope) -> Result<(), StoreError> {
        self.keys.of(scope)?;
        for area in [Area::Rows, Area::Packed, Area::Dictionaries] {
            self.edit(scope, area, |table| Ok(table.retain(|_, _| false)?))?;
        }
        Ok(())
    }

    /// Writes down the state of Automerge's sync protocol with a peer about a document: in the same batch as the changes
    /// that it acknowledges, or a later one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_sync_state(&mut self, peer: &DeviceId, document: DocumentId, state: &[u8]) -> Result<(), StoreError> {
        let name = document.to_string();
        self.put_member(document.scope, Area::SyncStates, peer.as_bytes(), name.as_bytes(), state)
    }

    /// Forgets every sync state with a peer, whose home was restored or copied, or with all of them (`None`), when this
    /// one was. Answers whether all of them are gone: those with one peer about `mine` can be found only while it is
    /// unlocked, so that this must be called again then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_sync_states(&mut self, peer: Option<&DeviceId>) -> Result<bool, StoreError> {
        let mut complete = true;
        for scope in SCOPES {
            let prefix = match (peer, self.keys.of(scope)) {
                (None, _) => None,
                (Some(peer), Ok(key)) => Some(group(key, Area::SyncStates, peer.as_bytes())),
                (Some(_), Err(_)) => {
                    complete = false;
                    continue;
                }
            };
            self.edit(scope, Area::SyncStates, |table| {
                Ok(table.retain(|at, _| prefix.is_some_and(|prefix| !at.starts_with(&prefix)))?)
            })?;
        }
        Ok(complete)
    }

    /// Adds a statement to the roster's table; one that is there already changes nothing. Answers whether it was new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_statement(&mut self, hash: &[u8; 32], statement: &[u8]) -> Result<bool, StoreError> {
        let reader = self.reader();
        if reader.by_name(Scope::Ours, Area::StatementHashes, hash)?.is_some() {
            return Ok(false);
        }
        let number = reader.edge(Scope::Ours, Area::Statements, &[], true)?.map_or(0, |last| last + 1);
        let key = self.keys.of(Scope::Ours)?;
        let row = numbered(key, Area::Statements, &[], number);
        self.put_sealed(Scope::Ours, Area::Statements, &row, &pack(&[], hash, statement))?;
        self.put_single(Scope::Ours, Area::StatementHashes, hash, &encode(&number)?)?;
        Ok(true)
    }

    /// Forgets every statement of the roster: this device becomes one of somebody else's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_statements(&mut self) -> Result<(), StoreError> {
        for area in [Area::Statements, Area::StatementHashes] {
            self.edit(Scope::Ours, area, |table| Ok(table.retain(|_, _| false)?))?;
        }
        Ok(())
    }

    /// Keeps a structure under a name: keys, identity, counters of the daemon, drafts. The encoding (postcard) goes by the
    /// order of fields: change a structure only together with its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_setting<T: Serialize + ?Sized>(
        &mut self,
        scope: Scope,
        name: &str,
        value: &T,
    ) -> Result<(), StoreError> {
        let mut bytes = encode(value)?;
        let outcome = self.put_single(scope, Area::Settings, name.as_bytes(), &bytes);
        crate::seal::wipe(&mut bytes);
        outcome
    }

    /// Removes a setting.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_setting(&mut self, scope: Scope, name: &str) -> Result<(), StoreError> {
        let row = single(self.keys.of(scope)?, Area::Settings, name.as_bytes());
        self.remove(scope, Area::Settings, &row)
    }

    /// Remembers the response to a request with an idempotency key, in the batch that does what was asked. The oldest are
    /// forgotten beyond `StoreOptions::responses`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remember_response(&mut self, scope: Scope, key: &str, response: &[u8]) -> Result<(), StoreError> {
        let known = self.reader().response(scope, key)?.is_some();
        self.put_single(scope, Area::Responses, key.as_bytes(), response)?;
        if known {
            return Ok(());
        }
        let reader = self.reader();
        let next = reader.edge(scope, Area::ResponseOrder, &[], true)?.map_or(0, |last| last + 1);
        let first = reader.edge(scope, Area::ResponseOrder, &[], false)?.unwrap_or(next);
        let row = numbered(self.keys.of(scope)?, Area::ResponseOrder, &[], next);
        self.put_sealed(scope, Area::ResponseOrder, &row, &pack(&[], key.as_bytes(), &[]))?;
        let keep = self.inner.options.responses.max(1) as u64;
        for number in first..(next + 1).saturating_sub(keep) {
            if let Some(oldest) = self.reader().by_number(scope, Area::ResponseOrder, &[], number)? {
                let row = single(self.keys.of(scope)?, Area::Responses, &oldest.key);
                self.remove(scope, Area::Responses, &row)?;
            }
            let row = numbered(self.keys.of(scope)?, Area::ResponseOrder, &[], number);
            self.remove(scope, Area::ResponseOrder, &row)?;
        }
        Ok(())
    }

    /// Writes down what is known of a peer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_peer(&mut self, peer: &DeviceId, record: &PeerRecord) -> Result<(), StoreError> {
        self.put_single(Scope::Ours, Area::Peers, peer.as_bytes(), &encode(record)?)
    }

    /// The counter to send to a peer now: greater than any before, once this batch is committed. Send it only then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_counter(&mut self, peer: &DeviceId) -> Result<u64, StoreError> {
        let mut record = self.reader().peer(peer)?.unwrap_or_default();
        record.sent = record.sent.saturating_add(1);
        self.put_peer(peer, &record)?;
        Ok(record.sent)
    }

    /// Writes down when a fact arrived and from whom. The first arrival counts; later ones change nothing. Answers whether it was
    /// the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_arrival(&mut self, scope: Scope, fact: &FactId, record: &ArrivalRecord) -> Result<bool, StoreError> {
        let first = self.reader().arrival(scope, fact)?.is_none();
        if first {
            self.put_single(scope, Area::Arrivals, fact.as_bytes(), &encode(record)?)?;
        }
        Ok(first)
    }

    /// Begins a new life of the store: after a restore, or when the home turns out to be a copy. New actors follow from the
    /// epoch. Sync states are forgotten here, and the counters that peers are sent go on far beyond whatever this home may
    /// have sent in what it has lost, so that peers do not take it for a repetition.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_epoch(&mut self, epoch: &EpochId) -> Result<(), StoreError> {
        self.forget_sync_states(None)?;
        for (peer, mut record) in self.reader().peers()? {
            record.sent = record.sent.saturating_add(EPOCH_COUNTERS);
            self.put_peer(&peer, &record)?;
        }
        self.put_setting(Scope::Ours, EPOCH, epoch)
    }

    /// Makes everything staged durable, in one go: one wait for the disk.
    ///
    /// # Errors
    /// [`StoreError`]. After one that [closes](StoreError::closes) the store it is unknown whether the batch is on disk:
    /// reopen and look; it is there whole or not at all.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let count = self.commits()? + 1;
        self.put_plain(PLAIN_COMMITS, &count.to_le_bytes())?;
        let Self { inner, transaction, .. } = self;
        inner.watch(guarded(move || Ok(transaction.commit()?)))
    }

    pub(crate) fn initialize(&mut self, format: u32, keys: [KeyId; 2]) -> Result<(), StoreError> {
        self.put_plain(PLAIN_FORMAT, &format.to_le_bytes())?;
        self.put_plain(PLAIN_KEYS, &[*keys[0].as_bytes(), *keys[1].as_bytes()].concat())?;
        for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, area))) {
            self.edit(scope, *area, |_| Ok(()))?;
        }
        Ok(())
    }

    /// How many batches were committed before this one.
    fn commits(&self) -> Result<u64, StoreError> {
        self.inner.watch(guarded(|| {
            let table = self.transaction.open_table(PLAIN)?;
            let count =
                table.get(PLAIN_COMMITS)?.and_then(|count| count.value().try_into().ok().map(u64::from_le_bytes));
            Ok(count.unwrap_or(0))
        }))
    }

    fn put_plain(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.inner.watch(guarded(|| {
            self.transaction.open_table(PLAIN)?.insert(key, value)?;
            Ok(())
        }))
    }

    pub(crate) fn put_document_row(&mut self, row: &DocumentRow) -> Result<(), StoreError> {
        let name = row.document.to_string();
        self.put_single(row.document.scope, Area::Documents, name.as_bytes(), &encode(row)?)
    }

    pub(crate) fn remove_document_row(&mut self, document: DocumentId) -> Result<(), StoreError> {
        let row = single(self.keys.of(document.scope)?, Area::Documents, document.to_string().as_bytes());
        self.remove(document.scope, Area::Documents, &row)
    }

    pub(crate) fn put_numbered(
        &mut self,
        document: DocumentId,
        area: Area,
        number: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let name = document.to_string();
        let row = numbered(self.keys.of(document.scope)?, area, name.as_bytes(), number);
        self.put_sealed(document.scope, area, &row, &pack(name.as_bytes(), &[], bytes))
    }

    pub(crate) fn remove_numbered(&mut self, document: DocumentId, area: Area, number: u64) -> Result<(), StoreError> {
        let row = numbered(self.keys.of(document.scope)?, area, document.to_string().as_bytes(), number);
        self.remove(document.scope, area, &row)
    }

    fn put_single(&mut self, scope: Scope, area: Area, name: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row = single(self.keys.of(scope)?, area, name);
        self.put_sealed(scope, area, &row, &pack(&[], name, value))
    }

    fn put_member(&mut self, scope: Scope, area: Area, of: &[u8], name: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let row = member(self.keys.of(scope)?, area, of, name);
        self.put_sealed(scope, area, &row, &pack(of, name, value))
    }

    pub(crate) fn put_sealed(&mut self, scope: Scope, area: Area, row: &[u8], packed: &[u8]) -> Result<(), StoreError> {
        let sealed = self.keys.of(scope)?.seal(area.table(scope), row, packed);
        self.edit(scope, area, |table| {
            table.insert(row, sealed.as_slice())?;
            Ok(())
        })
    }

    fn remove(&mut self, scope: Scope, area: Area, row: &[u8]) -> Result<(), StoreError> {
        self.edit(scope, area, |table| {
            table.remove(row)?;
            Ok(())
        })
    }

    pub(crate) fn edit<T>(
        &mut self,
        scope: Scope,
        area: Area,
        edit: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.watch(guarded(|| edit(&mut self.transaction.open_table(area.definition(scope))?)))
    }
}

impl Transaction for Batch {
    type Table<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

    fn held(&self) -> &Held {
        &self.inner
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn with_table<T>(
        &self,
        scope: Scope,
        area: Area,
        run: impl FnOnce(&Self::Table<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        run(&self.transaction.open_table(area.definition(scope))?)
    }
}
