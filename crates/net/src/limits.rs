//! Every cap of the transport and of discovery, in one place. Each is tested where it is kept.
//!
//! What one rostered peer can make us hold is bounded by [`CONNECTION_WINDOW`] + [`FRAME_BUDGET`] + [`SHORT_FRAME_BUDGET`] +
//! [`OUTGOING_QUEUE`];
//! what a stranger can make us hold is nothing on the sync endpoint (its datagrams are dropped before QUIC sees them,
//! see `filter.rs`), and [`INCOMING_BUFFER_TOTAL`] + [`PAIRING_WINDOW`] while a pairing code shows.

use std::time::Duration;

/// The largest frame, in bytes, without its length prefix. A longer one closes the connection.
pub const FRAME: usize = betwixt_sync::wire::caps::FRAME;

/// Bytes of received frames that may wait for the daemon, per connection. Readers wait until older frames are dropped.
pub const FRAME_BUDGET: usize = 2 * FRAME;

/// Frames of at most this many bytes have a budget of their own, so that what is short and urgent does not wait for
/// bulk to be taken.
pub const SHORT_FRAME: usize = 64 << 10;

/// See [`SHORT_FRAME`] and [`FRAME_BUDGET`].
pub const SHORT_FRAME_BUDGET: usize = 2 << 20;

/// Bytes that may wait to be sent, per connection. A peer so slow that this is passed loses the connection.
pub const OUTGOING_QUEUE: usize = 64 << 20;

/// Below this many waiting bytes [`crate::NetEvent::Drained`] says that there is room for bulk data again.
pub const OUTGOING_LOW_WATER: usize = 1 << 20;

/// Unidirectional streams that a peer may have open towards us: one control stream and one a differing document.
pub const STREAMS: u32 = 512;

/// Bytes in flight on one stream that we have not read yet.
pub const STREAM_WINDOW: u32 = 64 << 10;

/// Bytes in flight on one connection that we have not read yet. It covers every stream's window at once on purpose:
/// streams wait for [`FRAME_BUDGET`] without being read, and were this smaller, they could keep a half-read frame that
/// holds the budget from ever completing.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// Bytes sent and not yet acknowledged, per connection.
pub const SEND_WINDOW: u64 = 1 << 20;

/// Handshake bytes that are buffered out of order.
pub const CRYPTO_BUFFER: usize = 16 << 10;

/// Connection attempts that knocked rightly and wait to be accepted.
pub const INCOMING: usize = 8;

/// Bytes buffered for one attempt that waits to be accepted.
pub const INCOMING_BUFFER: u64 = 16 << 10;

/// Bytes buffered for all attempts that wait to be accepted.
pub const INCOMING_BUFFER_TOTAL: u64 = 64 << 10;

/// Handshakes under way at once that others began.
pub const HANDSHAKES: usize = 16;

/// Dials under way at once.
pub const DIALS: usize = 32;

/// How long a handshake may take.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Established connections with one peer: crossing dials, and the replacement of one that died unnoticed.
/// The oldest goes when there are more.
pub const CONNECTIONS_PER_PEER: usize = 4;

/// A silent connection is kept open by a packet this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A connection is lost when nothing came for this long. The clock starts anew with the first packet that is sent after
/// something came (RFC 9000, section 10.1), so a loss is noticed after this and [`KEEP_ALIVE`] at the latest.
pub const IDLE: Duration = Duration::from_secs(15);

/// The first size of a QUIC packet's payload; every IPv6 network carries it. Larger ones are probed for.
pub const INITIAL_MTU: u16 = 1200;

/// Events that wait for the daemon. Tasks wait when it is full, and so do the peers behind them.
pub const EVENTS: usize = 256;

/// The largest frame of a pairing channel.
pub const PAIRING_FRAME: usize = betwixt_sync::pairing::MAX_FRAME;

/// Bytes in flight on a pairing channel.
pub const PAIRING_WINDOW: u32 = 64 << 10;

/// How long one pairing channel may stay open. People compare and confirm in it, so it is minutes, not seconds.
pub const PAIRING_TIME: Duration = Duration::from_secs(10 * 60);

/// How long a pairing channel may take to say its first frame; attempts are serial, and a silent one must not block them.
pub const PAIRING_FIRST_FRAME: Duration = Duration::from_secs(5);

/// First packets of connections that anybody may begin, a second, while a code shows. The rest is dropped unread.
pub const PAIRING_BEGINNINGS: u32 = 64;

/// The same from one address.
pub const PAIRING_BEGINNINGS_EACH: u32 = 8;

/// Pairing channels at once on the showing side.
pub const PAIRING_CHANNELS: usize = 4;

/// Addresses that are tried when joining a pairing.
pub const PAIRING_ADDRESSES: usize = 8;

/// Frames waiting to be sent on a pairing channel.
pub const PAIRING_QUEUE: usize = 32;

/// How long one address is tried when joining a pairing.
pub const PAIRING_DIAL: Duration = Duration::from_secs(3);

/// Addresses of one advert that are reported, on-link ones of the receiving interface.
pub const ADDRESSES_PER_ADVERT: usize = 4;

/// Adverts that are remembered (to report each only when it changes).
pub const REMEMBERED_ADVERTS: usize = 256;

/// Interfaces that discovery uses.
pub const INTERFACES: usize = 16;

/// Discovery events in [`DISCOVERY_RATE_WINDOW`] above which discovery is stopped and rebuilt after a pause.
pub const DISCOVERY_RATE: usize = 600;

/// See [`DISCOVERY_RATE`].
pub const DISCOVERY_RATE_WINDOW: Duration = Duration::from_secs(5);

/// Adverts of our services that the discovery library may hold at once; more are a flood that merely comes slowly.
pub const DISCOVERY_INSTANCES: usize = 1024;

/// Addresses that one advert may name before it counts as a flood.
pub const ADDRESSES_NAMED: usize = 64;

/// The first pause after a flood of adverts or a failure of discovery; it doubles up to [`DISCOVERY_LONGEST_PAUSE`].
pub const DISCOVERY_PAUSE: Duration = Duration::from_secs(5);

/// See [`DISCOVERY_PAUSE`].
pub const DISCOVERY_LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

// Checked here because the whole argument against a standstill rests on it.
const _: () = assert!(FRAME <= FRAME_BUDGET && SHORT_FRAME <= SHORT_FRAME_BUDGET);
const _: () = assert!(CONNECTION_WINDOW as u64 == STREAMS as u64 * STREAM_WINDOW as u64);
