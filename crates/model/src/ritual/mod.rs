//! Rituals: when they take place, and how each of their occurrences stands.
//!
//! A schedule is an RFC 5545 recurrence in a time zone. An occurrence is named by its ritual and the date that the rule
//! gave; so both partners speak of the same evening while apart, whatever day it is moved to. Everything here follows from
//! the facts, the time zone data that jiff bundles, and dates that are handed in (SameFactsSameView).

mod occurrence;
mod rule;
mod schedule;
mod turns;

pub use occurrence::{Calendar, MAX_WINDOW, Next, Occurrence, Status, Window, WindowError, calendar};
pub use rule::{MAX_COUNT, MAX_INTERVAL, RuleError};
pub use schedule::{Irregular, Schedule, ScheduleError, When, zone};
