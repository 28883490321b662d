//! Whether the clocks of two devices differ by days. Nothing that counts follows from clocks, but dates are shown.

use betwixt_api::Finding;
use betwixt_model::document::Scope;
use betwixt_model::fact::Header;
use betwixt_model::ids::DeviceId;
use betwixt_model::index::{self, IndexError};
use betwixt_store::StoreError;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::meeting::Around;
use super::{Fix as _, note};
use crate::answer::past::local_date;
use crate::house::Handle;

/// How many of the facts that came last from a device are looked at.
const MOST: usize = 200;

/// Looks at what came from each device when it was met last.
pub(super) fn look(handle: &Handle, around: &Around, all: &mut Vec<Finding>) {
    match around.devices.iter().map(|device| differs(handle, device)).collect::<Result<Vec<_>, _>>() {
        Ok(differ) if differ.contains(&true) => all.push(
            note("clock", "The clock of this device and that of another one of your household are days apart.")
                .fix(
                    "Set the one that is wrong. Which word counts does not depend on it, but dates and rituals do; what was said \
                     meanwhile keeps the date that it got.",
                ),
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the dates of what came last cannot be read"),
    }
}

/// Whether something that came at the last meeting with a device was said there on a day that this device's clock had not
/// reached when it came, or before something that its writer had seen.
fn differs(handle: &Handle, device: &DeviceId) -> Result<bool, IndexError<StoreError>> {
    let view = handle.store.read().map_err(IndexError::Rows)?;
    let reader = view.reader();
    let rows = reader.rows(Scope::Ours);
    let mut first = true;
    let last = reader.meetings(Scope::Ours, device, |_| std::mem::take(&mut first)).map_err(IndexError::Rows)?;
    let Some(last) = last.first() else { return Ok(false) };
    let came = reader.came(Scope::Ours, last).map_err(IndexError::Rows)?;
    for fact in came.iter().rev().take(MOST) {
        let Some(header) = index::header(&rows, fact)?.filter(|header| header.device == *device) else { continue };
        let arrived = reader.arrival(Scope::Ours, fact).map_err(IndexError::Rows)?;
        if arrived.and_then(|arrived| local_date(arrived.at)).is_some_and(|day| is_days_after(header.date, day)) {
            return Ok(true);
        }
        for seen in &header.seen {
            let before: Option<Header> = index::header(&rows, seen)?;
            if before.is_some_and(|before| before.device != *device && is_days_after(before.date, header.date)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a date is later than time zones make it: the same moment is on two days, apart from the outermost zones.
fn is_days_after(date: Date, other: Date) -> bool {
    other.checked_add(1.day()).is_ok_and(|latest| date > latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_alone_are_no_difference() {
        let day = |day: i8| Date::constant(2026, 11, day);
        assert!(!is_days_after(day(3), day(3)));
        assert!(!is_days_after(day(4), day(3)));
        assert!(is_days_after(day(5), day(3)));
        assert!(!is_days_after(day(3), day(6)));
    }
}
