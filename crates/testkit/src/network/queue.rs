//! Simulated time: what happens next, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Events in the order of their times; those at one moment in the order in which they were planned.
#[derive(Debug)]
pub(super) struct Queue<E> {
    now: Instant,
    planned: u64,
    events: BTreeMap<(Instant, u64), E>,
}

impl<E> Queue<E> {
    /// Nothing is planned yet. The real clock is read here and nowhere else: an [`Instant`] has no other beginning.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { now, planned: 0, events: BTreeMap::new() }
    }

    /// The time of the event that happened last.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Plans an event. A time that has passed means now.
    pub(super) fn plan(&mut self, at: Instant, event: E) {
        self.planned += 1;
        self.events.insert((at.max(self.now), self.planned), event);
    }

    /// Plans an event some time from now.
    pub(super) fn plan_in(&mut self, wait: Duration, event: E) {
        self.plan(self.now + wait, event);
    }

    /// The next event, and time moves on to it.
    pub(super) fn next(&mut self) -> Option<E> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }

    /// When the next event happens.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Time passes without an event.
    pub(super) fn move_on(&mut self, until: Instant) {
        debug_assert!(self.next_time().is_none_or(|at| at >= until), "an event was skipped");
        self.now = self.now.max(until);
    }

    /// Whether an event is planned of which this is true.
    pub(super) fn any(&self, is: impl FnMut(&E) -> bool) -> bool {
        self.events.values().any(is)
    }
}
