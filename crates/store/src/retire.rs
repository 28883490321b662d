//! Removing a document whose facts another one carries.

use betwixt_model::document::DocumentId;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::tables::Area;

impl Batch {
    /// Removes a document: its row, its snapshot and its changes. What of it cannot be read is kept aside first.
    ///
    /// It is the caller's to see to it that everything of it that counts stands elsewhere, in this batch or before.
    /// Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_document(&mut self, document: DocumentId) -> Result<bool, StoreError> {
        let Some(row) = self.reader().document_row(document)? else { return Ok(false) };
        // Reading it keeps aside whatever does not read.
        self.reader().document(document)?;
        for slot in row.snapshot.into_iter().chain(row.unchecked) {
            self.remove_snapshot(document, slot)?;
        }
        for sequence in row.first..row.next {
            self.remove_numbered(document, Area::Changes, sequence)?;
        }
        self.remove_document_row(document)?;
        Ok(true)
    }
}
