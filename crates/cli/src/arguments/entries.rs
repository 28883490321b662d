//! What one writes down, and bringing it over.

use clap::Args;

use super::Text;

#[derive(Debug, Args)]
pub(crate) struct Reflect {
    #[command(flatten)]
    pub(crate) text: Text,
    /// The question that it answers.
    #[arg(long)]
    pub(crate) prompt: Option<String>,
    /// Keep it private for now.
    #[arg(long)]
    pub(crate) mine: bool,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "prompt", "mine"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Thanks {
    #[command(flatten)]
    pub(crate) text: Text,
    /// What it showed.
    #[arg(long)]
    pub(crate) showed: Option<String>,
    /// The beginning of the id of the value that it lives.
    #[arg(long, value_name = "ID")]
    pub(crate) value: Option<String>,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "showed", "value"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Journal {
    #[command(flatten)]
    pub(crate) text: Text,
    /// A title.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "title"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bring {
    /// What to bring: beginnings of ids.
    pub(crate) items: Vec<String>,
    /// Everything but the journal.
    #[arg(long, conflicts_with = "items")]
    pub(crate) all: bool,
}
