//! Keeping a home well: verifying, backing up, restoring; and the disk's failures in words. All of it blocks.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{Arrival, Document, DocumentId, GENESIS, arrivals};
use betwixt_model::ids::FactId;
use betwixt_model::index::IndexError;
use betwixt_store::keys::KeysError;
use betwixt_store::{
    ArchiveError, CompactError, Home, HomeError, RestoreError, SnapshotError, StoreError, StoredDocument,
    verify_archive,
};
use jiff::civil::Date;

use crate::house::{Handle, House};
use crate::replica::{OpenError, StageError};

/// Where backups go that are given no path, in the home.
const BACKUPS: &str = "backups";
const SUFFIX: &str = ".betwixt";
/// Where the store keeps its snapshots.
const SNAPSHOTS: &str = "snapshots";
const SNAPSHOT_SUFFIX: &str = ".snapshot";

/// Reads everything that is on disk: every row, every document with the signatures of its facts, every snapshot.
///
/// While the private part is locked only the shared one is read. Entries of a document that are no facts of anybody have
/// no effect, and are no damage of this disk: they are not counted.
///
/// # Errors
/// [`Problem`] when the store as a whole cannot be read. Damage is an answer.
pub(crate) fn verify(handle: &Handle) -> Result<api::VerifyReport, Problem> {
    let mut facts = BTreeSet::new();
    let mut check = |id: DocumentId, stored: &StoredDocument| check_document(id, stored, &mut facts);
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
        .map(|damage| api::Damage { what: sentence(&damage.to_string()), advice: heals.clone() })
        .chain(report.unloadable.iter().map(|(document, reason)| api::Damage {
            what: format!("Document {document} does not load: {reason}."),
            advice: heals.clone(),
        }))
        .collect();
    let mut records = report.rows;
    let kept = handle.home.snapshots().map_err(|error| file_problem(&error))?;
    let snapshots = kept.into_iter().map(|snapshot| handle.home.snapshot_path(&snapshot.name));
    let backups = listed(&handle.home.path().join(BACKUPS)).map_err(|error| file_problem(&error))?;
    for path in snapshots.chain(backups.into_iter().map(|backup| backup.path)) {
        records += 1;
        let what = match verify_archive(&path, &handle.keys) {
            Ok(report) if report.damaged == 0 => continue,
            Ok(report) => format!("{} has {} rows that do not decrypt.", path.display(), report.damaged),
            Err(error) => sentence(&error.to_string()),
        };
        let advice = "Do not restore from it; make a new backup with `betwixt backup`. A backup of before the home's keys \
                      were changed reads like this, too.";
        damaged.push(api::Damage { what, advice: advice.into() });
    }
    Ok(api::VerifyReport { documents: report.documents, facts: facts.len() as u64, records, damaged })
}

fn check_document(id: DocumentId, stored: &StoredDocument, facts: &mut BTreeSet<FactId>) -> Result<(), String> {
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
    Ok(())
}

/// Writes a backup, encrypted as the home is; verified before it takes its name.
///
/// # Errors
/// [`ProblemKind::Invalid`] about `path`, [`ProblemKind::Damaged`], or what the disk says.
pub(crate) fn backup(handle: &Handle, request: &api::BackupRequest, today: Date) -> Result<api::Backup, Problem> {
    let path = match &request.path {
        Some(path) => {
            let path = absolute(path)?;
            // The backup is written under this name first; what is there is not ours to replace.
            let mut new = path.clone().into_os_string();
            new.push(".new");
            if Path::new(&new).exists() {
                let detail =
                    format!("{} is in the way: move it away, or choose another name.", Path::new(&new).display());
                return Err(invalid_path(detail));
            }
            path
        }
        None => {
            let home = std::path::absolute(handle.home.path()).map_err(|error| file_problem(&error))?;
            let directory = home.join(BACKUPS);
            make_directory(&directory).map_err(|error| file_problem(&error))?;
            let name = |number: u32| match number {
                1 => format!("{today}{SUFFIX}"),
                _ => format!("{today}-{number:03}{SUFFIX}"),
            };
            let paths = (1..1000).map(|number| directory.join(name(number)));
            let free = paths.into_iter().find(|path| !path.exists());
            free.ok_or_else(|| invalid_path("There are a thousand backups of today: say where this one is to go."))?
        }
    };
    handle.home.backup(&handle.store, &handle.keys, &path).map_err(|error| snapshot_problem(&error))?;
    let bytes = std::fs::metadata(&path).map_err(|error| file_problem(&error))?.len();
    Ok(api::Backup { path: path.display().to_string(), bytes, made_on: Some(today.to_string()) })
}

/// Takes today's snapshot, unless there is one.
///
/// # Errors
/// As [`backup`]. The snapshots of before are all there then.
pub(crate) fn snapshot_if_due(handle: &Handle, today: Date) -> Result<(), Problem> {
    let kept = handle.home.snapshots().map_err(|error| file_problem(&error))?;
    if kept.iter().all(|snapshot| snapshot.date != today) {
        let taken = handle.home.take_snapshot(&handle.store, &handle.keys, today);
        taken.map_err(|error| snapshot_problem(&error))?;
    }
    Ok(())
}

/// What can be restored from in the home, newest first: backups, and the snapshots that are taken by themselves.
///
/// # Errors
/// [`ProblemKind::Storage`] when the home's directory cannot be read.
pub(crate) fn backups(home: &Path) -> Result<Vec<api::Backup>, Problem> {
    let home = &std::path::absolute(home).map_err(|error| file_problem(&error))?;
    let mut all = listed(&home.join(BACKUPS)).map_err(|error| file_problem(&error))?;
    all.extend(snapshots(home).map_err(|error| file_problem(&error))?);
    all.sort_by(|one, other| (other.date, &other.path).cmp(&(one.date, &one.path)));
    let backup = |found: Found| api::Backup {
        path: found.path.display().to_string(),
        bytes: found.bytes,
        made_on: found.date.map(|date| date.to_string()),
    };
    Ok(all.into_iter().map(backup).collect())
}

/// A file to restore from.
struct Found {
    path: PathBuf,
    bytes: u64,
    date: Option<Date>,
}

fn listed(directory: &Path) -> io::Result<Vec<Found>> {
    files(directory, SUFFIX)
}

fn snapshots(home: &Path) -> io::Result<Vec<Found>> {
    files(&home.join(SNAPSHOTS), SNAPSHOT_SUFFIX)
}

fn files(directory: &Path, suffix: &str) -> io::Result<Vec<Found>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(suffix)) else { continue };
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            // `2027-01-31`, and perhaps which of that day.
            let date = stem.get(..10).and_then(|date| date.parse().ok());
            found.push(Found { path: entry.path(), bytes: metadata.len(), date });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Puts a backup, or a snapshot of this home, in the place of what the home holds, which is kept aside. Closes the house
/// first, if there is one; the home is locked afterwards, whatever comes of it.
///
/// # Errors
/// [`ProblemKind::Busy`] while a [`Handle`] is left, [`ProblemKind::Invalid`] about `path`, [`ProblemKind::Damaged`], or
/// what the disk says. The file is verified before anything is touched.
pub(crate) fn restore(
    home: &Path,
    house: Option<House>,
    request: &api::RestoreRequest,
) -> Result<api::Restored, Problem> {
    if let Some(house) = house {
        // What was not compacted is kept aside like the rest.
        if let Err(problem) = house.close() {
            tracing::warn!(problem = %problem.detail, "the home was not compacted before restoring");
        }
    }
    let from = absolute(&request.path)?;
    let home = &std::path::absolute(home).map_err(|error| file_problem(&error))?;
    let before = set_aside(home).map_err(|error| file_problem(&error))?;
    let kept = snapshots(home).map_err(|error| file_problem(&error))?;
    let is_from = |found: &Found| match (found.path.canonicalize(), from.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let snapshot = kept.into_iter().find(is_from);
    let name = snapshot.as_ref().and_then(|found| found.path.file_stem()?.to_str());
    match name {
        Some(name) => {
            let opened = Home::open(home).map_err(|error| home_problem(&error))?;
            opened.restore_snapshot(name).map_err(|error| restore_problem(&error))?;
        }
        None => Home::restore(&from, home, true).map_err(|error| restore_problem(&error))?,
    }
    // It is restored; where the former content is cannot make that an error any more.
    let after = set_aside(home).unwrap_or_default();
    let kept = after.difference(&before).next();
    Ok(api::Restored { kept_aside: kept.map(|path| path.display().to_string()) })
}

/// Former databases.
fn set_aside(home: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let entries = match std::fs::read_dir(home.join("aside")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other?,
    };
    let paths: io::Result<BTreeSet<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let is_database = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".redb-"));
    Ok(paths?.into_iter().filter(is_database).collect())
}

fn absolute(path: &str) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(invalid_path("Give the file's absolute path, beginning with `/`.")) }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn invalid_path(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, detail).about("path")
}

/// An error's words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn says(kind: ProblemKind, error: &dyn std::error::Error) -> Problem {
    Problem::new(kind, sentence(&error.to_string()))
}

/// Why the store did not read or write, and what to do.
pub(crate) fn storage_problem(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::Locked(_) => ProblemKind::Locked,
        StoreError::DiskFull(_) => ProblemKind::StorageFull,
        StoreError::ReadOnly(_) | StoreError::Disk(_) => ProblemKind::Storage,
        StoreError::Closed { cause } => {
            let detail =
                format!("The disk failed a moment ago ({cause}). Betwixt tries again by itself; then try again.");
            return Problem::new(ProblemKind::Storage, detail);
        }
        StoreError::Damaged(_) => ProblemKind::Damaged,
        StoreError::Unstorable(_) => ProblemKind::Internal,
    };
    says(kind, error)
}

/// Why a file beside the store was not read or written.
pub(crate) fn file_problem(error: &io::Error) -> Problem {
    let kind = file_kind(error);
    let detail = match kind {
        ProblemKind::StorageFull => "The disk is full: free some space, then try again.".into(),
        _ => format!("A file could not be read or written: {error}. Check its permissions and its disk."),
    };
    Problem::new(kind, detail)
}

fn file_kind(error: &io::Error) -> ProblemKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ProblemKind::StorageFull
        }
        _ => ProblemKind::Storage,
    }
}

/// Why the database does not open.
pub(crate) fn opening_problem(error: &betwixt_store::OpenError) -> Problem {
    use betwixt_store::OpenError as Opening;
    let kind = match error {
        Opening::Damaged { path, snapshot, .. } => {
            let detail = match (path.as_deref().and_then(Path::parent), snapshot) {
                (Some(home), Some(name)) => format!(
                    "The database is damaged. The newest snapshot that is whole restores it: `betwixt restore {}`.",
                    home.join(SNAPSHOTS).join(format!("{name}{SNAPSHOT_SUFFIX}")).display()
                ),
                _ => "The database is damaged. Restore a backup with `betwixt restore`.".into(),
            };
            return Problem::new(ProblemKind::Damaged, detail);
        }
        Opening::Disk { source, .. } => storage_problem(source).kind,
        Opening::InUse(_) => ProblemKind::Busy,
        Opening::Missing(_) | Opening::OtherKeys(_) => ProblemKind::Damaged,
        Opening::Exists(_) | Opening::Newer { .. } => ProblemKind::Storage,
    };
    says(kind, error)
}

/// Why a home is not made or opened.
pub(crate) fn home_problem(error: &HomeError) -> Problem {
    let kind = match error {
        HomeError::NotThere(_) => ProblemKind::NotSetUp,
        HomeError::Exists(_) => ProblemKind::AlreadySetUp,
        HomeError::InUse { .. } => ProblemKind::Busy,
        HomeError::ReadOnly(_) => ProblemKind::Storage,
        HomeError::File { source, .. } => file_kind(source),
        HomeError::Keys(error) => return keys_problem(error),
        HomeError::Open(error) => return opening_problem(error),
    };
    says(kind, error)
}

/// Why keys are not opened or changed.
pub(crate) fn keys_problem(error: &KeysError) -> Problem {
    let kind = match error {
        KeysError::Wrong(_) | KeysError::NoSuchWay(_) => ProblemKind::WrongPassphrase,
        KeysError::SharedOnly(_) | KeysError::MineNeeded => ProblemKind::Locked,
        KeysError::UnknownWrap(_) => ProblemKind::NotFound,
        KeysError::LastWrap | KeysError::TooManyWraps => ProblemKind::Invalid,
        KeysError::Cost(_) | KeysError::Damaged(_) => ProblemKind::Damaged,
        KeysError::File { source, .. } => file_kind(source),
        KeysError::Newer(_) | KeysError::Keyring(_) => ProblemKind::Storage,
    };
    says(kind, error)
}

/// Why a replica does not open.
pub(crate) fn replica_problem(error: &OpenError) -> Problem {
    let kind = match error {
        OpenError::Store(error) => return storage_problem(error),
        OpenError::Stage(error) => return stage_problem(error),
        OpenError::NotFounded => {
            let detail = "This home was not founded to its end: run `betwixt init` again, with the same passphrase.";
            return Problem::new(ProblemKind::NotSetUp, detail);
        }
        OpenError::AlreadyFounded => ProblemKind::AlreadySetUp,
        OpenError::DamagedIdentity | OpenError::DamagedRoster(_) => ProblemKind::Damaged,
    };
    says(kind, error)
}

/// Why a stage was dropped.
pub(crate) fn stage_problem(error: &StageError) -> Problem {
    match error {
        StageError::Store(error)
        | StageError::Index(IndexError::Rows(error))
        | StageError::Compact(CompactError::Store(error)) => storage_problem(error),
        StageError::Index(IndexError::Damaged(_))
        | StageError::Document(_)
        | StageError::Compact(_)
        | StageError::DamagedDocument { .. } => says(ProblemKind::Damaged, error),
    }
}

fn snapshot_problem(error: &SnapshotError) -> Problem {
    match error {
        SnapshotError::Exists(_) => invalid_path(sentence(&error.to_string())),
        SnapshotError::Store(error) => storage_problem(error),
        SnapshotError::Archive(error) => archive_problem(error),
        SnapshotError::Damaged(_) => says(ProblemKind::Damaged, error),
    }
}

fn archive_problem(error: &ArchiveError) -> Problem {
    match error {
        ArchiveError::Damaged { .. } => says(ProblemKind::Damaged, error).about("path"),
        ArchiveError::Newer { .. } => invalid_path(sentence(&error.to_string())),
        ArchiveError::File { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                invalid_path(sentence(&error.to_string()))
            }
            _ => says(file_kind(source), error),
        },
    }
}

fn restore_problem(error: &RestoreError) -> Problem {
    match error {
        RestoreError::InUse | RestoreError::Home(HomeError::InUse { .. }) => {
            let detail = "Something else still uses this home, a check or a backup perhaps: try again when it is done.";
            Problem::new(ProblemKind::Busy, detail)
        }
        RestoreError::Unknown(_) | RestoreError::OtherKeys(_) => invalid_path(sentence(&error.to_string())),
        RestoreError::HomeThere(_) => says(ProblemKind::AlreadySetUp, error),
        RestoreError::Archive(error) => archive_problem(error),
        RestoreError::Store(error) => storage_problem(error),
        RestoreError::Home(error) => home_problem(error),
        RestoreError::Keys(error) => keys_problem(error),
    }
}

#[cfg(test)]
mod tests {
    use betwixt_api::Secret;
    use betwixt_model::document::Scope;
    use betwixt_model::say::Saying;
    use rand_core::OsRng;
    use serde_json::json;

    use super::*;
    use crate::house::tests::{PASSPHRASE, founded};
    use crate::house::{Opened, unlock};

    fn today() -> Date {
        "2027-01-31".parse().expect("a date")
    }

    /// Says one thing in the private part.
    fn write(house: &mut House, text: &str) {
        let mut stage = house.replica.begin().expect("begins");
        let saying =
            Saying { item: None, kind: "journal".into(), field: "text".into(), value: json!(text), seen: None };
        let said = house.replica.act(&mut stage, Scope::Mine, today(), &mut OsRng, |act| act.say(saying));
        said.expect("is said");
        stage.commit().expect("is durable");
        house.replica.committed().expect("goes on");
    }

    fn facts(house: &House) -> u64 {
        let report = verify(&house.handle()).expect("verifies");
        assert_eq!(report.damaged, Vec::new());
        report.facts
    }

    fn open(path: &Path) -> Opened {
        unlock(path, &Secret::from(PASSPHRASE.to_owned())).expect("opens")
    }

    #[test]
    fn a_healthy_home_verifies_with_the_facts_that_it_holds() {
        let (_directory, path, mut house, _) = founded();
        assert_eq!(facts(&house), 0);
        write(&mut house, "one");
        write(&mut house, "two");
        let report = verify(&house.handle()).expect("verifies");
        assert_eq!((report.documents, report.facts, report.damaged), (1, 2, Vec::new()));
        snapshot_if_due(&house.handle(), today()).expect("takes one");
        snapshot_if_due(&house.handle(), today()).expect("is done already");
        let with_it = verify(&house.handle()).expect("verifies");
        assert_eq!(with_it.records, report.records + 1);
        house.close().expect("closes");
        assert_eq!(facts(&open(&path).house), 2);
    }

    #[test]
    fn a_damaged_backup_is_found_by_verify_and_restores_nothing() {
        let (_directory, path, mut house, _) = founded();
        write(&mut house, "one");
        let made = backup(&house.handle(), &api::BackupRequest::default(), today()).expect("is made");
        let mut bytes = std::fs::read(&made.path).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&made.path, bytes).expect("writes");
        let report = verify(&house.handle()).expect("verifies");
        assert_eq!(report.damaged.len(), 1);
        let request = api::RestoreRequest { path: made.path };
        let problem = restore(&path, Some(house), &request).expect_err("is refused");
        assert_eq!(problem.kind, ProblemKind::Damaged, "{problem}");
        let Opened { house, troubles } = open(&path);
        assert_eq!((facts_in(&house), troubles.len()), (1, 0));
    }

    #[test]
    fn a_damaged_database_says_which_snapshot_restores_it() {
        let (_directory, path, mut house, _) = founded();
        write(&mut house, "one");
        snapshot_if_due(&house.handle(), today()).expect("is taken");
        house.close().expect("closes");
        std::fs::write(path.join("betwixt.redb"), vec![7; 9000]).expect("writes");
        let problem = unlock(&path, &Secret::from(PASSPHRASE.to_owned())).expect_err("is damaged");
        assert_eq!(problem.kind, ProblemKind::Damaged);
        let snapshot = backups(&path).expect("are listed").remove(0).path;
        assert!(problem.detail.contains(&snapshot), "{problem}");
        restore(&path, None, &api::RestoreRequest { path: snapshot }).expect("is restored");
        assert_eq!(facts(&open(&path).house), 1);
    }

    fn facts_in(house: &House) -> u64 {
        verify(&house.handle()).expect("verifies").facts
    }

    #[test]
    fn a_backup_is_restored_and_what_was_there_is_kept_aside() {
        let (directory, path, mut house, _) = founded();
        write(&mut house, "one");
        let epoch = house.replica.epoch();
        let elsewhere = directory.path().join("elsewhere");
        let named = api::BackupRequest { path: Some(elsewhere.display().to_string()) };
        let first = backup(&house.handle(), &named, today()).expect("is made");
        assert_eq!(first.bytes, std::fs::metadata(&elsewhere).expect("is there").len());
        let again = backup(&house.handle(), &named, today()).expect_err("overwrites nothing");
        assert_eq!((again.kind, again.field.as_deref()), (ProblemKind::Invalid, Some("path")));
        let in_the_way = directory.path().join("other.new");
        std::fs::write(&in_the_way, b"mine").expect("writes");
        let other = api::BackupRequest { path: Some(directory.path().join("other").display().to_string()) };
        assert_eq!(
            backup(&house.handle(), &other, today()).expect_err("takes nothing away").kind,
            ProblemKind::Invalid
        );
        assert_eq!(std::fs::read(&in_the_way).expect("is there"), b"mine");
        write(&mut house, "two");
        assert_eq!(facts(&house), 2);

        let request = api::RestoreRequest { path: first.path };
        let restored = restore(&path, Some(house), &request).expect("is restored");
        assert!(Path::new(&restored.kept_aside.expect("was kept")).is_file());
        let Opened { house, troubles } = open(&path);
        assert_eq!((facts(&house), troubles.len()), (1, 1));
        assert_ne!(house.replica.epoch(), epoch);
        house.close().expect("closes");

        // Into a directory that holds nothing.
        let new = directory.path().join("new");
        assert_eq!(restore(&new, None, &request).expect("is restored").kept_aside, None);
        assert_eq!(facts(&open(&new).house), 1);
    }

    #[test]
    fn a_snapshot_is_listed_with_the_backups_and_restored_like_them() {
        let (_directory, path, mut house, _) = founded();
        write(&mut house, "one");
        snapshot_if_due(&house.handle(), "2027-01-30".parse().expect("a date")).expect("is taken");
        write(&mut house, "two");
        for _ in 0..2 {
            backup(&house.handle(), &api::BackupRequest::default(), today()).expect("is made");
        }
        let all = backups(&path).expect("are listed");
        let made_on: Vec<_> = all.iter().filter_map(|backup| backup.made_on.as_deref()).collect();
        assert_eq!(made_on, ["2027-01-31", "2027-01-31", "2027-01-30"]);
        let request = api::RestoreRequest { path: all[2].path.clone() };
        restore(&path, Some(house), &request).expect("is restored");
        let Opened { house, troubles } = open(&path);
        assert_eq!((facts(&house), troubles.len()), (1, 1));
    }

    #[test]
    fn nothing_is_restored_while_something_still_uses_the_home_or_from_no_file() {
        let (_directory, path, house, _) = founded();
        let made = backup(&house.handle(), &api::BackupRequest::default(), today()).expect("is made");
        let handle = house.handle();
        let busy = restore(&path, Some(house), &api::RestoreRequest { path: made.path }).expect_err("is in use");
        assert_eq!(busy.kind, ProblemKind::Busy);
        drop(handle);
        for wrong in ["relative", "/no/such/file", "/"] {
            let problem = restore(&path, None, &api::RestoreRequest { path: wrong.into() }).expect_err("is refused");
            assert_eq!((problem.kind, problem.field.as_deref()), (ProblemKind::Invalid, Some("path")), "{wrong}");
        }
        open(&path);
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_other_failures_are_not() {
        let full = StoreError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(storage_problem(&full).status, 507);
        let failed = StoreError::from(io::Error::other("gone"));
        assert_eq!(storage_problem(&failed).status, 503);
        assert_eq!(storage_problem(&StoreError::Locked(Scope::Mine)).kind, ProblemKind::Locked);
        assert_eq!(sentence("the disk is full"), "The disk is full.");
    }
}
