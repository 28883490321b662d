//! Making a home, opening and closing it, and its daemon's coming and going.

use std::time::Duration;

use betwixt_api::{ClientError, InitRequest, LockAfter, Phase, Status, UnlockRequest};

use crate::arguments::{Init, Lock, Passphrase, Up};
use crate::error::CommandError;
use crate::home::Home;
use crate::render::{Look, household};
use crate::terminal::{Terminal, printable};
use crate::values::show_minutes;

/// How long a daemon may take to go: it finishes what it was asked, and closes its store, whose file it may write anew.
const DOWN_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn init(terminal: Terminal, init: Init) -> Result<(), CommandError> {
    let home = Home::find()?;
    home.make()?;
    let (client, status) = home.daemon(terminal).await?;
    if status.phase != Phase::New {
        let problem = betwixt_api::ProblemKind::AlreadySetUp;
        let detail = format!("{} holds one. Look with `betwixt status`.", home.path().display());
        return Err(betwixt_api::Problem::new(problem, detail).into());
    }
    let name = match init.name {
        Some(name) => name,
        None => terminal.ask("What name do you go by? Your partner will see it:")?,
    };
    let suggested = device_name();
    let device = match init.device {
        Some(device) => device,
        None if terminal.asks() => {
            let answer = terminal.ask(&format!("What is this device called? [{}]", printable(&suggested)))?;
            if answer.is_empty() { suggested } else { answer }
        }
        None => suggested,
    };
    let passphrase = terminal.new_passphrase(init.passphrase.passphrase_file.as_deref())?;
    let progress = terminal.progress("Making the home");
    let made = client.init(&InitRequest { name, device, passphrase }).await?;
    progress.finish_and_clear();
    terminal.result(&made, || {
        let mut text = format!("Made a home in {}.\n", home.path().display());
        if let Some(code) = &made.recovery_code {
            text.push_str(&format!(
                "\nRecovery code: {}\nWrite it down and keep it somewhere safe: it opens the home when the passphrase is lost.\nIt is shown only now.\n",
                terminal.style().bold(code.reveal())
            ));
        }
        text.push_str("\nNow write something (betwixt vision edit), or pair with your partner (betwixt pair).");
        text
    })
}

/// What this machine is called, for a suggestion only.
fn device_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "localhost" { "this device".into() } else { name }
}

pub(super) async fn up(terminal: Terminal, up: Up) -> Result<(), CommandError> {
    let home = Home::find()?;
    if up.detach {
        if let Ok(status) = home.client().status().await {
            return terminal.result(&status, || "Betwixt is running already.".to_owned());
        }
        let mut flags = Vec::new();
        if let Some(listen) = up.listen {
            flags.extend(["--listen".to_owned(), listen.to_string()]);
        }
        if let Some(http) = up.http {
            flags.extend(["--http".to_owned(), http.to_string()]);
        }
        if up.no_discovery {
            flags.push("--no-discovery".to_owned());
        }
        let status = home.start(terminal, &flags).await?;
        return terminal.result(&status, || {
            let next = match status.phase {
                Phase::New => "There is no home yet: betwixt init",
                Phase::Locked => "The home is locked: betwixt unlock",
                Phase::Open => "The home is open.",
            };
            format!("Betwixt runs in the background (process {}). {next}", status.process)
        });
    }
    home.make()?;
    home.open_log()?;
    if up.background {
        // Away from the terminal that started it, so that closing that does not end it.
        rustix::process::setsid().map_err(|error| CommandError::io("leaving the terminal")(error.into()))?;
    } else if up.with_parent {
        end_with_parent()?;
    } else {
        terminal.remark(&format!("Betwixt runs for {}. Ctrl-C ends it.", home.path().display()));
    }
    let (listen, http, discovery) = (up.listen, up.http, !up.no_discovery);
    let options = betwixt_daemon::Options { home: home.path().to_owned(), listen, http, discovery };
    betwixt_daemon::run(options).await.map_err(|error| CommandError::Daemon(format!("{error:#}")))
}

/// Also when the parent is killed, and could not end this process first.
#[cfg(target_os = "linux")]
fn end_with_parent() -> Result<(), CommandError> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| CommandError::io("watching the parent process")(error.into()))
}

/// Elsewhere the parent alone sees to it.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> Result<(), CommandError> {
    Ok(())
}

pub(super) async fn down(terminal: Terminal) -> Result<(), CommandError> {
    let home = Home::find()?;
    let client = home.client();
    match client.down().await {
        Ok(()) => {}
        Err(ClientError::NotRunning { .. }) => {
            return terminal.result(&serde_json::json!({ "running": false }), || "Betwixt was not running.".into());
        }
        Err(error) => return Err(error.into()),
    }
    let progress = terminal.progress("Closing the home");
    // The socket goes before the store is closed; only after that can the next one begin.
    let gone = async {
        while home.is_alive() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(DOWN_TIMEOUT, gone).await;
    progress.finish_and_clear();
    if waited.is_err() {
        return Err(CommandError::Daemon("Betwixt is still closing the home; it was asked to end".into()));
    }
    terminal.result(&serde_json::json!({ "running": false }), || "Betwixt has ended.".into())
}

pub(super) async fn status(terminal: Terminal) -> Result<(), CommandError> {
    let (_, status) = Home::find()?.daemon(terminal).await?;
    show(terminal, &status)
}

pub(super) async fn unlock(terminal: Terminal, passphrase: Passphrase) -> Result<(), CommandError> {
    let (client, status) = Home::find()?.daemon(terminal).await?;
    if status.phase == Phase::Open && !status.private_locked {
        return terminal.result(&status, || "The home is open already.".into());
    }
    let passphrase = terminal.passphrase(passphrase.passphrase_file.as_deref(), "Passphrase: ")?;
    let progress = terminal.progress("Opening the home");
    let status = client.unlock(&UnlockRequest { passphrase }).await?;
    progress.finish_and_clear();
    terminal.result(&status, || "The home is open.".into())
}

pub(super) async fn lock(terminal: Terminal, lock: &Lock) -> Result<(), CommandError> {
    let (client, _) = Home::find()?.daemon(terminal).await?;
    let (status, text) = match (lock.after, lock.never) {
        (None, false) => (client.lock().await?, "Your private pages are locked.".to_owned()),
        (None, true) => {
            let status = client.lock_after(LockAfter { seconds: None }).await?;
            (status, "Your private pages stay open until you lock them.".to_owned())
        }
        (Some(minutes), _) => {
            let status = client.lock_after(LockAfter { seconds: Some(minutes * 60) }).await?;
            (status, format!("Your private pages lock after {} without use.", show_minutes(minutes)))
        }
    };
    terminal.result(&status, || text)
}

pub(super) async fn pause(terminal: Terminal, pause: bool) -> Result<(), CommandError> {
    let (client, _) = Home::find()?.daemon(terminal).await?;
    let status = if pause { client.pause().await? } else { client.resume().await? };
    terminal.result(&status, || {
        let text = if pause { "Paused: to others you look offline. `betwixt resume` ends it." } else { "Back again." };
        text.into()
    })
}

fn show(terminal: Terminal, status: &Status) -> Result<(), CommandError> {
    let look = Look::new(status, terminal.style(), terminal.width());
    terminal.result(status, || household::status(&look, status))
}
