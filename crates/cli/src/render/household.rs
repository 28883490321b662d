//! The home, its devices, and pairing.

use betwixt_api::{Address, Device, Phase, Rebuilding, Status, SyncReport};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::{Look, rows, short};
use crate::terminal::printable;
use crate::values::{show_days, show_minutes};

/// How things are.
pub(crate) fn status(look: &Look, status: &Status) -> String {
    let mut lines = Vec::new();
    let mut line =
        |name: &str, text: String| lines.push(format!("{}  {text}", look.style.bold(&format!("{name:<10}"))));
    if let Some(me) = &status.me {
        line("Home of", printable(&me.name));
    }
    line("In", printable(&status.home));
    let state = match status.phase {
        Phase::New => "nothing here yet (betwixt init)".into(),
        Phase::Locked => "locked (betwixt unlock)".into(),
        Phase::Open if status.paused => "paused (betwixt resume)".into(),
        Phase::Open if status.private_locked => "open; your private pages are locked (betwixt unlock)".into(),
        Phase::Open => match status.private_locks_after {
            Some(seconds) => {
                let minutes = show_minutes(seconds.div_ceil(60));
                format!("open; your private pages lock after {minutes} without use (betwixt lock)")
            }
            None => "open".into(),
        },
    };
    line("State", state);
    if let Some(Rebuilding { done, of }) = status.rebuilding {
        line("Opening", format!("everything is read anew: {done} of {of} documents so far"));
    }
    if let Some(Rebuilding { done, of }) = status.receiving {
        line("Arriving", format!("{done} of {of} years are here; what is newest is shown already"));
    }
    if let Some(Rebuilding { done, of }) = status.indexing {
        line("Search", format!("is being prepared: {done} of {of} parts so far"));
    }
    match &status.partner {
        Some(partner) => line("Partner", printable(&partner.name)),
        None if status.phase == Phase::Open => line("Partner", "not paired yet (betwixt pair)".into()),
        None => {}
    }
    for peer in &status.peers {
        let how = match (peer.connected, peer.in_step) {
            (true, true) => "connected, both have the same".to_owned(),
            (true, false) => "connected, catching up".to_owned(),
            (false, _) => format!("last met: {}", show_days(peer.last_met_days)),
        };
        line("Device", format!("{} ({how})", printable(&peer.name)));
    }
    if !status.addresses.is_empty() {
        line("Reached at", printable(&status.addresses.join(", ")));
    }
    if let Some(http) = &status.http {
        line("Frontends", format!("http://{}", printable(http)));
    }
    match status.differences {
        0 => {}
        1 => line("To settle", "1 thing (betwixt settle list)".into()),
        more => line("To settle", format!("{more} things (betwixt settle list)")),
    }
    if status.arriving > 0 {
        line("Arriving", "part of what was said elsewhere is not all here yet".into());
    }
    for trouble in &status.troubles {
        line("Trouble", printable(trouble));
    }
    lines.join("\n")
}

/// Every device of the household.
pub(crate) fn devices(look: &Look, devices: &[Device]) -> String {
    let mut table = look.table(["ID", "DEVICE", "WHOSE", "LAST MET"]);
    for device in devices {
        let whose = if device.own { "yours".to_owned() } else { printable(&device.partner) };
        let met = match device {
            device if device.this => "this device".to_owned(),
            device if device.removed => "removed".to_owned(),
            device if device.connected => "connected".to_owned(),
            device => show_days(device.last_met_days),
        };
        table.add_row([short(&device.id), printable(&device.name), whose, met]);
    }
    rows(&table)
}

/// Every address that is known.
pub(crate) fn addresses(look: &Look, addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return "No addresses are known. Add one with `betwixt peer add ADDRESS`.".into();
    }
    let mut table = look.table(["ADDRESS", "HOW", "DEVICE"]);
    for address in addresses {
        let how = if address.by_hand { "set by hand" } else { "met there" };
        let device = address.device.as_deref().map(short).unwrap_or_default();
        table.add_row([printable(&address.address), how.into(), device]);
    }
    rows(&table)
}

/// What came of trying to meet everybody.
pub(crate) fn sync(report: &SyncReport) -> String {
    if report.peers.is_empty() {
        return "There is no other device yet. Pair one: betwixt pair".into();
    }
    let lines: Vec<String> = report
        .peers
        .iter()
        .map(|peer| {
            let how = match (peer.reached, peer.in_step) {
                (true, true) => "you both have the same now".to_owned(),
                (true, false) => "connected, still catching up".to_owned(),
                (false, _) => format!("not reached: {}", peer.reason.as_deref().unwrap_or("it did not answer")),
            };
            format!("{}: {}", printable(&peer.name), printable(&how))
        })
        .collect();
    lines.join("\n")
}

/// A QR code as blocks, light on dark as terminals are; `None` when the text is too long for one.
pub(crate) fn qr(text: &str) -> Option<String> {
    let code = QrCode::new(text.as_bytes()).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{look, status as sample};
    use super::*;
    use betwixt_api::SyncedPeer;

    #[test]
    fn how_things_are() {
        insta::assert_snapshot!(status(&look(), &sample()), @r"
        Home of     Robin
        In          /home/robin/.local/share/betwixt
        State       open; your private pages lock after 15 minutes without use (betwixt lock)
        Partner     Sam
        Device      Sam's laptop (last met: 2 days ago)
        Reached at  192.168.1.20:4711
        To settle   2 things (betwixt settle list)
        ");
        let opening = Status {
            phase: Phase::Locked,
            partner: None,
            peers: vec![],
            addresses: vec![],
            differences: 0,
            rebuilding: Some(Rebuilding { done: 3, of: 30 }),
            ..sample()
        };
        insta::assert_snapshot!(status(&look(), &opening), @r"
        Home of     Robin
        In          /home/robin/.local/share/betwixt
        State       locked (betwixt unlock)
        Opening     everything is read anew: 3 of 30 documents so far
        ");
        let new = Status {
            phase: Phase::Open,
            partner: None,
            peers: vec![],
            addresses: vec![],
            differences: 0,
            troubles: vec!["the disk is full; nothing was lost".into()],
            ..sample()
        };
        insta::assert_snapshot!(status(&look(), &new), @r"
        Home of     Robin
        In          /home/robin/.local/share/betwixt
        State       open; your private pages lock after 15 minutes without use (betwixt lock)
        Partner     not paired yet (betwixt pair)
        Trouble     the disk is full; nothing was lost
        ");
    }

    #[test]
    fn who_holds_it() {
        let device = |name: &str, own, this, days| Device {
            id: "d2d2d2d2d2d2".into(),
            name: name.into(),
            partner: "Sam".into(),
            own,
            this,
            connected: false,
            last_met_days: days,
            removed: false,
        };
        let all = [device("Robin's laptop", true, true, None), device("Sam's laptop", false, false, Some(1))];
        insta::assert_snapshot!(devices(&look(), &all), @r"
        ID        DEVICE          WHOSE  LAST MET
        d2d2d2d2  Robin's laptop  yours  this device
        d2d2d2d2  Sam's laptop    Sam    yesterday
        ");
    }

    #[test]
    fn meeting() {
        let peer = |reached, in_step, reason: Option<&str>| SyncedPeer {
            device: "d".into(),
            name: "Sam's laptop".into(),
            reached,
            in_step,
            reason: reason.map(str::to_owned),
        };
        let report =
            SyncReport { peers: vec![peer(true, true, None), peer(false, false, Some("no address is known"))] };
        insta::assert_snapshot!(sync(&report), @r"
        Sam's laptop: you both have the same now
        Sam's laptop: not reached: no address is known
        ");
    }

    #[test]
    fn a_qr_code_is_blocks_with_a_quiet_zone() {
        let code = qr("betwixt").expect("short enough");
        assert!(
            code.lines().count() > 10
                && code.chars().all(|character| " \u{2580}\u{2584}\u{2588}\n".contains(character))
        );
        assert_eq!(qr(&"x".repeat(10_000)), None);
    }
}
