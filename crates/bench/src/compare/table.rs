//! The table: printed, and written between two marks of `docs/performance.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use comfy_table::Table;

use super::column::{Column, Figure, bytes, time, years};
use super::content::Content;
use super::ours::Floor;
use super::peers::Peer;

const BEGIN: &str = "<!-- cargo xtask bench compare: begin -->";
const END: &str = "<!-- cargo xtask bench compare: end -->";

/// Everything that was measured.
pub(super) struct Report<'a> {
    pub(super) columns: &'a [Column],
    pub(super) floor: Floor,
    pub(super) life: &'a Content,
    pub(super) month: &'a Content,
    /// The machine, the day and the command.
    pub(super) heading: String,
}

/// A bound: in words, and whether it is kept, where that is known.
type Bound = (String, Option<bool>);

impl Report<'_> {
    fn ours(&self, figure: Figure) -> Option<f64> {
        let column = self.columns.iter().find(|column| column.name == Peer::Betwixt.name())?;
        column.cells.get(&figure)?.number
    }

    fn below(&self, figure: Figure, words: &str, most: f64) -> Bound {
        (words.to_owned(), self.ours(figure).map(|ours| ours < most))
    }

    fn bound(&self, figure: Figure) -> Bound {
        match figure {
            Figure::Visible => {
                let Some(floor) = self.floor.edit else { return ("two fdatasync, a round trip, 1 ms".into(), None) };
                let most = floor + std::time::Duration::from_millis(1);
                let words = format!("{} = two fdatasync, a round trip, 1 ms", time(most));
                self.below(figure, &words, most.as_secs_f64() * 1e3)
            }
            Figure::InMemory => {
                let others = self.columns.iter().filter(|column| column.name != Peer::Betwixt.name());
                let others = others.filter_map(|column| column.cells.get(&Figure::Visible)?.number);
                let least = others.fold(f64::INFINITY, f64::min);
                let kept = self.ours(figure).filter(|_| least.is_finite()).map(|ours| ours < least);
                ("below every peer".into(), kept)
            }
            Figure::Reconnect => self.below(figure, "600 bytes of frames, 1 round trip", 600.0),
            Figure::ReconnectTime => self.below(figure, "10 ms", 10.0),
            Figure::MonthBytes => {
                let most = self.month.month_facts_zstd as f64 * 1.3;
                let words = format!("{} = 1.3 x our facts with zstd", bytes(most as u64));
                self.below(figure, &words, most)
            }
            Figure::MonthTime => self.below(figure, "250 ms", 250.0),
            Figure::Cold => self.below(figure, "100 ms", 100.0),
            Figure::ColdKilled => self.below(figure, "1.5 s", 1_500.0),
            Figure::Memory => self.below(figure, "60 MB", 60e6),
            Figure::NewPresent => self.below(figure, "1 s", 1_000.0),
            Figure::NewAll => self.below(figure, "30 s", 30_000.0),
            Figure::Disk => self.below(figure, "80 MB", 80e6),
            Figure::Search => self.below(figure, "50 ms", 50.0),
            Figure::Saved => (String::new(), None),
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for figure in Figure::ALL {
            let (bound, kept) = self.bound(figure);
            let kept = kept.map_or("", |kept| if kept { "yes" } else { "**no**" });
            let mut row = vec![figure.words(self.life.years, self.month.years), bound, kept.to_owned()];
            for column in self.columns {
                let cell = column.cells.get(&figure).map(|cell| cell.shown.clone());
                row.push(
                    cell.unwrap_or_else(|| if column.ended.is_some() { "stopped, see below" } else { "-" }.into()),
                );
            }
            rows.push(row);
        }
        rows
    }

    fn header(&self) -> Vec<String> {
        let fixed = ["figure", "target", "kept"].map(str::to_owned);
        fixed.into_iter().chain(self.columns.iter().map(|column| column.name.clone())).collect()
    }

    fn notes(&self) -> String {
        let mut notes = format!(
            "A life of {} has {} facts here, {} of text. The month that both say apart compresses with zstd to {} as plain lines, and to {} as \
             our facts, with headers and signatures. Bytes are what TCP or UDP carries, handshakes with it; turns are how often \
             the other side spoke, two of them a round trip.\n\nWhat that means:\n",
            years(self.life.years),
            self.life.before.len(),
            bytes(self.life.text_bytes),
            bytes(self.month.month_zstd),
            bytes(self.month.month_facts_zstd),
        );
        for column in self.columns {
            // Into text, which does not fail.
            let _ = write!(notes, "\n- **{}**: {}.", column.name, column.means);
            if let Some(ended) = &column.ended {
                let _ = write!(notes, " It did not answer everything: {ended}.");
            }
        }
        notes
    }

    /// As a person at a terminal reads it.
    pub(super) fn printed(&self) -> String {
        let mut table = Table::new();
        table.set_header(self.header());
        table.add_rows(self.rows());
        format!("{}\n{table}\n{}", self.heading, self.notes())
    }

    fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let header = self.header();
        let rule = vec!["---".to_owned(); header.len()];
        let rows: String = self.rows().into_iter().map(line).collect();
        format!("{}\n\n{}{}{rows}\n{}\n", self.heading, line(header), line(rule), self.notes())
    }

    /// Puts it into a document in place of what stands between the marks.
    ///
    /// # Errors
    /// When the document cannot be read or written, or has no marks.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(path)?;
        let written = between_marks(&text, &self.markdown());
        let written = written.with_context(|| format!("{} has no marks to write between", path.display()))?;
        Ok(std::fs::write(path, written)?)
    }
}

fn between_marks(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = format!("Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n");
        let expected = format!("Before.\n\n{BEGIN}\nnew\n{END}\n\nAfter.\n");
        assert_eq!(between_marks(&text, "new\n").as_deref(), Some(expected.as_str()));
        assert_eq!(between_marks("no marks", "new"), None);
        let page = include_str!("../../../../docs/performance.md");
        assert!(between_marks(page, "new").is_some(), "the page has the marks");
    }
}
