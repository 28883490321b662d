//! What changed between two texts, as values of their own.

use serde::Serialize;

use crate::prose::{Piece, word_differences};

/// A stretch of two compared texts, by whole words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", content = "text", rename_all = "lowercase")]
pub enum Change {
    /// In both.
    Same(String),
    /// Only in the earlier one.
    Removed(String),
    /// Only in the later one.
    Added(String),
}

/// The differences between two texts by whole words: see [`word_differences`].
pub fn changes(before: &str, after: &str) -> Vec<Change> {
    let owned = |piece| match piece {
        Piece::Same(text) => Change::Same(text.to_owned()),
        Piece::Removed(text) => Change::Removed(text.to_owned()),
        Piece::Added(text) => Change::Added(text.to_owned()),
    };
    word_differences(before, after).into_iter().map(owned).collect()
}
