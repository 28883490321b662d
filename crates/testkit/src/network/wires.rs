//! Connections: two ends, streams that keep their order and do not wait for each other, as QUIC's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::wire::OutgoingStream;

#[derive(Debug)]
struct Wire {
    /// The one who dialled comes first.
    ends: [usize; 2],
    /// When the one who dialled knows that the connection stands.
    stands: Instant,
    /// By sender and what the stream is for: its number and when its last frame arrives.
    streams: BTreeMap<(usize, OutgoingStream), (u64, Instant)>,
}

/// Every connection that ever was.
#[derive(Debug, Default)]
pub(super) struct Wires {
    wires: BTreeMap<ConnectionId, Wire>,
    /// The few that are alive, among all those of years.
    alive: BTreeSet<ConnectionId>,
}

/// A frame on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) to: usize,
    pub(super) stream: u64,
    pub(super) arrives: Instant,
}

impl Wires {
    pub(super) fn connect(&mut self, from: usize, to: usize, stands: Instant) -> ConnectionId {
        let id = ConnectionId(self.wires.len() as u64);
        self.wires.insert(id, Wire { ends: [from, to], stands, streams: BTreeMap::new() });
        self.alive.insert(id);
        id
    }

    pub(super) fn is_alive(&self, connection: ConnectionId) -> bool {
        self.alive.contains(&connection)
    }

    /// The connections between two devices that are alive.
    pub(super) fn between(&self, left: usize, right: usize) -> Vec<ConnectionId> {
        self.alive()
            .filter(|(_, wire)| wire.ends.contains(&left) && wire.ends.contains(&right))
            .map(|(id, _)| id)
            .collect()
    }

    /// The connections of a device that are alive.
    pub(super) fn of(&self, device: usize) -> Vec<ConnectionId> {
        self.alive().filter(|(_, wire)| wire.ends.contains(&device)).map(|(id, _)| id).collect()
    }

    fn alive(&self) -> impl Iterator<Item = (ConnectionId, &Wire)> {
        self.alive.iter().filter_map(|id| Some((*id, self.wires.get(id)?)))
    }

    pub(super) fn other_end(&self, connection: ConnectionId, own: usize) -> Option<usize> {
        let [left, right] = self.wires.get(&connection)?.ends;
        Some(if left == own { right } else { left })
    }

    /// When the last frame from this end arrives.
    pub(super) fn last_arrival(&self, connection: ConnectionId, from: usize) -> Option<Instant> {
        let streams = self.wires.get(&connection)?.streams.iter();
        streams.filter(|((sender, _), _)| *sender == from).map(|(_, (_, arrives))| *arrives).max()
    }

    /// Sends a frame that would arrive at `at`, but never before the one that was sent before it on its stream.
    pub(super) fn send(
        &mut self,
        connection: ConnectionId,
        from: usize,
        key: OutgoingStream,
        at: Instant,
    ) -> Option<Sent> {
        let to = self.other_end(connection, from)?;
        let alive = self.is_alive(connection);
        let wire = self.wires.get_mut(&connection).filter(|_| alive)?;
        let number = wire.streams.len() as u64;
        let at = if to == wire.ends[0] { at.max(wire.stands + Duration::from_nanos(1)) } else { at };
        let (stream, last) = wire.streams.entry((from, key)).or_insert((number, at));
        *last = at.max(*last + Duration::from_nanos(1));
        Some(Sent { to, stream: *stream, arrives: *last })
    }

    /// A connection dies. Answers its ends, if it was alive.
    pub(super) fn lose(&mut self, connection: ConnectionId) -> Option<[usize; 2]> {
        let died = self.alive.remove(&connection);
        self.wires.get(&connection).filter(|_| died).map(|wire| wire.ends)
    }
}
