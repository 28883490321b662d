//! What waits for the two.

use clap::{Args, Subcommand};

use super::Text;

/// Which field of which item.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The beginning of the item's id, or `vision`.
    pub(crate) item: String,
    /// The field, as `betwixt settle list` names it.
    pub(crate) field: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settle {
    /// List what waits for you two.
    List {
        /// What rests for now, too.
        #[arg(long)]
        all: bool,
        /// So many items at most.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Show one thread: every version, what was said back, and what you can do.
    Show {
        /// The beginning of the item's id, or `vision`.
        item: String,
    },
    /// Take the other's version: say the same.
    Take {
        #[command(flatten)]
        which: Which,
        /// Where there are several, its number in `betwixt settle show`.
        number: Option<usize>,
    },
    /// Say a version of your own.
    #[command(
        after_help = "Examples:\n  betwixt settle say k3j4 until 2027-07-01\n  betwixt settle say k3j4 title -   read it from standard input"
    )]
    Say {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        text: Text,
    },
    /// Say back what you read in the other's version, so that they can tell you whether that is it.
    #[command(after_help = "Example:\n  betwixt settle say-back k3j4 until \"You want the whole summer for it\"")]
    SayBack {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        text: Text,
        /// Where there are several, the version's number in `betwixt settle show`.
        #[arg(long, value_name = "NUMBER")]
        version: Option<usize>,
    },
    /// Say "yes, that is it" to what your partner said back about your version.
    Heard {
        /// The beginning of its id, as `betwixt settle show` lists it.
        id: String,
    },
    /// Say that you see this differently, and when to look at it again. It rests once you both say so.
    #[command(after_help = "Example:\n  betwixt settle differ k3j4 until --again 2027-03-01")]
    Differ {
        #[command(flatten)]
        which: Which,
        /// When to look at it again, YYYY-MM-DD. Left away, says the date that your partner said.
        #[arg(long, value_name = "DATE")]
        again: Option<String>,
        /// Take it back.
        #[arg(long, conflicts_with = "again")]
        back: bool,
    },
    /// Leave it alone until a date. It rests on your side; your partner's list is theirs.
    Park {
        #[command(flatten)]
        which: Which,
        /// Until when, YYYY-MM-DD.
        #[arg(long, value_name = "DATE", required_unless_present = "back")]
        until: Option<String>,
        /// Take it back.
        #[arg(long, conflicts_with = "until")]
        back: bool,
    },
}
