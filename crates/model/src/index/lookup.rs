//! Reading the index.

use super::rows::ReadRows;
use super::{FieldKey, IndexError};
use crate::fact::SignedFact;
use crate::ids::{DeviceId, FactId, ItemId, PartnerId};
use jiff::civil::Date;

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// Whether the rows were written by this version: empty rows are, too.
///
/// # Errors
/// [`IndexError::Rows`].
pub fn is_current<R: ReadRows>(rows: &R) -> Answer<bool, R> {
    let _ = rows;
    todo!()
}

/// A fact with its signature, as it came.
///
/// # Errors
/// [`IndexError`].
pub fn fact<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<SignedFact>, R> {
    let _ = (rows, id);
    todo!()
}

/// What a device said last: the `previous` of what it says next.
///
/// # Errors
/// [`IndexError`].
pub fn tip<R: ReadRows>(rows: &R, device: &DeviceId) -> Answer<Option<FactId>, R> {
    let _ = (rows, device);
    todo!()
}
