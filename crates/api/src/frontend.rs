//! Frontends: programs and pages that talk to the daemon with a token of their own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::permission::Permissions;
use crate::secret::Secret;

/// The most bytes that a frontend's name may have: letters, digits, `-`, `_` and `.`.
pub const MAX_FRONTEND_NAME: usize = 32;

/// The most origins that a frontend may have.
pub const MAX_ORIGINS: usize = 8;

/// The most frontends that a home may have.
pub const MAX_FRONTENDS: usize = 64;

/// A frontend that is to be let in: `POST /v1/frontends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewFrontend {
    /// What to call it, see [`MAX_FRONTEND_NAME`].
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The origins of its pages, such as `http://localhost:5173`; none for what is no page.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A frontend was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddedFrontend {
    /// Which.
    pub frontend: Frontend,
    /// Its token, told this once: `Authorization: Bearer TOKEN`.
    pub token: Secret,
}

/// A frontend that is let in: `GET /v1/frontends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Frontend {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The origins of its pages.
    pub origins: Vec<String>,
    /// The day on which it was let in.
    pub added: String,
    /// The last day on which it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// Whether it is a page that was opened with `betwixt open`: it is forgotten when the daemon ends.
    #[serde(default)]
    pub page: bool,
    /// Whether it has a bridge: a URL at which its Automerge opens documents live.
    #[serde(default)]
    pub bridge: bool,
}

/// A frontend has a bridge now: `PUT /v1/frontends/{name}/bridge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrontendBridge {
    /// Which.
    pub frontend: Frontend,
    /// The URL, told this once: whoever has it may do what the frontend may. An earlier one is no longer good.
    pub url: Secret,
}

/// What a frontend that asks to be let in gets to know: `POST /v1/frontends/requests`, with a [`NewFrontend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrontendRequest {
    /// The code that the frontend shows, for the person to type after `betwixt frontend approve`.
    pub code: String,
    /// What the frontend asks with whether it was approved. It shows it to nobody.
    pub secret: Secret,
    /// For how long the code is good, in seconds.
    pub seconds: u64,
}

/// `POST /v1/frontends/requests/token`: whether a request was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimToken {
    /// Of the request.
    pub secret: Secret,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Claimed {
    /// Nobody has approved it yet: ask again in a second or more.
    Waiting,
    /// It was approved.
    Approved(AddedFrontend),
}

/// `POST /v1/frontends/requests/approve`: what to approve. Without permissions it only shows what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApproveFrontend {
    /// The code, as the frontend shows it.
    pub code: String,
    /// What is granted, which may be less than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

/// Where pages and programs reach the daemon: `PUT /v1/listen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listen {
    /// A loopback address and port, such as `127.0.0.1:4714`; port 0 takes any free one. `None`: nowhere.
    pub address: Option<String>,
}

/// A way for a page to log in was made: `POST /v1/login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Login {
    /// A file that only the home's owner can read. Opened in a browser it leads to the page, with a code that is good once.
    pub file: String,
    /// Where the page is, without a code.
    pub page: String,
    /// For how long the file is good, in seconds.
    pub seconds: u64,
}

/// `POST /v1/login/token`: exchanges the code for a token. Answered with an [`AddedFrontend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginCode {
    /// From the fragment of the page's URL.
    pub code: Secret,
}
