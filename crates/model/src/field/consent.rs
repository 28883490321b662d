//! Consent: what both partners agreed. Derived from the facts alone, for any order in which they came.

use std::collections::BTreeSet;

use crate::ids::PartnerId;

use super::{Entry, FieldFacts, ValueHash};

/// Two facts by two partners that say the same, and stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed<'a> {
    /// The one with the smaller partner id.
    pub one: &'a Entry,
    /// The other.
    pub other: &'a Entry,
}

impl Agreed<'_> {
    /// Whether a fact is one of the two, or in the past of one of them.
    fn covers(&self, entry: &Entry) -> bool {
        [self.one, self.other].iter().any(|said| said.id == entry.id || said.has_in_past(entry))
    }

    fn is_before(&self, later: &Self) -> bool {
        let within = |earlier: &Self, later: &Self| later.covers(earlier.one) && later.covers(earlier.other);
        within(self, later) && !within(later, self)
    }

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
        let mut words: Vec<&Entry> = self.entries.iter().filter(|entry| entry.placed() && !entry.null).collect();
        words.retain(|word| !self.has_rival(word));
        words.sort_by_key(|word| (word.value, word.partner, word.id));
        let mut agreed = Vec::new();
        for same in words.chunk_by(|left, right| left.value == right.value) {
            for (place, one) in same.iter().enumerate() {
                for other in &same[place + 1..] {
                    if one.partner != other.partner && self.knowingly(one, other) && self.knowingly(other, one) {
                        agreed.push(Agreed { one, other });
                    }
                }
            }
        }
        let ended = |agreed: &Agreed<'_>| {
            let ends = |end: &&Entry| {
                end.null
                    && end.has_in_past(agreed.one)
                    && end.has_in_past(agreed.other)
                    && [agreed.one.partner, agreed.other.partner].contains(&end.partner)
            };
            self.entries.iter().any(|entry| ends(&entry))
        };
        let stands =
            |agreement: &&Agreed<'_>| !agreed.iter().any(|later| agreement.is_before(later)) && !ended(agreement);
        let mut standing: Vec<Agreed<'_>> = agreed.iter().filter(stands).copied().collect();
        standing.sort_by_key(|agreed| (agreed.weight(), agreed.one.id, agreed.other.id));
        standing
    }

    /// Whether the word's own speaker had another one beside it: said apart, or left standing when this was said.
    fn has_rival(&self, word: &Entry) -> bool {
        let beside = |other: &Entry| other.concurrent(word) || (word.has_in_past(other) && self.is_live_entry(other));
        let mut others = self.entries.iter().filter(|other| other.partner == word.partner && other.value != word.value);
        others.any(beside)
    }

    /// Whether whoever said `word` replaced it only having `other` in the past.
    fn knowingly(&self, word: &Entry, other: &Entry) -> bool {
        let replacing = |later: &&Entry| later.placed() && later.partner == word.partner && self.names(later, word);
        self.entries.iter().filter(replacing).all(|later| later.has_in_past(other))
    }

    /// The live words of a partner, `null` included.
    pub fn words_of(&self, partner: &PartnerId) -> impl Iterator<Item = &Entry> {
        self.live().filter(move |entry| entry.partner == *partner)
    }

    /// The live words that are only their speaker's so far, and not what stands agreed: somebody has yet to say the same.
    pub fn waiting(&self) -> Vec<&Entry> {
        let live: Vec<&Entry> = self.live().collect();
        let said_too =
            |word: &Entry| live.iter().any(|other| other.partner != word.partner && other.value == word.value);
        let alone: Vec<&Entry> = live.iter().copied().filter(|word| !word.null && !said_too(word)).collect();
        if alone.is_empty() {
            return alone;
        }
        let agreed: BTreeSet<ValueHash> = self.agreements().iter().map(|agreed| agreed.one.value).collect();
        alone.into_iter().filter(|word| !agreed.contains(&word.value)).collect()
    }

    /// Whether two partners each took the other's earlier word and left their own: crossing offers.
    pub fn crossed(&self) -> bool {
        let live: Vec<&Entry> = self.live().collect();
        let [one, other] = live.as_slice() else { return false };
        let took = |taker: &Entry, left: &Entry| {
            let earlier =
                |id| self.entry(id).is_some_and(|seen| seen.partner != taker.partner && seen.value == taker.value);
            taker.partner != left.partner && taker.seen.iter().any(earlier)
        };
        one.value != other.value && took(one, other) && took(other, one)
    }
}
