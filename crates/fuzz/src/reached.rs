//! How far inputs come: a body that every input leaves at its first check would never fail, and prove nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static REACHED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// An input of this thread's has come here.
pub(crate) fn here(place: &'static str) {
    REACHED.with(|reached| reached.borrow_mut().insert(place));
}

/// Where the inputs of this thread have come since it was asked last.
pub fn take() -> BTreeSet<&'static str> {
    REACHED.with(|reached| std::mem::take(&mut *reached.borrow_mut()))
}
