//! Consent: what both partners agreed, in words that cross, rival, are taken back, and in random lives.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::fact::SignedFact;
use betwixt_model::field::FieldFacts;
use betwixt_model::ids::FactId;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::view::{self, FieldView, Reader, State};
use serde_json::{Value, json};
use support::{Device, Dice, HOUSEHOLD, ingest, members, partner, runs, vision};

/// Two partners, the second with two devices; every fact is told who has seen what by hand.
struct Couple {
    one: Device,
    other: Device,
    others_phone: Device,
    said: Vec<SignedFact>,
}

impl Couple {
    fn new() -> Self {
        Self { one: Device::new(1), other: Device::new(101), others_phone: Device::new(102), said: Vec::new() }
    }

    fn says(&mut self, who: fn(&mut Self) -> &mut Device, value: Value, seen: &[FactId]) -> FactId {
        let signed = who(self).says(Some(vision()), "vision", "wording", value, seen);
        let id = signed.fact().id();
        self.said.push(signed);
        id
    }

    fn one(&mut self, value: &str, seen: &[FactId]) -> FactId {
        self.says(|couple| &mut couple.one, json!(value), seen)
    }

    fn other(&mut self, value: &str, seen: &[FactId]) -> FactId {
        self.says(|couple| &mut couple.other, json!(value), seen)
    }

    fn rows(&self) -> MemoryRows {
        let mut rows = MemoryRows::default();
        let devices = [self.one.clone(), self.other.clone(), self.others_phone.clone()];
        ingest(&mut rows, &members(&devices), &self.said);
        rows
    }

    fn wording(&self) -> FieldView {
        let reader = Reader { household: HOUSEHOLD, partner: partner(false) };
        let view = view::item(&self.rows(), &reader, &vision()).unwrap().unwrap();
        view.fields["wording"].clone()
    }

    fn agreed(&self) -> Vec<Value> {
        self.wording().agreement.into_iter().map(|agreement| agreement.value).collect()
    }
}

#[test]
fn a_proposal_waits_and_saying_the_same_agrees() {
    let mut couple = Couple::new();
    let a = couple.one("calm", &[]);
    let wording = couple.wording();
    assert_eq!((wording.reading.state, wording.agreed, wording.waiting.len()), (State::Held, Some(false), 1));
    let b = couple.other("calm", &[a]);
    let wording = couple.wording();
    assert_eq!((wording.agreed, wording.waiting.len(), wording.agreement[0].said.len()), (Some(true), 0, 2));

    let a = couple.one("open", &[a, b]);
    let wording = couple.wording();
    assert_eq!((wording.reading.state, wording.agreed), (State::Differing, Some(false)));
    assert_eq!(wording.agreement[0].value, "calm", "a proposal takes nothing away");
    assert_eq!(wording.waiting.iter().map(|version| &version.value).collect::<Vec<_>>(), ["open"]);
    couple.other("open", &[a, b]);
    assert_eq!((couple.agreed(), couple.wording().agreed), (vec![json!("open")], Some(true)));
}

#[test]
fn withdrawing_a_proposal_leaves_what_was_agreed() {
    let mut couple = Couple::new();
    let a = couple.one("calm", &[]);
    let b = couple.other("calm", &[a]);
    let open = couple.one("open", &[a, b]);
    couple.one("calm", &[open, b]);
    let wording = couple.wording();
    assert_eq!((wording.agreed, wording.waiting.len()), (Some(true), 0));
    assert_eq!(couple.agreed(), [json!("calm")]);
}

#[test]
fn no_longer_agreed_ends_it_once_said_knowingly() {
    let mut couple = Couple::new();
    let a = couple.one("calm", &[]);
    let b = couple.other("calm", &[a]);
    let end = couple.says(|couple| &mut couple.one, Value::Null, &[a, b]);
    assert!(couple.agreed().is_empty());
    couple.one("calm", &[end, b]);
    assert_eq!(couple.agreed(), [json!("calm")], "and can be agreed again");
}

#[test]
fn changing_ones_word_unaware_of_the_others_is_no_agreement() {
    let mut couple = Couple::new();
    let a = couple.one("calm", &[]);
    couple.one("open", &[a]);
    couple.other("calm", &[a]);
    assert!(couple.agreed().is_empty(), "the one had moved on before the other agreed");
    assert_eq!(couple.wording().waiting.len(), 2);
}

#[test]
fn crossing_offers_show_as_such() {
    let mut couple = Couple::new();
    let a = couple.one("calm", &[]);
    let b = couple.other("open", &[]);
    assert!(!couple.wording().crossed);
    couple.one("open", &[a, b]);
    couple.other("calm", &[a, b]);
    let wording = couple.wording();
    assert!(wording.crossed && wording.agreement.is_empty(), "each took the other's: {wording:?}");
}

#[test]
fn offers_that_did_not_cross_do_not_show_as_such() {
    let apart = || {
        let mut couple = Couple::new();
        let (walk, swim) = (couple.one("walk", &[]), couple.other("swim", &[]));
        (couple, [walk, swim])
    };
    // One took the other's, the other said something new.
    let (mut couple, both) = apart();
    couple.one("swim", &both);
    couple.other("run", &both);
    assert!(!couple.wording().crossed);
    // Both said something new.
    let (mut couple, both) = apart();
    couple.one("run", &both);
    couple.other("dance", &both);
    assert!(!couple.wording().crossed);
    // Each said once more what they had said.
    let (mut couple, both) = apart();
    couple.one("walk", &both);
    couple.other("swim", &both);
    assert!(!couple.wording().crossed);
}

#[test]
fn two_live_words_agree_to_neither() {
    let mut couple = Couple::new();
    let b = couple.other("calm", &[]);
    let phone = couple.says(|couple| &mut couple.others_phone, json!("open"), &[]);
    couple.one("calm", &[b, phone]);
    assert!(couple.agreed().is_empty());
    couple.other("calm", &[b, phone]);
    assert_eq!(couple.agreed(), [json!("calm")], "settled by their own speaker");
}

/// Two agreements reached apart by the same two people: each has two live words then, and so has agreed to neither. Both
/// words are shown, what was agreed before goes on standing, and each settles their own two words by speaking again.
#[test]
fn agreements_reached_apart_differ_and_what_was_agreed_before_stands() {
    // Each partner's phone and laptop are apart: the laptops agree on one wording, the phones on another.
    let mut couple = Couple::new();
    let start = couple.one("calm", &[]);
    let begun = couple.other("calm", &[start]);
    let mut first_phone = Device::new(2);
    let open = couple.one("open", &[start, begun]);
    let opened = couple.other("open", &[open, begun]);
    let warm = first_phone.says(Some(vision()), "vision", "wording", json!("warm"), &[start, begun]);
    let warm_id = warm.fact().id();
    couple.said.push(warm);
    let warmed = couple.says(|couple| &mut couple.others_phone, json!("warm"), &[warm_id, begun]);
    let wording = |couple: &Couple| {
        let mut rows = MemoryRows::default();
        let devices = [couple.one.clone(), first_phone.clone(), couple.other.clone(), couple.others_phone.clone()];
        ingest(&mut rows, &members(&devices), &couple.said);
        let reader = Reader { household: HOUSEHOLD, partner: partner(false) };
        view::item(&rows, &reader, &vision()).unwrap().unwrap().fields["wording"].clone()
    };
    let agreed = |view: &FieldView| view.agreement.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    let apart = wording(&couple);
    assert_eq!(
        (apart.reading.state, apart.agreed, agreed(&apart)),
        (State::Differing, Some(false), vec![json!("calm")])
    );
    let mut versions: Vec<_> = apart.reading.versions.iter().map(|one| (one.own, one.value.clone())).collect();
    versions.sort_by_key(|(own, value)| (!own, value.to_string()));
    let both = [json!("open"), json!("warm")];
    assert_eq!(
        versions,
        [true, false].iter().flat_map(|own| both.iter().map(|value| (*own, value.clone()))).collect::<Vec<_>>()
    );
    // One settles their own two words; the other's two are still beside each other.
    let settled = couple.one("warm", &[open, warm_id, opened, warmed]);
    assert_eq!(agreed(&wording(&couple)), [json!("calm")]);
    couple.other("warm", &[settled, opened, warmed]);
    let settled = wording(&couple);
    assert_eq!(
        (settled.reading.state, settled.agreed, agreed(&settled)),
        (State::Held, Some(true), vec![json!("warm")])
    );
}

/// In random lives: what stands agreed was said by both, each having had the other's word or said it apart; a later
/// agreement is never dropped for an earlier one; and what is agreed does not depend on who reads.
#[test]
fn agreements_in_random_lives() {
    let mut several = 0;
    let mut some = 0;
    for seed in 0..runs(200) {
        let mut dice = Dice::seeded(seed);
        let mut devices = [1, 101, 102].map(Device::new);
        let mut facts: Vec<SignedFact> = Vec::new();
        let mut here: [Vec<SignedFact>; 3] = Default::default();
        let membership = members(&devices);
        let key = FieldKey { item: vision(), kind: "vision".into(), field: "wording".into() };
        let field = |facts: &[SignedFact]| -> FieldFacts {
            let mut rows = MemoryRows::default();
            ingest(&mut rows, &membership, facts);
            index::field(&rows, &key).unwrap()
        };
        for _ in 0..16 {
            let at = dice.below(3);
            if dice.chance(40) {
                let with = dice.below(3);
                let mut both = here[at].clone();
                both.extend(here[with].iter().filter(|fact| !here[at].contains(fact)).cloned());
                here[at].clone_from(&both);
                here[with] = both;
                continue;
            }
            let live: Vec<FactId> = field(&here[at]).live().map(|entry| entry.id).collect();
            let value = match dice.below(12) {
                0..6 => json!("calm"),
                6..11 => json!("open"),
                _ => Value::Null,
            };
            let signed = devices[at].says(Some(vision()), "vision", "wording", value, &live);
            here[at].push(signed.clone());
            facts.push(signed);
        }
        let field = field(&facts);
        let agreements = field.agreements();
        for agreed in &agreements {
            assert_ne!(agreed.one.partner, agreed.other.partner, "seed {seed}");
            assert_eq!(agreed.one.value, agreed.other.value, "seed {seed}");
            assert!(!agreed.one.null, "seed {seed}");
            for end in field.entries().iter().filter(|entry| entry.null) {
                let both = end.has_in_past(agreed.one) && end.has_in_past(agreed.other);
                assert!(!both, "seed {seed}: ended by {:?}", end.id);
            }
        }
        some += usize::from(!agreements.is_empty());
        several += usize::from(agreements.iter().any(|agreed| agreed.one.value != agreements[0].one.value));
        // Both live words say the same and nothing else is live: that is what is agreed, unless a rival spoiled it.
        let live: Vec<_> = field.live().collect();
        let same = live.iter().all(|entry| entry.value == live[0].value && !entry.null);
        if same && live.iter().any(|entry| entry.partner != live[0].partner) {
            let rivalled = live.iter().any(|word| {
                field
                    .entries()
                    .iter()
                    .any(|other| other.partner == word.partner && other.value != word.value && other.concurrent(word))
            });
            let stands = agreements.iter().any(|agreed| agreed.one.value == live[0].value);
            assert!(stands || rivalled, "seed {seed}: both say the same");
        }
    }
    assert!(some > 40, "{some} {several}");
}
