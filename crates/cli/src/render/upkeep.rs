//! Findings, checks, backups.

use betwixt_api::{Backup, Finding, Level, Restored, VerifyReport};

use super::{Look, rows};
use crate::terminal::printable;
use crate::values::show_date;

/// What the doctor found, what matters most first.
pub(crate) fn doctor(look: &Look, findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mut lines = Vec::new();
    for finding in sorted {
        let level = match finding.level {
            Level::Well => "well   ",
            Level::Note => "note   ",
            Level::Trouble => "trouble",
        };
        lines.push(format!("{}  {}: {}", look.style.bold(level), printable(&finding.about), printable(&finding.what)));
        if let Some(fix) = &finding.fix {
            lines.push(format!("         {}", printable(fix)));
        }
    }
    lines.join("\n")
}

/// What was checked.
pub(crate) fn verify(report: &VerifyReport) -> String {
    let mut lines = vec![format!(
        "Read and checked {} facts in {} documents ({} records).",
        report.facts, report.documents, report.records
    )];
    match (report.attachments, report.attachments_missing) {
        (0, 0) => {}
        (whole, 0) => lines.push(format!("Read and checked {whole} photos and files.")),
        (whole, missing) => lines
            .push(format!("Read and checked {whole} photos and files; {missing} have not come to this device yet.")),
    }
    for damage in &report.damaged {
        lines.push(format!("damaged: {}\n  {}", printable(&damage.what), printable(&damage.advice)));
    }
    if report.damaged.is_empty() {
        lines.push("All of it is as it was written.".into());
    }
    if report.private_locked {
        lines.push("Your private pages are locked and were not read: run `betwixt unlock`, then verify again.".into());
    }
    lines.join("\n")
}

/// A backup that was written.
pub(crate) fn backup(backup: &Backup) -> String {
    format!(
        "Wrote {} ({} bytes). It opens with the home's passphrase. Photos and files are not in it: they come again from the other \
         devices, or copy the home's `attachments` directory beside it.",
        printable(&backup.path),
        backup.bytes
    )
}

/// The backups in the home.
pub(crate) fn backups(look: &Look, backups: &[Backup]) -> String {
    if backups.is_empty() {
        return "There are no backups in the home yet. Write one with `betwixt backup`.".into();
    }
    let mut table = look.table(["MADE ON", "BYTES", "RESTORE WITH"]);
    for backup in backups {
        let made = backup.made_on.as_deref().map(show_date).unwrap_or_default();
        let with = match &backup.snapshot {
            Some(name) => format!("betwixt restore --snapshot {}", printable(name)),
            None => format!("betwixt restore {}", printable(&backup.path)),
        };
        table.add_row([made, backup.bytes.to_string(), with]);
    }
    rows(&table)
}

/// What restoring did.
pub(crate) fn restored(restored: &Restored) -> String {
    let mut text = "The backup is in place. Open it with `betwixt unlock`.".to_owned();
    if let Some(path) = &restored.kept_aside {
        text.push_str(&format!("\nWhat was there before is kept in {}.", printable(path)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples::look;
    use super::*;
    use betwixt_api::Damage;

    #[test]
    fn findings_with_their_fix() {
        let finding = |level, about: &str, what: &str, fix: Option<&str>| Finding {
            level,
            about: about.into(),
            what: what.into(),
            fix: fix.map(str::to_owned),
        };
        let all = [
            finding(Level::Well, "store", "opens and writes", None),
            finding(
                Level::Trouble,
                "discovery",
                "this network passes no multicast",
                Some("Set the other device's address: betwixt peer add ADDRESS"),
            ),
        ];
        insta::assert_snapshot!(doctor(&look(), &all), @r"
        trouble  discovery: this network passes no multicast
                 Set the other device's address: betwixt peer add ADDRESS
        well     store: opens and writes
        ");
    }

    #[test]
    fn checks() {
        let whole = VerifyReport {
            private_locked: false,
            documents: 2,
            facts: 120,
            records: 300,
            attachments: 3,
            attachments_missing: 0,
            damaged: vec![],
        };
        insta::assert_snapshot!(verify(&whole), @r"
        Read and checked 120 facts in 2 documents (300 records).
        Read and checked 3 photos and files.
        All of it is as it was written.
        ");
        let damage =
            Damage { what: "a change of ours/2027".into(), advice: "It comes again with the next sync.".into() };
        let shared = VerifyReport { private_locked: true, ..whole.clone() };
        insta::assert_snapshot!(verify(&shared), @r"
        Read and checked 120 facts in 2 documents (300 records).
        Read and checked 3 photos and files.
        All of it is as it was written.
        Your private pages are locked and were not read: run `betwixt unlock`, then verify again.
        ");
        let missing = VerifyReport { attachments_missing: 2, ..whole.clone() };
        assert!(verify(&missing).contains("2 have not come to this device yet"));
        insta::assert_snapshot!(verify(&VerifyReport { damaged: vec![damage], ..whole }), @r"
        Read and checked 120 facts in 2 documents (300 records).
        Read and checked 3 photos and files.
        damaged: a change of ours/2027
          It comes again with the next sync.
        ");
    }
}
