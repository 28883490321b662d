//! Facts, and what they mean: the format of facts, the documents that carry them, how fields fold and prose merges.
//!
//! This crate is pure. It has no clock, no randomness, no files, no sockets and no threads: time, nonces and storage come
//! in as values. It does not sync, store or encrypt anything.

pub mod attachment;
pub mod bridge;
pub mod bring;
pub mod carry;
pub mod chapter;
pub mod document;
pub mod fact;
pub mod field;
pub mod gate;
pub mod ids;
pub mod index;
pub mod membership;
pub mod past;
pub mod present;
pub mod prose;
pub mod ritual;
pub mod say;
pub mod schema;
pub mod seal;
pub mod searching;
pub mod settle;
pub mod view;
