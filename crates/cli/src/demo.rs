//! `betwixt demo`: two partners on one machine, from beginning alone to settling a difference.
//!
//! Two daemons run as processes of this same program and are spoken to through their sockets, as any frontend does it:
//! nothing here reaches around the API. Every outcome that is told was checked first, on both sides; when one is not what
//! it should be, the demo says so and ends with an exit code of its own.

mod partner;
#[cfg(test)]
mod rehearsal;
mod story;

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::CommandError;
use crate::terminal::Terminal;
use partner::Partner;
use story::Teller;

/// The passphrase of both homes, which live as long as the demo.
const PASSPHRASE: &str = "a demo is no secret";

/// How long the whole story may take before something is wrong.
const STORY_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run(terminal: Terminal, exit: bool) -> Result<(), CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::io("listening for Ctrl-C"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::io("listening for signals"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(CommandError::io("listening for signals"))?;
    let directory = tempfile::Builder::new()
        .prefix("betwixt-demo-")
        .tempdir()
        .map_err(CommandError::io("making a temporary directory"))?;
    let begun = Instant::now();
    let teller = Teller::new(terminal);
    let played = tokio::select! {
        played = play(&teller, directory.path()) => played,
        _ = interrupt.recv() => Err(CommandError::Stopped),
        _ = terminate.recv() => Err(CommandError::Stopped),
        _ = hangup.recv() => Err(CommandError::Stopped),
    };
    // Dropping the partners ends their daemons also when the story ended early.
    let [robin, sam] = played?;
    teller.done();
    let seconds = begun.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "outcome": "as it should be",
        "seconds": (seconds * 10.0).round() / 10.0,
        "homes": [robin.home().path(), sam.home().path()],
    });
    terminal.result(&report, || format!("\nAll of this was as it should be ({seconds:.1} s)."))?;
    if !exit {
        terminal.remark(&go_on(&robin, &sam));
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        terminal.remark("\nEnding both, and removing their homes.");
    }
    let (first, second) = tokio::join!(robin.end(), sam.end());
    first.and(second)?;
    directory.close().map_err(CommandError::io("removing the temporary directory"))
}

async fn play(teller: &Teller, directory: &Path) -> Result<[Partner; 2], CommandError> {
    let told = async {
        teller.working("Starting two daemons, each with a home of its own");
        let (robin, sam) = tokio::try_join!(
            Partner::begin("Robin", "Robin's laptop", directory.join("robin"), PASSPHRASE),
            Partner::begin("Sam", "Sam's laptop", directory.join("sam"), PASSPHRASE),
        )?;
        story::tell(teller, &robin, &sam).await?;
        Ok([robin, sam])
    };
    tokio::time::timeout(STORY_TIMEOUT, told).await.unwrap_or_else(|_| {
        Err(CommandError::Found { what: format!("the demo was not done after {} s", STORY_TIMEOUT.as_secs()) })
    })
}

fn go_on(robin: &Partner, sam: &Partner) -> String {
    // As it was run: it need not be on the path.
    let program = std::env::current_exe().map_or_else(|_| "betwixt".to_owned(), |path| path.display().to_string());
    let line = |partner: &Partner, command: &str| {
        format!("  {}={} {program} {command}", crate::home::VARIABLE, partner.home().path().display())
    };
    let lines = [line(robin, "status"), line(robin, "vision edit"), line(sam, "vision show"), line(sam, "goal list")];
    format!(
        "\nGo on by yourself, in another terminal, until you press Ctrl-C here:\n{}\n\nBoth homes open with: {PASSPHRASE}\nFor a home of your own: betwixt init",
        lines.join("\n")
    )
}
