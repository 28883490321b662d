//! What every peer holds: a generated life as one of the two has it on a device, written as lines of JSON, the same for all.
//!
//! A line is what was said in one field: `{"day", "who", "key", "text"}`, with the item and the field as its key. Private pages of
//! the other are left out, as they are on a device. What is said anew has the same key, and is laid over what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc};
use betwixt_model::fact::SignedFact;
use betwixt_testkit::lifetime::{Lifetime, Page, Plan};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The last year of every life: the present.
const PRESENT: i16 = 2026;

/// How long the two are apart in the end.
const APART: usize = 30;

/// What no peer is given: photos are files, which most of them do not carry, and the texts of sealed answers are kept by this
/// program for itself.
const LEFT_OUT: [&str; 2] = [betwixt_model::attachment::KIND, betwixt_model::seal::TEXT_KIND];

/// Entries a year.
pub(super) type Entries = BTreeMap<String, usize>;

/// A life, written down.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) years: usize,
    /// What was said until the two parted.
    pub(super) before: Vec<(Page, SignedFact)>,
    /// What each said after that, of what both may read.
    pub(super) apart: [Vec<SignedFact>; 2],
    /// The lines of `before`.
    pub(super) lines: PathBuf,
    /// The same as Automerge's documents, a change a line, by year.
    pub(super) documents: BTreeMap<String, PathBuf>,
    /// The lines of `apart`.
    pub(super) months: [PathBuf; 2],
    pub(super) entries: Entries,
    /// With both months.
    pub(super) entries_in_the_end: Entries,
    /// Bytes of both months' lines, compressed with zstd at its default level; the least that has to be sent.
    pub(super) month_zstd: u64,
    /// The same of our facts: with their headers and signatures.
    pub(super) month_facts_zstd: u64,
    /// The text itself, of `before`.
    pub(super) text_bytes: u64,
    /// A word that stands in few entries.
    pub(super) word: String,
    _directory: TempDir,
}

impl Content {
    /// Lives so many years and writes them down.
    pub(super) fn of(years: usize) -> anyhow::Result<Self> {
        Self::planned(&Plan { apart: APART, ..Plan::until(PRESENT, years) })
    }

    fn planned(plan: &Plan) -> anyhow::Result<Self> {
        let (life, years) = (Lifetime::of(plan), plan.years);
        let end = life.facts.last().context("a life has facts")?.fact().header().date;
        let parted: Date = end.last_of_year().checked_sub(i64::try_from(APART)?.days())?;
        let left_out = |fact: &SignedFact| LEFT_OUT.contains(&fact.fact().header().kind.as_str());
        let mine = life.said().filter(|(page, fact)| *page != Page::Private(1) && !left_out(fact));
        let (before, after): (Vec<_>, Vec<_>) =
            mine.map(|(page, fact)| (page, fact.clone())).partition(|(_, fact)| fact.fact().header().date <= parted);
        let apart = [0, 1].map(|who: usize| {
            let shared = after.iter().filter(|(page, _)| *page == Page::Shared).map(|(_, fact)| fact);
            shared.filter(|fact| fact.fact().header().partner == life.partners[who]).cloned().collect::<Vec<_>>()
        });
        let directory = TempDir::with_prefix("betwixt-bench-")?;
        let lines = directory.path().join("before.jsonl");
        let who = |fact: &SignedFact| usize::from(fact.fact().header().partner == life.partners[1]);
        write(&lines, before.iter().map(|(_, fact)| (who(fact), fact)))?;
        let months = [0, 1].map(|who: usize| directory.path().join(format!("month-{who}.jsonl")));
        for (who, month) in months.iter().enumerate() {
            write(month, apart[who].iter().map(|fact| (who, fact)))?;
        }
        let documents = documents(directory.path(), &before)?;
        let entries = entries(before.iter().map(|(_, fact)| fact));
        let whole = before.iter().map(|(_, fact)| fact).chain(apart.iter().flatten());
        let entries_in_the_end = self::entries(whole);
        let new = [std::fs::read(&months[0])?, std::fs::read(&months[1])?].concat();
        Ok(Self {
            years,
            lines,
            documents,
            entries,
            entries_in_the_end,
            month_zstd: zstd::bulk::compress(&new, 0)?.len() as u64,
            month_facts_zstd: zstd::bulk::compress(&facts(&apart), 0)?.len() as u64,
            text_bytes: before.iter().map(|(_, fact)| text(fact).len() as u64).sum(),
            word: seldom(&before).context("a life has words")?,
            months,
            before,
            apart,
            _directory: directory,
        })
    }

    /// The last year, in which the present is.
    pub(super) fn present(&self) -> Entries {
        self.entries.iter().next_back().map(|(year, entries)| (year.clone(), *entries)).into_iter().collect()
    }
}

fn year(fact: &SignedFact) -> String {
    format!("{:04}", fact.fact().header().date.year())
}

fn key(fact: &SignedFact) -> String {
    format!("{}/{}", fact.fact().item(), fact.fact().header().field)
}

/// What a fact says, as text.
pub(super) fn text(fact: &SignedFact) -> String {
    match fact.fact().value() {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

fn write<'a>(path: &Path, facts: impl Iterator<Item = (usize, &'a SignedFact)>) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (who, fact) in facts {
        let day = fact.fact().header().date.to_string();
        let line = json!({ "day": day, "who": who, "key": key(fact), "text": text(fact) });
        writeln!(file, "{line}")?;
    }
    Ok(file.flush()?)
}

fn entries<'a>(facts: impl Iterator<Item = &'a SignedFact>) -> Entries {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fact in facts {
        keys.entry(year(fact)).or_default().insert(key(fact));
    }
    keys.into_iter().map(|(year, keys)| (year, keys.len())).collect()
}

/// An Automerge document a year, with a change for every fact, by an actor for each of the two.
fn documents(directory: &Path, before: &[(Page, SignedFact)]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut paths = BTreeMap::new();
    for facts in before.chunk_by(|(_, left), (_, right)| year(left) == year(right)) {
        let mut document = Automerge::new();
        let made = document.transact::<_, _, AutomergeError>(|change| change.put_object(ROOT, "entries", ObjType::Map));
        let entries = made.map_err(|failure| failure.error)?.result;
        for (_, fact) in facts {
            document.set_actor(ActorId::from(&fact.fact().header().partner.as_bytes()[..16]));
            let put =
                |change: &mut automerge::transaction::Transaction<'_>| change.put(&entries, key(fact), text(fact));
            document.transact::<_, _, AutomergeError>(put).map_err(|failure| failure.error)?;
        }
        anyhow::ensure!(document.length(&entries) > 0, "a year without entries");
        let year = year(&facts[0].1);
        let path = directory.join(format!("{year}.automerge"));
        std::fs::write(&path, document.save())?;
        paths.insert(year, path);
    }
    Ok(paths)
}

/// What one of our devices has to tell the other: headers, values and signatures.
fn facts(apart: &[Vec<SignedFact>; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for fact in apart.iter().flatten() {
        bytes.extend_from_slice(fact.fact().text().as_bytes());
        bytes.extend_from_slice(&fact.signature());
    }
    bytes
}

/// The longest word of an entry in the middle of the life.
fn seldom(before: &[(Page, SignedFact)]) -> Option<String> {
    let from = before.len() / 2;
    let entry = before[from..].iter().find(|(_, fact)| fact.fact().header().kind == "thanks")?;
    let letters = |word: &str| word.chars().all(|letter| letter.is_ascii_lowercase());
    text(&entry.1).split_whitespace().filter(|word| letters(word)).max_by_key(|word| word.len()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_documents_say_the_same_and_a_month_is_new() {
        let plan = Plan { apart: APART, facts_a_year: 400, words: 500, ..Plan::until(PRESENT, 2) };
        let content = Content::planned(&plan).expect("it is written");
        let keys = |path: &Path| -> BTreeSet<String> {
            let lines = std::fs::read_to_string(path).expect("it is there");
            let line = |line: &str| serde_json::from_str::<Value>(line).expect("it is JSON");
            lines.lines().map(|text| line(text)["key"].as_str().expect("it has a key").to_owned()).collect()
        };
        assert_eq!(content.entries.keys().collect::<Vec<_>>(), ["2025", "2026"]);
        for (year, path) in &content.documents {
            let document = Automerge::load(&std::fs::read(path).expect("it is there")).expect("it is a document");
            let (_, entries) = document.get(ROOT, "entries").expect("it reads").expect("it has entries");
            assert_eq!(document.length(&entries), content.entries[year]);
        }
        let new: BTreeSet<_> = content.months.iter().flat_map(|month| keys(month)).collect();
        let before = keys(&content.lines);
        assert!(new.iter().any(|key| !before.contains(key)));
        let (end, start) = (content.entries_in_the_end["2026"], content.entries["2026"]);
        assert!(start < end && end <= start + new.len(), "{start} and {end}, with {} new", new.len());
        assert!(content.before.iter().any(|(_, fact)| text(fact).contains(&content.word)));
        assert!(content.before.iter().all(|(page, _)| *page != Page::Private(1)), "the other's own pages are not here");
        assert!(content.month_zstd < content.month_facts_zstd, "signatures do not compress");
    }
}
