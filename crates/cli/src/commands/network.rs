//! Devices, where they are, and meeting them.

use betwixt_api::{AddressRequest, Level};

use crate::arguments::{Devices, Peer};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::{household, upkeep};
use crate::terminal::printable;

pub(super) async fn devices(opened: &Opened, change: Option<Devices>) -> Result<(), CommandError> {
    let devices = match change {
        None => opened.client.devices().await?,
        Some(Devices::Rename { device, name }) => opened.client.device_rename(&device, &name).await?,
        Some(Devices::Remove { device, yes }) => {
            let question = format!(
                "Remove {}? It keeps what it holds by now: nobody can take that back. It gets nothing more, what is said on it \
                 from now on counts for nothing, and it never returns. Your partner sees that it was removed.",
                printable(&device)
            );
            if !yes && !opened.terminal.confirm(&question)? {
                return Err(CommandError::Stopped);
            }
            opened.client.device_remove(&device).await?
        }
    };
    opened.terminal.result(&devices, || household::devices(&opened.look(), &devices))
}

pub(super) async fn peer(opened: &Opened, peer: Peer) -> Result<(), CommandError> {
    let request = |address: std::net::SocketAddr| AddressRequest { address: address.to_string() };
    let addresses = match peer {
        Peer::Add { address } => opened.client.address_add(&request(address)).await?,
        Peer::Remove { address } => opened.client.address_remove(&request(address)).await?,
        Peer::List => opened.client.addresses().await?,
    };
    opened.terminal.result(&addresses, || household::addresses(&opened.look(), &addresses))
}

pub(super) async fn here(opened: &Opened) -> Result<(), CommandError> {
    let here = opened.client.here().await?;
    opened
        .terminal
        .result(&here, || format!("Your devices can find this one on this network for {} minutes.", here.minutes))
}

pub(super) async fn sync(opened: &Opened) -> Result<(), CommandError> {
    let progress = opened.terminal.progress("Meeting the other devices");
    let report = opened.client.sync().await?;
    progress.finish_and_clear();
    opened.terminal.result(&report, || household::sync(&report))
}

pub(super) async fn doctor(opened: &Opened) -> Result<(), CommandError> {
    let progress = opened.terminal.progress("Looking");
    let findings = opened.client.doctor().await?;
    progress.finish_and_clear();
    opened.terminal.result(&findings, || upkeep::doctor(&opened.look(), &findings))?;
    match findings.iter().filter(|finding| finding.level == Level::Trouble).count() {
        0 => Ok(()),
        1 => Err(CommandError::Found { what: "one thing keeps something from working".into() }),
        more => Err(CommandError::Found { what: format!("{more} things keep something from working") }),
    }
}
