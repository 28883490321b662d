//! What two real daemons send each other when they meet again and nothing has changed, QUIC's own handshake with it.

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::AddressRequest;
use betwixt_model::ids::DeviceId;
use betwixt_tests::home::{Home, in_step, pair};

use crate::relay::Relay;
use crate::samples::Samples;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long after the last acknowledgements everything has been sent, and long before the first keepalive.
const QUIET: Duration = Duration::from_millis(1_500);

/// A reconnection on the wire; bytes and datagrams are medians.
#[derive(Debug)]
pub(crate) struct Reconnected {
    /// From `resume` to both saying that they are in step.
    pub(crate) taken: Samples,
    /// Of UDP payload, both ways.
    pub(crate) bytes: u64,
    /// Both ways.
    pub(crate) datagrams: u64,
}

/// Lets a couple part and meet again, through a relay.
pub(crate) async fn measure(times: usize) -> anyhow::Result<Reconnected> {
    let (mut first, mut second) = (Home::on_loopback()?, Home::on_loopback()?);
    first.found("Robin").await?;
    second.found("Kim").await?;
    pair(&first, &second, true).await?;
    let (first, second) = lesser_last(first, second).await?;
    let relay = between(&first, &second).await?;
    meet_again(&first, &second, &relay, times).await
}

/// The two, with the lesser device last, which dials. The greater one waits before it dials, so that they seldom cross
/// ([`betwixt_sync::dialer::HEAD_START`]); how long that is would hide what meeting takes.
pub(crate) async fn lesser_last(first: Home, second: Home) -> anyhow::Result<(Home, Home)> {
    let mut ids = Vec::new();
    for home in [&first, &second] {
        let own = home.client().devices().await?.into_iter().find(|device| device.this);
        ids.push(own.context("a device knows itself")?.id.parse::<DeviceId>()?);
    }
    Ok(if ids[1] < ids[0] { (first, second) } else { (second, first) })
}

/// From now on what the two send each other goes through a relay; they are in step.
pub(crate) async fn between(first: &Home, second: &Home) -> anyhow::Result<Relay> {
    let target = first.client().status().await?.addresses;
    let target = target.first().ok_or_else(|| anyhow::anyhow!("the first device listens nowhere"))?;
    let relay = Relay::before(target.parse()?)?;
    let way = AddressRequest { address: relay.address().to_string() };
    second.client().address_add(&way).await?;
    in_step(first, second, PATIENCE).await?;
    for home in [first, second] {
        home.client().pause().await?;
        for known in home.client().addresses().await?.into_iter().filter(|known| known.address != way.address) {
            home.client().address_remove(&AddressRequest { address: known.address }).await?;
        }
        home.client().resume().await?;
    }
    in_step(first, second, PATIENCE).await?;
    Ok(relay)
}

/// Lets the two part and meet again so many times.
pub(crate) async fn meet_again(
    first: &Home,
    second: &Home,
    relay: &Relay,
    times: usize,
) -> anyhow::Result<Reconnected> {
    let (mut taken, mut bytes, mut datagrams) = (Samples::default(), Vec::new(), Vec::new());
    for _ in 0..times {
        second.client().pause().await?;
        while first.client().status().await?.peers.iter().any(|peer| peer.connected) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(QUIET).await;
        relay.take();
        let begun = Instant::now();
        second.client().resume().await?;
        in_step_at_once(first, second).await?;
        taken.push(begun.elapsed());
        tokio::time::sleep(QUIET).await;
        let (counted, length) = relay.take();
        anyhow::ensure!(counted > 0, "the devices met, but not through the relay");
        datagrams.push(counted);
        bytes.push(length);
    }
    bytes.sort_unstable();
    datagrams.sort_unstable();
    Ok(Reconnected { taken, bytes: bytes[bytes.len() / 2], datagrams: datagrams[datagrams.len() / 2] })
}

/// Asks without a pause until both say that they are in step.
pub(crate) async fn in_step_at_once(first: &Home, second: &Home) -> anyhow::Result<()> {
    let begun = Instant::now();
    for home in [second, first] {
        while !home.client().status().await?.peers.iter().any(|peer| peer.connected && peer.in_step) {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the devices do not come into step");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}
