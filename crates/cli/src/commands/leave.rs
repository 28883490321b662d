//! Leaving: alone, offline, quiet, immediate.

use std::time::Duration;

use betwixt_api::{Phase, Proof, UnlockRequest};

use super::export;

use crate::arguments::Leave;
use crate::error::CommandError;
use crate::home::Home;
use crate::terminal::Terminal;

/// What has to be typed, so that nobody leaves by a slip.
const WORD: &str = "leave";

/// How long the daemon may take to go.
const GOING: Duration = Duration::from_secs(20);

const WHAT_IT_IS: &str = "\
Leaving destroys the keys of this home and takes away everything in it, on this device. It cannot be undone.
Nobody is told. To your partner's device this one looks offline, as after `betwixt down`.
What it cannot do:
  What your partner's device holds of what you share stays there.
  Another device of your own keeps what it has; leave on it, too, if you want that.
  Backups and exports that lie elsewhere stay, and open with the passphrase of their day.
  A disk may keep old blocks for a while. They are encrypted by the keys that are gone.
To look offline for a while instead, and keep everything: betwixt pause.";

pub(super) async fn leave(terminal: Terminal, leave: Leave) -> Result<(), CommandError> {
    let home = Home::find()?;
    let (client, status) = home.daemon(terminal).await?;
    if status.phase == Phase::New {
        return Err(CommandError::NoHome { path: home.path().to_owned() });
    }
    terminal.remark(WHAT_IT_IS);
    let passphrase = terminal.passphrase(leave.passphrase.passphrase_file.as_deref(), "Your passphrase: ")?;
    let export = match &leave.export {
        Some(path) => Some((path, export::secret(terminal, leave.plain, None)?)),
        None => {
            terminal.remark("No export is written; `betwixt leave --export FILE` does that first.");
            None
        }
    };
    if terminal.ask(&format!("Type {WORD} to leave, anything else to stay:"))?.to_lowercase() != WORD {
        return Err(CommandError::Stopped);
    }
    if let Some((path, secret)) = export {
        if status.phase == Phase::Locked || status.private_locked {
            client.unlock(&UnlockRequest { passphrase: passphrase.clone() }).await?;
        }
        let exported = export::write(&client, terminal, path, secret).await?;
        terminal.remark(&exported.words());
    }
    let progress = terminal.progress("Leaving");
    let left = client.leave(&Proof { passphrase }).await?;
    let gone = async {
        while home.is_alive() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = tokio::time::timeout(GOING, gone).await;
    progress.finish_and_clear();
    if ended.is_err() {
        let what = "The keys are gone, and Betwixt has not ended yet: what is in its memory goes when it does";
        return Err(CommandError::Daemon(what.into()));
    }
    home.take_away();
    terminal.result(&left, || {
        let mut text = "You have left. The keys of this home are gone, and nothing can read what it held.".to_owned();
        if !left.left_over.is_empty() {
            text.push_str("\nThese files could not be removed; without the keys they say nothing to anybody:");
            for path in &left.left_over {
                text.push_str(&format!("\n  {}", crate::terminal::printable(path)));
            }
        }
        text
    })
}
