//! What this machine itself takes: making bytes durable, and a round trip over loopback.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

/// How many places of the file are written in turn.
const SLOTS: u64 = 16;

/// The size of a datagram: a full one of QUIC's.
const DATAGRAM: usize = 1_200;

/// A file of the disk that is measured, and as many bytes as one commit of ours writes.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    bytes: Vec<u8>,
    slot: u64,
}

impl Disk {
    pub(crate) fn new(directory: &Path, bytes: u64) -> anyhow::Result<Self> {
        let file = File::create(directory.join("floor"))?;
        // As a database's file, it has its size before: growing would be metadata to sync, too.
        let bytes = vec![0x5a; usize::try_from(bytes)?];
        for slot in 0..SLOTS {
            file.write_all_at(&bytes, slot * bytes.len() as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, bytes, slot: 0 })
    }

    /// How many bytes each [`Disk::sync`] writes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the bytes in one go and waits until they are durable (fdatasync).
    pub(crate) fn sync(&mut self) -> anyhow::Result<Duration> {
        self.slot = (self.slot + 1) % SLOTS;
        let begun = Instant::now();
        self.file.write_all_at(&self.bytes, self.slot * self.bytes.len() as u64)?;
        self.file.sync_data()?;
        Ok(begun.elapsed())
    }
}

/// Another thread that sends every datagram back. It ends with the process.
#[derive(Debug)]
pub(crate) struct Echo {
    socket: UdpSocket,
}

impl Echo {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let echo = UdpSocket::bind("127.0.0.1:0")?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.connect(echo.local_addr()?)?;
        std::thread::spawn(move || -> std::io::Result<()> {
            let mut buffer = [0; 1_500];
            loop {
                let (length, from): (usize, SocketAddr) = echo.recv_from(&mut buffer)?;
                echo.send_to(&buffer[..length], from)?;
            }
        });
        Ok(Self { socket })
    }

    /// One datagram there and back.
    pub(crate) fn round_trip(&self) -> anyhow::Result<Duration> {
        let mut buffer = [0; 1_500];
        let begun = Instant::now();
        self.socket.send(&[0x5a; DATAGRAM])?;
        self.socket.recv(&mut buffer).context("the echo does not answer")?;
        Ok(begun.elapsed())
    }
}
