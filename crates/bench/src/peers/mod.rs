//! Other engines over Automerge, measured in the same run.

mod automerge_repo;
pub(crate) mod npm;
#[cfg(feature = "peers")]
mod samod;

use crate::samples::Samples;

/// A peer's figure, or how to get it.
#[derive(Debug)]
pub(crate) enum Compared {
    /// From a change here to its being read there.
    Taken(Samples),
    /// It is not here.
    Skipped(String),
}

/// A peer's figure and what it means.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// What is durable when the figure's time is up, and what lies between the two.
    pub(crate) means: &'static str,
    pub(crate) compared: Compared,
}

/// Every peer that can be had here.
pub(crate) async fn measure(edits: usize) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    #[cfg(feature = "peers")]
    peers.push(Peer {
        name: "samod 0.16",
        means: "nothing is stored; one process, a channel for a network",
        compared: Compared::Taken(samod::measure(edits).await?),
    });
    #[cfg(not(feature = "peers"))]
    peers.push(Peer {
        name: "samod 0.16",
        means: "nothing is stored; one process, a channel for a network",
        compared: Compared::Skipped("build with `--features peers`, as `cargo xtask bench` does".into()),
    });
    let (read, saved) = match automerge_repo::measure(edits)? {
        Ok((read, saved)) => (Compared::Taken(read), Compared::Taken(saved)),
        Err(why) => (Compared::Skipped(why.clone()), Compared::Skipped(why)),
    };
    peers.push(Peer {
        name: "automerge-repo 2.5 (JavaScript)",
        means: "nothing is on disk yet; two processes, WebSocket, file storage",
        compared: read,
    });
    peers.push(Peer {
        name: "automerge-repo 2.5, flushed",
        means: "both have written their files (no fsync); the same",
        compared: saved,
    });
    Ok(peers)
}
