//! What goes over a network, as tcpdump writes it down.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::namespaces::{Cable, Lan, Side};

/// IANA's number of the protocol.
pub const UDP: u8 = 17;
/// The same.
pub const TCP: u8 = 6;

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
        Self::at(cable.name(Side::Left), "eth0")
    }

    /// Begins to capture everything that goes through a switch.
    ///
    /// # Errors
    /// As [`Capture::begin`].
    pub fn begin_at_switch(lan: &Lan) -> anyhow::Result<Self> {
        // Listening to the bridge itself makes it hear what it passes on.
        Self::at(lan.switch(), "bridge")
    }

    fn at(namespace: &str, interface: &str) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("betwixt-capture-")?;
        let file = directory.path().join("traffic");
        let tcpdump = Command::new("ip")
            .args(["netns", "exec", namespace, "tcpdump"])
            .args(["-i", interface, "-U", "--immediate-mode", "-s", "0", "-Z", "root", "-w"])
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
        self.so_far()
    }

    /// What was captured until now; what is on its way may be missing.
    ///
    /// # Errors
    /// When the file is not what tcpdump writes.
    pub fn so_far(&self) -> anyhow::Result<Traffic> {
        let raw = std::fs::read(self.file())?;
        let packets = frames(&raw)?.into_iter().filter_map(packet).collect();
        let datagrams = frames(&raw)?.into_iter().filter_map(udp_payload).map(<[u8]>::to_vec).collect();
        Ok(Traffic { raw, datagrams, packets })
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
    /// Every IP packet.
    pub packets: Vec<Packet>,
}

/// An IP packet, and for UDP and TCP its ports (0 for others).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it is for.
    pub to: SocketAddr,
    /// IANA's number of the protocol; 17 is UDP, 6 TCP.
    pub protocol: u8,
    /// What a UDP datagram carries.
    pub payload: Vec<u8>,
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

/// What an Ethernet frame with IPv4, or IPv6 without extension headers, carries.
fn packet(frame: &[u8]) -> Option<Packet> {
    let packet = frame.get(14..)?;
    let (from, to, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let address = |at: usize| packet.get(at..at + 4)?.try_into().ok().map(|bytes: [u8; 4]| IpAddr::from(bytes));
            let rest = packet.get(usize::from(packet.first()? & 0x0f) * 4..)?;
            (address(12)?, address(16)?, *packet.get(9)?, rest)
        }
        [0x86, 0xdd] => {
            let address =
                |at: usize| packet.get(at..at + 16)?.try_into().ok().map(|bytes: [u8; 16]| IpAddr::from(bytes));
            (address(8)?, address(24)?, *packet.get(6)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| match (protocol, rest.get(at..at + 2)) {
        (UDP | TCP, Some(port)) => u16::from_be_bytes([port[0], port[1]]),
        _ => 0,
    };
    let (from, to) = (SocketAddr::new(from, port(0)), SocketAddr::new(to, port(2)));
    let payload = udp_payload(frame).unwrap_or_default().to_vec();
    Some(Packet { from, to, protocol, payload })
}

/// The payload of a UDP datagram in an Ethernet frame, IPv4 or IPv6 without extension headers.
fn udp_payload(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.get(14..)?;
    let datagram = match frame.get(12..14)? {
        [0x08, 0x00] if *packet.get(9)? == UDP => packet.get(usize::from(packet.first()? & 0x0f) * 4..)?,
        [0x86, 0xdd] if *packet.get(6)? == UDP => packet.get(40..)?,
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([*datagram.get(4)?, *datagram.get(5)?]));
    datagram.get(8..length)
}
