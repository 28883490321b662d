//! Where the home is, and getting hold of its daemon.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use betwixt_api::{Client, ClientError, LOCK_SUFFIX, Phase, SOCKET_NAME, Status, UnlockRequest};

use crate::error::CommandError;
use crate::terminal::Terminal;

/// Sets the home's directory.
pub(crate) const VARIABLE: &str = "BETWIXT_HOME";

/// What the daemon in the background writes.
const LOG_NAME: &str = "daemon.log";

/// How long the daemon may take until its socket answers. Opening a large store after a crash takes a second.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A log longer than this is begun anew when the daemon starts.
const MAX_LOG: u64 = 4 * 1024 * 1024;

/// A home's directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// The directory that `BETWIXT_HOME` names, or else the platform's.
    pub(crate) fn find() -> Result<Self, CommandError> {
        let path = match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => dirs::data_local_dir().ok_or(CommandError::NoHomeDirectory)?.join("betwixt"),
        };
        let path = std::path::absolute(&path).map_err(CommandError::io(format!("finding {}", path.display())))?;
        Ok(Self { path })
    }

    /// The home in this directory.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of a daemon in the background.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join(LOG_NAME)
    }

    /// Where its daemon's API listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET_NAME)
    }

    /// A client of its daemon, running or not.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// Whether a daemon of this home lives, also one whose socket is gone already.
    pub(crate) fn is_alive(&self) -> bool {
        let lock = File::open(self.path.join(format!("{SOCKET_NAME}{LOCK_SUFFIX}")));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Makes the directory, for its owner alone.
    pub(crate) fn make(&self) -> Result<(), CommandError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(CommandError::io(format!("making {}", self.path.display())))
    }

    /// Its daemon, started if it does not run.
    pub(crate) async fn daemon(&self, terminal: Terminal) -> Result<(Client, Status), CommandError> {
        let client = self.client();
        match client.status().await {
            Ok(status) => return Ok((client, status)),
            Err(ClientError::NotRunning { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if !self.path.is_dir() {
            return Err(CommandError::NoHome { path: self.path.clone() });
        }
        terminal.remark("Betwixt was not running; starting it in the background.");
        let status = self.start(terminal, &[]).await?;
        Ok((client, status))
    }

    /// Starts this same program as a daemon in the background and waits until it answers.
    pub(crate) async fn start(&self, terminal: Terminal, flags: &[String]) -> Result<Status, CommandError> {
        self.make()?;
        let log = self.open_log()?;
        let from = log.metadata().map_or(0, |metadata| metadata.len());
        let mut child = self.spawn(&log, flags)?;
        let client = self.client();
        let progress = terminal.progress("Starting Betwixt");
        let begun = Instant::now();
        loop {
            match client.status().await {
                Ok(status) => {
                    progress.finish_and_clear();
                    return Ok(status);
                }
                Err(ClientError::NotRunning { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let ended = child.try_wait().map_err(CommandError::io("watching the daemon"))?;
            if let Some(exit) = ended {
                // Another command may have started one in the meantime: then that one answers.
                if let Ok(status) = client.status().await {
                    return Ok(status);
                }
                let reason = last_line(&self.log(), from).unwrap_or_else(|| format!("it ended at once ({exit})"));
                return Err(CommandError::Start { reason, log: self.log() });
            }
            if begun.elapsed() > START_TIMEOUT {
                // Not ended: it may be at something long, such as rebuilding its index.
                let reason = "it does not answer yet; it may still be at work".to_owned();
                return Err(CommandError::Start { reason, log: self.log() });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn spawn(&self, log: &File, flags: &[String]) -> Result<Child, CommandError> {
        let program = std::env::current_exe().map_err(CommandError::io("finding this program"))?;
        let copy = || log.try_clone().map(Stdio::from).map_err(CommandError::io("opening the log"));
        Command::new(program)
            .args(["up", "--background"])
            .args(flags)
            .env(VARIABLE, &self.path)
            .current_dir(&self.path)
            .stdin(Stdio::null())
            .stdout(copy()?)
            .stderr(copy()?)
            .spawn()
            .map_err(CommandError::io("starting the daemon"))
    }

    /// Takes away what a home that was left has of this program's own: the log, texts of an editor that was killed, what
    /// says that a daemon lives; then the directory, if nothing else is in it.
    pub(crate) fn take_away(&self) {
        // What stays holds nothing that was written.
        let _ = fs::remove_file(self.log());
        crate::editor::sweep(&self.path);
        let _ = fs::remove_file(self.path.join(format!("{SOCKET_NAME}{LOCK_SUFFIX}")));
        let _ = fs::remove_dir(&self.path);
    }

    /// Opens the log, begun anew if it has become too long. A service's daemon calls this for that alone: its output goes
    /// there already.
    pub(crate) fn open_log(&self) -> Result<File, CommandError> {
        let path = self.log();
        let too_long = fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG);
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let log = options.open(&path).map_err(CommandError::io(format!("opening {}", path.display())))?;
        if too_long {
            log.set_len(0).map_err(CommandError::io(format!("emptying {}", path.display())))?;
        }
        Ok(log)
    }
}

/// The last line that was written to the log since it had this length.
fn last_line(log: &Path, from: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut text = String::new();
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

/// A daemon with an open home behind it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) status: Status,
    pub(crate) terminal: Terminal,
    pub(crate) home: Home,
}

impl Opened {
    /// The daemon, started if needed, whatever its home is like: for what mends one.
    pub(crate) async fn in_any_phase(terminal: Terminal) -> Result<Self, CommandError> {
        let home = Home::find()?;
        home.make()?;
        let (client, status) = home.daemon(terminal).await?;
        Ok(Self { client, status, terminal, home })
    }

    /// The daemon, started if needed, with its home unlocked: somebody at a terminal is asked for the passphrase.
    pub(crate) async fn get(terminal: Terminal) -> Result<Self, CommandError> {
        let home = Home::find()?;
        let (client, status) = home.daemon(terminal).await?;
        let status = match status.phase {
            Phase::New => return Err(CommandError::NoHome { path: home.path().to_owned() }),
            // The daemon says what is locked, to whoever cannot be asked.
            Phase::Locked if terminal.asks() => {
                terminal.remark("The home is locked.");
                let passphrase = terminal.passphrase(None, "Passphrase: ")?;
                let progress = terminal.progress("Opening the home");
                let status = client.unlock(&UnlockRequest { passphrase }).await?;
                progress.finish_and_clear();
                status
            }
            Phase::Locked | Phase::Open => status,
        };
        Ok(Self { client, status, terminal, home })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_log_is_for_its_owner_alone_and_gives_the_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path().join("home"));
        home.make().expect("makes");
        home.open_log().expect("opens");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(home.path()), mode(&home.log())), (0o700, 0o600));
        fs::write(home.log(), "before\nINFO begins\nerror: the disk is full\n\n").expect("writes");
        assert_eq!(last_line(&home.log(), 7).as_deref(), Some("the disk is full"));
        assert_eq!(last_line(&home.log(), 1000), None);
    }
}
