//! Frontends: programs and pages that are let in.

use std::net::SocketAddr;

use betwixt_api::Permission;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Frontend {
    /// Let a frontend in, and print its token. The token is shown only this once.
    ///
    /// It goes into the header `Authorization: Bearer TOKEN` of every request.
    #[command(
        after_help = "Examples:\n  betwixt frontend add dashboard\n  betwixt frontend add notes --scope read,write --origin http://localhost:5173"
    )]
    Add {
        /// What to call it.
        name: String,
        /// What it may do: read, write, pair, export, private. Every other needs `read`; without `private` nothing that is
        /// private is there for it.
        #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', default_value = "read")]
        scope: Vec<Permission>,
        /// Where its pages come from, for a frontend that runs in a browser. May be given several times.
        #[arg(long, value_name = "ORIGIN")]
        origin: Vec<String>,
    },
    /// List the frontends that are let in.
    List,
    /// Let a frontend in no more. What it has open ends at once.
    Revoke {
        /// As listed.
        name: String,
    },
    /// Make the URL at which a frontend's own Automerge opens documents live, and print it. It is shown only this once; an
    /// earlier one is no longer good.
    #[command(after_help = "Examples:\n  betwixt frontend bridge notes\n  betwixt frontend bridge notes --end")]
    Bridge {
        /// As listed.
        name: String,
        /// End its bridge instead. What it has open ends at once.
        #[arg(long)]
        end: bool,
    },
    /// Let a frontend in that asks for it and shows a code.
    Approve {
        /// The code that it shows.
        code: String,
        /// Grant only this of what it asks for.
        #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
        scope: Option<Vec<Permission>>,
        /// Do not ask once more.
        #[arg(long)]
        yes: bool,
    },
    /// Say where frontends reach Betwixt, beside its socket: a port of this machine. It is remembered.
    #[command(after_help = "Examples:\n  betwixt frontend listen 127.0.0.1:4714\n  betwixt frontend listen --off")]
    Listen(Listen),
}

#[derive(Debug, Args)]
#[group(id = "where", required = true, multiple = false)]
pub(crate) struct Listen {
    /// An address that only this machine can reach, and a port; port 0 takes any free one.
    #[arg(group = "where", value_parser = crate::values::loopback)]
    pub(crate) address: Option<SocketAddr>,
    /// Listen on no port.
    #[arg(long, group = "where")]
    pub(crate) off: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// Print the path of the file that leads to the page instead of opening it.
    #[arg(long)]
    pub(crate) print: bool,
}
