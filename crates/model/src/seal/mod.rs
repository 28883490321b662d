//! Sealed answers: both answer the same question before either reads the other's answer.
//!
//! An answer's text is a fact in its owner's private document. What is shared is a commitment to it: a hash that gives
//! nothing away and fits nothing else. Once both have committed, each device that holds its owner's text opens it, naming
//! one commitment of each partner. Whoever has been opened against a commitment can open only that one; so nobody answers
//! anew after reading, whatever they say afterwards.
//!
//! This part is pure: the hash, the checks, and how a session stands. Saying the openings is the daemon's.

mod commitment;
mod standing;

pub use commitment::{
    Commitment, MAX_ANSWER, Salt, Sealed, commitment, commitment_value, opening_value, text_item, text_value,
};
pub(crate) use commitment::{check_commitment, check_opening, check_text};
pub use standing::{Answer, AnswerState, Due, Session, due, own_text, session, sessions};

/// The kind of sessions, in `ours`.
pub const KIND: &str = "sealed";

/// The kind under which texts are kept, in `mine`.
pub const TEXT_KIND: &str = "sealed_text";
