//! Backups with an idempotency key: a request that is sent again makes one.
//!
//! A backup is written beside the loop and stands in no transaction, so its key is remembered in memory, as long as the home
//! is open. A backup that is made twice over a restart overwrites nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use betwixt_api::{Backup, BackupRequest, IDEMPOTENCY_KEY, Problem, ProblemKind};

/// How many keys are remembered; the oldest goes first.
const MAX_KEYS: usize = 64;

/// What is known of keys. Clones know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Once(Arc<Mutex<Vec<Known>>>);

#[derive(Debug)]
struct Known {
    key: String,
    request: BackupRequest,
    /// `None` while it is being written.
    backup: Option<Backup>,
}

/// What to do about a request.
#[derive(Debug)]
pub(crate) enum Begun {
    /// To carry it out.
    Now(Carrying),
    /// Nothing: it was carried out before.
    Before(Backup),
}

/// A request that is being carried out. Dropped without an end it may be sent again.
#[derive(Debug)]
pub(crate) struct Carrying {
    once: Once,
    key: Option<String>,
}

impl Once {
    /// A request comes, perhaps with a key.
    ///
    /// # Errors
    /// [`ProblemKind::Invalid`] about the key when it came with another request, [`ProblemKind::Busy`] while the first one is
    /// being carried out.
    pub(crate) fn begin(&self, key: Option<String>, request: &BackupRequest) -> Result<Begun, Problem> {
        if let Some(key) = &key {
            let mut all = self.all();
            if let Some(known) = all.iter().find(|known| known.key == *key) {
                return match &known.backup {
                    _ if known.request != *request => {
                        let detail =
                            "This Idempotency-Key was sent with another request; a new request needs a new one.";
                        Err(Problem::new(ProblemKind::Invalid, detail).about(IDEMPOTENCY_KEY))
                    }
                    Some(backup) => Ok(Begun::Before(backup.clone())),
                    None => {
                        Err(Problem::new(ProblemKind::Busy, "That backup is being written: ask again in a moment."))
                    }
                };
            }
            all.push(Known { key: key.clone(), request: request.clone(), backup: None });
            let beyond = all.len().saturating_sub(MAX_KEYS);
            all.drain(..beyond);
        }
        Ok(Begun::Now(Carrying { once: self.clone(), key }))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrying {
    /// It was carried out.
    pub(crate) fn end(mut self, backup: &Backup) {
        if let Some(key) = self.key.take() {
            let mut all = self.once.all();
            let known = all.iter_mut().find(|known| known.key == key);
            if let Some(known) = known {
                known.backup = Some(backup.clone());
            }
        }
    }
}

impl Drop for Carrying {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.once.all().retain(|known| known.key != *key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_makes_one_backup_and_one_that_failed_may_be_asked_for_again() {
        let (once, request) = (Once::default(), BackupRequest::default());
        let begin = || once.begin(Some("k".into()), &request);
        let Ok(Begun::Now(failing)) = begin() else { panic!("it is new") };
        assert_eq!(begin().expect_err("is being written").kind, ProblemKind::Busy);
        drop(failing);
        let Ok(Begun::Now(carrying)) = begin() else { panic!("the first one failed") };
        let backup = Backup { path: "/backup".into(), bytes: 1, made_on: None, snapshot: None };
        carrying.end(&backup);
        assert!(matches!(begin(), Ok(Begun::Before(before)) if before == backup));
        let other = BackupRequest { path: Some("/other".into()) };
        let problem = once.begin(Some("k".into()), &other).expect_err("is another request");
        assert_eq!(problem.field.as_deref(), Some(IDEMPOTENCY_KEY));
        for _ in 0..2 {
            assert!(matches!(once.begin(None, &request), Ok(Begun::Now(_))), "without a key each is its own");
        }
    }
}
