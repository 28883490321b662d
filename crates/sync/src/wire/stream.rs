//! What the streams of a connection are for.
//!
//! Each side opens one unidirectional stream a key, when it first has something to say there; so two sides that open the
//! same one at the same moment cannot clash.

use std::fmt;

use betwixt_model::document::{DocumentId, Scope, YEARS};

use super::codec::{Malformed, Reader, write_unsigned};

/// A document as it is named on the wire: by year and generation. It says nothing of a scope: a session is over one scope,
/// which it was given when it began, so that a session over what is shared has no way to name a private document
/// (PrivateStaysHome).
///
/// Ordered by year, then by generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName {
    year: i16,
    generation: u32,
}

impl DocumentName {
    /// The name of a document within its scope.
    pub const fn of(id: DocumentId) -> Self {
        Self { year: id.year, generation: id.generation }
    }

    /// The document's full name.
    pub const fn within(self, scope: Scope) -> DocumentId {
        DocumentId { scope, year: self.year, generation: self.generation }
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

impl fmt::Display for DocumentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.year, self.generation)
    }
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One of this side's outgoing streams, within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKey {
    /// Hello, roster, digest, asking for the present, goodbye.
    Control,
    /// The present, for a peer that asked for it.
    Present,
    /// One document's sync.
    Document(DocumentName),
    /// Attached files.
    Attachments,
}

impl StreamKey {
    /// How urgent a stream is beside the others of its connection: the greater goes first (as quinn's stream
    /// priorities). Control before all, then the present, which is shown while documents come, then the earliest year, on which
    /// later ones build, and attached files last.
    pub fn priority(self) -> i32 {
        match self {
            Self::Control => i32::from(i16::MAX) + 1,
            Self::Present => i32::from(i16::MAX),
            Self::Document(document) => i32::from(i16::MAX) - i32::from(document.year),
            Self::Attachments => 0,
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
        let names = [Scope::Ours, Scope::Mine].map(|scope| {
            let mut bytes = Vec::new();
            DocumentName::of(DocumentId { scope, year: 2026, generation: 3 }).write(&mut bytes);
            bytes
        });
        // What is written says nothing of a scope: whoever reads it knows of one only.
        assert_eq!(names[0], names[1]);
        let read = DocumentName::read(&mut Reader::new(&names[1])).unwrap();
        assert_eq!(read.within(Scope::Ours), DocumentId { scope: Scope::Ours, year: 2026, generation: 3 });
    }

    #[test]
    fn control_goes_first_then_the_present_then_the_earliest_year() {
        let named = |year| DocumentName { year, generation: 0 };
        let key = |year| StreamKey::Document(named(year)).priority();
        assert!(StreamKey::Control.priority() > StreamKey::Present.priority());
        assert!(StreamKey::Present.priority() > key(*YEARS.start()));
        assert!(key(2025) > key(2026));
        assert!(key(*YEARS.end()) > StreamKey::Attachments.priority());
    }
}
