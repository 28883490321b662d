//! When a ritual is, as people write it and as they read it. What these words cannot say, an RFC 5545 rule can.

use serde_json::{Value, json};

use crate::error::CommandError;

const DAYS: [(&str, &str); 7] = [
    ("monday", "MO"),
    ("tuesday", "TU"),
    ("wednesday", "WE"),
    ("thursday", "TH"),
    ("friday", "FR"),
    ("saturday", "SA"),
    ("sunday", "SU"),
];

const PERIODS: [(&str, &str); 4] = [("day", "DAILY"), ("week", "WEEKLY"), ("month", "MONTHLY"), ("year", "YEARLY")];

/// A rule from `2 weeks` and `tuesday, friday`.
pub(crate) fn rule(every: &str, on: Option<&str>) -> Result<String, CommandError> {
    let words: Vec<&str> = every.split_whitespace().collect();
    let (number, period) = match words.as_slice() {
        [period] => (1, *period),
        [number, period] => (number.parse().ok().filter(|number| *number > 0).unwrap_or(0), *period),
        _ => (0, ""),
    };
    let period = period.to_lowercase();
    let period = period.strip_suffix('s').unwrap_or(&period);
    let known = PERIODS.iter().find(|(name, _)| *name == period).filter(|_| number > 0);
    let Some((_, frequency)) = known else {
        let what = format!("`{every}` is no period: write day, week, month or year, or \"2 weeks\"");
        return Err(CommandError::Value { what });
    };
    let mut rule = format!("FREQ={frequency}");
    if number > 1 {
        rule.push_str(&format!(";INTERVAL={number}"));
    }
    if let Some(on) = on {
        let days: Result<Vec<String>, CommandError> = on.split(',').map(|day| weekday(day, frequency)).collect();
        rule.push_str(&format!(";BYDAY={}", days?.join(",")));
    }
    Ok(rule)
}

fn weekday(text: &str, frequency: &str) -> Result<String, CommandError> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let (place, name) = match words.as_slice() {
        [name] => ("", name.as_str()),
        [place, name] if frequency == "MONTHLY" => match place.as_str() {
            "1" | "first" => ("1", name.as_str()),
            "2" | "second" => ("2", name.as_str()),
            "3" | "third" => ("3", name.as_str()),
            "4" | "fourth" => ("4", name.as_str()),
            "last" => ("-1", name.as_str()),
            _ => ("", ""),
        },
        _ => ("", ""),
    };
    let day = DAYS.iter().find(|(full, _)| name.len() >= 3 && full.starts_with(name));
    let what = || format!("`{text}` is no weekday: write sunday, or of a month \"1 friday\" or \"last sunday\"");
    day.map(|(_, short)| format!("{place}{short}")).ok_or_else(|| CommandError::Value { what: what() })
}

/// `2027-01-03`, or `2027-01-03 19:00` as the API has it.
pub(crate) fn day_and_time(text: &str) -> Result<String, CommandError> {
    let refused = || CommandError::Value {
        what: format!("`{text}` is no day: write 2027-01-03, or \"2027-01-03 19:00\" for a time on it"),
    };
    let text = text.trim();
    let (date, time) = text.split_once([' ', 'T']).map_or((text, None), |(date, time)| (date, Some(time.trim())));
    let date: jiff::civil::Date = date.parse().map_err(|_| refused())?;
    let Some(time) = time else { return Ok(date.to_string()) };
    let padded = if time.len() == 4 { format!("0{time}") } else { time.to_owned() };
    let time: jiff::civil::Time = padded.parse().map_err(|_| refused())?;
    if padded.len() != 5 {
        return Err(refused());
    }
    Ok(date.to_datetime(time).strftime("%Y-%m-%dT%H:%M").to_string())
}

/// The value of a ritual's cadence.
pub(crate) fn cadence(rule: &str, start: &str, zone: &str, minutes: Option<u64>) -> Value {
    let mut value = json!({ "start": start, "zone": zone, "rule": rule });
    if let (Some(minutes), Some(object)) = (minutes, value.as_object_mut()) {
        object.insert("minutes".into(), minutes.into());
    }
    value
}

/// A cadence in words: `every 2 weeks on Sunday, at 19:00 (Europe/Berlin), from 3 January 2027, 90 minutes`.
pub(crate) fn show(value: &Value) -> Option<String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let (rule, start, zone) = (text("rule")?, text("start")?, text("zone")?);
    let mut words = vec![in_words(rule).unwrap_or_else(|| format!("by the rule {rule}"))];
    let (date, time) = start.split_once('T').map_or((start, None), |(date, time)| (date, Some(time)));
    words.extend(time.map(|time| format!("at {time} ({zone})")));
    words.push(format!("from {}", super::show_date(date)));
    words.extend(value.get("minutes").and_then(Value::as_u64).map(|minutes| format!("{minutes} minutes")));
    Some(words.join(", "))
}

fn in_words(rule: &str) -> Option<String> {
    let (mut period, mut number, mut on) = (None, 1u32, Vec::new());
    for part in rule.split(';') {
        match part.split_once('=')? {
            ("FREQ", value) => period = PERIODS.iter().find(|(_, name)| *name == value).map(|(word, _)| *word),
            ("INTERVAL", value) => number = value.parse().ok()?,
            ("BYDAY", value) => {
                for day in value.split(',') {
                    let (place, short) = day.split_at_checked(day.len().checked_sub(2)?)?;
                    let (name, _) = DAYS.iter().find(|(_, known)| *known == short)?;
                    let place = match place {
                        "" => "",
                        "1" => "the first ",
                        "2" => "the second ",
                        "3" => "the third ",
                        "4" => "the fourth ",
                        "-1" => "the last ",
                        _ => return None,
                    };
                    let (first, rest) = name.split_at(1);
                    on.push(format!("{place}{}{rest}", first.to_uppercase()));
                }
            }
            _ => return None,
        }
    }
    let period = period?;
    let mut words = if number == 1 { format!("every {period}") } else { format!("every {number} {period}s") };
    if !on.is_empty() {
        words.push_str(&format!(" on {}", on.join(" and ")));
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_from_words_and_back() {
        for (every, on, rule_text, words) in [
            ("week", Some("sunday"), "FREQ=WEEKLY;BYDAY=SU", "every week on Sunday"),
            (
                "2 weeks",
                Some("tue, Friday"),
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,FR",
                "every 2 weeks on Tuesday and Friday",
            ),
            ("day", None, "FREQ=DAILY", "every day"),
            ("month", Some("last sunday"), "FREQ=MONTHLY;BYDAY=-1SU", "every month on the last Sunday"),
            ("Year", None, "FREQ=YEARLY", "every year"),
        ] {
            assert_eq!(rule(every, on).expect("a rule"), rule_text);
            assert_eq!(in_words(rule_text).expect("words"), words);
        }
        for (every, on) in
            [("0 weeks", None), ("fortnight", None), ("week", Some("su")), ("week", Some("1 friday")), ("", None)]
        {
            assert!(rule(every, on).is_err(), "{every} {on:?}");
        }
        assert_eq!(in_words("FREQ=WEEKLY;COUNT=3"), None, "shown as the rule that it is");
    }

    #[test]
    fn days_and_times() {
        assert_eq!(day_and_time("2027-01-03 9:30").expect("a time"), "2027-01-03T09:30");
        assert_eq!(day_and_time("2027-01-03").expect("a day"), "2027-01-03");
        for text in ["tomorrow", "2027-01-03 25:00", "2027-01-03 19", "2027-02-29", "2027-01-03 19:00:30"] {
            assert!(day_and_time(text).is_err(), "{text}");
        }
        let value = cadence("FREQ=WEEKLY;BYDAY=SU", "2027-01-03T19:00", "Europe/Berlin", Some(90));
        let words = "every week on Sunday, at 19:00 (Europe/Berlin), from 3 January 2027, 90 minutes";
        assert_eq!(show(&value).expect("words"), words);
        assert_eq!(show(&json!({ "is": true })), None);
    }
}
