//! A device's clocks, which are wrong: a calendar that is days off and jumps, and a monotonic clock that runs fast or slow
//! and, while the machine is suspended, not at all.

use std::time::{Duration, Instant};

use betwixt_daemon::engine::Moment;

use super::{DeviceName, Happening, Network};

/// How fast a monotonic clock may run, in thousandths of the true one. Real ones are off by less than one; sessions and
/// dials have to come to an end by far worse ones.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 500..=2_000;

/// A monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// A true time, and what this clock showed then.
    since: (Instant, Instant),
    /// How much of its time passes in a thousand of the true one.
    rate: u32,
}

impl Clock {
    /// A clock that is right.
    pub(super) fn right(now: Instant) -> Self {
        Self { since: (now, now), rate: 1_000 }
    }

    /// What it shows at a true time. It never goes back.
    pub(super) fn shows(&self, now: Instant) -> Instant {
        let (since, showed) = self.since;
        showed + scaled(now.saturating_duration_since(since), self.rate, 1_000)
    }

    /// The first true time at which it shows this.
    pub(super) fn when(&self, shown: Instant) -> Instant {
        let (since, showed) = self.since;
        since + scaled(shown.saturating_duration_since(showed), 1_000, self.rate) + Duration::from_nanos(1)
    }

    /// From a true time on it runs like this.
    pub(super) fn run_at(&mut self, now: Instant, rate: u32) {
        *self = Self { since: (now, self.shows(now)), rate: rate.clamp(*RATES.start(), *RATES.end()) };
    }

    /// It stands still from one true time to another.
    pub(super) fn stand_still(&mut self, from: Instant, until: Instant) {
        self.since = (until, self.shows(from));
    }
}

fn scaled(time: Duration, by: u32, of: u32) -> Duration {
    // Days of simulated time at most, so that nothing is near a limit; never late by the rounding.
    time.checked_mul(by).map_or(Duration::MAX, |time| time / of)
}

impl Network {
    /// The next day, for everybody.
    pub fn next_day(&mut self) {
        self.today = self.today.tomorrow().unwrap_or(self.today);
    }

    /// Somebody sets the calendar of a device to so many days off, ahead or behind.
    pub fn set_calendar(&mut self, device: DeviceName, days_off: i32) {
        self.devices[device.0].skew = days_off;
        self.survived.fault("calendar wrong");
    }

    /// A device's monotonic clock runs at so many thousandths of the true one from now on: from half to double.
    pub fn set_pace(&mut self, device: DeviceName, thousandths: u32) {
        let now = self.queue.now();
        self.devices[device.0].clock.run_at(now, thousandths);
        self.survived.fault("clock fast or slow");
        self.rearm(device.0);
    }

    /// Nothing happens on a device for a while: it is suspended, and its monotonic clock stands still, or it is stopped and
    /// its clock goes on. Its disk keeps what it has.
    pub fn put_to_sleep(&mut self, device: DeviceName, time: Duration, clock_goes_on: bool) {
        let (now, at) = (self.queue.now(), &mut self.devices[device.0]);
        if !at.is_running() || at.asleep_until.is_some_and(|until| until > now) {
            return;
        }
        at.asleep_until = Some(now + time);
        self.survived.fault("machine suspended or stopped");
        if !clock_goes_on {
            at.clock.stand_still(now, now + time);
        }
        self.rearm(device.0);
    }

    /// Night falls: every machine that runs is suspended until it is over, as people's machines are, and its monotonic clock stands
    /// still. So years pass without everybody dialling in vain for whoever is off, once a minute.
    pub fn night(&mut self, time: Duration) {
        let (now, morning) = (self.queue.now(), self.queue.now() + time);
        for at in 0..self.devices.len() {
            let device = &mut self.devices[at];
            // Whoever sleeps already sleeps on.
            let from = device.asleep_until.map_or(now, |until| until.max(now));
            if device.is_running() && from < morning {
                device.asleep_until = Some(morning);
                device.clock.stand_still(from, morning);
                self.rearm(at);
            }
        }
        self.run_for(time);
    }

    /// Its timers were planned by a clock that has changed.
    fn rearm(&mut self, at: usize) {
        self.timers[at] = None;
        let due = self.devices[at].poll_timeout().map(|due| self.devices[at].clock.when(due));
        if let Some(due) = due {
            self.timers[at] = Some(due);
            self.queue.plan(due, Happening::Timer { at, incarnation: self.devices[at].incarnation });
        }
    }

    /// Until when what happens has to wait, because the device that it happens on sleeps.
    pub(super) fn asleep(&self, happening: &Happening) -> Option<Instant> {
        let (Happening::Give { to: at, .. }
        | Happening::Frame { to: at, .. }
        | Happening::Lost { to: at, .. }
        | Happening::Written { at, .. }
        | Happening::Commit { at, .. }
        | Happening::Timer { at, .. }
        | Happening::DiskHeals { at }
        | Happening::Starts { at }
        | Happening::Dial { from: at, .. }) = happening;
        self.devices[*at].asleep_until.filter(|until| *until > self.queue.now())
    }

    /// What a device's monotonic clock shows.
    pub(super) fn now(&self, at: usize) -> Instant {
        self.devices[at].clock.shows(self.queue.now())
    }

    /// What time it is on a device, by its own clocks.
    pub(super) fn moment(&self, at: usize) -> Moment {
        let now = self.now(at);
        let date = self.today.saturating_add(jiff::Span::new().days(self.devices[at].skew));
        let day = date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()));
        let into = i64::try_from(self.queue.now().saturating_duration_since(self.began).as_millis()).unwrap_or(0);
        Moment { now, date, at: day * 86_400_000 + into }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_shows_what_a_timer_waits_for_when_it_says() {
        let queue = crate::network::queue::Queue::<()>::new();
        let began = queue.now();
        let second = Duration::from_secs(1);
        let mut clock = Clock::right(began);
        assert_eq!(clock.shows(began + second), began + second);
        clock.run_at(began, 500);
        assert_eq!(clock.shows(began + 4 * second), began + 2 * second);
        clock.stand_still(began + 4 * second, began + 10 * second);
        assert_eq!(clock.shows(began + 10 * second), began + 2 * second);
        assert_eq!(clock.shows(began + 7 * second), began + 2 * second);
        for rate in [500, 777, 1_000, 1_999] {
            clock.run_at(began + 10 * second, rate);
            for nanos in [0, 1, 333, 1_000_000_007] {
                let due = clock.shows(began + 10 * second) + Duration::from_nanos(nanos);
                assert!(clock.shows(clock.when(due)) >= due, "a timer would come too early, again and again");
            }
        }
    }
}
