//! The one place that turns what went wrong into words, hints and an exit code.

use std::path::PathBuf;

use betwixt_api::{ClientError, ExitCode, Problem, ProblemKind};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The daemon's answer, or none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A value that the command line itself can tell is wrong.
    #[error("{what}")]
    Value { what: String },
    /// There is nothing like that.
    #[error("{what}")]
    NotFound { what: String },
    /// There is nobody to ask.
    #[error("{what}")]
    NeedsInput { what: String },
    /// The platform names no directory for data.
    #[error("this system names no directory to keep things in")]
    NoHomeDirectory,
    /// There is no home yet.
    #[error("there is no home at {path} yet")]
    NoHome { path: PathBuf },
    /// The daemon could not be started.
    #[error("Betwixt could not be started in the background: {reason}")]
    Start { reason: String, log: PathBuf },
    /// The system's services.
    #[error(transparent)]
    Service(#[from] crate::service::ServiceError),
    /// The daemon, in this terminal, ended with an error.
    #[error("{0}")]
    Daemon(String),
    /// The editor did not end well.
    #[error("the editor `{editor}` did not end well: {reason}. Nothing was said")]
    Editor { editor: String, reason: String },
    /// Pairing did not happen.
    #[error("{reason}")]
    Pairing { reason: String },
    /// A check found something; what it is was printed already.
    #[error("{what}")]
    Found { what: String },
    /// Ctrl-C, or "no".
    #[error("nothing was changed")]
    Stopped,
    /// A file or the terminal.
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl CommandError {
    /// A file or the terminal, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The exit code. Documented in the help; stable.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Client(ClientError::Problem(problem)) => problem.exit_code(),
            Self::Client(_) | Self::Start { .. } | Self::Daemon(_) => ExitCode::Daemon,
            Self::Value { .. } => ExitCode::Invalid,
            Self::NotFound { .. } => ExitCode::NotFound,
            Self::NoHome { .. } | Self::NoHomeDirectory => ExitCode::Setup,
            Self::Pairing { .. } => ExitCode::Pairing,
            Self::Found { .. } => ExitCode::Found,
            Self::NeedsInput { .. } | Self::Editor { .. } | Self::Service(_) | Self::Stopped | Self::Io { .. } => {
                ExitCode::Failure
            }
        }
    }

    /// What to do about it, if there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Client(ClientError::Problem(problem)) => return problem_hint(problem).map(str::to_owned),
            Self::Client(ClientError::NotRunning { .. }) => "Start it with `betwixt up --detach`.",
            Self::Client(ClientError::Disconnected(_)) => {
                "Look with `betwixt status` whether it was done, then try again."
            }
            Self::Client(ClientError::NotUnderstood(_)) => {
                "Restart it with this version: `betwixt down`, then `betwixt up --detach`."
            }
            Self::NoHome { .. } => "Make one with `betwixt init`, or set BETWIXT_HOME to where yours is.",
            Self::NoHomeDirectory => "Set BETWIXT_HOME to a directory of your own.",
            Self::Start { log, .. } => return Some(format!("Its log is {}.", log.display())),
            Self::Pairing { .. } => "Nothing was shared. Try again with `betwixt pair` on both devices.",
            Self::Editor { .. } => "Set VISUAL or EDITOR to an editor, or give the text with `-` on standard input.",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// As people read it: what happened, and on a line of its own what to do.
    pub(crate) fn words(&self) -> String {
        let mut text = match self {
            Self::Client(ClientError::Problem(problem)) => problem_words(problem),
            other => other.to_string(),
        };
        if let Some(hint) = self.hint() {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        text
    }

    /// As programs read it: a problem document.
    pub(crate) fn problem(&self) -> serde_json::Value {
        match self {
            Self::Client(ClientError::Problem(problem)) => serde_json::json!({ "error": problem }),
            other => serde_json::json!({ "error": { "detail": other.to_string(), "exit": other.exit_code() as u8 } }),
        }
    }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        Self::Client(problem.into())
    }
}

fn problem_words(problem: &Problem) -> String {
    match &problem.field {
        Some(field) => format!("{} ({field}). {}", problem.title, problem.detail),
        None => format!("{}. {}", problem.title, problem.detail),
    }
}

fn problem_hint(problem: &Problem) -> Option<&'static str> {
    Some(match problem.kind {
        ProblemKind::Locked => "Open it with `betwixt unlock`.",
        ProblemKind::WrongPassphrase => {
            "Mind capital letters and the keyboard's layout. The recovery code opens it, too."
        }
        ProblemKind::NotSetUp => "Make a home with `betwixt init`.",
        ProblemKind::NotPaired => "Pair with your partner's device: `betwixt pair`.",
        ProblemKind::CannotUndo => "`betwixt undo --show` shows it, `betwixt history` what stood there before.",
        ProblemKind::UnknownSeen | ProblemKind::SeenMissing => "Look at it as it is now, then say it again.",
        ProblemKind::Arriving => "Wait until the other device was met again: `betwixt sync`.",
        ProblemKind::Ambiguous => "Give more of the id.",
        ProblemKind::StorageFull => "Free some space; the next command works again.",
        ProblemKind::Storage => "Look with `betwixt doctor`.",
        ProblemKind::Damaged => "Look with `betwixt verify`; `betwixt restore` puts a backup in place.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_in_words_with_what_to_do() {
        let locked = CommandError::from(Problem::new(ProblemKind::Locked, "The goals cannot be read."));
        insta::assert_snapshot!(locked.words(), @r"
        The home is locked. The goals cannot be read.
        hint: Open it with `betwixt unlock`.
        ");
        assert_eq!(locked.exit_code(), ExitCode::Locked);
    }

    #[test]
    fn programs_get_the_problem_document() {
        let error = CommandError::from(Problem::new(ProblemKind::Invalid, "It is one line.").about("title"));
        insta::assert_snapshot!(error.problem(), @r#"{"error":{"detail":"It is one line.","field":"title","status":422,"title":"A value was not accepted","type":"urn:betwixt:problem:invalid"}}"#);
    }
}
