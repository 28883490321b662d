//! Betwixt in the system: as a service, its log, completions and manual pages.

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use betwixt_api::ClientError;
use clap::CommandFactory;

use crate::arguments::{Arguments, Completions, Logs, Manual, Service};
use crate::error::CommandError;
use crate::home::Home;
use crate::manual;
use crate::service::{self, State};
use crate::terminal::Terminal;

/// How often a log is looked at again.
const FOLLOW: Duration = Duration::from_millis(200);

/// What of a log's end is read for its last lines.
const TAIL: u64 = 1024 * 1024;

pub(super) async fn service(terminal: Terminal, command: Service) -> Result<(), CommandError> {
    let service = service::Service::find()?;
    let home = Home::find()?;
    match command {
        Service::Install => {
            home.make()?;
            match home.client().status().await {
                Err(ClientError::NotRunning { .. }) => {}
                Ok(_) if service.state()? == State::NotInstalled => {
                    let what = "Betwixt runs already without a service; end it first: betwixt down".into();
                    return Err(CommandError::Value { what });
                }
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            service.install(&home)?;
            told(terminal, service.state()?)
        }
        Service::Uninstall => {
            if service.state()? == State::NotInstalled {
                return told(terminal, State::NotInstalled);
            }
            service.uninstall()?;
            told(terminal, State::NotInstalled)
        }
        Service::Status => told(terminal, service.state()?),
    }
}

fn told(terminal: Terminal, state: State) -> Result<(), CommandError> {
    terminal.result(&serde_json::json!({ "service": state }), || {
        match state {
            State::NotInstalled => "The service is not installed. `betwixt service install` does it.",
            State::Stopped => "The service is installed and does not run now.",
            State::Running => "The service runs. `betwixt logs` shows what it says.",
        }
        .to_owned()
    })
}

pub(super) async fn logs(terminal: Terminal, Logs { follow, lines }: Logs) -> Result<(), CommandError> {
    let home = Home::find()?;
    let path = home.log();
    let reading = || format!("reading {}", path.display());
    let mut file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !follow => {
            terminal.remark("There is no log: no daemon has run in the background here yet.");
            return Ok(());
        }
        Err(error) => return Err(CommandError::io(reading())(error)),
    };
    let length = file.metadata().map_err(CommandError::io(reading()))?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(CommandError::io(reading()))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(CommandError::io(reading()))?;
    let end = String::from_utf8_lossy(&end);
    let from = end.lines().count().saturating_sub(lines);
    let mut output = std::io::stdout().lock();
    for line in end.lines().skip(from) {
        written(writeln!(output, "{line}"))?;
    }
    let mut at = file.stream_position().map_err(CommandError::io(reading()))?;
    if !follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(FOLLOW).await;
        // A log that has become too long is begun anew.
        if file.metadata().map_err(CommandError::io(reading()))?.len() < at {
            file.rewind().map_err(CommandError::io(reading()))?;
        }
        std::io::copy(&mut file, &mut output).map_err(CommandError::io(reading()))?;
        written(output.flush())?;
        at = file.stream_position().map_err(CommandError::io(reading()))?;
    }
}

pub(super) fn completions(Completions { shell }: &Completions) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Arguments::command(), "betwixt", &mut script);
    written(std::io::stdout().lock().write_all(&script))
}

pub(super) fn manual(terminal: Terminal, Manual { directory }: &Manual) -> Result<(), CommandError> {
    let writing = || CommandError::io(format!("writing to {}", directory.display()));
    std::fs::create_dir_all(directory).map_err(writing())?;
    manual::write(Arguments::command(), directory).map_err(writing())?;
    let text = || format!("The manual pages are in {}.", directory.display());
    terminal.result(&serde_json::json!({ "directory": directory }), text)
}

fn written(result: std::io::Result<()>) -> Result<(), CommandError> {
    result.map_err(CommandError::io("writing to standard output"))
}
