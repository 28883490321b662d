//! The facts of one field with their causality, and what replaces what.
//!
//! Which facts are replaced is kept beside them, by [`crate::index`], as they arrive; here it is only read.

use crate::ids::{FactId, PartnerId};
use crate::index::Clock;

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

/// What a fact names of its field, directly or through what it names, where that is not simply all that is in its past: it
/// was said on a page older than what its device had, or claims to have been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// By branch, up to where.
    pub(crate) clock: Clock,
    /// What is not named of that: branches and numbers in them, sorted; at most [`MAX_EXCEPTIONS`].
    pub(crate) except: Vec<(FactId, u32)>,
}

/// The most exceptions that are kept of what a fact names. A fact with more counts as naming nothing but what it names
/// directly, so that less is replaced, never more.
pub const MAX_EXCEPTIONS: usize = 64;

impl Names {
    /// Whether a fact at this place is among them.
    pub(crate) fn contain(&self, branch: &FactId, sequence: u32) -> bool {
        self.clock.get(branch) >= sequence && self.except.binary_search(&(*branch, sequence)).is_err()
    }
}

/// How a fact was said to others of a shared field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What it names, if that is less than all of its past.
    pub names: Option<Names>,
    /// The other partner's words that it left standing, having seen them or built on its own speaker's word that had, by
    /// id. Of what is not named directly, no more than bring it to [`MAX_SEEN`](crate::fact::MAX_SEEN).
    pub left: Vec<Placed>,
    /// Whether one of these says something else, in a field that is not prose. Then it goes only by its own speaker.
    pub contested: bool,
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

/// What replaces a fact, of all that is here: nothing if it is live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replacers {
    /// Facts of its own partner, sorted. Nothing that arrives later takes one of these away.
    pub own: Vec<FactId>,
    /// Facts of the other partner, sorted. A contradiction that arrives later may take these away.
    pub other: Vec<Placed>,
    /// Whether a fact of the other partner left it standing (see [`Said::left`]): then none of theirs that arrives later
    /// replaces it.
    pub left_standing: bool,
}

impl Replacers {
    /// Whether nothing replaces the fact.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.other.is_empty()
    }

    /// Whether this fact is among them.
    pub fn contains(&self, id: &FactId) -> bool {
        self.own.binary_search(id).is_ok() || self.other.binary_search_by(|other| other.id.cmp(id)).is_ok()
    }
}

/// A fact whose past is here, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The fact.
    pub id: FactId,
    /// Its branch.
    pub branch: FactId,
    /// Its number in the branch.
    pub sequence: u32,
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
    /// What replaces it.
    pub replacers: Replacers,
    /// How it was said to the facts of its field. Found when its past is here, and only in shared fields.
    pub said: Said,
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

    /// Whether it was said and is not replaced.
    pub fn is_live(&self) -> bool {
        self.counts() && self.replacers.is_empty()
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

    /// Whether it names `other`, a fact of its field, directly or through what it names.
    pub fn names(&self, other: &Self) -> bool {
        other.as_placed().is_some_and(|other| self.names_placed(&other))
    }

    /// The same, of a fact by its place.
    pub(crate) fn names_placed(&self, other: &Placed) -> bool {
        self.id != other.id && (self.names_at(&other.branch, other.sequence) || self.names_directly(other))
    }

    /// Whether what it names reaches to a place. A fact with too many exceptions reaches nowhere.
    pub(crate) fn names_at(&self, branch: &FactId, sequence: u32) -> bool {
        match &self.said.names {
            Some(names) => names.contain(branch, sequence),
            None => self.named_until(branch) >= sequence,
        }
    }

    /// Where all of its past is named, what is named directly is, too.
    fn names_directly(&self, other: &Placed) -> bool {
        self.said.names.is_some() && self.seen.contains(&other.id)
    }

    /// Whether both have their pasts here and neither names the other: whoever said the one had not been shown the other.
    pub fn apart(&self, other: &Self) -> bool {
        let placed = self.placed() && other.placed();
        placed && self.id != other.id && !self.names(other) && !other.names(self)
    }

    /// By branch, up to where its field's facts are named, but for the exceptions.
    pub(crate) fn named_until(&self, branch: &FactId) -> u32 {
        match (&self.said.names, &self.place) {
            (Some(names), _) => names.clock.get(branch),
            (None, Place::Placed { clock, .. }) => clock.get(branch),
            (None, Place::Arriving | Place::Void) => 0,
        }
    }

    /// Its place, if its past is here.
    pub(crate) fn as_placed(&self) -> Option<Placed> {
        match self.place {
            Place::Placed { branch, sequence, .. } => Some(Placed { id: self.id, branch, sequence }),
            Place::Arriving | Place::Void => None,
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

/// The facts of one field, and which of them are live. To ask only what stands, [`super::LiveFacts`] costs less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldFacts {
    /// Sorted by id.
    entries: Vec<Entry>,
}

impl FieldFacts {
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.id);
        Self { entries }
    }

    /// Every fact of the field, by id; void ones and those still arriving, too.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The facts that were said and are not replaced, by id.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_live())
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

    pub(super) fn position(&self, id: &FactId) -> Option<usize> {
        self.entries.binary_search_by(|known| known.id.cmp(id)).ok()
    }

    /// The facts of this field that a fact names, by their positions, with what void ones name in their place.
    pub(super) fn named(&self, entry: &Entry) -> Vec<usize> {
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

    /// What a fact replaced, directly, by positions.
    pub(super) fn replaced(&self, later: &Entry) -> impl Iterator<Item = usize> {
        let named = if later.counts() { self.named(later) } else { Vec::new() };
        named.into_iter().filter(move |earlier| self.entries[*earlier].replacers.contains(&later.id))
    }
}
