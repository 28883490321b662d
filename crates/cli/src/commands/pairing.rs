//! Pairing, as two people do it with a terminal each.

use std::time::Duration;

use betwixt_api::{ConfirmPairing, EnterCode, Pairing, Purpose, Secret, StartPairing};

use crate::arguments::Pair;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::household;
use crate::terminal::printable;

/// How often the daemon is asked how far it is.
const ASK_AGAIN: Duration = Duration::from_millis(250);

pub(super) async fn pair(opened: &Opened, pair: Pair) -> Result<(), CommandError> {
    let purpose = match (pair.own_device, pair.give_back) {
        (true, _) => Purpose::OwnDevice,
        (false, true) => Purpose::GiveBack,
        (false, false) => Purpose::Partner,
    };
    let first = if pair.enter {
        let code = Secret::from(opened.terminal.ask("The code that the other device shows:")?);
        let addresses = pair.at.iter().map(ToString::to_string).collect();
        let recovery_code = match purpose {
            Purpose::GiveBack => Some(
                opened
                    .terminal
                    .passphrase(pair.recovery_code_file.as_deref(), "Recovery code of a device that you lost: ")?,
            ),
            Purpose::Partner | Purpose::OwnDevice => None,
        };
        opened.client.pairing_enter(&EnterCode { code, purpose, addresses, recovery_code }).await?
    } else {
        opened.client.pairing_start(&StartPairing { purpose }).await?
    };
    tokio::select! {
        result = follow(opened, first, &pair, purpose) => result,
        _ = tokio::signal::ctrl_c() => {
            // Ends by itself after five minutes, should this not arrive.
            let _ = opened.client.pairing_cancel().await;
            Err(CommandError::Stopped)
        }
    }
}

async fn follow(opened: &Opened, first: Pairing, pair: &Pair, purpose: Purpose) -> Result<(), CommandError> {
    let terminal = opened.terminal;
    let mut state = first;
    let mut shown = None;
    let mut noticed = None;
    let progress = terminal.progress("");
    loop {
        match &state {
            Pairing::Offering { code, qr, addresses, expires_in, notice } => {
                if shown.as_ref() != Some(code) {
                    let text = offer(opened, purpose, code, qr, addresses);
                    progress.suspend(|| terminal.print(&text))?;
                    shown = Some(code.clone());
                }
                tell(opened, &progress, &mut noticed, notice);
                progress.set_message(format!(
                    "Waiting for the other device (the code holds for {}:{:02})",
                    expires_in / 60,
                    expires_in % 60
                ));
            }
            Pairing::Searching { notice } => {
                tell(opened, &progress, &mut noticed, notice);
                progress.set_message("Looking for the other device");
            }
            Pairing::Asking { question, purpose: asked, .. } => {
                progress.finish_and_clear();
                let yes = terminal.confirm(&printable(question))?;
                let passphrase = match asked {
                    // Whoever shows the code lets the other hold their private pages.
                    Purpose::OwnDevice if yes && !pair.enter => {
                        Some(terminal.passphrase(pair.passphrase.passphrase_file.as_deref(), "Your passphrase: ")?)
                    }
                    _ => None,
                };
                state = opened.client.pairing_confirm(&ConfirmPairing { yes, passphrase }).await?;
                if !yes {
                    return Err(CommandError::Pairing { reason: "You said that it is not so.".into() });
                }
                continue;
            }
            Pairing::AwaitingOther => progress.set_message("Waiting for the yes on the other device"),
            Pairing::Paired { .. } => {
                progress.finish_and_clear();
                return terminal.result(&state, || done(&state, purpose, pair.enter));
            }
            Pairing::Failed { reason } => return Err(CommandError::Pairing { reason: printable(reason) }),
            Pairing::Idle => return Err(CommandError::Pairing { reason: "Pairing was ended.".into() }),
        }
        tokio::time::sleep(ASK_AGAIN).await;
        state = opened.client.pairing().await?;
    }
}

fn done(state: &Pairing, purpose: Purpose, entered: bool) -> String {
    let Pairing::Paired { partner, device_name, .. } = state else { return String::new() };
    match purpose {
        Purpose::Partner => format!(
            "Paired with {} ({}).\nWhat you wrote before is still private; `betwixt bring` shares what you choose.",
            printable(&partner.name),
            printable(device_name)
        ),
        Purpose::OwnDevice => format!(
            "This device and \"{}\" are both yours now, and will hold the same, your private pages included.",
            printable(device_name)
        ),
        Purpose::GiveBack if entered => format!(
            "\"{}\" gives back what you share; it comes now. Three things to do:\n\
             - remove the devices that you lost, for somebody may have them: betwixt devices, betwixt devices remove\n\
             - let this device's own recovery code bring you back, too: betwixt recovery test\n\
             - private pages come back from a backup alone, if you have one: betwixt restore in another home",
            printable(device_name)
        ),
        Purpose::GiveBack => {
            format!("\"{}\" is {}'s now, and gets what you share.", printable(device_name), printable(&partner.name))
        }
    }
}

fn tell(opened: &Opened, progress: &indicatif::ProgressBar, noticed: &mut Option<String>, notice: &Option<String>) {
    if notice.is_some() && notice != noticed {
        progress.suspend(|| opened.terminal.remark(&printable(notice.as_deref().unwrap_or_default())));
        noticed.clone_from(notice);
    }
}

fn offer(opened: &Opened, purpose: Purpose, code: &Secret, qr: &Secret, addresses: &[String]) -> String {
    if opened.terminal.json() {
        return serde_json::json!({ "state": "offering", "code": code, "qr": qr, "addresses": addresses }).to_string();
    }
    let mut text = String::new();
    if let Some(blocks) = household::qr(qr.reveal()) {
        text.push_str(&blocks);
        text.push('\n');
    }
    let (wherever, enter) = match purpose {
        Purpose::Partner => ("On the other device, in the same room", "betwixt pair --enter"),
        Purpose::OwnDevice => (
            "On your new device, after `betwixt init` and before anything is written there",
            "betwixt pair --own-device --enter",
        ),
        Purpose::GiveBack => (
            "On your partner's new device, after `betwixt init` and before anything is written there",
            "betwixt pair --give-back --enter",
        ),
    };
    let code = opened.terminal.style().bold(&printable(code.reveal()));
    text.push_str(&format!("\nCode: {code}\n\n{wherever}: {enter}\n"));
    if let Some(address) = addresses.first() {
        text.push_str(&format!("If it does not find this one: {enter} --at {}\n", printable(address)));
    }
    text
}
