//! What honest devices never do to a document: another program that writes into it, and a disk that ruins it.

use std::collections::BTreeSet;

use automerge::transaction::{CommitOptions, Transaction};
use automerge::{ActorId, Automerge, ReadDoc};
use betwixt_daemon::replica::HealthOf;
use betwixt_model::document::{Document, DocumentId, GENESIS, Scope, actor_id};

use betwixt_model::index;

use super::device::Input;
use super::{DeviceName, Network};

/// In whose name a patched program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The device's own.
    Own,
    /// Another device's.
    Of(DeviceName),
}

impl Network {
    /// The newest generation of a year's shared document that a device has; `None` while it is down, writes to its disk, or
    /// has none.
    pub fn newest_document(&self, device: DeviceName, year: i16) -> Option<DocumentId> {
        self.newest_of(device, Scope::Ours, year)
    }

    /// The same of a scope; `None`, too, while it is locked.
    pub fn newest_of(&self, device: DeviceName, scope: Scope, year: i16) -> Option<DocumentId> {
        let replica = self.devices[device.0].replica()?;
        replica.space(scope)?;
        let heads = replica.newest_heads(scope).expect("heads can be read");
        heads.into_iter().map(|(id, _)| id).find(|id| id.year == year)
    }

    /// How many generations of documents a running device has left behind, over all years.
    pub fn generations(&self, device: DeviceName) -> usize {
        let Some(replica) = self.devices[device.0].replica() else { return 0 };
        let heads = replica.newest_heads(Scope::Ours).expect("heads can be read");
        heads.into_iter().map(|(id, _)| usize::try_from(id.generation).unwrap_or(usize::MAX)).sum()
    }

    /// The documents that newer generations stand for and that a running device still keeps.
    pub fn superseded(&self, device: DeviceName) -> Vec<DocumentId> {
        self.superseded_of(device, Scope::Ours)
    }

    /// The same of a scope.
    pub fn superseded_of(&self, device: DeviceName, scope: Scope) -> Vec<DocumentId> {
        let replica = self.devices[device.0].replica();
        replica.map(|replica| replica.superseded(scope).expect("documents can be listed")).unwrap_or_default()
    }

    /// What a running device knows to be wrong with its shared documents.
    pub fn health(&self, device: DeviceName) -> HealthOf {
        let replica = self.devices[device.0].replica();
        replica.map(|replica| replica.health(Scope::Ours).expect("settings can be read")).unwrap_or_default()
    }

    /// Another program that knows a device's keys writes a change of its own into one of its documents, which is durable at
    /// once and offered like any other. Answers whether it could: not while the device is down or at its disk.
    pub fn tamper(
        &mut self,
        device: DeviceName,
        document: DocumentId,
        author: Author,
        write: impl FnOnce(&mut Transaction<'_>),
    ) -> bool {
        let named = match author {
            Author::Own => device,
            Author::Of(other) => other,
        };
        let Some(actor) = self.devices[named.0]
            .replica()
            .map(|replica| actor_id(&replica.identity().device(), &document, &replica.epoch()))
        else {
            return false;
        };
        self.devices.iter_mut().for_each(|device| device.trusting = false);
        let done = self.devices[device.0].rewrite(|batch| {
            let stored = batch.reader().document(document).expect("the store is open");
            let Some(stored) = stored else { return false };
            let Ok(loaded) = Automerge::load(&stored.bytes(GENESIS)) else { return false };
            let (change, heads) = written(loaded, actor, write);
            batch.append_change(document, &change).expect("a change can be put");
            batch.put_heads(document, &heads).expect("heads can be put");
            true
        });
        self.meet_again(device);
        if done {
            self.survived.fault("document tampered with");
        }
        done
    }

    /// The disk of a device ruins a document: it does not load any more. Answers whether it could, as [`Network::tamper`].
    pub fn ruin(&mut self, device: DeviceName, document: DocumentId) -> bool {
        let done = self.devices[device.0].rewrite(|batch| {
            let known = batch.reader().document(document).expect("the store is open").is_some();
            if known {
                batch.append_change(document, b"what a disk leaves").expect("bytes can be put");
            }
            known
        });
        self.meet_again(device);
        if done {
            self.survived.fault("document ruined");
        }
        done
    }

    /// Its sessions knew another disk, and so did who looked at what it holds.
    fn meet_again(&mut self, device: DeviceName) {
        self.forget_held(device.0);
        for connection in self.wires.of(device.0) {
            for end in self.wires.lose(connection).into_iter().flatten() {
                self.give(end, Input::Lost { connection });
            }
        }
        self.work(device.0);
    }

    /// Whether every document that a running device speaks of loads and stands as it was said.
    pub fn is_whole(&self, device: DeviceName) -> bool {
        let Some(replica) = self.devices[device.0].replica() else { return false };
        let view = replica.read().expect("the store is open");
        let scopes = [Scope::Ours, Scope::Mine].into_iter().filter(|scope| replica.space(*scope).is_some());
        let mut heads = scopes.flat_map(|scope| replica.newest_heads(scope).expect("heads can be read"));
        heads.all(|(id, _)| {
            let stored = view.reader().document(id).expect("the store is open").expect("it was listed");
            let loaded = Document::load(id, &stored.bytes(GENESIS));
            stored.damaged.is_empty()
                && loaded.is_ok_and(|document| document.altered().is_ok_and(|some| some.is_empty()))
        })
    }
    /// NewestHasAll: of a device that is in step, the newest documents carry every fact that its index holds, and the index
    /// holds every fact that they carry.
    ///
    /// # Panics
    /// When they do not, with the seed.
    pub fn assert_newest_has_all(&self, device: DeviceName) {
        for scope in [Scope::Ours, Scope::Mine] {
            self.assert_newest_has_all_of(device, scope);
        }
    }

    fn assert_newest_has_all_of(&self, device: DeviceName, scope: Scope) {
        let Some(replica) = self.devices[device.0].replica().filter(|replica| replica.space(scope).is_some()) else {
            return;
        };
        let view = replica.read().expect("the store is open");
        let mut carried = BTreeSet::new();
        for (id, _) in replica.newest_heads(scope).expect("heads can be read") {
            let stored = view.reader().document(id).expect("the store is open").expect("it was listed");
            let document = Document::load(id, &stored.bytes(GENESIS)).expect("it loads");
            carried.extend(document.entries().expect("its changes can be read").into_keys());
        }
        let mut held = BTreeSet::new();
        for part in index::all_facts(&view.reader().rows(scope)) {
            held.extend(part.expect("the index can be read").iter().map(|signed| signed.fact().id()));
        }
        let seed = self.seed;
        assert!(
            carried == held,
            "seed {seed}: {device:?} lacks {:?} in its {scope:?} documents and {:?} in its index",
            held.difference(&carried).collect::<Vec<_>>(),
            carried.difference(&held).collect::<Vec<_>>()
        );
    }
}

fn written(
    mut document: Automerge,
    actor: ActorId,
    write: impl FnOnce(&mut Transaction<'_>),
) -> (Vec<u8>, Vec<automerge::ChangeHash>) {
    document.set_actor(actor);
    let hash = {
        let mut transaction = document.transaction();
        write(&mut transaction);
        transaction.commit_with(CommitOptions::default().with_time(0)).0.expect("something was written")
    };
    let change = document.get_change_by_hash(&hash).expect("it was made just now");
    (change.raw_bytes().to_vec(), document.get_heads())
}
