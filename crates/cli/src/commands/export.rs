//! Exports: everything that one can read, in a file for other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use betwixt_api::{Client, Problem, ProblemKind, Secret};
use serde::Serialize;

use super::new_file::{NewFile, failed};
use crate::arguments::Export;
use crate::error::CommandError;
use crate::home::Opened;
use crate::terminal::{Terminal, printable};

/// What is said before anything is written that is not encrypted.
pub(super) const PLAIN: &str =
    "This export is not encrypted: whoever can read the file can read everything in it, your private pages too.";

/// An export that was written.
#[derive(Debug, Serialize)]
pub(super) struct Exported {
    path: String,
    bytes: u64,
    encrypted: bool,
}

pub(super) async fn export(opened: &Opened, arguments: Export) -> Result<(), CommandError> {
    if opened.status.private_locked {
        let detail = "Your private pages would not be in it.";
        return Err(Problem::new(ProblemKind::Locked, detail).into());
    }
    let file = arguments.passphrase.passphrase_file.as_deref();
    let passphrase = secret(opened.terminal, arguments.plain, file)?;
    let exported = write(&opened.client, opened.terminal, &arguments.file, passphrase).await?;
    opened.terminal.result(&exported, || exported.words())
}

/// What the export is encrypted with, if it is to be.
pub(super) fn secret(terminal: Terminal, plain: bool, file: Option<&Path>) -> Result<Option<Secret>, CommandError> {
    if plain {
        terminal.remark(PLAIN);
        return Ok(None);
    }
    terminal.remark("The export is encrypted with a passphrase of its own.");
    terminal.new_passphrase(file).map(Some)
}

/// Writes an export under a name that nothing has yet. It has that name only when it is whole and on the disk.
pub(super) async fn write(
    client: &Client,
    terminal: Terminal,
    path: &Path,
    passphrase: Option<Secret>,
) -> Result<Exported, CommandError> {
    let new = NewFile::begin(path, false)?;
    let encrypted = passphrase.is_some();
    let progress = terminal.progress("Writing the export");
    let file = new.file()?;
    let pour = async {
        let mut out = Out::new(file, passphrase).map_err(failed(path))?;
        let mut export = client.export().await?;
        while let Some(piece) = export.next().await? {
            out.write(&piece).map_err(failed(path))?;
        }
        out.end().map_err(failed(path))
    };
    // Otherwise a part of it would stay behind, and perhaps not encrypted.
    let poured = tokio::select! {
        poured = pour => poured,
        _ = tokio::signal::ctrl_c() => Err(CommandError::Stopped),
    };
    progress.finish_and_clear();
    poured?;
    let bytes = new.keep()?;
    Ok(Exported { path: path.display().to_string(), bytes, encrypted })
}

impl Exported {
    pub(super) fn words(&self) -> String {
        let path = printable(&self.path);
        let how = if self.encrypted {
            format!("It is encrypted; `age --decrypt {path}` opens it with its passphrase.")
        } else {
            "It is not encrypted: keep it where nobody else reads it.".to_owned()
        };
        format!("Wrote {path} ({} bytes). {how}", self.bytes)
    }
}

enum Out {
    Plain(BufWriter<File>),
    Encrypted(Box<StreamWriter<BufWriter<File>>>),
}

impl Out {
    fn new(file: File, passphrase: Option<Secret>) -> io::Result<Self> {
        let file = BufWriter::new(file);
        match passphrase {
            None => Ok(Self::Plain(file)),
            Some(passphrase) => {
                let passphrase = SecretString::from(passphrase.reveal().to_owned());
                let encryptor = age::Encryptor::with_user_passphrase(passphrase);
                Ok(Self::Encrypted(Box::new(encryptor.wrap_output(file)?)))
            }
        }
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(piece),
            Self::Encrypted(stream) => stream.write_all(piece),
        }
    }

    fn end(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Encrypted(stream) => stream.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}
