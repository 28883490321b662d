//! The present: the facts that stand now, as a device sends them to one that does not have its documents yet.
//!
//! It is deflated (RFC 1951) as a whole, as packed messages are; inside are
//!
//! - the number of facts;
//! - of each, in the order of their texts: the text, its length before it, and the 64 bytes of the signature.
//!
//! A fact's text is as the documents have it, so one whose value was erased is the header alone
//! ([`betwixt_model::fact::Fact::erased`]). Neither texts nor signatures are judged here.

use std::fmt;

use betwixt_model::fact::MAX_TEXT;

use super::caps;
use super::chunk::ChunkError;
use super::codec::{Malformed, Reader, write_bytes, write_unsigned};
use super::packed::{deflate, inflate};

/// A fact of the present, as its writer signed it. When it comes from a peer it is neither parsed nor verified:
/// [`betwixt_model::fact::Fact::parse`] and [`betwixt_model::fact::SignedFact::verify`] do that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresentFact {
    /// [`betwixt_model::fact::Fact::text`]; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// [`betwixt_model::fact::SignedFact::signature`].
    pub signature: [u8; 64],
}

impl fmt::Debug for PresentFact {
    /// The name alone: it carries what people wrote.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PresentFact")
    }
}

/// The bytes of a present, whatever the order of the facts; of several with one text there is one. `None` when it does not fit
/// the caps: [`caps::PRESENT_FACTS`], [`caps::PRESENT_UNPACKED`], [`caps::PRESENT`], and [`MAX_TEXT`] of each fact.
pub fn encode_present(facts: &[PresentFact]) -> Option<Vec<u8>> {
    let mut sorted: Vec<&PresentFact> = facts.iter().collect();
    sorted.sort_unstable();
    sorted.dedup_by(|later, earlier| later.text == earlier.text);
    if sorted.len() > caps::PRESENT_FACTS {
        return None;
    }
    let mut plain = Vec::new();
    write_unsigned(&mut plain, sorted.len() as u64);
    for fact in sorted {
        if fact.text.len() > MAX_TEXT {
            return None;
        }
        write_bytes(&mut plain, fact.text.as_bytes());
        plain.extend_from_slice(&fact.signature);
        if plain.len() > caps::PRESENT_UNPACKED {
            return None;
        }
    }
    deflate(&plain).filter(|packed| packed.len() <= caps::PRESENT)
}

/// Reads a present: its facts, sorted by their texts, each text once. Never panics, and keeps no more than the caps allow.
///
/// # Errors
/// [`ChunkError`] when it does not unpack within the caps, or is not what [`encode_present`] deflates.
pub fn decode_present(packed: &[u8]) -> Result<Vec<PresentFact>, ChunkError> {
    if packed.len() > caps::PRESENT {
        return Err(Malformed::Cap("bytes of a present").into());
    }
    let plain = inflate(packed, caps::PRESENT_UNPACKED)?;
    let mut reader = Reader::new(&plain);
    let count = reader.count(caps::PRESENT_FACTS, "facts")?;
    let mut facts: Vec<PresentFact> = Vec::new();
    for _ in 0..count {
        let text = std::str::from_utf8(reader.bytes(MAX_TEXT, "bytes of a fact")?);
        let text = text.map_err(|_| Malformed::Value("text of a fact"))?;
        if facts.last().is_some_and(|before| before.text.as_str() >= text) {
            return Err(Malformed::Unsorted("facts").into());
        }
        facts.push(PresentFact { text: text.to_owned(), signature: reader.array()? });
    }
    reader.finish()?;
    Ok(facts)
}
