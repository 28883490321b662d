//! Frontends that are let in, or ask to be.

use betwixt_api::{AddedFrontend, Frontend, FrontendBridge, NewFrontend, Permission, Permissions, Status};

use super::{Look, rows};
use crate::terminal::{Style, printable};

/// One was let in.
pub(crate) fn added(style: Style, added: &AddedFrontend, status: &Status) -> String {
    let mut text = format!(
        "{} may {}.\n\nToken: {}\nIt is shown only now. Whoever has it can do all this.",
        printable(&added.frontend.name),
        added.frontend.permissions,
        style.bold(added.token.reveal()),
    );
    if !status.paired && !added.frontend.permissions.has(Permission::Private) {
        text.push_str(
            "\n\nIt sees what is shared, and before you are paired nothing is. With `private` among its permissions it sees your \
             own pages, too.",
        );
    }
    match &status.http {
        Some(address) => text.push_str(&format!(
            "\n\nTry it:\n  curl -H \"Authorization: Bearer TOKEN\" http://{}/v1/goals",
            printable(address)
        )),
        None => text.push_str("\n\nBetwixt listens on no port yet: betwixt frontend listen 127.0.0.1:4714"),
    }
    text
}

/// One has a bridge.
pub(crate) fn bridge(style: Style, bridge: &FrontendBridge) -> String {
    format!(
        "The Automerge of {} may {}.\n\nURL: {}\nIt is shown only now. Whoever has it can do all this.\n\n\
         The documents that it opens there: GET /v1/documents. See docs/bridge.md.",
        printable(&bridge.frontend.name),
        bridge.frontend.permissions,
        style.bold(bridge.url.reveal()),
    )
}

/// All that are let in.
pub(crate) fn list(look: &Look, frontends: &[Frontend]) -> String {
    if frontends.is_empty() {
        return "No frontend is let in. `betwixt frontend add NAME` lets one in.".into();
    }
    let mut table = look.table(["NAME", "MAY", "PAGES FROM", "LET IN", "LAST USED"]);
    for frontend in frontends {
        table.add_row([
            printable(&frontend.name),
            if frontend.bridge {
                format!("{}; bridge", frontend.permissions)
            } else {
                frontend.permissions.to_string()
            },
            if frontend.page { "betwixt open".to_owned() } else { printable(&frontend.origins.join(" ")) },
            printable(&frontend.added),
            frontend.last_used.as_deref().map_or_else(|| "never".to_owned(), printable),
        ]);
    }
    rows(&table)
}

/// One asks to be let in.
pub(crate) fn asked(asked: &NewFrontend, granted: &Permissions) -> String {
    let mut text = format!("A frontend that calls itself {} asks to: {}.", printable(&asked.name), asked.permissions);
    if *granted != asked.permissions {
        text.push_str(&format!("\nYou would grant: {granted}."));
    }
    if !asked.origins.is_empty() {
        text.push_str(&format!("\nIts pages come from: {}.", printable(&asked.origins.join(" "))));
    }
    text
}
