//! Verifying: everything that is on disk is read.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use betwixt_api::{self as api, Problem};
use betwixt_model::attachment;
use betwixt_model::document::{Arrival, Document, DocumentId, GENESIS, Scope, arrivals};
use betwixt_model::ids::{AttachmentId, FactId, HouseholdId};
use betwixt_store::attachments::{AttachmentError, Attachments};
use betwixt_store::{Damage, StoreError, StoredDocument, search_path, verify_archive};

use crate::answer::backups::backup_files;
use crate::answer::healing;
use crate::answer::problem::{file_problem, sentence, storage_problem};
use crate::house::Handle;
use crate::searching::{self, Change};

/// The spaces of the scopes that can be read.
pub(crate) type Spaces = Vec<(Scope, HouseholdId)>;

/// What was checked, which attached files are to be fetched anew, and which documents are to be carried on.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) report: api::VerifyReport,
    pub(crate) damaged_files: Vec<(Scope, AttachmentId)>,
    pub(crate) damaged_documents: BTreeSet<DocumentId>,
    /// Search indexes that are to be built anew.
    pub(crate) damaged_search: Vec<Change>,
}

/// Reads everything that is on disk: every row, every document with the signatures of its facts, every attached file, every
/// snapshot, the search indexes.
///
/// While the private part is locked only the shared one is read, and the report says so. Entries of a document that are no
/// facts of anybody have no effect, and are no damage of this disk: they are not counted. Facts whose keys another program
/// removed or altered are named, though nothing of what anybody sees follows from it.
///
/// # Errors
/// [`Problem`] when the store as a whole cannot be read. Damage is an answer.
pub(crate) fn verify(handle: &Handle, spaces: &Spaces) -> Result<Verified, Problem> {
    let mut facts = BTreeSet::new();
    let mut altered = Vec::new();
    let mut check = |id: DocumentId, stored: &StoredDocument| {
        let document = check_document(id, stored, &mut facts)?;
        altered.extend(healing::altered(&document));
        Ok(())
    };
    let report = handle.store.verify(&mut check).map_err(|error| storage_problem(&error))?;
    let in_pieces = report.damaged.iter().filter_map(|damage| match damage {
        Damage::Change { document, .. } | Damage::Snapshot { document } => Some(*document),
        Damage::Row { .. } | Damage::File(_) => None,
    });
    let damaged_documents = in_pieces.chain(report.unloadable.iter().map(|(document, _)| *document)).collect();
    let aside = handle.home.path().join("aside");
    let heals = format!(
        "What can be read of it is kept in {}. Shared pages heal when your devices meet; otherwise restore a backup with \
         `betwixt restore`.",
        aside.display()
    );
    let mut damaged: Vec<_> = report
        .damaged
        .iter()
        .map(|damage| api::Damage { what: sentence(damage), advice: heals.clone() })
        .chain(report.unloadable.iter().map(|(document, reason)| api::Damage {
            what: format!("Document {document} does not load: {reason}."),
            advice: heals.clone(),
        }))
        .collect();
    damaged.extend(altered);
    let mut records = report.rows;
    let kept = handle.home.snapshots().map_err(|error| file_problem(&error))?;
    let snapshots = kept.into_iter().map(|snapshot| handle.home.snapshot_path(&snapshot.name));
    let backups = backup_files(handle.home.path()).map_err(|error| file_problem(&error))?;
    for path in snapshots.chain(backups) {
        records += 1;
        let what = match verify_archive(&path, &handle.keys) {
            Ok(report) if report.damaged == 0 => continue,
            Ok(report) => format!("{} has {} rows that do not decrypt.", path.display(), report.damaged),
            Err(error) => sentence(error),
        };
        let advice = "Do not restore from it; make a new backup with `betwixt backup`. A backup of before the home's keys \
                      were changed reads like this, too.";
        damaged.push(api::Damage { what, advice: advice.into() });
    }
    let private_locked = !report.skipped.is_empty();
    let files = check_files(handle, spaces)?;
    damaged.extend(files.damaged.iter().map(|(scope, id)| api::Damage {
        what: format!("An attached file is damaged ({}).", files.attachments.path(*scope, id).display()),
        advice: "It comes again when a device is met that has it.".into(),
    }));
    let mut damaged_search = Vec::new();
    for (scope, _) in spaces {
        match searching::check(handle.home.path(), &handle.store, *scope) {
            Ok(change) => damaged_search.extend(change),
            // One that was locked meanwhile is told of among the rows.
            Err(StoreError::Locked(_)) => {}
            Err(error) => return Err(storage_problem(&error)),
        }
    }
    damaged.extend(damaged_search.iter().map(|change| api::Damage {
        what: format!("The search index is damaged ({}).", search_path(handle.home.path(), change.scope).display()),
        advice: "It is built anew by itself; nothing that you wrote is touched.".into(),
    }));
    let report = api::VerifyReport {
        private_locked,
        documents: report.documents,
        facts: facts.len() as u64,
        records,
        attachments: files.whole,
        attachments_missing: files.missing,
        damaged,
    };
    Ok(Verified { report, damaged_files: files.damaged, damaged_documents, damaged_search })
}

/// What was found of attached files.
struct CheckedFiles {
    attachments: Attachments,
    whole: u64,
    missing: u64,
    damaged: Vec<(Scope, AttachmentId)>,
}

fn check_files(handle: &Handle, spaces: &Spaces) -> Result<CheckedFiles, Problem> {
    let attachments = Attachments::of(handle.home.path());
    let mut found = CheckedFiles { attachments, whole: 0, missing: 0, damaged: Vec::new() };
    for (scope, space) in spaces {
        let view = handle.store.read().map_err(|error| storage_problem(&error))?;
        // One that was locked meanwhile is told of among the rows.
        let Ok(items) = attachment::all_files(&view.reader().rows(*scope), space) else { continue };
        drop(view);
        let mut named = BTreeMap::new();
        let mut live = BTreeSet::new();
        for (_, files) in items {
            live.extend(files.live);
            named.extend(files.named);
        }
        for (id, file) in named {
            match found.attachments.check(*scope, space, &file) {
                Ok(()) => found.whole += 1,
                // What was let go is not fetched.
                Err(AttachmentError::NotHere) => found.missing += u64::from(live.contains(&id)),
                Err(error) => {
                    tracing::warn!(%error, "an attached file is damaged");
                    found.damaged.push((*scope, id));
                }
            }
        }
    }
    Ok(found)
}

fn check_document(id: DocumentId, stored: &StoredDocument, facts: &mut BTreeSet<FactId>) -> Result<Document, String> {
    let document = Document::load(id, &stored.bytes(GENESIS)).map_err(|error| error.to_string())?;
    let sorted = |mut heads: Vec<_>| {
        heads.sort_unstable();
        heads
    };
    if sorted(document.heads()) != sorted(stored.heads.clone()) {
        return Err("it is not as far as it was written".into());
    }
    let read = || -> Vec<FactId> {
        let arrived = document.changes_since(&[]);
        let arrived = arrived.iter().flat_map(|change| arrivals(id, change));
        let verified = arrived.filter_map(|arrival| match arrival {
            Arrival::Fact(signed) => Some(signed.fact().id()),
            Arrival::Newer { .. } | Arrival::Refused { .. } => None,
        });
        verified.collect()
    };
    // Automerge panics on some changes that were made by hand (see `arrivals`).
    let read = catch_unwind(AssertUnwindSafe(read));
    facts.extend(read.map_err(|_| "one of its changes cannot be read".to_owned())?);
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::tests::founded;

    #[test]
    fn while_the_private_part_is_locked_the_report_says_that_it_was_not_read() {
        let (_directory, _path, mut house, _) = founded();
        let open = verify(&house.handle(), &house.spaces()).expect("verifies").report;
        assert!(!open.private_locked);
        house.lock_mine().expect("locks");
        let locked = verify(&house.handle(), &house.spaces()).expect("verifies").report;
        assert!(locked.private_locked && locked.records < open.records, "{locked:?} after {open:?}");
    }
}
