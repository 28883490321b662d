//! The `betwixt` command: talks to the daemon of a home through its socket, and is that daemon (`betwixt up`).
//!
//! It holds no opinion on what facts mean and opens no store: everything that it shows was asked of the daemon.

mod arguments;
mod commands;
mod demo;
mod editor;
mod error;
#[cfg(test)]
mod help_tests;
mod home;
mod manual;
mod memory;
mod render;
mod service;
mod terminal;
mod values;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::terminal::Terminal;

/// Gives back what is no longer used, in the daemon's case most of what a merge or a new index took for a moment. The C library's
/// keeps it (docs/design/decisions.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::keep_to_itself();
    let arguments = Arguments::parse();
    let terminal = Terminal::new(arguments.json);
    if let Command::Up(_) = arguments.command {
        log_to_standard_error();
    }
    let result = runtime(&arguments.command).map_err(error::CommandError::io("starting")).and_then(|runtime| {
        let result = runtime.block_on(commands::run(arguments, terminal));
        // Something that blocks, such as a prompt that nobody answers, must not keep the process.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(error.exit_code() as u8)
        }
    }
}

fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match command {
        Command::Up(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

/// What the daemon logs: no private text, names or keys. `BETWIXT_LOG` chooses how much, as `RUST_LOG` does elsewhere.
fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BETWIXT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,betwixt=info"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }
}
