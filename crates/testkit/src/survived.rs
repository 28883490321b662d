//! What tests of faults went through, as figures that `cargo xtask soak` adds up.
//!
//! A test that survived something says so with [`record`], which appends one line to the file that `BETWIXT_SURVIVED` names,
//! and does nothing where none is named. Only what was counted while it happened is to be handed in: the sums stand in
//! `docs/reliability.md`.
//!
//! This file uses the standard library only, because `xtask` compiles it as a module of its own.

use std::collections::BTreeMap;
use std::io::Write;

/// The variable with the path of the file that collects the lines.
pub const SURVIVED: &str = "BETWIXT_SURVIVED";

/// What ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// Devices that are nothing but the model, which meet by handing over facts.
    Lives,
    /// The daemon's engine and store on simulated disks, in a simulated network.
    Networks,
    /// The store alone, on simulated disks.
    Disks,
    /// Daemons, as processes of their own.
    Processes,
}

impl Ground {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Lives, Self::Networks, Self::Disks, Self::Processes];

    /// Its name, in lines and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lives => "lives",
            Self::Networks => "simulated networks",
            Self::Disks => "stores on simulated disks",
            Self::Processes => "real processes",
        }
    }
}

/// What one run, or several alike, went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survived {
    /// How many runs.
    pub runs: u64,
    /// What happened in them, in simulations: frames, commits, timers and all else.
    pub steps: u64,
    /// What people did in them: things said, files attached, and what else they ask for.
    pub operations: u64,
    /// Acknowledged values that were looked for at the end.
    pub checked: u64,
    /// How many of them were gone, or had been overridden without a sign.
    pub lost: u64,
    /// Faults, by what they were.
    pub faults: BTreeMap<String, u64>,
}

impl Survived {
    /// One run, with these operations, after which so many values were looked for.
    pub fn one(operations: u64, checked: u64) -> Self {
        Self { runs: 1, operations, checked, ..Self::default() }
    }

    /// The same with a kind of fault; one that did not happen is left out.
    #[must_use]
    pub fn with(mut self, fault: &str, count: u64) -> Self {
        if count > 0 {
            *self.faults.entry(fault.to_owned()).or_default() += count;
        }
        self
    }

    /// Adds another's figures.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.operations += other.operations;
        self.checked += other.checked;
        self.lost += other.lost;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }
}

/// Appends a line about what was survived on this ground, where somebody collects them.
///
/// # Panics
/// When the file that is named cannot be written: figures that are missing without a sign would be wrong ones.
pub fn record(ground: Ground, survived: &Survived) {
    let Some(path) = std::env::var_os(SURVIVED) else { return };
    let Survived { runs, steps, operations, checked, lost, faults } = survived;
    let counts = [("runs", runs), ("steps", steps), ("operations", operations), ("checked", checked), ("lost", lost)];
    let faults = faults.iter().map(|(fault, count)| (fault.as_str(), count));
    let fields: String = counts.into_iter().chain(faults).map(|(name, count)| format!("\t{name}={count}")).collect();
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    // One write to a file opened for appending: lines of several test processes do not mix.
    let written = opened.and_then(|mut file| file.write_all(format!("{}{fields}\n", ground.name()).as_bytes()));
    assert!(written.is_ok(), "{} cannot be written", std::path::Path::new(&path).display());
}

/// The sums of lines that [`record`] wrote, by ground.
///
/// # Errors
/// The first line that is none of them.
pub fn sums(lines: &str) -> Result<BTreeMap<Ground, Survived>, String> {
    let mut sums: BTreeMap<Ground, Survived> = BTreeMap::new();
    for line in lines.lines() {
        let unknown = || format!("{line:?} is no line of figures");
        let mut parts = line.split('\t');
        let name = parts.next().unwrap_or_default();
        let ground = Ground::ALL.into_iter().find(|ground| ground.name() == name).ok_or_else(unknown)?;
        let mut survived = Survived::default();
        for part in parts {
            let (name, count) = part.split_once('=').ok_or_else(unknown)?;
            let count: u64 = count.parse().map_err(|_| unknown())?;
            match name {
                "runs" => survived.runs = count,
                "steps" => survived.steps = count,
                "operations" => survived.operations = count,
                "checked" => survived.checked = count,
                "lost" => survived.lost = count,
                fault => survived = survived.with(fault, count),
            }
        }
        sums.entry(ground).or_default().add(&survived);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up_by_ground_and_what_is_no_line_is_an_error() {
        let lines = "lives\truns=2\toperations=5\tchecked=4\tlost=0\tpower lost=1\n\
                     lives\truns=1\toperations=1\tchecked=1\tlost=1\tpower lost=2\tclock wrong=1\n\
                     real processes\truns=1\toperations=0\tchecked=0\tlost=0\n";
        let sums = sums(lines).expect("lines of figures");
        let lives = Survived { runs: 3, operations: 6, checked: 5, lost: 1, ..Survived::default() };
        assert_eq!(sums[&Ground::Lives], lives.with("power lost", 3).with("clock wrong", 1));
        assert_eq!(sums[&Ground::Processes].runs, 1);
        assert_eq!(sums.len(), 2);
        for wrong in ["elsewhere\truns=1", "lives\truns", "lives\truns=many"] {
            assert!(super::sums(wrong).is_err(), "{wrong}");
        }
    }
}
