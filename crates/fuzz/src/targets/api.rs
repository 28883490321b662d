//! Requests to the local API: method, path, query, headers and body.

use betwixt_daemon::fuzz::Api;

use crate::reached::here;

thread_local! {
    static API: Api = Api::default();
}

/// `METHOD TARGET`, lines of `name: value`, an empty line, and the body.
pub(super) fn requests(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let (method, target) = line
        .iter()
        .position(|byte| *byte == b' ')
        .map_or((&b"GET"[..], line), |space| (&line[..space], &line[space + 1..]));
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .collect();
    API.with(|api| {
        if let Some((status, _)) = api.ask(method, target, &headers, body) {
            here(if status < 300 { "done" } else { "refused" });
            // Nothing that anybody asks is this side's fault.
            assert!((200..500).contains(&status), "{status}");
        }
    });
}
