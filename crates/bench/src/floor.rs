//! What this machine itself takes: making bytes durable, and a round trip over loopback.

use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes so many bytes into a file that is there, and waits until they are durable: once for each of `times`.
pub(crate) fn syncs(directory: &Path, bytes: u64, times: usize) -> anyhow::Result<Vec<Duration>> {
    let path = directory.join("floor");
    let file = File::create(&path)?;
    let buffer = vec![0x5a; usize::try_from(bytes)?];
    // As a database's file, it has its size before: growing would be metadata to sync, too.
    let slots = 16;
    file.set_len(bytes * slots)?;
    for slot in 0..slots {
        file.write_all_at(&buffer, slot * bytes)?;
    }
    file.sync_all()?;
    let mut taken = Vec::with_capacity(times);
    for (slot, _) in (0..slots).cycle().zip(0..times) {
        let begun = Instant::now();
        file.write_all_at(&buffer, slot * bytes)?;
        file.sync_data()?;
        taken.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(taken)
}

/// A datagram of 1200 bytes to another thread and one back, once for each of `times`.
pub(crate) fn round_trips(times: usize) -> anyhow::Result<Vec<Duration>> {
    let echo = UdpSocket::bind("127.0.0.1:0")?;
    let address = echo.local_addr()?;
    let thread = std::thread::spawn(move || -> std::io::Result<()> {
        let mut buffer = [0; 1500];
        for _ in 0..times {
            let (length, from) = echo.recv_from(&mut buffer)?;
            echo.send_to(&buffer[..length], from)?;
        }
        Ok(())
    });
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.connect(address)?;
    let mut buffer = [0; 1500];
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        socket.send(&[0x5a; 1200])?;
        socket.recv(&mut buffer)?;
        taken.push(begun.elapsed());
    }
    thread.join().map_err(|_| anyhow::anyhow!("the echo died"))??;
    Ok(taken)
}
