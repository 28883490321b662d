//! One partner of the demo: a home, a daemon as a process of its own, and a client of it.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use betwixt_api::{Client, ClientError, InitRequest, Secret};

use crate::error::CommandError;
use crate::home::{Home, VARIABLE};

/// How long a daemon may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often is looked whether something is so by now.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A partner. Their daemon is killed when this is dropped; [`Partner::end`] asks it first.
#[derive(Debug)]
pub(super) struct Partner {
    name: &'static str,
    home: Home,
    client: Client,
    /// None in a rehearsal, where somebody else answers on the socket.
    daemon: Option<Child>,
}

impl Partner {
    /// Starts the daemon and founds the home.
    pub(super) async fn begin(
        name: &'static str,
        device: &str,
        path: PathBuf,
        passphrase: &str,
    ) -> Result<Self, CommandError> {
        let home = Home::at(path);
        home.make()?;
        let log = std::fs::File::create(home.log()).map_err(CommandError::io("making a log"))?;
        let copy = log.try_clone().map_err(CommandError::io("making a log"))?;
        let program = std::env::current_exe().map_err(CommandError::io("finding this program"))?;
        let daemon = Command::new(program)
            .args(["up", "--listen", "127.0.0.1:0", "--no-discovery", "--with-parent"])
            .env(VARIABLE, home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::from(copy))
            .stderr(Stdio::from(log))
            // Ctrl-C is for the demo, which ends its daemons in order.
            .process_group(0)
            .spawn()
            .map_err(CommandError::io("starting a daemon"))?;
        let mut partner = Self { name, client: home.client(), home, daemon: Some(daemon) };
        partner.wait_until_it_answers().await?;
        let request = InitRequest {
            name: name.to_owned(),
            device: device.to_owned(),
            passphrase: Secret::from(passphrase.to_owned()),
        };
        partner.client.init(&request).await?;
        Ok(partner)
    }

    /// A partner for whom somebody answers in this home already.
    #[cfg(test)]
    pub(super) fn rehearsing(name: &'static str, path: PathBuf) -> Self {
        let home = Home::at(path);
        Self { name, client: home.client(), home, daemon: None }
    }

    fn has_ended(&mut self) -> Result<bool, CommandError> {
        let Some(daemon) = &mut self.daemon else { return Ok(true) };
        Ok(daemon.try_wait().map_err(CommandError::io("watching a daemon"))?.is_some())
    }

    async fn wait_until_it_answers(&mut self) -> Result<(), CommandError> {
        let begun = Instant::now();
        loop {
            match self.client.status().await {
                Ok(_) => return Ok(()),
                Err(ClientError::NotRunning { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if self.has_ended()? || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.home.log()).unwrap_or_default();
                let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
                let reason = format!("{}'s daemon does not answer: {last}", self.name);
                return Err(CommandError::Start { reason, log: self.home.log() });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The partner's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The partner's home.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// The daemon.
    pub(super) fn api(&self) -> &Client {
        &self.client
    }

    /// Ends the daemon and waits until it is gone.
    pub(super) async fn end(mut self) -> Result<(), CommandError> {
        // One that went already, by `betwixt down` in another terminal, is as good.
        match self.client.down().await {
            Ok(()) | Err(ClientError::NotRunning { .. } | ClientError::Disconnected(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let begun = Instant::now();
        while !self.has_ended()? {
            if begun.elapsed() > PATIENCE {
                return Err(CommandError::Found { what: format!("{}'s daemon did not end when asked to", self.name) });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // Does nothing to one that has ended.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
