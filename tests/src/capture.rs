//! What goes over a cable, as tcpdump writes it down.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::namespaces::{Cable, Side};

/// A capture that runs until it is stopped.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Child,
    directory: TempDir,
}

impl Capture {
    /// Begins to capture everything on the cable, both ways.
    ///
    /// # Errors
    /// When tcpdump does not start; needs [`betwixt_testkit::needs::Need::Capture`].
    pub fn begin(cable: &Cable) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("betwixt-capture-")?;
        let file = directory.path().join("traffic");
        let tcpdump = Command::new("ip")
            .args(["netns", "exec", cable.name(Side::Left), "tcpdump"])
            .args(["-i", "eth0", "-U", "--immediate-mode", "-s", "0", "-Z", "root", "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tcpdump does not start")?;
        let capture = Self { tcpdump, directory };
        let begun = Instant::now();
        // The header is there once it listens.
        while std::fs::metadata(capture.file()).map_or(0, |metadata| metadata.len()) < 24 {
            ensure!(begun.elapsed() < Duration::from_secs(10), "tcpdump does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(capture)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("traffic")
    }

    /// Ends the capture, and answers the payload of every UDP datagram, and the raw file.
    ///
    /// # Errors
    /// When the file is not what tcpdump writes.
    pub fn end(mut self) -> anyhow::Result<Traffic> {
        // What is on its way gets there.
        std::thread::sleep(Duration::from_millis(300));
        self.tcpdump.kill()?;
        self.tcpdump.wait()?;
        let raw = std::fs::read(self.file())?;
        let datagrams = frames(&raw)?.into_iter().filter_map(udp_payload).map(<[u8]>::to_vec).collect();
        Ok(Traffic { raw, datagrams })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// What was captured.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The file, with every byte that crossed the cable.
    pub raw: Vec<u8>,
    /// The payloads of UDP datagrams.
    pub datagrams: Vec<Vec<u8>>,
}

/// The Ethernet frames of a capture file (the classic format of libpcap, in this machine's byte order).
fn frames(raw: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let word = |at: usize| raw.get(at..at + 4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    ensure!(word(0) == Some(0xa1b2_c3d4), "not a capture file of this machine");
    let mut frames = Vec::new();
    let mut at = 24;
    while let Some(length) = word(at + 8) {
        let length = usize::try_from(length)?;
        // The last one may be cut short.
        let Some(frame) = raw.get(at + 16..at + 16 + length) else { break };
        frames.push(frame);
        at += 16 + length;
    }
    Ok(frames)
}

/// The payload of a UDP datagram in an Ethernet frame, IPv4 or IPv6 without extension headers.
fn udp_payload(frame: &[u8]) -> Option<&[u8]> {
    const UDP: u8 = 17;
    let packet = frame.get(14..)?;
    let datagram = match frame.get(12..14)? {
        [0x08, 0x00] if *packet.get(9)? == UDP => packet.get(usize::from(packet.first()? & 0x0f) * 4..)?,
        [0x86, 0xdd] if *packet.get(6)? == UDP => packet.get(40..)?,
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([*datagram.get(4)?, *datagram.get(5)?]));
    datagram.get(8..length)
}
