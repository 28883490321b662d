//! Whose turn it is to lead: counted from the marks, so that nobody has to keep the count.

use jiff::civil::Date;
use serde_json::Value;

use crate::ids::PartnerId;
use crate::schema::shape::text_date;

/// How a household takes turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turns {
    first: PartnerId,
    other: PartnerId,
    from: Option<Date>,
}

impl Turns {
    /// Reads the value of a ritual's turns. `None` where nobody takes turns, or somebody leads who is not of the household.
    pub(super) fn read(value: &Value, partners: &[PartnerId]) -> Option<Self> {
        let first: PartnerId = value.get("first")?.as_str()?.parse().ok().filter(|first| partners.contains(first))?;
        let other = partners.iter().copied().find(|partner| *partner != first)?;
        Some(Self { first, other, from: value.get("from").and_then(text_date) })
    }

    /// Who leads the occurrence of this date, when those of these dates were held: the first, alternating after every one.
    pub(super) fn leads(&self, date: Date, held: &[Date]) -> Option<PartnerId> {
        if self.from.is_some_and(|from| date < from) {
            return None;
        }
        let before = held.iter().filter(|held| **held < date && self.from.is_none_or(|from| **held >= from)).count();
        Some(if before % 2 == 0 { self.first } else { self.other })
    }
}
