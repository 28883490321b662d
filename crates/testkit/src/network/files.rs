//! Attached files of simulated devices: the store's own code, in a directory of the real disk for each device. What a crash leaves
//! of a file that was coming is cut off somewhere; a file that is whole under its name was synced before.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use betwixt_daemon::engine::ChunkPlace;
use betwixt_daemon::replica::Replica;
use betwixt_model::attachment::{self, Attached, FILE, Files, KIND};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, HouseholdId, ItemId};
use betwixt_model::say::Saying;
use betwixt_store::attachments::{AttachmentError, Attachments};
use betwixt_sync::session::ChunkStored;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use tempfile::TempDir;

use super::device::{Device, Input};
use super::said::Said;
use super::{DeviceName, Network, draw};

/// What the names of files end with of which a part came.
const PART: &str = ".part";

/// How much simulated time [`Network::run_until_files_are_there`] gives the devices.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// The attached files on a device's disk; no directory is made before there is one.
#[derive(Default)]
pub(super) struct Shelf {
    directory: OnceCell<(TempDir, Attachments)>,
}

impl Shelf {
    fn files(&self) -> &Attachments {
        let begin = || {
            let directory = TempDir::with_prefix("betwixt-simulated-").expect("a directory can be made");
            let files = Attachments::of(directory.path());
            (directory, files)
        };
        &self.directory.get_or_init(begin).1
    }

    /// The files that are whole.
    pub(super) fn whole(&self, scope: Scope) -> BTreeSet<AttachmentId> {
        if self.directory.get().is_none() {
            return BTreeSet::new();
        }
        self.files().stock(scope).expect("the directory can be listed").whole.into_keys().collect()
    }

    /// Puts a file there.
    fn add(&self, scope: Scope, space: &HouseholdId, content: &[u8]) -> Attached {
        let mut adding = self.files().begin(scope, space).expect("a file can be made");
        adding.write(content).expect("it is short");
        adding.finish("image/jpeg").expect("the real disk takes it")
    }

    pub(super) fn resume(&self, scope: Scope, file: &Attached) -> Option<u32> {
        self.files().resume(scope, file).ok()
    }

    pub(super) fn read(&self, place: &ChunkPlace) -> Option<Vec<u8>> {
        self.files().sealed_chunk(place.scope, &place.file, place.chunk).ok()
    }

    /// What the daemon makes of what comes of a chunk.
    pub(super) fn store(&self, place: &ChunkPlace, space: &HouseholdId, bytes: &[u8]) -> ChunkStored {
        match self.files().append(place.scope, space, &place.file, place.chunk, bytes) {
            Ok(true) => ChunkStored::Whole,
            Ok(false) => ChunkStored::Kept,
            Err(AttachmentError::Damaged) => ChunkStored::Bad,
            Err(_) => ChunkStored::Failed,
        }
    }

    pub(super) fn remove(&self, scope: Scope, files: &[AttachmentId]) {
        files.iter().for_each(|id| self.files().remove(scope, id).expect("the real disk takes it"));
    }

    /// The power fails: of what was coming, the end is lost.
    pub(super) fn crash(&self, rng: &mut ChaCha20Rng) {
        for path in self.paths(|name| name.ends_with(PART)) {
            let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let kept = u64::from(draw(rng, u32::try_from(length).unwrap_or(0).saturating_add(1)));
            let part = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
            part.set_len(kept).expect("the real disk takes it");
        }
    }

    /// The files under names like these, in order.
    fn paths(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let Some((directory, _)) = self.directory.get() else { return Vec::new() };
        let scopes = [Scope::Ours, Scope::Mine].map(|scope| directory.path().join("attachments").join(scope.name()));
        let entries = scopes.into_iter().filter_map(|scope| std::fs::read_dir(scope).ok()).flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted));
        paths.sort_unstable();
        paths
    }
}

/// What a replica's facts name in a scope; nothing of a scope that is not open.
pub(super) fn named(replica: &Replica, scope: Scope) -> Option<Vec<(ItemId, Files)>> {
    let space = replica.space(scope)?;
    let view = replica.read().expect("the store is open");
    Some(attachment::all_files(&view.reader().rows(scope), &space).expect("the index can be read"))
}

impl Network {
    /// Somebody attaches a file of so many bytes, which are random: for both, or in their own pages. Nothing happens on a device that
    /// is down, whose disk is in the way, or that has that scope not open.
    pub fn attach(&mut self, device: DeviceName, scope: Scope, bytes: usize) {
        let mut content = vec![0; bytes];
        self.rng.fill_bytes(&mut content);
        let at = &self.devices[device.0];
        let Some(space) = at.replica().and_then(|replica| replica.space(scope)) else { return };
        let file = at.shelf.add(scope, &space, &content);
        let saying =
            Saying { item: None, kind: KIND.to_owned(), field: FILE.to_owned(), value: file.value(), seen: None };
        self.devices[device.0].attached(scope, file.id());
        self.survived.attached += 1;
        let said = Said::Honestly { scope, saying };
        self.give(device.0, Input::Say(Box::new(move |_, _| Some(said))));
    }

    /// A byte of one of a device's files is altered on its disk; answers whether there is one.
    pub fn damage_a_file(&mut self, device: DeviceName) -> bool {
        let whole = self.devices[device.0].shelf.paths(|name| !name.contains('.'));
        let which = draw(&mut self.rng, u32::try_from(whole.len()).unwrap_or(0)) as usize;
        let Some(path) = whole.get(which) else { return false };
        let mut bytes = std::fs::read(path).expect("it is there");
        let at = draw(&mut self.rng, u32::try_from(bytes.len()).unwrap_or(0)) as usize;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).expect("the real disk takes it");
        self.survived.fault("attached file damaged");
        true
    }

    /// A device looks through all its files, as `verify` does, and fetches anew what is damaged.
    pub fn verify_files(&mut self, device: DeviceName) {
        let damaged = self.damaged_files(device.0);
        let at = &mut self.devices[device.0];
        damaged.into_iter().for_each(|(scope, id)| at.file_lost(scope, id));
        self.work(device.0);
    }

    /// Of what facts name as it stands on a device, what is not whole there, to the last byte.
    fn damaged_files(&self, at: usize) -> Vec<(Scope, AttachmentId)> {
        let mut damaged = Vec::new();
        let device = &self.devices[at];
        for scope in [Scope::Ours, Scope::Mine] {
            let Some(replica) = device.replica() else { continue };
            let (Some(items), Some(space)) = (named(replica, scope), replica.space(scope)) else { continue };
            for file in items.iter().flat_map(|(_, files)| files.live.iter().filter_map(|id| files.named.get(id))) {
                if device.shelf.files().check(scope, &space, file).is_err() {
                    damaged.push((scope, file.id()));
                }
            }
        }
        damaged
    }

    /// Runs until every running device has every file that it is to have, whole.
    ///
    /// # Panics
    /// When that takes unreasonably long in simulated time.
    pub fn run_until_files_are_there(&mut self) {
        let limit = self.queue.now() + PATIENCE;
        loop {
            self.run_until_idle();
            let lacking: Vec<_> = (0..self.devices.len()).map(|at| self.damaged_files(at).len()).collect();
            if lacking.iter().all(|lacking| *lacking == 0) {
                return;
            }
            assert!(self.queue.now() < limit, "seed {}: the devices lack {lacking:?} files", self.seed);
            self.run_for(Duration::from_secs(10));
        }
    }

    /// PrivateStaysHome of files: no device has one that the other partner attached in their own pages. That none was under way to one
    /// was seen in its frames.
    ///
    /// # Panics
    /// When one has, with the seed.
    pub fn assert_private_files_stay_home(&self) {
        let mine = |device: &Device| device.shelf.whole(Scope::Mine);
        for (at, device) in self.devices.iter().enumerate() {
            let others = self.devices.iter().filter(|other| other.partner != device.partner);
            let foreign: BTreeSet<AttachmentId> = others.flat_map(mine).collect();
            let held = |scope| device.shelf.whole(scope).into_iter().any(|id| foreign.contains(&id));
            let leaked = [Scope::Ours, Scope::Mine].into_iter().any(held);
            assert!(!leaked, "seed {}: device {at} has a private file of the other partner's", self.seed);
        }
    }

    /// How many files were attached.
    pub fn attached(&self) -> u64 {
        self.survived.attached
    }
}
