//! A peer's answers, and the questions.

use std::collections::BTreeMap;
use std::time::Duration;

/// What is asked of every peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    Visible,
    Saved,
    InMemory,
    Reconnect,
    ReconnectTime,
    MonthBytes,
    MonthTime,
    Cold,
    ColdKilled,
    Memory,
    NewPresent,
    NewAll,
    Disk,
    Search,
}

impl Figure {
    pub(super) const ALL: [Self; 14] = [
        Self::Visible,
        Self::Saved,
        Self::InMemory,
        Self::Reconnect,
        Self::ReconnectTime,
        Self::MonthBytes,
        Self::MonthTime,
        Self::Cold,
        Self::ColdKilled,
        Self::Memory,
        Self::NewPresent,
        Self::NewAll,
        Self::Disk,
        Self::Search,
    ];

    /// As the table calls it, after so many years and, for the month apart, so many.
    pub(super) fn words(self, years: usize, month: usize) -> String {
        let (years, month) = (self::years(years), self::years(month));
        match self {
            Self::Visible => "an edit here, readable there: median (p99)".into(),
            Self::Saved => "the same, with the storage of both: median (p99)".into(),
            Self::InMemory => "an edit here, readable there, homes in memory: median (p99)".into(),
            Self::Reconnect => format!("meeting again, nothing new, {years}: bytes, turns"),
            Self::ReconnectTime => "the same: until the last byte".into(),
            Self::MonthBytes => format!("a month apart on both sides, after {month}: bytes"),
            Self::MonthTime => "the same: until both have all".into(),
            Self::Cold => format!("cold start to the first answer, {years}"),
            Self::ColdKilled => "the same, after kill -9".into(),
            Self::Memory => format!("resident memory of the larger, connected, {years}"),
            Self::NewPresent => format!("a new device, {years}: the present is there"),
            Self::NewAll => "the same: everything is there".into(),
            Self::Disk => format!("on disk, {years}"),
            Self::Search => format!("search over {years}: the first, the next"),
        }
    }
}

/// An answer: as it is shown, and as a number to compare, of milliseconds or bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) shown: String,
    pub(super) number: Option<f64>,
}

/// A peer's answers.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) means: String,
    pub(super) cells: BTreeMap<Figure, Cell>,
    /// What kept the rest of its questions from being asked.
    pub(super) ended: Option<String>,
}

impl Column {
    pub(super) fn new(name: &str, means: &str) -> Self {
        Self { name: name.to_owned(), means: means.to_owned(), cells: BTreeMap::new(), ended: None }
    }

    pub(super) fn time(&mut self, figure: Figure, taken: Duration) {
        let number = taken.as_secs_f64() * 1e3;
        self.cells.insert(figure, Cell { shown: time(taken), number: Some(number) });
    }

    pub(super) fn spread(&mut self, figure: Figure, taken: &crate::samples::Samples) {
        let shown = format!("{} ({})", time(taken.median()), time(taken.p99()));
        self.cells.insert(figure, Cell { shown, number: Some(taken.median().as_secs_f64() * 1e3) });
    }

    pub(super) fn bytes(&mut self, figure: Figure, bytes: u64) {
        self.cells.insert(figure, Cell { shown: self::bytes(bytes), number: Some(bytes as f64) });
    }

    /// An answer in words, with a number to compare.
    pub(super) fn words(&mut self, figure: Figure, shown: impl Into<String>, number: Option<f64>) {
        self.cells.insert(figure, Cell { shown: shown.into(), number });
    }
}

/// So many years, as they are spoken of.
pub(super) fn years(years: usize) -> String {
    if years == 1 { "1 year".into() } else { format!("{years} years") }
}

pub(super) fn time(taken: Duration) -> String {
    let milliseconds = taken.as_secs_f64() * 1e3;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.2} ms"),
        10.0..1_000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1e3),
    }
}

pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
