//! The present: a device that has nothing yet is shown what stands, while documents come.

use super::*;
use crate::keys::DeviceKeys;
use crate::roster::Roster;
use crate::session::ProtocolViolation;
use crate::wire::{GoodbyeReason, Malformed, caps, encode_present};

/// What stands in a household: signed facts, one of them without its value.
fn stands(home: &Home) -> Vec<PresentFact> {
    let fact = |nonce: u8| {
        let signed = home.fact(2026, [nonce; 16], &format!("what stands {nonce}"));
        let signed = if nonce == 0 { signed.without_value() } else { signed };
        PresentFact { text: signed.fact().text().to_owned(), signature: signed.signature() }
    };
    let mut facts: Vec<_> = (0..20).map(fact).collect();
    facts.sort_unstable();
    facts
}

/// More than one frame brings, and nothing that deflates well.
fn long_present() -> Vec<PresentFact> {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut fact = || {
        let mut bytes = vec![0; 70_000];
        rng.fill_bytes(&mut bytes);
        PresentFact { text: data_encoding::BASE64.encode(&bytes), signature: [1; 64] }
    };
    (0..4).map(|_| fact()).collect()
}

/// Years of documents on the one side, and nothing on the other, which wants the present.
pub(super) fn old_and_new(new: usize) -> [Home; 2] {
    let mut homes = couple();
    for year in 2020..2027 {
        homes[1 - new].say(year, &format!("said in {year}"));
        homes[1 - new].say(year, "and something more");
    }
    homes[1 - new].present = stands(&homes[1 - new]);
    homes[new].wants_present = true;
    homes
}

/// Both over private documents of one partner's.
fn in_private(homes: &mut [Home; 2]) {
    let keys = DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let statements = Roster::begin(&keys, EpochId::from_bytes([1; 32]));
    let roster = Roster::from_statements(PartnerId::founded_by(&keys.device()), None, statements);
    let own = roster.own_device(&keys.device()).unwrap();
    homes.iter_mut().for_each(|home| home.scope = SessionScope::Mine(own));
}

impl Connection {
    /// Delivers as the transport does: of what is under way on each side, the most urgent stream's first.
    fn run_by_priority(&mut self, homes: &mut [Home; 2]) {
        let mut side = 0;
        while self.ends.iter().any(|end| !end.streams_with_frames().is_empty()) {
            side = 1 - side;
            let urgent = self.ends[side].streams_with_frames().into_iter().max_by_key(|key| key.priority());
            if let Some(key) = urgent {
                self.deliver(homes, side, key);
            }
        }
    }

    fn asked(&self) -> [usize; 2] {
        self.ends.each_ref().map(|end| end.asked_for_present)
    }

    fn hand_present(&mut self, homes: &mut [Home; 2], to: usize, last: bool, bytes: &[u8]) {
        let frame = Frame::Present { last, bytes: bytes.to_vec() }.encode();
        self.hand(homes, to, StreamKey::Present, &frame);
    }

    fn violated(&self, side: usize) -> &ProtocolViolation {
        match &self.ends[side].closed {
            Some(CloseReason::Violation(violation)) => violation,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_new_device_has_the_present_before_documents_are_in_step() {
    for (new, private) in [(0, false), (1, false), (0, true), (1, true)] {
        let mut homes = old_and_new(new);
        if private {
            let [one, other] = &mut homes;
            one.documents.clear();
            other.documents.clear();
            in_private(&mut homes);
            (2020..2027).for_each(|year| homes[1 - new].say(year, "in private"));
        }
        let mut connection = Connection::new(&mut homes, 1);
        connection.run_by_priority(&mut homes);
        connection.assert_in_step(&homes);
        assert_eq!(homes[new].documents.len(), 7);
        let (facts, in_step) = &connection.ends[new].presents[0];
        assert!(!in_step, "it came too late to be of use");
        assert_eq!((connection.ends[0].presents.len(), connection.ends[1].presents.len()), (1 - new, new));
        assert_eq!((facts, facts.len()), (&homes[1 - new].present, 20));
        let position = |name| connection.trace.iter().position(|traced| *traced == name).unwrap();
        assert!(position("Present") < position("Whole"), "{:?}", connection.trace);
        for fact in facts {
            SignedFact::verify(Fact::parse(&fact.text).unwrap(), &fact.signature).unwrap();
        }
    }
}

#[test]
fn whatever_the_order_of_frames_the_present_comes_once_and_documents_as_ever() {
    for seed in 0..6 {
        let new = seed as usize % 2;
        let mut homes = old_and_new(new);
        homes[1 - new].present = long_present();
        let connection = meet(&mut homes, seed);
        let parts = connection.trace.iter().filter(|name| **name == "Present").count();
        assert_eq!((parts, connection.asked()[1 - new], connection.asked()[new]), (2, 1, 0));
        let mut expected = long_present();
        expected.sort_unstable();
        assert_eq!(connection.ends[new].presents.len(), 1);
        assert_eq!(connection.ends[new].presents[0].0, expected);
        assert_eq!(connection.ends.each_ref().map(|end| end.session.waiting_bytes), [0, 0]);
        assert!(connection.ends[1 - new].presents.is_empty());
    }
}

#[test]
fn both_may_ask() {
    let mut homes = old_and_new(0);
    homes[0].say(2030, "only the new one has this");
    homes[0].present = stands(&homes[0]);
    homes[1].wants_present = true;
    let connection = meet(&mut homes, 1);
    assert_eq!(connection.asked(), [1, 1]);
    for side in 0..2 {
        assert_eq!(connection.ends[side].presents[0].0, homes[1 - side].present);
    }
}

#[test]
fn nobody_asks_where_nothing_differs_or_nobody_wants_it() {
    let mut homes = old_and_new(0);
    homes[0].wants_present = false;
    assert!(!meet(&mut homes, 1).trace.contains(&"AskPresent"));
    homes.iter_mut().for_each(|home| home.wants_present = true);
    let mut connection = meet(&mut homes, 2);
    // What is said later is no reason: it comes at once itself.
    connection.say(&mut homes, 0, 2026, "later");
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
    assert!(!connection.trace.contains(&"AskPresent"));
    homes[1].say(2026, "while apart");
    assert!(meet(&mut homes, 3).trace.contains(&"AskPresent"));
}

#[test]
fn a_peer_of_an_earlier_version_is_never_asked() {
    for (old, newest) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
        for new in 0..2 {
            let mut homes = old_and_new(new);
            homes[old].versions = VersionRange { oldest: 1, newest };
            let connection = meet(&mut homes, 1);
            assert!(!connection.trace.contains(&"AskPresent") && !connection.trace.contains(&"Present"));
            assert_eq!(homes[new].documents.len(), 7);
        }
    }
}

#[test]
fn caps_a_present_that_does_not_fit_is_sent_as_none() {
    for too_much in [
        vec![PresentFact { text: "x".repeat(betwixt_model::fact::MAX_TEXT + 1), signature: [0; 64] }],
        (0..=caps::PRESENT_FACTS).map(|fact| PresentFact { text: fact.to_string(), signature: [0; 64] }).collect(),
        vec![],
    ] {
        let mut homes = old_and_new(0);
        homes[1].present = too_much;
        assert_eq!(meet(&mut homes, 1).ends[0].presents[0].0, []);
    }
}

#[test]
fn an_answer_that_nobody_asked_for_does_nothing() {
    let mut homes = old_and_new(0);
    homes[0].wants_present = false;
    let mut connection = meet(&mut homes, 1);
    connection.ends[1].session.handle_present_read(connection.now, stands(&homes[1]));
    assert!(connection.ends[1].session.poll_output().is_none());
    connection.ends[1].session.close(connection.now, GoodbyeReason::Down);
    connection.settle(&mut homes);
    connection.ends[1].session.handle_present_read(connection.now, stands(&homes[1]));
    assert!(connection.ends[1].session.poll_output().is_none());
}

#[test]
fn a_connection_lost_while_the_present_comes_loses_nothing_and_the_next_asks_again() {
    let homes = || {
        let mut homes = old_and_new(1);
        homes[0].present = long_present();
        homes
    };
    let trace = meet(&mut homes(), 4).trace;
    let frames = |name| trace.iter().enumerate().filter(move |(_, traced)| **traced == name).map(|(at, _)| at);
    let (asked, come) = (frames("AskPresent").min().unwrap(), frames("Present").max().unwrap());
    // Elsewhere it makes no difference that somebody asks.
    let (mut without, mut again) = (0, 0);
    for cut in asked..=come + 1 {
        let mut homes = homes();
        let mut connection = Connection::new(&mut homes, 4);
        while connection.delivered < cut {
            assert!(connection.step(&mut homes));
        }
        without += usize::from(connection.asked()[0] == 1 && connection.ends[1].presents.is_empty());
        drop(connection);
        let heads = |home: &Home| home.documents.values().map(Document::heads).collect::<Vec<_>>();
        let differ = usize::from(heads(&homes[0]) != heads(&homes[1]));
        again += differ;
        let connection = meet(&mut homes, 5);
        assert_eq!(
            (connection.asked(), connection.ends[1].presents.len()),
            ([differ, 0], differ),
            "cut after {cut} frames"
        );
        assert_eq!(homes[1].documents.len(), 7);
    }
    assert!(without > 1 && again > 1, "cut {without} times in the midst of it, asked {again} times again");
}

/// Met, everything that differs known to both, and the present asked for by the first; nothing of it has come.
fn asked() -> ([Home; 2], Connection) {
    let mut homes = old_and_new(0);
    let mut connection = Connection::new(&mut homes, 1);
    while connection.asked() != [0, 1] {
        for side in 0..2 {
            while connection.ends[side].sent.get(&StreamKey::Control).is_some_and(|frames| !frames.is_empty()) {
                connection.deliver(&mut homes, side, StreamKey::Control);
            }
        }
    }
    (homes, connection)
}

#[test]
fn hostile_input_is_an_error_asking_twice_or_too_early() {
    let violation = ProtocolViolation::OutOfOrder("AskPresent");
    let ask = Frame::AskPresent.encode();
    let (mut homes, mut connection) = asked();
    connection.hand(&mut homes, 1, StreamKey::Control, &ask);
    assert_eq!(*connection.violated(1), violation);
    let mut homes = old_and_new(0);
    let mut connection = Connection::new(&mut homes, 1);
    connection.deliver(&mut homes, 0, StreamKey::Control);
    connection.hand(&mut homes, 1, StreamKey::Control, &ask);
    assert_eq!((connection.violated(1), connection.asked()), (&violation, [0, 0]));
}

#[test]
fn hostile_input_is_an_error_a_present_that_nobody_asked_for() {
    let violation = ProtocolViolation::OutOfOrder("Present");
    let none = encode_present(&[]).unwrap();
    let mut homes = old_and_new(0);
    homes[0].wants_present = false;
    let mut connection = meet(&mut homes, 1);
    connection.hand_present(&mut homes, 0, true, &none);
    assert_eq!(*connection.violated(0), violation);
    // A second one, on the same stream and on another.
    for stream in [4, 5] {
        let mut homes = old_and_new(0);
        let mut connection = meet(&mut homes, 1);
        assert_eq!(connection.ends[0].presents.len(), 1);
        let frame = Frame::Present { last: true, bytes: none.clone() }.encode();
        let outcome = connection.ends[0].session.handle_frame(connection.now, IncomingStream(stream), &frame);
        assert_eq!(outcome, Err(violation.clone()));
    }
    // A second stream while the first is not at its end.
    let (mut homes, mut connection) = asked();
    connection.hand_present(&mut homes, 0, false, &none);
    let frame = Frame::Present { last: true, bytes: none.clone() }.encode();
    let outcome = connection.ends[0].session.handle_frame(connection.now, IncomingStream(5), &frame);
    assert_eq!(outcome, Err(violation));
    assert!(connection.ends[0].presents.is_empty());
}

#[test]
fn hostile_input_is_an_error_the_present_in_a_session_of_version_2() {
    for (to, key, frame) in [
        (1, StreamKey::Control, Frame::AskPresent),
        (0, StreamKey::Present, Frame::Present { last: true, bytes: encode_present(&[]).unwrap() }),
    ] {
        let mut homes = old_and_new(0);
        homes[1 - to].versions.newest = 2;
        let mut connection = meet(&mut homes, 1);
        connection.hand(&mut homes, to, key, &frame.encode());
        assert_eq!(*connection.violated(to), ProtocolViolation::OutOfOrder(frame.name()));
    }
}

#[test]
fn hostile_input_is_an_error_a_present_that_cannot_be_read() {
    let (mut homes, mut connection) = asked();
    let packed = encode_present(&stands(&homes[1])).unwrap();
    connection.hand_present(&mut homes, 0, true, &[&packed[..], &[0]].concat());
    assert_eq!(*connection.violated(0), ProtocolViolation::BadPresent(Malformed::LeftOver.into()));
    assert!(connection.ends[0].presents.is_empty());
    let (mut homes, mut connection) = asked();
    connection.hand_present(&mut homes, 0, false, &packed);
    connection.hand_present(&mut homes, 0, false, &[]);
    assert_eq!(*connection.violated(0), ProtocolViolation::OutOfOrder("part"));
    // Something else on its stream.
    let (mut homes, mut connection) = asked();
    connection.hand_present(&mut homes, 0, false, &packed);
    let frame = Frame::Sync { last: true, bytes: packed };
    connection.hand(&mut homes, 0, StreamKey::Present, &frame.encode());
    assert_eq!(*connection.violated(0), ProtocolViolation::OutOfOrder("Sync"));
    // None of it is remembered: they meet, and have everything.
    let connection = meet(&mut homes, 2);
    assert_eq!(connection.ends[0].presents[0].0, homes[1].present);
}

#[test]
fn caps_a_present_that_is_too_long() {
    let (mut homes, mut connection) = asked();
    for _ in 0..caps::PRESENT / caps::PART {
        connection.hand_present(&mut homes, 0, false, &vec![1; caps::PART]);
        assert_eq!(connection.ends[0].closed, None);
    }
    assert_eq!(connection.ends[0].session.waiting_bytes, caps::PRESENT);
    connection.hand_present(&mut homes, 0, false, &[1]);
    assert_eq!(*connection.violated(0), ProtocolViolation::PresentTooLong);
}

#[test]
fn caps_a_present_counts_with_the_documents_that_wait() {
    let (mut homes, mut connection) = asked();
    let part = Frame::Sync { last: false, bytes: vec![1; caps::PART] }.encode();
    let parts_a_message = caps::MESSAGE / caps::PART;
    let mut waiting = 0;
    for year in 2100.. {
        let key = StreamKey::Document(shared(year));
        connection.hand(&mut homes, 0, key, &Frame::Open(shared(year)).encode());
        for _ in 0..parts_a_message.min((caps::WAITING_BYTES - waiting) / caps::PART) {
            connection.hand(&mut homes, 0, key, &part);
            waiting += caps::PART;
        }
        if waiting == caps::WAITING_BYTES {
            break;
        }
    }
    assert_eq!(connection.ends[0].closed, None);
    connection.hand_present(&mut homes, 0, false, &[1]);
    assert_eq!(*connection.violated(0), ProtocolViolation::TooMuchAhead);
}
