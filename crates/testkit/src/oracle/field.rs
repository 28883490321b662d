//! NoSilentWinner, field by field.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::ids::FactId;
use betwixt_model::schema::{self, FieldKind, Shape};

use super::{Fault, Here, Oracle, Place, Told};

impl Oracle {
    /// Judges which facts of a field are live on a device that has `here`.
    ///
    /// "A fact stops being live only when its own partner, having seen it, said something else, or when, in a shared field,
    /// the other partner, having seen it, did so and the two had never said different things there apart from each other
    /// since it was said. Every fact stays readable in the item's history." And the other way round: what was rightly
    /// replaced does not stay.
    pub fn judge(&self, place: &Place, here: &Here, live: &BTreeSet<FactId>) -> Vec<Fault> {
        let field = Judged::new(self, place, here);
        let mut faults: Vec<Fault> = Vec::new();
        for fact in &field.said {
            let by = field.said.iter().find(|later| field.rightly_replaces(later, fact));
            match (live.contains(&fact.id), by) {
                (false, None) => faults.push(Fault::Lost(fact.id)),
                (true, Some(by)) => faults.push(Fault::NotReplaced { fact: fact.id, by: by.id }),
                (false, Some(_)) => faults.extend(field.ended_alone(fact)),
                (true, None) => {}
            }
        }
        let unknown = live.iter().find(|id| !field.said.iter().any(|fact| fact.id == **id));
        faults.extend(unknown.map(|id| Fault::Shown(format!("{id:?} is live in {place:?}, where it was not said"))));
        faults
    }

    /// The facts that are live on a device that has `here`, by the same words.
    pub(super) fn live<'a>(&'a self, place: &'a Place, here: &'a Here) -> Vec<&'a Told> {
        let field = Judged::new(self, place, here);
        let stands = |fact: &&Told| !field.said.iter().any(|later| field.rightly_replaces(later, fact));
        field.said.iter().copied().filter(stands).collect()
    }
}

/// A field as a device that has `here` is to be judged.
struct Judged<'a> {
    oracle: &'a Oracle,
    place: &'a Place,
    here: &'a Here,
    said: Vec<&'a Told>,
    prose: bool,
    /// What [`Judged::left`] found.
    left: RefCell<BTreeMap<FactId, BTreeSet<FactId>>>,
}

impl<'a> Judged<'a> {
    fn new(oracle: &'a Oracle, place: &'a Place, here: &'a Here) -> Self {
        let said = oracle.said(place, here);
        let prose = schema::field(&place.kind, &place.field).is_some_and(|field| field.shape == Shape::Prose);
        Self { oracle, place, here, said, prose, left: RefCell::default() }
    }

    fn names(&self, later: &Told, fact: &Told) -> bool {
        self.oracle.names(later, &fact.id, self.here)
    }

    fn rightly_replaces(&self, later: &Told, fact: &Told) -> bool {
        if !self.names(later, fact) {
            return false;
        }
        // Their own, having seen it.
        if later.partner == fact.partner {
            return true;
        }
        // The other's: only once everything that it builds on is here.
        if !self.oracle.complete(later, self.here) {
            return false;
        }
        match Oracle::rule(self.place) {
            Some(FieldKind::Light) => true,
            Some(FieldKind::Shared) => {
                // The two said different things apart, as far as the other knew or their other devices said; or the fact's
                // own partner did, on two devices, which whoever replaces it had seen: that is theirs to settle.
                let beside = |word: &&&Told| word.partner == later.partner && !word.past.contains(later.number);
                !self.stands(later, fact)
                    && !self.said.iter().filter(beside).any(|word| word.id != later.id && self.otherwise(word, fact))
            }
            Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
        }
    }

    /// Something else, said apart.
    fn otherwise(&self, word: &Told, fact: &Told) -> bool {
        word.value != fact.value && self.oracle.apart(word, fact, self.here)
    }

    /// Whether the other's fact that `later` names stays beside it, by what `later` had in its past: something else was
    /// said apart from it, or it was itself said beside something else of the other's that it had seen.
    fn stands(&self, later: &Told, fact: &Told) -> bool {
        let known = |word: &&&Told| later.past.contains(word.number);
        let says_else = |id: &FactId| self.oracle.value(id).is_some_and(|value| *value != fact.value);
        self.said.iter().filter(known).any(|word| self.otherwise(word, fact))
            || (!self.prose && self.left(fact).iter().any(says_else))
    }

    /// What of the other partner's a fact was said beside: what it names and that stays, and what its own partner's words
    /// that it names were said beside, unless it names who answered that.
    fn left(&self, fact: &Told) -> BTreeSet<FactId> {
        if !self.oracle.complete(fact, self.here) {
            return BTreeSet::new();
        }
        if let Some(left) = self.left.borrow().get(&fact.id) {
            return left.clone();
        }
        let named = self.said.iter().filter(|earlier| self.names(fact, earlier));
        let (own, other): (Vec<&Told>, Vec<&Told>) = named.partition(|earlier| earlier.partner == fact.partner);
        let stay = other.iter().filter(|earlier| self.stands(fact, earlier));
        let mut left: BTreeSet<FactId> = stay.map(|earlier| earlier.id).collect();
        for id in own.iter().flat_map(|earlier| self.left(earlier)) {
            if !other.iter().any(|later| later.id == id || later.named.contains(self.oracle.told[&id].number)) {
                left.insert(id);
            }
        }
        self.left.borrow_mut().insert(fact.id, left.clone());
        left
    }

    /// Whoever replaced a fact of the other partner's alone, although the two differed in the view of their own past. In
    /// prose what stands may merge.
    fn ended_alone(&self, fact: &Told) -> Option<Fault> {
        let shared = Oracle::rule(self.place) == Some(FieldKind::Shared) && !self.prose;
        let (own, other): (Vec<&Told>, Vec<&Told>) =
            self.said.iter().filter(|later| self.names(later, fact)).partition(|later| later.partner == fact.partner);
        if !shared || !own.is_empty() {
            return None;
        }
        let differed = |later: &&&Told| {
            let differs = |word: &&Told| word.partner == later.partner && word.value != fact.value;
            let in_past = |word: &Told| later.past.contains(word.number);
            if !self.said.iter().any(|word| in_past(word) && differs(word)) {
                return false;
            }
            let past = Here { facts: later.past.common(&self.here.facts), void: self.here.void.clone() };
            let live = self.oracle.live(self.place, &past);
            live.iter().any(|word| word.id == fact.id) && live.iter().any(differs)
        };
        let by = other.iter().filter(|later| self.oracle.complete(later, self.here)).find(differed)?;
        Some(Fault::EndedAlone { fact: fact.id, by: by.id })
    }
}
