//! Recurrence rules (RFC 5545, section 3.3.10) by whole days.
//!
//! The `rrule` crate computes them, always in UTC at midnight: it is asked for dates alone, so that it reads neither the
//! system's time zone nor time zone data of its own. Its loops are bounded by keeping every date below the year 10,000,
//! where it stops (see [`Rule::dates`]), and by its own limit of 100,000 steps from one date to the next.

use chrono::{DateTime, Datelike, TimeZone as _};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime as LocalTime};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

/// The largest `COUNT`: 27 years of every day.
pub const MAX_COUNT: u32 = 10_000;

/// The largest `INTERVAL`.
pub const MAX_INTERVAL: u16 = 1_000;

/// A rule that is none, or none for rituals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Something other than `NAME=VALUE` parts with `;` between, in capitals.
    #[error("the rule is not of the form FREQ=WEEKLY;BYDAY=SU, in capital letters")]
    Malformed,
    /// The part is not one that rituals have.
    #[error("a ritual's rule has no part {0}; it goes by whole days")]
    UnknownPart(String),
    /// The part is there twice.
    #[error("the rule has two parts {0}")]
    Repeated(String),
    /// More than once a day, or no frequency.
    #[error("a ritual recurs DAILY, WEEKLY, MONTHLY or YEARLY")]
    Frequency,
    /// Out of bounds.
    #[error("an interval is 1 to {MAX_INTERVAL}")]
    Interval,
    /// Out of bounds.
    #[error("a count is 1 to {MAX_COUNT}")]
    Count,
    /// RFC 5545 has one or the other.
    #[error("a rule ends after a COUNT or at an UNTIL, not both")]
    TwoEnds,
    /// Not a date or date-time of the calendar.
    #[error("the rule's UNTIL is no date (20270131) or time (20270131T180000Z)")]
    Until,
    /// What the rule says is not allowed by RFC 5545.
    #[error("the rule cannot be followed: {0}")]
    Invalid(String),
    /// No date for a lifetime.
    #[error("the rule gives no date within a hundred years")]
    Never,
}

/// When a rule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// On this day, included.
    Date(Date),
    /// At this time of the schedule's zone, included.
    Local(LocalTime),
    /// At this instant, included.
    Instant(jiff::Timestamp),
}

/// A rule that was read.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    rule: RRule<Unvalidated>,
    frequency: Frequency,
    interval: u16,
    counted: bool,
    pub(super) until: Option<Until>,
}

const PARTS: [&str; 11] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYDAY",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYSETPOS",
];

impl Rule {
    pub(super) fn read(text: &str) -> Result<Self, RuleError> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"=;,+-".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(RuleError::Malformed);
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut until = None;
        let mut rest = Vec::new();
        for part in text.split(';') {
            let (name, value) = part.split_once('=').ok_or(RuleError::Malformed)?;
            if !PARTS.contains(&name) {
                return Err(RuleError::UnknownPart(name.to_owned()));
            }
            if seen.contains(&name) {
                return Err(RuleError::Repeated(name.to_owned()));
            }
            seen.push(name);
            // A crate that read it without a zone would ask the system for one.
            if name == "UNTIL" {
                until = Some(read_until(value).ok_or(RuleError::Until)?);
            } else {
                rest.push(part);
            }
        }
        if until.is_some() && seen.contains(&"COUNT") {
            return Err(RuleError::TwoEnds);
        }
        let invalid = |error: rrule::RRuleError| RuleError::Invalid(error.to_string());
        let rule: RRule<Unvalidated> = rest.join(";").parse().map_err(invalid)?;
        let (frequency, interval, count) = (rule.get_freq(), rule.get_interval(), rule.get_count());
        if frequency > Frequency::Daily || !seen.contains(&"FREQ") {
            return Err(RuleError::Frequency);
        }
        if !(1..=MAX_INTERVAL).contains(&interval) {
            return Err(RuleError::Interval);
        }
        if count.is_some_and(|count| !(1..=MAX_COUNT).contains(&count)) {
            return Err(RuleError::Count);
        }
        Ok(Self { rule, frequency, interval, counted: count.is_some(), until })
    }

    /// The dates that the rule gives from `start` on within these days, at most `most` of them. `last` is the last day on
    /// which it can give one.
    ///
    /// The Gregorian calendar repeats itself, weekdays included, every 400 years. Everything is computed as many of these
    /// later as fit below the year 10,000, at which `rrule` stops: so a rule that never matches ends after less than 400
    /// years beyond the window.
    pub(super) fn dates(&self, start: Date, from: Date, to: Date, most: usize) -> Result<Vec<Date>, RuleError> {
        let mut dates = Vec::new();
        let from = from.max(start);
        if from > to {
            return Ok(dates);
        }
        let start = self.nearest_start(start, from);
        let later = (9_999 - i32::from(to.year())).div_euclid(400) * 400;
        let shifted = utc(i32::from(start.year()) + later, start)
            .ok_or_else(|| RuleError::Invalid("its start is not a day of the calendar".into()))?;
        let invalid = |error: rrule::RRuleError| RuleError::Invalid(error.to_string());
        let rule = self.rule.clone().validate(shifted).map_err(invalid)?;
        for given in &RRuleSet::new(shifted).rrule(rule).limit() {
            let Some(date) = local(&given, later).filter(|date| *date <= to) else { break };
            if date >= from {
                dates.push(date);
                if dates.len() == most {
                    break;
                }
            }
        }
        Ok(dates)
    }

    /// A later start from which the rule gives the same dates from `from` on, so that old rituals cost no more than new
    /// ones. At least one period stays between: the first one may be cut short by its start.
    fn nearest_start(&self, start: Date, from: Date) -> Date {
        let days = match self.frequency {
            Frequency::Daily => i64::from(self.interval),
            Frequency::Weekly => i64::from(self.interval) * 7,
            _ => return start,
        };
        if self.counted {
            return start;
        }
        let between = start.until(from).map_or(0, |span| i64::from(span.get_days()));
        let steps = (between / days - 2).max(0);
        start.checked_add((steps * days).days()).unwrap_or(start)
    }
}

fn utc(year: i32, date: Date) -> Option<DateTime<Tz>> {
    let part = |part: i8| u32::try_from(part).ok();
    Tz::UTC.with_ymd_and_hms(year, part(date.month())?, part(date.day())?, 0, 0, 0).single()
}

fn local(given: &DateTime<Tz>, later: i32) -> Option<Date> {
    let (month, day) = (i8::try_from(given.month()).ok()?, i8::try_from(given.day()).ok()?);
    Date::new(i16::try_from(given.year() - later).ok()?, month, day).ok()
}

fn read_until(text: &str) -> Option<Until> {
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    if !digits(day, 8) {
        return None;
    }
    let date: Date = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]).parse().ok()?;
    let Some(time) = time else { return Some(Until::Date(date)) };
    let zulu = time.strip_suffix('Z');
    let clock = zulu.unwrap_or(time);
    if !digits(clock, 6) {
        return None;
    }
    let clock: jiff::civil::Time = format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]).parse().ok()?;
    let local = date.to_datetime(clock);
    match zulu {
        None => Some(Until::Local(local)),
        Some(_) => local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|utc| Until::Instant(utc.timestamp())),
    }
}
