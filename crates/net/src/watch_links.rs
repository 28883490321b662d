//! Watches the system's links and clocks, so that discovery is rebuilt and peers are dialled again when the network
//! changed or the machine slept.
//!
//! Address changes are told by the system (netlink, route sockets); a cable pulled and put back, or an access point that
//! went away and came back, often changes no address, so the links are listed every two seconds, too. A link that was away
//! for less than it takes to look lists the same as before; that an address was told to be gone shows that it was away.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::event::NetEvent;
use crate::interfaces::{self, Network};
use crate::plan;
use crate::shared::Shared;

const LIST_EVERY: Duration = Duration::from_secs(2);
/// Changes come in bursts (link, IPv4, IPv6 after duplicate address detection); they are told once.
const SETTLE: Duration = Duration::from_millis(300);
/// A wall clock that is further ahead than the monotonic one by this: the machine slept (or was set; no harm).
const SLEPT: Duration = Duration::from_secs(10);

pub(crate) async fn run(shared: Arc<Shared>) {
    let mut watcher = IfWatcher::new()
        .inspect_err(|error| tracing::debug!(%error, "address changes are not told by the system, only listed"))
        .ok();
    let mut clocks = Clocks::now();
    let mut ticks = interval(LIST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let told = async {
            match &mut watcher {
                Some(watcher) => poll_fn(|context| watcher.poll_if_event(context)).await.ok(),
                None => std::future::pending().await,
            }
        };
        let mut gone: Vec<IpAddr> = Vec::new();
        let settle = tokio::select! {
            event = told => {
                match event {
                    Some(event) => gone.extend(address_gone(&event)),
                    None => watcher = None,
                }
                true
            }
            _ = ticks.tick() => false,
        };
        if settle {
            sleep(SETTLE).await;
            gone.extend(told_meanwhile(&mut watcher).await.iter().filter_map(address_gone));
        }
        let resumed = clocks.slept();
        let Ok(networks) = interfaces::networks() else { continue };
        shared.take_port(&networks).await;
        let changed = shared.networks.send_if_modified(|known| {
            let changed = *known != networks;
            if changed {
                known.clone_from(&networks);
            }
            changed
        });
        let was_away = came_back(&gone, &networks);
        if changed || resumed || was_away {
            plan::replan(&shared, resumed || was_away);
            if shared.events.send(NetEvent::NetworkChanged { networks, resumed }).await.is_err() {
                return;
            }
        }
    }
}

/// What the system has told until now, without waiting for more.
async fn told_meanwhile(watcher: &mut Option<IfWatcher>) -> Vec<IfEvent> {
    let mut events = Vec::new();
    poll_fn(|context| {
        while let Some(working) = watcher {
            match working.poll_if_event(context) {
                Poll::Ready(Ok(event)) => events.push(event),
                Poll::Ready(Err(_)) => *watcher = None,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    events
}

fn address_gone(event: &IfEvent) -> Option<IpAddr> {
    match event {
        IfEvent::Down(network) => Some(network.addr()),
        IfEvent::Up(_) => None,
    }
}

/// Whether an address that was told to be gone is there: what was joined or announced on its link is lost, although
/// nothing changed in the list.
fn came_back(gone: &[IpAddr], networks: &[Network]) -> bool {
    let mut there = networks.iter().flat_map(|network| &network.addresses);
    there.any(|address| gone.contains(&address.ip))
}

/// The two clocks at one moment.
#[derive(Debug)]
struct Clocks {
    monotonic: Instant,
    wall: SystemTime,
}

impl Clocks {
    fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Whether the wall clock went on while the monotonic one stood still, since this was last asked.
    fn slept(&mut self) -> bool {
        let now = Self::now();
        let before = std::mem::replace(self, now);
        let monotonic = self.monotonic.saturating_duration_since(before.monotonic);
        // A wall clock that was set back says nothing.
        let wall = self.wall.duration_since(before.wall).unwrap_or_default();
        wall.saturating_sub(monotonic) > SLEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspend_is_a_wall_clock_that_ran_ahead() {
        let mut clocks = Clocks::now();
        assert!(!clocks.slept());
        clocks.wall -= Duration::from_secs(3600);
        assert!(clocks.slept());
        assert!(!clocks.slept());
        clocks.wall += Duration::from_secs(3600);
        assert!(!clocks.slept(), "set back");
        clocks.wall -= Duration::from_secs(60);
        clocks.monotonic -= Duration::from_secs(60);
        assert!(!clocks.slept(), "merely late");
    }
}
