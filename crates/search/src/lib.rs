//! Full-text search over texts that are known by ids, encrypted at rest.
//!
//! This crate knows texts, words, ids, labels and a key, and nothing of what any of it means. An [`Index`] is a directory in
//! which tantivy keeps its files, every one sealed in chunks. It is a cache: whoever owns the texts can build it anew at any time,
//! so whatever is damaged, missing, or of another version is an error that says so, and never a wrong answer.
//!
//! A [`Query`] finds the same texts whether it is asked of an index or of one text at a time ([`Query::find`]), which is how
//! texts are searched that are not in the index yet, and how the words that were found are marked.

mod chunks;
mod directory;
mod error;
mod index;
mod key;
mod locks;
mod query;
mod words;

pub use error::SearchError;
pub use index::{Document, Filter, Hit, Index, Order, Searcher, remove};
pub use key::Key;
pub use query::{MAX_QUERY, MAX_WORDS, Query, QueryError};
