//! The fold of one field, plainly: every fact compared with every other, as the rules are worded. The model's own fold looks
//! at as little as it can; this one is what it has to agree with.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::field::{Entry, FieldFacts};
use betwixt_model::ids::FactId;
use betwixt_model::schema::FieldKind;

pub struct Plain<'a> {
    pub entries: &'a [Entry],
    kind: Option<FieldKind>,
    /// Who names whom, with what void facts name in their place.
    named: BTreeMap<FactId, BTreeSet<FactId>>,
}

impl<'a> Plain<'a> {
    pub fn of(facts: &'a FieldFacts, kind: Option<FieldKind>) -> Self {
        let entries = facts.entries();
        let find = |id: &FactId| entries.iter().find(|entry| entry.id == *id);
        let mut named = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.counts()) {
            let mut all = BTreeSet::new();
            let mut void = BTreeSet::new();
            let mut open = entry.seen.clone();
            while let Some(id) = open.pop() {
                match find(&id) {
                    Some(earlier) if earlier.counts() => drop(all.insert(id)),
                    Some(earlier) if void.insert(id) => open.extend(&earlier.seen),
                    _ => {}
                }
            }
            named.insert(entry.id, all);
        }
        Self { entries, kind, named }
    }

    fn entry(&self, id: &FactId) -> &'a Entry {
        self.entries.iter().find(|entry| entry.id == *id).unwrap()
    }

    fn names(&self, later: &Entry, earlier: &Entry) -> bool {
        self.named.get(&later.id).is_some_and(|named| named.contains(&earlier.id))
    }

    /// The replacing rule, as design.md words it.
    pub fn replaces(&self, later: &Entry, earlier: &Entry) -> bool {
        if !self.names(later, earlier) {
            return false;
        }
        if later.partner == earlier.partner {
            return true;
        }
        let contradicts = |other: &&Entry| other.value != earlier.value && other.concurrent(earlier);
        match self.kind {
            _ if !later.placed() => false,
            Some(FieldKind::Light) => true,
            Some(FieldKind::Shared) => {
                !self.entries.iter().filter(contradicts).any(|other| {
                    later.has_in_past(other) || (other.partner == later.partner && other.concurrent(later))
                })
            }
            Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
        }
    }

    pub fn is_live(&self, entry: &Entry) -> bool {
        entry.counts() && !self.entries.iter().any(|later| self.replaces(later, entry))
    }

    pub fn live(&self) -> BTreeSet<FactId> {
        self.entries.iter().filter(|entry| self.is_live(entry)).map(|entry| entry.id).collect()
    }

    pub fn replacers(&self, entry: &Entry) -> BTreeSet<FactId> {
        let replacing = self.entries.iter().filter(|later| entry.counts() && self.replaces(later, entry));
        replacing.map(|later| later.id).collect()
    }

    fn all_replaced(&self, id: &FactId) -> BTreeSet<FactId> {
        let mut all = BTreeSet::new();
        let mut open = vec![*id];
        while let Some(later) = open.pop() {
            let later = self.entry(&later);
            for earlier in self.entries.iter().filter(|earlier| earlier.counts() && self.replaces(later, earlier)) {
                if all.insert(earlier.id) {
                    open.push(earlier.id);
                }
            }
        }
        all
    }

    pub fn bases(&self, versions: &[FactId]) -> BTreeSet<FactId> {
        let replaced: Vec<BTreeSet<FactId>> = versions.iter().map(|version| self.all_replaced(version)).collect();
        let Some((first, rest)) = replaced.split_first() else { return BTreeSet::new() };
        let shared: BTreeSet<FactId> =
            first.iter().filter(|id| rest.iter().all(|other| other.contains(id))).copied().collect();
        let below: BTreeSet<FactId> = shared.iter().flat_map(|id| self.all_replaced(id)).collect();
        shared.difference(&below).copied().collect()
    }

    /// The agreements that stand, as pairs by partner.
    pub fn agreements(&self) -> BTreeSet<(FactId, FactId)> {
        let live = self.live();
        let rival = |word: &Entry| {
            self.entries.iter().any(|other| {
                let beside = other.concurrent(word) || (word.has_in_past(other) && live.contains(&other.id));
                other.partner == word.partner && other.value != word.value && beside
            })
        };
        let knowingly = |word: &Entry, other: &Entry| {
            let mut replacing = self
                .entries
                .iter()
                .filter(|later| later.placed() && later.partner == word.partner && self.names(later, word));
            replacing.all(|later| later.has_in_past(other))
        };
        let words: Vec<&Entry> =
            self.entries.iter().filter(|word| word.placed() && !word.null && !rival(word)).collect();
        let mut agreed = Vec::new();
        for one in &words {
            for other in &words {
                let same = one.partner < other.partner && one.value == other.value;
                if same && knowingly(one, other) && knowingly(other, one) {
                    agreed.push((*one, *other));
                }
            }
        }
        let covers = |later: &(&Entry, &Entry), entry: &Entry| {
            [later.0, later.1].iter().any(|said| said.id == entry.id || said.has_in_past(entry))
        };
        let within =
            |earlier: &(&Entry, &Entry), later: &(&Entry, &Entry)| covers(later, earlier.0) && covers(later, earlier.1);
        let ended = |pair: &(&Entry, &Entry)| {
            self.entries.iter().any(|end| {
                let by = end.partner == pair.0.partner || end.partner == pair.1.partner;
                end.null && by && end.has_in_past(pair.0) && end.has_in_past(pair.1)
            })
        };
        let stands = |pair: &&(&Entry, &Entry)| {
            !agreed.iter().any(|later| within(pair, later) && !within(later, pair)) && !ended(pair)
        };
        agreed.iter().filter(stands).map(|(one, other)| (one.id, other.id)).collect()
    }

    /// The live words that wait for somebody to say the same.
    pub fn waiting(&self) -> BTreeSet<FactId> {
        let live = self.live();
        let agreed: BTreeSet<FactId> = self.agreements().iter().map(|(one, _)| *one).collect();
        let live: Vec<&Entry> = live.iter().map(|id| self.entry(id)).collect();
        let waits = |word: &&Entry| {
            let said_too = live.iter().any(|other| other.partner != word.partner && other.value == word.value);
            !word.null && !said_too && !agreed.iter().any(|id| self.entry(id).value == word.value)
        };
        live.iter().copied().filter(waits).map(|word| word.id).collect()
    }
}
