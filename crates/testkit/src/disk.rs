//! Disks that do what disks do: lose what was not synced, fail, fill up. The real store runs on them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use betwixt_store::disk::Disk;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use redb::StorageBackend;

/// What a disk tears a write at, in bytes.
const SECTOR: usize = 512;

/// A disk that keeps writes apart until they are synced, and at a crash loses what was not.
///
/// At a crash every unsynced write is kept, lost or torn between sectors, each by itself, in whatever order they were
/// made: that is what a write-back cache does. Changes of the length are journalled, as file systems do, so of those some
/// first ones are kept; what was written beyond the length is gone.
#[derive(Debug, Clone, Default)]
pub struct CrashDisk {
    state: Arc<Mutex<Crashing>>,
}

#[derive(Debug, Default)]
struct Crashing {
    /// As a reader before the crash sees it.
    live: Vec<u8>,
    /// As it is certain to be after a crash.
    durable: Vec<u8>,
    unsynced: Vec<Operation>,
    /// Counts crashes: what was opened before one is dead after it.
    life: u64,
    syncs: u64,
    /// It says that it has made durable what it has not.
    lies: bool,
}

#[derive(Debug)]
enum Operation {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

/// What a crash did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crash {
    /// How many writes and changes of the length had not been synced.
    pub unsynced: usize,
    /// How many of them are lost or torn.
    pub lost: usize,
}

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pulls the plug. What is opened on the disk from here on finds what was synced and a random part of the rest; what
    /// was opened before gets errors only.
    pub fn crash(&self, seed: u64) -> Crash {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut state = self.lock();
        state.life += 1;
        let unsynced = std::mem::take(&mut state.unsynced);
        let mut crash = Crash { unsynced: unsynced.len(), lost: 0 };
        let lengths = unsynced.iter().filter(|operation| matches!(operation, Operation::Length(_))).count();
        let mut kept_lengths = rng.next_u64() as usize % (lengths + 1);
        // Some crashes keep nearly all, some nearly nothing.
        let odds = rng.next_u32() % 101;
        let mut bytes = std::mem::take(&mut state.durable);
        let length = unsynced.iter().filter_map(|operation| match operation {
            Operation::Length(length) => Some(*length),
            Operation::Write { .. } => None,
        });
        let length = length.take(kept_lengths).last().unwrap_or(bytes.len());
        for operation in unsynced {
            match operation {
                Operation::Length(length) if kept_lengths > 0 => {
                    kept_lengths -= 1;
                    bytes.resize(length, 0);
                }
                Operation::Length(_) => crash.lost += 1,
                Operation::Write { .. } if rng.next_u32() % 100 >= odds => crash.lost += 1,
                Operation::Write { offset, data } => {
                    let torn = rng.next_u32() % 8 == 0;
                    crash.lost += usize::from(torn);
                    for (sector, piece) in data.chunks(SECTOR).enumerate() {
                        if !torn || rng.next_u32() % 2 == 0 {
                            overlay(&mut bytes, offset + sector * SECTOR, piece);
                        }
                    }
                }
            }
        }
        bytes.resize(length, 0);
        state.live.clone_from(&bytes);
        state.durable = bytes;
        crash
    }

    /// From now on it answers that it has made things durable and has not, as disks with a write-back cache and no battery do;
    /// or it is honest again, and makes durable what is asked for from then on.
    pub fn set_lying(&self, lies: bool) {
        self.lock().lies = lies;
    }

    /// Another disk with what a reader of this one sees now.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let bytes = self.lock().live.clone();
        let state = Crashing { live: bytes.clone(), durable: bytes, ..Crashing::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How often something was made durable.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How many writes and changes of the length a crash could lose now.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    fn lock(&self) -> MutexGuard<'_, Crashing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes into what is there, and drops what lies beyond.
fn overlay(bytes: &mut [u8], offset: usize, piece: &[u8]) {
    if let Some(room) = bytes.get_mut(offset..) {
        let length = room.len().min(piece.len());
        room[..length].copy_from_slice(&piece[..length]);
    }
}

impl Disk for CrashDisk {
    fn open(&self, _create: bool) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(CrashBackend { disk: self.clone(), life: self.lock().life }))
    }
}

#[derive(Debug)]
struct CrashBackend {
    disk: CrashDisk,
    life: u64,
}

impl CrashBackend {
    fn alive(&self) -> io::Result<MutexGuard<'_, Crashing>> {
        let state = self.disk.lock();
        if state.life == self.life { Ok(state) } else { Err(io::Error::other("the machine has crashed")) }
    }
}

impl StorageBackend for CrashBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.alive()?;
        let bytes = state.live.get(offset as usize..).and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        state.live.resize(length as usize, 0);
        state.unsynced.push(Operation::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        let state = &mut *state;
        state.syncs += 1;
        if state.lies {
            return Ok(());
        }
        for operation in state.unsynced.drain(..) {
            match operation {
                Operation::Length(length) => state.durable.resize(length, 0),
                Operation::Write { offset, data } => overlay(&mut state.durable, offset, &data),
            }
        }
        debug_assert_eq!(state.durable.len(), state.live.len());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        let offset = offset as usize;
        let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::InvalidInput)?;
        if end > state.live.len() {
            return Err(io::Error::other("a write beyond the length that was set"));
        }
        overlay(&mut state.live, offset, data);
        state.unsynced.push(Operation::Write { offset, data: data.to_vec() });
        Ok(())
    }
}

/// How a [`FailingDisk`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Every operation fails (EIO).
    Broken,
    /// Writing and growing fail (ENOSPC); reading works.
    Full,
    /// Everything but reading fails (EROFS).
    ReadOnly,
    /// Of a write the first half is done, and then it fails (a short write of a full disk); growing fails, reading works.
    Short,
    /// Making durable fails (EIO of fdatasync); everything else works.
    NotSynced,
}

/// A disk that fails after a number of operations, until it is healed. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FailingDisk {
    inner: Arc<dyn Disk>,
    state: Arc<Mutex<Failing>>,
}

#[derive(Debug, Default)]
struct Failing {
    operations: u64,
    /// Of them, those that change what is on the disk.
    writes: u64,
    /// Fails from this operation on, counted so.
    from: Option<(Counted, u64, Failure)>,
    failed: u64,
}

/// What is counted until a disk fails.
#[derive(Debug, Clone, Copy)]
enum Counted {
    Operations,
    Writes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Write,
    Grow,
    Sync,
}

impl FailingDisk {
    /// A disk that works like another.
    pub fn new(inner: impl Disk) -> Self {
        Self { inner: Arc::new(inner), state: Arc::default() }
    }

    /// Lets everything fail after so many more operations (reads, writes, syncs, changes of the length).
    pub fn fail_after(&self, operations: u64, failure: Failure) {
        let mut state = self.lock();
        state.from = Some((Counted::Operations, state.operations + operations, failure));
    }

    /// The same after so many more operations that change what is on the disk (writes, syncs, changes of the length).
    pub fn fail_after_writes(&self, writes: u64, failure: Failure) {
        let mut state = self.lock();
        state.from = Some((Counted::Writes, state.writes + writes, failure));
    }

    /// Mends the disk.
    pub fn heal(&self) {
        self.lock().from = None;
    }

    /// How many operations there were so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many operations failed so far.
    pub fn failed(&self) -> u64 {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, Failing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation, and fails it if it is to fail.
    fn step(&self, step: Step) -> io::Result<()> {
        let mut state = self.lock();
        state.operations += 1;
        state.writes += u64::from(step != Step::Read);
        let failure = match state.from {
            Some((Counted::Operations, from, failure)) if state.operations > from => failure,
            Some((Counted::Writes, from, failure)) if state.writes > from => failure,
            _ => return Ok(()),
        };
        let error = match (failure, step) {
            (Failure::Broken, _) | (Failure::NotSynced, Step::Sync) => io::Error::other("input/output error"),
            (Failure::Full | Failure::Short, Step::Write | Step::Grow) => io::ErrorKind::StorageFull.into(),
            (Failure::ReadOnly, Step::Write | Step::Grow | Step::Sync) => io::ErrorKind::ReadOnlyFilesystem.into(),
            (Failure::Full | Failure::Short | Failure::ReadOnly | Failure::NotSynced, _) => return Ok(()),
        };
        state.failed += 1;
        Err(error)
    }

    /// Whether a write that fails is done by half.
    fn cuts_short(&self) -> bool {
        matches!(self.lock().from, Some((_, _, Failure::Short)))
    }
}

impl Disk for FailingDisk {
    fn open(&self, create: bool) -> io::Result<Box<dyn StorageBackend>> {
        self.step(Step::Read)?;
        Ok(Box::new(FailingBackend { disk: self.clone(), inner: self.inner.open(create)? }))
    }
}

#[derive(Debug)]
struct FailingBackend {
    disk: FailingDisk,
    inner: Box<dyn StorageBackend>,
}

impl StorageBackend for FailingBackend {
    fn len(&self) -> io::Result<u64> {
        self.disk.step(Step::Read)?;
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.step(Step::Read)?;
        self.inner.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.step(Step::Grow)?;
        self.inner.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.step(Step::Sync)?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.step(Step::Write) {
            if self.disk.cuts_short() {
                self.inner.write(offset, &data[..data.len() / 2])?;
            }
            return Err(error);
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}
