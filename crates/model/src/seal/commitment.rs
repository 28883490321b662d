//! The commitment to an answer, and the values of facts that carry it, its text, and its opening.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ids::{FactId, HouseholdId, ItemId, PartnerId, bytes_newtype, decode_base32};

/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// The most characters of a deck's version.
const MAX_DECK: usize = 100;

bytes_newtype! {
    /// A commitment to an answer; see [`commitment`].
    Commitment, 32
}
bytes_newtype! {
    /// 256 random bits, without which a short answer could be guessed from its commitment.
    Salt, 32
}

/// The commitment to an answer: BLAKE3 in its key derivation mode, with a context of its own, over household, session,
/// partner, the version of the deck (which question is answered), salt and answer, each of known length or led by it.
pub fn commitment(
    household: &HouseholdId,
    session: &ItemId,
    partner: &PartnerId,
    deck: &str,
    salt: &Salt,
    answer: &str,
) -> Commitment {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 sealed answer");
    for id in [household.as_bytes(), session.as_bytes(), partner.as_bytes(), salt.as_bytes()] {
        hasher.update(id);
    }
    for text in [deck, answer] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    Commitment::from_bytes(*hasher.finalize().as_bytes())
}

/// A sealed text, as its owner keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What was committed to.
    pub commitment: Commitment,
    /// Its salt.
    pub salt: Salt,
    /// The answer.
    pub answer: String,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealed").finish_non_exhaustive()
    }
}

/// The item in `mine` that keeps a text: one for each session and commitment.
pub fn text_item(private: &HouseholdId, session: &ItemId, commitment: &Commitment) -> ItemId {
    ItemId::natural(private, super::TEXT_KIND, &format!("{session}/{commitment}"))
}

/// The value that keeps a text.
pub fn text_value(session: &ItemId, sealed: &Sealed) -> Value {
    let Sealed { commitment, salt, answer } = sealed;
    json!({ "session": session, "commitment": commitment, "salt": salt, "answer": answer })
}

/// The reverse of [`text_value`].
pub(super) fn read_text(value: &Value) -> Option<Sealed> {
    let text = |name: &str| value.get(name)?.as_str();
    let (commitment, salt) = (text("commitment")?.parse().ok()?, text("salt")?.parse().ok()?);
    Some(Sealed { commitment, salt, answer: text("answer")?.to_owned() })
}

/// The value that says a commitment.
pub fn commitment_value(commitment: &Commitment, deck: &str) -> Value {
    json!({ "hash": commitment, "deck": deck })
}

/// The value that opens an answer.
pub fn opening_value(commitments: &BTreeMap<PartnerId, FactId>, sealed: &Sealed) -> Value {
    let commitments: serde_json::Map<String, Value> =
        commitments.iter().map(|(partner, fact)| (partner.to_string(), fact.to_string().into())).collect();
    json!({ "commitments": commitments, "salt": sealed.salt, "answer": sealed.answer })
}

/// A commitment that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) hash: Commitment,
    pub(super) deck: String,
}

/// Reads a commitment; `None` for what is none.
pub(super) fn read_commitment(value: &Value) -> Option<Committed> {
    check_commitment(value).ok()?;
    Some(Committed { hash: value["hash"].as_str()?.parse().ok()?, deck: value["deck"].as_str()?.to_owned() })
}

/// An opening that was said.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) commitments: BTreeMap<PartnerId, FactId>,
    pub(super) salt: Salt,
    pub(super) answer: String,
}

/// Reads an opening; `None` for what is none.
pub(super) fn read_opening(value: &Value) -> Option<Opened> {
    check_opening(value).ok()?;
    let each = value["commitments"].as_object()?.iter();
    let commitments = each.map(|(partner, fact)| Some((partner.parse().ok()?, fact.as_str()?.parse().ok()?)));
    Some(Opened {
        commitments: commitments.collect::<Option<_>>()?,
        salt: value["salt"].as_str()?.parse().ok()?,
        answer: value["answer"].as_str()?.to_owned(),
    })
}

/// The shape of a commitment.
pub(crate) fn check_commitment(value: &Value) -> Result<(), String> {
    let words = || format!("is {{\"hash\": 32 bytes in base32, \"deck\": TEXT of up to {MAX_DECK} characters}}");
    let object = value.as_object().filter(|object| object.len() == 2).ok_or_else(words)?;
    let hash = object.get("hash").and_then(Value::as_str).is_some_and(|text| text.parse::<Commitment>().is_ok());
    let deck = object.get("deck").and_then(Value::as_str).is_some_and(|deck| deck.chars().count() <= MAX_DECK);
    if hash && deck { Ok(()) } else { Err(words()) }
}

/// The shape of an opening.
pub(crate) fn check_opening(value: &Value) -> Result<(), String> {
    let words = || {
        format!(
            "is {{\"commitments\": {{PARTNER: FACT}} of both, \"salt\": 32 bytes in base32, \"answer\": TEXT of up to {MAX_ANSWER} bytes}}"
        )
    };
    let object = value.as_object().filter(|object| object.len() == 3).ok_or_else(words)?;
    let commitments = object.get("commitments").and_then(Value::as_object).filter(|each| each.len() == 2);
    let named = commitments.is_some_and(|each| {
        each.iter().all(|(partner, fact)| {
            let fact = fact.as_str().is_some_and(|fact| fact.parse::<FactId>().is_ok());
            partner.parse::<PartnerId>().is_ok() && fact
        })
    });
    let salt = object.get("salt").and_then(Value::as_str).is_some_and(|text| text.parse::<Salt>().is_ok());
    let answer = object.get("answer").and_then(Value::as_str).is_some_and(|answer| answer.len() <= MAX_ANSWER);
    if named && salt && answer { Ok(()) } else { Err(words()) }
}

/// The shape of a text that is kept.
pub(crate) fn check_text(value: &Value) -> Result<(), String> {
    let sealed = read_text(value).filter(|sealed| sealed.answer.len() <= MAX_ANSWER);
    let session = value.get("session").and_then(Value::as_str).is_some_and(|text| decode_base32(text).is_ok());
    if sealed.is_some() && session { Ok(()) } else { Err("is a sealed text".into()) }
}
