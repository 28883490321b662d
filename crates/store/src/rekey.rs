//! New data keys for a home whose old ones, or whose passphrase, may be known to somebody.
//!
//! Everything is sealed anew into files beside the present ones. Replacing the keys file is what decides: before it, the
//! new files are leftovers; after it, the old ones are. [`finish`] clears up after a crash in either case.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use betwixt_model::document::Scope;
use rand_core::CryptoRngCore;

use crate::archive::{Archive, ArchiveError, ChunkWriter, records};
use crate::chunks::{ChunkName, Chunks};
use crate::dictionaries::newest;
use crate::error::StoreError;
use crate::files;
use crate::home::{DATABASE, Home, HomeError, SNAPSHOTS};
use crate::keys::file::KeysFile;
use crate::keys::{DataKeys, KeysError, Secret};
use crate::open::{OpenError, Plain};
use crate::packing::each_row;
use crate::place;
use crate::rebuild::rebuild;
use crate::seal::ScopeKey;
use crate::searching;
use crate::snapshots::{RestoreError, sweep};
use crate::source::Source;
use crate::squeeze::squeeze;
use crate::store::{Store, StoreOptions};
use crate::tables::{Area, SCOPES, Span, member, renamed, unpack};
use crate::view::View;

pub(crate) const SUFFIX: &str = ".rekey";
pub(crate) const PENDING: &str = "rekey";

/// Why no new keys were made. The home is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The database is open.
    #[error("the database is in use: close it first (`betwixt down`)")]
    InUse,
    /// A row does not decrypt, and could not be sealed anew.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A snapshot could not be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The private key is not among those given, or the keys file could not be written.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file could not be written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl From<RekeyError> for RestoreError {
    fn from(error: RekeyError) -> Self {
        Self::Store(StoreError::Unstorable(error.to_string()))
    }
}

/// Takes a row's name and its sealed value.
type Put<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError>;

/// Seals rows under new keys, and names them anew.
struct Resealing {
    old: [ScopeKey; 2],
    new: [ScopeKey; 2],
}

impl Resealing {
    fn new(old: &DataKeys, new: &DataKeys) -> Result<Self, KeysError> {
        let keys = |keys: &DataKeys| -> Result<[ScopeKey; 2], KeysError> {
            let mine = keys.mine.as_ref().ok_or(KeysError::MineNeeded)?;
            Ok([ScopeKey::new(Scope::Ours, &keys.shared), ScopeKey::new(Scope::Mine, mine)])
        };
        Ok(Self { old: keys(old)?, new: keys(new)? })
    }

    /// A row under its new name, of any table but those of the index.
    fn row(&self, (scope, area): (Scope, Area), at: &[u8], sealed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let table = area.table(scope);
        let damaged = || StoreError::row(table);
        let which = usize::from(scope == Scope::Mine);
        let (old, new) = (&self.old[which], &self.new[which]);
        let packed = old.open(table, at, sealed).map_err(|_| damaged())?;
        let row = unpack(&packed).ok_or_else(damaged)?;
        let name = renamed(new, area, &row, at).ok_or_else(damaged)?;
        let sealed = new.seal(table, &name, &packed);
        Ok((name, sealed))
    }

    /// An index under its new names, in whose order it is no longer, so that its rows are packed only when the file is next written anew.
    fn index(&self, view: &View, scope: Scope, put: Put<'_>) -> Result<(), StoreError> {
        let new = &self.new[usize::from(scope == Scope::Mine)];
        let dictionary = newest(&view.reader(), scope)?;
        each_row(view, scope, &mut |_, row| {
            let name = member(new, Area::Rows, &row.group, &row.key);
            let packed = squeeze(dictionary.as_deref(), &row.group, &row.key, &row.value);
            put(&name, &new.seal(Area::Rows.table(scope), &name, &packed))
        })
    }

    fn ids(&self) -> [crate::keys::KeyId; 2] {
        [self.new[0].id(), self.new[1].id()]
    }
}

impl Home {
    /// Makes new data keys and seals everything anew, the snapshots too; afterwards only `new` opens the home, and every
    /// other way has to be added again. Takes the room of the database and its snapshots once more while it works. Copies
    /// of the old files elsewhere, backups among them, still open as they did; so may what the disk has not overwritten.
    ///
    /// # Errors
    /// [`RekeyError`]; a home with damaged rows is to be mended first.
    pub fn rekey(
        &self,
        old: &DataKeys,
        new: &Secret<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<DataKeys, RekeyError> {
        if self.store.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0 {
            return Err(RekeyError::InUse);
        }
        let keys = DataKeys::random(rng);
        let mut file = KeysFile::new(&keys, rng)?;
        file.home = self.keys_file().home.clone();
        file.add(&keys, new, rng)?;
        let outcome = self.seal_anew(&Resealing::new(old, &keys)?, old).and_then(|()| Ok(self.put_keys(file)?));
        if outcome.is_err() {
            discard(self.path()).map_err(HomeError::file(self.path()))?;
        }
        outcome?;
        finish(self).map_err(HomeError::file(self.path()))?;
        let (store, _) = self.open_store(&keys, StoreOptions::default())?;
        place::write(self.path(), &keys.shared, &store).map_err(HomeError::file(self.path()))?;
        Ok(keys)
    }

    fn seal_anew(&self, resealing: &Resealing, old: &DataKeys) -> Result<(), RekeyError> {
        let pending = self.path().join(PENDING);
        let ids = [*resealing.ids()[0].as_bytes(), *resealing.ids()[1].as_bytes()].concat();
        files::replace(&pending, &ids).map_err(HomeError::file(&pending))?;
        let (store, _): (Store, _) = self.open_store_for_rekey(old)?;
        let view = store.read()?;
        let plain = Plain { keys: resealing.ids(), commits: view.plain()?.commits };
        rebuild(&with_suffix(&self.path().join(DATABASE)), &plain, |database| {
            let all = SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| (scope, *area)));
            for (scope, area) in all.filter(|(_, area)| !matches!(area, Area::Rows | Area::Packed)) {
                view.scan(scope, area, Span::ALL, &mut |at, sealed| {
                    let (name, sealed) = resealing.row((scope, area), at, sealed)?;
                    database.put(scope, area, &name, &sealed)?;
                    Ok(true)
                })?;
            }
            for scope in SCOPES {
                resealing.index(&view, scope, &mut |name, sealed| database.put(scope, Area::Rows, name, sealed))?;
            }
            Ok::<_, RekeyError>(())
        })?;
        let mut resealed = BTreeMap::new();
        for snapshot in self.snapshots().map_err(HomeError::file(self.path()))? {
            reseal_snapshot(resealing, &self.snapshot_path(&snapshot.name), &mut resealed)?;
        }
        files::sync_parent(&self.path().join(SNAPSHOTS).join(PENDING))
            .or_else(missing)
            .map_err(HomeError::file(self.path()))?;
        Ok(())
    }

    /// Opens the database without clearing up what is being made.
    fn open_store_for_rekey(&self, keys: &DataKeys) -> Result<(Store, ()), OpenError> {
        let disk = crate::disk::FileDisk::new(self.path().join(DATABASE));
        Ok((Store::open_in(disk, keys, StoreOptions::default(), crate::aside::Aside::memory())?, ()))
    }
}

/// What became of a chunk: the name, length and number of rows of the one in its place.
type Resealed = BTreeMap<ChunkName, (ChunkName, u64, u64)>;

/// Writes a snapshot anew beside itself. What several have in common is sealed once.
fn reseal_snapshot(resealing: &Resealing, path: &Path, resealed: &mut Resealed) -> Result<(), RekeyError> {
    let failed = |source| ArchiveError::File { path: path.to_owned(), source };
    let archive = Archive::open(path)?;
    let plain = Plain { keys: resealing.ids(), commits: archive.plain.commits };
    let chunks = Chunks::beside(path);
    let mut writer = ChunkWriter::new(chunks.clone());
    let names: Vec<ChunkName> = archive.chunks().iter().map(|(name, _)| *name).collect();
    for name in &names {
        if let Some((name, length, rows)) = resealed.get(name) {
            writer.again(*name, *length, *rows);
            continue;
        }
        let before = writer.rows();
        records(&mut chunks.read(name)?.as_slice(), path, &mut |scope, area, at, sealed| {
            let (at, sealed) = resealing.row((scope, area), at, sealed)?;
            writer.add(scope, area, &at, &sealed);
            Ok::<_, RekeyError>(())
        })?;
        writer.cut()?;
        let last = writer.names().last();
        resealed.extend(last.map(|(new, length)| (*name, (*new, *length, writer.rows() - before))));
    }
    if names.is_empty() {
        // One of before there were chunks, with everything in its file.
        archive.rows(|scope, area, at, sealed| {
            let (at, sealed) = resealing.row((scope, area), at, sealed)?;
            writer.row(scope, area, &at, &sealed)?;
            Ok::<_, RekeyError>(())
        })?;
    }
    let file = files::create_new(&with_suffix(path)).map_err(failed)?;
    writer.finish(&file, &plain, path)?;
    file.sync_all().map_err(failed)?;
    Ok(())
}

fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Clears up after a rekeying that a crash interrupted.
pub(crate) fn finish(home: &Home) -> io::Result<()> {
    let pending = home.path().join(PENDING);
    let made_for = match fs::read(&pending) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let ids = home.keys_file().key_ids();
    if made_for == [*ids[0].as_bytes(), *ids[1].as_bytes()].concat() {
        for path in made(home.path())? {
            let old = path.with_extension("");
            fs::rename(&path, &old)?;
            files::sync_parent(&old)?;
        }
        // Everything that was sealed under the old keys is named by nothing any more.
        sweep(&home.path().join(SNAPSHOTS));
        // Sealed under the keys of before: built anew.
        searching::remove_indexes(home.path());
        fs::remove_file(&pending)?;
        files::sync_parent(&pending)
    } else {
        discard(home.path())
    }
}

fn discard(home: &Path) -> io::Result<()> {
    for path in made(home)? {
        fs::remove_file(path)?;
    }
    sweep(&home.join(SNAPSHOTS));
    fs::remove_file(home.join(PENDING)).or_else(missing)?;
    files::sync_parent(&home.join(PENDING))
}

fn made(home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for directory in [home.to_owned(), home.join(SNAPSHOTS)] {
        let files = files::list(&directory)?.into_iter().filter(|(name, _)| name.ends_with(SUFFIX));
        paths.extend(files.map(|(name, _)| directory.join(name)));
    }
    Ok(paths)
}

fn missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
