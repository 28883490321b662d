//! The home itself: founding, starting, pairing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name that you go by; your partner will see it.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What to call this device, such as "Robin's laptop".
    #[arg(long)]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Passphrase {
    /// Read the passphrase from this file's first line instead of asking.
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// Do not lock now: from now on lock by itself after so many minutes without use.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) after: Option<u32>,
    /// Do not lock now, nor by itself from now on.
    #[arg(long, conflicts_with = "after")]
    pub(crate) never: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Go to the background once it answers.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Listen at this address and port only, such as 192.168.1.20:4711 (port 0: any free one).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Let frontends in at this address of this machine, such as 127.0.0.1:4714, beside the socket (port 0: any free one).
    #[arg(long, value_name = "ADDRESS", value_parser = crate::values::loopback)]
    pub(crate) http: Option<SocketAddr>,
    /// Neither look for other devices on the network nor be found; addresses set by hand still work.
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Started in the background by another command.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) background: bool,
    /// End when the process ends that started this one.
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pair {
    /// Type the code that the other device shows.
    #[arg(long)]
    pub(crate) enter: bool,
    /// The other device is your own: it will hold your private pages, too.
    #[arg(long)]
    pub(crate) own_device: bool,
    /// One of you has lost all devices: the other's device gives back what you share. Takes the recovery code.
    #[arg(long, conflicts_with = "own_device")]
    pub(crate) give_back: bool,
    /// Read the recovery code from this file's first line instead of asking.
    #[arg(long, value_name = "PATH", requires = "give_back", requires = "enter")]
    pub(crate) recovery_code_file: Option<PathBuf>,
    /// Where the other device is, where it is not found by itself.
    #[arg(long, value_name = "ADDRESS", requires = "enter")]
    pub(crate) at: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Devices {
    /// Call one of your devices otherwise.
    Rename {
        /// Its id, the beginning of it, or its name.
        device: String,
        /// Its new name.
        name: String,
    },
    /// Remove one of your devices, such as one that is lost. It never returns.
    Remove {
        /// Its id, the beginning of it, or its name.
        device: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// Add an address: numbers and a port, such as 192.168.1.20:4711.
    Add {
        /// As `betwixt status` on the other device shows it.
        address: SocketAddr,
    },
    /// List the addresses that are known.
    List,
    /// Forget an address.
    Remove {
        /// As listed.
        address: SocketAddr,
    },
}
