//! Which peers there are, how each is installed, and what their figures mean.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::Value;
use tokio::process::Command;

use super::host::Host;
use super::syncthing::{self, Syncthing};
use crate::peers::npm;

/// The scripts and what they need, embedded, so that the installed copy is always this version's.
const FILES: [(&str, &str); 6] = [
    ("package.json", include_str!("../../peers/compare/package.json")),
    ("package-lock.json", include_str!("../../peers/compare/package-lock.json")),
    ("host.mjs", include_str!("../../peers/compare/host.mjs")),
    ("automerge-repo.mjs", include_str!("../../peers/compare/automerge-repo.mjs")),
    ("yjs.mjs", include_str!("../../peers/compare/yjs.mjs")),
    ("pouchdb.mjs", include_str!("../../peers/compare/pouchdb.mjs")),
];

/// A sync engine that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Two daemons.
    Betwixt,
    /// samod 0.16.
    Samod,
    /// automerge-repo 2.5, in JavaScript.
    AutomergeRepo,
    /// Yjs with y-websocket 2 and y-leveldb.
    Yjs,
    /// PouchDB with express-pouchdb.
    Pouchdb,
    /// Syncthing over Markdown files.
    Syncthing,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Betwixt => "Betwixt",
            Self::Samod => "samod 0.16",
            Self::AutomergeRepo => "automerge-repo 2.5 (JS)",
            Self::Yjs => "Yjs, y-websocket 2, y-leveldb",
            Self::Pouchdb => "PouchDB 9, express-pouchdb 4",
            Self::Syncthing => "Syncthing, a file an entry",
        }
    }

    /// How long a person has rested between two edits, where the peer gathers what comes sooner.
    pub(super) fn rest(self) -> Duration {
        match self {
            Self::AutomergeRepo => Duration::from_millis(120),
            _ => Duration::from_millis(20),
        }
    }

    /// Whether it tells that what came is with its storage.
    pub(super) fn tells_saved(self) -> bool {
        !matches!(self, Self::Samod)
    }

    /// What its figures mean: what is durable when it says that it is, and what it gathers.
    pub(super) fn means(self) -> &'static str {
        match self {
            Self::Betwixt => {
                "an edit is answered, and told to the other, after an fdatasync; each fact is signed, every file encrypted"
            }
            Self::Samod => {
                "a document a year; files without fsync, written after the edit is told; it does not tell when; no encryption, no \
                 signatures"
            }
            Self::AutomergeRepo => {
                "a document a year; files without fsync, and what changes is sent at most every 100 ms, so edits come 120 ms \
                 apart; documents are loaded whole; no encryption, no signatures"
            }
            Self::Yjs => {
                "a document a year; LevelDB without fsync, written after the edit is told; no history is kept of what was \
                 replaced; its server lets go of a document when the last client leaves, and answers the next before it has loaded \
                 it again, so all of it goes over anew; one side is a server that sees everything"
            }
            Self::Pouchdb => {
                "a document an entry; LevelDB without fsync, told after it is written; a new device gets the oldest first; of two edits \
                 made apart one wins: that of what was changed oftener, or the greater hash"
            }
            Self::Syncthing => {
                "a file an entry, since a file a month would conflict whenever both wrote; files are synced to the disk (fsync) before they have their \
                 name; told at once that a file changed, where by itself it looks after ten seconds; between TLS devices"
            }
        }
    }

    /// Makes ready what two of it need; `Err` says why it cannot be had here, and how to get it.
    pub(super) async fn prepare(self, homes: [&Path; 2]) -> anyhow::Result<Result<Installed, String>> {
        for home in homes {
            std::fs::create_dir_all(home)?;
        }
        let script = |name: &str| {
            let name = name.to_owned();
            npm::install("compare", &FILES).map(|found| found.map(|at| Installed::Script(at.join(name))))
        };
        match self {
            Self::Betwixt => anyhow::bail!("ours is measured by itself"),
            Self::Samod if cfg!(feature = "peers") => Ok(Ok(Installed::Samod)),
            Self::Samod => Ok(Err("build with `--features peers`, as `cargo xtask bench` does".into())),
            Self::AutomergeRepo => script("automerge-repo.mjs"),
            Self::Yjs => script("yjs.mjs"),
            Self::Pouchdb => script("pouchdb.mjs"),
            Self::Syncthing => {
                let found = Command::new("syncthing").arg("--version").stdin(Stdio::null()).output().await;
                if !found.is_ok_and(|output| output.status.success()) {
                    return Ok(Err("syncthing is not here: on Debian, `apt-get install syncthing`".into()));
                }
                syncthing::prepare(homes).await?;
                Ok(Ok(Installed::Syncthing))
            }
        }
    }
}

/// How one of a peer's two is started.
#[derive(Debug, Clone)]
pub(super) enum Installed {
    Samod,
    Script(PathBuf),
    Syncthing,
}

impl Installed {
    pub(super) async fn start(&self, home: &Path) -> anyhow::Result<Side> {
        let command = match self {
            Self::Syncthing => return Ok(Side::Syncthing(Syncthing::start(home).await?)),
            Self::Samod => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve-samod").arg(home);
                command
            }
            Self::Script(script) => {
                let mut command = Command::new("node");
                command.arg(script).arg(home);
                command
            }
        };
        let log = std::fs::File::options().create(true).append(true).open(home.join("printed.txt"))?;
        let mut command = command;
        command.stderr(log);
        Ok(Side::Host(Host::start(command).await?))
    }
}

/// One of a peer's two, running; it ends with this value.
#[derive(Debug)]
pub(super) enum Side {
    Host(Host),
    Syncthing(Syncthing),
}

impl Side {
    pub(super) async fn ask(&mut self, asked: &str, given: Value, patience: Duration) -> anyhow::Result<Value> {
        match self {
            Self::Host(host) => host.ask(asked, given, patience).await,
            Self::Syncthing(syncthing) => syncthing.ask(asked, &given, patience).await,
        }
    }

    pub(super) async fn told(&mut self, what: &str, text: &str, patience: Duration) -> anyhow::Result<()> {
        match self {
            Self::Host(host) => host.told(what, text, patience).await,
            Self::Syncthing(syncthing) => syncthing.told(text, patience).await,
        }
    }

    pub(super) fn process(&self) -> anyhow::Result<u32> {
        match self {
            Self::Host(host) => host.process(),
            Self::Syncthing(syncthing) => syncthing.process(),
        }
    }

    pub(super) async fn stop(self, patience: Duration) -> anyhow::Result<()> {
        match self {
            Self::Host(host) => host.stop(patience).await,
            Self::Syncthing(syncthing) => syncthing.stop().await,
        }
        .context("it is asked to end")
    }
}
