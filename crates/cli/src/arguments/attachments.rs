//! Photos and files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The photo or file, which stays as it is. It may have up to 100 MiB.
    pub(crate) file: PathBuf,
    /// What it belongs to: the beginning of an id, or `vision`.
    #[arg(long, value_name = "ITEM")]
    pub(crate) to: Option<String>,
    /// What it is called; by default the file's name.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Keep it private: it never leaves your own devices.
    #[arg(long)]
    pub(crate) private: bool,
    /// Add it as it is, with the place where it was taken if it says so.
    #[arg(long)]
    pub(crate) keep_location: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Attachments {
    /// List what there is, and which devices have it.
    List,
    /// Write one into a file of yours.
    Get {
        /// The beginning of its id.
        id: String,
        /// A file that does not exist yet.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Let go of one that you added. What was said of it stays in its history, and the file where it is.
    LetGo {
        /// The beginning of its id.
        id: String,
    },
}
