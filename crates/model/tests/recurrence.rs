//! Rules by the thousand: none panics, none runs away, and an old schedule gives what a fresh one does.

#![allow(clippy::unwrap_used, reason = "tests")]

use betwixt_model::ritual::Schedule;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::json;

fn read(start: Date, rule: &str) -> Option<Schedule> {
    Schedule::read(&json!({ "start": start, "zone": "Europe/Berlin", "rule": rule })).ok()
}

fn list(name: &'static str, numbers: impl Strategy<Value = i32> + Clone + 'static) -> impl Strategy<Value = String> {
    let one_or_more = prop::collection::vec(numbers, 1..4);
    prop::option::weighted(0.3, one_or_more).prop_map(move |numbers| {
        let numbers: Option<Vec<String>> = numbers.map(|numbers| numbers.iter().map(ToString::to_string).collect());
        numbers.map(|numbers| format!(";{name}={}", numbers.join(","))).unwrap_or_default()
    })
}

fn either_way(most: i32) -> impl Strategy<Value = i32> + Clone {
    -most..=most
}

fn weekdays() -> impl Strategy<Value = String> {
    let day = prop::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"]);
    let nth = prop_oneof![3 => Just(String::new()), 1 => (-6..=6).prop_map(|nth: i32| nth.to_string())];
    prop::option::weighted(0.5, prop::collection::vec((nth, day), 1..4)).prop_map(|days| {
        let days: Option<Vec<String>> = days.map(|days| days.iter().map(|(nth, day)| format!("{nth}{day}")).collect());
        days.map(|days| format!(";BYDAY={}", days.join(","))).unwrap_or_default()
    })
}

fn rules() -> impl Strategy<Value = String> {
    let frequency = prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]);
    let end = prop_oneof![3 => Just(String::new()), 1 => (1..60).prop_map(|count| format!(";COUNT={count}")),
        1 => (2000..2040).prop_map(|year| format!(";UNTIL={year}0630"))];
    let start = prop_oneof![Just(""), Just(";WKST=SU"), Just(";WKST=TH")];
    let numbers = (
        list("BYMONTH", 1..=12),
        list("BYMONTHDAY", either_way(31)),
        list("BYYEARDAY", either_way(366)),
        list("BYWEEKNO", either_way(53)),
        list("BYSETPOS", either_way(8)),
    );
    (frequency, prop_oneof![2 => 1..=4, 1 => 1..=1000], end, start, weekdays(), numbers).prop_map(
        |(frequency, interval, end, start, days, (month, day, year, week, place))| {
            format!("FREQ={frequency};INTERVAL={interval}{end}{start}{days}{month}{day}{year}{week}{place}")
        },
    )
}

#[allow(clippy::disallowed_methods, reason = "a test may be asked to take longer")]
fn cases() -> u32 {
    let more = std::env::var("BETWIXT_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    300 * more
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// HostileInputIsAnError: whatever the rule, an answer, in order and within what was asked.
    #[test]
    fn hostile_input_is_an_error_any_rule_gives_an_answer(rule in rules(), ahead in 0i64..9_000) {
        let start = date(1999, 12, 30);
        if let Some(schedule) = read(start, &rule) {
            let from = start.checked_add(ahead.days()).unwrap();
            let to = from.checked_add(400.days()).unwrap();
            if let Ok(dates) = schedule.dates(from, to) {
                prop_assert!(dates.is_sorted_by(|left, right| left < right), "{rule}: {dates:?}");
                prop_assert!(dates.iter().all(|date| (from..=to).contains(date)));
            }
        }
    }

    /// A late window gives what one long look from the beginning gives: nothing is lost by going there at once.
    #[test]
    fn a_late_window_gives_what_a_long_look_does(rule in rules(), ahead in 0i64..4_000) {
        let start = date(2003, 5, 17);
        if let Some(schedule) = read(start, &rule) {
            let from = start.checked_add(ahead.days()).unwrap();
            let to = from.checked_add(90.days()).unwrap();
            if let (Ok(late), Ok(mut whole)) = (schedule.dates(from, to), schedule.dates(start, to)) {
                whole.retain(|date| *date >= from);
                prop_assert_eq!(late, whole, "{}", rule);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn hostile_input_is_an_error_any_text_for_a_rule(text in "[A-Z0-9=;,+-]{0,60}|(FREQ=(DAILY|WEEKLY|YEARLY);)?(BY[A-Z]{3,8}=[-+0-9A-Z,]{0,12};?){0,4}|\\PC{0,40}") {
        if let Some(schedule) = read(date(2027, 1, 1), &text) {
            let _ = schedule.dates(date(2027, 1, 1), date(2028, 1, 1));
        }
    }
}
