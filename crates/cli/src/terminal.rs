//! What is printed and what is asked: the only place that touches standard input and output.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use betwixt_api::Secret;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::CommandError;

/// The longest passphrase, in bytes, with its line's end.
const MAX_PASSPHRASE: u64 = 4096;

/// The most bytes that are read as a text.
const MAX_TEXT: u64 = 1024 * 1024;

/// Where output goes and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    json: bool,
    colour: bool,
}

impl Terminal {
    /// The process's own terminal.
    pub(crate) fn new(json: bool) -> Self {
        // https://no-color.org
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, colour: !json && !refused && io::stdout().is_terminal() }
    }

    /// Whether output is for programs.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// How to set off words.
    pub(crate) fn style(self) -> Style {
        Style { colour: self.colour }
    }

    /// A result: JSON for programs, text for people.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        if self.json {
            let json = serde_json::to_string(value).map_err(|error| CommandError::io("writing JSON")(error.into()))?;
            self.print(&json)
        } else {
            self.print(text().trim_end())
        }
    }

    /// A line, or several, on standard output.
    pub(crate) fn print(self, text: &str) -> Result<(), CommandError> {
        match writeln!(io::stdout().lock(), "{text}") {
            // Whoever reads has read enough (`betwixt ... | head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(CommandError::io("writing to standard output")),
        }
    }

    /// A remark on standard error, for people only.
    pub(crate) fn remark(self, text: &str) {
        if !self.json {
            // Nothing depends on a remark being seen.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// An error, on standard error in either form.
    pub(crate) fn error(self, error: &CommandError) {
        let text = if self.json { error.problem().to_string() } else { format!("error: {}", error.words()) };
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A line that shows that something goes on; gone when dropped. Only on a terminal.
    pub(crate) fn progress(self, text: impl Into<String>) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(text.into());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A bar that shows how much of so many bytes is done; gone when dropped. Only on a terminal.
    pub(crate) fn measured(self, text: impl Into<String>, bytes: u64) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bar:30} {percent} %") {
            bar.set_style(style);
        }
        bar.set_message(text.into());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Whether there is a person to ask.
    pub(crate) fn asks(self) -> bool {
        io::stdin().is_terminal() && !self.json
    }

    /// Asks for a line on standard input.
    pub(crate) fn ask(self, question: &str) -> Result<String, CommandError> {
        if io::stdin().is_terminal() {
            let mut error = io::stderr().lock();
            let _ = write!(error, "{question} ");
            let _ = error.flush();
        }
        let mut line = String::new();
        let read = io::Read::take(io::stdin().lock(), MAX_PASSPHRASE)
            .read_line(&mut line)
            .map_err(CommandError::io("reading standard input"))?;
        if read == 0 {
            return Err(CommandError::NeedsInput { what: format!("There was no answer to: {question}") });
        }
        Ok(line.trim().to_owned())
    }

    /// Asks for yes or no; anything but a yes is a no.
    pub(crate) fn confirm(self, question: &str) -> Result<bool, CommandError> {
        let answer = self.ask(&format!("{question} [yes/no]"))?.to_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// The passphrase: from a file, from the terminal without showing it, or from standard input. Never from the command
    /// line or the environment, which others can read.
    pub(crate) fn passphrase(self, file: Option<&Path>, prompt: &str) -> Result<Secret, CommandError> {
        let line = match file {
            Some(path) => {
                let what = || format!("reading the passphrase from {}", path.display());
                let file = std::fs::File::open(path).map_err(CommandError::io(what()))?;
                first_line(io::BufReader::new(file)).map_err(CommandError::io(what()))?
            }
            None if io::stdin().is_terminal() => Zeroizing::new(
                rpassword::prompt_password(prompt).map_err(CommandError::io("asking for the passphrase"))?,
            ),
            None => first_line(io::stdin().lock()).map_err(CommandError::io("reading the passphrase"))?,
        };
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Err(CommandError::NeedsInput { what: "A passphrase is needed, and there was none.".into() });
        }
        Ok(Secret::from(line.to_owned()))
    }

    /// A new passphrase, asked for twice where somebody types it.
    pub(crate) fn new_passphrase(self, file: Option<&Path>) -> Result<Secret, CommandError> {
        let typed = file.is_none() && io::stdin().is_terminal();
        let first = self.passphrase(file, "Choose a passphrase (several words are good): ")?;
        if typed && self.passphrase(None, "The same once more: ")? != first {
            return Err(CommandError::Value { what: "The two were not the same. Nothing was made.".into() });
        }
        Ok(first)
    }

    /// All of standard input as a text.
    pub(crate) fn read_text(self) -> Result<String, CommandError> {
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(io::stdin().lock(), MAX_TEXT), &mut text)
            .map_err(CommandError::io("reading standard input"))?;
        Ok(text)
    }

    /// The width of the terminal, if it is one.
    pub(crate) fn width(self) -> Option<u16> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col)
    }
}

/// Only the line is taken: what follows on standard input answers the next question.
fn first_line(reader: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    reader.take(MAX_PASSPHRASE).read_line(&mut line)?;
    Ok(line)
}

/// Sets off words where that is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// Without any.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    /// With all of it.
    #[cfg(test)]
    pub(crate) const COLOURED: Self = Self { colour: true };

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Something beside the point.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Words that were looked for.
    pub(crate) fn found(self, text: &str) -> String {
        if self.colour { self.wrap("1;33", text) } else { format!("[{text}]") }
    }

    /// Words that went.
    pub(crate) fn removed(self, text: &str) -> String {
        if self.colour { self.wrap("31;9", text) } else { format!("[-{text}-]") }
    }

    /// Words that came.
    pub(crate) fn added(self, text: &str) -> String {
        if self.colour { self.wrap("32;4", text) } else { format!("{{+{text}+}}") }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Text from elsewhere with everything that could drive a terminal made visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            _ if character.is_control() => '\u{fffd}',
            // Marks that turn the direction of text around could make one version read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            _ => character,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_partner_wrote_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
    }

    #[test]
    fn a_passphrase_is_the_first_line() {
        assert_eq!(first_line("correct horse\nbattery".as_bytes()).expect("reads").trim_end(), "correct horse");
    }
}
