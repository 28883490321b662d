//! Generations: a document that is damaged or divided is carried on by the next one.
//!
//! Whenever a device is in step with another, everything of a year that is here stands in the newest generation that is
//! here (NewestHasAll): a generation begins with whatever is known, nothing is written into an older one, and what a newer
//! one that came from elsewhere lacks is carried on as soon as it has come whole. So sessions speak of the newest alone,
//! and an older one can go once every device has reported holding the newest.

use std::collections::BTreeSet;

use automerge::Change;
use betwixt_model::carry::{self, Entries, Entry};
use betwixt_model::document::{Arrival, Document, DocumentError, DocumentId, GENESIS, Scope, read_changes};
use betwixt_model::ids::DeviceId;
use betwixt_model::index;
use betwixt_store::Reader;

use super::health::CarriedOn;
use super::{Arrived, Replica, Stage, StageError};

/// How many generations of a year may begin because of what peers send, in one chapter. A peer that divides a document on
/// purpose can do so again in the next one; after these, its sessions end as those of any other that breaks the protocol.
const MAX_BEGUN_FOR_PEERS: u32 = 32;

/// The generations of one chapter: a chapter's first is a multiple of this.
pub(super) const GENERATIONS: u32 = 1 << 16;

impl StageError {
    /// Whether it says that a document cannot be read, which the next generation mends.
    pub fn damaged_document(&self) -> Option<DocumentId> {
        match self {
            Self::DamagedDocument { document, .. } => Some(*document),
            Self::Document(
                DocumentError::Automerge { document, .. }
                | DocumentError::ForeignGenesis(document)
                | DocumentError::Panicked(document),
            ) => Some(*document),
            Self::Store(_) | Self::Index(_) | Self::Compact(_) => None,
        }
    }
}

/// The newest generation of a year that is here.
pub(super) fn newest(reader: &Reader<'_>, scope: Scope, year: i16) -> Result<Option<DocumentId>, StageError> {
    let known = reader.documents(scope)?;
    Ok(known.into_keys().filter(|document| document.year == year).max())
}

/// Whatever can be read of a document, be it damaged: what its changes carry. And whether that is all of it.
pub(super) fn salvage(reader: &Reader<'_>, id: DocumentId) -> Result<(Vec<Change>, bool), StageError> {
    let Some(stored) = reader.document(id)? else { return Ok((Vec::new(), true)) };
    if stored.damaged.is_empty()
        && let Ok(document) = Document::load(id, &stored.bytes(GENESIS))
    {
        return Ok((document.changes_since(&[]), true));
    }
    let mut changes = Vec::new();
    if let Some(Ok(document)) = stored.snapshot.as_ref().map(|snapshot| Document::load(id, snapshot)) {
        changes = document.changes_since(&[]);
    }
    // A change tells what it carries by itself, whatever it builds on.
    let read = |bytes: &Vec<u8>| std::panic::catch_unwind(|| Change::from_bytes(bytes.clone()).ok()).ok().flatten();
    changes.extend(stored.changes.iter().filter_map(read));
    Ok((changes, false))
}

/// What changes carry, leaving out those over which Automerge panics.
fn readable_entries(id: DocumentId, changes: &[Change]) -> Entries {
    if let Ok(entries) = carry::entries_of(id, changes) {
        return entries;
    }
    let mut all = Entries::new();
    for change in changes {
        for (fact, entry) in carry::entries_of(id, [change]).unwrap_or_default() {
            carry::add(&mut all, fact, entry);
        }
    }
    all
}

impl Replica {
    /// The document that facts of a year go into: its newest generation. Where that cannot be read, or has been taken
    /// apart, the next one begins here.
    pub(super) fn carrier(&mut self, stage: &mut Stage, scope: Scope, year: i16) -> Result<DocumentId, StageError> {
        let first = DocumentId { scope, year, generation: 0 };
        let id = newest(&stage.batch.reader(), scope, year)?.unwrap_or(first);
        match self.documents.load(&stage.batch.reader(), id) {
            Ok(_) => Ok(id),
            Err(error) if error.damaged_document().is_some() => {
                Ok(self.begin_next(stage, id, CarriedOn::Unreadable, Entries::new())?.unwrap_or(id))
            }
            Err(error) => Err(error),
        }
    }

    /// Carries on a document of which the caller found that it cannot be read, if that is still so. For what a session
    /// wanted of it; acts and arrivals see to it themselves.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn carry_on_damaged(&mut self, stage: &mut Stage, id: DocumentId) -> Result<(), StageError> {
        self.documents.drop(id);
        self.carrier(stage, id.scope, id.year).map(drop)
    }

    /// Begins the next generation of a document with everything that is known of its year, and with `more`. `None` when a
    /// newer one is there, no more may begin, or there is nothing to begin it with.
    pub(super) fn begin_next(
        &mut self,
        stage: &mut Stage,
        old: DocumentId,
        why: CarriedOn,
        more: Entries,
    ) -> Result<Option<DocumentId>, StageError> {
        let newest = newest(&stage.batch.reader(), old.scope, old.year)?;
        let by_peers = !matches!(why, CarriedOn::Unreadable | CarriedOn::Chapter);
        let spent = by_peers && old.generation % GENERATIONS >= MAX_BEGUN_FOR_PEERS;
        if spent || newest.is_some_and(|newest| newest > old) {
            return Ok(None);
        }
        let Some(generation) = old.generation.checked_add(1) else { return Ok(None) };
        let next = DocumentId { generation, ..old };
        let mut entries = self.known_before(stage, next)?;
        more.into_iter().for_each(|(id, entry)| carry::add(&mut entries, id, entry));
        // An empty one would tell nobody that it is there.
        if by_peers && entries.is_empty() {
            return Ok(None);
        }
        tracing::warn!(%old, %next, ?why, "a document is carried on");
        self.carry_into(stage, next, entries)?;
        for older in self.older(stage, next)? {
            self.documents.drop(older);
            stage.note_health(older, |health| {
                health.carried_on.get_or_insert(why);
                health.to_carry = false;
                health.altered.clear();
            })?;
        }
        Ok(Some(next))
    }

    /// The same where changes came that cannot go into the old one: what they say is verified by itself, and carried on.
    pub(super) fn begin_next_with(
        &mut self,
        stage: &mut Stage,
        old: DocumentId,
        why: CarriedOn,
        changes: &[Change],
    ) -> Result<Option<Arrived>, StageError> {
        let more = readable_entries(old, changes);
        let Some(_) = self.begin_next(stage, old, why, more)? else { return Ok(None) };
        let read = changes.iter().flat_map(|change| read_changes(old, std::slice::from_ref(change)));
        let said: Vec<Arrival> = read.flatten().filter(|arrival| !matches!(arrival, Arrival::Refused { .. })).collect();
        Ok(Some(Arrived { superseded: true, ..self.enter(stage, old.scope, said)? }))
    }

    /// A generation came that is newer than any that was here: what is known beside it goes into it, too, once it is
    /// whole. Until then what is on its way would be carried twice.
    pub(super) fn note_newer(&mut self, stage: &mut Stage, next: DocumentId) -> Result<(), StageError> {
        for old in self.older(stage, next)? {
            self.documents.drop(old);
            stage.note_health(old, |health| {
                health.to_carry |= health.carried_on.is_none();
                health.carried_on.get_or_insert(CarriedOn::Elsewhere);
                health.altered.clear();
            })?;
        }
        Ok(())
    }

    /// Gives the newest generations what older ones hold that they lack. Answers the years in which there was such.
    pub(super) fn carry_what_waits(&mut self, stage: &mut Stage, scope: Scope) -> Result<BTreeSet<i16>, StageError> {
        let mut years = BTreeSet::new();
        for (old, health) in stage.health(scope)? {
            let newest = newest(&stage.batch.reader(), scope, old.year)?;
            let Some(newest) = newest.filter(|newest| *newest > old && health.to_carry) else { continue };
            let entries = self.known_of_year(stage, old)?;
            if self.carry_into(stage, newest, entries)? {
                years.insert(old.year);
            }
            stage.note_health(old, |health| health.to_carry = false)?;
        }
        Ok(years)
    }

    /// The documents of the same year that are here and older.
    pub(super) fn older(&self, stage: &Stage, next: DocumentId) -> Result<Vec<DocumentId>, StageError> {
        let known = stage.batch.reader().documents(next.scope)?;
        Ok(known.into_keys().filter(|id| id.year == next.year && *id < next).collect())
    }

    /// Everything that is known of a year apart from this generation: what the newest before it carries, and what waits in
    /// older ones to be carried on.
    pub(super) fn known_before(&self, stage: &Stage, next: DocumentId) -> Result<Entries, StageError> {
        let (older, health) = (self.older(stage, next)?, stage.health(next.scope)?);
        let mut entries = Entries::new();
        for (place, old) in older.iter().enumerate() {
            if place + 1 == older.len() || health.get(old).is_some_and(|health| health.to_carry) {
                for (id, entry) in self.known_of_year(stage, *old)? {
                    carry::add(&mut entries, id, entry);
                }
            }
        }
        Ok(entries)
    }

    /// Everything that is known of a year, whose newest document this is: what it carries, and where that cannot all be
    /// read, what older generations and the index hold besides.
    pub(super) fn known_of_year(&self, stage: &Stage, newest: DocumentId) -> Result<Entries, StageError> {
        let reader = stage.batch.reader();
        let (changes, whole) = salvage(&reader, newest)?;
        let mut entries = readable_entries(newest, &changes);
        if whole {
            return Ok(entries);
        }
        let add = |entries: &mut Entries, more: Entries| {
            more.into_iter().for_each(|(id, entry)| carry::add(entries, id, entry));
        };
        for older in reader.documents(newest.scope)?.into_keys() {
            if older.year == newest.year && older < newest {
                let (changes, _) = salvage(&reader, older)?;
                add(&mut entries, readable_entries(older, &changes));
            }
        }
        for part in index::all_facts(&reader.rows(newest.scope)) {
            let of_year = part?.into_iter().filter(|signed| signed.fact().header().date.year() == newest.year);
            add(&mut entries, of_year.map(|signed| (signed.fact().id(), Entry::of(&signed))).collect());
        }
        Ok(entries)
    }

    /// Carries what a document does not hold of these. Answers whether there was any.
    pub(super) fn carry_into(
        &mut self,
        stage: &mut Stage,
        id: DocumentId,
        mut entries: Entries,
    ) -> Result<bool, StageError> {
        let document = self.documents.load(&stage.batch.reader(), id)?;
        let held = document.entries()?;
        entries.retain(|fact, _| !held.contains_key(fact));
        self.carry_all(stage, id, &entries)
    }

    /// Carries all of these, with the changes that every device carries them with; those that are there are not added.
    pub(super) fn carry_all(
        &mut self,
        stage: &mut Stage,
        id: DocumentId,
        entries: &Entries,
    ) -> Result<bool, StageError> {
        let document = self.documents.load(&stage.batch.reader(), id)?;
        let carried = document.carry(carry::changes(id, entries)?)?;
        let heads = document.heads();
        stage.batch.append_changes(id, carried.iter().map(Change::raw_bytes))?;
        // Also when there is nothing to carry: that it is there at all says that the one before is not written to.
        stage.batch.put_heads(id, &heads)?;
        let any = !carried.is_empty();
        stage.changes.entry(id).or_default().extend(carried);
        Ok(any)
    }

    /// The documents that newer generations stand for.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn superseded(&self, scope: Scope) -> Result<Vec<DocumentId>, StageError> {
        Ok(superseded(&self.store.read()?.reader(), scope)?)
    }

    /// A peer and this device have the same documents of a scope. What older generations hold besides is carried on; those
    /// of which every device that has the scope has the newest are removed.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn held_by(&mut self, stage: &mut Stage, peer: DeviceId, scope: Scope) -> Result<(), StageError> {
        if self.space(scope).is_none() {
            return Ok(());
        }
        let carried = self.carry_what_waits(stage, scope)?;
        let others = self.others_with(scope);
        let needed = |held_by: &BTreeSet<DeviceId>| others.iter().all(|device| held_by.contains(device));
        let mut gone = Vec::new();
        for id in superseded(&stage.batch.reader(), scope)? {
            // The peer has yet to get what was carried just now.
            if carried.contains(&id.year) {
                continue;
            }
            let mut all = false;
            stage.note_health(id, |health| {
                health.held_by.insert(peer);
                all = needed(&health.held_by);
            })?;
            if all {
                gone.push(id);
            }
        }
        for id in gone {
            self.remove_document(stage, id)?;
        }
        Ok(())
    }

    /// The other devices that hold documents of a scope.
    fn others_with(&self, scope: Scope) -> Vec<DeviceId> {
        let own = self.identity.device();
        let members = self.roster.devices().map(|(device, _)| *device).filter(|device| *device != own);
        let holds = |device: &DeviceId| match scope {
            Scope::Ours => self.roster.may_connect(device),
            Scope::Mine => self.roster.own_device(device).is_some(),
        };
        members.filter(holds).collect()
    }

    /// Removes private documents that newer generations stand for, while no other device holds any: with one that does, that is
    /// for [`Replica::held_by`].
    pub(super) fn retire_own(&mut self, stage: &mut Stage) -> Result<(), StageError> {
        if !self.others_with(Scope::Mine).is_empty() {
            return Ok(());
        }
        // Of a device that was removed since.
        self.carry_what_waits(stage, Scope::Mine)?;
        for id in superseded(&stage.batch.reader(), Scope::Mine)? {
            // Not before the one that stands for it has shown that it can be read.
            let newest = newest(&stage.batch.reader(), id.scope, id.year)?.unwrap_or(id);
            if newest != id && salvage(&stage.batch.reader(), newest)?.1 {
                self.remove_document(stage, id)?;
            }
        }
        Ok(())
    }

    pub(super) fn remove_document(&mut self, stage: &mut Stage, id: DocumentId) -> Result<(), StageError> {
        self.documents.drop(id);
        stage.batch.remove_document(id)?;
        stage.note_health(id, |health| *health = super::health::Health::default())
    }
}

fn superseded(reader: &Reader<'_>, scope: Scope) -> Result<Vec<DocumentId>, betwixt_store::StoreError> {
    let known: Vec<DocumentId> = reader.documents(scope)?.into_keys().collect();
    // In order, so that what follows a document of the same year is a newer generation of it.
    let pairs = known.windows(2).filter(|pair| pair[0].year == pair[1].year);
    Ok(pairs.map(|pair| pair[0]).collect())
}
