//! NoSilentWinner, field by field.

use std::collections::BTreeSet;

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
        let said = self.said(place, here);
        let mut faults: Vec<Fault> = Vec::new();
        for fact in &said {
            let by = said.iter().find(|later| self.rightly_replaces(place, &said, later, fact, here));
            match (live.contains(&fact.id), by) {
                (false, None) => faults.push(Fault::Lost(fact.id)),
                (true, Some(by)) => faults.push(Fault::NotReplaced { fact: fact.id, by: by.id }),
                (false, Some(_)) => faults.extend(self.ended_alone(place, &said, fact, here)),
                (true, None) => {}
            }
        }
        let unknown = live.iter().find(|id| !said.iter().any(|fact| fact.id == **id));
        faults.extend(unknown.map(|id| Fault::Shown(format!("{id:?} is live in {place:?}, where it was not said"))));
        faults
    }

    /// Whoever replaced a fact of the other partner's alone, although the two differed in the view of their own past. In
    /// prose what stands may merge.
    fn ended_alone(&self, place: &Place, said: &[&Told], fact: &Told, here: &Here) -> Option<Fault> {
        let own = |later: &&Told| later.partner == fact.partner && self.names(later, &fact.id, here);
        let shared = Self::rule(place) == Some(FieldKind::Shared) && !is_prose(place);
        if !shared || said.iter().copied().any(|later| own(&later)) {
            return None;
        }
        let differed = |later: &&&Told| {
            let past = Here { facts: &later.past & &here.facts, void: here.void.clone() };
            let live = self.live(place, &past);
            let differs = |word: &&Told| word.partner == later.partner && word.value != fact.value;
            live.iter().any(|word| word.id == fact.id) && live.iter().any(differs)
        };
        let mut others = said.iter().filter(|later| later.partner != fact.partner && self.complete(later, here));
        let by = others.find(|later| self.names(later, &fact.id, here) && differed(later))?;
        Some(Fault::EndedAlone { fact: fact.id, by: by.id })
    }

    /// The facts that are live on a device that has `here`, by the same words.
    pub(super) fn live<'a>(&'a self, place: &'a Place, here: &'a Here) -> Vec<&'a Told> {
        let said = self.said(place, here);
        let stands = |fact: &&Told| !said.iter().any(|later| self.rightly_replaces(place, &said, later, fact, here));
        said.iter().copied().filter(stands).collect()
    }

    fn rightly_replaces(&self, place: &Place, said: &[&Told], later: &Told, fact: &Told, here: &Here) -> bool {
        if !self.names(later, &fact.id, here) {
            return false;
        }
        // Their own, having seen it.
        if later.partner == fact.partner {
            return true;
        }
        // The other's: only once everything that it builds on is here.
        if !self.complete(later, here) {
            return false;
        }
        match Self::rule(place) {
            Some(FieldKind::Light) => true,
            Some(FieldKind::Shared) => {
                // The two said different things apart, as far as the other knew or their other devices said; or the fact's
                // own partner did, on two devices, which whoever replaces it had seen: that is theirs to settle.
                let beside = |word: &&&Told| word.partner == later.partner && !word.past.contains(&later.id);
                !self.stands(place, said, later, fact, here)
                    && !said.iter().filter(beside).any(|word| word.id != later.id && self.otherwise(word, fact, here))
            }
            Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
        }
    }

    /// Something else, said apart.
    fn otherwise(&self, word: &Told, fact: &Told, here: &Here) -> bool {
        word.value != fact.value && self.apart(word, fact, here)
    }

    /// Whether the other's fact that `later` names stays beside it, by what `later` had in its past: something else was
    /// said apart from it, or it was itself said beside something else of the other's that it had seen.
    fn stands(&self, place: &Place, said: &[&Told], later: &Told, fact: &Told, here: &Here) -> bool {
        let known = |word: &&&Told| later.past.contains(&word.id);
        let contested = || {
            let left = self.left(place, said, fact, here);
            left.iter().any(|id| self.told.get(id).is_some_and(|left| left.value != fact.value))
        };
        said.iter().filter(known).any(|word| self.otherwise(word, fact, here)) || (!is_prose(place) && contested())
    }

    /// What of the other partner's a fact was said beside: what it names and that stays, and what its own partner's words
    /// that it names were said beside, unless it names who answered that.
    fn left(&self, place: &Place, said: &[&Told], fact: &Told, here: &Here) -> BTreeSet<FactId> {
        if !self.complete(fact, here) {
            return BTreeSet::new();
        }
        let named: Vec<&Told> = said.iter().copied().filter(|earlier| self.names(fact, &earlier.id, here)).collect();
        let (own, other): (Vec<&Told>, Vec<&Told>) =
            named.into_iter().partition(|earlier| earlier.partner == fact.partner);
        let stay = other.iter().filter(|earlier| self.stands(place, said, fact, earlier, here));
        let mut left: BTreeSet<FactId> = stay.map(|earlier| earlier.id).collect();
        for id in own.iter().flat_map(|earlier| self.left(place, said, earlier, here)) {
            let answered = |later: &&Told| later.id == id || self.names_at_last(later, &id, here);
            if !other.iter().any(answered) {
                left.insert(id);
            }
        }
        left
    }
}

fn is_prose(place: &Place) -> bool {
    schema::field(&place.kind, &place.field).is_some_and(|field| field.shape == Shape::Prose)
}
