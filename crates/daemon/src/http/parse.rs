//! From a path, headers and a body to a [`Request`]'s parts. Everything here comes from outside: what does not fit is a
//! [`Problem`], which never quotes what was sent.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use betwixt_api::{Collection, IDEMPOTENCY_KEY, MAX_IDEMPOTENCY_KEY, Problem, ProblemKind, Scope};
use serde::de::DeserializeOwned;

use super::request::Target;

const MAX_ID: usize = 52;
const MAX_FIELD: usize = 32;

/// A JSON body, which must say that it is one.
pub(super) fn body<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(ProblemKind::NotJson, "Send the body as application/json."));
    }
    serde_json::from_slice(body).map_err(|error| {
        // serde's messages quote values, which may be private; the names of missing fields are our own.
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match missing {
            Some(name) => Problem::new(ProblemKind::Invalid, format!("The field {name} is missing.")).about(name),
            None => Problem::new(
                ProblemKind::NotUnderstood,
                format!(
                    "The body is not the JSON that was expected, at line {}, column {}.",
                    error.line(),
                    error.column()
                ),
            ),
        }
    })
}

/// The collection of a path. The vision has paths of its own.
pub(super) fn collection(name: &str) -> Result<Collection, Problem> {
    Collection::from_name(name)
        .filter(|collection| *collection != Collection::Vision)
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no such path."))
}

/// An item by collection and the beginning of its id.
pub(super) fn target(collection_name: &str, id: &str) -> Result<Target, Problem> {
    Ok(Target::Item(collection(collection_name)?, item(id)?))
}

/// A year's document: `ours` or `mine`, and a year in four digits.
pub(super) fn document(scope: &str, year: &str) -> Result<(Scope, i16), Problem> {
    let scope = [Scope::Ours, Scope::Mine].into_iter().find(|known| known.name() == scope);
    let year = Some(year).filter(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()));
    let year = year.and_then(|year| year.parse().ok());
    scope.zip(year).ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no such path."))
}

/// The beginning of an item's id.
pub(super) fn item(id: &str) -> Result<String, Problem> {
    if !is_beginning(id) {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "That is no id: ids are up to 52 characters of a-z and 2-7. The beginning of one is enough.",
        ));
    }
    Ok(id.to_owned())
}

/// Whether a text may be the beginning of an id.
pub(super) fn is_beginning(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

/// The name of a field.
pub(super) fn field(name: String) -> Result<String, Problem> {
    let fits = !name.is_empty()
        && name.len() <= MAX_FIELD
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if fits { Ok(name) } else { Err(Problem::new(ProblemKind::NotFound, "There is no field of that name.")) }
}

/// The key of a request that may be repeated.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_IDEMPOTENCY_KEY {
        return Err(Problem::new(ProblemKind::Invalid, "An Idempotency-Key has 1 to 64 printable ASCII characters.")
            .about(IDEMPOTENCY_KEY));
    }
    Ok(Some(text.to_owned()))
}

/// A device's address: numbers only, since looking up a name would ask somebody else (NothingOutbound).
pub(super) fn address(text: &str) -> Result<SocketAddr, Problem> {
    let parsed = text
        .trim()
        .parse::<SocketAddr>()
        .ok()
        .filter(|address| address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast());
    parsed.ok_or_else(|| {
        Problem::new(
            ProblemKind::Invalid,
            "An address is an IP address and a port, such as 192.168.1.20:4711 or [fd00::20]:4711. `betwixt status` on the other device shows its own.",
        )
        .about("address")
    })
}

/// The header in which a browser names the last notice that it knows when it reconnects.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}
