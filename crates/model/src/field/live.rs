//! What stands in a field, without what it replaced.

use std::collections::{BTreeMap, BTreeSet};

use super::Entry;
use crate::ids::{FactId, PartnerId};
use crate::schema::FieldKind;

/// A field's live facts, and what is known of its other facts in short: all that most readers need, at a cost that does not
/// grow with the field's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFacts {
    pub(crate) live: BTreeMap<FactId, Entry>,
    pub(crate) speakers: BTreeSet<PartnerId>,
    pub(crate) arriving: BTreeMap<PartnerId, u32>,
    pub(crate) void: u32,
    pub(crate) placed: u32,
}

impl LiveFacts {
    /// The facts that were said and are not replaced, by id.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.live.values()
    }

    /// Whoever said something there, whether it counts or not.
    pub fn speakers(&self) -> &BTreeSet<PartnerId> {
        &self.speakers
    }

    /// Whether a fact that counts still has part of its past to come.
    pub fn arriving(&self) -> bool {
        !self.arriving.is_empty()
    }

    /// Whether a fact of this partner still has part of its past to come.
    pub fn arriving_from(&self, partner: &PartnerId) -> bool {
        self.arriving.contains_key(partner)
    }

    /// Whether anything was said that counts.
    pub fn is_said(&self) -> bool {
        self.placed > 0 || self.arriving()
    }

    /// How many facts the field has, those that do not count, too.
    pub fn count(&self) -> u32 {
        self.placed + self.void + self.arriving.values().sum::<u32>()
    }

    /// Whether the field may be one to settle: its live facts differ, or a word waits. Fields whose owner alone counts may
    /// be listed for nothing, for who owns them is not known here.
    pub(crate) fn to_settle(&self, kind: Option<FieldKind>) -> bool {
        let differ = || {
            let first = self.live.values().next();
            self.live.values().any(|entry| first.is_some_and(|first| first.value != entry.value))
        };
        match kind {
            None | Some(FieldKind::Light) => false,
            Some(FieldKind::Shared) => differ(),
            Some(FieldKind::Owned(_)) => {
                let mut said = BTreeMap::new();
                self.live.values().any(|entry| *said.entry(entry.partner).or_insert(entry.value) != entry.value)
            }
            // All say the same. A word waits if the other partner has not said it; then they never said anything, for
            // otherwise a word of theirs were live; so nothing was ever agreed.
            Some(FieldKind::Consent) => {
                let mut speakers = self.live.values().map(|entry| entry.partner);
                let first = speakers.next();
                let alone = first.is_some_and(|first| speakers.all(|other| other == first));
                differ() || (alone && self.live.values().any(|entry| !entry.null))
            }
        }
    }
}
