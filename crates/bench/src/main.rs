//! Benchmarks: what Betwixt takes, beside what this machine takes for the same bytes in the same run.
//!
//! Start it with `cargo xtask bench`, which builds both this and `betwixt` in release mode. The floor is measured between
//! the samples, so that a busy disk shows in both. It measures; it asserts nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

mod api;
mod compare;
mod daemons;
mod floor;
mod peers;
mod process;
mod reconnect;
mod relay;
mod samples;
mod strangers;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use comfy_table::Table;

use betwixt_testkit::needs::Need;
use daemons::{BesideFile, Measured};
use peers::{Compared, Peer};
use samples::{Samples, milliseconds};

/// Measures speed and memory beside the floor of this machine.
#[derive(Parser)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<compare::Part>,
    /// How many edits of each kind in each run.
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// How many runs; medians and p99 are over the edits of all of them.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// For how many seconds idle daemons are watched, and those among strangers, with each kind.
    #[arg(long, default_value_t = 20)]
    idle: u64,
    /// How often two devices meet again.
    #[arg(long, default_value_t = 5)]
    meetings: usize,
    /// Leaves out other engines.
    #[arg(long)]
    no_peers: bool,
    /// For how many seconds each of the API's loads is on.
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// For how many years the journal was kept out of which a page is read.
    #[arg(long, default_value_t = 30)]
    years: i64,
    /// Measures one part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Serves constants at this socket: the floor of the API's figures, which the benchmarks start themselves.
    #[arg(long, hide = true)]
    serve_constants: Option<PathBuf>,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Edits, meetings and being idle, of two devices, and other engines.
    Devices,
    /// The local API of one.
    Api,
    /// Edits while a photo moves.
    Files,
    /// One whose network is full of strangers.
    Strangers,
}

/// How large the photo is that moves beside edits.
const PHOTO: usize = 20_000_000;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.part {
        return part.run();
    }
    if let Some(socket) = &arguments.serve_constants {
        return api::serve(socket);
    }
    let Arguments { edits, runs, idle, meetings, seconds, years, .. } = arguments;
    let counts = [edits, runs, meetings, seconds];
    anyhow::ensure!(
        counts.iter().all(|count| *count > 0) && idle > 0 && (1..=100).contains(&years),
        "every count has to be 1 or more, and the years 100 at most"
    );
    println!("{}", process::machine(&std::env::temp_dir()));
    // One thread, as a frontend has: how it wakes its own threads is no figure of the daemon's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if matches!(arguments.only, None | Some(Part::Files)) {
        eprintln!("edits alone, and while a photo moves ...");
        let measured = runtime.block_on(daemons::beside_file(edits, PHOTO))?;
        let mut report = Report::new();
        report.beside_file(&measured);
        println!("{}", report.table);
    }
    if arguments.only == Some(Part::Files) {
        return Ok(());
    }
    if matches!(arguments.only, None | Some(Part::Api)) {
        eprintln!("the API: loads of {seconds} seconds each ...");
        let measured = runtime.block_on(api::measure(seconds, years))?;
        let mut report = Report::new();
        report.api(&measured);
        println!("{}", report.table);
    }
    if matches!(arguments.only, None | Some(Part::Strangers)) {
        if betwixt_testkit::needs::met(&[Need::NetworkNamespaces, Need::Capture]) {
            eprintln!("strangers: {} kinds, {idle} seconds each ...", strangers::Kind::ALL.len() + 1);
            let mut report = Report::new();
            report.strangers(&runtime.block_on(strangers::measure(idle))?);
            println!("{}", report.table);
        } else {
            anyhow::ensure!(arguments.only.is_none(), "this part needs network namespaces and tcpdump");
        }
    }
    if matches!(arguments.only, Some(Part::Api | Part::Strangers)) {
        return Ok(());
    }
    eprintln!("two daemons: {runs} runs of {edits} edits alone and {edits} to be read by the other ...");
    let measured = runtime.block_on(daemons::measure(edits, runs, idle))?;
    let mut report = Report::new();
    report.edits(&measured);
    eprintln!("meeting again: {meetings} times ...");
    report.meetings(&runtime.block_on(wire::measure(meetings))?)?;
    report.idle(&measured, idle);
    println!("{}", report.table);
    println!("{}", remarks(&measured));
    if !arguments.no_peers {
        eprintln!("other engines ...");
        println!("{}", compared(&runtime.block_on(peers::measure(edits))?, &measured.visible.taken));
    }
    Ok(())
}

struct Report {
    table: Table,
}

impl Report {
    fn new() -> Self {
        let mut table = Table::new();
        table.set_header(["figure", "median", "p99", "floor, same run", "bound", "kept"]);
        Self { table }
    }

    fn row(&mut self, figure: &str, [median, p99, floor, bound]: [String; 4], kept: Option<bool>) {
        let kept = match kept {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        self.table.add_row([figure, &median, &p99, &floor, &bound, kept]);
    }

    fn edits(&mut self, measured: &Measured) {
        let durations = |samples: &Samples| [milliseconds(samples.median()), milliseconds(samples.p99())];
        let Measured { visible, edit, bytes, .. } = measured;
        let [median, p99] = durations(&visible.taken);
        let sync = visible.syncs.median();
        let trip = visible.round_trips.median();
        let floor = 2 * sync + trip;
        let bound = floor + Duration::from_micros(1_500);
        let beneath =
            format!("{} = 2 x {} fdatasync + {} UDP", milliseconds(floor), milliseconds(sync), milliseconds(trip));
        let above = format!("{} = floor + 1.5 ms", milliseconds(bound));
        let kept = visible.taken.median() <= bound;
        self.row("edit here to readable there, durable on both", [median, p99, beneath, above], Some(kept));
        let [median, p99] = durations(&edit.taken);
        let sync = edit.syncs.median();
        let bound = sync.mul_f64(1.5) + Duration::from_micros(500);
        let beneath = format!("{} = fdatasync of {} KiB", milliseconds(sync), bytes.div_ceil(1024));
        let above = format!("{} = 1.5 x floor + 0.5 ms", milliseconds(bound));
        let kept = edit.taken.median() <= bound;
        self.row("durable edit through the API", [median, p99, beneath, above], Some(kept));
    }

    fn beside_file(&mut self, measured: &BesideFile) {
        let BesideFile { idle, moving, taken } = measured;
        let (median, p99) = (milliseconds(moving.median()), milliseconds(moving.p99()));
        let floor = format!("{} = with nothing else going on", milliseconds(idle.median()));
        let bound = format!("{} = 2 x that", milliseconds(2 * idle.median()));
        let kept = moving.median() <= 2 * idle.median();
        let (megabytes, count) = (PHOTO as f64 / 1e6, moving.len());
        let figure = format!("edit here to readable there while a photo of {megabytes:.0} MB moves ({count} edits)");
        self.row(&figure, [median, p99, floor, bound], Some(kept));
        let rate = format!("{:.1} MB a second", megabytes / taken.as_secs_f64().max(f64::EPSILON));
        let row = [format!("{}; {rate}", milliseconds(*taken)), "-".into(), "-".into(), "-".into()];
        self.row("the same: from being added to whole there", row, None);
    }

    fn api(&mut self, measured: &api::Measured) {
        let spread = |samples: &Samples| [milliseconds(samples.median()), milliseconds(samples.p99())];
        let rate = |load: &api::Load| format!("{:.0} a second", load.rate());
        let api::Measured { bytes, reads, reads_floor, read_cpu, one, many, syncs, told, told_floor, .. } = measured;
        let [median, p99] = spread(&reads.taken);
        let [_, floor_p99] = spread(&reads_floor.taken);
        self.row(
            &format!("reads of an item ({bytes} bytes), 16 connections"),
            [
                format!("{}; {median} each", rate(reads)),
                p99,
                format!("{}, p99 {floor_p99} = the same stack, a constant", rate(reads_floor)),
                "10,000 a second, p99 5 ms".into(),
            ],
            Some(reads.rate() >= 10_000.0 && reads.taken.p99() < Duration::from_millis(5)),
        );
        self.row(
            "the same: processor time of the daemon for one",
            [milliseconds(read_cpu[0]), "-".into(), milliseconds(read_cpu[1]), "-".into()],
            None,
        );
        let [median, p99] = spread(&one.taken);
        let sync = milliseconds(syncs.median());
        let floor = format!("{:.0} a second = {sync} fdatasync", 1.0 / syncs.median().as_secs_f64().max(1e-9));
        self.row("durable writes, 1 client", [format!("{}; {median} each", rate(one)), p99, floor, "-".into()], None);
        let [median, p99] = spread(&many.taken);
        let times = many.rate() / one.rate().max(f64::EPSILON);
        self.row(
            "durable writes, 16 clients at once",
            [
                format!("{}; {median} each", rate(many)),
                p99,
                format!("{times:.2} x one client's"),
                "3 x one client's".into(),
            ],
            Some(times >= 3.0),
        );
        let [median, p99] = spread(told);
        let (followed, streams) = api::streams();
        self.row(
            &format!("a change to the last of {followed} streams, {} more stuck", streams - followed),
            [median, p99, format!("{} = the same stack, no write", milliseconds(told_floor.median())), "50 ms".into()],
            Some(told.p99() < Duration::from_millis(50)),
        );
        self.row(
            &format!("the same: memory for each of {streams} streams"),
            [format!("{:.1} KB", measured.stream_bytes as f64 / 1e3), "-".into(), "-".into(), "64 KB".into()],
            Some(measured.stream_bytes < 64_000),
        );
        let [median, p99] = spread(&measured.pages);
        self.row(
            &format!("a page of 50 out of {} journal entries", measured.entries),
            [
                median,
                p99,
                format!("{} = the same stack, a constant", milliseconds(measured.pages_floor.median())),
                "20 ms".into(),
            ],
            Some(measured.pages.p99() < Duration::from_millis(20)),
        );
        self.row(
            "the same: processor time of the daemon for one",
            [milliseconds(measured.page_cpu), "-".into(), "-".into(), "-".into()],
            None,
        );
    }

    fn meetings(&mut self, wire: &wire::Reconnected) -> anyhow::Result<()> {
        for (documents, named) in [(1, "1 document"), (400, "400 documents")] {
            let cost = reconnect::measure(documents)?;
            self.row(
                &format!("meeting again, nothing changed, {named}: our frames"),
                [
                    format!("{} bytes, {} round trip(s) after the hellos", cost.bytes, cost.round_trips),
                    "the same".into(),
                    "-".into(),
                    "600 bytes, 1 round trip".into(),
                ],
                Some(cost.bytes < 600 && cost.round_trips <= 1),
            );
        }
        self.row(
            "the same with QUIC's own handshake: on the wire",
            [format!("{} bytes in {} datagrams", wire.bytes, wire.datagrams), "-".into(), "-".into(), "-".into()],
            None,
        );
        let (median, p99) = (milliseconds(wire.taken.median()), milliseconds(wire.taken.p99()));
        self.row("the same: from `resume` to in step on both", [median, p99, "-".into(), "-".into()], None);
        Ok(())
    }

    fn strangers(&mut self, measured: &strangers::Measured) {
        let share = |share: f64| format!("{:.2} % of a core", share * 100.0);
        for load in &measured.loads {
            let peak = format!("{:.1} MB at most", load.peak as f64 / 1e6);
            let sent = load.rates.iter().map(|(kind, rate)| format!("{rate:.0} {} a second", kind.unit()));
            let sent = sent.collect::<Vec<_>>().join(", ");
            self.row(
                &format!("{} strangers: {sent}", strangers::STRANGERS),
                [
                    format!("{}; {peak}", share(load.cpu)),
                    "-".into(),
                    format!("{} alone", share(measured.idle_cpu)),
                    "10 % of a core, 80 MB".into(),
                ],
                Some(load.cpu < 0.1 && load.peak < 80_000_000),
            );
        }
        let (median, p99) = (milliseconds(measured.met.median()), milliseconds(measured.met.p99()));
        self.row(
            "the partner, who comes in the midst of all: from open to connected on both",
            [median, p99, format!("{} without strangers", milliseconds(measured.met_alone.median())), "2 s".into()],
            Some(measured.met.p99() < Duration::from_secs(2)),
        );
        self.row(
            "discovery in the midst of it",
            [
                if measured.flooded { "paused, as it should" } else { "went on" }.into(),
                "-".into(),
                "-".into(),
                "-".into(),
            ],
            None,
        );
    }

    fn idle(&mut self, measured: &Measured, seconds: u64) {
        self.row(
            &format!("idle for {seconds} s, connected: CPU of the busier daemon"),
            [format!("{:.3} % of a core", measured.idle_cpu * 100.0), "-".into(), "-".into(), "0.5 % of a core".into()],
            Some(measured.idle_cpu < 0.005),
        );
        self.row(
            &format!("the same, after {} edits: resident memory of the larger", measured.edits),
            [format!("{:.1} MB", measured.resident as f64 / 1e6), "-".into(), "-".into(), "40 MB".into()],
            Some(measured.resident < 40_000_000),
        );
    }
}

/// How to read the table.
fn remarks(measured: &Measured) -> String {
    let mut text = format!(
        "Each figure is over {} edits, with one sample of the floor before each. p99 of the floor: fdatasync {}, UDP {}.",
        measured.visible.taken.len(),
        milliseconds(measured.visible.syncs.p99()),
        milliseconds(measured.visible.round_trips.p99()),
    );
    if measured.edit.syncs.median() < Duration::from_micros(100) {
        text.push_str(
            "\nAn fdatasync that takes less than 0.1 ms reaches no disk: this is memory, or a device that answers before \
             it has written. Set TMPDIR to a directory on a real disk for figures that mean something.",
        );
    }
    text
}

fn compared(peers: &[Peer], ours: &Samples) -> Table {
    let mut table = Table::new();
    table.set_header(["beside: change here to readable there", "median", "p99", "what that means"]);
    let (median, p99) = (milliseconds(ours.median()), milliseconds(ours.p99()));
    table.add_row(["Betwixt", &median, &p99, "durable on both (fdatasync); two processes, QUIC, through both APIs"]);
    for Peer { name, means, compared } in peers {
        match compared {
            Compared::Taken(samples) => {
                table.add_row([*name, &milliseconds(samples.median()), &milliseconds(samples.p99()), means]);
            }
            Compared::Skipped(why) => {
                table.add_row([*name, "skipped", "skipped", why.as_str()]);
            }
        }
    }
    table
}
