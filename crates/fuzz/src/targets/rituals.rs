//! Schedules as anybody may say them.

use betwixt_model::ritual::{MAX_WINDOW, Schedule};
use betwixt_model::schema::check_value;
use jiff::ToSpan;
use jiff::civil::date;
use serde_json::{Value, json};

use crate::frames;
use crate::reached::here;

/// Start, zone and rule as three texts; or, when it is one, the JSON of a schedule.
pub(super) fn schedules(bytes: &[u8]) {
    let parts = frames::split(bytes);
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let value = match &parts[..] {
        [(_, start), (_, zone), (_, rule), ..] => {
            json!({ "start": text(start), "zone": text(zone), "rule": text(rule), "minutes": 60 })
        }
        _ => serde_json::from_slice(bytes).unwrap_or(Value::Null),
    };
    let _ = check_value("ritual", "cadence", &value);
    let Ok(schedule) = Schedule::read(&value) else { return };
    let most = usize::try_from(MAX_WINDOW).unwrap_or(usize::MAX);
    for from in [date(1900, 1, 1), date(2026, 2, 28), date(2199, 12, 1)] {
        let to = from.saturating_add((MAX_WINDOW - 1).days());
        let Ok(dates) = schedule.dates(from, to) else { continue };
        assert!(dates.len() <= most, "at most one a day");
        assert!(dates.is_sorted_by(|left, right| left < right));
        assert!(dates.iter().all(|date| (from..=to).contains(date)));
        dates.first().iter().for_each(|_| here("recurs"));
        dates.iter().take(50).for_each(|date| drop(schedule.when(*date)));
    }
    let _ = schedule.moved(&value["start"]);
}
