//! NoSilentWinner, field by field.

use std::collections::BTreeSet;

use betwixt_model::ids::FactId;
use betwixt_model::schema::FieldKind;

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
                (true, None) | (false, Some(_)) => {}
            }
        }
        let unknown = live.iter().find(|id| !said.iter().any(|fact| fact.id == **id));
        faults.extend(unknown.map(|id| Fault::Shown(format!("{id:?} is live in {place:?}, where it was not said"))));
        faults
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
                let otherwise = |word: &&&Told| word.value != fact.value && self.apart(word, fact, here);
                let mut others = said.iter().filter(otherwise);
                // The two said different things apart; or the fact's own partner did, on two devices, which whoever
                // replaces it had seen: that is theirs to settle.
                !others.any(|word| word.partner == later.partner || later.past.contains(&word.id))
            }
            Some(FieldKind::Owned(_) | FieldKind::Consent) | None => false,
        }
    }
}
