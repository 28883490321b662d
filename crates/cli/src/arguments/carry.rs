//! Carrying by hand.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Carry {
    /// Write what a device lacks, since the two last met, into a file that it alone can read.
    ///
    /// The device is your partner's, or another one of yours, which gets your private pages, too. Nothing is changed by it:
    /// what went into a file goes into the next one again, until the devices meet or a file comes back.
    #[command(
        after_help = "Examples:\n  betwixt carry export --for \"Kim's laptop\" /media/stick/for-kim\n  betwixt carry export --for phone for-phone --everything"
    )]
    Export(CarryExport),
    /// Take in a file that another device wrote for this one.
    #[command(after_help = "Example:\n  betwixt carry import /media/stick/for-robin")]
    Import {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CarryExport {
    /// The device that it is for: its id, the beginning of it, or its name, as `betwixt devices` lists them.
    #[arg(long = "for", value_name = "DEVICE")]
    pub(crate) device: String,
    /// A file that does not exist yet.
    pub(crate) file: PathBuf,
    /// Write everything, whatever the device is known to have: when a file was refused because something before it was missing.
    #[arg(long)]
    pub(crate) everything: bool,
    /// Leave private pages out, in a file for a device of your own.
    #[arg(long)]
    pub(crate) shared_only: bool,
    /// Replace the file, if there is one.
    #[arg(long)]
    pub(crate) overwrite: bool,
}
