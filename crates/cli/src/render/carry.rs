//! Files that are carried by hand.

use betwixt_api::CarryReport;

use super::Look;
use crate::terminal::printable;

/// A file that was written.
pub(crate) fn written(path: &str, bytes: u64, device: &str) -> String {
    let path = printable(path);
    format!("Wrote {path} ({bytes} bytes). Only {} can read it: `betwixt carry import`, there.", printable(device))
}

/// What a file brought, and how much waits to be settled now.
pub(crate) fn imported(look: &Look, report: &CarryReport, differences: u64) -> String {
    let mut lines = Vec::new();
    for came in &report.came {
        let who = if came.own { "you, on another device".to_owned() } else { look.other() };
        let private = match came.private {
            0 => String::new(),
            all if all == came.things => ", private".into(),
            some => format!(", {some} of them private"),
        };
        lines.push(format!("From {who}: {}{private}", things(came.things)));
    }
    if report.devices_changed {
        lines.push("There is news of your devices: see `betwixt devices`.".into());
    }
    if lines.is_empty() && report.missing.is_empty() && report.superseded.is_empty() {
        lines.push("Nothing new: everything in it is here.".into());
    }
    if !report.missing.is_empty() {
        lines.push(format!(
            "Of {} nothing was taken: it builds on something that is not here. Ask for a new file, with `--everything`.",
            printable(&report.missing.join(", "))
        ));
    }
    if !report.superseded.is_empty() {
        lines.push(format!(
            "Of {} nothing was taken: it was begun anew here. It comes once {} has what is here, by meeting or by a file.",
            printable(&report.superseded.join(", ")),
            printable(&report.name)
        ));
    }
    match report.meaningless {
        0 => {}
        1 => lines.push("One thing in it has no meaning here; it counts for nothing.".into()),
        more => lines.push(format!("{more} things in it have no meaning here; they count for nothing.")),
    }
    match differences {
        0 => {}
        1 => lines.push("To settle: 1 thing (betwixt settle list)".into()),
        more => lines.push(format!("To settle: {more} things (betwixt settle list)")),
    }
    lines.join("\n")
}

fn things(count: u64) -> String {
    if count == 1 { "1 thing".into() } else { format!("{count} things") }
}

#[cfg(test)]
mod tests {
    use betwixt_api::CarriedBy;

    use super::super::samples::look;
    use super::*;

    fn report() -> CarryReport {
        CarryReport {
            device: "k3j4".into(),
            name: "Sam's phone".into(),
            came: Vec::new(),
            devices_changed: false,
            missing: Vec::new(),
            superseded: Vec::new(),
            meaningless: 0,
        }
    }

    #[test]
    fn what_a_file_brought() {
        assert_eq!(imported(&look(), &report(), 0), "Nothing new: everything in it is here.");
        let by = |own, things, private| CarriedBy { by: "p".into(), own, things, private };
        let all = CarryReport {
            came: vec![by(true, 3, 1), by(false, 1, 0)],
            devices_changed: true,
            missing: vec!["ours/2026".into()],
            superseded: vec!["ours/2025".into()],
            meaningless: 2,
            ..report()
        };
        insta::assert_snapshot!(imported(&look(), &all, 1), @r"
        From you, on another device: 3 things, 1 of them private
        From Sam: 1 thing
        There is news of your devices: see `betwixt devices`.
        Of ours/2026 nothing was taken: it builds on something that is not here. Ask for a new file, with `--everything`.
        Of ours/2025 nothing was taken: it was begun anew here. It comes once Sam's phone has what is here, by meeting or by a file.
        2 things in it have no meaning here; they count for nothing.
        To settle: 1 thing (betwixt settle list)
        ");
    }

    #[test]
    fn a_file_was_written() {
        let text = written("/media/stick/for-sam", 65_625, "Sam's phone");
        assert_eq!(
            text,
            "Wrote /media/stick/for-sam (65625 bytes). Only Sam's phone can read it: `betwixt carry import`, there."
        );
    }
}
