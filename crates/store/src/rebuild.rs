//! Making a database file out of rows that are sealed already.

use std::fs;
use std::io;
use std::path::Path;

use betwixt_model::document::Scope;
use redb::WriteTransaction;

use crate::disk::{Disk, FileDisk};
use crate::error::StoreError;
use crate::open::{FORMAT, PLAIN_COMMITS, PLAIN_FORMAT, PLAIN_KEYS, Plain, build};
use crate::store::StoreOptions;
use crate::tables::{Area, PLAIN, SCOPES, guarded};

/// Takes sealed rows.
pub(crate) struct Rebuilding<'a> {
    transaction: &'a WriteTransaction,
}

impl Rebuilding<'_> {
    pub(crate) fn put(&mut self, scope: Scope, area: Area, key: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
        guarded(|| {
            self.transaction.open_table(area.definition(scope))?.insert(key, sealed)?;
            Ok(())
        })
    }
}

/// Writes a new database to `path`, in the place of any leftover there, whole and durable when this returns.
pub(crate) fn rebuild<E: From<StoreError>>(
    path: &Path,
    plain: &Plain,
    fill: impl FnOnce(&mut Rebuilding<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::from(error).into()),
        _ => {}
    }
    let outcome = rebuild_on(&FileDisk::new(path), plain, fill);
    if outcome.is_err() {
        // Gives back the room that the attempt took; the first failure is the one that counts.
        let _ = fs::remove_file(path);
    }
    outcome
}

/// Writes a new database on an empty disk, whole and durable when this returns, and no longer than it need be.
pub(crate) fn rebuild_on<E: From<StoreError>>(
    disk: &dyn Disk,
    plain: &Plain,
    fill: impl FnOnce(&mut Rebuilding<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let backend = disk.open(true).map_err(StoreError::from)?;
    let mut database = build(backend, &StoreOptions::default())?;
    let transaction = guarded(|| Ok(database.begin_write()?))?;
    guarded(|| {
        let mut table = transaction.open_table(PLAIN)?;
        table.insert(PLAIN_FORMAT, FORMAT.to_le_bytes().as_slice())?;
        table.insert(PLAIN_KEYS, [*plain.keys[0].as_bytes(), *plain.keys[1].as_bytes()].concat().as_slice())?;
        table.insert(PLAIN_COMMITS, plain.commits.to_le_bytes().as_slice())?;
        for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, area))) {
            transaction.open_table(area.definition(scope))?;
        }
        Ok(())
    })?;
    fill(&mut Rebuilding { transaction: &transaction })?;
    guarded(move || Ok(transaction.commit()?))?;
    // The file grew by doubling: what is free at its end goes.
    guarded(|| Ok(database.compact()?))?;
    guarded(move || Ok(database.close()?))?;
    Ok(())
}
