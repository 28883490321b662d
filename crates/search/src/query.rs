//! What is asked for.

use std::ops::Range;

use crate::words::{Word, words};

/// The longest query, in characters.
pub const MAX_QUERY: usize = 256;

/// The most words that a query has.
pub const MAX_WORDS: usize = 16;

/// A query that is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It has no words.
    #[error("give at least one word to look for")]
    Empty,
    /// It is longer than [`MAX_QUERY`] characters, or has more than [`MAX_WORDS`] words.
    #[error("look for up to {MAX_WORDS} words, {MAX_QUERY} characters together")]
    TooLong,
}

/// Words that all must occur in a text, in whatever order; what stands in quotes, and what is written without a space between, as
/// it stands. The last word may be the beginning of one, unless it is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(crate) parts: Vec<Part>,
}

/// One word, or several that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// At least one.
    pub(crate) words: Vec<String>,
    /// Whether the last of them may be the beginning of one.
    pub(crate) beginning: bool,
}

impl Query {
    /// Understands what a person typed. Quotes that are not closed go to the end.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.chars().count() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let mut parts = Vec::new();
        let mut loose = false;
        let quote = |letter: char| matches!(letter, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '«' | '»');
        for (number, piece) in text.split(quote).enumerate() {
            let quoted = number % 2 == 1;
            let pieces: Vec<&str> = if quoted { vec![piece] } else { piece.split_whitespace().collect() };
            for piece in pieces {
                let words: Vec<String> = words(piece).map(|word| word.text).collect();
                if !words.is_empty() {
                    parts.push(Part { words, beginning: false });
                    loose = !quoted;
                }
            }
        }
        let last = parts.last_mut().ok_or(QueryError::Empty)?;
        last.beginning = loose;
        if parts.iter().map(|part| part.words.len()).sum::<usize>() > MAX_WORDS {
            return Err(QueryError::TooLong);
        }
        Ok(Self { parts })
    }

    /// The places in a text of what is asked for, in bytes, in order and apart from each other; `None` where something of it does
    /// not occur.
    pub fn find(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let words: Vec<Word> = words(text).collect();
        let mut places = Vec::new();
        for part in &self.parts {
            let before = places.len();
            for found in words.windows(part.words.len()).filter(|found| part.is(found)) {
                places.extend(found.iter().map(|word| word.from..word.until));
            }
            if places.len() == before {
                return None;
            }
        }
        places.sort_by_key(|place| (place.start, place.end));
        places.dedup();
        Some(places)
    }
}

impl Part {
    fn is(&self, found: &[Word]) -> bool {
        let last = self.words.len() - 1;
        self.words.iter().zip(found).enumerate().all(|(number, (wanted, found))| {
            match self.beginning && number == last {
                true => found.text.starts_with(wanted),
                false => found.text == *wanted,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(query: &str, text: &'t str) -> Option<Vec<&'t str>> {
        let places = Query::parse(query).expect("is a query").find(text)?;
        Some(places.into_iter().map(|place| &text[place]).collect())
    }

    const TEXT: &str = "We walked along the Río to the old mill, and the mill-wheel turned.";

    #[test]
    fn every_word_must_occur_and_the_last_may_go_on() {
        assert_eq!(found("rio WALKED", TEXT), Some(vec!["walked", "Río"]));
        assert_eq!(found("walk", TEXT), Some(vec!["walked"]));
        assert_eq!(found("walk rio", TEXT), None);
        assert_eq!(found("rio sea", TEXT), None);
    }

    #[test]
    fn phrases_are_found_as_they_stand() {
        assert_eq!(found("\"old mill\"", TEXT), Some(vec!["old", "mill"]));
        assert_eq!(found("“mill old”", TEXT), None);
        assert_eq!(found("\"old mil\"", TEXT), None);
        assert_eq!(found("mill-whe", TEXT), Some(vec!["mill", "wheel"]));
        assert_eq!(found("\"the old", TEXT), Some(vec!["the", "old"]));
        assert_eq!(found("散歩", "一緒に散歩した"), Some(vec!["散", "歩"]));
        assert_eq!(found("歩散", "一緒に散歩した"), None);
    }

    #[test]
    fn what_has_no_words_or_too_many_is_refused() {
        assert_eq!(Query::parse("  \"\" ... "), Err(QueryError::Empty));
        assert_eq!(Query::parse(&"a ".repeat(MAX_WORDS + 1)), Err(QueryError::TooLong));
        assert_eq!(Query::parse(&"a".repeat(MAX_QUERY + 1)), Err(QueryError::TooLong));
    }
}
