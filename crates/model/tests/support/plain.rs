//! The fold of one field, plainly: every fact compared with every other, as the rules are worded. The model's own fold looks
//! at as little as it can; this one is what it has to agree with.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::field::{Entry, FieldFacts};
use betwixt_model::ids::FactId;
use betwixt_model::schema::{Field, FieldKind, Shape};

pub struct Plain<'a> {
    pub entries: &'a [Entry],
    kind: Option<FieldKind>,
    prose: bool,
    /// Everything that a fact names, directly or not.
    closure: BTreeMap<FactId, BTreeSet<FactId>>,
    left: RefCell<BTreeMap<FactId, BTreeSet<FactId>>>,
    /// Who names whom, with what void facts name in their place.
    named: BTreeMap<FactId, BTreeSet<FactId>>,
}

impl<'a> Plain<'a> {
    pub fn of(facts: &'a FieldFacts, schema: Option<&Field>) -> Self {
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
        let kind = schema.map(|field| field.kind);
        let prose = schema.is_some_and(|field| field.shape == Shape::Prose);
        let (closure, left) = (BTreeMap::new(), RefCell::default());
        let mut plain = Self { entries, kind, prose, closure, left, named };
        let counting = entries.iter().filter(|entry| entry.counts());
        plain.closure = counting.map(|entry| (entry.id, plain.all_named(entry))).collect();
        plain
    }

    fn entry(&self, id: &FactId) -> &'a Entry {
        self.entries.iter().find(|entry| entry.id == *id).unwrap()
    }

    fn names(&self, later: &Entry, earlier: &Entry) -> bool {
        self.named.get(&later.id).is_some_and(|named| named.contains(&earlier.id))
    }

    /// Everything that a fact names, directly or through what it names, of facts that have their place.
    fn all_named(&self, later: &Entry) -> BTreeSet<FactId> {
        let mut all = BTreeSet::new();
        let mut open = vec![later.id];
        while let Some(id) = open.pop() {
            let named = self.named.get(&id).into_iter().flatten();
            open.extend(named.filter(|earlier| all.insert(**earlier)));
        }
        all
    }

    fn apart(&self, one: &Entry, other: &Entry) -> bool {
        let placed = one.placed() && other.placed() && one.id != other.id;
        placed && !self.closure[&one.id].contains(&other.id) && !self.closure[&other.id].contains(&one.id)
    }

    /// Whether something else was said apart from `earlier` that `later` has in its past, or `earlier` is contested.
    fn knowingly_contradicted(&self, later: &Entry, earlier: &Entry) -> bool {
        let contradicts = |other: &&Entry| other.value != earlier.value && self.apart(other, earlier);
        self.is_contested(earlier) || self.entries.iter().filter(contradicts).any(|other| later.has_in_past(other))
    }

    /// What a fact left standing of the other partner's: what it names and does not replace, and what its own partner's
    /// word that it names left, unless it names who answered that.
    fn left(&self, entry: &Entry) -> BTreeSet<FactId> {
        if let Some(left) = self.left.borrow().get(&entry.id) {
            return left.clone();
        }
        let named: Vec<&Entry> = self.named[&entry.id].iter().map(|id| self.entry(id)).collect();
        let (own, other): (Vec<&Entry>, Vec<&Entry>) =
            named.into_iter().partition(|earlier| earlier.partner == entry.partner);
        let mut left: BTreeSet<FactId> = other
            .iter()
            .filter(|earlier| earlier.placed() && self.knowingly_contradicted(entry, earlier))
            .map(|earlier| earlier.id)
            .collect();
        for standing in own.into_iter().flat_map(|earlier| self.left(earlier)) {
            if !other.iter().any(|later| later.id == standing || self.closure[&later.id].contains(&standing)) {
                left.insert(standing);
            }
        }
        self.left.borrow_mut().insert(entry.id, left.clone());
        left
    }

    fn is_contested(&self, entry: &Entry) -> bool {
        !self.prose && self.left(entry).iter().any(|id| self.entry(id).value != entry.value)
    }

    /// The replacing rule: apart goes by what facts name.
    pub fn replaces(&self, later: &Entry, earlier: &Entry) -> bool {
        if !self.names(later, earlier) {
            return false;
        }
        if later.partner == earlier.partner {
            return true;
        }
        let contradicts = |other: &Entry| other.value != earlier.value && self.apart(other, earlier);
        let keeps = |other: &&Entry| contradicts(other) || (other.placed() && self.left(other).contains(&earlier.id));
        match self.kind {
            _ if !later.placed() => false,
            Some(FieldKind::Light) => true,
            Some(FieldKind::Shared) => {
                let beside =
                    |other: &Entry| other.partner == later.partner && other.id != later.id && !other.has_in_past(later);
                !self.knowingly_contradicted(later, earlier) && !self.entries.iter().filter(keeps).any(beside)
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
