//! tantivy's locks, within this process: no other has the home, and a file that a crash left behind would lock it for ever.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a lock is waited for that tantivy holds while it opens files.
const PATIENCE: Duration = Duration::from_secs(10);

static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static RELEASED: Condvar = Condvar::new();

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(PathBuf);

/// Takes a lock; `None` when somebody else has it, and keeps it where this may wait.
pub(crate) fn take(path: PathBuf, may_wait: bool) -> Option<Held> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let patience = if may_wait { PATIENCE } else { Duration::ZERO };
    let waited = RELEASED.wait_timeout_while(held, patience, |held| held.contains(&path));
    let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
    held.insert(path.clone()).then(|| Held(path))
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        RELEASED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_waited_for() {
        let first = take("one".into(), false).expect("is free");
        assert!(take("one".into(), false).is_none());
        assert!(take("another".into(), false).is_some());
        let waiting = std::thread::spawn(|| take("one".into(), true).is_some());
        drop(first);
        assert!(waiting.join().expect("does not panic"));
    }
}
