//! Whether the household's devices meet here, and why not. Only what this device has seen itself is told, without names and
//! addresses; what can only be guessed is told as a guess.

use betwixt_api::Finding;
use betwixt_model::ids::DeviceId;
use betwixt_net::DiscoveryState;
use betwixt_net::interfaces::{Network, for_discovery};
use betwixt_sync::dialer::Reach;

use super::{Fix as _, note, trouble, well};
use crate::open::Open;

/// One other device of the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Other {
    /// Whether its adverts are heard in this network.
    heard: bool,
    /// How dialling it goes; `None` while it is connected.
    reach: Option<Reach>,
}

/// What the household's other devices and this network are to each other just now.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// The other devices that this one may connect with.
    pub(super) devices: Vec<DeviceId>,
    others: Vec<Other>,
    /// The UDP port of this device.
    port: u16,
    paused: bool,
    /// Whether devices are looked for, where they may be.
    discovery: bool,
    discovering: DiscoveryState,
    /// Whether this network is one to be found in, or there is none.
    is_home: bool,
}

impl Around {
    /// How it is now.
    pub(super) fn of(open: &Open) -> Self {
        let devices = open.peers();
        let other = |device: &DeviceId| Other { heard: open.heard.contains(device), reach: open.engine.reach(device) };
        let networks = open.net.networks();
        // This machine itself was marked, too, when it was paired, and is no network to be found in.
        let outside = for_discovery(&networks, false);
        let home = |network: &&Network| open.home_networks.contains(&network.id);
        Self {
            others: devices.iter().map(other).collect(),
            devices,
            port: open.net.port(),
            paused: open.paused,
            discovery: open.discovery,
            discovering: open.discovering,
            is_home: open.here_until.is_some() || outside.is_empty() || outside.iter().any(home),
        }
    }
}

/// Says who is not met, what is known of why, and what to do.
pub(super) fn look(around: &Around, all: &mut Vec<Finding>) {
    if around.others.is_empty() {
        return;
    }
    if around.paused {
        return all.push(note("meeting", "Meeting other devices is paused.").fix("Go on with `betwixt resume`."));
    }
    let waiting: Vec<(bool, Reach)> =
        around.others.iter().filter_map(|other| Some((other.heard, other.reach?))).collect();
    let connected = around.others.len() - waiting.len();
    if connected > 0 {
        all.push(well("meeting", format!("{} connected.", are(connected))));
    }
    if waiting.is_empty() {
        return;
    }
    looking(around, all);
    let count = |which: &dyn Fn(&(bool, Reach)) -> bool| waiting.iter().filter(|other| which(other)).count();
    let kept_apart = count(&|(heard, reach)| *heard && reach.unanswered > 0);
    let silent = count(&|(heard, reach)| !*heard && reach.unanswered > 0);
    let unknown = count(&|(heard, reach)| !*heard && !reach.has_address);
    let port = around.port;
    if kept_apart > 0 {
        let what = format!("{} heard in this network, and no connection comes about.", are(kept_apart));
        all.push(trouble("meeting", what).fix(format!(
            "This network may keep devices apart, as guest networks do, and access points with \"isolation\": switch that off in \
             the router's settings, or use another network. Or a firewall is in the way: allow UDP to port {port} on this \
             device, and likewise on the other (its own `betwixt doctor` names the port). Until then, `betwixt carry export` \
             takes everything there by hand."
        )));
    }
    if silent > 0 {
        let what =
            format!("{} not heard in this network, and nobody answers at the addresses that are known.", are(silent));
        all.push(note("meeting", what).fix(format!(
            "The other device may be off, locked or elsewhere. If it is on and in this network: {} Or a firewall is in the way: \
             allow UDP to port 5353 and to port {port} on this device, and likewise on the other (its own `betwixt doctor` names \
             the port).",
            MAY_BE_APART
        )));
    }
    if unknown > 0 {
        let what = format!("{} not heard in this network, and no address is known.", are(unknown));
        all.push(note("meeting", what).fix(format!(
            "The other device may be off, locked or elsewhere. If it is on and in this network: {MAY_BE_APART} Where it lets \
             devices reach each other, give its address with `betwixt peer add ADDRESS`."
        )));
    }
}

const MAY_BE_APART: &str = "the network may pass no multicast, or keep devices apart, as guest networks do, and access points with \"isolation\".";

/// Whether the others can be heard at all.
fn looking(around: &Around, all: &mut Vec<Finding>) {
    if !around.discovery {
        return;
    }
    if !around.is_home {
        let what = "This network is not one in which you paired: devices are not looked for in it, and this one does not show \
                    itself.";
        return all.push(
            note("meeting", what)
                .fix("Run `betwixt here` on both devices, to be found in this network for ten minutes."),
        );
    }
    match around.discovering {
        DiscoveryState::Flooded => all.push(
            trouble("discovery", "Somebody floods this network with adverts, so that looking for devices pauses.")
                .fix("Known addresses still work: give one with `betwixt peer add ADDRESS`."),
        ),
        DiscoveryState::Failed => all
            .push(trouble("discovery", "Looking for devices in this network does not start; it is tried again.").fix(
                "See what else is found here about the network; give an address with `betwixt peer add ADDRESS`.",
            )),
        DiscoveryState::Off | DiscoveryState::Running { .. } => {}
    }
}

fn are(count: usize) -> String {
    match count {
        1 => "A device of your household is".into(),
        more => format!("{more} devices of your household are"),
    }
}

#[cfg(test)]
impl Around {
    /// Nobody else, at home.
    pub(super) fn alone() -> Self {
        Self {
            devices: Vec::new(),
            others: Vec::new(),
            port: 4711,
            paused: false,
            discovery: true,
            discovering: DiscoveryState::Running { interfaces: 1 },
            is_home: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use betwixt_api::Level;

    use super::*;

    const MET: Other = Other { heard: true, reach: None };

    fn away(heard: bool, has_address: bool, unanswered: u32) -> Other {
        Other { heard, reach: Some(Reach { has_address, unanswered }) }
    }

    fn around(others: &[Other]) -> Around {
        Around { others: others.to_vec(), ..Around::alone() }
    }

    fn found(around: &Around) -> Vec<Finding> {
        let mut all = Vec::new();
        look(around, &mut all);
        all
    }

    fn levels(around: &Around) -> Vec<Level> {
        found(around).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn who_has_nobody_or_is_connected_with_everybody_has_nothing_to_mend() {
        assert_eq!(levels(&around(&[])), []);
        let all = found(&around(&[MET, MET]));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].level, all[0].what.as_str()), (Level::Well, "2 devices of your household are connected."));
    }

    #[test]
    fn a_device_that_is_heard_and_answers_no_dial_is_kept_apart() {
        let all = found(&around(&[away(true, true, 2)]));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].level, Level::Trouble);
        let fix = all[0].fix.as_deref().unwrap_or_default();
        for words in ["guest networks", "isolation", "firewall", "UDP to port 4711", "betwixt carry export"] {
            assert!(fix.contains(words), "{words:?} is not in {fix:?}");
        }
    }

    #[test]
    fn a_device_that_was_only_just_heard_is_no_trouble() {
        assert_eq!(levels(&around(&[away(true, true, 0)])), []);
    }

    #[test]
    fn a_device_of_which_nothing_is_heard_may_simply_be_off() {
        assert_eq!(levels(&around(&[away(false, true, 1), away(false, false, 0)])), [Level::Note, Level::Note]);
        let all = found(&around(&[away(false, false, 0)]));
        assert!(all[0].fix.as_deref().is_some_and(|fix| fix.contains("off, locked or elsewhere")), "{all:?}");
        assert!(all[0].fix.as_deref().is_some_and(|fix| fix.contains("betwixt peer add")), "{all:?}");
    }

    #[test]
    fn where_it_is_not_home_nobody_is_looked_for() {
        let elsewhere = Around { is_home: false, ..around(&[away(false, false, 0)]) };
        let all = found(&elsewhere);
        assert!(all[0].fix.as_deref().is_some_and(|fix| fix.contains("betwixt here")), "{all:?}");
        // Without discovery there is nothing that `here` would change, and who is connected needs none.
        assert!(
            !found(&Around { discovery: false, ..elsewhere }).iter().any(|finding| finding.what.contains("paired"))
        );
        assert_eq!(levels(&Around { is_home: false, ..around(&[MET]) }), [Level::Well]);
    }

    #[test]
    fn a_pause_and_a_flood_are_told() {
        let silent = [away(false, true, 3)];
        assert_eq!(levels(&Around { paused: true, ..around(&silent) }), [Level::Note]);
        let flooded = Around { discovering: DiscoveryState::Flooded, ..around(&silent) };
        assert_eq!(levels(&flooded), [Level::Trouble, Level::Note]);
    }
}
