//! When the private part locks by itself: after nobody used it for a while, so that a device that was left open does not stay
//! open. What is shared goes on merging.

use std::time::{Duration, Instant};

use betwixt_api::MAX_LOCK_AFTER;
use betwixt_model::document::Scope;
use betwixt_store::{Batch, Reader, StoreError};
use jiff::Timestamp;

use crate::http::Request;

/// The name of the setting, under the shared key: seconds, and 0 for never.
const SETTING: &str = "private locks after";

/// For how long nobody uses the private part before it locks, where nothing else was chosen.
const DEFAULT: Duration = Duration::from_secs(15 * 60);

/// Counts for how long the private part was not used.
#[derive(Debug)]
pub(crate) struct Idle {
    /// `None`: it stays open.
    after: Option<Duration>,
    used: Instant,
    /// By the calendar's clock, which goes on while the machine sleeps.
    used_at: Timestamp,
    asked: bool,
}

impl Idle {
    /// As it was chosen for this home.
    pub(crate) fn load(reader: &Reader<'_>, now: Instant) -> Result<Self, StoreError> {
        let after = match reader.setting::<u32>(Scope::Ours, SETTING)? {
            None => Some(DEFAULT),
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
        };
        Ok(Self { after, used: now, used_at: Timestamp::now(), asked: false })
    }

    /// Remembers another choice, at most [`MAX_LOCK_AFTER`] seconds; `None` for never.
    pub(crate) fn keep(batch: &mut Batch, seconds: Option<u32>) -> Result<(), StoreError> {
        batch.put_setting(Scope::Ours, SETTING, &seconds.map_or(0, |seconds| seconds.clamp(1, MAX_LOCK_AFTER)))
    }

    /// What was chosen counts from now on.
    pub(crate) fn set(&mut self, seconds: Option<u32>) {
        self.after = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    }

    /// What was chosen, in seconds.
    pub(crate) fn seconds(&self) -> Option<u32> {
        self.after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX))
    }

    /// Somebody used it, or opened it.
    pub(crate) fn used(&mut self, now: Instant, at: Timestamp) {
        (self.used, self.used_at, self.asked) = (now, at, false);
    }

    /// When it is to be locked, if nobody uses it before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.after.filter(|_| !self.asked).map(|after| self.used + after)
    }

    /// Whether it is to be locked now; true once. Either clock is enough: the monotonic one stands still while the machine
    /// sleeps, the other one may be set.
    pub(crate) fn take_due(&mut self, now: Instant, at: Timestamp) -> bool {
        let Some(after) = self.after else { return false };
        let slept = at.duration_since(self.used_at).unsigned_abs();
        let is_due = now.saturating_duration_since(self.used) >= after || (at > self.used_at && slept >= after);
        is_due && !std::mem::replace(&mut self.asked, true)
    }
}

/// Whether whoever asks this uses what is written here. What a program asks by itself, to show how things are, does not count.
pub(crate) fn is_use(request: &Request) -> bool {
    matches!(
        request,
        Request::Items { .. }
            | Request::Item(_)
            | Request::Create { .. }
            | Request::Say { .. }
            | Request::Progress { .. }
            | Request::Past(_)
            | Request::Search(_)
            | Request::Statistics(_)
            | Request::Undo
            | Request::Calendar { .. }
            | Request::SayOccurrence { .. }
            | Request::Seals(_)
            | Request::Seal(_)
            | Request::SealAnswer { .. }
            | Request::ToSettle(_)
            | Request::Differently { .. }
            | Request::Park { .. }
            | Request::BringChoices(_)
            | Request::Bring(_)
            | Request::ChapterPropose(_)
            | Request::AttachmentContent(_)
            | Request::Export
            | Request::CarryExport { .. }
            | Request::CarryImport(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn idle(after: Option<u32>, now: Instant, at: Timestamp) -> Idle {
        let mut idle = Idle { after: None, used: now, used_at: at, asked: false };
        idle.set(after);
        idle
    }

    #[test]
    fn it_is_due_once_when_nobody_used_it_for_as_long_as_was_chosen() {
        let (now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut idle = idle(Some(120), now, at);
        assert_eq!(idle.poll_timeout(), Some(now + 2 * MINUTE));
        assert!(!idle.take_due(now + MINUTE, at + MINUTE));
        idle.used(now + MINUTE, at + MINUTE);
        assert!(!idle.take_due(now + 2 * MINUTE, at + 2 * MINUTE));
        assert!(idle.take_due(now + 3 * MINUTE, at + 3 * MINUTE));
        assert!(!idle.take_due(now + 4 * MINUTE, at + 4 * MINUTE), "it is asked for once");
        assert_eq!(idle.poll_timeout(), None);
        idle.used(now + 5 * MINUTE, at + 5 * MINUTE);
        assert!(idle.take_due(now + 7 * MINUTE, at + 7 * MINUTE), "and once more after it was opened");
    }

    #[test]
    fn a_machine_that_slept_was_not_used() {
        let (now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        assert!(idle(Some(120), now, at).take_due(now, at + 2 * MINUTE));
        // A clock that is set back says nothing.
        assert!(!idle(Some(120), now, at).take_due(now + MINUTE, at - 600 * MINUTE));
        assert!(idle(Some(120), now, at).take_due(now + 2 * MINUTE, at - 600 * MINUTE));
    }

    #[test]
    fn never_is_never() {
        let (now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut idle = idle(None, now, at);
        assert_eq!((idle.poll_timeout(), idle.seconds()), (None, None));
        assert!(!idle.take_due(now + 9999 * MINUTE, at + 9999 * MINUTE));
    }
}
