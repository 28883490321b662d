//! What the tests of the store share.
#![allow(dead_code, reason = "every test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, FactId};
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use betwixt_store::keys::{Cost, DataKeys, Secret};
use betwixt_store::{ArrivalRecord, Batch, Home, PeerRecord, Reader, Store, StoreError};
use rand_core::OsRng;

/// Text that must be in no file of a home. Each is written through another way into the store.
pub(crate) const WRITTEN: [&str; 10] = [
    "a shared change: a calm and open home",
    "a private change: what nobody else reads",
    "a row of the shared index",
    "a row of the private index",
    "the state of syncing with a peer",
    "a signed statement of the roster",
    "the secret key of this device",
    "what was answered to a request",
    "a-key-that-names-the-request",
    "a.name.of.a.setting",
];

pub(crate) const OURS: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };
pub(crate) const MINE: DocumentId = DocumentId { scope: Scope::Mine, year: 2026, generation: 0 };
pub(crate) const PEER: DeviceId = DeviceId::from_bytes([7; 32]);
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// The cheapest passphrase that is not refused.
pub(crate) fn secret(passphrase: &str) -> Secret<'_> {
    Secret::Passphrase(passphrase, Cost::FLOOR)
}

pub(crate) fn home(path: &Path) -> (Home, DataKeys) {
    Home::init(path, &secret(PASSPHRASE), &mut OsRng).unwrap()
}

/// Puts something into every table.
pub(crate) fn fill(batch: &mut Batch) -> Result<(), StoreError> {
    for (document, text) in [(OURS, WRITTEN[0]), (MINE, WRITTEN[1])] {
        for number in 0..3 {
            batch.append_change(document, format!("{text} {number}").as_bytes())?;
        }
        batch.put_heads(document, &[ChangeHash([3; 32])])?;
        batch.put_sync_state(&PEER, document, WRITTEN[4].as_bytes())?;
    }
    for (scope, text) in [(Scope::Ours, WRITTEN[2]), (Scope::Mine, WRITTEN[3])] {
        let mut rows = batch.rows(scope)?;
        for number in 0..4u8 {
            rows.put(Table::Facts, b"the group", &[number], format!("{text} {number}").as_bytes())?;
        }
        drop(rows);
        batch.put_setting(scope, WRITTEN[9], WRITTEN[6])?;
        batch.remember_response(scope, WRITTEN[8], WRITTEN[7].as_bytes())?;
        let record = ArrivalRecord { from: PEER, at: 1_700_000_000_000 };
        batch.record_arrival(scope, &FactId::from_bytes([9; 32]), &record)?;
    }
    batch.add_statement(&[5; 32], WRITTEN[5].as_bytes())?;
    batch.put_peer(&PEER, &PeerRecord { sent: 3, ..PeerRecord::default() })
}

/// Everything that [`fill`] put, as text that is equal when the store's content is. `Err` when something of it cannot be
/// read.
pub(crate) fn content(reader: Reader<'_>) -> Result<String, StoreError> {
    let mut text = String::new();
    let mut add = |what: &str, value: String| text += &format!("{what}: {value}\n");
    for scope in [Scope::Ours, Scope::Mine] {
        let documents = reader.documents(scope)?;
        add("documents", format!("{documents:?}"));
        for document in documents.keys() {
            let stored = reader.document(*document)?;
            if let Some(damage) = stored.as_ref().and_then(|stored| stored.damaged.first()) {
                return Err(StoreError::Damaged(damage.clone()));
            }
            add("document", format!("{stored:?}"));
            add("sync state", format!("{:?}", reader.sync_state(&PEER, *document)?));
        }
        add("rows", format!("{:?}", reader.rows(scope).group(Table::Facts, b"the group")?));
        add("row", format!("{:?}", reader.rows(scope).get(Table::Facts, b"the group", &[2])?));
        add("setting", format!("{:?}", reader.setting::<String>(scope, WRITTEN[9])?));
        add("response", format!("{:?}", reader.response(scope, WRITTEN[8])?));
        add("arrival", format!("{:?}", reader.arrival(scope, &FactId::from_bytes([9; 32]))?));
    }
    add("statements", format!("{:?} {:?}", reader.statements()?, reader.statement(&[5; 32])?));
    add("peers", format!("{:?} {:?}", reader.peers()?, reader.peer(&PEER)?));
    add("epoch", format!("{:?}", reader.epoch()?));
    Ok(text)
}

pub(crate) fn fill_and_commit(store: &Store) {
    let mut batch = store.begin().unwrap();
    fill(&mut batch).unwrap();
    batch.commit().unwrap();
}

pub(crate) fn content_of(store: &Store) -> String {
    content(store.read().unwrap().reader()).unwrap()
}

/// The same without the index, which snapshots leave out.
#[allow(dead_code, reason = "every test binary has this module, and not all take snapshots")]
pub(crate) fn without_index(content: &str) -> String {
    let is_of_index = |line: &&str| line.starts_with("rows: ") || line.starts_with("row: ");
    content.lines().filter(|line| !is_of_index(line)).collect::<Vec<_>>().join("\n")
}

/// Every file below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
