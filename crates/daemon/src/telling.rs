//! Telling readers of the event stream what changed. Always after it is durable (DurableBeforeTold), and never what it says.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_api::{Collection, Notice, NoticeKind, SnapshotItem};
use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, ItemId};
use betwixt_model::index::{self, FieldKey, IndexError};
use betwixt_model::settle::SETTLEMENT;
use betwixt_model::view;
use betwixt_store::{Store, StoreError};

use crate::engine::PeerChange;
use crate::http::{Sees, shown};
use crate::notices::{self, KeptLedger, Notices};
use crate::open::Open;
use crate::replica::{Committed, Replica};

/// How many items a part of a snapshot has.
const PART: usize = 256;

/// The kind of what is said of a new chapter.
const CHAPTER: &str = "chapter";

/// The fields that wait to be settled, so that it is known when one begins to, or no longer does.
#[derive(Debug, Default)]
pub(crate) struct Differing {
    fields: BTreeSet<(Scope, ItemId, String)>,
}

impl Differing {
    /// Those of the scopes that are open.
    pub(crate) fn new(replica: &Replica) -> Result<Self, IndexError<StoreError>> {
        let mut differing = Self::default();
        for scope in [Scope::Ours, Scope::Mine] {
            differing.read(replica, scope)?;
        }
        Ok(differing)
    }

    /// A scope was locked.
    pub(crate) fn forget(&mut self, scope: Scope) {
        self.fields.retain(|(of, ..)| *of != scope);
    }

    /// Reads everything that waits in a scope, as from now on.
    fn read(&mut self, replica: &Replica, scope: Scope) -> Result<(), IndexError<StoreError>> {
        let Some(reader) = replica.reader(scope) else { return Ok(()) };
        let store = replica.read().map_err(IndexError::Rows)?;
        for (item, fields) in view::all_to_settle(&store.reader().rows(scope), &reader)? {
            self.fields.extend(fields.into_iter().map(|field| (scope, item, field)));
        }
        Ok(())
    }

    /// The fields of an item that wait.
    fn of(&self, scope: Scope, item: ItemId) -> impl Iterator<Item = &String> {
        let from = self.fields.range((scope, item, String::new())..);
        from.take_while(move |(of, known, _)| (*of, *known) == (scope, item)).map(|(.., field)| field)
    }

    /// After these fields of a scope changed: which of them, or of their items, wait now and did not, and which did and do
    /// not. Costs a row a field, and reads the items that wait or did.
    fn look<'f>(
        &mut self,
        replica: &Replica,
        scope: Scope,
        changed: impl Iterator<Item = &'f FieldKey>,
    ) -> Result<Vec<(NoticeKind, ItemId, String)>, IndexError<StoreError>> {
        let Some(reader) = replica.reader(scope) else { return Ok(Vec::new()) };
        let store = replica.read().map_err(IndexError::Rows)?;
        let rows = store.reader().rows(scope);
        let mut items = BTreeSet::new();
        for key in changed {
            if self.of(scope, key.item).next().is_some() || index::may_be_unsettled(&rows, key)? {
                items.insert(key.item);
            }
        }
        let mut changes = Vec::new();
        for item in items {
            let now: BTreeSet<String> = view::to_settle(&rows, &reader, &item)?.into_iter().collect();
            let before: BTreeSet<String> = self.of(scope, item).cloned().collect();
            for field in now.difference(&before) {
                self.fields.insert((scope, item, field.clone()));
                changes.push((NoticeKind::Differs, item, field.clone()));
            }
            for field in before.difference(&now) {
                self.fields.remove(&(scope, item, field.clone()));
                changes.push((NoticeKind::Settled, item, field.clone()));
            }
        }
        Ok(changes)
    }
}

impl Open {
    /// What was said, and what waits to be settled because of it or no longer does.
    pub(crate) fn tell_items(&mut self, committed: &Committed) {
        for (scope, key) in &committed.fields {
            let collection = shown::collection_of(&key.kind);
            let notice = match key.kind.as_str() {
                SETTLEMENT => Notice::new(NoticeKind::Settling),
                CHAPTER => Notice::new(NoticeKind::Chapter),
                // What only the daemon keeps for itself.
                _ if collection.is_none() => continue,
                _ => Notice {
                    item: Some(key.item.to_string()),
                    field: Some(key.field.clone()),
                    collection,
                    ..Notice::new(NoticeKind::Item)
                },
            };
            self.notices.tell(*scope, notice);
        }
        for scope in [Scope::Ours, Scope::Mine] {
            let changed = || committed.fields.iter().filter(|(of, _)| *of == scope).map(|(_, key)| key);
            let kinds: BTreeMap<ItemId, Option<Collection>> =
                changed().map(|key| (key.item, shown::collection_of(&key.kind))).collect();
            if kinds.is_empty() {
                continue;
            }
            let changes = self.differing.look(&self.house.replica, scope, changed()).unwrap_or_else(|error| {
                tracing::error!(%error, "the index cannot be read");
                Vec::new()
            });
            for (kind, item, field) in changes {
                let collection = kinds.get(&item).copied().flatten();
                let notice =
                    Notice { item: Some(item.to_string()), field: Some(field), collection, ..Notice::new(kind) };
                self.notices.tell(scope, notice);
            }
        }
    }

    /// How it stands with a device.
    pub(crate) fn tell_peer(&mut self, peer: DeviceId, change: PeerChange) {
        let (kind, document) = match change {
            PeerChange::Met => (NoticeKind::Met, None),
            PeerChange::Parted => (NoticeKind::Parted, None),
            PeerChange::Synced(document) => (NoticeKind::Synced, Some(document.to_string())),
            PeerChange::InStep => (NoticeKind::InStep, None),
        };
        let notice = Notice { device: Some(peer.to_string()), document, ..Notice::new(kind) };
        self.notices.tell(Scope::Ours, notice);
    }

    /// The private part was unlocked.
    pub(crate) fn tell_unlocked(&mut self) {
        if let Err(error) = self.differing.read(&self.house.replica, Scope::Mine) {
            tracing::error!(%error, "the index cannot be read");
        }
        self.notices.tell_all(NoticeKind::Unlocked);
    }

    /// The daemon ends: whoever is met now is gone for those who read on when the next one runs.
    pub(crate) fn tell_farewell(&mut self) {
        let met: BTreeSet<DeviceId> =
            self.engine.talks().filter(|talk| talk.is_met()).map(|talk| talk.peer()).collect();
        for peer in met {
            self.tell_peer(peer, PeerChange::Parted);
        }
    }
}

/// Everything that is there for somebody who sees so much of it: items, and what of them waits to be settled. Blocks.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn snapshot(
    store: &Store,
    readers: &[(Scope, view::Reader)],
) -> Result<Vec<Notice>, IndexError<StoreError>> {
    let view = store.read().map_err(IndexError::Rows)?;
    let mut items = Vec::new();
    for (scope, reader) in readers {
        let rows = view.reader().rows(*scope);
        let mut waiting = BTreeMap::new();
        for view in view::differences(&rows, reader)? {
            waiting.insert(view.id, view.fields.into_keys().collect::<Vec<String>>());
        }
        for collection in Collection::ALL {
            for entry in index::items(&rows, shown::kind_of(collection))? {
                let differs = waiting.remove(&entry.item).unwrap_or_default();
                items.push(SnapshotItem { id: entry.item.to_string(), collection, differs });
            }
        }
    }
    let parts = items.chunks(PART).map(|part| Notice { items: part.to_vec(), ..Notice::new(NoticeKind::Snapshot) });
    Ok(parts.chain([Notice::new(NoticeKind::Ready)]).collect())
}

/// Who is shown what in a snapshot.
pub(crate) fn readers(replica: &Replica, sees: Sees) -> Vec<(Scope, view::Reader)> {
    let scopes = [Scope::Ours, Scope::Mine].into_iter().filter(|scope| sees.includes(*scope));
    scopes.filter_map(|scope| Some((scope, replica.reader(scope)?))).collect()
}

/// Takes out what the daemon before kept of its notices. Taken out, and not read only: after a crash nobody may be given the
/// same numbers for other things.
pub(crate) fn take_kept(store: &Store) -> Result<[Option<KeptLedger>; 2], StoreError> {
    let mut batch = store.begin()?;
    let mut kept = [None, None];
    for (place, scope) in [Scope::Mine, Scope::Ours].into_iter().enumerate() {
        if scope == Scope::Mine && !store.mine_is_open() {
            continue;
        }
        kept[place] = batch.reader().setting(scope, notices::SETTING)?;
        batch.remove_setting(scope, notices::SETTING)?;
    }
    if kept.iter().any(Option::is_some) {
        batch.commit()?;
    }
    Ok(kept)
}

/// Keeps the notices for the next daemon. Blocks.
pub(crate) fn keep(store: &Store, notices: &Notices) -> Result<(), StoreError> {
    let mut batch = store.begin()?;
    for (scope, kept) in notices.kept() {
        if scope == Scope::Ours || store.mine_is_open() {
            batch.put_setting(scope, notices::SETTING, &kept)?;
        }
    }
    batch.commit()
}
