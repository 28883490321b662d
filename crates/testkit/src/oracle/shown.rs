//! What a field is shown to hold: it hides nothing that is live, and adds nothing.

use std::collections::BTreeSet;

use betwixt_model::fact::MAX_SEEN;
use betwixt_model::ids::{FactId, PartnerId};
use betwixt_model::schema::{FieldKind, Kind, Naming, Owner};
use betwixt_model::view::{FieldView, Reading, State};
use serde_json::Value;

use super::{Fault, Here, Oracle, Place, Told};

impl Oracle {
    /// Judges a field as a device that has `here` shows it to a partner: which facts are live, what it is said to hold, and
    /// what stands agreed.
    pub fn judge_view(&self, place: &Place, here: &Here, reader: PartnerId, view: &FieldView) -> Vec<Fault> {
        let mut faults = Vec::new();
        let live = self.live(place, here);
        let owner = self.owner(place, here);
        let (counted, outside): (Vec<&Told>, Vec<&Told>) =
            live.into_iter().partition(|word| owner.is_none_or(|owner| owner == word.partner));
        // The token names what is live, so that whoever gives it back has seen no more than was shown.
        let mut token: BTreeSet<FactId> = view.seen.facts().iter().copied().collect();
        token.extend(view.outside.iter().map(|version| version.fact));
        if counted.len() <= MAX_SEEN {
            faults.extend(self.judge(place, here, &token));
        }
        let shown_outside: BTreeSet<FactId> = view.outside.iter().map(|version| version.fact).collect();
        if shown_outside != ids(&outside) {
            faults.push(Fault::Shown(format!("{place:?}: said outside is {outside:?}, shown is {shown_outside:?}")));
        }
        match Self::rule(place) {
            Some(FieldKind::Owned(Owner::EachPartner)) => {
                for partner in [reader].into_iter().chain(view.slots.iter().map(|slot| slot.by)) {
                    let own: Vec<&Told> = counted.iter().copied().filter(|word| word.partner == partner).collect();
                    let slot = view.slots.iter().find(|slot| slot.by == partner);
                    let nothing = Reading::default();
                    faults.extend(reads(place, &own, reader, slot.map_or(&nothing, |slot| &slot.reading)));
                }
                let speakers: BTreeSet<PartnerId> = counted.iter().map(|word| word.partner).collect();
                if view.slots.iter().map(|slot| slot.by).collect::<BTreeSet<_>>() != speakers {
                    faults.push(Fault::Shown(format!("{place:?}: a partner's slot is missing")));
                }
            }
            Some(FieldKind::Light) => {
                let greatest: Vec<&Told> = counted.iter().copied().max_by_key(|word| word.id).into_iter().collect();
                faults.extend(reads(place, &greatest, reader, &view.reading));
            }
            Some(FieldKind::Consent) => {
                faults.extend(reads(place, &counted, reader, &view.reading));
                faults.extend(self.judge_consent(place, here, view));
            }
            Some(FieldKind::Owned(Owner::Founder) | FieldKind::Shared) | None => {
                faults.extend(reads(place, &counted, reader, &view.reading));
            }
        }
        let waits = self.said(place, here).iter().any(|word| {
            let counts = match Self::rule(place) {
                Some(FieldKind::Owned(Owner::EachPartner)) => word.partner == reader,
                _ => owner.is_none_or(|owner| owner == word.partner),
            };
            counts && !self.complete(word, here)
        });
        if Self::rule(place).is_some() && view.arriving != waits {
            faults.push(Fault::Shown(format!("{place:?}: still arriving is shown as {}", view.arriving)));
        }
        faults
    }
}

impl Oracle {
    /// Whether anything that counts was said in a field, of an item of which it is known what it is. An occurrence is named
    /// by what its values say. Letting go says none of that; so where nothing else of it is here, or what is was said by a
    /// device that was removed, nobody can tell what was let go, and nothing is shown. (Seed 192 of the lives: a patched
    /// program let go of what nobody had named.)
    pub fn is_said(&self, place: &Place, here: &Here) -> bool {
        let Some(kind) = Kind::named(&place.kind).filter(|kind| matches!(kind.naming, Naming::Keyed { .. })) else {
            return !self.said(place, here).is_empty();
        };
        let names = |word: &Told| {
            self.household.is_some_and(|household| kind.keyed_item(&household, &word.value) == Some(place.item))
        };
        let counts = |told: &&Told| told.place.kind == place.kind && here.counts(told);
        let named = self.about(&place.item).filter(counts).any(names);
        named && !self.said(place, here).is_empty()
    }

    /// Judges whether a field is rightly listed as one to settle, or left out: "differing fields and wordings that wait";
    /// what a partner said on two devices apart in a field of their own is theirs alone to settle.
    pub fn judge_listed(
        &self,
        place: &Place,
        here: &Here,
        reader: PartnerId,
        view: &FieldView,
        listed: bool,
    ) -> Option<Fault> {
        let differs = view.reading.state == State::Differing;
        let expected = match Self::rule(place) {
            None | Some(FieldKind::Light) => false,
            Some(FieldKind::Shared) => differs,
            Some(FieldKind::Consent) => differs || !view.waiting.is_empty() || view.agreement.len() > 1,
            Some(FieldKind::Owned(Owner::Founder)) => differs && self.owner(place, here) == Some(reader),
            Some(FieldKind::Owned(Owner::EachPartner)) => {
                view.slots.iter().any(|slot| slot.by == reader && slot.reading.state == State::Differing)
            }
        };
        (expected != listed).then(|| Fault::Shown(format!("{place:?}: is {listed} in the list to settle")))
    }
}

/// What is shown of a word: nothing where it was erased.
fn shown(word: &Told) -> &Value {
    if word.erased { &Value::Null } else { &word.value }
}

fn ids(words: &[&Told]) -> BTreeSet<FactId> {
    words.iter().map(|word| word.id).collect()
}

/// Judges what some live facts are said to hold together.
fn reads(place: &Place, live: &[&Told], reader: PartnerId, reading: &Reading) -> Option<Fault> {
    let fault = |what: &str| Some(Fault::Shown(format!("{place:?}: {what}; live are {live:?}, shown is {reading:?}")));
    let Some(first) = live.first() else {
        return (reading.state != State::Unsaid).then(|| fault("something is shown where nothing stands")).flatten();
    };
    let same = live.iter().all(|word| word.value == first.value);
    let versions: BTreeSet<FactId> = reading.versions.iter().map(|version| version.fact).collect();
    let own_first = reading.versions.is_sorted_by_key(|version| version.by != reader);
    let honest = |(fact, by)| live.iter().any(|word| word.id == fact && word.partner == by);
    match reading.state {
        State::Held if same => {
            let speakers: BTreeSet<FactId> = reading.said.iter().map(|said| said.fact).collect();
            if reading.value.as_ref() != Some(shown(first)) || reading.erased != first.erased || reading.merged {
                return fault("it does not hold what everybody says");
            }
            (speakers != ids(live)).then(|| fault("who says it is told wrongly")).flatten()
        }
        _ if same => fault("everybody says the same, and it is shown as something else"),
        State::Held if reading.merged && versions == ids(live) => None,
        State::Held => fault("one of several versions is held"),
        State::Differing if versions != ids(live) => fault("a version is hidden"),
        State::Differing if !own_first => fault("the reader's own version is not first"),
        State::Differing
            if !reading.versions.iter().all(|version| {
                honest((version.fact, version.by))
                    && live.iter().any(|word| word.id == version.fact && *shown(word) == version.value)
            }) =>
        {
            fault("a version is told wrongly")
        }
        State::Differing => None,
        State::Unsaid | State::Each => fault("what stands is not shown"),
    }
}
