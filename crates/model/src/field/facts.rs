//! The facts of one field with their causality, and which of them are live: the replacing rule.

use std::collections::BTreeMap;

use crate::ids::{FactId, PartnerId};
use crate::index::Clock;
use crate::schema::FieldKind;

/// What a fact says, as far as comparing goes: a hash of the value's canonical text. An erased value equals nothing but
/// itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueHash(pub(crate) [u8; 16]);

impl ValueHash {
    /// The hash of a value's text; `None` for one that was erased.
    pub(crate) fn of(fact: &FactId, text: Option<&str>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 equal values");
        match text {
            Some(text) => hasher.update(b"said ").update(text.as_bytes()),
            None => hasher.update(b"erased ").update(fact.as_bytes()),
        };
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(short)
    }
}

/// Where a fact stands among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Its past is not all here.
    Arriving,
    /// By a removed device, beyond what is accepted: citing it counts as citing what it cites.
    Void,
    /// Its past is here.
    Placed {
        /// The branch it belongs to, named by the branch's first fact.
        branch: FactId,
        /// Its number in the branch, from 1.
        sequence: u32,
        /// Its past.
        clock: Clock,
    },
}

/// One fact of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The fact.
    pub id: FactId,
    /// Who said it.
    pub partner: PartnerId,
    /// What it says.
    pub value: ValueHash,
    /// Whether it says `null`, which lets go of what was said.
    pub null: bool,
    /// The facts that it names, of this field or not.
    pub seen: Vec<FactId>,
    /// Where it stands.
    pub place: Place,
}

impl Entry {
    /// Whether it counts at all.
    pub fn counts(&self) -> bool {
        self.place != Place::Void
    }

    /// Whether its past is here.
    pub fn placed(&self) -> bool {
        matches!(self.place, Place::Placed { .. })
    }

    /// Whether `other` is in this fact's past. Only facts whose past is here have one.
    pub fn has_in_past(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Placed { clock, .. }, Place::Placed { branch, sequence, .. }) => {
                self.id != other.id && clock.get(branch) >= *sequence
            }
            _ => false,
        }
    }

    /// Whether both have their pasts here and neither is in the other's.
    pub fn concurrent(&self, other: &Self) -> bool {
        let placed = self.placed() && other.placed();
        placed && self.id != other.id && !self.has_in_past(other) && !other.has_in_past(self)
    }

    /// The size of its past; see [`Clock::weight`]. Facts still arriving come last.
    pub fn weight(&self) -> u64 {
        match &self.place {
            Place::Placed { clock, .. } => clock.weight(),
            Place::Arriving | Place::Void => u64::MAX,
        }
    }
}

/// The facts of one field, and which of them are live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldFacts {
    /// Sorted by id.
    pub(crate) entries: Vec<Entry>,
    /// Of the entries, by their places there, sorted.
    pub(crate) live: Vec<usize>,
}

impl FieldFacts {
    /// Every fact of the field, by id; void ones and those still arriving, too.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The facts that were said and are not replaced, by id.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.live.iter().map(|place| &self.entries[*place])
    }

    /// The fact of this id.
    pub fn entry(&self, id: &FactId) -> Option<&Entry> {
        self.position(id).map(|place| &self.entries[place])
    }

    /// Whether a fact that counts still has part of its past to come.
    pub fn arriving(&self) -> bool {
        self.entries.iter().any(|entry| entry.place == Place::Arriving)
    }

    /// Whether a fact of this partner still has part of its past to come.
    pub fn arriving_from(&self, partner: &PartnerId) -> bool {
        self.entries.iter().any(|entry| entry.place == Place::Arriving && entry.partner == *partner)
    }

    /// Whether anything was said that counts.
    pub fn is_said(&self) -> bool {
        self.entries.iter().any(Entry::counts)
    }

    /// Enters a fact, or moves one that is here to its new place. The field is to be folded afterwards.
    pub(crate) fn enter(&mut self, entry: Entry) {
        match self.entries.binary_search_by(|known| known.id.cmp(&entry.id)) {
            Ok(place) => self.entries[place] = entry,
            Err(place) => {
                self.entries.insert(place, entry);
                for live in &mut self.live {
                    *live += usize::from(*live >= place);
                }
            }
        }
    }

    fn position(&self, id: &FactId) -> Option<usize> {
        self.entries.binary_search_by(|known| known.id.cmp(id)).ok()
    }

    /// The facts of this field that a fact names, with what void ones name in their place.
    fn named(&self, entry: &Entry) -> Vec<usize> {
        let mut named = Vec::new();
        let mut void_done = Vec::new();
        let mut open: Vec<&FactId> = entry.seen.iter().collect();
        while let Some(id) = open.pop() {
            let Some(place) = self.position(id) else { continue };
            if self.entries[place].counts() {
                named.push(place);
            } else if !void_done.contains(&place) {
                void_done.push(place);
                open.extend(&self.entries[place].seen);
            }
        }
        named.sort_unstable();
        named.dedup();
        named
    }

    /// Whether `later` names `earlier`, itself or by naming a void fact that does.
    pub(super) fn names(&self, later: &Entry, earlier: &Entry) -> bool {
        self.named(later).iter().any(|place| self.entries[*place].id == earlier.id)
    }

    pub(super) fn is_live_entry(&self, entry: &Entry) -> bool {
        self.position(&entry.id).is_some_and(|place| self.live.binary_search(&place).is_ok())
    }

    /// The facts that contradict one apart from it: concurrent, and saying something else.
    fn contradicting(&self, entry: &Entry) -> Vec<&Entry> {
        let contradicts = |other: &&Entry| other.value != entry.value && other.concurrent(entry);
        self.entries.iter().filter(contradicts).collect()
    }

    /// Whether `later`, which names `earlier`, replaces it. `contradicting` are the facts that contradict `earlier`.
    fn replaces(kind: Option<FieldKind>, later: &Entry, earlier: &Entry, contradicting: &[&Entry]) -> bool {
        if later.partner == earlier.partner {
            return true;
        }
        if !later.placed() {
            return false;
        }
        match kind {
            Some(FieldKind::Light) => true,
            Some(FieldKind::Shared) => !contradicting
                .iter()
                .any(|other| later.has_in_past(other) || (other.partner == later.partner && other.concurrent(later))),
            // What this version does not know is left to its speakers.
            Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
        }
    }

    /// What a fact replaced, directly.
    pub(crate) fn replaced_by(&self, kind: Option<FieldKind>, later: &Entry) -> Vec<&Entry> {
        if !later.counts() {
            return Vec::new();
        }
        let earlier = self.named(later).into_iter().map(|place| &self.entries[place]);
        earlier.filter(|earlier| Self::replaces(kind, later, earlier, &self.contradicting(earlier))).collect()
    }

    /// Finds out anew which facts are live (NoSilentWinner).
    pub(crate) fn fold(&mut self, kind: Option<FieldKind>) {
        let named = self.naming();
        self.live = (0..self.entries.len()).filter(|place| self.is_live(kind, *place, &named[*place])).collect();
    }

    /// What [`FieldFacts::fold`] finds, when since the last fold one fact was entered, or found its place: looks only at
    /// what that fact names or contradicts.
    pub(crate) fn fold_after(&mut self, kind: Option<FieldKind>, new: &FactId) {
        let Some(at) = self.position(new) else { return self.fold(kind) };
        let entry = &self.entries[at];
        if !entry.placed() || self.entries.iter().any(|other| other.seen.contains(new)) {
            return self.fold(kind);
        }
        let mut affected = self.named(entry);
        affected.push(at);
        let others = self.entries.iter().enumerate();
        affected.extend(
            others.filter(|(_, other)| other.value != entry.value && other.concurrent(entry)).map(|(at, _)| at),
        );
        affected.sort_unstable();
        affected.dedup();
        let naming = self.naming_of(&affected);
        for place in affected {
            let live = self.is_live(kind, place, naming.get(&place).map_or(&[], Vec::as_slice));
            match (self.live.binary_search(&place), live) {
                (Ok(known), false) => {
                    self.live.remove(known);
                }
                (Err(gap), true) => self.live.insert(gap, place),
                _ => {}
            }
        }
    }

    /// For these facts, the facts that name them.
    fn naming_of(&self, named: &[usize]) -> BTreeMap<usize, Vec<usize>> {
        let mut naming: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let ids: BTreeMap<FactId, usize> = named.iter().map(|place| (self.entries[*place].id, *place)).collect();
        let void = self.entries.iter().any(|entry| !entry.counts());
        for (place, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.counts()) {
            if void {
                for named in self.named(entry) {
                    naming.entry(named).or_default().push(place);
                }
            } else {
                for named in entry.seen.iter().filter_map(|id| ids.get(id)) {
                    naming.entry(*named).or_default().push(place);
                }
            }
        }
        naming
    }

    /// For every fact, the facts that name it.
    fn naming(&self) -> Vec<Vec<usize>> {
        let mut naming = vec![Vec::new(); self.entries.len()];
        for (place, entry) in self.entries.iter().enumerate() {
            if entry.counts() {
                for named in self.named(entry) {
                    naming[named].push(place);
                }
            }
        }
        naming
    }

    fn is_live(&self, kind: Option<FieldKind>, place: usize, naming: &[usize]) -> bool {
        let entry = &self.entries[place];
        if !entry.counts() {
            return false;
        }
        if naming.iter().any(|later| self.entries[*later].partner == entry.partner) {
            return false;
        }
        if naming.is_empty() {
            return true;
        }
        let contradicting = self.contradicting(entry);
        !naming.iter().any(|later| Self::replaces(kind, &self.entries[*later], entry, &contradicting))
    }
}
