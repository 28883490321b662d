//! What a device lacks, as a file for it: carried by hand, where two devices do not meet.
//!
//! A file is for one device and can be read by that one alone. What is outside tells neither who wrote it nor for whom, nor
//! what is in it or how much, but for its length in steps of 64 KiB. Its bytes are in docs/protocol.md.
//!
//! - [`Writer`] writes one: the roster first, then documents, each with the heads that it builds on and the changes.
//! - [`Reader`] reads one, piece by piece. Nothing of a piece is handed out before its tag was checked, and whether the file is
//!   whole is known at its end ([`Reader::end`]). So whoever takes it in reads it twice: once to its end, and again to
//!   act on it.
//!
//! Writing advances nothing: files that are lost, repeated or brought in another order do no harm. What comes out of a file is
//! to go where the changes of a session go: to the gate ([`betwixt_model::gate`]), and then to the disk.
//!
//! # PrivateStaysHome
//!
//! Private documents are written only with the proof that the file's device is one of the own partner's ([`OwnDevice`]), and
//! in a file of anybody else's they break it.
//!
//! [`OwnDevice`]: crate::roster::OwnDevice

mod envelope;
mod error;
mod read;
mod record;
mod write;

#[cfg(test)]
mod tests;

pub use envelope::{HEADER, MAGIC, SEALED_CHUNK, VERSION};
pub use error::{CarryError, WriteError};
pub use read::Reader;
pub use record::Record;
pub use write::Writer;

#[cfg(any(test, feature = "fuzz"))]
pub use write::sealed;
