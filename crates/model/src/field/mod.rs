//! Fields: what the facts about one aspect of an item mean together.

mod agreements;
mod base;
mod consent;
mod facts;
mod live;

use std::fmt;
use std::str::FromStr;

use crate::ids::{FactId, ParseIdError};

pub use consent::Agreed;
pub use facts::{Entry, FieldFacts, MAX_EXCEPTIONS, Names, Place, Placed, Replacers, Said, ValueHash};
pub use live::LiveFacts;

/// The token of a field: the live facts that a reader had before them, given back with what they say about the field.
///
/// Its text is the facts' ids, sorted, with commas between; empty where nothing was said. Never shown as a sign of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(Vec<FactId>);

impl Seen {
    /// The token that names these facts.
    pub fn new(mut facts: Vec<FactId>) -> Self {
        facts.sort_unstable();
        facts.dedup();
        Self(facts)
    }

    /// The facts, sorted.
    pub fn facts(&self) -> &[FactId] {
        &self.0
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fact) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{fact}")?;
        }
        Ok(())
    }
}

impl FromStr for Seen {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().map(Self::new)
    }
}

impl serde::Serialize for Seen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Seen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_text_and_the_other_way_round() {
        let facts = [3, 1, 2, 1].map(|number| FactId::from_bytes([number; 32]));
        let seen = Seen::new(facts.to_vec());
        let sorted = [1, 2, 3].map(|number| FactId::from_bytes([number; 32]));
        let text = sorted.map(|fact| fact.to_string()).join(",");
        assert_eq!(seen.to_string(), text);
        assert_eq!(text.parse(), Ok(seen.clone()));
        assert_eq!(serde_json::to_value(&seen).ok(), Some(text.clone().into()));
        assert_eq!(serde_json::from_value::<Seen>(text.into()).ok(), Some(seen));
        assert_eq!("".parse(), Ok(Seen::default()));
        assert_eq!(Seen::default().to_string(), "");
        "a,".parse::<Seen>().expect_err("is no fact's id");
    }
}
