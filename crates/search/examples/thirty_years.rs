//! What searching costs after thirty years: 180,000 texts, some 30 MB, with words as often as in a language (Zipf).
//!
//! `cargo run --release -p betwixt-search --example thirty_years`; another number of texts as the first argument.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it prints what it measures, and fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_search::{Document, Filter, Index, Key, Order, Query};

/// How many words there are to be used.
const VOCABULARY: u64 = 60_000;

/// How often each question is asked.
const ROUNDS: usize = 20;

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The number of a word: small ones far oftener than large ones.
    fn word(&mut self) -> u64 {
        let even = self.next() as f64 / u64::MAX as f64;
        (VOCABULARY as f64).powf(even) as u64
    }
}

/// A word of its own for each number, longer for rarer ones.
fn spelt(mut number: u64) -> String {
    let mut word = String::new();
    loop {
        word.push(['b', 'd', 'g', 'k', 'l', 'm', 'n', 'r', 's', 't', 'v', 'w'][(number % 12) as usize]);
        word.push(['a', 'e', 'i', 'o', 'u'][(number / 12 % 5) as usize]);
        number /= 60;
        if number == 0 {
            return word;
        }
    }
}

fn text(numbers: &mut Numbers) -> String {
    let words = 15 + numbers.next() % 40;
    (0..words).map(|_| spelt(numbers.word())).collect::<Vec<_>>().join(" ")
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    line("VmRSS:")
}

fn median_and_worst(mut taken: Vec<Duration>) -> String {
    taken.sort();
    format!("median {:>9.3?}, worst {:>9.3?}", taken[taken.len() / 2], taken[taken.len() - 1])
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(180_000, |count| count.parse().unwrap());
    let mut numbers = Numbers(1);
    let texts: Vec<String> = (0..count).map(|_| text(&mut numbers)).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("{count} texts, {:.1} MB", bytes as f64 / 1e6);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    let (key, id) = (|| Key::of([7; 32]), [1; 16]);
    let index = Index::create(&path, key(), id).unwrap();
    let before = resident().unwrap_or(0);
    let (begun, mut most) = (Instant::now(), before);
    for (slice, part) in texts.chunks(4096).enumerate() {
        let document = |(number, text): (usize, &String)| {
            let number = slice * 4096 + number;
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            Document {
                id,
                text: text.clone(),
                labels: vec![format!("kind/{}", number % 9)],
                place: (number / 16) as i64,
            }
        };
        index.add(part.iter().enumerate().map(document), slice as u64 + 1).unwrap();
        most = most.max(resident().unwrap_or(0));
    }
    println!("built in {:.1?}, with {} KB more memory at most between slices", begun.elapsed(), most - before);
    let on_disk: u64 = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("{:.1} MB on the disk", on_disk as f64 / 1e6);
    let begun = Instant::now();
    index.add([Document { id: [9; 32], text: "said just now".into(), labels: vec![], place: 0 }], 1_000_000).unwrap();
    println!("one more text: {:.3?}", begun.elapsed());
    let rare = spelt(VOCABULARY - 2);
    let two = format!("{} {}", spelt(40), spelt(90));
    let phrase = format!("\"{} {}\"", spelt(2), spelt(3));
    for (what, asked) in [
        ("a common word", spelt(1)),
        ("a rare word", rare),
        ("two words", two),
        ("a phrase", phrase),
        ("a beginning of one letter", "b".into()),
    ] {
        let query = Query::parse(&asked).unwrap();
        let (mut indexed, mut read, mut found, mut scanned) = (Vec::new(), Vec::new(), 0, 0);
        for round in 0..ROUNDS {
            let order = if round % 2 == 0 { Order::Best } else { Order::Latest };
            let begun = Instant::now();
            // As the daemon does it: opened for each question, and the first ids read.
            let searcher = Index::open(&path, key(), id).unwrap().searcher().unwrap();
            let hits = searcher.search(&query, &Filter::default(), order, 2000).unwrap();
            for hit in hits.iter().take(20) {
                searcher.id(hit).unwrap();
            }
            indexed.push(begun.elapsed());
            found = hits.len();
        }
        for _ in 0..3 {
            let begun = Instant::now();
            scanned = texts.iter().filter(|text| query.find(text).is_some()).count();
            read.push(begun.elapsed());
        }
        println!(
            "{what}: {found} of {scanned} found; index {}; reading every text {}",
            median_and_worst(indexed),
            median_and_worst(read)
        );
    }
}
