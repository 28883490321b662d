//! What is wrong with a home and around it, and what to do about it. Blocks, a quarter of a second an interface.

mod clocks;
mod meeting;
mod network;

use std::path::Path;
use std::time::{Duration, SystemTime};

use betwixt_api::{Finding, Level};
use betwixt_sync::roster::Roster;
use jiff::Zoned;

use crate::house::Handle;
use crate::open::Open;

use meeting::Around;

/// With less than this free, in bytes, a disk counts as almost full.
const LITTLE_SPACE: u64 = 256 << 20;
/// The year of this version: no clock that is right shows an earlier one.
const THIS_VERSION: i16 = 2026;
/// How far a file may be dated ahead of the clock before that says something.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// What only an open home knows, as it was when it was asked.
pub(crate) struct Known {
    handle: Handle,
    recovery: Option<Finding>,
    around: Around,
}

impl Known {
    /// What is known now.
    pub(crate) fn of(open: &Open) -> Self {
        let recovery = recovery(open.house.replica.roster());
        Self { handle: open.house.handle(), recovery, around: Around::of(open) }
    }
}

/// Everything that was looked at, what matters most first. Without what is [`Known`] of an open home (one that is locked, or
/// none) the store is not looked into.
pub(crate) fn findings(home: &Path, known: Option<Known>, discovery: bool, now: &Zoned) -> Vec<Finding> {
    let mut all = Vec::new();
    let handle = known.as_ref().map(|known| &known.handle);
    store(home, handle, &mut all);
    space(home, &mut all);
    clock(home, handle, now, &mut all);
    network::look(discovery, &mut all);
    if let Some(Known { handle, recovery, around }) = known {
        meeting::look(&around, &mut all);
        clocks::look(&handle, &around, &mut all);
        all.extend(recovery);
    }
    all.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    all
}

/// Whether what is shared comes back if every device is lost; nothing to find as long as nothing is shared.
fn recovery(roster: &Roster) -> Option<Finding> {
    roster.household()?;
    if roster.recovery_keys().next().is_some() {
        return None;
    }
    let what = "No recovery code of yours is known to your partner's devices: if you lost all of yours, they could not give back \
                what you share.";
    let fix =
        "Run `betwixt recovery test` and type the code that you wrote down, or make one with `betwixt recovery new`.";
    Some(note("recovery", what).fix(fix))
}

/// A finding under construction.
trait Fix {
    fn fix(self, words: impl Into<String>) -> Self;
}

impl Fix for Finding {
    fn fix(mut self, words: impl Into<String>) -> Self {
        self.fix = Some(words.into());
        self
    }
}

fn finding(level: Level, about: &str, what: impl Into<String>) -> Finding {
    Finding { level, about: about.into(), what: what.into(), fix: None }
}

fn well(about: &str, what: impl Into<String>) -> Finding {
    finding(Level::Well, about, what)
}

fn note(about: &str, what: impl Into<String>) -> Finding {
    finding(Level::Note, about, what)
}

fn trouble(about: &str, what: impl Into<String>) -> Finding {
    finding(Level::Trouble, about, what)
}

fn store(home: &Path, handle: Option<&Handle>, all: &mut Vec<Finding>) {
    let Some(handle) = handle else {
        all.push(
            note("store", "No home is open here, so that its store was not looked into.")
                .fix("Open it with `betwixt unlock`, or found one with `betwixt init`."),
        );
        return;
    };
    match handle.store.read().and_then(|view| view.reader().epoch()) {
        Ok(_) => all.push(well("store", "The store is open and reads.")),
        Err(error) => all.push(trouble("store", format!("The store does not read: {error}.")).fix(
            "Mend what is wrong with the disk; Betwixt opens the store again by itself. Then run `betwixt verify`.",
        )),
    }
    match handle.store.kept_aside() {
        Ok(kept) => {
            let (frames, pieces): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(name, _)| name.starts_with("frame-"));
            let (former, pieces): (Vec<_>, Vec<_>) = pieces
                .into_iter()
                .partition(|(name, _)| name.starts_with("betwixt.redb-") || name.starts_with("keys-"));
            let bytes = |files: &[(String, u64)]| files.iter().map(|(_, bytes)| bytes).sum::<u64>();
            let aside = home.join("aside");
            if !pieces.is_empty() {
                let what = format!("{} damaged pieces of the store were kept aside.", pieces.len());
                all.push(trouble("store", what).fix(format!(
                    "Run `betwixt verify` to see whether it has healed since; if so, those in {} can be deleted.",
                    aside.display()
                )));
            }
            if !frames.is_empty() {
                let what = format!("{} messages of another device were refused and kept aside.", frames.len());
                all.push(note("store", what).fix(
                    "If your partner's device runs another version of Betwixt, update both; otherwise look at who is in \
                     your household with `betwixt devices`.",
                ));
            }
            if !former.is_empty() {
                let what = format!("Former content of this home is kept aside ({} bytes).", bytes(&former));
                all.push(
                    note("store", what).fix(format!(
                        "When you are sure that nothing of it is needed, delete it in {}.",
                        aside.display()
                    )),
                );
            }
        }
        Err(error) => all.push(note("store", format!("What was kept aside cannot be listed: {error}."))),
    }
    match handle.home.snapshots() {
        Ok(kept) => all.push(match kept.last() {
            Some(newest) => well("snapshots", format!("The newest snapshot is of {}.", newest.date)),
            None => note("snapshots", "There is no snapshot yet.")
                .fix("One is taken each day; make a backup on another disk with `betwixt backup`."),
        }),
        Err(error) => all.push(
            trouble("snapshots", format!("The snapshots cannot be listed: {error}."))
                .fix("Check the permissions of the home's directory."),
        ),
    }
}

fn space(home: &Path, all: &mut Vec<Finding>) {
    // A home that is not there yet is asked about where it would be.
    let place = home.ancestors().find(|path| path.exists()).unwrap_or(home);
    match rustix::fs::statvfs(place) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let what = format!("{} MiB are free on the home's disk.", free >> 20);
            all.push(match free {
                0..LITTLE_SPACE => trouble("disk", what).fix("Free some space: nothing can be written on a full disk."),
                _ => well("disk", what),
            });
        }
        Err(error) => all.push(note("disk", format!("How much is free on the home's disk is not known: {error}."))),
    }
}

fn clock(home: &Path, handle: Option<&Handle>, now: &Zoned, all: &mut Vec<Finding>) {
    let written = std::fs::metadata(home.join("betwixt.redb")).and_then(|file| file.modified()).ok();
    let snapshot = handle.and_then(|handle| handle.home.snapshots().ok()?.pop());
    let ahead = written.is_some_and(|written| written > SystemTime::from(now.timestamp()) + AHEAD)
        || snapshot.is_some_and(|snapshot| snapshot.date > now.date());
    let fix = "Set the clock of this device. Which word counts does not depend on it, but dates and rituals do.";
    all.push(if now.year() < THIS_VERSION {
        trouble("clock", format!("The clock says {}, which is before this version was made.", now.date())).fix(fix)
    } else if ahead {
        trouble("clock", format!("The clock says {}, and the home was written to later.", now.date())).fix(fix)
    } else {
        well("clock", format!("The clock says {}, which is plausible.", now.date()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::House;
    use crate::house::tests::founded;

    fn now() -> Zoned {
        Zoned::now()
    }

    fn known(house: &House) -> Known {
        Known { handle: house.handle(), recovery: None, around: Around::alone() }
    }

    fn levels(all: &[Finding], about: &str) -> Vec<Level> {
        all.iter().filter(|finding| finding.about == about).map(|finding| finding.level).collect()
    }

    #[test]
    fn a_home_in_order_has_no_trouble_but_what_the_machine_has() {
        let (_directory, path, house, _) = founded();
        let all = findings(&path, Some(known(&house)), true, &now());
        assert_eq!(levels(&all, "store"), [Level::Well]);
        assert_eq!(levels(&all, "clock"), [Level::Well]);
        assert_eq!(levels(&all, "snapshots"), [Level::Note]);
        assert!(!levels(&all, "network").is_empty() && levels(&all, "disk").len() == 1);
        assert!(all.is_sorted_by_key(|finding| std::cmp::Reverse(finding.level)));
        // Every trouble says what to do.
        assert!(all.iter().all(|finding| finding.level != Level::Trouble || finding.fix.is_some()));
        // Nothing private.
        assert!(all.iter().all(|finding| !finding.what.contains("Ada") && !finding.what.contains("laptop")));
    }

    #[test]
    fn what_was_kept_aside_is_told_by_what_it_is() {
        let (_directory, path, house, _) = founded();
        house.store.keep_frame(b"refused").expect("keeps");
        let all = findings(&path, Some(known(&house)), false, &now());
        assert_eq!(levels(&all, "store"), [Level::Note, Level::Well]);
        std::fs::write(path.join("aside").join("change-7-abc"), b"piece").expect("writes");
        let all = findings(&path, Some(known(&house)), false, &now());
        assert_eq!(levels(&all, "store"), [Level::Trouble, Level::Note, Level::Well]);
        assert_eq!(levels(&all, "discovery"), [Level::Note]);
    }

    #[test]
    fn an_implausible_clock_is_told() {
        let (_directory, path, house, _) = founded();
        for (date, level) in
            [("1970-01-02", Level::Trouble), ("2026-01-02", Level::Trouble), ("2999-01-02", Level::Well)]
        {
            let date: jiff::civil::Date = date.parse().expect("a date");
            let then = date.to_zoned(jiff::tz::TimeZone::UTC).expect("a time");
            let all = findings(&path, Some(known(&house)), false, &then);
            assert_eq!(levels(&all, "clock"), [level], "{date}");
        }
    }

    #[test]
    fn without_an_open_home_the_machine_is_looked_at_all_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let all = findings(&directory.path().join("not/yet"), None, false, &now());
        assert_eq!(levels(&all, "store"), [Level::Note]);
        assert_eq!(levels(&all, "disk").len(), 1);
    }
}
