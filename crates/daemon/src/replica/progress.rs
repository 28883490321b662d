//! How far the building of an index is, for whoever wants to show it.

use std::fmt;
use std::sync::Arc;

/// Whom to tell how far it is.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Show>>);

type Show = dyn Fn(Option<Built>) + Send + Sync;

/// How many documents an index was built from already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// So many are done.
    pub done: usize,
    /// So many there are.
    pub of: usize,
}

impl Progress {
    /// Tells this one; `None` when it is built, or could not be.
    pub fn told_to(show: impl Fn(Option<Built>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(show)))
    }

    pub(super) fn tell(&self, built: Option<Built>) {
        if let Some(show) = &self.0 {
            show(built);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Progress").finish_non_exhaustive()
    }
}
