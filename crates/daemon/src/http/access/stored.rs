//! What is stored of the frontends, under the shared key.

use std::collections::BTreeMap;

use betwixt_model::document::Scope;
use betwixt_store::{Batch, Reader, StoreError};

use super::registry::Record;
use super::token::TokenHash;

/// The setting that holds the frontends.
const FRONTENDS: &str = "frontends";

/// The setting that holds the secrets of their bridges. Apart from the frontends, whose stored form is older.
const BRIDGES: &str = "bridges of frontends";

/// The frontends, and the secret of the bridge of each that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) frontends: Vec<Record>,
    pub(crate) bridges: BTreeMap<String, TokenHash>,
}

impl Stored {
    /// Reads them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            frontends: reader.setting(Scope::Ours, FRONTENDS)?.unwrap_or_default(),
            bridges: reader.setting(Scope::Ours, BRIDGES)?.unwrap_or_default(),
        })
    }

    /// Writes them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn write(&self, batch: &mut Batch) -> Result<(), StoreError> {
        batch.put_setting(Scope::Ours, FRONTENDS, &self.frontends)?;
        batch.put_setting(Scope::Ours, BRIDGES, &self.bridges)
    }

    /// Forgets all of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn remove(batch: &mut Batch) -> Result<(), StoreError> {
        batch.remove_setting(Scope::Ours, FRONTENDS)?;
        batch.remove_setting(Scope::Ours, BRIDGES)
    }
}
