//! The ways to open a home.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Passphrase;

#[derive(Debug, Subcommand)]
pub(crate) enum PassphraseVerb {
    /// Choose a new passphrase. The one of now opens nothing any more.
    ///
    /// Asks for the passphrase of now (the recovery code does, too) and twice for the new one. Without a terminal they are
    /// read from standard input, a line each.
    #[command(
        after_help = "Examples:\n  betwixt passphrase change\n  betwixt passphrase change --leaked   somebody may know it"
    )]
    Change(ChangePassphrase),
}

#[derive(Debug, Args)]
pub(crate) struct ChangePassphrase {
    /// Somebody may know the passphrase: make new keys, too, and encrypt everything anew, daily snapshots included.
    ///
    /// It takes as long as writing everything once, and as much room again meanwhile. The recovery code and key files of
    /// before open nothing any more; a new code is shown. Copies that somebody took before still open as they did.
    #[arg(long)]
    pub(crate) leaked: bool,
    #[command(flatten)]
    pub(crate) present: Passphrase,
    /// Read the new passphrase from this file's first line instead of asking.
    #[arg(long, value_name = "PATH")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Recovery {
    /// Try whether what you wrote down opens the home. Nothing is changed by it.
    Test {
        /// Read the code from this file's first line instead of asking.
        #[arg(long, value_name = "PATH")]
        code_file: Option<PathBuf>,
    },
    /// Make a new recovery code, which is shown once. The one before opens nothing any more.
    New(Passphrase),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ways {
    /// List the ways to open the home.
    List,
    /// Make a file that opens the home, on a stick for instance. Whoever can read it can open the home.
    #[command(
        after_help = "Examples:\n  betwixt ways add-key-file /media/stick/betwixt-key\n  betwixt unlock --passphrase-file /media/stick/betwixt-key"
    )]
    AddKeyFile(AddKeyFile),
    /// Remove a way to open the home. The last one that opens everything stays.
    Remove {
        /// The beginning of its id, as listed.
        way: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddKeyFile {
    /// A file that does not exist yet, outside of the home.
    pub(crate) path: PathBuf,
    /// It opens what you share alone: devices can merge while nobody is there, and private pages stay locked.
    #[arg(long)]
    pub(crate) shared_only: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Args)]
pub(crate) struct Leave {
    /// Write an export into this file first. Its passphrase is asked for; without a terminal it is the line after the home's.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Do not encrypt the export: whoever can read the file can read everything in it, your private pages too.
    #[arg(long, requires = "export")]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A file that does not exist yet.
    pub(crate) file: PathBuf,
    /// Do not encrypt it: whoever can read the file can read everything in it, your private pages too.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}
