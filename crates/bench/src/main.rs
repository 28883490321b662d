//! Benchmarks: what Betwixt takes, beside what this machine takes for the same bytes in the same run.
//!
//! Start it with `cargo xtask bench`, which builds both this and `betwixt` in release mode. Every figure is the median of
//! several runs; the floor is measured between them, so that a busy disk shows in both. It measures; it asserts nothing.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod daemons;
mod floor;
#[cfg(feature = "peers")]
mod peers;
mod process;
mod reconnect;

use std::time::Duration;

use clap::Parser;
use comfy_table::Table;

/// Measures speed and memory beside the floor of this machine.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// How many edits in each run.
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// How many runs; what is printed is the median of their medians.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// For how many seconds idle daemons are watched.
    #[arg(long, default_value_t = 20)]
    idle: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let measured = runtime.block_on(daemons::measure(arguments.edits, arguments.runs, arguments.idle))?;

    let mut table = Table::new();
    table.set_header(["what", "measured", "floor", "bound", "kept"]);
    let mut row = |what: &str, measured: String, floor: String, bound: String, kept: bool| {
        table.add_row([what, &measured, &floor, &bound, if kept { "yes" } else { "NO" }]);
    };

    let sync = measured.floor_sync;
    let bound = sync.mul_f64(1.5) + Duration::from_micros(500);
    row(
        "durable edit through the API",
        format!("{:?}", measured.edit),
        format!("{sync:?} (fdatasync of {} bytes)", measured.bytes),
        format!("{bound:?} (1.5 fdatasync + 0.5 ms)"),
        measured.edit <= bound,
    );
    let floor = 2 * sync + measured.floor_udp;
    let bound = floor + Duration::from_micros(1_500);
    row(
        "edit here to readable there, durable on both",
        format!("{:?}", measured.visible),
        format!("{floor:?} (2 fdatasync + UDP round trip)"),
        format!("{bound:?} (floor + 1.5 ms)"),
        measured.visible <= bound,
    );
    for documents in [1, 400] {
        let cost = reconnect::measure(documents)?;
        row(
            &format!("reconnecting, nothing changed, {documents} documents"),
            format!("{} bytes both ways, {} round trips after the hellos", cost.bytes, cost.round_trips),
            "-".to_owned(),
            "600 bytes, 1 round trip (QUIC's handshake apart)".to_owned(),
            cost.bytes < 600 && cost.round_trips <= 1,
        );
    }
    row(
        "idle daemon with a connected partner: CPU",
        format!("{:.2} % of a core", measured.idle_cpu * 100.0),
        "-".to_owned(),
        "0.5 %".to_owned(),
        measured.idle_cpu < 0.005,
    );
    row(
        "idle daemon with a connected partner: resident",
        format!("{:.1} MB", measured.resident as f64 / 1e6),
        "-".to_owned(),
        "40 MB".to_owned(),
        measured.resident < 40_000_000,
    );
    #[cfg(feature = "peers")]
    {
        let taken = runtime.block_on(peers::samod(arguments.edits, arguments.runs))?;
        row(
            "for comparison: samod 0.16, in memory, in one process",
            format!("{taken:?}"),
            "-".to_owned(),
            "nothing is durable there".to_owned(),
            true,
        );
    }
    println!("{table}");
    println!("fdatasync: median of {} in the temporary directory's file system; UDP: loopback", measured.floors);
    Ok(())
}

/// The middle one; of an even number, the greater of the two in the middle.
fn median<T: Ord + Copy>(mut values: Vec<T>) -> anyhow::Result<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied().ok_or_else(|| anyhow::anyhow!("nothing was measured"))
}
