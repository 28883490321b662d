//! Every operation, by subject.

mod frontends;
mod home;
mod items;
mod past;
mod together;
mod ways;

use super::Operation;

/// Every operation of the API, under the subject that it belongs to.
pub fn operations() -> Vec<(&'static str, Vec<Operation>)> {
    vec![
        ("The daemon and its home", home::daemon()),
        ("Ways to open the home", ways::ways()),
        ("Keeping a home well", home::upkeep()),
        ("Frontends", frontends::frontends()),
        ("Devices", home::devices()),
        ("Carrying by hand", home::carry()),
        ("Pairing", home::pairing()),
        ("Items and fields", items::items()),
        ("Attachments", items::attachments()),
        ("Rituals", items::rituals()),
        ("Sealed answers", items::seals()),
        ("What differs and waits", together::settle()),
        ("Bringing over", together::bring()),
        ("Chapters", together::chapter()),
        ("The documents themselves", past::documents()),
        ("Searching", past::search()),
        ("Statistics", past::statistics()),
        ("The past", past::past()),
        ("Events", past::events()),
    ]
}
