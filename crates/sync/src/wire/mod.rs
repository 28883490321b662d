//! The wire format: what frames there are, their bytes, and how much of anything is accepted.
//!
//! A frame is one tag byte and the fields that belong to it; integers are unsigned LEB128, identifiers and hashes their
//! bytes as they are. Frames travel on unidirectional QUIC streams, each with a length before it, which is the
//! transport's to write and read. This module knows nothing of when a frame may be sent: [`crate::session`] does.
//!
//! There is one spelling of every frame: what is decoded is refused unless encoding it again gives the same bytes
//! (a [`Frame::Hello`] of a newer version excepted, which may say more than this version reads).

pub mod caps;
pub mod chunk;
pub(crate) mod codec;
mod frame;
mod lane;
mod message;
mod packed;
mod present;
mod stream;

#[cfg(test)]
mod tests;

pub use codec::Malformed;
pub use frame::{Frame, GoodbyeReason, Hello, ListedDocument, PACKED_SINCE, PRESENT_SINCE, VERSIONS, VersionRange};
pub use lane::{Lane, OutgoingStream};
pub use message::{decode_packed_message, decode_sync_message};
pub(crate) use packed::pack;
pub use present::{PresentFact, decode_present, encode_present};
pub use stream::{DocumentName, IncomingStream, StreamKey};
