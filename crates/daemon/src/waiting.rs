//! How much waits to be settled, counted once and not with every status: after thirty years that takes 5 to 15 ms, and whoever
//! waits for devices to meet asks many times a second.

use std::cell::RefCell;
use std::collections::BTreeMap;

use betwixt_model::document::Scope;
use jiff::civil::Date;

/// What was counted of each scope, and on which day: a review becomes due with a day.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    counted: RefCell<BTreeMap<Scope, (Date, u64)>>,
}

impl Waiting {
    /// How much waits in a scope today, counting it where that is not known.
    ///
    /// # Errors
    /// Those of counting; then it is counted again the next time.
    pub(crate) fn of<E>(&self, scope: Scope, today: Date, count: impl FnOnce() -> Result<u64, E>) -> Result<u64, E> {
        let known = self.counted.borrow().get(&scope).copied();
        if let Some((_, waiting)) = known.filter(|(day, _)| *day == today) {
            return Ok(waiting);
        }
        let waiting = count()?;
        self.counted.borrow_mut().insert(scope, (today, waiting));
        Ok(waiting)
    }

    /// Something was said in a scope, or is shown of it that was not, or it was locked.
    pub(crate) fn forget(&mut self, scope: Scope) {
        self.counted.get_mut().remove(&scope);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn it_is_counted_once_a_day_and_after_every_change() {
        let mut waiting = Waiting::default();
        let (today, tomorrow) = (date(2026, 11, 30), date(2026, 12, 1));
        let of = |waiting: &Waiting, scope, day, now: u64| waiting.of(scope, day, || Ok::<_, ()>(now)).unwrap();
        assert_eq!(of(&waiting, Scope::Ours, today, 3), 3);
        assert_eq!(of(&waiting, Scope::Ours, today, 4), 3);
        assert_eq!(of(&waiting, Scope::Mine, today, 5), 5);
        assert_eq!(of(&waiting, Scope::Ours, tomorrow, 6), 6);
        waiting.forget(Scope::Ours);
        assert_eq!(waiting.of(Scope::Ours, tomorrow, || Err::<u64, _>("no")), Err("no"));
        assert_eq!(of(&waiting, Scope::Ours, tomorrow, 7), 7);
        assert_eq!(of(&waiting, Scope::Mine, today, 8), 5);
    }
}
