//! Schedules: a recurrence rule, where it begins, and the time zone in which it is meant.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde_json::Value;

use super::rule::{Rule, RuleError, Until};
use crate::schema::ritual::text_date_time;
use crate::schema::shape::text_date;

/// The years in which schedules may begin. Dates beyond them are typing errors, and time zone data says nothing of them.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

/// A schedule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not of the shape that the schema gives, or before 1900 or after 2199.
    #[error("is no schedule: it needs a start (1900 to 2199), a zone and a rule")]
    Shape,
    /// Not in the time zone database that this version bundles.
    #[error("names the time zone {0}, which is not known; write it like Europe/Berlin")]
    UnknownZone(String),
    /// The rule.
    #[error("has a rule that does not fit: {0}")]
    Rule(#[from] RuleError),
}

/// When a ritual recurs.
#[derive(Debug, Clone)]
pub struct Schedule {
    start: Date,
    time: Option<Time>,
    zone: TimeZone,
    rule: Rule,
    minutes: Option<u64>,
    /// The last day on which the rule gives an occurrence.
    last: Option<Date>,
}

/// A local time that the clocks of its zone did not show once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Irregular {
    /// Never, because they were put forward: it is taken as it would have been before that, which is later on the clock.
    Never,
    /// Twice, because they were put back: the first is taken.
    Twice,
}

/// When something takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct When {
    /// The day, in the schedule's zone.
    pub date: Date,
    /// The time of day there, `HH:MM`; absent where the whole day is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The zone.
    pub zone: String,
    /// The instant at which it begins; absent where the whole day is meant, wherever one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Whether that local time is one that clocks did not show once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irregular: Option<Irregular>,
    /// How long it takes, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
}

impl When {
    /// A day as such, where no schedule says more.
    pub(super) fn whole_day(date: Date) -> Self {
        Self { date, time: None, zone: "UTC".into(), at: None, irregular: None, minutes: None }
    }

    /// The day in a zone: where the ritual is kept in another one, it may fall on another day.
    pub fn date_in(&self, zone: &TimeZone) -> Date {
        self.at.map_or(self.date, |at| at.to_zoned(zone.clone()).date())
    }
}

/// A zone of the database that this version bundles, so that devices do not disagree (SameFactsSameView).
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl Schedule {
    /// Reads the value of a ritual's cadence.
    ///
    /// # Errors
    /// [`ScheduleError`]; anything may arrive (HostileInputIsAnError).
    pub fn read(value: &Value) -> Result<Self, ScheduleError> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or(ScheduleError::Shape);
        let start = value.get("start").ok_or(ScheduleError::Shape)?;
        let (start, time) = match (text_date(start), text_date_time(start)) {
            (Some(date), _) => (date, None),
            (None, Some(time)) => (time.date(), Some(time.time())),
            (None, None) => return Err(ScheduleError::Shape),
        };
        if !YEARS.contains(&start.year()) {
            return Err(ScheduleError::Shape);
        }
        let name = text("zone")?;
        let zone = zone(name).ok_or_else(|| ScheduleError::UnknownZone(name.chars().take(64).collect()))?;
        let rule = Rule::read(text("rule")?)?;
        let minutes = value.get("minutes").and_then(Value::as_u64);
        let last = rule.until.map(|until| last_day(until, time, &zone));
        Ok(Self { start, time, zone, rule, minutes, last })
    }

    /// Reads one that somebody wants to say: it also has to give a date within a hundred years.
    pub(crate) fn check(value: &Value) -> Result<(), ScheduleError> {
        let schedule = Self::read(value)?;
        let horizon = schedule.start.saturating_add(100.years());
        match schedule.first(schedule.start, horizon)? {
            Some(_) => Ok(()),
            None => Err(RuleError::Never.into()),
        }
    }

    fn first(&self, from: Date, to: Date) -> Result<Option<Date>, ScheduleError> {
        let to = self.last.map_or(to, |last| last.min(to));
        Ok(self.rule.dates(self.start, from, to, 1)?.first().copied())
    }

    /// The dates from `from` to `to`, both included, that the rule gives: one occurrence each.
    ///
    /// # Errors
    /// [`ScheduleError::Rule`] for a rule that RFC 5545 does not allow.
    pub fn dates(&self, from: Date, to: Date) -> Result<Vec<Date>, ScheduleError> {
        let to = self.last.map_or(to, |last| last.min(to));
        Ok(self.rule.dates(self.start, from, to, usize::MAX)?)
    }

    /// When the occurrence of this date takes place.
    pub fn when(&self, date: Date) -> When {
        self.at(date, self.time)
    }

    /// When an occurrence takes place that was moved to a date (at the usual time of day) or to a date and time.
    pub fn moved(&self, to: &Value) -> Option<When> {
        let time = text_date_time(to);
        let moved = time.map(|time| (time.date(), Some(time.time()))).or(text_date(to).map(|date| (date, self.time)));
        moved.map(|(date, time)| self.at(date, time))
    }

    fn at(&self, date: Date, time: Option<Time>) -> When {
        let shown = self.zone.iana_name().unwrap_or("UTC").to_owned();
        let whole = When { date, time: None, zone: shown, at: None, irregular: None, minutes: self.minutes };
        let Some(time) = time else { return whole };
        let ambiguous = self.zone.to_ambiguous_zoned(date.to_datetime(time));
        let irregular = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Gap { .. } => Some(Irregular::Never),
            AmbiguousOffset::Fold { .. } => Some(Irregular::Twice),
        };
        // As RFC 5545 has it (section 3.3.5).
        match ambiguous.compatible() {
            Ok(zoned) => When {
                date: zoned.date(),
                time: Some(clock(zoned.datetime())),
                at: Some(zoned.timestamp()),
                irregular,
                ..whole
            },
            Err(_) => whole,
        }
    }
}

fn clock(time: DateTime) -> String {
    time.strftime("%H:%M").to_string()
}

/// The last day that an `UNTIL` allows: what is later on its day than that is beyond it.
fn last_day(until: Until, time: Option<Time>, zone: &TimeZone) -> Date {
    let local = match until {
        Until::Date(date) => return date,
        Until::Local(local) => local,
        Until::Instant(instant) => zone.to_datetime(instant),
    };
    if time.is_some_and(|time| time > local.time()) { local.date().saturating_sub(1.day()) } else { local.date() }
}
