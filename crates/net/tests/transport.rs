//! Connections between rostered devices.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use betwixt_net::{CloseCode, DialError, LostReason, NetEvent, SendError, limits};
use betwixt_sync::dialer::{AttemptId, Direction};
use betwixt_sync::wire::StreamKey;
use common::{Device, connect, couple, document, pair_key};

#[tokio::test]
async fn rostered_devices_connect_and_frames_arrive_in_order() {
    let (mut left, mut right) = couple();
    left.net.dial(AttemptId(7), right.id(), right.address());
    let NetEvent::Connected { connection, peer, direction, remote } = left.next().await else { panic!() };
    assert_eq!((peer, direction, remote), (right.id(), Direction::Outgoing(AttemptId(7)), right.address()));
    let NetEvent::Connected { peer, direction, remote, .. } = right.next().await else { panic!() };
    assert_eq!((peer, direction, remote), (left.id(), Direction::Incoming, left.address()));
    for number in 0_u32..500 {
        left.net.send(connection, StreamKey::Control, number.to_le_bytes().to_vec()).unwrap();
    }
    for number in 0_u32..500 {
        assert_eq!(right.frame().await, number.to_le_bytes());
    }
}

#[tokio::test]
async fn each_key_has_a_stream_and_an_empty_frame_is_a_frame() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    let keys = [StreamKey::Control, document(2026), document(2025)];
    let mut streams = std::collections::BTreeMap::new();
    for (number, key) in keys.into_iter().enumerate() {
        left.net.send(at_left, key, vec![u8::try_from(number).unwrap()]).unwrap();
        left.net.send(at_left, key, Vec::new()).unwrap();
    }
    for _ in 0..6 {
        let NetEvent::Frame { stream, frame, .. } = right.next().await else { panic!() };
        streams.entry(stream).or_insert_with(Vec::new).push(frame.to_vec());
    }
    let mut frames: Vec<_> = streams.into_values().collect();
    frames.sort();
    assert_eq!(frames, [[vec![0], vec![]], [vec![1], vec![]], [vec![2], vec![]]]);
}

#[tokio::test]
async fn a_large_transfer_in_both_directions_arrives_whole() {
    let (mut left, mut right) = couple();
    let (at_left, at_right) = connect(&mut left, &mut right, 1).await;
    let large = |seed: u8| -> Vec<u8> { (0..limits::FRAME).map(|at| seed ^ (at % 251) as u8).collect() };
    for seed in 0..4 {
        left.net.send(at_left, document(2000 + i16::from(seed)), large(seed)).unwrap();
        right.net.send(at_right, document(2000 + i16::from(seed)), large(seed)).unwrap();
    }
    let take = async |device: &mut Device| {
        let mut seeds = Vec::new();
        for _ in 0..4 {
            let frame = device.frame().await;
            assert_eq!(frame, large(frame[0]));
            seeds.push(frame[0]);
        }
        seeds.sort_unstable();
        assert_eq!(seeds, [0, 1, 2, 3]);
    };
    tokio::join!(take(&mut left), take(&mut right));
}

/// More streams at once than the frame budget holds, each with a frame above the stream's window: were the connection's
/// window smaller than all streams' together, the half-read frames could never complete.
#[tokio::test]
async fn many_streams_that_wait_for_room_do_not_stand_still() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    const STREAMS: i16 = 60;
    const SIZE: usize = 1 << 20;
    for year in 0..STREAMS {
        left.net.send(at_left, document(1950 + year), vec![year as u8; SIZE]).unwrap();
    }
    for _ in 0..STREAMS {
        assert_eq!(right.frame().await.len(), SIZE);
    }
}

#[tokio::test]
async fn urgent_frames_overtake_bulk() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    for year in 0..4 {
        left.net.send(at_left, document(1990 + year), vec![0; limits::FRAME]).unwrap();
    }
    // Under way before the urgent one is said.
    tokio::time::sleep(Duration::from_millis(20)).await;
    left.net.send(at_left, StreamKey::Control, b"urgent".to_vec()).unwrap();
    let mut position = 0;
    while right.frame().await != b"urgent" {
        position += 1;
    }
    assert!(position <= 2, "the urgent frame came after {position} of 4 bulk frames");
}

#[tokio::test]
async fn a_frame_above_the_cap_is_not_sent() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    assert_eq!(left.net.send(at_left, StreamKey::Control, vec![0; limits::FRAME + 1]), Err(SendError::TooLong));
    left.net.send(at_left, StreamKey::Control, b"still here".to_vec()).unwrap();
    assert_eq!(right.frame().await, b"still here");
}

#[tokio::test]
async fn a_slow_reader_holds_no_more_than_the_caps_and_loses_nothing_by_it() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    const SIZE: usize = 1 << 20;
    const FRAMES: usize = 60;
    for _ in 0..FRAMES {
        left.net.send(at_left, StreamKey::Control, vec![1; SIZE]).unwrap();
    }
    // Nothing is read over there. What left this side must stay within what that side may hold.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let left_over = left.net.queued(at_left);
    let taken = FRAMES * SIZE - left_over;
    let most = limits::FRAME_BUDGET + limits::STREAM_WINDOW as usize + limits::SEND_WINDOW as usize + SIZE;
    assert!(taken <= most, "{taken} bytes were taken, {most} may be");
    assert!(left_over > 0);
    for _ in 0..FRAMES {
        assert_eq!(right.frame().await.len(), SIZE);
    }
    let NetEvent::Drained { .. } = left.event().await else { panic!("room again was not told") };
    assert_eq!(left.net.queued(at_left), 0);
}

#[tokio::test]
async fn who_takes_nothing_at_all_loses_the_connection_before_memory_grows() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    let error = (0..10_000).find_map(|_| left.net.send(at_left, StreamKey::Control, vec![1; 1 << 20]).err());
    assert_eq!(error, Some(SendError::TooSlow));
    assert_eq!(left.lost().await, LostReason::TooSlow);
    assert_eq!(left.net.send(at_left, StreamKey::Control, vec![1]), Err(SendError::Gone));
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives() {
    let (mut left, mut right) = couple();
    let (at_left, _) = connect(&mut left, &mut right, 1).await;
    left.net.send(at_left, StreamKey::Control, vec![5; 300_000]).unwrap();
    left.net.send(at_left, StreamKey::Control, b"goodbye".to_vec()).unwrap();
    left.net.close(at_left, CloseCode::Replaced);
    left.net.close(at_left, CloseCode::Done);
    assert_eq!(left.net.send(at_left, StreamKey::Control, vec![1]), Err(SendError::Gone));
    assert_eq!(right.frame().await.len(), 300_000);
    assert_eq!(right.frame().await, b"goodbye");
    let NetEvent::StreamClosed { .. } = right.next().await else { panic!() };
    assert_eq!(right.lost().await, LostReason::ByPeer(CloseCode::Replaced as u64));
    assert_eq!(left.lost().await, LostReason::Here);
}

#[tokio::test]
async fn they_connect_again_and_again() {
    let (mut left, mut right) = couple();
    for attempt in 0..5 {
        let (at_left, _) = connect(&mut left, &mut right, attempt).await;
        left.net.close(at_left, CloseCode::Done);
        assert_eq!(left.lost().await, LostReason::Here);
        assert_eq!(right.lost().await, LostReason::ByPeer(0));
    }
}

#[tokio::test]
async fn a_restarted_device_takes_its_port_again_and_is_found_there() {
    let (mut left, right) = couple();
    let mut right = right.restart(Vec::new()).await;
    right.know(&[&left]);
    connect(&mut left, &mut right, 1).await;
}

/// QUIC keeps a connection, and with it the socket, for three probe time-outs after it was closed: seconds for one that nobody
/// answered, and more on a busy machine. A home that was restored then found its own port taken.
#[tokio::test]
async fn a_port_is_free_after_a_shut_down_though_a_dial_lingers() {
    let (left, right) = couple();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    left.net.dial(AttemptId(1), right.id(), nobody.local_addr().unwrap());
    let mut first = [0; 2048];
    nobody.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    tokio::task::spawn_blocking(move || nobody.recv(&mut first).map(|_| nobody)).await.unwrap().unwrap();
    let port = left.net.port();
    let Device { net, .. } = left;
    net.shut_down().await;
    std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn a_taken_port_gives_another_and_a_taken_fixed_one_an_error() {
    let taken = Device::start();
    let config = betwixt_net::Config { ports: common::on_loopback(taken.net.port()), ..common::config(common::keys()) };
    let (net, mut events) = betwixt_net::Net::start(config).unwrap();
    assert_ne!(net.port(), taken.net.port());
    let Some(NetEvent::PortDrawn { port, .. }) = events.recv().await else { panic!("a new port is to be stored") };
    assert_eq!(port, net.port());
    let config = betwixt_net::Config { fixed_port: Some(taken.net.port()), ..common::config(common::keys()) };
    assert!(betwixt_net::Net::start(config).is_err());
}

#[tokio::test]
async fn a_fixed_port_is_listened_on_beside_the_random_one() {
    let spare = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut left = Device::start();
    let keys = common::keys();
    let config = betwixt_net::Config { fixed_port: Some(spare), ..common::config(keys.clone()) };
    let mut right = Device::with_config(config);
    assert_ne!(right.net.port(), spare);
    left.know(&[&right]);
    right.know(&[&left]);
    left.net.dial(AttemptId(1), right.id(), std::net::SocketAddr::from(([127, 0, 0, 1], spare)));
    left.connected().await;
    right.connected().await;
    connect(&mut left, &mut right, 2).await;
}

#[tokio::test]
async fn a_removed_device_loses_its_connection_and_gets_no_other() {
    let (mut left, mut right) = couple();
    connect(&mut left, &mut right, 1).await;
    right.net.set_peers(Vec::new());
    assert_eq!(right.lost().await, LostReason::NotAPeer);
    left.lost().await;
    left.net.dial(AttemptId(2), right.id(), right.address());
    assert_eq!(left.dial_failed().await, DialError::NoAnswer);
    right.quiet(Duration::from_millis(100)).await;
    // Whoever is not a peer is not dialled either.
    left.net.set_peers(Vec::new());
    left.net.dial(AttemptId(3), right.id(), right.address());
    assert_eq!(left.dial_failed().await, DialError::NotAPeer);
}

#[tokio::test]
async fn a_cancelled_dial_is_not_heard_of_again() {
    let (mut left, right) = couple();
    right.net.set_peers(Vec::new());
    left.net.dial(AttemptId(1), right.id(), right.address());
    tokio::time::sleep(Duration::from_millis(50)).await;
    left.net.cancel(AttemptId(1));
    left.quiet(limits::HANDSHAKE_TIME + Duration::from_millis(500)).await;
}

#[tokio::test]
async fn a_fifth_connection_pushes_out_the_first() {
    let (mut left, mut right) = couple();
    let (first, _) = connect(&mut left, &mut right, 0).await;
    for attempt in 1..u64::try_from(limits::CONNECTIONS_PER_PEER).unwrap() {
        connect(&mut left, &mut right, attempt).await;
    }
    left.net.dial(AttemptId(99), right.id(), right.address());
    let mut lost = Vec::new();
    for _ in 0..2 {
        if let NetEvent::Lost { connection, reason } = left.next().await {
            lost.push((connection, reason));
        }
    }
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].0, first);
}

#[tokio::test]
async fn another_key_at_the_address_is_no_connection() {
    // `right` is dialled at the address of `thief`, who has the pair's key (it was leaked) and not the device's.
    let (mut left, right) = couple();
    let mut thief = Device::start();
    let leaked = pair_key(&right.keys, &left.keys);
    thief.net.set_peers(vec![leaked]);
    left.net.dial(AttemptId(1), right.id(), thief.address());
    assert_eq!(left.dial_failed().await, DialError::WrongKey);
    thief.quiet(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_right_knock_with_another_key_is_no_connection() {
    let (left, mut right) = couple();
    let mut thief = Device::start();
    let leaked = pair_key(&left.keys, &right.keys);
    thief.net.set_peers(vec![leaked]);
    thief.net.dial(AttemptId(1), right.id(), right.address());
    // The dialling side finishes TLS first, so it may see a connection for a moment; it never carries anything.
    match thief.next().await {
        NetEvent::Connected { .. } => assert_eq!(thief.lost().await, LostReason::Transport),
        NetEvent::DialFailed { error, .. } => assert_eq!(error, DialError::Refused),
        other => panic!("{other:?}"),
    }
    right.quiet(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn tls_keeps_nothing_that_a_later_connection_could_resume() {
    // Resumption would show as a handshake without certificates; every one of these proves both keys anew, so a device
    // that was removed in between gets in by no ticket.
    let (mut left, mut right) = couple();
    connect(&mut left, &mut right, 1).await;
    right.net.set_peers(Vec::new());
    right.lost().await;
    left.lost().await;
    right.know(&[&left]);
    let (at_left, _) = connect(&mut left, &mut right, 2).await;
    left.net.send(at_left, StreamKey::Control, b"again".to_vec()).unwrap();
    assert_eq!(right.frame().await, b"again");
}

#[tokio::test]
async fn one_socket_serves_ipv6_and_ipv4() {
    let open = || {
        let config = betwixt_net::Config { bind: betwixt_net::Bind::Everywhere, ..common::config(common::keys()) };
        Device::with_config(config)
    };
    let (mut left, mut right) = (open(), open());
    left.know(&[&right]);
    right.know(&[&left]);
    connect(&mut left, &mut right, 1).await;
    if betwixt_net::doctor::has_ipv6() {
        let address = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, right.net.port()));
        left.net.dial(AttemptId(2), right.id(), address);
        let NetEvent::Connected { remote, .. } = left.next().await else { panic!() };
        assert_eq!(remote, address);
        right.connected().await;
    }
}

#[tokio::test]
async fn a_dropped_network_is_noticed_by_the_other_side() {
    let (mut left, mut right) = couple();
    connect(&mut left, &mut right, 1).await;
    let Device { net, events, .. } = left;
    net.shut_down().await;
    drop(events);
    assert_eq!(right.lost().await, LostReason::ByPeer(0));
}

#[test]
fn commands_may_come_from_any_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut left, mut right) = runtime.block_on(async { couple() });
    left.net.dial(AttemptId(1), right.id(), right.address());
    let (at_left, _) = runtime.block_on(left.connected());
    runtime.block_on(right.connected());
    left.net.send(at_left, StreamKey::Control, vec![1]).unwrap();
    assert_eq!(runtime.block_on(right.frame()), [1]);
    let place = left.net.open_pairing(None).unwrap();
    right.net.join_pairing(place.addresses);
    assert!(matches!(runtime.block_on(right.next()), NetEvent::Pairing { .. }));
    left.net.close_pairing();
    left.net.close(at_left, CloseCode::Done);
    assert!(betwixt_net::Net::start(common::config(common::keys())).is_err(), "there is no runtime here");
}
