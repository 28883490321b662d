//! What others on the same machine can reach of a daemon: no port, and nothing through its socket.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::Home;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_uid};

/// The local ports on which a process listens for TCP connections, as the kernel tells them.
fn listens(process: u32) -> Vec<String> {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let links = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets: BTreeSet<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    assert!(!sockets.is_empty(), "a daemon has sockets");
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{process}/net/{table}")));
    let rows: Vec<String> =
        tables.into_iter().flatten().flat_map(|table| table.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    // Columns: number, local address, remote address, state (0A: listening), ..., the tenth is the inode.
    let listening = rows
        .iter()
        .map(|row| row.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.get(3) == Some(&"0A") && row.get(9).is_some_and(|inode| sockets.contains(*inode)));
    listening.map(|row| row[1].to_owned()).collect()
}

#[tokio::test]
async fn a_daemon_listens_on_no_tcp_port_that_a_page_could_reach() {
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(listens(std::process::id()).len(), 1, "a listening socket is found");
    drop(own);
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    assert_eq!(listens(home.process().unwrap()), Vec::<String>::new());
}

/// Asks for the status as another user; what comes back.
fn ask_as_nobody(socket: &Path) -> Vec<u8> {
    let socket = socket.to_owned();
    let asked = std::thread::spawn(move || {
        const NOBODY: u32 = 65_534;
        // Of this thread alone.
        set_thread_gid(Gid::from_raw(NOBODY)).unwrap();
        set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        // It may be closed before this is written.
        let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    asked.join().unwrap()
}

#[tokio::test]
async fn another_user_gets_no_answer_even_where_permissions_let_them_connect() {
    // To become another user takes root, as mounting does.
    if !met(&[Need::Mounts]) {
        return;
    }
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let socket = home.client().socket().to_owned();
    for path in [home.path().parent().unwrap(), home.path(), &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let answer = tokio::task::spawn_blocking(move || ask_as_nobody(&socket)).await.unwrap();
    assert_eq!(answer, b"", "{}", String::from_utf8_lossy(&answer));
    home.client().status().await.expect("its owner is answered");
}
