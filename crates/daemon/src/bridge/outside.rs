//! What the bridge needs of whoever drives it, and what it wants done.

use betwixt_model::document::{Document, DocumentId};
use betwixt_model::gate::Actors;

use super::socket::{Close, SocketId};
use super::unsigned::Unsigned;
use crate::http::Sees;

/// The documents, as far as the bridge needs them.
pub(crate) trait Documents {
    /// The document that automerge-repo calls so, if whoever sees so much may open it.
    fn named(&self, name: &str, sees: Sees) -> Option<DocumentId>;

    /// A document as it is on disk; `None` when it cannot be read, or may not be spoken of just now.
    fn durable(&mut self, document: DocumentId) -> Option<&Document>;

    /// In whose names no client may write.
    fn members(&self, document: DocumentId) -> Actors;
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Hand this frame to a connection.
    Send(SocketId, Vec<u8>),
    /// Close a connection, after what was handed to it.
    Close(SocketId, Close),
    /// Say this, and tell [`Bridge::answered`](super::Bridge::answered) what became of it.
    Say {
        /// Where it stands.
        place: Place,
        /// What its writer sees.
        sees: Sees,
        /// What is said.
        unsigned: Box<Unsigned>,
    },
}

/// Where something stands that is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the copy of this document.
    pub(crate) document: DocumentId,
    /// In this practice's map.
    pub(super) map: &'static str,
    /// Under what its writer calls it.
    pub(crate) name: String,
    /// In this life of the copy.
    pub(super) life: u64,
}
