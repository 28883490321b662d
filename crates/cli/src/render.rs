//! API values as people read them. Pure: values in, text out.

pub(crate) mod attachment;
pub(crate) mod carry;
pub(crate) mod chapter;
pub(crate) mod field;
pub(crate) mod frontend;
pub(crate) mod household;
pub(crate) mod item;
pub(crate) mod past;
pub(crate) mod ritual;
pub(crate) mod seal;
pub(crate) mod search;
pub(crate) mod settle;
pub(crate) mod statement;
pub(crate) mod statistics;
pub(crate) mod upkeep;
pub(crate) mod ways;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod samples;

use betwixt_api::{Said, Status};
use comfy_table::{ContentArrangement, Table, presets};

use crate::terminal::{Style, printable};
use crate::values::show_date;

/// How many characters of an id are shown. The beginning of an id is enough everywhere, as long as it is unique.
const SHORT_ID: usize = 8;

/// What rendering needs beside the value: whose words are whose, and what the terminal can show.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// The other partner's name.
    pub(crate) partner: Option<String>,
    /// How to set off words.
    pub(crate) style: Style,
    /// The terminal's width.
    pub(crate) width: Option<u16>,
}

impl Look {
    /// For the household that the status tells of.
    pub(crate) fn new(status: &Status, style: Style, width: Option<u16>) -> Self {
        Self { partner: status.partner.as_ref().map(|partner| partner.name.clone()), style, width }
    }

    /// `you`, or the partner's name.
    pub(crate) fn who(&self, said: &Said) -> String {
        if said.own { "you".into() } else { self.other() }
    }

    /// The partner's name.
    pub(crate) fn other(&self) -> String {
        self.partner.as_deref().map_or_else(|| "your partner".to_owned(), printable)
    }

    /// `you, 2 March 2027`
    pub(crate) fn said(&self, said: &Said) -> String {
        format!("{}, {}", self.who(said), show_date(&said.on))
    }

    /// A table with these heads.
    pub(crate) fn table<const COLUMNS: usize>(&self, heads: [&str; COLUMNS]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(heads.map(|head| self.style.bold(head)));
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        table
    }
}

/// The rows of a table without the spaces around them.
pub(crate) fn rows(table: &Table) -> String {
    let lines: Vec<String> =
        table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The beginning of an id.
pub(crate) fn short(id: &str) -> String {
    printable(&id.chars().take(SHORT_ID).collect::<String>())
}

/// Every line of a text, some columns in.
pub(crate) fn indent(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    let lines: Vec<String> =
        text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") }).collect();
    lines.join("\n")
}
