//! Names that the store itself uses among the settings.

/// Which life of the store this is.
pub(crate) const EPOCH: &str = "betwixt.epoch";
