//! The ways to open the home.

use betwixt_api::{ChangePassphrase, NewKeyFile, Proof, RecoveryCode, RemoveWay, Secret};

use super::upkeep::absolute;
use crate::arguments;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::ways as render;

const PRESENT: &str = "Your passphrase, as it is now: ";

pub(super) async fn change_passphrase(
    opened: &Opened,
    change: arguments::ChangePassphrase,
) -> Result<(), CommandError> {
    let terminal = opened.terminal;
    let present = proof(opened, &change.present)?;
    let new = terminal.new_passphrase(change.new_passphrase_file.as_deref())?;
    if change.leaked {
        terminal.remark(
            "Everything is encrypted anew now. That takes a while, with years of pages some minutes; other devices see \
             you as offline meanwhile. Whatever happens, the home opens with the passphrase of before or with the new one.",
        );
    }
    let working = if change.leaked { "Encrypting everything anew" } else { "Changing the passphrase" };
    let progress = terminal.progress(working);
    let request = ChangePassphrase { present, new, leaked: change.leaked };
    let changed = opened.client.change_passphrase(&request).await?;
    progress.finish_and_clear();
    terminal.result(&changed, || render::changed(terminal.style(), &changed, change.leaked))
}

pub(super) async fn recovery(opened: &Opened, recovery: arguments::Recovery) -> Result<(), CommandError> {
    let terminal = opened.terminal;
    match recovery {
        arguments::Recovery::Test { code_file } => {
            let recovery_code = terminal.passphrase(code_file.as_deref(), "Recovery code: ")?;
            let tested = opened.client.test_recovery_code(&RecoveryCode { recovery_code }).await?;
            terminal.result(&tested, || render::tested(&tested))?;
            if tested.opens {
                return Ok(());
            }
            Err(CommandError::Found { what: "that code does not open the home".into() })
        }
        arguments::Recovery::New(passphrase) => {
            let passphrase = proof(opened, &passphrase)?;
            let code = opened.client.new_recovery_code(&Proof { passphrase }).await?;
            terminal.result(&code, || render::recovery_code(terminal.style(), &code.recovery_code))
        }
    }
}

pub(super) async fn ways(opened: &Opened, command: arguments::Ways) -> Result<(), CommandError> {
    match command {
        arguments::Ways::List => {
            let ways = opened.client.ways().await?;
            opened.terminal.result(&ways, || render::list(&opened.look(), &ways))
        }
        arguments::Ways::AddKeyFile(add) => {
            let path = absolute(&add.path)?;
            let new = NewKeyFile { passphrase: proof(opened, &add.passphrase)?, path, shared_only: add.shared_only };
            let way = opened.client.add_key_file(&new).await?;
            opened.terminal.result(&way, || render::key_file(&new))
        }
        arguments::Ways::Remove { way, passphrase } => {
            let request = RemoveWay { passphrase: proof(opened, &passphrase)?, way };
            let ways = opened.client.remove_way(&request).await?;
            opened
                .terminal
                .result(&ways, || format!("Removed. What is left:\n\n{}", render::list(&opened.look(), &ways)))
        }
    }
}

/// The passphrase once more, from whoever asks for something that lasts.
fn proof(opened: &Opened, passphrase: &arguments::Passphrase) -> Result<Secret, CommandError> {
    opened.terminal.passphrase(passphrase.passphrase_file.as_deref(), PRESENT)
}
