//! What went wrong, as a problem document (RFC 9457), and the exit code that the `betwixt` command ends with for it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A problem document. `detail` is a sentence for people; it never holds private text or keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// What kind of problem it is: stable, and all that a program should look at.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind in words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened here, and what to do about it.
    pub detail: String,
    /// The field of the request, or of the item, that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem of this kind, with its kind's title and status.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { title: kind.title().to_owned(), status: kind.status(), detail: detail.into(), field: None, kind }
    }

    /// The same problem, naming the field that it is about.
    #[must_use]
    pub fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The exit code that a command ends with for it.
    pub fn exit_code(&self) -> ExitCode {
        self.kind.exit_code()
    }
}

/// The exit codes of `betwixt`. They are stable: scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Success = 0,
    /// Something went wrong that has no code of its own.
    Failure = 1,
    /// The command line was not understood.
    Usage = 2,
    /// The home is locked, or the passphrase is another.
    Locked = 3,
    /// There is nothing by that name, or more than one thing.
    NotFound = 4,
    /// It was changed meanwhile: look again, then say it again.
    Changed = 5,
    /// A value was not accepted.
    Invalid = 6,
    /// The disk refused, or holds something damaged.
    Storage = 7,
    /// The daemon cannot be reached or started.
    Daemon = 8,
    /// It needs a home, or a partner, that is not there yet; or one is there already.
    Setup = 9,
    /// Pairing did not happen.
    Pairing = 10,
    /// A check (`verify`, `doctor`, `demo`) found something.
    Found = 11,
}

macro_rules! problem_kinds {
    ($($(#[$documentation:meta])* $name:ident: $slug:literal, $status:literal, $title:literal, $exit:ident;)*) => {
        /// The kinds of problem. As a URI: `urn:betwixt:problem:` and the slug.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum ProblemKind {
            $($(#[$documentation])* $name,)*
            /// A kind that a newer daemon knows.
            Other(String),
        }

        impl ProblemKind {
            /// Every kind that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable part of its URI.
            pub fn slug(&self) -> &str {
                match self {
                    $(Self::$name => $slug,)*
                    Self::Other(slug) => slug,
                }
            }

            /// The HTTP status code that goes with it.
            pub fn status(&self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Other(_) => 500,
                }
            }

            /// In words.
            pub fn title(&self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                    Self::Other(_) => "A problem that this version does not know",
                }
            }

            /// The exit code of a command that ends with it.
            pub fn exit_code(&self) -> ExitCode {
                match self {
                    $(Self::$name => ExitCode::$exit,)*
                    Self::Other(_) => ExitCode::Failure,
                }
            }
        }
    };
}

problem_kinds! {
    /// A value was not accepted; `field` says which.
    Invalid: "invalid", 422, "A value was not accepted", Invalid;
    /// The request's body is not the JSON that was expected.
    NotUnderstood: "not-understood", 400, "The request was not understood", Invalid;
    /// The body is longer than allowed.
    TooLarge: "too-large", 413, "The request is too large", Invalid;
    /// The body is not `application/json`.
    NotJson: "not-json", 415, "Only JSON is understood", Invalid;
    /// There is nothing by that id or name.
    NotFound: "not-found", 404, "There is no such thing", NotFound;
    /// The beginning of an id that fits several.
    Ambiguous: "ambiguous", 404, "More than one thing begins like that", NotFound;
    /// The path exists, the method does not.
    MethodNotAllowed: "method-not-allowed", 405, "That cannot be done there", Failure;
    /// `seen` names something that is not known here or is not about this field.
    UnknownSeen: "unknown-seen", 409, "What you had before you is not known here", Changed;
    /// `seen` is missing, and something has been said there.
    SeenMissing: "seen-missing", 428, "Something has been said there already", Changed;
    /// The field takes no writes until what it builds on has arrived.
    Arriving: "arriving", 409, "Part of this is still arriving", Changed;
    /// One's last act cannot be taken back.
    CannotUndo: "cannot-undo", 409, "That cannot be taken back", Changed;
    /// Only its owner can say something there.
    NotYours: "not-yours", 403, "Only your partner can say that", Invalid;
    /// It needs a token, and there is none that is known.
    NoToken: "no-token", 401, "This needs a token", Failure;
    /// Too many tries, or too many wait; try again later.
    TooMany: "too-many", 429, "Too many tries", Failure;
    /// The request's body took too long.
    TooSlow: "too-slow", 408, "The request took too long", Failure;
    /// The request's `Host` is not this daemon.
    ForeignHost: "foreign-host", 421, "That is not this daemon", Failure;
    /// The request comes from pages that are not let in.
    ForeignOrigin: "foreign-origin", 403, "These pages are not let in", Failure;
    /// The frontend may not do that.
    NotPermitted: "not-permitted", 403, "This frontend may not do that", Failure;
    /// The home, or the private part of it, is locked.
    Locked: "locked", 423, "The home is locked", Locked;
    /// The passphrase, or recovery code, does not open the home.
    WrongPassphrase: "wrong-passphrase", 403, "That does not open the home", Locked;
    /// There is no home yet.
    NotSetUp: "not-set-up", 409, "There is no home here yet", Setup;
    /// There is one already.
    AlreadySetUp: "already-set-up", 409, "There is a home here already", Setup;
    /// It needs a partner.
    NotPaired: "not-paired", 409, "You are not paired yet", Setup;
    /// There is a partner already.
    AlreadyPaired: "already-paired", 409, "You are paired already", Setup;
    /// Pairing did not happen.
    Pairing: "pairing", 409, "Pairing did not happen", Pairing;
    /// The disk refused.
    Storage: "storage", 503, "The disk refused", Storage;
    /// The disk is full.
    StorageFull: "storage-full", 507, "The disk is full", Storage;
    /// Something on disk is damaged.
    Damaged: "damaged", 500, "Something on disk is damaged", Storage;
    /// Too much at once; try again.
    Busy: "busy", 503, "Too much at once", Failure;
    /// The daemon is going down.
    GoingDown: "going-down", 503, "The daemon is going down", Daemon;
    /// A fault in Betwixt itself.
    Internal: "internal", 500, "A fault in Betwixt", Failure;
}

const PREFIX: &str = "urn:betwixt:problem:";

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.slug())
    }
}

impl PartialSchema for ProblemKind {
    fn schema() -> RefOr<Schema> {
        let known: Vec<serde_json::Value> = Self::ALL.iter().map(|kind| kind.to_string().into()).collect();
        let description =
            "Which kind of problem it is. A newer daemon may have more of them; `status` says enough then.";
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^{PREFIX}[a-z-]+$")));
        text.description(Some(description)).examples(known).into()
    }
}

impl ToSchema for ProblemKind {}

impl Serialize for ProblemKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProblemKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let slug = text.strip_prefix(PREFIX).unwrap_or(&text);
        let known = Self::ALL.iter().find(|kind| kind.slug() == slug).cloned();
        Ok(known.unwrap_or_else(|| Self::Other(slug.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_being_written() {
        for kind in ProblemKind::ALL {
            let problem = Problem::new(kind.clone(), "detail").about("title");
            let text = serde_json::to_string(&problem).expect("writes");
            assert_eq!(serde_json::from_str::<Problem>(&text).expect("reads"), problem);
        }
    }

    #[test]
    fn a_kind_of_a_newer_daemon_is_kept() {
        let text = r#"{"type":"urn:betwixt:problem:tired","title":"t","status":500,"detail":"d","new":1}"#;
        let problem: Problem = serde_json::from_str(text).expect("reads");
        assert_eq!(problem.kind, ProblemKind::Other("tired".into()));
        assert_eq!(problem.exit_code(), ExitCode::Failure);
    }

    #[test]
    fn the_document_has_the_members_of_rfc_9457() {
        let problem = Problem::new(ProblemKind::UnknownSeen, "Look again.").about("title");
        insta::assert_snapshot!(serde_json::to_string(&problem).expect("writes"), @r#"{"type":"urn:betwixt:problem:unknown-seen","title":"What you had before you is not known here","status":409,"detail":"Look again.","field":"title"}"#);
    }
}
