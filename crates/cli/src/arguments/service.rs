//! Betwixt in the system: as a service, its log, completions and manual pages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Install it for this home and start it: with systemd (Linux) or launchd (macOS), for you alone.
    ///
    /// A home that is locked stays locked until `betwixt unlock`.
    Install,
    /// Stop and remove it. The home stays as it is.
    Uninstall,
    /// Say whether it is installed and running.
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on showing what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many lines to begin with.
    #[arg(long, short = 'n', default_value_t = 50, value_name = "LINES")]
    pub(crate) lines: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The directory to write them to: one page a command, with everything beneath it.
    pub(crate) directory: PathBuf,
}
