//! Backups and rolling snapshots of a home: making, listing and restoring them. All of it blocks.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use betwixt_api as api;
use betwixt_api::Problem;
use betwixt_store::Home;
use jiff::civil::Date;

use crate::answer::problem::{file_problem, home_problem, invalid_path, restore_problem, snapshot_problem};
use crate::house::{Handle, House};

/// Where backups go that are given no path, in the home.
const BACKUPS: &str = "backups";
const SUFFIX: &str = ".betwixt";
/// Where the store keeps its snapshots.
const SNAPSHOTS: &str = "snapshots";
const SNAPSHOT_SUFFIX: &str = ".snapshot";

/// Writes a backup, encrypted as the home is; verified before it takes its name.
///
/// # Errors
/// [`api::ProblemKind::Invalid`] about `path`, [`api::ProblemKind::Damaged`], or what the disk says.
pub(crate) fn backup(handle: &Handle, request: &api::BackupRequest, today: Date) -> Result<api::Backup, Problem> {
    let path = match &request.path {
        Some(path) => absolute(path)?,
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
    Ok(api::Backup { path: path.display().to_string(), bytes, made_on: Some(today.to_string()), snapshot: None })
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
/// [`api::ProblemKind::Storage`] when the home's directory cannot be read.
pub(crate) fn list(home: &Path) -> Result<Vec<api::Backup>, Problem> {
    let home = &std::path::absolute(home).map_err(|error| file_problem(&error))?;
    let mut all = listed(&home.join(BACKUPS)).map_err(|error| file_problem(&error))?;
    all.extend(snapshots(home).map_err(|error| file_problem(&error))?);
    all.sort_by(|one, other| (other.date, &other.path).cmp(&(one.date, &one.path)));
    let backup = |found: Found| api::Backup {
        path: found.path.display().to_string(),
        bytes: found.bytes,
        made_on: found.date.map(|date| date.to_string()),
        snapshot: found.snapshot,
    };
    Ok(all.into_iter().map(backup).collect())
}

/// The backups in the home that were given no path.
pub(super) fn backup_files(home: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(listed(&home.join(BACKUPS))?.into_iter().map(|found| found.path).collect())
}

/// A file to restore from.
struct Found {
    path: PathBuf,
    bytes: u64,
    date: Option<Date>,
    /// Its name, if it is a snapshot.
    snapshot: Option<String>,
}

fn listed(directory: &Path) -> io::Result<Vec<Found>> {
    files(directory, SUFFIX)
}

fn snapshots(home: &Path) -> io::Result<Vec<Found>> {
    let mut found = files(&home.join(SNAPSHOTS), SNAPSHOT_SUFFIX)?;
    for snapshot in &mut found {
        // One that is damaged is listed all the same.
        snapshot.bytes = betwixt_store::snapshot_bytes(&snapshot.path).unwrap_or(snapshot.bytes);
    }
    Ok(found)
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
            let snapshot = (suffix == SNAPSHOT_SUFFIX).then(|| stem.to_owned());
            found.push(Found { path: entry.path(), bytes: metadata.len(), date, snapshot });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Puts a backup, or a snapshot of this home, in the place of what the home holds, which is kept aside. Closes the house
/// first, if there is one; the home is locked afterwards, whatever comes of it.
///
/// # Errors
/// [`api::ProblemKind::Busy`] while a [`Handle`] is left, [`api::ProblemKind::Invalid`] about `path`, [`api::ProblemKind::NotFound`] about `snapshot`, [`api::ProblemKind::Damaged`], or
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
    let home = &std::path::absolute(home).map_err(|error| file_problem(&error))?;
    let before = set_aside(home).map_err(|error| file_problem(&error))?;
    match request {
        api::RestoreRequest::Path(path) => {
            let from = absolute(path)?;
            match snapshot_at(home, &from).map_err(|error| file_problem(&error))? {
                Some(name) => restore_snapshot(home, &name)?,
                None => Home::restore(&from, home, true).map_err(|error| restore_problem(&error))?,
            }
        }
        api::RestoreRequest::Snapshot(name) => restore_snapshot(home, name)?,
    }
    // It is restored; where the former content is cannot make that an error any more.
    let after = set_aside(home).unwrap_or_default();
    let kept = after.difference(&before).next();
    Ok(api::Restored { kept_aside: kept.map(|path| path.display().to_string()) })
}

fn restore_snapshot(home: &Path, name: &str) -> Result<(), Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    home.restore_snapshot(name).map_err(|error| restore_problem(&error))
}

/// The name of the home's snapshot that lies at a path, if one does.
fn snapshot_at(home: &Path, path: &Path) -> io::Result<Option<String>> {
    let Ok(path) = path.canonicalize() else { return Ok(None) };
    let found = snapshots(home)?.into_iter().find(|found| found.path.canonicalize().is_ok_and(|known| known == path));
    Ok(found.and_then(|found| found.snapshot))
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

#[cfg(test)]
mod tests {
    use betwixt_api::{ProblemKind, Secret};
    use betwixt_model::document::Scope;
    use betwixt_model::say::Saying;
    use rand_core::OsRng;
    use serde_json::json;

    use super::*;
    use crate::answer::verify::verify;
    use crate::house::tests::{PASSPHRASE, founded};
    use crate::house::{Opened, unlock};
    use crate::replica::Progress;

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
        let report = verify(&house.handle(), &house.spaces()).expect("verifies").report;
        assert_eq!(report.damaged, Vec::new());
        report.facts
    }

    fn open(path: &Path) -> Opened {
        unlock(path, &Secret::from(PASSPHRASE.to_owned()), Progress::default()).expect("opens")
    }

    #[test]
    fn a_healthy_home_verifies_with_the_facts_that_it_holds() {
        let (_directory, path, mut house, _) = founded();
        assert_eq!(facts(&house), 0);
        write(&mut house, "one");
        write(&mut house, "two");
        let report = verify(&house.handle(), &house.spaces()).expect("verifies").report;
        assert_eq!((report.documents, report.facts, report.damaged), (1, 2, Vec::new()));
        snapshot_if_due(&house.handle(), today()).expect("takes one");
        snapshot_if_due(&house.handle(), today()).expect("is done already");
        let with_it = verify(&house.handle(), &house.spaces()).expect("verifies").report;
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
        let report = verify(&house.handle(), &house.spaces()).expect("verifies").report;
        assert_eq!(report.damaged.len(), 1);
        let request = api::RestoreRequest::Path(made.path);
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
        let problem = unlock(&path, &Secret::from(PASSPHRASE.to_owned()), Progress::default()).expect_err("is damaged");
        assert_eq!(problem.kind, ProblemKind::Damaged);
        let snapshot = list(&path).expect("are listed").remove(0).snapshot.expect("is a snapshot");
        assert!(problem.detail.contains(&format!("--snapshot {snapshot}`")), "{problem}");
        let none = restore(&path, None, &api::RestoreRequest::Snapshot("2001-01-01".into())).expect_err("is not there");
        assert_eq!(none.kind, ProblemKind::NotFound);
        restore(&path, None, &api::RestoreRequest::Snapshot(snapshot)).expect("is restored");
        assert_eq!(facts(&open(&path).house), 1);
    }

    fn facts_in(house: &House) -> u64 {
        verify(&house.handle(), &house.spaces()).expect("verifies").report.facts
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
        backup(&house.handle(), &other, today()).expect("takes nothing away");
        assert_eq!(std::fs::read(&in_the_way).expect("is there"), b"mine");
        write(&mut house, "two");
        assert_eq!(facts(&house), 2);

        let request = api::RestoreRequest::Path(first.path);
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
        let all = list(&path).expect("are listed");
        let made_on: Vec<_> = all.iter().filter_map(|backup| backup.made_on.as_deref()).collect();
        assert_eq!(made_on, ["2027-01-31", "2027-01-31", "2027-01-30"]);
        let request = api::RestoreRequest::Path(all[2].path.clone());
        restore(&path, Some(house), &request).expect("is restored");
        let Opened { house, troubles } = open(&path);
        assert_eq!((facts(&house), troubles.len()), (1, 1));
        // The index is not in a snapshot: opening has built it. (Documents without one were taken for a home in which nothing was
        // said.)
        let view = house.replica.read().expect("reads");
        let rows = view.reader().rows(Scope::Mine);
        let indexed = betwixt_model::index::all_facts(&rows).map(|part| part.expect("reads").len());
        assert_eq!(indexed.sum::<usize>(), 1);
    }

    #[test]
    fn nothing_is_restored_while_something_still_uses_the_home_or_from_no_file() {
        let (_directory, path, house, _) = founded();
        let made = backup(&house.handle(), &api::BackupRequest::default(), today()).expect("is made");
        let handle = house.handle();
        let busy = restore(&path, Some(house), &api::RestoreRequest::Path(made.path)).expect_err("is in use");
        assert_eq!(busy.kind, ProblemKind::Busy);
        drop(handle);
        for wrong in ["relative", "/no/such/file", "/"] {
            let problem = restore(&path, None, &api::RestoreRequest::Path(wrong.into())).expect_err("is refused");
            assert_eq!((problem.kind, problem.field.as_deref()), (ProblemKind::Invalid, Some("path")), "{wrong}");
        }
        open(&path);
    }
}
