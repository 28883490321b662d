//! How far the documents of a session have come.

use super::{Phase, Session};

/// How many of a session's documents have come to be the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Documents that are the same on both sides, as far as this side knows.
    pub in_step: usize,
    /// Documents that either side has named, of each year the newest generation alone.
    pub of: usize,
}

impl Session {
    /// How far documents have come; `None` before both sides know what differs, and after the end. It may go back, when
    /// something is said meanwhile. Takes time in proportion to the number of documents.
    pub fn progress(&self) -> Option<Progress> {
        if !matches!(self.phase, Phase::Exchanging { .. }) {
            return None;
        }
        let in_step = self.exchanges.values().filter(|exchange| exchange.is_synced()).count();
        Some(Progress { in_step, of: self.exchanges.len() })
    }
}
