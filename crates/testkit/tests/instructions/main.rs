//! What use costs, in instructions: counted by callgrind, the same on any machine of a kind, busy or not. A change that makes a day's
//! work look at a life shows here, and so does one that makes it twice as long.
//!
//! This program calls itself under callgrind: the test makes homes of one and of ten years, and the ignored one, which only
//! the test starts, opens them and does what a day brings, each thing in a call of [`counted`], which callgrind counts.
//! What it counted is held against what it counted when `counts.txt` was written. To write that anew after a change that is
//! worth its price, or with another compiler: `BETWIXT_RENEW=1 cargo test -p betwixt-testkit --test instructions`.

#![allow(clippy::print_stdout, reason = "what was counted, for whoever looks")]

mod callgrind;
mod homes;
mod meeting;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use betwixt_testkit::needs::{Need, met};
use homes::{Operation, Pair};

/// The directory in which the homes are, for the program under callgrind.
const HOMES: &str = "BETWIXT_COUNTED_HOMES";

/// Set to write the committed counts anew.
const RENEW: &str = "BETWIXT_RENEW";

/// How many times as much something may cost after ten years as after one.
const FLAT: f64 = 1.25;

/// And how much more besides: a row a year, or a longer text. Looking at ten years' facts takes many times as much.
const SLACK: u64 = 2_000_000;

/// How much more than what is committed something may cost. Builds of one source differ by some percent, by the compiler's version
/// and by how crates are divided among its threads; what hurts is more.
const MORE: f64 = 1.2;

/// How much less it may cost before the counts are to be written anew, so that the margin stays a margin.
const LESS: f64 = 0.6;

/// What was counted: of each operation, after so many years.
type Counts = BTreeMap<(String, usize), u64>;

/// The one function in which callgrind counts. Neither generic nor inlined: it is found by its name.
#[inline(never)]
fn counted(pair: &mut Pair, operation: Operation) {
    pair.perform(operation);
}

#[test]
fn what_a_day_brings_takes_after_ten_years_the_instructions_that_it_took_after_one_and_that_are_committed() {
    if !met(&[Need::Valgrind]) {
        return;
    }
    let mut counts = Counts::new();
    for years in [1, 10] {
        let directory = tempfile::tempdir().expect("a directory");
        homes::write(directory.path(), years);
        let found = callgrind::count(directory.path(), HOMES, "what_is_counted", "instructions::counted");
        assert_eq!(found.len(), Operation::ALL.len(), "every operation is counted once: {found:?}");
        counts
            .extend(Operation::ALL.into_iter().zip(found).map(|(operation, count)| ((operation.name(), years), count)));
    }
    let told = written(&counts);
    println!("{told}");
    for operation in Operation::ALL {
        let [one, ten] = [1, 10].map(|years| counts[&(operation.name(), years)]);
        let bound = one as f64 * FLAT + SLACK as f64;
        assert!(ten as f64 <= bound, "{}: {ten} instructions after ten years, {one} after one", operation.name());
    }
    if std::env::var_os(RENEW).is_some() {
        return std::fs::write(committed(), told).expect("is written");
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", debug_assertions)) {
        println!("the committed counts are of debug builds for Linux on x86-64: not compared");
        return;
    }
    let before = read(&committed());
    let faults: Vec<String> = compared(&before, &counts);
    assert!(faults.is_empty(), "{}\nto write them anew where that is right: {RENEW}=1", faults.join("\n"));
}

/// What the program under callgrind does.
#[test]
#[ignore = "only under callgrind, by the test above"]
fn what_is_counted() {
    let directory = PathBuf::from(std::env::var_os(HOMES).expect("the test above says where the homes are"));
    let mut pair = Pair::open(&directory);
    for operation in Operation::ALL {
        pair.prepare(operation);
        counted(&mut pair, operation);
        pair.check(operation);
    }
}

/// What is wrong with these counts beside those that are committed.
fn compared(before: &Counts, now: &Counts) -> Vec<String> {
    let mut faults = Vec::new();
    for ((operation, years), count) in now {
        let Some(known) = before.get(&(operation.clone(), *years)) else {
            faults.push(format!("{operation} after {years} years is not among the committed counts"));
            continue;
        };
        let times = *count as f64 / *known as f64;
        if !(LESS..=MORE).contains(&times) {
            faults.push(format!(
                "{operation} after {years} years: {count} instructions, and {known} when they were written"
            ));
        }
    }
    let gone = before.keys().filter(|known| !now.contains_key(*known));
    faults.extend(gone.map(|(operation, years)| format!("{operation} after {years} years is no longer counted")));
    faults
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/counts.txt")
}

/// A line for each: operation, years, instructions.
fn written(counts: &Counts) -> String {
    counts.iter().fold(String::new(), |mut text, ((operation, years), count)| {
        writeln!(text, "{operation}\t{years}\t{count}").expect("writing to a text cannot fail");
        text
    })
}

fn read(path: &Path) -> Counts {
    let text = std::fs::read_to_string(path).expect("the counts are committed");
    let line = |line: &str| {
        let mut parts = line.split('\t');
        let (operation, years, count) = (parts.next()?, parts.next()?, parts.next()?);
        Some(((operation.to_owned(), years.parse().ok()?), count.parse().ok()?))
    };
    text.lines().map(|text| line(text).unwrap_or_else(|| panic!("{text:?} is no count"))).collect()
}

#[test]
fn a_regression_and_a_count_that_is_missing_are_faults() {
    let counts = |count: u64| Counts::from([(("saying".to_owned(), 1), count), (("saying".to_owned(), 10), 1_000)]);
    assert_eq!(compared(&counts(1_000), &counts(1_000)), Vec::<String>::new());
    assert_eq!(compared(&counts(1_000), &counts(1_190)), Vec::<String>::new());
    for (before, now) in [(counts(1_000), counts(1_210)), (counts(1_000), counts(500))] {
        assert_eq!(compared(&before, &now).len(), 1);
    }
    assert_eq!(compared(&Counts::new(), &counts(1)).len(), 2);
    assert_eq!(compared(&counts(1), &Counts::new()).len(), 2);
}
