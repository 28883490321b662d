//! Consent: what both partners agreed. Derived from the facts alone, for any order in which they came.

use std::collections::BTreeSet;

use super::agreements::Words;
use super::{Entry, FieldFacts, LiveFacts, ValueHash};
use crate::ids::PartnerId;

/// Two facts by two partners that say the same, and stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed<'a> {
    /// The one with the smaller partner id.
    pub one: &'a Entry,
    /// The other.
    pub other: &'a Entry,
}

impl Agreed<'_> {
    /// The greater of the two facts' pasts, for sorting.
    pub fn weight(&self) -> u64 {
        self.one.weight().max(self.other.weight())
    }
}

impl FieldFacts {
    /// The agreements that stand, latest last: usually one, several where they were reached apart.
    ///
    /// Two facts that say the same agree if each partner changed their word only having the other's in the past, and neither
    /// had another word beside it. An agreement stands until a later one, with both of its facts in the past, or until one
    /// of the two says `null` with both in the past. A proposal takes nothing away.
    pub fn agreements(&self) -> Vec<Agreed<'_>> {
        let latest = self.latest_agreements().into_iter();
        let mut standing: Vec<Agreed<'_>> = latest.filter(|(_, ended)| !ended).map(|(agreed, _)| agreed).collect();
        standing.sort_by_key(|agreed| (agreed.weight(), agreed.one.id, agreed.other.id));
        standing
    }

    /// The agreements that no later one covers, each with whether it was ended since.
    pub(crate) fn latest_agreements(&self) -> Vec<(Agreed<'_>, bool)> {
        Words::of(self).latest()
    }

    /// The live words of a partner, `null` included.
    pub fn words_of(&self, partner: &PartnerId) -> impl Iterator<Item = &Entry> {
        self.live().filter(move |entry| entry.partner == *partner)
    }
}

impl LiveFacts {
    /// The live words that are only their speaker's so far, and none of the values that stand agreed: somebody has yet to say
    /// the same.
    pub(crate) fn waiting(&self, agreed: &BTreeSet<ValueHash>) -> Vec<&Entry> {
        let said: BTreeSet<(ValueHash, PartnerId)> = self.live().map(|entry| (entry.value, entry.partner)).collect();
        let said_too = |word: &Entry| {
            let least = PartnerId::from_bytes([0; 32]);
            let speakers = said.range((word.value, least)..).take_while(|(value, _)| *value == word.value);
            speakers.into_iter().any(|(_, partner)| *partner != word.partner)
        };
        self.live().filter(|word| !word.null && !said_too(word) && !agreed.contains(&word.value)).collect()
    }
}
