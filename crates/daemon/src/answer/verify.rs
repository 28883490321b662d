//! Verifying: everything that is on disk is read.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use betwixt_api::{self as api, Problem};
use betwixt_model::document::{Arrival, Document, DocumentId, GENESIS, arrivals};
use betwixt_model::ids::FactId;
use betwixt_store::{StoredDocument, verify_archive};

use crate::answer::backups::backup_files;
use crate::answer::healing;
use crate::answer::problem::{file_problem, sentence, storage_problem};
use crate::house::Handle;

/// Reads everything that is on disk: every row, every document with the signatures of its facts, every snapshot.
///
/// While the private part is locked only the shared one is read, and the report says so. Entries of a document that are no
/// facts of anybody have no effect, and are no damage of this disk: they are not counted. Facts whose keys another program
/// removed or altered are named, though nothing of what anybody sees follows from it.
///
/// # Errors
/// [`Problem`] when the store as a whole cannot be read. Damage is an answer.
pub(crate) fn verify(handle: &Handle) -> Result<api::VerifyReport, Problem> {
    let mut facts = BTreeSet::new();
    let mut altered = Vec::new();
    let mut check = |id: DocumentId, stored: &StoredDocument| {
        let document = check_document(id, stored, &mut facts)?;
        altered.extend(healing::altered(&document));
        Ok(())
    };
    let report = handle.store.verify(&mut check).map_err(|error| storage_problem(&error))?;
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
    Ok(api::VerifyReport { private_locked, documents: report.documents, facts: facts.len() as u64, records, damaged })
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
        let open = verify(&house.handle()).expect("verifies");
        assert!(!open.private_locked);
        house.lock_mine().expect("locks");
        let locked = verify(&house.handle()).expect("verifies");
        assert!(locked.private_locked && locked.records < open.records, "{locked:?} after {open:?}");
    }
}
