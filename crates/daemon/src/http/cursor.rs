//! Cursors: where a page ended, so that the next one goes on there. Opaque to frontends, and no secret.

use betwixt_api::{Problem, ProblemKind};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest cursor that is looked at, in bytes.
const MAX_CURSOR: usize = 512;

/// A place in a list, as its page's `next`. `list` keeps it from being taken for a place in another one.
pub(crate) fn write(list: &str, place: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_vec(&(list, place));
    let text =
        text.map_err(|_| Problem::new(ProblemKind::Internal, "The place in the list cannot be written down."))?;
    Ok(BASE64URL_NOPAD.encode(&text))
}

/// The reverse of [`write`].
pub(crate) fn read<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, Problem> {
    let place = || {
        let text = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (of, place): (String, T) = serde_json::from_slice(&text).ok()?;
        (of == list).then_some(place)
    };
    let place = if cursor.len() <= MAX_CURSOR { place() } else { None };
    place.ok_or_else(|| {
        let detail = "That is no place in this list: hand back `next` of the page before as it came, or leave it away.";
        Problem::new(ProblemKind::Invalid, detail).about("after")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let cursor = write("items", &(1, "x")).expect("writes");
        assert_eq!(read::<(u8, String)>("items", &cursor), Ok((1, "x".to_owned())));
        for wrong in [write("since", &(1, "x")).expect("writes"), "x".repeat(1000), String::new(), "!".to_owned()] {
            let problem = read::<(u8, String)>("items", &wrong).expect_err("is refused");
            assert_eq!(problem.field.as_deref(), Some("after"));
        }
    }
}
