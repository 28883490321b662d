//! The mDNS library, started for one plan and stopped with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo, TxtProperty};
use rand_core::{OsRng, RngCore as _};
use tokio::time::timeout;

use crate::advert;
use crate::plan::Plan;

/// How long a goodbye and a stop may take.
const STOPPING: Duration = Duration::from_millis(500);

/// The library at work.
pub(crate) struct Running {
    pub(crate) daemon: ServiceDaemon,
    events: Option<Receiver<ServiceEvent>>,
    pub(crate) own_name: String,
    count: Arc<AtomicUsize>,
}

impl Running {
    pub(crate) fn start(
        service: &str,
        plan: &Plan,
        txt: TxtProperty,
        count: Arc<AtomicUsize>,
    ) -> mdns_sd::Result<Self> {
        let mut running = Self { daemon: ServiceDaemon::new()?, events: None, own_name: String::new(), count };
        running.count.fetch_add(1, Ordering::Relaxed);
        let daemon = &running.daemon;
        // It would announce us on a new network before anybody has asked whether that is a home.
        daemon.set_ip_check_interval(0)?;
        daemon.disable_interface(IfKind::All)?;
        let kinds: Vec<IfKind> = (plan.networks.iter())
            .flat_map(|network| [IfKind::IndexV4(network.index), IfKind::IndexV6(network.index)])
            .collect();
        daemon.enable_interface(kinds.clone())?;
        if let Some((port, _)) = plan.advertise {
            let (instance, host) = (random_name(), format!("{}.local.", random_name()));
            let addresses = advert::own(&plan.networks);
            let mut info = ServiceInfo::new(service, &instance, &host, addresses.as_slice(), port, vec![txt])?;
            info.set_requires_probe(false);
            info.set_interfaces(kinds);
            info.get_fullname().clone_into(&mut running.own_name);
            daemon.register(info)?;
        }
        if plan.look {
            running.events = Some(daemon.browse(service)?);
        }
        Ok(running)
    }

    /// The next event; `None` when the library gave up on us (its queue was full).
    pub(crate) async fn event(&self) -> Option<ServiceEvent> {
        match &self.events {
            Some(events) => events.recv_async().await.ok(),
            None => std::future::pending().await,
        }
    }

    /// Says goodbye, so that others forget the address, and stops the library's thread.
    pub(crate) async fn stop(&self) {
        if !self.own_name.is_empty()
            && let Ok(done) = self.daemon.unregister(&self.own_name)
        {
            let _ = timeout(STOPPING, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(STOPPING, done.recv_async()).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The library's thread does not end by itself.
        let _ = self.daemon.shutdown();
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// 80 random bits in letters and digits.
fn random_name() -> String {
    let mut bytes = [0; 10];
    OsRng.fill_bytes(&mut bytes);
    data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}
