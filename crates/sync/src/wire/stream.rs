//! What the streams of a connection are for.
//!
//! Each side opens one unidirectional stream a key, when it first has something to say there; so two sides that open the
//! same one at the same moment cannot clash.

use std::fmt;

use betwixt_model::document::{DocumentId, Scope, YEARS};

use super::codec::{Malformed, Reader, write_unsigned};

/// A document that both partners share. A session with the partner's device speaks of nothing else: there is no way to
/// name a private document on its wire (PrivateStaysHome).
///
/// Ordered by year, then by generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedDocumentId {
    year: i16,
    generation: u32,
}

/// A document that is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document is private and is not offered to the partner's devices")]
pub struct NotShared;

impl SharedDocumentId {
    /// The document's full name.
    pub const fn document(self) -> DocumentId {
        DocumentId { scope: Scope::Ours, year: self.year, generation: self.generation }
    }

    /// The year of the facts that it carries.
    pub const fn year(self) -> i16 {
        self.year
    }

    /// Which carrier of that year's facts.
    pub const fn generation(self) -> u32 {
        self.generation
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let year = i16::try_from(reader.unsigned()?).map_err(|_| Malformed::Value("year"))?;
        let generation = u32::try_from(reader.unsigned()?).map_err(|_| Malformed::Value("generation"))?;
        if YEARS.contains(&year) { Ok(Self { year, generation }) } else { Err(Malformed::Value("year")) }
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        write_unsigned(out, u64::from(self.year.unsigned_abs()));
        write_unsigned(out, u64::from(self.generation));
    }
}

impl TryFrom<DocumentId> for SharedDocumentId {
    type Error = NotShared;

    fn try_from(id: DocumentId) -> Result<Self, NotShared> {
        match id.scope {
            Scope::Ours => Ok(Self { year: id.year, generation: id.generation }),
            Scope::Mine => Err(NotShared),
        }
    }
}

impl From<SharedDocumentId> for DocumentId {
    fn from(id: SharedDocumentId) -> Self {
        id.document()
    }
}

impl fmt::Display for SharedDocumentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document().fmt(formatter)
    }
}

impl fmt::Debug for SharedDocumentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One of this side's outgoing streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKey {
    /// Hello, roster, digest, goodbye.
    Control,
    /// One document's sync.
    Document(SharedDocumentId),
}

impl StreamKey {
    /// How urgent a stream is beside the others of its connection: the greater goes first (as quinn's stream
    /// priorities). Control before all, then the latest year.
    pub fn priority(self) -> i32 {
        match self {
            Self::Control => i32::from(i16::MAX) + 1,
            Self::Document(document) => i32::from(document.year),
        }
    }
}

/// One of the peer's streams, by a number that is unique within the connection and means nothing else. What it is for is
/// said by its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncomingStream(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_stays_home_a_private_document_has_no_name_on_the_wire() {
        let private = DocumentId { scope: Scope::Mine, year: 2026, generation: 0 };
        assert_eq!(SharedDocumentId::try_from(private), Err(NotShared));
    }

    #[test]
    fn control_goes_first_then_the_latest_year() {
        let shared = |year| SharedDocumentId { year, generation: 0 };
        let key = |year| StreamKey::Document(shared(year)).priority();
        assert!(StreamKey::Control.priority() > key(*YEARS.end()));
        assert!(key(2026) > key(2025));
    }
}
