//! QUIC endpoints: their sockets and what they allow, in one place for syncing and pairing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{EndpointConfig, IdleTimeout, Runtime as _, TokioRuntime, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Bind;
use crate::filter::{Filter, FilteredSocket};
use crate::limits;

/// A QUIC endpoint and the filter before it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) quic: quinn::Endpoint,
    pub(crate) filter: Arc<Filter>,
    port: Arc<AtomicU16>,
}

impl Endpoint {
    /// The UDP port in use.
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Goes on with another socket, on this port (0: any other). When that fails, the present one stays.
    pub(crate) fn rebind(&self, bind: Bind, port: u16) -> io::Result<()> {
        let socket = TokioRuntime.wrap_udp_socket(socket(bind, port)?)?;
        let port = socket.local_addr()?.port();
        self.quic.rebind_abstract(Arc::new(FilteredSocket::new(socket, self.filter.clone())))?;
        self.port.store(port, Ordering::Relaxed);
        Ok(())
    }
}

/// Opens an endpoint on this port (0: any free one).
pub(crate) fn open(bind: Bind, port: u16, filter: Filter, server: Option<quinn::ServerConfig>) -> io::Result<Endpoint> {
    let runtime = Arc::new(TokioRuntime);
    let socket = runtime.wrap_udp_socket(socket(bind, port)?)?;
    let port = socket.local_addr()?.port();
    let filter = Arc::new(filter);
    let socket = Arc::new(FilteredSocket::new(socket, filter.clone()));
    let mut config = EndpointConfig::new(Arc::new(filter.resets));
    let ids = filter.ids.clone();
    config.cid_generator(move || Box::new(ids.clone()));
    let quic = quinn::Endpoint::new_with_abstract_socket(config, server, socket, runtime)?;
    Ok(Endpoint { quic, filter, port: Arc::new(AtomicU16::new(port)) })
}

/// Waits until this port can be had, for `patience` at most. An endpoint that was dropped keeps its port until its connections
/// have drained, so whoever opens the same fixed port again right away would find it taken by nobody but themselves. Blocks.
pub fn wait_until_free(bind: Bind, port: u16, patience: Duration) {
    let end = Instant::now() + patience;
    while socket(bind, port).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A UDP socket for both IPv6 and IPv4; for IPv4 only on hosts without IPv6.
fn socket(bind: Bind, port: u16) -> io::Result<std::net::UdpSocket> {
    let open = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        Ok(std::net::UdpSocket::from(socket))
    };
    match bind {
        Bind::Everywhere => {
            open(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)).or_else(|error: io::Error| {
                // A port in use is not a lack of IPv6.
                if error.kind() == io::ErrorKind::AddrInUse {
                    return Err(error);
                }
                open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
            })
        }
        Bind::Loopback => open(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
    }
}

/// Whether somebody could open this port now.
pub(crate) fn is_free(bind: Bind, port: u16) -> bool {
    socket(bind, port).is_ok()
}

/// What sync and pairing connections have in common.
fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::try_from(limits::IDLE).expect("15 seconds fit")))
        .keep_alive_interval(Some(limits::KEEP_ALIVE))
        .initial_mtu(limits::INITIAL_MTU)
        .min_mtu(limits::INITIAL_MTU)
        // In one house a round trip takes milliseconds; quinn's first guess would repeat a lost first packet after a second.
        .initial_rtt(Duration::from_millis(100))
        .send_window(limits::SEND_WINDOW)
        .crypto_buffer_size(limits::CRYPTO_BUFFER)
        .datagram_receive_buffer_size(None)
        .congestion_controller_factory(Arc::new(CubicConfig::default()));
    transport
}

/// For connections between rostered devices.
pub(crate) fn sync_transport() -> Arc<TransportConfig> {
    let mut transport = transport();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(limits::STREAMS))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(limits::STREAM_WINDOW))
        .receive_window(VarInt::from_u32(limits::CONNECTION_WINDOW));
    Arc::new(transport)
}

/// For pairing channels: one stream in each direction.
pub(crate) fn pairing_transport() -> Arc<TransportConfig> {
    let mut transport = transport();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(limits::PAIRING_WINDOW))
        .receive_window(VarInt::from_u32(limits::PAIRING_WINDOW));
    Arc::new(transport)
}

/// For accepting, with quinn's generous defaults replaced.
pub(crate) fn server(tls: QuicServerConfig, transport: Arc<TransportConfig>) -> quinn::ServerConfig {
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let mut tokens = quinn::ValidationTokenConfig::default();
    tokens.sent(0).log(Arc::new(quinn::NoneTokenLog));
    config
        .transport_config(transport)
        .max_incoming(limits::INCOMING)
        .incoming_buffer_size(limits::INCOMING_BUFFER)
        .incoming_buffer_size_total(limits::INCOMING_BUFFER_TOTAL)
        .validation_token_config(tokens);
    config
}

/// For dialling; `knock` becomes the initial connection id.
pub(crate) fn client(
    tls: QuicClientConfig,
    transport: Arc<TransportConfig>,
    knock: Option<[u8; betwixt_sync::keys::KNOCK]>,
) -> quinn::ClientConfig {
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(transport).token_store(Arc::new(quinn::NoneTokenStore));
    if let Some(knock) = knock {
        // Asked for once a connection; each dial has a configuration, and so a nonce, of its own.
        config.initial_dst_cid_provider(Arc::new(move || quinn::ConnectionId::new(&knock)));
    }
    config
}

/// An address as people and other programs write it: IPv4 is not dressed up as IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}
