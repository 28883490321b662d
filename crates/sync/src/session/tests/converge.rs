//! What two devices have comes to be the same.

use std::collections::BTreeSet;

use super::super::exchange::in_causal_order;
use super::*;

#[test]
fn edits_made_apart_meet() {
    for seed in 0..8 {
        let mut homes = couple();
        homes[0].say(2026, "a calm home");
        meet(&mut homes, seed);
        for index in 0..5 {
            homes[0].say(2026, &format!("first {index}"));
            homes[1].say(2026, &format!("second {index}"));
            homes[index % 2].say(2025, &format!("older {index}"));
        }
        homes[1].say(2024, "only here");
        meet(&mut homes, seed + 100);
        assert_eq!(homes[0].documents[&shared(2026)].changes_since(&[]).len(), 12);
        assert!(homes[0].documents.contains_key(&shared(2024)));
    }
}

#[test]
fn an_edit_flows_as_it_is_committed_in_one_message() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    let mut connection = meet(&mut homes, 1);
    for round in 0..6 {
        let side = round % 2;
        connection.trace.clear();
        connection.say(&mut homes, side, 2026, &format!("edit {round}"));
        connection.flight(&mut homes);
        assert_same(&homes);
        connection.run(&mut homes);
        connection.assert_in_step(&homes);
        let syncs = connection.trace.iter().filter(|name| ["Sync", "Packed"].contains(name)).count();
        assert_eq!(syncs, 2, "one message and its acknowledgement: {:?}", connection.trace);
    }
}

#[test]
fn the_first_edit_after_being_in_step_by_digest_needs_no_round_trip() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    meet(&mut homes, 1);
    let mut connection = meet(&mut homes, 2);
    connection.say(&mut homes, 0, 2026, "b");
    connection.flight(&mut homes);
    assert_same(&homes);
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
}

#[test]
fn a_new_document_made_later_is_shared_even_when_both_make_it_at_once() {
    for seed in 0..20 {
        let mut homes = couple();
        homes[0].say(2026, "a");
        let mut connection = meet(&mut homes, seed);
        connection.say(&mut homes, 0, 2027, "new year here");
        if seed % 2 == 0 {
            connection.say(&mut homes, 1, 2027, "new year there");
        }
        connection.run(&mut homes);
        connection.assert_in_step(&homes);
        assert_eq!(homes[1].documents[&shared(2027)].changes_since(&[]).len(), if seed % 2 == 0 { 3 } else { 2 });
    }
}

#[test]
fn many_edits_on_both_sides_while_connected_converge() {
    for seed in 0..20 {
        let mut homes = couple();
        let mut connection = Connection::new(&mut homes, seed);
        for index in 0..60 {
            let side = connection.rng.next_u32() as usize % 2;
            let year = 2025 + (connection.rng.next_u32() % 3) as i16;
            connection.say(&mut homes, side, year, &format!("edit {index}"));
            for _ in 0..connection.rng.next_u32() % 4 {
                connection.step(&mut homes);
            }
        }
        connection.run(&mut homes);
        connection.assert_in_step(&homes);
    }
}

/// The peer's Bloom filter says of one change in a hundred that it is there when it is not; what builds on it comes
/// without it. It is parked, asked for by name, and applied when that comes.
#[test]
fn changes_that_a_filter_hides_are_asked_for() {
    let mut parked = 0;
    for seed in 0..60 {
        let mut homes = couple();
        homes[0].say(2026, &format!("the beginning {seed}"));
        meet(&mut homes, seed);
        for home in &mut homes {
            for index in 0..8 {
                home.say(2026, &format!("{seed} {index}"));
            }
        }
        let connection = meet(&mut homes, seed);
        parked += connection.ends.iter().map(|end| end.parked).max().unwrap_or(0);
    }
    assert!(parked > 0, "no filter hid anything: the test tests nothing");
}

#[test]
fn what_is_too_much_for_one_message_goes_in_several() {
    let mut homes = couple();
    homes[0].say(2026, "the beginning");
    meet(&mut homes, 1);
    let long = "x".repeat(200_000);
    for index in 0..24 {
        homes[0].say(2026, &format!("{index}{long}"));
        homes[1].say(2026, &format!("{index}{long}"));
    }
    let connection = meet(&mut homes, 3);
    assert!(connection.ends.iter().all(|end| end.largest_persist < 24), "the messages were cut");
}

/// A message comes in parts. From the first on the peer is known to have something to say that is not here yet.
#[test]
fn nobody_is_in_step_while_a_message_is_coming() {
    let mut homes = couple();
    homes[0].say(2026, "the beginning");
    meet(&mut homes, 1);
    let mut connection = meet(&mut homes, 2);
    for _ in 0..5 {
        // Nothing that could be compressed to little.
        let long: String = (0..150_000).map(|_| char::from(b'a' + (connection.rng.next_u32() % 26) as u8)).collect();
        homes[0].say(2026, &long);
    }
    connection.ends[0].session.handle_local_change(connection.now, shared(2026));
    connection.settle(&mut homes);
    let key = StreamKey::Document(shared(2026));
    let mut parts = 0;
    while connection.ends[0].sent.get(&key).is_some_and(|frames| !frames.is_empty()) {
        let last = connection.ends[0].sent[&key].len() == 1;
        connection.deliver(&mut homes, 0, key);
        parts += 1;
        let opening = parts == 1;
        assert!(opening || last || !connection.ends[1].session.is_in_step(), "after {parts} of its frames");
    }
    assert!(parts > 2, "it came in parts: {parts}");
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
}

#[test]
fn a_restored_home_gets_back_what_it_had_said_and_received() {
    let mut homes = couple();
    homes[0].say(2026, "kept");
    meet(&mut homes, 1);
    let backup = homes[0].clone();
    homes[0].say(2026, "lost with the disk");
    homes[1].say(2026, "heard before the disk was lost");
    meet(&mut homes, 2);
    // A restored home counts on from elsewhere, begins a new epoch and keeps no sync state of the old one.
    let counter = homes[0].counter;
    homes[0] = backup;
    homes[0].counter = counter + 100;
    homes[0].states.clear();
    homes[0].epoch = EpochId::from_bytes([77; 32]);
    let added = (homes[0].device(), homes[0].epoch);
    homes.iter_mut().for_each(|home| home.allowed.push(added));
    homes[0].say(2026, "said after the restoring");
    meet(&mut homes, 3);
    assert_eq!(homes[0].documents[&shared(2026)].changes_since(&[]).len(), 5);
}

#[test]
fn the_earliest_year_comes_first_and_two_documents_at_a_time() {
    let mut homes = couple();
    for year in 2000..2012 {
        homes[0].say(year, "here");
    }
    let mut connection = Connection::new(&mut homes, 1);
    while connection.ends[0].sent.len() < 2 {
        connection.flight(&mut homes);
    }
    let years: Vec<_> = connection.ends[0].streams_with_frames();
    let expected = (2000..2002).map(|year| StreamKey::Document(shared(year)));
    assert_eq!(years, [StreamKey::Control].into_iter().chain(expected).collect::<Vec<_>>());
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
}

/// Two who had each said 1,500 things apart spoke for ever, as fast as they could, and one lacked 98: a Bloom filter had taken the other's
/// first for known, so that 1,402 waited for it. It came before the last 98, and the daemon, which takes a thousand of what comes at a
/// time, offered those to the gate before the changes that had waited, on which they built. They waited then, with nothing missing.
#[test]
fn what_is_taken_in_pieces_comes_whole_though_a_piece_has_what_builds_on_a_later_one() {
    for takes in 1..8 {
        let (mut homes, mut connection, key) = in_step();
        homes[0].takes = Some(takes);
        // What the peer's session says is made here, and it has said none of it itself.
        let mut peer = homes[1].clone();
        let before = peer.documents[&shared(2026)].heads();
        for index in 0..6 {
            peer.say(2026, &format!("apart {index}"));
        }
        let changes = peer.documents[&shared(2026)].changes_since(&before);
        let message = |heads: usize, brought: &[usize]| {
            let brought = raw_bytes(brought.iter().map(|index| &changes[*index]));
            let message = message(vec![changes[heads].hash()], vec![], brought);
            Frame::Sync { last: true, bytes: message.encode() }.encode()
        };
        let (now, end) = (connection.now, &mut connection.ends[0]);
        let is_it = |(_, of): &(&IncomingStream, &StreamKey)| **of == key;
        let stream = *end.session.streams.iter().find(is_it).unwrap().0;
        let mut hand = |frame: &[u8]| {
            end.session.handle_frame(now, stream, frame).unwrap();
            end.settle(now, &mut homes[0]);
            end.session.exchanges[&shared(2026)].parked.len()
        };
        assert_eq!(hand(&message(4, &[1, 2, 3, 4])), 4, "they wait for the first");
        assert_eq!(hand(&message(5, &[0, 5])), 0, "in pieces of {takes}");
        assert_eq!(homes[0].documents[&shared(2026)].heads(), peer.documents[&shared(2026)].heads());
    }
}

#[test]
fn changes_are_handed_on_in_an_order_in_which_they_can_be_taken() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    meet(&mut homes, 1);
    for index in 0..5 {
        homes[0].say(2026, &format!("first {index}"));
        homes[1].say(2026, &format!("second {index}"));
    }
    meet(&mut homes, 2);
    homes[0].say(2026, "on both");
    let told: Vec<Change> = homes[0].documents[&shared(2026)].changes_since(&[]);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for _ in 0..200 {
        let mut mixed = [told.clone(), told[..3].to_vec()].concat();
        for place in (1..mixed.len()).rev() {
            mixed.swap(place, rng.next_u32() as usize % (place + 1));
        }
        let ordered = in_causal_order(mixed);
        let mut hashes: BTreeSet<_> = ordered.iter().map(Change::hash).collect();
        assert_eq!((ordered.len(), hashes.len()), (told.len(), told.len()), "each once");
        for change in ordered.iter().rev() {
            assert!(hashes.remove(&change.hash()));
            assert!(change.deps().iter().all(|hash| hashes.contains(hash)), "after what it builds on");
        }
    }
}

/// Both get from third devices what the other has, at any moment of their talk. Who had it when the peer brought it left the peer without
/// an answer, and what was said there meanwhile waited for a minute.
#[test]
fn what_comes_from_a_third_device_meanwhile_leaves_nobody_waiting() {
    for seed in 0..400 {
        let mut homes = couple();
        homes[0].say(2026, "a calm home");
        meet(&mut homes, seed);
        for home in &mut homes {
            home.cuts = 2;
        }
        for index in 0..1 + seed % 5 {
            homes[0].say(2026, &format!("first {index}"));
            homes[1].say(2026, &format!("second {index}"));
        }
        let mut connection = Connection::new(&mut homes, seed);
        let mut from_third = vec![0, 1];
        loop {
            if connection.rng.next_u32().is_multiple_of(6)
                && let Some(side) = from_third.pop()
            {
                let theirs = homes[1 - side].documents[&shared(2026)].changes_since(&[]);
                let own = homes[side].documents.get_mut(&shared(2026)).unwrap();
                let missing: Vec<Change> = theirs.into_iter().filter(|change| !own.holds(&change.hash())).collect();
                own.apply(&missing).unwrap();
                connection.ends[side].session.handle_local_change(connection.now, shared(2026));
                connection.settle(&mut homes);
            } else if !connection.step(&mut homes) {
                break;
            }
        }
        connection.assert_in_step(&homes);
    }
}

/// Automerge takes it for known to the peer, and says nothing: the peer would never know, and wait.
#[test]
fn whoever_is_told_of_heads_that_came_from_a_third_device_says_that_they_are_here() {
    let (mut homes, mut connection, key) = in_step();
    let mut third = homes[1].clone();
    third.say(2026, "by a third");
    let heads = third.documents[&shared(2026)].heads();
    let changes = third.documents[&shared(2026)].changes_since(&homes[0].documents[&shared(2026)].heads());
    for home in &mut homes {
        home.documents.get_mut(&shared(2026)).unwrap().apply(&changes).unwrap();
    }
    let message = message(heads.clone(), vec![], vec![]);
    let told = Frame::Sync { last: true, bytes: message.encode() }.encode();
    connection.hand(&mut homes, 0, key, &told);
    let answer = connection.ends[0].sent.get_mut(&key).and_then(VecDeque::pop_front).expect("it is answered");
    let Ok(Frame::Sync { bytes, .. }) = Frame::decode(&answer) else { panic!("{answer:?} is no sync message") };
    assert_eq!(Message::decode(&bytes).unwrap().heads, heads);
    connection.hand(&mut homes, 0, key, &told);
    assert!(connection.ends[0].sent[&key].is_empty(), "once");
}

/// Who did not know what the peer had told it of every change of its own, and a machine that was stopped for a while found more messages
/// than may wait, took that for a breach of the protocol, and ended the session.
#[test]
fn whoever_is_not_answered_says_no_more_than_one_thing() {
    let mut homes = couple();
    homes[0].say(2026, "a calm home");
    meet(&mut homes, 1);
    homes[0].say(2026, "first");
    homes[1].say(2026, "second");
    let mut connection = Connection::new(&mut homes, 1);
    let key = StreamKey::Document(shared(2026));
    while connection.ends[1].sent.get(&key).is_none_or(VecDeque::is_empty) {
        assert!(connection.step(&mut homes), "they speak of it");
    }
    let under_way = connection.ends[1].sent[&key].len();
    for index in 0..20 {
        connection.say(&mut homes, 1, 2026, &format!("meanwhile {index}"));
    }
    assert_eq!(connection.ends[1].sent[&key].len(), under_way);
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
}

/// Somebody whose peer does not answer wrote something every now and then, which gave the peer another minute each time.
#[test]
fn edits_on_this_side_give_a_silent_peer_no_more_time() {
    let mut homes = couple();
    homes[0].say(2026, "a calm home");
    let mut connection = meet(&mut homes, 1);
    connection.say(&mut homes, 0, 2026, "said, and not answered");
    let until = connection.ends[0].session.poll_timeout().expect("an answer is waited for");
    for _ in 0..5 {
        connection.now += caps::STORED_WITHIN / 8;
        connection.say(&mut homes, 0, 2026, "said meanwhile");
    }
    assert_eq!(connection.ends[0].session.poll_timeout(), Some(until));
    connection.ends[0].session.handle_timeout(until);
    connection.ends[0].settle(until, &mut homes[0]);
    assert_eq!(connection.ends[0].closed, Some(CloseReason::Stalled));
}

/// A restored home was told of a last meeting that it does not know, with changes of which one was hidden. It asked for that one in the
/// message which says that it does not know the meeting, and which was then not known as such: its peer sent the same changes again and
/// again, without end.
#[test]
fn a_reset_asks_for_nothing_and_what_is_missing_is_asked_for_after_it() {
    let (mut homes, mut connection, key) = in_step();
    let mut peer = homes[1].clone();
    let before = peer.documents[&shared(2026)].heads();
    peer.say(2026, "hidden");
    peer.say(2026, "what builds on it");
    let changes = peer.documents[&shared(2026)].changes_since(&before);
    let mut said_to = |last_sync: Vec<ChangeHash>, brought: &[Change]| {
        let have = vec![Have { last_sync, ..Have::default() }];
        let message = message(vec![changes[1].hash()], have, raw_bytes(brought));
        let frame = Frame::Sync { last: true, bytes: message.encode() }.encode();
        connection.hand(&mut homes, 0, key, &frame);
        let answer = connection.ends[0].sent.get_mut(&key).and_then(VecDeque::pop_front).expect("it is answered");
        let Ok(Frame::Sync { bytes, .. }) = Frame::decode(&answer) else { panic!("{answer:?} is no sync message") };
        Message::decode(&bytes).unwrap()
    };
    let reset = said_to(vec![ChangeHash([1; 32])], &changes[1..]);
    assert_eq!((reset.have, reset.need), (vec![Have::default()], vec![]));
    let next = said_to(before, &[]);
    assert!(next.need.contains(&changes[0].hash()), "{:?}", next.need);
}
