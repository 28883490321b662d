//! Facts: the immutable, signed things that people said, and their exact bytes.
//!
//! A fact is one JSON text, `{"header":{...},"nonce":"...","value":...}`. Its id is the BLAKE3 hash of the header's exact
//! bytes, and the header holds a hash of nonce and value; so whoever cites a fact cites its content, and a new chapter can
//! drop nonce and value and keep the header with its signature.
//!
//! There is one spelling of every fact: [`Fact::parse`] accepts a text only if writing it again gives the same bytes.

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId, encode_base32};

/// The format that this version writes. It also numbers the rules of folding and merging.
pub const FORMAT: u32 = 1;

/// The longest text of a fact, in bytes.
pub const MAX_TEXT: usize = 512 * 1024;

/// The most facts that one fact may name in `seen`.
pub const MAX_SEEN: usize = 64;

/// How deep arrays and objects in a value may nest.
pub const MAX_DEPTH: usize = 8;

/// The longest name of a kind or field, in bytes.
pub const MAX_NAME: usize = 32;

const SIGNATURE_LABEL: &[u8] = b"betwixt 1 fact signature\0";

/// Everything about a fact but its value: who said it, about what, and what they had before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format; [`FORMAT`] for facts that this version wrote.
    pub format: u32,
    /// The space it belongs to.
    pub household: HouseholdId,
    /// The item it is about; `None` in a founding fact, whose own id names the item (see [`Fact::item`]).
    pub item: Option<ItemId>,
    /// The kind of the item: `goal`, `value`, ...
    pub kind: String,
    /// The field that it says something about: `title`, `wording`, ...
    pub field: String,
    /// The live facts of this field which the writer had before them, sorted and without repetition.
    pub seen: Vec<FactId>,
    /// What this device said last in this scope; `None` for its first fact there.
    pub previous: Option<FactId>,
    /// Who says it.
    pub partner: PartnerId,
    /// The device on which it was said, and whose key signs it.
    pub device: DeviceId,
    /// The writer's local date. No time of day: it would tell when somebody was awake.
    pub date: Date,
    /// The hash of nonce and value; see [`content_hash`].
    pub hash: ContentHash,
}

crate::ids::bytes_newtype! {
    /// A hash of a random nonce and a value, so that an erased value cannot be guessed from the header.
    ContentHash, 32
}
crate::ids::bytes_newtype! {
    /// The random part of a fact, from which nothing follows.
    Nonce, 16
}

/// What a header says of its value: BLAKE3 over nonce and the value's exact bytes.
pub fn content_hash(nonce: &Nonce, value: &str) -> ContentHash {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 fact value");
    hasher.update(nonce.as_bytes());
    hasher.update(value.as_bytes());
    ContentHash::from_bytes(*hasher.finalize().as_bytes())
}

/// What a fact holds beside its header. A new chapter may have erased it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Makes equal values have different hashes.
    pub nonce: Nonce,
    /// What was said.
    pub value: Value,
}

/// One immutable thing that somebody said. Not yet known to be signed: see [`SignedFact`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    id: FactId,
    header: Header,
    content: Option<Content>,
    text: String,
}

/// A text that is no fact of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Longer than [`MAX_TEXT`].
    #[error("the fact has {0} bytes, more than the {MAX_TEXT} that are allowed")]
    TooLong(usize),
    /// Not JSON, or not of a fact's shape.
    #[error("not the text of a fact: {0}")]
    Malformed(String),
    /// Written by a newer version: to be kept and carried, and shown as such.
    #[error("the fact {id} has format {format}, made by a newer version of Betwixt")]
    NewerFormat {
        /// The fact's id.
        id: FactId,
        /// Its format.
        format: u32,
    },
    /// Well-formed, but not the one spelling that a fact has.
    #[error("the fact is not in canonical form")]
    NotCanonical,
    /// The value does not belong to the header.
    #[error("the value of fact {0} does not have the hash that its header names")]
    WrongHash(FactId),
    /// A limit on names, `seen` or the value's nesting was passed, or the value holds a number that is no integer.
    #[error("the fact breaks a limit: {0}")]
    Limit(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    header: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<Nonce>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
}

/// A value that is there, be it `null`: that is something said, and not the same as an erased value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// What a writer decides about a fact; [`Fact::write`] adds the format and the hash.
#[derive(Debug, Clone)]
pub struct Draft {
    /// See [`Header::household`].
    pub household: HouseholdId,
    /// See [`Header::item`].
    pub item: Option<ItemId>,
    /// See [`Header::kind`].
    pub kind: String,
    /// See [`Header::field`].
    pub field: String,
    /// See [`Header::seen`]; sorted and deduplicated when written.
    pub seen: Vec<FactId>,
    /// See [`Header::previous`].
    pub previous: Option<FactId>,
    /// See [`Header::partner`].
    pub partner: PartnerId,
    /// See [`Header::device`].
    pub device: DeviceId,
    /// See [`Header::date`].
    pub date: Date,
    /// Fresh randomness.
    pub nonce: Nonce,
    /// What is said.
    pub value: Value,
}

impl Fact {
    /// Writes a fact.
    ///
    /// # Errors
    /// [`FactError::Limit`] and [`FactError::TooLong`] when the draft passes a limit.
    pub fn write(draft: Draft) -> Result<Self, FactError> {
        let value = draft.value.to_string();
        let mut seen = draft.seen;
        seen.sort_unstable();
        seen.dedup();
        let header = Header {
            format: FORMAT,
            household: draft.household,
            item: draft.item,
            kind: draft.kind,
            field: draft.field,
            seen,
            previous: draft.previous,
            partner: draft.partner,
            device: draft.device,
            date: draft.date,
            hash: content_hash(&draft.nonce, &value),
        };
        let content = Some(Content { nonce: draft.nonce, value: draft.value });
        let text = spell(&header, content.as_ref());
        Self::parse(&text)
    }

    /// Reads the text of a fact of this format.
    ///
    /// # Errors
    /// [`FactError`]; a fact of a newer format is told apart from rubbish, with its id.
    pub fn parse(text: &str) -> Result<Self, FactError> {
        if text.len() > MAX_TEXT {
            return Err(FactError::TooLong(text.len()));
        }
        let malformed = |error: serde_json::Error| FactError::Malformed(error.to_string());
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(malformed)?;
        let id = FactId::from_bytes(*blake3::hash(envelope.header.get().as_bytes()).as_bytes());
        let AnyFormat { format } = serde_json::from_str(envelope.header.get()).map_err(malformed)?;
        if format > FORMAT {
            return Err(FactError::NewerFormat { id, format });
        }
        let header: Header = serde_json::from_str(envelope.header.get()).map_err(malformed)?;
        check_limits(&header)?;
        let content = match (envelope.nonce, envelope.value) {
            (Some(nonce), Some(raw)) => {
                let value: Value = serde_json::from_str(raw.get()).map_err(malformed)?;
                check_value(&value, MAX_DEPTH)?;
                if content_hash(&nonce, raw.get()) != header.hash {
                    return Err(FactError::WrongHash(id));
                }
                Some(Content { nonce, value })
            }
            (None, None) => None,
            _ => return Err(FactError::Malformed("a nonce without a value, or a value without a nonce".into())),
        };
        if spell(&header, content.as_ref()) != text {
            return Err(FactError::NotCanonical);
        }
        Ok(Self { id, header, content, text: text.to_owned() })
    }

    /// The BLAKE3 hash of the header's exact bytes.
    pub fn id(&self) -> FactId {
        self.id
    }

    /// Who said it, about what, having seen what.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was said; `None` when a new chapter erased it.
    pub fn value(&self) -> Option<&Value> {
        self.content.as_ref().map(|content| &content.value)
    }

    /// Nonce and value; `None` when a new chapter erased them.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// A fact that was parsed before, from its parts.
    pub(crate) fn respelled(header: Header, content: Option<Content>) -> Self {
        let text = spell(&header, content.as_ref());
        Self { id: header_id(&header), header, content, text }
    }

    /// The exact text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The item it is about: the one that its header names, or the one that it founds.
    pub fn item(&self) -> ItemId {
        self.header.item.unwrap_or_else(|| ItemId::founded_by(&self.id))
    }

    /// The same fact without nonce and value, as a new chapter keeps it. Id and signature stay valid.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self { id: self.id, header: self.header.clone(), content: None, text: spell(&self.header, None) }
    }

    /// Signs the fact with the key of the device that its header names.
    pub fn sign(self, key: &impl Signer<Signature>) -> SignedFact {
        let signature = key.sign(&signed_bytes(&self.id));
        SignedFact { fact: self, signature }
    }
}

/// A fact with a signature that was verified against the device in its header. Whether that device may speak for that
/// partner is the roster's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFact {
    fact: Fact,
    signature: Signature,
}

/// A signature that is not of the device named in the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fact {0} is not signed by the device that it names")]
pub struct WrongSignature(pub FactId);

impl SignedFact {
    /// Verifies a signature (Ed25519, strictly: no small-order keys, no malleable signatures).
    ///
    /// # Errors
    /// [`WrongSignature`] when it is not by the fact's device, or that device's id is no key.
    pub fn verify(fact: Fact, signature: &[u8]) -> Result<Self, WrongSignature> {
        let wrong = WrongSignature(fact.id);
        let key = VerifyingKey::from_bytes(fact.header.device.as_bytes()).map_err(|_| wrong)?;
        let signature = Signature::from_slice(signature).map_err(|_| wrong)?;
        key.verify_strict(&signed_bytes(&fact.id), &signature).map_err(|_| wrong)?;
        Ok(Self { fact, signature })
    }

    /// A fact whose signature was verified before; `None` when these are no 64 bytes.
    pub(crate) fn known(fact: Fact, signature: &[u8]) -> Option<Self> {
        Some(Self { fact, signature: Signature::from_slice(signature).ok()? })
    }

    /// The fact.
    pub fn fact(&self) -> &Fact {
        &self.fact
    }

    /// The same without nonce and value, as a new chapter keeps it; see [`Fact::erased`].
    #[must_use]
    pub fn without_value(self) -> Self {
        Self { fact: self.fact.erased(), signature: self.signature }
    }

    /// The signature's 64 bytes.
    pub fn signature(&self) -> [u8; 64] {
        self.signature.to_bytes()
    }
}

fn header_id(header: &Header) -> FactId {
    let text =
        serde_json::to_string(header).expect("a header has string keys only and writing to a string cannot fail");
    FactId::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}

fn signed_bytes(id: &FactId) -> Vec<u8> {
    [SIGNATURE_LABEL, id.as_bytes()].concat()
}

fn spell(header: &Header, content: Option<&Content>) -> String {
    let json = |result: Result<String, serde_json::Error>| {
        result.expect("headers, nonces and JSON values have string keys only and writing to a string cannot fail")
    };
    let header = json(serde_json::to_string(header));
    match content {
        Some(content) => {
            let nonce = encode_base32(content.nonce.as_bytes());
            format!(r#"{{"header":{header},"nonce":"{nonce}","value":{}}}"#, content.value)
        }
        None => format!(r#"{{"header":{header}}}"#),
    }
}

fn check_limits(header: &Header) -> Result<(), FactError> {
    if header.format == 0 {
        return Err(FactError::Limit("formats are numbered from 1"));
    }
    let name = |text: &str| {
        !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    if !name(&header.kind) || !name(&header.field) {
        return Err(FactError::Limit("kinds and fields are 1 to 32 of a-z and _"));
    }
    if header.seen.len() > MAX_SEEN {
        return Err(FactError::Limit("more than 64 facts in `seen`"));
    }
    if !header.seen.is_sorted_by(|left, right| left < right) {
        return Err(FactError::NotCanonical);
    }
    Ok(())
}

fn check_value(value: &Value, depth: usize) -> Result<(), FactError> {
    if depth == 0 {
        return Err(FactError::Limit("the value nests too deep"));
    }
    match value {
        // Floats have several spellings and round differently; amounts are integers of a smallest unit.
        Value::Number(number) if number.is_f64() => Err(FactError::Limit("numbers in values are integers")),
        Value::Array(values) => values.iter().try_for_each(|value| check_value(value, depth - 1)),
        Value::Object(values) => values.values().try_for_each(|value| check_value(value, depth - 1)),
        _ => Ok(()),
    }
}
