//! What the network's tasks share, and the connections that stand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{AttemptId, ConnectionId, Direction};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;

use crate::config::{CloseCode, Config};
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::event::{LostReason, NetEvent};
use crate::filter::OwnIds;
use crate::interfaces::Network;
use crate::limits;
use crate::pairing::Pairings;
use crate::peers::Peers;
use crate::plan::{self, Plans};
use crate::ports::{self, Ports};
use crate::tls::Identity;

/// What tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) ids: OwnIds,
    /// Where peers knock and from where they are dialled.
    pub(crate) endpoint: Endpoint,
    pub(crate) ports: Mutex<Ports>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) events: mpsc::Sender<NetEvent>,
    pub(crate) dials: Mutex<BTreeMap<AttemptId, AbortHandle>>,
    pub(crate) dial_slots: Semaphore,
    pub(crate) pairings: Pairings,
    pub(crate) networks: watch::Sender<Vec<Network>>,
    pub(crate) plans: Plans,
    /// So that commands may come from any thread.
    pub(crate) runtime: Handle,
    pub(crate) connections: Mutex<BTreeMap<ConnectionId, Arc<Connection>>>,
    pub(crate) next_connection: AtomicU64,
}

impl Shared {
    /// A number that no connection had.
    pub(crate) fn new_connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes the port of the network that this device is in now, before anything is said there.
    pub(crate) async fn take_port(&self, networks: &[Network]) {
        let ports = || self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = ports().next(&plan::sensible(&self.config, networks)) else { return };
        if (next.leaves || next.port.is_some())
            && let Err(error) = ports::rebind(&self.endpoint, self.config.bind, next.port).await
        {
            // Tried again with the next change; until then the device stays reachable where it was.
            tracing::warn!(%error, "no port for this network");
            return;
        }
        let (network, port) = (next.network, self.endpoint.port());
        if ports().settle(network, port) {
            let _ = self.events.send(NetEvent::PortDrawn { network, port }).await;
        }
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.connections().get(&id).cloned()
    }

    /// Takes on a connection whose handshake proved `peer`'s key, and reports it until it is lost.
    pub(crate) async fn establish(self: &Arc<Self>, peer: DeviceId, quic: quinn::Connection, direction: Direction) {
        let connection = Connection::new(self.new_connection_id(), peer, quic, self.events.clone());
        let crowding = {
            let mut connections = self.connections();
            connections.insert(connection.id, connection.clone());
            let of_peer: Vec<_> = connections.values().filter(|other| other.peer == peer).cloned().collect();
            of_peer.len().checked_sub(limits::CONNECTIONS_PER_PEER + 1).and_then(|over| of_peer.get(over).cloned())
        };
        if let Some(oldest) = crowding {
            oldest.abort(LostReason::Crowded, CloseCode::Replaced);
        }
        // Checked after it can be found: a removal meanwhile either sees it in the table or is seen here.
        if !self.peers.contains(&peer) {
            connection.abort(LostReason::NotAPeer, CloseCode::Done);
        }
        connection.clone().run(direction).await;
        self.connections().remove(&connection.id);
    }
}
