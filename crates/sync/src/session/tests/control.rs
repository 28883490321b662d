//! The control stream: versions, households, counters, rosters, and everything out of order.

use std::time::Duration;

use super::*;
use crate::session::ProtocolViolation;
use crate::wire::{GoodbyeReason, Hello, ListedDocument, Malformed, VersionRange, caps};

fn hello() -> Hello {
    Hello { versions: VERSIONS, household: HouseholdId::from_bytes([3; 32]), counter: 1, roster_heads: vec![[7; 32]] }
}

/// One end alone, to which anything can be said.
struct Alone {
    homes: [Home; 2],
    end: End,
    now: Instant,
}

impl Alone {
    fn new(role: Role) -> Self {
        let mut homes = couple();
        homes[0].say(2026, "a");
        let now = beginning();
        let mut end = End::new(now, &mut homes[0], role);
        end.settle(now, &mut homes[0]);
        Self { homes, end, now }
    }

    fn hear(&mut self, stream: u64, frame: &Frame) -> Result<(), ProtocolViolation> {
        let outcome = self.end.session.handle_frame(self.now, IncomingStream(stream), &frame.encode());
        self.end.settle(self.now, &mut self.homes[0]);
        if let Err(violation) = &outcome {
            assert_eq!(self.end.closed, Some(CloseReason::Violation(violation.clone())));
            assert_eq!(self.end.session.poll_timeout(), None);
        }
        outcome
    }

    fn met(role: Role) -> Self {
        let mut alone = Self::new(role);
        alone.hear(0, &Frame::Hello(hello())).unwrap();
        alone
    }

    /// In step with a peer that has the same document.
    fn exchanging() -> Self {
        let mut alone = Self::met(Role::Dialling);
        alone.hear(0, &Frame::InStep).unwrap();
        alone
    }

    fn last_control(&self) -> Frame {
        Frame::decode(self.end.sent[&StreamKey::Control].back().unwrap()).unwrap()
    }
}

#[test]
fn versions_that_do_not_meet_are_told_apart() {
    let newer = VersionRange { oldest: VERSIONS.newest + 1, newest: VERSIONS.newest + 3 };
    let mut alone = Alone::new(Role::Dialling);
    let outcome = alone.hear(0, &Frame::Hello(Hello { versions: newer, ..hello() }));
    assert_eq!(outcome, Err(ProtocolViolation::Version { ours: VERSIONS, theirs: newer }));
    assert_eq!(alone.end.events, [Event::PeerNewerProtocol { theirs: newer }]);
    assert_eq!(alone.last_control(), Frame::Goodbye(GoodbyeReason::Version));

    let older = VersionRange { oldest: 0, newest: 0 };
    let mut alone = Alone::new(Role::Accepting);
    assert!(alone.hear(0, &Frame::Hello(Hello { versions: older, ..hello() })).is_err());
    assert_eq!(alone.end.events, [Event::PeerOlderProtocol { theirs: older }]);
}

#[test]
fn a_newer_peer_that_still_speaks_this_version_is_spoken_with() {
    let mut alone = Alone::new(Role::Dialling);
    let versions = VersionRange { oldest: VERSIONS.newest, newest: VERSIONS.newest + 5 };
    let mut bytes = Frame::Hello(Hello { versions, ..hello() }).encode();
    bytes.extend(b"what only newer ones read");
    alone.end.session.handle_frame(alone.now, IncomingStream(0), &bytes).unwrap();
    alone.end.settle(alone.now, &mut alone.homes[0]);
    assert_eq!(alone.end.events, [Event::Met { version: VERSIONS.newest, counter: 1 }]);
}

#[test]
fn a_peer_of_version_1_is_spoken_with_and_never_sent_what_it_cannot_read() {
    for old in 0..2 {
        let mut homes = couple();
        homes[old].versions = VersionRange { oldest: 1, newest: 1 };
        homes[0].say(2026, "a");
        meet(&mut homes, 1);
        homes[0].say(2026, "b");
        homes[1].say(2026, "c");
        let connection = meet(&mut homes, 2);
        assert!(connection.trace.contains(&"Sync") && !connection.trace.contains(&"Packed"), "{:?}", connection.trace);
        homes[old].versions = VERSIONS;
        homes[0].say(2026, "d");
        let connection = meet(&mut homes, 3);
        assert!(connection.trace.contains(&"Packed"), "{:?}", connection.trace);
    }
}

#[test]
fn hostile_input_is_an_error_a_packed_message_in_a_session_of_version_1() {
    let mut homes = couple();
    homes[0].versions = VersionRange { oldest: 1, newest: 1 };
    homes[0].say(2026, "a");
    let mut connection = meet(&mut homes, 1);
    connection.say(&mut homes, 1, 2026, "b");
    connection.run(&mut homes);
    let frame = Frame::Packed { last: true, bytes: vec![3, 0] }.encode();
    connection.hand(&mut homes, 0, StreamKey::Document(shared(2026)), &frame);
    let violation = ProtocolViolation::OutOfOrder("Packed");
    assert_eq!(connection.ends[0].closed, Some(CloseReason::Violation(violation)));
}

#[test]
fn a_foreign_household_is_refused() {
    let mut alone = Alone::new(Role::Accepting);
    let household = HouseholdId::from_bytes([9; 32]);
    let outcome = alone.hear(0, &Frame::Hello(Hello { household, ..hello() }));
    assert_eq!(outcome, Err(ProtocolViolation::ForeignHousehold(household)));
}

#[test]
fn a_counter_that_was_seen_means_a_copied_home() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    meet(&mut homes, 1);
    // A copy of the second home's directory counts from the same past.
    homes[1].counter -= 1;
    let mut connection = Connection::new(&mut homes, 2);
    connection.run(&mut homes);
    assert_eq!(connection.ends[0].closed, Some(CloseReason::Violation(ProtocolViolation::RepeatedCounter(1))));
    assert_eq!(connection.ends[1].closed, Some(CloseReason::ByPeer(GoodbyeReason::RepeatedCounter)));
}

#[test]
fn private_stays_home_a_shared_session_says_nothing_of_a_private_document() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    let mut connection = meet(&mut homes, 1);
    let (now, session) = (connection.now, &mut connection.ends[0].session);
    session.handle_local_change(now, shared(2026));
    let asked = std::iter::from_fn(|| session.poll_output()).count();
    assert!(asked > 0, "it asks for what it takes to be a document of its scope");
    session.generate(now, &Document::genesis(DocumentId { scope: Scope::Mine, year: 2026, generation: 0 }));
    assert!(session.poll_output().is_none());
}

#[test]
fn rosters_that_differ_are_exchanged_before_any_document() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    homes[1].roster.heads = vec![[8; 32], [7; 32]];
    homes[1].roster.statements = vec![vec![1; 60_000]; 6];
    for seed in 0..10 {
        let mut homes = homes.clone();
        let mut connection = Connection::new(&mut homes, seed);
        connection.run(&mut homes);
        connection.assert_in_step(&homes);
        let position = |name| connection.trace.iter().position(|traced| *traced == name).unwrap();
        assert!(connection.trace.iter().filter(|name| **name == "Roster").count() >= 2);
        assert!(position("RosterDone") < position("Digest"));
        assert!(position("Digest") < position("Documents"));
    }
}

#[test]
fn a_roster_that_changes_in_between_is_told() {
    let mut homes = couple();
    let mut connection = meet(&mut homes, 1);
    let roster = RosterOffer { heads: vec![[9; 32]], statements: vec![b"added".to_vec()] };
    connection.ends[1].session.handle_roster_changed(connection.now, roster);
    connection.settle(&mut homes);
    connection.trace.clear();
    connection.run(&mut homes);
    assert_eq!(connection.trace, ["Roster", "RosterDone"]);
    connection.assert_in_step(&homes);
}

#[test]
fn a_peer_that_is_no_member_any_more_is_told_so() {
    let mut alone = Alone::new(Role::Dialling);
    alone.end.session.handle_roster_settled(alone.now, false);
    alone.end.settle(alone.now, &mut alone.homes[0]);
    assert_eq!(alone.end.closed, Some(CloseReason::NotAMember));
    assert_eq!(alone.last_control(), Frame::Goodbye(GoodbyeReason::NotAMember));
}

#[test]
fn what_comes_out_of_order_closes_the_session() {
    let out_of_order = |outcome, name| assert_eq!(outcome, Err(ProtocolViolation::OutOfOrder(name)));
    let sync = Frame::Sync { last: true, bytes: vec![0x42] };
    out_of_order(Alone::new(Role::Dialling).hear(0, &Frame::InStep), "InStep");
    out_of_order(Alone::new(Role::Dialling).hear(0, &sync), "Sync");
    out_of_order(Alone::new(Role::Dialling).hear(0, &Frame::Open(shared(2026))), "Open");
    out_of_order(Alone::met(Role::Dialling).hear(0, &Frame::Hello(hello())), "Hello");
    out_of_order(Alone::met(Role::Dialling).hear(5, &Frame::Hello(hello())), "Hello");
    out_of_order(Alone::met(Role::Dialling).hear(0, &Frame::Digest([0; 32])), "Digest");
    out_of_order(Alone::met(Role::Accepting).hear(0, &Frame::InStep), "InStep");
    out_of_order(Alone::met(Role::Accepting).hear(0, &Frame::Documents(vec![])), "Documents");
    out_of_order(Alone::met(Role::Accepting).hear(7, &Frame::Open(shared(2026))), "Open");
    out_of_order(Alone::exchanging().hear(0, &Frame::InStep), "InStep");
    out_of_order(Alone::exchanging().hear(0, &sync), "Sync");
    out_of_order(Alone::exchanging().hear(7, &sync), "Sync");
    out_of_order(Alone::exchanging().hear(7, &Frame::RosterDone), "RosterDone");

    let mut alone = Alone::exchanging();
    alone.hear(7, &Frame::Open(shared(2026))).unwrap();
    out_of_order(alone.hear(8, &Frame::Open(shared(2026))), "Open");
    let mut alone = Alone::exchanging();
    alone.hear(7, &Frame::Open(shared(2026))).unwrap();
    out_of_order(alone.hear(7, &Frame::Open(shared(2026))), "Open");
    let mut alone = Alone::exchanging();
    alone.hear(7, &Frame::Open(shared(2026))).unwrap();
    alone.hear(7, &Frame::Sync { last: false, bytes: vec![1] }).unwrap();
    out_of_order(alone.hear(7, &Frame::Whole { last: true, bytes: vec![1] }), "part");
    let mut alone = Alone::exchanging();
    alone.hear(7, &Frame::Open(shared(2026))).unwrap();
    out_of_order(alone.hear(7, &Frame::Sync { last: false, bytes: vec![] }), "part");
}

#[test]
fn caps_a_frame_that_is_too_long_is_not_read() {
    let mut alone = Alone::met(Role::Dialling);
    let outcome = alone.end.session.handle_frame(alone.now, IncomingStream(0), &vec![4; caps::FRAME + 1]);
    assert_eq!(outcome, Err(ProtocolViolation::Malformed(Malformed::Cap("bytes of a frame"))));
}

#[test]
fn caps_too_many_documents() {
    let listed = |count: usize| -> Vec<_> {
        let years = (2_100..).take(count);
        years.map(|year| ListedDocument { id: shared(year), heads: vec![automerge::ChangeHash([1; 32])] }).collect()
    };
    // The list itself is capped where it is read; what comes on top of this side's own is counted.
    let mut alone = Alone::met(Role::Dialling);
    assert_eq!(alone.hear(0, &Frame::Documents(listed(caps::DOCUMENTS))), Err(ProtocolViolation::TooManyDocuments));
    let mut alone = Alone::exchanging();
    for number in 1..caps::DOCUMENTS as u64 {
        alone.hear(number, &Frame::Open(shared(2_100 + number as i16))).unwrap();
    }
    assert_eq!(alone.hear(9_999, &Frame::Open(shared(9_000))), Err(ProtocolViolation::TooManyDocuments));
}

#[test]
fn caps_a_roster_that_is_too_long() {
    let mut alone = Alone::met(Role::Dialling);
    let frame = Frame::Roster(vec![vec![0; caps::STATEMENT]; 8]);
    let frames = caps::ROSTER_BYTES / (8 * caps::STATEMENT);
    for _ in 0..frames {
        alone.hear(0, &frame).unwrap();
    }
    assert_eq!(alone.hear(0, &frame), Err(ProtocolViolation::RosterTooLong));
}

#[test]
fn caps_a_message_that_is_too_long() {
    for (whole, cap) in [(false, caps::MESSAGE), (true, caps::WHOLE)] {
        let mut alone = Alone::exchanging();
        alone.hear(7, &Frame::Open(shared(2026))).unwrap();
        let bytes = vec![1; caps::PART];
        let part = |bytes| match whole {
            false => Frame::Sync { last: false, bytes },
            true => Frame::Whole { last: false, bytes },
        };
        for _ in 0..cap / caps::PART {
            alone.hear(7, &part(bytes.clone())).unwrap();
        }
        assert_eq!(alone.hear(7, &part(vec![1])), Err(ProtocolViolation::TooLong(shared(2026))));
    }
}

#[test]
fn caps_too_much_ahead_of_the_disk() {
    // Streams may outrun the control stream: what comes before the answer to the digest waits, within the caps.
    let mut alone = Alone::met(Role::Dialling);
    alone.hear(7, &Frame::Open(shared(2026))).unwrap();
    let frame = Frame::Sync { last: true, bytes: vec![0x42, 0, 0, 0, 0] };
    for _ in 0..caps::WAITING_FRAMES {
        alone.hear(7, &frame).unwrap();
    }
    assert_eq!(alone.hear(7, &frame), Err(ProtocolViolation::TooMuchAhead));

    let mut alone = Alone::met(Role::Dialling);
    let parts_a_message = caps::MESSAGE / caps::PART - 1;
    let mut outcome = Ok(());
    let mut sent = 0;
    for number in 0..64 {
        alone.hear(number + 1, &Frame::Open(shared(2_000 + number as i16))).unwrap();
        for _ in 0..parts_a_message {
            outcome = outcome.and_then(|()| {
                sent += caps::PART;
                alone.hear(number + 1, &Frame::Sync { last: false, bytes: vec![1; caps::PART] })
            });
        }
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome, Err(ProtocolViolation::TooMuchAhead));
    assert!(sent <= caps::WAITING_BYTES + caps::PART);
}

#[test]
fn a_silent_peer_is_given_up() {
    let stalls = |mut alone: Alone, within: Duration| {
        assert_eq!(alone.end.session.poll_timeout(), Some(alone.now + within));
        alone.now += within - Duration::from_millis(1);
        alone.end.session.handle_timeout(alone.now);
        assert_eq!(alone.end.session.poll_output().map(drop), None, "too early");
        alone.now += Duration::from_millis(1);
        alone.end.session.handle_timeout(alone.now);
        alone.end.settle(alone.now, &mut alone.homes[0]);
        assert_eq!(alone.end.closed, Some(CloseReason::Stalled));
        assert_eq!(alone.last_control(), Frame::Goodbye(GoodbyeReason::Stalled));
    };
    stalls(Alone::new(Role::Dialling), caps::HELLO_WITHIN);
    stalls(Alone::met(Role::Dialling), caps::ANSWER_WITHIN);
    stalls(Alone::met(Role::Accepting), caps::ANSWER_WITHIN);
    let mut alone = Alone::exchanging();
    assert_eq!(alone.end.session.poll_timeout(), None, "in step, nothing is waited for");
    alone.homes[0].say(2026, "new");
    alone.end.session.handle_local_change(alone.now, shared(2026));
    alone.end.settle(alone.now, &mut alone.homes[0]);
    stalls(alone, caps::STORED_WITHIN);
}

#[test]
fn a_goodbye_ends_the_session_on_both_sides() {
    let mut homes = couple();
    let mut connection = meet(&mut homes, 1);
    connection.ends[0].session.close(connection.now, GoodbyeReason::Down);
    connection.settle(&mut homes);
    connection.run(&mut homes);
    assert_eq!(connection.ends[0].closed, Some(CloseReason::Here(GoodbyeReason::Down)));
    assert_eq!(connection.ends[1].closed, Some(CloseReason::ByPeer(GoodbyeReason::Down)));
    // What comes after the end changes nothing.
    connection.ends[1].session.handle_local_change(connection.now, shared(2026));
    connection.hand(&mut homes, 1, StreamKey::Control, b"anything");
    assert!(connection.ends[1].session.poll_output().is_none());
}
