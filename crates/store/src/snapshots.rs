//! Rolling snapshots of the database, backups, and restoring both.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use betwixt_model::document::Scope;
use jiff::civil::Date;
use rand_core::{OsRng, RngCore};
use redb::ReadableTableMetadata;

use crate::archive::{self, Archive, ArchiveError, ChunkWriter};
use crate::chunks::{ChunkName, Chunks};
use crate::error::StoreError;
use crate::files;
use crate::home::{DATABASE, Home, HomeError, KEYS, RowBytes, SNAPSHOTS, set_aside, take_lock};
use crate::keys::file::KeysFile;
use crate::keys::{DataKeys, KeysError};
use crate::packing::LONG;
use crate::place;
use crate::rebuild::rebuild;
use crate::searching;
use crate::source::{Source, Transaction};
use crate::store::Store;
use crate::tables::{Area, SCOPES, Span, guarded};
use crate::verify::{is_whole, scope_keys, verify_archive};

const SUFFIX: &str = ".snapshot";
/// What the name of a file ends with that is not verified yet.
const UNFINISHED: &str = ".new";

/// How many of the last days with a snapshot keep theirs.
pub const DAYS: usize = 3;

/// How many of the last weeks with a snapshot keep one, their newest.
pub const WEEKS: usize = 4;

/// A snapshot in `snapshots/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotInfo {
    /// The day on which it was taken.
    pub date: Date,
    /// Its name: the day.
    pub name: String,
    /// How much it holds, in bytes; most of that is what other snapshots hold, too.
    pub bytes: u64,
}

/// Why a snapshot or a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something is at the path already.
    #[error("{} is there already: choose another name", .0.display())]
    Exists(PathBuf),
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written did not read back whole, or could not be written. The snapshots of before are all there.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database has rows that do not decrypt: a snapshot of it would take the place of a better one.
    #[error("the database has {0} damaged rows, so that no snapshot was made: run `betwixt verify`")]
    Damaged(usize),
    /// The home is about to be closed. The snapshots of before are all there.
    #[error("the home is about to be closed, and no snapshot was made")]
    Closing,
}

/// Why nothing was restored. Unless the error says otherwise, everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a home, and it was not said that it may be replaced.
    #[error("{} is a home of Betwixt already: say that it is to be replaced, or restore into another directory", .0.display())]
    HomeThere(PathBuf),
    /// The home's database is open.
    #[error("the database is in use: close it first (`betwixt down`)")]
    InUse,
    /// No snapshot of that name.
    #[error("there is no snapshot named {0}")]
    Unknown(String),
    /// A snapshot, which has no keys, where a backup is needed; or one of another home.
    #[error("{} belongs to another home's keys, or has none: restore a backup, or a snapshot in the home that it is of", .0.display())]
    OtherKeys(PathBuf),
    /// The file is not readable or not whole.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The new database could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The home could not be changed.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The keys file could not be.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl Home {
    /// Takes today's snapshot, in the place of an earlier one of the same day, and lets go of those that are older than
    /// the last [`DAYS`] days with one and are not the newest of one of the last [`WEEKS`] weeks. Every row of the database is
    /// decrypted, as far as keys are there, and every part of the snapshot read back, before it takes a name or anything is
    /// let go.
    ///
    /// Only what is new since the snapshots before is written; parts of theirs that are no longer whole are mended. The index
    /// is left out, since it is built from the rest.
    ///
    /// # Errors
    /// [`SnapshotError`]; all snapshots of before are there then.
    pub fn take_snapshot(&self, store: &Store, keys: &DataKeys, today: Date) -> Result<SnapshotInfo, SnapshotError> {
        let directory = self.path().join(SNAPSHOTS);
        let failed = |source| ArchiveError::File { path: directory.clone(), source };
        files::make_directory(&directory).map_err(failed)?;
        let path = directory.join(format!("{today}{SUFFIX}"));
        clear_unfinished(&directory).map_err(failed)?;
        match write_chunked(store, keys, &path, &|| self.is_closing()) {
            Ok(bytes) => *self.row_bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes),
            Err(error) => {
                // Gives back the room that the attempt took.
                sweep(&directory);
                return Err(error);
            }
        }
        let all = self.snapshots().map_err(failed)?;
        for old in superfluous(&all, today) {
            fs::remove_file(directory.join(format!("{}{SUFFIX}", old.name))).map_err(failed)?;
        }
        sweep(&directory);
        let bytes = snapshot_bytes(&path)?;
        Ok(SnapshotInfo { date: today, name: today.to_string(), bytes })
    }

    /// The snapshots that there are, oldest first.
    ///
    /// # Errors
    /// What reading the directory gives.
    pub fn snapshots(&self) -> std::io::Result<Vec<SnapshotInfo>> {
        let info = |(name, length): (String, u64)| {
            let name = name.strip_suffix(SUFFIX)?.to_owned();
            let date = name.parse().ok()?;
            let bytes = snapshot_bytes(&self.snapshot_path(&name)).unwrap_or(length);
            Some(SnapshotInfo { date, name, bytes })
        };
        let mut all: Vec<_> = files::list(&self.path().join(SNAPSHOTS))?.into_iter().filter_map(info).collect();
        all.sort();
        Ok(all)
    }

    /// Where a snapshot lies.
    pub fn snapshot_path(&self, name: &str) -> PathBuf {
        self.path().join(SNAPSHOTS).join(format!("{name}{SUFFIX}"))
    }

    /// Writes everything, with the wrapped keys, into one file that [`Home::restore`] takes: it opens with the passphrase
    /// of today, also when that is changed later. Verified before it takes its name.
    ///
    /// # Errors
    /// [`SnapshotError::Exists`]: nothing is overwritten or removed that was there before. A crash in the midst of it
    /// leaves a file beside the path, whose name ends with `.new`.
    pub fn backup(&self, store: &Store, keys: &DataKeys, path: &Path) -> Result<(), SnapshotError> {
        if path.exists() {
            return Err(SnapshotError::Exists(path.to_owned()));
        }
        let keys_file = self.keys_file().clone().seal();
        let keys_file = keys_file.map_err(|error| StoreError::Unstorable(error.to_string()))?;
        write_verified(store, keys, path, &keys_file)?.put(path)
    }

    /// Puts a snapshot of this home in the place of its database, which is kept in `aside/`. What was written since comes
    /// back from the partner's device when they meet. The next opening says that the home was restored.
    ///
    /// # Errors
    /// [`RestoreError`]. The snapshot is verified before anything is touched.
    pub fn restore_snapshot(&self, name: &str) -> Result<(), RestoreError> {
        let known = self.snapshots().map_err(HomeError::file(self.path()))?;
        if known.iter().all(|snapshot| snapshot.name != name) {
            return Err(RestoreError::Unknown(name.to_owned()));
        }
        if self.store.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0 {
            return Err(RestoreError::InUse);
        }
        let path = self.snapshot_path(name);
        let archive = Archive::open(&path)?;
        if archive.plain.keys != self.keys_file().key_ids() {
            return Err(RestoreError::OtherKeys(path));
        }
        put_database(self.path(), archive)
    }

    /// Makes a home out of a backup, or replaces one, where `replace` says so: what was there is kept in its `aside/`. The
    /// new home opens as the backup's did; its first opening says that it was restored.
    ///
    /// # Errors
    /// [`RestoreError`]. The backup is verified before anything is touched.
    pub fn restore(backup: &Path, home: &Path, replace: bool) -> Result<(), RestoreError> {
        let archive = Archive::open(backup)?;
        let keys_file = archive.keys_file.clone();
        if keys_file.is_empty() || KeysFile::parse(&keys_file)?.key_ids() != archive.plain.keys {
            return Err(RestoreError::OtherKeys(backup.to_owned()));
        }
        let there = [KEYS, DATABASE].iter().any(|name| home.join(name).exists());
        if there && !replace {
            return Err(RestoreError::HomeThere(home.to_owned()));
        }
        files::make_directory(home).map_err(HomeError::file(home))?;
        let _lock = take_lock(home)?;
        let keys = home.join(KEYS);
        put_database(home, archive)?;
        // A crash here leaves a database that says that it belongs to other keys; restoring again mends it.
        if fs::read(&keys).ok().as_deref() != Some(&keys_file) {
            set_aside(home, &keys)?;
            files::replace(&keys, &keys_file).map_err(HomeError::file(&keys))?;
        }
        Ok(())
    }
}

fn put_database(home: &Path, archive: Archive) -> Result<(), RestoreError> {
    let path = home.join(DATABASE);
    let new = home.join("betwixt.redb.new");
    let plain = archive.plain;
    rebuild(&new, &plain, |database| {
        archive.rows(|scope, area, key, sealed| Ok::<_, RestoreError>(database.put(scope, area, key, sealed)?))?;
        Ok::<_, RestoreError>(())
    })?;
    // First of all: from here on the home counts as restored, however far this comes.
    place::forget(home).map_err(HomeError::file(home))?;
    set_aside(home, &path)?;
    fs::rename(&new, &path).and_then(|()| files::sync_parent(&path)).map_err(HomeError::file(&path))?;
    // It was built of what was there before.
    searching::remove_indexes(home);
    Ok(())
}

/// A file that is written and verified, and has no name of its own yet. Dropped, it goes.
struct Unnamed(PathBuf);

impl Unnamed {
    /// Beside a path, under a name that nothing has.
    fn beside(path: &Path) -> io::Result<(Self, File)> {
        let mut distinct = [0; 8];
        OsRng.fill_bytes(&mut distinct);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}{UNFINISHED}", betwixt_model::ids::encode_base32(&distinct)));
        let new = PathBuf::from(name);
        let file = files::create_new(&new)?;
        Ok((Self(new), file))
    }

    /// Gives it a path's name, whatever has that now.
    fn replace(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.0, path).and_then(|()| files::sync_parent(path))
    }

    /// Gives it a path's name, which nothing may have.
    fn put(self, path: &Path) -> Result<(), SnapshotError> {
        let failed = |source| ArchiveError::File { path: path.to_owned(), source };
        match fs::hard_link(&self.0, path) {
            Ok(()) => Ok(files::sync_parent(path).map_err(failed)?),
            // File systems without links, of USB sticks for instance, can only be looked at first.
            Err(_) if !path.exists() => Ok(self.replace(path).map_err(failed)?),
            Err(_) => Err(SnapshotError::Exists(path.to_owned())),
        }
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // Gives back the room, unless it has a name by now; what came of it was told.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what a crash left in a directory where only snapshots are made.
fn clear_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|path| path.ends_with(UNFINISHED)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// How much a snapshot or a backup holds, in bytes.
///
/// # Errors
/// [`ArchiveError`] when the file is not whole. The parts that a snapshot names are not looked at.
pub fn snapshot_bytes(path: &Path) -> Result<u64, ArchiveError> {
    let archive = Archive::open_unread(path)?;
    let own = fs::metadata(path).map_err(|source| ArchiveError::File { path: path.to_owned(), source })?.len();
    Ok(own + archive.chunks().iter().map(|(_, length)| length).sum::<u64>())
}

/// Answers how many bytes all rows of the database have, those that are left out among them.
fn write_chunked(
    store: &Store,
    keys: &DataKeys,
    path: &Path,
    given_up: &dyn Fn() -> bool,
) -> Result<RowBytes, SnapshotError> {
    let failed = |source| ArchiveError::File { path: path.to_owned(), source };
    let view = store.read()?;
    let keys = scope_keys(keys);
    let mut writer = ChunkWriter::new(Chunks::beside(path));
    let (mut damaged, mut bytes) = (0, RowBytes::default());
    for (scope, area) in SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, *area))) {
        let key = keys[usize::from(scope == Scope::Mine)].as_ref();
        // A scan is the database's; what a chunk's file says is kept beside it.
        let mut written = Ok(());
        let mut scanned = 0;
        view.scan(scope, area, Span::ALL, &mut |at, sealed| {
            scanned += 1;
            bytes.all += (at.len() + sealed.len()) as u64;
            if area == Area::Rows && key.is_some() && sealed.len() <= LONG {
                bytes.unpacked += (at.len() + sealed.len()) as u64;
            }
            damaged += usize::from(key.is_some_and(|key| !is_whole(Some(&view), key, scope, area, at, sealed)));
            if !area.is_derived() {
                written = writer.row(scope, area, at, sealed);
            }
            Ok(written.is_ok() && !given_up())
        })?;
        written?;
        if given_up() {
            return Err(SnapshotError::Closing);
        }
        // A page that leads elsewhere loses rows without a sign.
        let counted = view.held().watch(guarded(|| view.with_table(scope, area, |table| Ok(table.len()?))))?;
        damaged += usize::from(counted != scanned);
    }
    if damaged > 0 {
        return Err(SnapshotError::Damaged(damaged));
    }
    let (new, file) = Unnamed::beside(path).map_err(failed)?;
    writer.finish(&file, &view.plain()?, path)?;
    file.sync_all().map_err(failed)?;
    Archive::open_unread(&new.0)?;
    new.replace(path).map_err(failed)?;
    Ok(bytes)
}

/// Lets go of chunks that no snapshot names. Where a snapshot cannot be read none goes: it may be readable tomorrow.
pub(crate) fn sweep(directory: &Path) {
    let named = || -> Result<BTreeSet<ChunkName>, ArchiveError> {
        let failed = |source| ArchiveError::File { path: directory.to_owned(), source };
        let mut named = BTreeSet::new();
        for (name, _) in files::list(directory).map_err(failed)? {
            if name.ends_with(SUFFIX) {
                let archive = Archive::open_unread(&directory.join(name))?;
                named.extend(archive.chunks().iter().map(|(name, _)| *name));
            }
        }
        Ok(named)
    };
    let swept = named()
        .map_err(|error| error.to_string())
        .and_then(|named| Chunks::beside(&directory.join(SUFFIX)).retain(&named).map_err(|error| error.to_string()));
    if let Err(error) = swept {
        tracing::warn!(%error, "parts of snapshots that nothing names stay");
    }
}

fn write_verified(store: &Store, keys: &DataKeys, path: &Path, keys_file: &[u8]) -> Result<Unnamed, SnapshotError> {
    let failed = |source| ArchiveError::File { path: path.to_owned(), source };
    let (new, file) = Unnamed::beside(path).map_err(failed)?;
    archive::write(&store.read()?, &file, keys_file)?;
    file.sync_all().map_err(failed)?;
    let report = verify_archive(&new.0, keys)?;
    if report.damaged > 0 {
        return Err(SnapshotError::Damaged(report.damaged));
    }
    Ok(new)
}

/// Those that rolling lets go. Snapshots of days to come, which a clock that was ahead leaves, stay until they are past.
fn superfluous(all: &[SnapshotInfo], today: Date) -> Vec<&SnapshotInfo> {
    let past: Vec<_> = all.iter().rev().filter(|snapshot| snapshot.date <= today).collect();
    let mut weeks = Vec::new();
    let mut superfluous = Vec::new();
    for (position, snapshot) in past.into_iter().enumerate() {
        let week = snapshot.date.iso_week_date();
        let week = (week.year(), week.week());
        let first_of_week = !weeks.contains(&week);
        if first_of_week {
            weeks.push(week);
        }
        if position >= DAYS && !(first_of_week && weeks.len() <= WEEKS) {
            superfluous.push(snapshot);
        }
    }
    superfluous
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_keeps_three_days_and_four_weeks() {
        let start: Date = "2026-01-01".parse().unwrap();
        let mut kept: Vec<SnapshotInfo> = Vec::new();
        for day in 0..60 {
            let today = start.checked_add(jiff::Span::new().days(day)).unwrap();
            kept.push(SnapshotInfo { date: today, name: today.to_string(), bytes: 0 });
            let gone: Vec<_> = superfluous(&kept, today).into_iter().cloned().collect();
            kept.retain(|snapshot| !gone.contains(snapshot));
            assert!(kept.len() <= DAYS + WEEKS);
        }
        let names: Vec<_> = kept.iter().map(|snapshot| snapshot.name.as_str()).collect();
        // 2026-03-01 is a Sunday: the weeks' newest are Sundays.
        assert_eq!(names, ["2026-02-08", "2026-02-15", "2026-02-22", "2026-02-27", "2026-02-28", "2026-03-01"]);
        // A clock that was set back sees later ones, and lets none of them go.
        assert!(superfluous(&kept, start).is_empty());
    }
}
