//! New chapters: both say what is kept; what is erased never comes back, and everything else stays as it was said.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::carry::{self, Entries, Entry};
use betwixt_model::chapter::{self, Chapter, ChapterError};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::fact::{Nonce, SignedFact};
use betwixt_model::ids::FactId;
use betwixt_model::index;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::say::Writer;
use betwixt_model::view::{self, Reader};
use serde_json::{Value, json};
use support::{Device, Dice, HOUSEHOLD, TODAY, ingest, members, runs, vision};

fn writer(device: &mut Device) -> Writer {
    Writer {
        household: HOUSEHOLD,
        partner: device.partner,
        device: device.id,
        previous: device.last,
        date: TODAY,
        nonce: Nonce::from_bytes(*device.nonce().as_bytes()),
    }
}

fn signed(device: &mut Device, fact: betwixt_model::fact::Fact) -> SignedFact {
    let signed = fact.sign(&device.key);
    device.last = Some(signed.fact().id());
    signed
}

/// One partner's device with its index.
struct Side {
    device: Device,
    rows: MemoryRows,
    membership: Membership,
}

impl Side {
    fn new(number: u8, devices: &[Device]) -> Self {
        Self { device: Device::new(number), rows: MemoryRows::default(), membership: members(devices) }
    }

    fn hear(&mut self, facts: &[SignedFact]) {
        ingest(&mut self.rows, &self.membership, facts);
    }

    fn says(&mut self, text: &str, seen: &[FactId]) -> SignedFact {
        let said = self.device.says(Some(vision()), "vision", "draft", json!(text), seen);
        self.hear(std::slice::from_ref(&said));
        said
    }

    fn proposes(&mut self, erase: &[FactId]) -> SignedFact {
        let fact = chapter::propose(&self.rows, &self.membership, erase, &writer(&mut self.device)).unwrap();
        self.say(fact)
    }

    fn say(&mut self, fact: betwixt_model::fact::Fact) -> SignedFact {
        let said = signed(&mut self.device, fact);
        self.hear(std::slice::from_ref(&said));
        said
    }

    fn agrees(&mut self) -> Result<SignedFact, ChapterError<std::convert::Infallible>> {
        let fact = chapter::agree(&self.rows, &writer(&mut self.device))?;
        Ok(self.say(fact))
    }

    fn in_force(&self) -> Vec<Chapter> {
        chapter::in_force(&self.rows, &HOUSEHOLD).unwrap()
    }

    fn value(&self, fact: &SignedFact) -> Option<Value> {
        index::fact(&self.rows, &fact.fact().id()).unwrap().unwrap().fact().value().cloned()
    }
}

fn couple() -> (Side, Side) {
    let devices = [Device::new(1), Device::new(101)];
    (Side::new(1, &devices), Side::new(101, &devices))
}

fn id(signed: &SignedFact) -> FactId {
    signed.fact().id()
}

#[test]
fn nothing_deleted_unless_both_say_so_and_then_the_value_alone() {
    let (mut ada, mut ben) = couple();
    let first = ada.says("What nobody should read.", &[]);
    let second = ada.says("A calm home.", &[id(&first)]);
    ben.hear(&[first.clone(), second.clone()]);
    let proposal = ada.proposes(&[id(&first)]);
    assert!(ada.in_force().is_empty() && ada.value(&first).is_some());
    assert!(matches!(ben.agrees(), Err(ChapterError::NoProposal)));
    ben.hear(std::slice::from_ref(&proposal));
    assert!(matches!(chapter::agree(&ada.rows, &writer(&mut ada.device)), Err(ChapterError::NoProposal)));
    let agreement = ben.agrees().unwrap();
    ada.hear(std::slice::from_ref(&agreement));
    for side in [&ada, &ben] {
        assert_eq!(side.in_force().len(), 1);
        assert_eq!(side.value(&first), None, "the value is gone");
        assert_eq!(side.value(&second), Some(json!("A calm home.")));
        // Header and signature stay, so that what it replaced or was replaced by stays so.
        let kept = index::fact(&side.rows, &id(&first)).unwrap().unwrap();
        assert_eq!(kept.signature(), first.signature());
        assert_eq!(kept.fact().header(), first.fact().header());
        let reader = Reader { household: HOUSEHOLD, partner: side.device.partner };
        let view = view::item(&side.rows, &reader, &vision()).unwrap().unwrap();
        assert_eq!(view.fields["draft"].reading.value, Some(json!("A calm home.")));
        assert!(chapter::proposals(&side.rows, &HOUSEHOLD).unwrap().is_empty());
    }
    // From whoever still holds it, it does not come back.
    ben.hear(std::slice::from_ref(&first));
    assert_eq!(ben.value(&first), None);
    assert_eq!(ada.rows, ben.rows);
}

/// Whatever order facts, proposal and agreement come in, the index is the same, byte for byte.
#[test]
fn same_facts_same_view_an_erased_value_is_gone_in_whatever_order_everything_comes() {
    for seed in 0..runs(30) {
        let mut dice = Dice::seeded(seed);
        let (mut ada, mut ben) = couple();
        let mut all: Vec<SignedFact> = Vec::new();
        for number in 0..6 {
            let seen: Vec<FactId> = all.iter().rev().take(1).map(id).filter(|_| dice.chance(60)).collect();
            let side = if dice.chance(50) { &mut ada } else { &mut ben };
            let said = side.says(&format!("{number}"), &seen);
            [&mut ada, &mut ben].into_iter().for_each(|side| side.hear(std::slice::from_ref(&said)));
            all.push(said);
        }
        let erase: Vec<FactId> = all.iter().map(id).filter(|_| dice.chance(40)).collect();
        let proposal = ada.proposes(&erase);
        ben.hear(std::slice::from_ref(&proposal));
        let agreement = ben.agrees().unwrap();
        // Said meanwhile, on a device that had not heard.
        let late = ada.says("said meanwhile", &[]);
        all.extend([proposal, agreement, late]);
        let mut reference = None;
        for _ in 0..4 {
            dice.shuffle(&mut all);
            let mut rows = MemoryRows::default();
            let membership = members(&[Device::new(1), Device::new(101)]);
            for part in all.chunks(dice.below(4) + 1) {
                ingest(&mut rows, &membership, part);
            }
            for erased in &erase {
                assert!(index::fact(&rows, erased).unwrap().unwrap().fact().content().is_none());
            }
            assert_eq!(index::erased(&rows).unwrap().len(), erase.len());
            let reference = reference.get_or_insert_with(|| rows.clone());
            assert_eq!(&rows, reference, "seed {seed}");
            let mut again = rows.clone();
            index::rebuild(&mut again, &HOUSEHOLD, &membership).unwrap();
            assert_eq!(&again, reference, "seed {seed}: rebuilt");
        }
    }
}

/// She takes it back while he agrees, apart: his agreement had no withdrawal before it, so the chapter is made. Had he
/// heard of it, there would have been nothing to agree to.
#[test]
fn withdrawing_counts_if_whoever_agrees_knows_of_it() {
    let (mut ada, mut ben) = couple();
    let said = ada.says("A calm home.", &[]);
    ben.hear(std::slice::from_ref(&said));
    let proposal = ada.proposes(&[id(&said)]);
    ben.hear(std::slice::from_ref(&proposal));
    let withdrawal = chapter::withdraw(&ada.rows, &writer(&mut ada.device)).unwrap();
    let mut informed = Side { rows: ben.rows.clone(), device: ben.device.clone(), membership: ben.membership.clone() };
    let withdrawal = ada.say(withdrawal);
    let agreement = ben.agrees().unwrap();
    ada.hear(std::slice::from_ref(&agreement));
    ben.hear(std::slice::from_ref(&withdrawal));
    assert_eq!((ada.in_force().len(), ada.value(&said)), (1, None));
    assert_eq!(ada.rows, ben.rows);

    informed.hear(std::slice::from_ref(&withdrawal));
    assert!(matches!(informed.agrees(), Err(ChapterError::NoProposal)));
    assert!(matches!(
        chapter::withdraw(&informed.rows, &writer(&mut informed.device)),
        Err(ChapterError::NoOwnProposal)
    ));
    // Somebody who says the same all the same, having seen the withdrawal, makes no chapter.
    let value = proposal.fact().value().unwrap().clone();
    let key = chapter::field_key(&HOUSEHOLD);
    let forced = informed.device.says(Some(key.item), &key.kind, &key.field, value, &[id(&proposal), id(&withdrawal)]);
    informed.hear(&[forced]);
    assert!(informed.in_force().is_empty());
}

/// One partner's two devices make no chapter, nor does saying the same without having seen it.
#[test]
fn no_partner_makes_a_chapter_alone() {
    let (mut ada, mut ben) = couple();
    let mut tablet = Device::new(2);
    let said = ada.says("A calm home.", &[]);
    ben.hear(std::slice::from_ref(&said));
    let proposal = ada.proposes(&[id(&said)]);
    let key = chapter::field_key(&HOUSEHOLD);
    let value = || proposal.fact().value().unwrap().clone();
    let own = tablet.says(Some(key.item), &key.kind, &key.field, value(), &[id(&proposal)]);
    let unseen = ben.device.says(Some(key.item), &key.kind, &key.field, value(), &[]);
    let membership = members(&[Device::new(1), tablet, Device::new(101)]);
    ingest(&mut ada.rows, &membership, &[own, unseen]);
    assert!(ada.in_force().is_empty());
}

/// A chapter that a stolen device agreed to is void with everything that it said after it was lost.
#[test]
fn what_a_removed_device_agreed_to_is_no_chapter() {
    let (mut ada, mut ben) = couple();
    let said = ada.says("A calm home.", &[]);
    ben.hear(std::slice::from_ref(&said));
    let answer = ben.says("A garden.", &[]);
    ada.hear(std::slice::from_ref(&answer));
    let proposal = ada.proposes(&[id(&said)]);
    ben.hear(std::slice::from_ref(&proposal));
    let agreement = ben.agrees().unwrap();
    let mut membership = ada.membership.clone();
    let accepted = Accepted::UpTo(id(&answer));
    membership.set(ben.device.id, Standing { partner: ben.device.partner, accepted });
    ingest(&mut ada.rows, &membership, &[agreement]);
    assert!(ada.in_force().is_empty() && ada.value(&said).is_some());
}

#[test]
fn what_cannot_be_proposed_or_agreed_is_refused_in_words() {
    let (mut ada, mut ben) = couple();
    let nothing = chapter::outline(&ada.rows, &HOUSEHOLD, &ada.membership, &[]);
    assert!(matches!(nothing, Err(ChapterError::Nothing)));
    let said = ada.says("A calm home.", &[]);
    let more = ada.says("A calm, open home.", &[id(&said)]);
    let unknown = chapter::outline(&ada.rows, &HOUSEHOLD, &ada.membership, &[FactId::from_bytes([9; 32])]);
    assert!(matches!(unknown, Err(ChapterError::UnknownFact(_))));
    let proposal = ada.proposes(&[id(&said)]);
    // The first fact has not come: what is kept is not all here.
    ben.hear(&[more, proposal.clone()]);
    assert!(matches!(ben.agrees(), Err(ChapterError::NoProposal | ChapterError::Arriving)));
    // What says that something is erased cannot be erased.
    let of_itself = chapter::outline(&ada.rows, &HOUSEHOLD, &ada.membership, &[id(&proposal)]);
    assert!(matches!(of_itself, Err(ChapterError::UnknownFact(_))));

    // A patched program proposes what it has not.
    let (mut ada, mut ben) = couple();
    let said = ada.says("A calm home.", &[]);
    let (honest, kept) = chapter::outline(&ada.rows, &HOUSEHOLD, &ada.membership, &[]).unwrap();
    assert_eq!(kept.len(), 1);
    let lie = Chapter { hash: chapter::kept_hash(&HOUSEHOLD, &kept, &[vec![id(&said)]]), ..honest };
    let key = chapter::field_key(&HOUSEHOLD);
    let value = serde_json::to_value(&lie).unwrap();
    let proposal = ada.device.says(Some(key.item), &key.kind, &key.field, value, &[]);
    ben.hear(&[said, proposal]);
    assert!(matches!(ben.agrees(), Err(ChapterError::OtherFacts)));
}

/// Both sides write the new documents from what the chapter keeps, whatever they have besides: the same bytes. What was said
/// meanwhile follows unchanged.
#[test]
fn a_chapter_is_byte_identical_on_both_sides_with_a_device_away_meanwhile() {
    let (mut ada, mut ben) = couple();
    let said: Vec<SignedFact> = (0..10).map(|number| ada.says(&format!("{number}"), &[])).collect();
    ben.hear(&said);
    let proposal = ada.proposes(&[id(&said[3]), id(&said[4])]);
    ben.hear(std::slice::from_ref(&proposal));
    let agreement = ben.agrees().unwrap();
    let meanwhile = ada.says("said while she was away", &[id(&said[9])]);
    ada.hear(std::slice::from_ref(&agreement));
    let next = DocumentId { scope: Scope::Ours, year: 2026, generation: 1 << 16 };
    let written = [&ada, &ben].map(|side| {
        let [made] = side.in_force().try_into().unwrap();
        let kept = chapter::whole(&side.rows, &HOUSEHOLD, &made).unwrap().expect("all of it is here");
        let years = chapter::by_year(&side.rows, &kept).unwrap();
        let entries: Entries =
            years[&2026].iter().map(|id| (*id, Entry::of(&index::fact(&side.rows, id).unwrap().unwrap()))).collect();
        carry::changes(next, &entries).unwrap().iter().map(|change| change.raw_bytes().to_vec()).collect::<Vec<_>>()
    });
    assert_eq!(written[0], written[1]);
    let bytes = written[0].concat();
    assert!(!String::from_utf8_lossy(&bytes).contains("said while she was away"));
    // In the new chapter it means what it meant: it replaced nothing that is not there any more.
    ben.hear(std::slice::from_ref(&meanwhile));
    assert_eq!(ada.rows, ben.rows);
    assert_eq!(ben.value(&meanwhile), Some(json!("said while she was away")));
}

/// He had accepted what she said by saying the same. Were only hers erased, the value would still stand in his; and what both
/// said must stay known to be the same, or what replaced it would not have replaced it.
#[test]
fn no_silent_winner_facts_that_said_the_same_are_erased_together_and_nothing_replaced_comes_back() {
    let (mut ada, mut ben) = couple();
    // Both say the same apart; she, having seen both, says something else: uncontradicted, so it replaces both.
    let hers = ada.says("A secret.", &[]);
    let his = ben.says("A secret.", &[]);
    ada.hear(std::slice::from_ref(&his));
    let next = ada.says("A calm home.", &[id(&hers), id(&his)]);
    ben.hear(&[hers.clone(), next.clone()]);
    let key = betwixt_model::index::FieldKey { item: vision(), kind: "vision".into(), field: "draft".into() };
    let live =
        |side: &Side| -> Vec<FactId> { index::field(&side.rows, &key).unwrap().live().map(|entry| entry.id).collect() };
    assert_eq!(live(&ada), [id(&next)]);
    let proposal = ada.proposes(&[id(&hers)]);
    ben.hear(std::slice::from_ref(&proposal));
    let agreement = ben.agrees().unwrap();
    ada.hear(std::slice::from_ref(&agreement));
    for side in [&ada, &ben] {
        assert_eq!((side.value(&hers), side.value(&his)), (None, None));
        assert_eq!(live(side), [id(&next)]);
    }
    // A device that comes later and never had the values sees the same.
    let all = [hers.without_value(), his.without_value(), next, proposal, agreement];
    let mut late = MemoryRows::default();
    ingest(&mut late, &ada.membership, &all);
    assert_eq!(late, ada.rows);

    // What was let go of says nothing that could be erased.
    let gone = ada.device.says(Some(vision()), "vision", "draft", Value::Null, &[]);
    ada.hear(std::slice::from_ref(&gone));
    let refused = chapter::outline(&ada.rows, &HOUSEHOLD, &ada.membership, &[id(&gone)]);
    assert!(matches!(refused, Err(ChapterError::UnknownFact(_))));
}
