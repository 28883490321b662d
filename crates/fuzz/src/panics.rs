//! Panics that are caught where they belong, and those that are not.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;

/// What the last panic said, and where.
static LAST: Mutex<String> = Mutex::new(String::new());

/// From now on a panic is noted and not printed: Automerge panics by the thousand over hostile bytes, and every one of
/// these is caught.
pub fn note_only() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// Runs a body; an error says what it panicked with, when nobody in between has caught that. For [`note_only`].
///
/// # Errors
/// The panic's place and words.
pub fn caught(run: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| LAST.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
