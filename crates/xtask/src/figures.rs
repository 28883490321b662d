//! The figures of a soak as tables, and their place in the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use jiff::Zoned;

use crate::survived::{Ground, Survived};

/// What stands before and after the figures in the document.
const BEGIN: &str = "<!-- figures: written by `cargo xtask soak --write` -->";
const END: &str = "<!-- end of figures -->";

/// Two tables: how much ran and what was lost, and every fault by its kind.
pub(crate) fn table(sums: &BTreeMap<Ground, Survived>) -> String {
    let mut text = String::from(
        "| where | runs | events | things people did | values looked for | lost or silently overridden |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    let mut all = Survived::default();
    sums.values().for_each(|survived| all.add(survived));
    let rows = sums.iter().map(|(ground, survived)| (ground.name(), survived)).chain([("all", &all)]);
    for (name, survived) in rows {
        let Survived { runs, steps, operations, checked, lost, .. } = survived;
        let [runs, steps, operations, checked, lost] = [runs, steps, operations, checked, lost].map(|n| grouped(*n));
        // Into a string nothing fails.
        let _ = writeln!(text, "| {name} | {runs} | {steps} | {operations} | {checked} | {lost} |");
    }
    let grounds: Vec<Ground> = sums.keys().copied().collect();
    let names: String = grounds.iter().map(|ground| format!(" {} |", ground.name())).collect();
    let _ = writeln!(text, "\n| fault |{names}\n|---|{}", "---:|".repeat(grounds.len()));
    let faults: BTreeSet<&String> = sums.values().flat_map(|survived| survived.faults.keys()).collect();
    for fault in faults {
        let counts: String = sums
            .values()
            .map(|survived| {
                survived.faults.get(fault).map_or(" |".to_owned(), |count| format!(" {} |", grouped(*count)))
            })
            .collect();
        let _ = writeln!(text, "| {fault} |{counts}");
    }
    text
}

/// Puts the figures between their marks in a document, with the date and the command that repeats them.
///
/// # Errors
/// When the document cannot be read or written, or lacks the marks.
pub(crate) fn write(path: &Path, sums: &BTreeMap<Ground, Survived>, command: &str) -> anyhow::Result<()> {
    let document = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let written = placed(&document, &table(sums), command, &Zoned::now().date().to_string())
        .with_context(|| format!("{} has no place for figures", path.display()))?;
    std::fs::write(path, written).with_context(|| format!("{} cannot be written", path.display()))
}

fn placed(document: &str, table: &str, command: &str, date: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\nOn {date}, by `{command}`:\n\n{table}\n{END}{after}"))
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_tables_and_stand_between_the_marks_however_often() {
        let networks = Survived { steps: 1_234_567, lost: 0, ..Survived::one(40, 1_000) }.with("network cut", 12);
        let processes = Survived::one(9, 18).with("kill -9", 3);
        let table = table(&BTreeMap::from([(Ground::Networks, networks), (Ground::Processes, processes)]));
        assert!(table.contains("| simulated networks | 1 | 1,234,567 | 40 | 1,000 | 0 |"), "{table}");
        assert!(table.contains("| all | 2 | 1,234,567 | 49 | 1,018 | 0 |"), "{table}");
        assert!(table.contains("| kill -9 | | 3 |") && table.contains("| network cut | 12 | |"), "{table}");
        let document = format!("Before\n{BEGIN}\nold\n{END}\nAfter");
        let once = placed(&document, &table, "cargo xtask soak", "2026-11-29").expect("there are marks");
        assert!(once.starts_with("Before") && once.ends_with("After") && !once.contains("old"));
        assert_eq!(placed(&once, &table, "cargo xtask soak", "2026-11-29"), Some(once.clone()));
        assert_eq!(placed("no marks", &table, "", ""), None);
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
