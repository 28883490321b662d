//! Consent: "each partner's word stands until they change it; agreed when both say the same. The agreed value is the
//! causally latest that both said. It stands until both say another, or one says that it is no longer agreed; a proposal
//! waits beside it and takes nothing away. A partner with two live words has agreed to neither. Agreement is never by
//! accident: neither had changed their word without knowing of the other's."

use std::collections::BTreeSet;

use betwixt_model::view::FieldView;
use serde_json::Value;

use super::{Fault, Here, Oracle, Place, Told};

/// Two who said the same.
#[derive(Clone, Copy)]
struct Pair<'a>(&'a Told, &'a Told);

impl Pair<'_> {
    /// Everything that was said up to this agreement.
    fn includes(&self, told: &Told) -> bool {
        [self.0, self.1].iter().any(|word| word.id == told.id || word.past.contains(told.number))
    }

    fn is_later_than(&self, other: &Pair<'_>) -> bool {
        self.includes(other.0) && self.includes(other.1) && !(other.includes(self.0) && other.includes(self.1))
    }
}

impl Oracle {
    /// Judges what a field of consent is shown to hold as agreed.
    pub(super) fn judge_consent(&self, place: &Place, here: &Here, view: &FieldView) -> Vec<Fault> {
        let mut faults = Vec::new();
        let values = |values: &mut dyn Iterator<Item = &Value>| values.map(Value::to_string).collect::<BTreeSet<_>>();
        let expected = self.agreed(place, here);
        let expected = values(&mut expected.iter());
        let shown = values(&mut view.agreement.iter().map(|agreement| &agreement.value));
        if expected != shown || shown.len() != view.agreement.len() {
            faults.push(Fault::Agreed(format!("{place:?}: agreed is {expected:?}, shown is {shown:?}")));
        }
        let held = view.reading.value.as_ref();
        let settled = view.agreement.len() == 1 && held == Some(&view.agreement[0].value);
        if view.agreed != Some(settled) {
            faults.push(Fault::Agreed(format!("{place:?}: agreed is shown as {:?}, not {settled}", view.agreed)));
        }
        for agreement in &view.agreement {
            let said: Vec<&Told> = agreement.said.iter().filter_map(|said| self.told.get(&said.fact)).collect();
            let both = matches!(said.as_slice(), [one, other] if one.partner != other.partner);
            if !both || said.iter().any(|told| told.value != agreement.value || told.place != *place) {
                faults.push(Fault::Agreed(format!("{place:?}: an agreement that not both said: {agreement:?}")));
            }
        }
        // What waits: somebody's live word that the other does not share, and that does not stand agreed.
        let live = self.live(place, here);
        let alone = |word: &&&Told| {
            !word.value.is_null()
                && !live.iter().any(|other| other.partner != word.partner && other.value == word.value)
                && !expected.contains(&word.value.to_string())
        };
        let expected: BTreeSet<_> = live.iter().filter(alone).map(|word| word.id).collect();
        let shown: BTreeSet<_> = view.waiting.iter().map(|version| version.fact).collect();
        if expected != shown {
            faults.push(Fault::Agreed(format!("{place:?}: {expected:?} wait, shown as waiting are {shown:?}")));
        }
        faults
    }

    /// The values that stand agreed.
    fn agreed(&self, place: &Place, here: &Here) -> Vec<Value> {
        let said: Vec<&Told> = self.said(place, here).into_iter().filter(|word| self.complete(word, here)).collect();
        let live = self.live(place, here);
        let one_word = |word: &&Told| {
            let own = said.iter().filter(|other| other.partner == word.partner && other.value != word.value);
            // Another one that they said apart, or that they left standing although they had it.
            let mut beside = own.filter(|other| {
                self.concurrent(other, word, here)
                    || (word.past.contains(other.number) && live.iter().any(|live| live.id == other.id))
            });
            !word.value.is_null() && beside.next().is_none()
        };
        let words: Vec<&Told> = said.iter().copied().filter(one_word).collect();
        let changed_unaware = |word: &Told, other: &Told| {
            said.iter().any(|later| {
                later.partner == word.partner && self.names(later, &word.id, here) && !later.past.contains(other.number)
            })
        };
        let mut pairs = Vec::new();
        for one in &words {
            for other in words.iter().filter(|other| other.partner > one.partner && other.value == one.value) {
                if !changed_unaware(one, other) && !changed_unaware(other, one) {
                    pairs.push(Pair(one, other));
                }
            }
        }
        let stands = |pair: &&Pair<'_>| {
            let ended = said.iter().any(|word| {
                word.value.is_null() && word.past.contains(pair.0.number) && word.past.contains(pair.1.number)
            });
            !ended && !pairs.iter().any(|later| later.is_later_than(pair))
        };
        let mut values: Vec<Value> = pairs.iter().filter(stands).map(|pair| pair.0.value.clone()).collect();
        values.sort_by_key(Value::to_string);
        values.dedup();
        values
    }
}
