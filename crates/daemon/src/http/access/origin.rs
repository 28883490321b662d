//! Where a request was sent, and where it comes from: compared whole, never by how it begins.

use std::fmt;
use std::net::SocketAddr;

use axum::http::Uri;
use serde::{Deserialize, Serialize};

/// The longest origin that is taken, in bytes.
const MAX_ORIGIN: usize = 256;

/// The origin of a page, in the form in which browsers send it: scheme, host and, unless it is the scheme's own, port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin(String);

impl Origin {
    /// An origin as somebody writes it down; `None` for what no browser would send.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = Some(text).filter(|text| text.len() <= MAX_ORIGIN)?.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let own_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let port = authority.port_u16().filter(|port| *port != own_port);
        let host = authority.host();
        let canonical = match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        // Neither a path nor a user nor capitals: what is written is what is compared.
        (canonical == text && text.bytes().all(|byte| !byte.is_ascii_uppercase())).then_some(Self(canonical))
    }

    /// Whether the value of an `Origin` header is this.
    pub(crate) fn is(&self, header: &[u8]) -> bool {
        self.0.as_bytes() == header
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The names by which the daemon itself is reached at a port of this machine.
#[derive(Debug, Clone)]
pub(crate) struct OwnNames {
    hosts: [String; 3],
    origins: [Origin; 3],
}

impl OwnNames {
    /// Of the daemon that listens here.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let port = address.port();
        let hosts = [format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("localhost:{port}")];
        let origins = hosts.clone().map(|host| Origin(format!("http://{host}")));
        Self { hosts, origins }
    }

    /// Whether a `Host` header, or the authority of a request's URI, names the daemon.
    pub(crate) fn is_host(&self, host: &[u8]) -> bool {
        self.hosts.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(host))
    }

    /// Whether an `Origin` header is that of the daemon's own pages.
    pub(crate) fn is_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|own| own.is(origin))
    }

    /// Whether a `Referer` header is of the daemon's own pages.
    pub(crate) fn is_referer(&self, referer: &[u8]) -> bool {
        self.origins.iter().any(|own| is_of(own, referer))
    }
}

/// Whether a `Referer` header is of a page of this origin.
pub(crate) fn is_of(origin: &Origin, referer: &[u8]) -> bool {
    let rest = referer.strip_prefix(origin.as_str().as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends_and_nothing_else() {
        for good in ["http://localhost:5173", "https://app.example", "http://127.0.0.1:8080", "http://[::1]:3000"] {
            assert!(Origin::parse(good).is_some_and(|origin| origin.is(good.as_bytes())), "{good}");
        }
        let bad = [
            "",
            "*",
            "null",
            "localhost:5173",
            "http://",
            "http://a/",
            "http://a/path",
            "http://a?b",
            "http://user@a",
            "HTTP://a",
            "http://A",
            "http://a:80",
            "https://a:443",
            "ftp://a",
            "file:///x",
            "http://a b",
            "http://a,http://b",
        ];
        for bad in bad {
            assert_eq!(Origin::parse(bad), None, "{bad}");
        }
        assert_eq!(Origin::parse(&format!("http://{}", "a".repeat(300))), None);
    }

    #[test]
    fn only_the_three_names_of_this_machine_with_the_port_are_the_daemon() {
        let own = OwnNames::new(([127, 0, 0, 1], 4714).into());
        for host in ["127.0.0.1:4714", "[::1]:4714", "localhost:4714", "LOCALHOST:4714"] {
            assert!(own.is_host(host.as_bytes()), "{host}");
        }
        let foreign = [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:4715",
            "127.0.0.1.evil.example:4714",
            "127.0.0.1:4714.evil.example",
            "evil.example:4714",
            "127.1:4714",
            "0.0.0.0:4714",
            "127.0.0.2:4714",
            "localhost.:4714",
            "[::ffff:127.0.0.1]:4714",
            "127.0.0.1:4714 ",
            "127.0.0.1:04714",
        ];
        for host in foreign {
            assert!(!own.is_host(host.as_bytes()), "{host}");
            assert!(!own.is_origin(format!("http://{host}").as_bytes()), "{host}");
        }
        assert!(own.is_origin(b"http://localhost:4714") && !own.is_origin(b"https://localhost:4714"));
        assert!(own.is_referer(b"http://localhost:4714/goals") && own.is_referer(b"http://localhost:4714"));
        assert!(!own.is_referer(b"http://localhost:47140/") && !own.is_referer(b"http://localhost:4714.evil.example/"));
    }
}
