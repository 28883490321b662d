//! What a device runs on: a disk that loses what was not synced, and a plug that can be pulled in the middle of a commit.

use betwixt_daemon::replica::Stage;
use betwixt_model::ids::EpochId;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::draw;
use crate::disk::{CrashDisk, FailingDisk, Failure};

/// The keys and the disk of a home.
pub(super) struct Power {
    keys: DataKeys,
    platters: CrashDisk,
    disk: FailingDisk,
}

impl Power {
    /// A new disk with an empty store on it.
    pub(super) fn new(rng: &mut ChaCha20Rng) -> (Self, Store) {
        let keys = DataKeys::random(rng);
        let platters = CrashDisk::new();
        let disk = FailingDisk::new(platters.clone());
        let store = Store::create(disk.clone(), &keys, options()).expect("an empty disk in memory takes a store");
        // The epoch names Automerge's actors: drawn from the seed, so that a seed gives the same run.
        begin_epoch(&store, rng);
        (Self { keys, platters, disk }, store)
    }

    /// The same keys and a copy of the disk: a home that was copied.
    pub(super) fn copy(&self) -> Self {
        let platters = self.platters.duplicate();
        let disk = FailingDisk::new(platters.clone());
        Self { keys: self.keys.clone(), platters, disk }
    }

    /// After so many more writes the disk fails like this, until [`Power::heal`].
    pub(super) fn break_after(&self, writes: u64, failure: Failure) {
        self.disk.fail_after_writes(writes, failure);
    }

    /// The disk works again.
    pub(super) fn heal(&self) {
        self.disk.heal();
    }

    /// Whether some operation on the disk has ever failed.
    pub(super) fn has_failed(&self) -> bool {
        self.disk.failed() > 0
    }

    /// How many did.
    pub(super) fn failed(&self) -> u64 {
        self.disk.failed()
    }

    /// Pulls the plug, before the commit of this stage began or after some of its operations on the disk. A commit that
    /// came to its end is durable although nobody was told, and so may be one that failed at its last operations.
    pub(super) fn fail(&mut self, stage: Option<Stage>, rng: &mut ChaCha20Rng) {
        if let Some(stage) = stage
            && draw(rng, 4) > 0
        {
            self.disk.fail_after(u64::from(draw(rng, 24)), Failure::Broken);
            let _ = stage.commit();
        }
        self.platters.crash(rng.next_u64());
        self.disk.heal();
    }

    /// From now on the disk says that it has made things durable and has not; or it is honest again.
    pub(super) fn set_lying(&self, lies: bool) {
        self.platters.set_lying(lies);
    }

    /// What a disk that lied leaves may be no store, or one of which something is damaged; it says so.
    pub(super) fn open_if_whole(&self) -> Option<Store> {
        let store = Store::open(self.disk.clone(), &self.keys, options()).ok()?;
        let whole = store.verify(&mut |_, _| Ok(())).is_ok_and(|report| report.is_whole());
        whole.then_some(store)
    }

    /// Locks the private part of a store with these keys, or unlocks it.
    pub(super) fn lock(&self, store: &Store, locked: bool) {
        match &self.keys.mine {
            Some(key) if !locked => store.unlock_mine(key).expect("it is the key that the store was made with"),
            _ => store.lock_mine(),
        }
    }

    /// The store as it is on the disk.
    pub(super) fn open(&self) -> Store {
        Store::open(self.disk.clone(), &self.keys, options()).expect("what a crash leaves is a whole store")
    }
}

/// Begins an epoch of the store that the seed names.
pub(super) fn begin_epoch(store: &Store, rng: &mut ChaCha20Rng) {
    let mut epoch = [0; 32];
    rng.fill_bytes(&mut epoch);
    let mut batch = store.begin().expect("the store takes a batch");
    batch.begin_epoch(&EpochId::from_bytes(epoch)).expect("the store takes an epoch");
    batch.commit().expect("a disk in memory does not fail");
}

/// A small cache, and no check of every page on opening: thousands of homes are opened.
fn options() -> StoreOptions {
    StoreOptions { cache: 1 << 20, check: false, ..StoreOptions::default() }
}
