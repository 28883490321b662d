//! The format of facts: golden bytes, the one spelling, limits.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::fact::{
    Content, Draft, FORMAT, Fact, FactError, MAX_DEPTH, MAX_SEEN, MAX_TEXT, Nonce, SignedFact, content_hash,
};
use betwixt_model::ids::{FactId, ItemId, encode_base32};
use ed25519_dalek::SigningKey;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Device, HOUSEHOLD, partner};

fn draft(value: Value) -> Draft {
    Draft {
        household: HOUSEHOLD,
        item: Some(ItemId::from_bytes([3; 32])),
        kind: "goal".into(),
        field: "title".into(),
        seen: vec![FactId::from_bytes([9; 32]), FactId::from_bytes([8; 32]), FactId::from_bytes([9; 32])],
        previous: Some(FactId::from_bytes([5; 32])),
        partner: partner(false),
        device: Device::new(42).id,
        date: date(2027, 3, 2),
        nonce: Nonce::from_bytes([6; 16]),
        value,
    }
}

/// Text, id and signature of a fact, a line each. These lines never change: facts of format 1 are read for ever.
fn golden(draft: Draft) -> String {
    let fact = Fact::write(draft).unwrap();
    let (text, id) = (fact.text().to_owned(), fact.id());
    let signature = fact.sign(&SigningKey::from_bytes(&[42; 32])).signature();
    format!("{text}\n{id}\n{}\n", encode_base32(&signature))
}

#[test]
fn golden_facts() {
    let value = json!({"z": [1, -2, null, true, "Grüße \u{1f33f} \"\\/\u{7f}\u{0}"], "a": {"c": 9_007_199_254_740_991_i64, "b": ""}});
    let founding = Draft { item: None, seen: vec![], previous: None, ..draft(json!("A small house by the water")) };
    assert_eq!(golden(draft(value)), include_str!("golden/fact.txt"));
    assert_eq!(golden(founding), include_str!("golden/founding-fact.txt"));
}

#[test]
fn golden_facts_are_read_and_verified() {
    for golden in [include_str!("golden/fact.txt"), include_str!("golden/founding-fact.txt")] {
        let [text, id, signature] = golden.lines().collect::<Vec<_>>().try_into().unwrap();
        let fact = Fact::parse(text).unwrap();
        assert_eq!((fact.id().to_string(), fact.header().format), (id.to_owned(), FORMAT));
        let mut signature = betwixt_model::ids::decode_base32(signature).unwrap();
        assert_eq!(SignedFact::verify(fact.clone(), &signature).unwrap().fact().text(), text);
        let erased = Fact::parse(fact.erased().text()).unwrap();
        assert_eq!((erased.id(), erased.value(), erased.item()), (fact.id(), None, fact.item()));
        assert!(SignedFact::verify(erased, &signature).is_ok(), "erasing keeps id and signature");
        signature[3] ^= 1;
        assert!(SignedFact::verify(fact.clone(), &signature).is_err());
        assert!(SignedFact::verify(fact, &signature[1..]).is_err());
    }
}

/// Objects are spelled with their keys sorted. This fails if some crate of the build switches on serde_json's
/// `preserve_order` or `arbitrary_precision` for all of them, which would give facts a second spelling.
#[test]
fn canonical_whatever_features_other_crates_ask_for() {
    let value: Value = serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"a":{"c":3,"d":2},"b":1}"#);
    let fact = Fact::write(draft(value)).unwrap();
    assert!(fact.text().ends_with(r#""value":{"a":{"c":3,"d":2},"b":1}}"#));
    assert_eq!(serde_json::from_str::<Value>("1e2").unwrap().to_string(), "100.0", "not arbitrary precision");
}

#[test]
fn only_the_one_spelling_is_read() {
    let fact = Fact::write(draft(json!({"a": 1, "b": "é"}))).unwrap();
    let text = fact.text();
    assert_eq!(Fact::parse(text).unwrap(), fact);
    let respell = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Fact::parse(&text.replacen(from, to, 1))
    };
    let content = |value: &str| {
        let hash = content_hash(&Nonce::from_bytes([6; 16]), value).to_string();
        let own = fact.header().hash.to_string();
        text.replace(&own, &hash).replace(r#"{"a":1,"b":"é"}"#, value)
    };
    assert_eq!(respell(r#"{"header""#, r#"{ "header""#), Err(FactError::NotCanonical));
    assert_eq!(Fact::parse(&format!("{text}\n")), Err(FactError::NotCanonical));
    assert!(matches!(respell(r#""format":1"#, r#""format":0"#), Err(FactError::Limit(_))));
    assert_eq!(Fact::parse(&content(r#"{"b":"é","a":1}"#)), Err(FactError::NotCanonical));
    assert_eq!(Fact::parse(&content(r#"{"a":1,"b":"\u00e9"}"#)), Err(FactError::NotCanonical));
    assert_eq!(Fact::parse(&content(r#"{"a":1,"a":1,"b":"é"}"#)), Err(FactError::NotCanonical));
    assert!(matches!(Fact::parse(&content(r#"{"a":1.0,"b":"é"}"#)), Err(FactError::Limit(_))));
    assert!(matches!(respell(r#""kind":"goal""#, r#""kind":"goal","more":1"#), Err(FactError::Malformed(_))));
    assert!(matches!(respell(r#""kind":"goal""#, r#""kind":"Goal""#), Err(FactError::Limit(_))));
    assert!(matches!(respell(r#""kind":"goal""#, r#""kind":"""#), Err(FactError::Limit(_))));
    assert!(matches!(respell(r#""a":1"#, r#""a":2"#), Err(FactError::WrongHash(_))));
    assert!(matches!(Fact::parse(""), Err(FactError::Malformed(_))));
    let (one, other) = (FactId::from_bytes([8; 32]), FactId::from_bytes([9; 32]));
    let sorted = format!(r#""seen":["{one}","{other}"]"#);
    assert_eq!(respell(&sorted, &format!(r#""seen":["{other}","{one}"]"#)), Err(FactError::NotCanonical));
    assert_eq!(respell(&sorted, &format!(r#""seen":["{one}","{one}"]"#)), Err(FactError::NotCanonical));
    let without_nonce = format!(r#""nonce":"{}","#, encode_base32(&[6; 16]));
    assert!(matches!(respell(&without_nonce, ""), Err(FactError::Malformed(_))));
}

/// `null` is something said (letting go), and was once read as an erased value.
#[test]
fn null_is_a_value() {
    let fact = Fact::write(draft(Value::Null)).unwrap();
    assert_eq!(Fact::parse(fact.text()).unwrap().value(), Some(&Value::Null));
    assert_eq!(fact.erased().value(), None);
}

#[test]
fn newer_formats_are_told_apart_from_rubbish() {
    let text = Fact::write(draft(json!(1))).unwrap().text().replace(r#""format":1"#, r#""format":2"#);
    let other = text.replace(r#""kind":"goal""#, r#""kinds":["goal"]"#);
    let Err(FactError::NewerFormat { id, format: 2 }) = Fact::parse(&text) else { panic!("format 2") };
    let Err(FactError::NewerFormat { id: altered, format: 2 }) = Fact::parse(&other) else { panic!("format 2") };
    assert_ne!(id, altered, "the id is of the header's bytes, whatever stands there");
}

#[test]
fn limits() {
    let seen = |count: u8| (0..count).map(|n| FactId::from_bytes([n; 32])).collect();
    assert!(Fact::write(Draft { seen: seen(MAX_SEEN as u8), ..draft(json!(1)) }).is_ok());
    assert!(matches!(
        Fact::write(Draft { seen: seen(MAX_SEEN as u8 + 1), ..draft(json!(1)) }),
        Err(FactError::Limit(_))
    ));
    let nested = |depth: usize| (1..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(Fact::write(draft(nested(MAX_DEPTH))).is_ok());
    assert!(matches!(Fact::write(draft(nested(MAX_DEPTH + 1))), Err(FactError::Limit(_))));
    assert!(matches!(Fact::write(draft(json!(0.5))), Err(FactError::Limit(_))));
    assert!(matches!(Fact::write(draft(json!("x".repeat(MAX_TEXT)))), Err(FactError::TooLong(_))));
    // Nesting far beyond the limit is an error, too, and no overflow of the stack.
    let deep = "[".repeat(100_000);
    assert!(matches!(Fact::parse(&deep), Err(FactError::Malformed(_))));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is read, and is read as the same.
    #[test]
    fn written_facts_are_read(value in values(), nonce: [u8; 16]) {
        let fact = Fact::write(Draft { nonce: Nonce::from_bytes(nonce), ..draft(value.clone()) }).unwrap();
        let read = Fact::parse(fact.text()).unwrap();
        prop_assert_eq!(read.content(), Some(&Content { nonce: Nonce::from_bytes(nonce), value }));
        prop_assert_eq!(read, fact);
    }

    /// HostileInputIsAnError: no altered text reads as the same fact, and none panics.
    #[test]
    fn altered_facts_are_other_facts_or_none(at in any::<prop::sample::Index>(), byte: u8) {
        let fact = Fact::write(draft(json!({"text": "a calm, open home", "n": [1, 2]}))).unwrap();
        let mut bytes = fact.text().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) && text != fact.text() && let Ok(other) = Fact::parse(&text) {
            prop_assert_ne!(other.id(), fact.id());
        }
    }
}
