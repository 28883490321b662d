//! Indexes on a disk: what is found, and what of it can be damaged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use betwixt_search::{Document, Filter, Index, Key, Order, Query, SearchError, remove};
use proptest::prelude::*;

fn key() -> Key {
    Key::of([7; 32])
}

const ID: [u8; 16] = [3; 16];

fn document(number: u8, text: &str) -> Document {
    Document {
        id: [number; 32],
        text: text.into(),
        labels: vec![format!("parity/{}", number % 2)],
        place: number.into(),
    }
}

fn found_in(index: &Index, query: &str, filter: &Filter, order: Order) -> Result<Vec<u8>, SearchError> {
    let searcher = index.searcher()?;
    let hits = searcher.search(&Query::parse(query).unwrap(), filter, order, 1000)?;
    hits.iter().map(|hit| Ok(searcher.id(hit)?[0])).collect()
}

fn found(index: &Index, query: &str) -> Vec<u8> {
    let mut ids = found_in(index, query, &Filter::default(), Order::Best).unwrap();
    ids.sort_unstable();
    ids
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn texts_are_found_by_words_phrases_and_beginnings_and_those_said_anew_once() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index");
    let index = Index::create(&path, key(), ID).unwrap();
    index.add([document(1, "We planted the Río oak"), document(2, "一緒に散歩した")], 1).unwrap();
    index.add([document(3, "the oak by the rio grows"), document(1, "We planted the rio oak today")], 2).unwrap();
    drop(index);
    let index = Index::open(&path, key(), ID).unwrap();
    assert_eq!(index.mark().unwrap(), Some(2));
    assert_eq!(index.searcher().unwrap().len(), 3);
    assert_eq!(found(&index, "oak rio"), [1, 3]);
    assert_eq!(found(&index, "\"rio oak\""), [1]);
    assert_eq!(found(&index, "plan"), [1]);
    assert_eq!(found(&index, "\"plan\""), Vec::<u8>::new());
    assert_eq!(found(&index, "散歩"), [2]);
    assert_eq!(found(&index, "歩散"), Vec::<u8>::new());
    let filter = Filter { labels: vec![vec!["parity/1".into()]], from: Some(2), until: None };
    assert_eq!(found_in(&index, "oak", &filter, Order::Best).unwrap(), [3]);
    assert_eq!(found_in(&index, "oak", &Filter::default(), Order::Latest).unwrap(), [3, 1]);
    assert!(index.check().unwrap() > 0);
}

#[test]
fn nothing_is_in_the_files_in_the_clear_and_their_names_tell_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index");
    let index = Index::create(&path, key(), ID).unwrap();
    index.add([document(1, "xylophone lessons for the quokka")], 1).unwrap();
    for file in files(&path) {
        let bytes = fs::read(&file).unwrap();
        for word in ["xylophone", "quokka", "parity", "segment"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} in {}", file.display());
        }
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
    remove(&path).unwrap();
    assert!(!path.exists());
    remove(&path).unwrap();
}

#[test]
fn an_index_opens_by_its_own_key_and_id_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index");
    Index::create(&path, key(), ID).unwrap().add([document(1, "oak")], 1).unwrap();
    assert!(matches!(Index::open(&path, Key::of([8; 32]), ID), Err(SearchError::Damaged)));
    assert!(matches!(Index::open(&path, key(), [4; 16]), Err(SearchError::Damaged)));
    assert!(matches!(Index::open(&home.path().join("other"), key(), ID), Err(SearchError::Damaged)));
}

/// Asks a copy of an index of which one file was altered.
fn ask_altered(whole: &Path, copy: &Path, alter: impl Fn(&mut Vec<u8>), which: usize) -> Result<Vec<u8>, SearchError> {
    let _ = fs::remove_dir_all(copy);
    fs::create_dir(copy).unwrap();
    for (number, file) in files(whole).iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        if number == which {
            alter(&mut bytes);
        }
        fs::write(copy.join(file.file_name().unwrap()), bytes).unwrap();
    }
    let index = Index::open(copy, key(), ID)?;
    found_in(&index, "oak", &Filter::default(), Order::Best)
}

#[test]
fn hostile_input_is_an_error_a_search_index_with_an_altered_byte_anywhere_finds_all_or_says_so() {
    let home = tempfile::tempdir().unwrap();
    let (whole, copy) = (home.path().join("index"), home.path().join("copy"));
    let index = Index::create(&whole, key(), ID).unwrap();
    index.add((1..40).map(|number| document(number, &format!("oak number {number} stands"))), 1).unwrap();
    let expected = found_in(&index, "oak", &Filter::default(), Order::Best).unwrap();
    assert_eq!(expected.len(), 39);
    let mut refused = 0;
    let mut ask = |which, alter: &dyn Fn(&mut Vec<u8>)| match ask_altered(&whole, &copy, alter, which) {
        Ok(found) => assert_eq!(found, expected, "file {which}"),
        Err(SearchError::Damaged) => refused += 1,
        Err(error) => panic!("{error}"),
    };
    for (which, file) in files(&whole).iter().enumerate() {
        let length = fs::metadata(file).unwrap().len() as usize;
        for at in (0..length).step_by(length.div_ceil(6).max(1)) {
            ask(which, &|bytes| bytes[at] ^= 0x40);
        }
        ask(which, &|bytes| bytes.truncate(length / 2));
        ask(which, &|bytes| bytes.clear());
    }
    // Those that a question needs; what only writing needs may be altered unnoticed by it.
    assert!(refused > 20, "{refused}");
}

#[test]
fn an_altered_byte_is_found_by_checking_and_the_index_is_made_anew_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index");
    let index = Index::create(&path, key(), ID).unwrap();
    index.add((1..40).map(|number| document(number, "oak")), 1).unwrap();
    let longest = files(&path).into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let mut bytes = fs::read(&longest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&longest, bytes).unwrap();
    let checked = Index::open(&path, key(), ID).and_then(|index| index.check());
    assert!(matches!(checked, Err(SearchError::Damaged)), "{checked:?}");
    let anew = Index::create(&path, key(), [5; 16]).unwrap();
    anew.add([document(1, "oak")], 1).unwrap();
    assert_eq!(found(&anew, "oak"), [1]);
}

#[test]
fn asking_while_texts_are_added_finds_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("index");
    let index = Index::create(&path, key(), ID).unwrap();
    index.add([document(0, "oak")], 1).unwrap();
    let writing = {
        let index = index.clone();
        std::thread::spawn(move || {
            for number in 1..10 {
                index.add([document(number, "oak")], number.into()).unwrap();
            }
        })
    };
    let mut asked = 0;
    while !writing.is_finished() || asked == 0 {
        let found = found(&Index::open(&path, key(), ID).unwrap(), "oak");
        assert!(found.contains(&0));
        asked += 1;
    }
    writing.join().unwrap();
    assert_eq!(found(&index, "oak").len(), 10);
}

const VOCABULARY: [&str; 14] =
    ["oak", "Oaks", "river", "Río", "rio", "mill", "mill-wheel", "散歩", "散", "歩", "don't", "Straße", "strasse", "a"];

fn text(most: usize) -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec![" ", ", ", "-", "\n", " \u{1f642} ", ""]);
    let word = (prop::sample::select(VOCABULARY.to_vec()), between);
    prop::collection::vec(word, 0..most)
        .prop_map(|words| words.iter().flat_map(|(word, then)| [*word, *then]).collect())
}

fn asked() -> impl Strategy<Value = String> {
    let beginning = prop::sample::select(vec!["o", "oa", "ri", "mil", "str", "散", "d", "x"]).prop_map(str::to_owned);
    (text(4), any::<bool>(), prop::option::of(beginning)).prop_map(|(text, quoted, last)| {
        let text = if quoted { format!("\"{text}\"") } else { text };
        format!("{text} {}", last.unwrap_or_default())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn an_index_finds_what_reading_every_text_finds(
        texts in prop::collection::vec(text(8), 1..30),
        queries in prop::collection::vec(asked(), 12),
        cut in 0usize..30,
    ) {
        let home = tempfile::tempdir().unwrap();
        let index = Index::create(&home.path().join("index"), key(), ID).unwrap();
        let documents: Vec<Document> =
            texts.iter().enumerate().map(|(number, text)| document(number as u8, text)).collect();
        let (first, second) = documents.split_at(cut.min(documents.len()));
        index.add(first.to_vec(), 1).unwrap();
        index.add(second.to_vec(), 2).unwrap();
        let searcher = index.searcher().unwrap();
        for asked in queries {
            let Ok(query) = Query::parse(&asked) else { continue };
            for filter in [Filter::default(), Filter { labels: vec![vec!["parity/1".into()]], from: Some(3), until: Some(20) }] {
                let holds = |document: &&Document| {
                    filter.labels.iter().all(|group| group.iter().any(|label| document.labels.contains(label)))
                        && filter.from.is_none_or(|from| document.place >= from)
                        && filter.until.is_none_or(|until| document.place <= until)
                };
                let read: Vec<u8> = documents
                    .iter()
                    .filter(|document| query.find(&document.text).is_some())
                    .filter(holds)
                    .map(|document| document.id[0])
                    .collect();
                for order in [Order::Best, Order::Latest] {
                    let hits = searcher.search(&query, &filter, order, 1000).unwrap();
                    let mut found: Vec<u8> = hits.iter().map(|hit| searcher.id(hit).unwrap()[0]).collect();
                    if order == Order::Latest {
                        prop_assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
                    }
                    found.sort_unstable();
                    prop_assert_eq!(&found, &read, "{:?}", asked);
                }
            }
        }
    }
}
