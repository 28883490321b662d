//! Verifying: does every row decrypt, is every document whole, is everything where it belongs.

use std::path::Path;

use betwixt_model::document::{DocumentId, Scope};

use crate::archive::{Archive, ArchiveError};
use crate::dictionaries::is_named_rightly;
use crate::error::{Damage, StoreError};
use crate::keys::DataKeys;
use crate::leaves::is_whole_leaf;
use crate::seal::ScopeKey;
use crate::source::Source;
use crate::squeeze::opened_of;
use crate::store::Store;
use crate::tables::{Area, SCOPES, Span, opened, renamed};

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many rows decrypt and stand where they belong.
    pub rows: u64,
    /// How many documents were read.
    pub documents: u64,
    /// What is damaged.
    pub damaged: Vec<Damage>,
    /// Documents whose bytes are all there and do not load, with what the caller's check said.
    pub unloadable: Vec<(DocumentId, String)>,
    /// Scopes that were not verified, because they are locked.
    pub skipped: Vec<&'static str>,
}

impl Report {
    /// Whether all that was looked at is whole.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.unloadable.is_empty()
    }
}

impl Store {
    /// Reads and decrypts every row, and hands every document's bytes (see
    /// [`StoredDocument::bytes`](crate::StoredDocument::bytes)) to `check`, which loads them and holds their heads against
    /// those given. Changes nothing, but keeps damaged pieces of documents aside.
    ///
    /// # Errors
    /// [`StoreError`] when the store as a whole cannot be read.
    pub fn verify(
        &self,
        check: &mut dyn FnMut(DocumentId, &crate::StoredDocument) -> Result<(), String>,
    ) -> Result<Report, StoreError> {
        let view = self.read()?;
        let mut report = Report::default();
        for scope in SCOPES {
            let Ok(key) = view.key(scope) else {
                report.skipped.push(scope.name());
                continue;
            };
            for area in Area::ALL {
                view.scan(scope, *area, Span::ALL, &mut |at, sealed| {
                    if is_whole(Some(&view), key, scope, *area, at, sealed) {
                        report.rows += 1;
                    } else {
                        report.damaged.push(Damage::Row { table: area.table(scope) });
                    }
                    Ok(true)
                })?;
            }
            // A damaged row of this table is named already; the others are read all the same.
            let mut documents = Vec::new();
            view.scan(scope, Area::Documents, Span::ALL, &mut |at, sealed| {
                let row = opened(key, Area::Documents.table(scope), at, sealed).ok();
                let name = row.and_then(|row| String::from_utf8(row.key).ok());
                documents.extend(name.and_then(|name| name.parse::<DocumentId>().ok()));
                Ok(true)
            })?;
            for document in documents {
                report.documents += 1;
                match view.reader().document(document) {
                    Ok(Some(stored)) if stored.damaged.is_empty() => {
                        if let Err(reason) = check(document, &stored) {
                            report.unloadable.push((document, reason));
                        }
                    }
                    Ok(Some(stored)) => report.damaged.extend(stored.damaged),
                    Ok(None) => {}
                    Err(StoreError::Damaged(damage)) => report.damaged.push(damage),
                    Err(other) => return Err(other),
                }
            }
        }
        report.damaged.sort();
        report.damaged.dedup();
        Ok(report)
    }
}

/// Whether a row opens and stands where it belongs. `source` has the dictionaries of those of the index; an archive has neither.
pub(crate) fn is_whole(
    source: Option<&dyn Source>,
    key: &ScopeKey,
    scope: Scope,
    area: Area,
    at: &[u8],
    sealed: &[u8],
) -> bool {
    if area == Area::Packed {
        return source.is_some_and(|source| is_whole_leaf(source, key, scope, at, sealed));
    }
    let row = match source {
        Some(source) => opened_of(source, key, scope, area, at, sealed),
        None => opened(key, area.table(scope), at, sealed),
    };
    row.is_ok_and(|row| {
        let stands_rightly = renamed(key, area, &row, at).is_some_and(|name| name == at);
        stands_rightly && (area != Area::Dictionaries || is_named_rightly(at, &row.value))
    })
}

/// What verifying a snapshot or a backup found, whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveReport {
    /// How many rows it has.
    pub rows: u64,
    /// How many of them do not decrypt. They were damaged before it was made.
    pub damaged: usize,
    /// How many were not tried for want of their key.
    pub skipped: u64,
}

/// The keys of both scopes, of the private one if it is there.
pub(crate) fn scope_keys(keys: &DataKeys) -> [Option<ScopeKey>; 2] {
    let mine = keys.mine.as_ref().map(|key| ScopeKey::new(Scope::Mine, key));
    [Some(ScopeKey::new(Scope::Ours, &keys.shared)), mine]
}

/// Verifies a snapshot or a backup: its checksum, and every row for which there is a key.
///
/// # Errors
/// [`ArchiveError`] when it is not whole.
pub fn verify_archive(path: &Path, keys: &DataKeys) -> Result<ArchiveReport, ArchiveError> {
    let archive = Archive::open(path)?;
    let keys = scope_keys(keys);
    let (mut damaged, mut skipped) = (0, 0);
    let rows = archive.rows(|scope, area, at, sealed| {
        match &keys[usize::from(scope == Scope::Mine)] {
            Some(key) if !is_whole(None, key, scope, area, at, sealed) => damaged += 1,
            Some(_) => {}
            None => skipped += 1,
        }
        Ok::<_, ArchiveError>(())
    })?;
    Ok(ArchiveReport { rows, damaged, skipped })
}
