//! What is wrong with a home and around it, and what to do about it. Blocks, a quarter of a second an interface.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use betwixt_api::{Finding, Level};
use betwixt_net::doctor::{InterfaceFacts, Multicast, has_ipv6, interfaces, multicast_dns_port, tunnels};
use betwixt_sync::roster::Roster;
use jiff::Zoned;

use crate::house::Handle;

/// The smallest packet that QUIC needs, with IPv6's headers (RFC 9000, section 14).
const SMALLEST_PACKET: u32 = 1280;
/// With less than this free, in bytes, a disk counts as almost full.
const LITTLE_SPACE: u64 = 256 << 20;
/// The year of this version: no clock that is right shows an earlier one.
const THIS_VERSION: i16 = 2026;
/// How far a file may be dated ahead of the clock before that says something.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that was looked at, what matters most first. Without a [`Handle`] (a home that is locked, or none) the
/// store is not looked into.
pub(crate) fn findings(home: &Path, handle: Option<&Handle>, discovery: bool, now: &Zoned) -> Vec<Finding> {
    let mut all = Vec::new();
    store(home, handle, &mut all);
    space(home, &mut all);
    clock(home, handle, now, &mut all);
    let facts = interfaces();
    network(&facts, has_ipv6(), &mut all);
    if discovery {
        discovering(facts.as_deref().unwrap_or_default(), multicast_dns_port(), &mut all);
    } else {
        all.push(
            note("discovery", "Looking for devices in the network is switched off for this daemon.")
                .fix("Start it without `--no-discovery`, or give your partner's address with `betwixt peer add`."),
        );
    }
    sort(&mut all);
    all
}

/// What matters most first. Of one level they stay in the order in which they were looked at.
pub(crate) fn sort(all: &mut [Finding]) {
    all.sort_by_key(|finding| std::cmp::Reverse(finding.level));
}

/// Whether what is shared comes back if every device is lost; nothing to find as long as nothing is shared.
pub(crate) fn recovery(roster: &Roster) -> Option<Finding> {
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

fn network(facts: &io::Result<Vec<InterfaceFacts>>, ipv6: bool, all: &mut Vec<Finding>) {
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            all.push(
                trouble("network", format!("The system does not tell its network interfaces: {error}."))
                    .fix("Check whether Betwixt is confined, by a sandbox for instance, and let it see the network."),
            );
            return;
        }
    };
    let used: Vec<_> = facts.iter().filter(|facts| facts.used_for_discovery).collect();
    if used.is_empty() {
        all.push(
            trouble("network", "This device is in no local network.")
                .fix("Join the network that your partner's device is in."),
        );
    } else {
        let names: Vec<_> = used.iter().map(|facts| facts.network.interface.as_str()).collect();
        all.push(well("network", format!("This device is in a network by {}.", names.join(", "))));
    }
    for facts in &used {
        if let Some(mtu) = facts.mtu.filter(|mtu| *mtu < SMALLEST_PACKET) {
            let what = format!("{} carries packets of {mtu} bytes at most.", facts.network.interface);
            all.push(trouble("network", what).fix(format!("Set its MTU to {SMALLEST_PACKET} at least.")));
        }
    }
    let tunnels = tunnels(facts);
    if !tunnels.is_empty() {
        let what = format!("A VPN or another tunnel is up ({}).", tunnels.join(", "));
        all.push(
            note("network", what)
                .fix("If your devices do not find each other, allow the local network in its settings, or pause it."),
        );
    }
    all.push(if ipv6 { well("network", "IPv6 works.") } else { note("network", "There is no IPv6; IPv4 suffices.") });
}

fn discovering(facts: &[InterfaceFacts], port: io::Result<()>, all: &mut Vec<Finding>) {
    if let Err(error) = port {
        all.push(trouble("discovery", format!("Port 5353 of multicast DNS cannot be listened to: {error}.")).fix(
            "Find the program that has it for itself (`ss -lunp sport = :5353`) and let it share the port, or stop it.",
        ));
    }
    for facts in facts.iter().filter(|facts| facts.used_for_discovery) {
        let name = &facts.network.interface;
        all.push(match &facts.multicast {
            Multicast::Works => well("discovery", format!("Multicast works on {name}, as far as this device can see.")),
            Multicast::Untried => note("discovery", format!("{name} has no IPv4 address, so multicast was not tried.")),
            Multicast::NotJoined(error) => {
                trouble("discovery", format!("Multicast cannot be received on {name}: {error}."))
                    .fix("Check whether Betwixt is confined and may use multicast.")
            }
            Multicast::NotSent(error) => trouble("discovery", format!("Multicast cannot be sent on {name}: {error}."))
                .fix("Allow the local network in the firewall and the VPN, or give your partner's address by hand."),
            Multicast::NotReturned => trouble("discovery", format!("Multicast does not come through on {name}."))
                .fix("Allow UDP to 224.0.0.251 in the firewall, or give your partner's address by hand."),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::tests::founded;

    fn now() -> Zoned {
        Zoned::now()
    }

    fn levels(all: &[Finding], about: &str) -> Vec<Level> {
        all.iter().filter(|finding| finding.about == about).map(|finding| finding.level).collect()
    }

    #[test]
    fn a_home_in_order_has_no_trouble_but_what_the_machine_has() {
        let (_directory, path, house, _) = founded();
        let handle = house.handle();
        let all = findings(&path, Some(&handle), true, &now());
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
        let all = findings(&path, Some(&house.handle()), false, &now());
        assert_eq!(levels(&all, "store"), [Level::Note, Level::Well]);
        std::fs::write(path.join("aside").join("change-7-abc"), b"piece").expect("writes");
        let all = findings(&path, Some(&house.handle()), false, &now());
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
            let all = findings(&path, Some(&house.handle()), false, &then);
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
