//! An index on the disk: making it, adding to it, asking it.

use std::fs;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tantivy::collector::TopDocs;
use tantivy::directory::error::OpenReadError;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, PhrasePrefixQuery, PhraseQuery, RangeQuery, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::store::Compressor;
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use crate::directory::SealedDirectory;
use crate::error::SearchError;
use crate::key::Key;
use crate::query::{Part, Query};
use crate::words::words;

/// How much memory the writer collects words in, in bytes: the least that tantivy takes. It is let go after every
/// [`Index::add`].
const ARENA: usize = 15_000_000;

/// How many ids are read together, in bytes.
const BLOCK: usize = 4096;

/// How many words the beginning of one may stand for where it ends a phrase.
const MAX_EXPANSIONS: u32 = 10_000;

/// A text to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is known by: a document with the same id takes its place.
    pub id: [u8; 32],
    /// The text. It is not kept, but its words are.
    pub text: String,
    /// What it may be asked for by, beside its words.
    pub labels: Vec<String>,
    /// What it is ordered by: the day on which it was said, for instance.
    pub place: i64,
}

/// What is asked for beside words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of each group, a text has at least one of the labels.
    pub labels: Vec<Vec<String>>,
    /// The first place.
    pub from: Option<i64>,
    /// The last, included.
    pub until: Option<i64>,
}

/// Which texts come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those that speak most of what is asked for (BM25).
    Best,
    /// Those of the greatest place.
    Latest,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    id: Field,
    text: Field,
    labels: Field,
    place: Field,
}

/// The fields, which are part of an index's version: one of another shape is not opened.
fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let words =
        TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let fields = Fields {
        // Its letters are indexed, so that a text can be put in the place of the one before.
        id: schema.add_bytes_field("id", STORED | INDEXED),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        labels: schema.add_text_field("labels", STRING),
        place: schema.add_i64_field("place", FAST),
    };
    (schema.build(), fields)
}

/// An index of one owner's texts. Holds no memory to speak of: a writer and a [`Searcher`] do, while they live.
#[derive(Debug, Clone)]
pub struct Index {
    directory: SealedDirectory,
    index: tantivy::Index,
    fields: Fields,
}

impl Index {
    /// Makes an empty index in a directory, in the place of whatever is there. `id` is drawn anew for each, and belongs to
    /// what its owner remembers of it: no file of another one is taken for one of this.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn create(path: &Path, key: Key, id: [u8; 16]) -> Result<Self, SearchError> {
        remove(path)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let directory = SealedDirectory::new(path.to_owned(), key, id);
        let (schema, fields) = schema();
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_blocksize: BLOCK,
            ..IndexSettings::default()
        };
        let made = guarded(|| {
            Ok(tantivy::Index::builder().schema(schema).settings(settings).open_or_create(directory.clone())?)
        });
        Ok(Self { index: made?, directory, fields })
    }

    /// Opens the index that has this id.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] also when it is not there.
    pub fn open(path: &Path, key: Key, id: [u8; 16]) -> Result<Self, SearchError> {
        let directory = SealedDirectory::new(path.to_owned(), key, id);
        let (expected, fields) = schema();
        let index = guarded(|| Ok(tantivy::Index::open(directory.clone())?))?;
        if index.schema() != expected {
            return Err(SearchError::Damaged);
        }
        Ok(Self { directory, index, fields })
    }

    /// Adds texts, durably, together with a number that says how far its owner has come; it never goes back. Texts that are
    /// in it already are not added twice. Blocks for as long as that takes, with some 20 MB of memory.
    ///
    /// # Errors
    /// [`SearchError`]; the index is as it was before, or is damaged.
    pub fn add(&self, documents: impl IntoIterator<Item = Document>, mark: u64) -> Result<(), SearchError> {
        guarded(|| {
            let options = IndexWriterOptions::builder()
                .memory_budget_per_thread(ARENA)
                .num_worker_threads(1)
                .num_merge_threads(1)
                .build();
            let mut writer: IndexWriter<TantivyDocument> = self.index.writer_with_options(options)?;
            for document in documents {
                writer.delete_term(Term::from_field_bytes(self.fields.id, &document.id));
                writer.add_document(self.document(document))?;
            }
            let mut prepared = writer.prepare_commit()?;
            prepared.set_payload(&mark.to_string());
            prepared.commit()?;
            // Merging goes on beside; it ends here, so that the memory does.
            writer.wait_merging_threads()?;
            Ok(())
        })
    }

    fn document(&self, document: Document) -> TantivyDocument {
        let Document { id, text, labels, place } = document;
        let mut shown = TantivyDocument::new();
        shown.add_bytes(self.fields.id, &id);
        for label in labels {
            shown.add_text(self.fields.labels, label);
        }
        shown.add_i64(self.fields.place, place);
        let token = |(position, word): (usize, crate::words::Word)| Token {
            offset_from: word.from,
            offset_to: word.until,
            position,
            text: word.text,
            position_length: 1,
        };
        let tokens = words(&text).enumerate().map(token).collect();
        shown.add_pre_tokenized_text(self.fields.text, PreTokenizedString { text, tokens });
        shown
    }

    /// Which index it is.
    pub fn id(&self) -> [u8; 16] {
        self.directory.id()
    }

    /// The number that came with what was added last; `None` while nothing was.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn mark(&self) -> Result<Option<u64>, SearchError> {
        let metas = guarded(|| Ok(self.index.load_metas()?))?;
        metas.payload.map(|mark| mark.parse().map_err(|_| SearchError::Damaged)).transpose()
    }

    /// Opens the index for asking, as it is now.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn searcher(&self) -> Result<Searcher, SearchError> {
        let searcher = guarded(|| {
            let reader = self.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
            Ok(reader.searcher())
        })?;
        Ok(Searcher { searcher, fields: self.fields })
    }

    /// Reads everything that belongs to the index. Answers how many bytes that is.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] when part of it does not read.
    pub fn check(&self) -> Result<u64, SearchError> {
        let searcher = self.searcher()?;
        guarded(|| {
            let mut bytes = 0;
            let metas = self.index.load_metas()?;
            for file in metas.list_segment_files() {
                match self.directory.reader(&file) {
                    Ok(reader) => {
                        // In pieces: a file may be large.
                        for from in (0..reader.len()).step_by(1 << 20) {
                            bytes += reader.read(from..(from + (1 << 20)).min(reader.len()))?.len() as u64;
                        }
                    }
                    // tantivy lists files that a segment need not have; the searcher has opened those that it must.
                    Err(OpenReadError::FileDoesNotExist(_)) => {}
                    Err(error) => return Err(tantivy::TantivyError::from(error).into()),
                }
            }
            drop(searcher);
            Ok(bytes)
        })
    }
}

/// A text that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// What it was ordered by: how well it fits, or its place. The greatest comes first.
    pub rank: f64,
    address: tantivy::DocAddress,
}

/// An index as it was at one moment, open for asking.
pub struct Searcher {
    searcher: tantivy::Searcher,
    fields: Fields,
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Searcher").finish_non_exhaustive()
    }
}

impl Searcher {
    /// The texts that a query finds, the first `most` of them in this order.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search(&self, query: &Query, filter: &Filter, order: Order, most: usize) -> Result<Vec<Hit>, SearchError> {
        guarded(|| {
            let wanted = self.wanted(query, filter);
            let top = TopDocs::with_limit(most.max(1));
            Ok(match order {
                Order::Best => {
                    let found = self.searcher.search(&wanted, &top.order_by_score())?;
                    found.into_iter().map(|(score, address)| Hit { rank: score.into(), address }).collect()
                }
                Order::Latest => {
                    let latest = top.order_by_fast_field::<i64>("place", tantivy::Order::Desc);
                    let found = self.searcher.search(&wanted, &latest)?;
                    // Days and the like, far from where a double would round them.
                    found.into_iter().map(|(place, address)| Hit { rank: place.unwrap_or(0) as f64, address }).collect()
                }
            })
        })
    }

    /// What a text that was found is known by.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn id(&self, hit: &Hit) -> Result<[u8; 32], SearchError> {
        guarded(|| {
            let document: TantivyDocument = self.searcher.doc(hit.address)?;
            let id = document.get_first(self.fields.id).and_then(|id| id.as_bytes()).and_then(|id| id.try_into().ok());
            id.ok_or(SearchError::Damaged)
        })
    }

    /// How many texts it has.
    pub fn len(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn wanted(&self, query: &Query, filter: &Filter) -> BooleanQuery {
        let mut clauses: Vec<(Occur, Box<dyn tantivy::query::Query>)> = Vec::new();
        for part in &query.parts {
            clauses.push((Occur::Must, self.part(part)));
        }
        for group in &filter.labels {
            let label = |label: &String| -> (Occur, Box<dyn tantivy::query::Query>) {
                let term = Term::from_field_text(self.fields.labels, label);
                (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
            };
            let any = BooleanQuery::new(group.iter().map(label).collect());
            // Which of them it has says nothing of how well it fits.
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(any), 0.0))));
        }
        if filter.from.is_some() || filter.until.is_some() {
            let bound = |place: Option<i64>| {
                place.map_or(Bound::Unbounded, |place| Bound::Included(Term::from_field_i64(self.fields.place, place)))
            };
            let range = RangeQuery::new(bound(filter.from), bound(filter.until));
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(range), 0.0))));
        }
        BooleanQuery::new(clauses)
    }

    fn part(&self, part: &Part) -> Box<dyn tantivy::query::Query> {
        let term = |word: &String| Term::from_field_text(self.fields.text, word);
        let mut terms: Vec<Term> = part.words.iter().map(term).collect();
        match (terms.len(), part.beginning) {
            (1, beginning) => {
                let term = terms.remove(0);
                let whole = TermQuery::new(term.clone(), IndexRecordOption::WithFreqs);
                if !beginning {
                    return Box::new(whole);
                }
                let end = part.words.first().and_then(|word| after(word));
                let end =
                    end.map_or(Bound::Unbounded, |end| Bound::Excluded(Term::from_field_text(self.fields.text, &end)));
                let begun = RangeQuery::new(Bound::Included(term), end);
                // The whole word says more than that one begins so.
                Box::new(BooleanQuery::new(vec![(Occur::Should, Box::new(whole)), (Occur::Should, Box::new(begun))]))
            }
            (_, false) => Box::new(PhraseQuery::new(terms)),
            (_, true) => {
                let mut phrase = PhrasePrefixQuery::new(terms);
                phrase.set_max_expansions(MAX_EXPANSIONS);
                Box::new(phrase)
            }
        }
    }
}

/// The least text after all that begin so; `None` when there is none.
fn after(word: &str) -> Option<String> {
    let mut letters: Vec<char> = word.chars().collect();
    while let Some(last) = letters.pop() {
        // In the order of letters, the surrogates are left out.
        if let Some(next) = (last as u32 + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// Takes away an index with its directory. One that is not there is fine.
///
/// # Errors
/// [`SearchError::Disk`].
pub fn remove(path: &Path) -> Result<(), SearchError> {
    let files: Vec<PathBuf> = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?,
    };
    for file in files {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    fs::remove_dir(path).map_err(SearchError::from)
}

/// Runs what calls tantivy. It promises errors for a failing disk; for files that are not of one commit it promises nothing.
fn guarded<T>(run: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(SearchError::Damaged))
}
