//! Letting frontends in, and opening the page.

use betwixt_api::{ApproveFrontend, Listen, NewFrontend, Permission, Permissions};

use crate::arguments::{self, Frontend};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::frontend as render;

pub(super) async fn frontend(opened: &Opened, frontend: Frontend) -> Result<(), CommandError> {
    let client = &opened.client;
    match frontend {
        Frontend::Add { name, scope, origin } => {
            let permissions = scope.into_iter().collect();
            let (key, new) = (super::key(), NewFrontend { name, permissions, origins: origin });
            let added = super::once(async || client.frontend_add(&key, &new).await).await?;
            let style = opened.terminal.style();
            opened.terminal.result(&added, || render::added(style, &added, &opened.status))
        }
        Frontend::List => {
            let frontends = client.frontends().await?;
            opened.terminal.result(&frontends, || render::list(&opened.look(), &frontends))
        }
        Frontend::Revoke { name } => {
            client.frontend_revoke(&name).await?;
            opened.terminal.result(&serde_json::json!({ "revoked": name }), || format!("{name} is let in no more."))
        }
        Frontend::Bridge { name, end: true } => {
            client.frontend_end_bridge(&name).await?;
            opened.terminal.result(&serde_json::json!({ "ended": name }), || format!("{name} has no bridge any more."))
        }
        Frontend::Bridge { name, end: false } => {
            let bridge = client.frontend_bridge(&name).await?;
            let style = opened.terminal.style();
            opened.terminal.result(&bridge, || render::bridge(style, &bridge))
        }
        Frontend::Approve { code, scope, yes } => approve(opened, code, scope, yes).await,
        Frontend::Listen(arguments::Listen { address, .. }) => {
            let listen = Listen { address: address.map(|address| address.to_string()) };
            let listening = client.listen(&listen).await?;
            opened.terminal.result(&listening, || match &listening.address {
                Some(address) => format!("Frontends reach Betwixt at http://{address}."),
                None => "Betwixt listens on no port; its socket stays.".into(),
            })
        }
    }
}

async fn approve(opened: &Opened, code: String, scope: Option<Vec<Permission>>, yes: bool) -> Result<(), CommandError> {
    let asked = opened.client.frontend_approve(&ApproveFrontend { code: code.clone(), permissions: None }).await?;
    let granted: Permissions = scope.map_or_else(|| asked.permissions.clone(), |scope| scope.into_iter().collect());
    if !yes {
        opened.terminal.remark(&render::asked(&asked, &granted));
        if !opened.terminal.confirm("Let it in?")? {
            return Err(CommandError::Stopped);
        }
    }
    let approved = opened.client.frontend_approve(&ApproveFrontend { code, permissions: Some(granted) }).await?;
    opened.terminal.result(&approved, || format!("{} is let in: {}.", approved.name, approved.permissions))
}

pub(super) async fn open(opened: &Opened, arguments: arguments::Open) -> Result<(), CommandError> {
    let login = opened.client.login().await?;
    // A browser that cannot be opened can be shown the file. The code is in the file alone: arguments can be read by others.
    let shown = !arguments.print && !opened.terminal.json() && open::that_detached(&login.file).is_ok();
    opened.terminal.result(&login, || {
        if shown {
            format!("Opened {} in your browser.", login.page)
        } else {
            format!("Open this file in a browser within {} seconds:\n{}", login.seconds, login.file)
        }
    })
}
