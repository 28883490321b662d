//! Reading the same thing over and over on a pool of connections.

use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::samples::Samples;

/// How many connections a frontend's pool has.
pub(super) const POOL: usize = 16;

/// What a pool of connections got.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) taken: Samples,
    pub(super) time: Duration,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        self.taken.len() as f64 / self.time.as_secs_f64().max(f64::EPSILON)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.time += other.time;
        self.taken.extend(other.taken);
    }
}

/// Reads a path on every connection of a pool, one request after the other on each, for so long.
pub(super) async fn pool(socket: &Path, path: &str, time: Duration) -> anyhow::Result<Load> {
    let mut readers = Vec::with_capacity(POOL);
    for _ in 0..POOL {
        let mut connection = Connection::to(socket).await?;
        // Connected, and known to the other side.
        connection.get(path).await?;
        readers.push(connection);
    }
    let begun = Instant::now();
    let reading = readers.into_iter().map(|mut connection| {
        let path = path.to_owned();
        tokio::spawn(async move {
            let mut taken = Samples::default();
            while begun.elapsed() < time {
                let asked = Instant::now();
                connection.get(&path).await?;
                taken.push(asked.elapsed());
            }
            anyhow::Ok(taken)
        })
    });
    let mut load = Load::default();
    for reader in reading.collect::<Vec<_>>() {
        load.taken.extend(reader.await??);
    }
    load.time = begun.elapsed();
    Ok(load)
}
