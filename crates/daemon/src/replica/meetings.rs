//! What this device has told others, as far as is needed to say what went at each meeting.

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_model::index::rows::ReadRows;
use betwixt_model::index::{self, IndexError};
use betwixt_store::StoreError;

use super::{Replica, StageError};

impl Replica {
    /// The end of this device's own chain in `ours` on disk: what a peer that is in step has, with everything before it.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn told(&self) -> Result<Option<FactId>, StageError> {
        let view = self.store.read()?;
        Ok(index::tip(&view.reader().rows(Scope::Ours), &self.identity.device())?)
    }

    /// What this device said after `from`, up to `to`, latest first; all of it where `from` is not before `to`. At most
    /// `most` of these, and how many more there are.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn said_between(
        &self,
        rows: &impl ReadRows<Error = StoreError>,
        from: Option<FactId>,
        to: Option<FactId>,
        most: usize,
    ) -> Result<(Vec<FactId>, u64), IndexError<StoreError>> {
        let (mut said, mut more) = (Vec::new(), 0);
        let mut next = to;
        while let Some(id) = next.filter(|id| Some(*id) != from) {
            if said.len() < most {
                said.push(id);
            } else {
                more += 1;
            }
            next = index::fact(rows, &id)?.and_then(|signed| signed.fact().header().previous);
        }
        Ok((said, more))
    }
}
