//! Values as people write them, and as they read them: dates, amounts.

pub(crate) mod cadence;

use jiff::civil::Date;
use serde_json::Value;

use crate::error::CommandError;

/// An address that only this machine can reach.
pub(crate) fn loopback(text: &str) -> Result<std::net::SocketAddr, String> {
    let address = text.parse::<std::net::SocketAddr>().ok().filter(|address| address.ip().is_loopback());
    address.ok_or_else(|| "an address of this machine and a port, such as 127.0.0.1:4714 or [::1]:4714".into())
}

/// A date as people write it: `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Result<Value, CommandError> {
    let date: Date = text.trim().parse().map_err(|_| CommandError::Value {
        what: format!("`{text}` is no date: write it as 2027-09-01 (year, month, day)"),
    })?;
    Ok(date.to_string().into())
}

/// A date as people read it: `2 March 2027`; what is no date stays as it is.
pub(crate) fn show_date(text: &str) -> String {
    text.parse::<Date>().map_or_else(|_| text.to_owned(), |date| date.strftime("%-d %B %Y").to_string())
}

/// A time that is said in minutes.
pub(crate) fn show_minutes(minutes: u32) -> String {
    if minutes == 1 { "a minute".into() } else { format!("{minutes} minutes") }
}

/// Days since, in words.
pub(crate) fn show_days(days: Option<u32>) -> String {
    match days {
        None => "not yet".into(),
        Some(0) => "today".into(),
        Some(1) => "yesterday".into(),
        Some(days) => format!("{days} days ago"),
    }
}

/// An amount with decimals, in the smallest unit: `20.50` with two decimals is 2050.
pub(crate) fn parse_amount(text: &str, decimals: u32) -> Result<i64, CommandError> {
    let refused = |why: &str| CommandError::Value { what: format!("`{text}` {why}") };
    let (sign, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.trim()),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !(whole.bytes().chain(part.bytes())).all(|byte| byte.is_ascii_digit()) {
        return Err(refused("is no amount: write it with a point, as 20.50"));
    }
    if part.len() > decimals as usize {
        return Err(refused(&format!("has more than the {decimals} decimals that are kept here")));
    }
    let padded = format!("{whole}{part:0<width$}", width = decimals as usize);
    padded.parse::<i64>().map(|amount| sign * amount).map_err(|_| refused("is too large"))
}

/// How many decimals an amount is written with.
pub(crate) fn decimals_of(text: &str) -> u32 {
    text.trim().split_once('.').map_or(0, |(_, part)| u32::try_from(part.len()).unwrap_or(u32::MAX))
}

/// The reverse of [`parse_amount`].
pub(crate) fn show_amount(amount: i64, decimals: u32) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals as usize + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals as usize);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// What a milestone measures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// `yes_no`, `count` or `amount`.
    pub(crate) kind: String,
    /// What is aimed at, in the smallest unit.
    pub(crate) target: Option<i64>,
    /// What is counted.
    pub(crate) unit: Option<String>,
    /// Decimals that are kept.
    pub(crate) decimals: u32,
}

impl Measure {
    /// As a milestone's field `measure` holds it; yes or no where that says nothing known.
    pub(crate) fn read(value: Option<&Value>) -> Self {
        let text = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_i64);
        Self {
            kind: text("type").unwrap_or_else(|| "yes_no".into()),
            target: number("target"),
            unit: text("unit"),
            decimals: number("decimals").and_then(|decimals| u32::try_from(decimals).ok()).unwrap_or(0).min(9),
        }
    }

    /// In words, with a sum: `5 of 12 rides`.
    pub(crate) fn show(&self, sum: i64) -> String {
        let mut text = show_amount(sum, self.decimals);
        if let Some(target) = self.target {
            text.push_str(" of ");
            text.push_str(&show_amount(target, self.decimals));
        }
        if let Some(unit) = &self.unit {
            text.push(' ');
            text.push_str(unit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit() {
        for (text, decimals, amount) in
            [("20.50", 2, 2050), ("20.5", 2, 2050), ("-0.05", 2, -5), ("7", 0, 7), ("0", 2, 0), ("800.00", 2, 80000)]
        {
            assert_eq!(parse_amount(text, decimals).expect("parses"), amount, "{text}");
        }
        assert_eq!([show_amount(2050, 2), show_amount(-5, 2), show_amount(7, 0)], ["20.50", "-0.05", "7"]);
        for text in ["", ".5", "1,5", "1e3", "20.505", "--1", "99999999999999999999"] {
            assert!(parse_amount(text, 2).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_in_words() {
        assert_eq!(show_date("2027-03-02"), "2 March 2027");
        assert_eq!(parse_date(" 2027-09-01 ").expect("parses"), "2027-09-01");
        assert!(parse_date("2027-02-30").is_err() && parse_date("soon").is_err());
    }
}
