//! `cargo xtask bench compare`: the same life and the same questions, for Betwixt and for other sync engines, in one run.
//!
//! Every peer is two processes, as its users run it, asked alike ([`host`]) and connected through a relay that counts
//! ([`relay`]). It measures; it asserts nothing.

mod column;
mod content;
mod host;
mod ours;
mod peers;
mod relay;
mod run;
#[cfg(feature = "peers")]
mod samod_host;
mod say;
mod syncthing;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Zoned;

use column::Column;
use content::Content;
use ours::Floor;
pub(crate) use peers::Peer;
use table::Report;

use crate::process;

/// Measures Betwixt beside other sync engines, with the same life.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many years were lived.
    #[arg(long, default_value_t = 30)]
    years: usize,
    /// After how many years the two were apart for a month; of a shorter life, at its end.
    #[arg(long, default_value_t = 10)]
    month_after: usize,
    /// Measures this one alone; may be given again.
    #[arg(long, value_enum)]
    only: Vec<Peer>,
    /// Few edits and little patience: to see that it works. Nothing is written into the documents.
    #[arg(long)]
    quick: bool,
}

/// How much is asked.
#[derive(Debug)]
struct Options {
    edits: usize,
    meetings: usize,
    /// How long a peer may take for one answer.
    patience: Duration,
}

/// What the benchmarks start themselves with.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Part {
    /// Measures Betwixt beside other sync engines, with the same life.
    Compare(Arguments),
    /// Prints how long edits take between two daemons.
    #[command(hide = true)]
    Edits {
        /// How many.
        edits: usize,
    },
    /// One of samod's two, asked on standard input.
    #[command(hide = true)]
    ServeSamod {
        /// Its directory.
        home: PathBuf,
    },
}

impl Part {
    /// Runs it.
    ///
    /// # Errors
    /// What keeps anything at all from being measured; a peer that fails says so in the table.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Compare(arguments) => one_thread()?.block_on(compare(arguments)),
            Self::Edits { edits } => {
                println!("{}", serde_json::to_string(&one_thread()?.block_on(ours::print_edits(*edits))?)?);
                Ok(())
            }
            #[cfg(feature = "peers")]
            Self::ServeSamod { home } => {
                // As its users run it: on all processors.
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                let served = runtime.block_on(samod_host::serve(home));
                // Standard input is read on a thread that cannot be interrupted.
                runtime.shutdown_background();
                served
            }
            #[cfg(not(feature = "peers"))]
            Self::ServeSamod { .. } => anyhow::bail!("build with `--features peers`"),
        }
    }
}

/// As a frontend has: how it wakes its own threads is no figure of what it measures.
fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let counts = [arguments.years, arguments.month_after];
    anyhow::ensure!(counts.iter().all(|years| (1..=100).contains(years)), "a life has 1 to 100 years");
    let options = if arguments.quick {
        Options { edits: 20, meetings: 2, patience: Duration::from_secs(180) }
    } else {
        Options { edits: 200, meetings: 5, patience: Duration::from_secs(600) }
    };
    eprintln!("living {} ...", column::years(arguments.years));
    let life = Content::of(arguments.years)?;
    let decade = (arguments.years > arguments.month_after).then(|| Content::of(arguments.month_after)).transpose()?;
    let asked = |peer: Peer| arguments.only.is_empty() || arguments.only.contains(&peer);
    let (mut columns, mut floor): (Vec<Column>, Floor) = (Vec::new(), Floor::default());
    for peer in <Peer as clap::ValueEnum>::value_variants().iter().copied().filter(|peer| asked(*peer)) {
        eprintln!("{} ...", peer.name());
        let column = if peer == Peer::Betwixt {
            let (column, measured) = ours::measure(&life, decade.as_ref(), &options).await;
            floor = measured;
            column
        } else {
            run::measure(peer, &life, decade.as_ref(), &options).await
        };
        if let Some(ended) = &column.ended {
            eprintln!("  {ended}");
        }
        columns.push(column);
    }
    let command: Vec<String> = std::env::args().skip(1).collect();
    let build = if cfg!(debug_assertions) { "; a debug build, whose figures mean nothing" } else { "" };
    let heading = format!(
        "{}, {}; `cargo xtask bench {}`{build}.",
        process::machine(&std::env::temp_dir()),
        Zoned::now().date(),
        command.join(" ")
    );
    let month = decade.as_ref().unwrap_or(&life);
    let report = Report { columns: &columns, floor, life: &life, month, heading };
    println!("{}", report.printed());
    if !arguments.quick && !cfg!(debug_assertions) && arguments.only.is_empty() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
        report.write(&page)?;
        eprintln!("written into docs/performance.md");
    }
    Ok(())
}
