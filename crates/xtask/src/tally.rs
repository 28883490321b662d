//! Running a test command and counting from what it prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::Context;

/// How many tests passed, failed, and were not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Tests that returned early for want of something: their runner called them passed.
    pub(crate) fn move_to_skipped(&mut self, count: usize) {
        let moved = count.min(self.passed);
        self.passed -= moved;
        self.skipped += moved;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs a command, passing on what it prints, and adds up the summaries of cargo's test harness and of cargo-nextest.
/// A command that fails without a failed test (it did not build, say) counts as one failure.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Tally> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", command.get_program().display()))?;
    let error = child.stderr.take().context("the command's standard error was asked for")?;
    let output = child.stdout.take().context("the command's standard output was asked for")?;
    let errors = thread::spawn(move || pass_on(error, |line| eprintln!("{line}")));
    let mut tally = pass_on(output, |line| println!("{line}"));
    tally.add(errors.join().unwrap_or_default());
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        eprintln!("the command itself failed: {status}");
        tally.failed = 1;
    }
    Ok(tally)
}

fn pass_on(from: impl Read, print: impl Fn(&str)) -> Tally {
    let mut tally = Tally::default();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        print(&line);
        tally.add(summary(&line).unwrap_or_default());
    }
    tally
}

/// What a line says when it is a summary: `test result: ok. 3 passed; 0 failed; 1 ignored; ...` (cargo's harness) or
/// `Summary [ 0.1s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped` (cargo-nextest).
///
/// An indented `test result:` is no summary: cargo-nextest prints what a failed test printed, indented and twice over.
fn summary(line: &str) -> Option<Tally> {
    let rest = match line.strip_prefix("test result:") {
        Some(rest) => rest,
        None => line.trim_start().strip_prefix("Summary [")?.split_once(" run:")?.1,
    };
    let count = |words: &[&str]| {
        let parts = rest.split([',', ';', '.', '(']).map(str::trim);
        let counts = parts.filter_map(|part| {
            let (number, word) = part.split_once(' ')?;
            words.contains(&word.trim_end_matches(')')).then(|| number.parse::<usize>().ok())?
        });
        counts.sum()
    };
    Some(Tally {
        passed: count(&["passed"]),
        failed: count(&["failed", "timed out", "exec failed"]),
        skipped: count(&["ignored", "skipped"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Option<Tally> {
        Some(Tally { passed, failed, skipped })
    }

    #[test]
    fn summaries_of_both_runners_are_read() {
        let harness = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        assert_eq!(summary(harness), tally(3, 0, 1));
        let harness = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(summary(harness), tally(3, 2, 0));
        let nextest = "     Summary [   0.123s] 12 tests run: 9 passed (1 slow), 1 failed, 2 timed out, 4 skipped";
        assert_eq!(summary(nextest), tally(9, 3, 4));
        let nextest = "     Summary [   0.123s] 4/12 tests run: 3 passed, 1 failed, 0 skipped";
        assert_eq!(summary(nextest), tally(3, 1, 0));
        assert_eq!(summary("12 passed"), None);
    }

    #[test]
    fn a_failed_test_is_counted_once_with_its_output_shown() {
        let harness = "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let printed = format!(
            "    {harness}\n     Summary [   0.1s] 8 tests run: 7 passed, 1 failed, 0 skipped\n    {harness}\n"
        );
        assert_eq!(Some(pass_on(printed.as_bytes(), |_| {})), tally(7, 1, 0));
    }

    #[test]
    fn a_command_that_fails_without_a_test_is_a_failure() {
        let outcome = run(&mut Command::new("false")).unwrap();
        assert_eq!(outcome, Tally { failed: 1, ..Tally::default() });
    }

    #[test]
    fn skips_are_not_counted_as_passed() {
        let mut counted = Tally { passed: 5, failed: 0, skipped: 1 };
        counted.move_to_skipped(2);
        assert_eq!(counted.to_string(), "3 passed, 0 failed, 3 skipped");
    }
}
