//! `cargo xtask test`: the groups of tests, what each needs of the machine, and what was skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::Args;

use crate::cargo;
use crate::needs::{Need, REQUIRE, SKIPS};
use crate::tally::{self, Tally};

/// What continuous integration has, so that a test which skips for want of it fails there. The list is closed: `.ci/run`
/// installs all of it.
const CI_HAS: [Need; 11] = Need::ALL;

/// Test programs of `tests/` whose name begins so need a quiet machine: they run in network namespaces, one at a time.
const NETWORK_PREFIX: &str = "network";

/// A kind of test, run by one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Unit and property tests of every crate.
    Unit,
    /// The examples in the documentation.
    Documentation,
    /// Real processes of `betwixt`, on this machine's loopback.
    EndToEnd,
    /// Real processes of `betwixt` in network namespaces.
    Networks,
}

impl Group {
    const ALL: [Self; 4] = [Self::Unit, Self::Documentation, Self::EndToEnd, Self::Networks];

    const fn title(self) -> &'static str {
        match self {
            Self::Unit => "unit and property tests",
            Self::Documentation => "documentation tests",
            Self::EndToEnd => "end-to-end tests",
            Self::Networks => "tests in network namespaces",
        }
    }

    /// What tests of this group may ask for.
    const fn needs(self) -> &'static [Need] {
        match self {
            Self::Unit => &[Need::Valgrind],
            Self::Documentation => &[],
            Self::EndToEnd | Self::Networks => &Need::ALL,
        }
    }
}

#[derive(Args)]
pub(crate) struct Options {
    /// Fail when anything is skipped that continuous integration has.
    #[arg(long)]
    ci: bool,
    /// Only these kinds of test.
    #[arg(value_enum)]
    groups: Vec<Group>,
}

/// Runs the groups; false when a test failed. The last line printed adds up all of them.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let groups = if options.groups.is_empty() { Group::ALL.to_vec() } else { options.groups.clone() };
    let nextest = cargo::has_nextest();
    if !nextest {
        println!(
            "cargo-nextest is not installed, which is fine: `cargo test` runs the same tests, one crate at a time."
        );
    }
    let machine = Machine::probe(&groups, options.ci);
    let skips = Skips::new()?;
    let mut total = Tally::default();
    let mut outcomes = Vec::new();
    for group in groups {
        println!("\n== {}", group.title());
        let mut outcome = Tally::default();
        for mut command in commands(group, nextest)? {
            command.env(REQUIRE, machine.required()).env(SKIPS, &skips.path);
            outcome.add(tally::run(&mut command)?);
        }
        outcome.move_to_skipped(skips.take(group)?);
        outcomes.push((group, outcome));
        total.add(outcome);
    }

    println!();
    for (group, outcome) in outcomes {
        println!("{}: {outcome}", group.title());
    }
    skips.print();
    println!("{total}");
    Ok(total.failed == 0)
}

/// What this machine has, tried out before anything is built.
struct Machine {
    required: Vec<Need>,
}

impl Machine {
    fn probe(groups: &[Group], ci: bool) -> Self {
        let mut required = Vec::new();
        for need in Need::ALL {
            if !groups.iter().any(|group| group.needs().contains(&need)) {
                continue;
            }
            match need.probe() {
                Ok(()) => required.push(need),
                Err(reason) if ci && CI_HAS.contains(&need) => {
                    println!(
                        "missing: {} ({reason}). Tests that need it will fail. To get it: {}",
                        need.name(),
                        need.how()
                    );
                    required.push(need);
                }
                Err(reason) => {
                    println!(
                        "missing: {} ({reason}). Tests that need it are skipped. To get it: {}",
                        need.name(),
                        need.how()
                    );
                }
            }
        }
        Self { required }
    }

    /// What was found here, or has to be, may not be missing when a test asks for it.
    fn required(&self) -> String {
        self.required.iter().map(|need| need.name()).collect::<Vec<_>>().join(",")
    }
}

fn commands(group: Group, nextest: bool) -> anyhow::Result<Vec<Command>> {
    let tests = |names: Vec<String>, threads: &str| {
        let mut command = runner(nextest);
        command.arg("--workspace");
        command.args(names.iter().flat_map(|name| ["--test", name.as_str()]));
        if nextest {
            // Other crates have test programs of the same names.
            command.args(["--test-threads", threads, "--filterset", "package(betwixt-tests)"]);
        } else {
            command.args(["--", "--test-threads", threads]);
        }
        command.env("BETWIXT_BIN", cargo::binary("dev")?);
        anyhow::Ok(if names.is_empty() { Vec::new() } else { vec![command] })
    };
    match group {
        Group::Unit => {
            let mut command = runner(nextest);
            command.args(["--workspace", "--exclude", "betwixt-tests"]);
            if !nextest {
                command.args(["--lib", "--bins", "--tests"]);
            }
            Ok(vec![command])
        }
        Group::Documentation => Ok(vec![cargo::command(&["test", "--locked", "--workspace", "--doc"])]),
        Group::EndToEnd => tests(programs(|name| !name.starts_with(NETWORK_PREFIX))?, "2"),
        Group::Networks => tests(programs(|name| name.starts_with(NETWORK_PREFIX))?, "1"),
    }
}

fn runner(nextest: bool) -> Command {
    if nextest {
        let common = ["nextest", "run", "--locked", "--no-fail-fast", "--no-tests", "pass", "--status-level", "slow"];
        let mut command = cargo::command(&common);
        command.args(["--color", "never", "--config-file"]).arg(cargo::root().join(".cargo/nextest.toml"));
        command
    } else {
        cargo::command(&["test", "--locked", "--no-fail-fast", "--color", "never"])
    }
}

/// The test programs in `tests/tests/`.
fn programs(wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let directory = cargo::root().join("tests/tests");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).with_context(|| format!("{} cannot be read", directory.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| is_rust(&path) && wanted(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The file in which tests record that they were skipped.
struct Skips {
    path: PathBuf,
    seen: std::cell::RefCell<BTreeMap<String, Vec<String>>>,
}

impl Skips {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("betwixt-skips-{}", std::process::id()));
        std::fs::write(&path, "").with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path, seen: std::cell::RefCell::default() })
    }

    /// How many tests of the group that just ran were skipped.
    fn take(&self, group: Group) -> anyhow::Result<usize> {
        let lines = std::fs::read_to_string(&self.path)?;
        std::fs::write(&self.path, "")?;
        let mut seen = self.seen.borrow_mut();
        for line in lines.lines() {
            let (need, test) = line.split_once('\t').unwrap_or((line, "a test"));
            seen.entry(need.to_owned()).or_default().push(format!("{test} ({})", group.title()));
        }
        Ok(lines.lines().count())
    }

    fn print(&self) {
        for (name, tests) in self.seen.borrow().iter() {
            let need = Need::ALL.into_iter().find(|need| need.name() == name);
            println!("skipped for want of {name}: {}", tests.join(", "));
            if let Some(need) = need {
                println!("  to get it: {}", need.how());
            }
        }
    }
}

impl Drop for Skips {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_group_needs_is_in_the_list_of_ci_or_named_here() {
        // Nothing is left out of continuous integration at present; a need that is must be named in this list.
        const NOT_IN_CI: [Need; 0] = [];
        for need in Group::ALL.iter().flat_map(|group| group.needs()) {
            assert!(CI_HAS.contains(need) || NOT_IN_CI.contains(need), "{}", need.name());
        }
    }
}
