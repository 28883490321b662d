//! Adding a device of one's own.

use super::*;

impl Room {
    fn adding(seed: u64, people: [Person; 2]) -> Self {
        Self::about(Purpose::OwnDevice, seed, people)
    }

    /// Both devices are of one partner, know the same of the roster, and where the private documents are.
    fn assert_added(&self) {
        let [old, new] = &self.people;
        assert_eq!(new.partner(), old.partner());
        assert_eq!(new.household, old.household);
        assert_eq!(new.private_space, old.private_space);
        for roster in [old.roster(), new.roster()] {
            let own = roster.own_device(&old.keys.device()).zip(roster.own_device(&new.keys.device()));
            assert!(own.is_some_and(|(old, new)| old.circle() == new.circle()));
        }
        let [old, new] = [old.roster(), new.roster()];
        assert_eq!(old.digest(&old.partner()), new.digest(&new.partner()));
    }
}

/// A partner who has another one, a second device, and a third that was removed with words that the partner may not see.
fn settled() -> Person {
    let mut room = Room::new(3);
    room.dial();
    room.assert_paired();
    let [mut first, _] = room.people;
    let removed = Person::new(8);
    let draft = first.roster().draft_add_device(first.keys.device(), removed.keys.device(), removed.keys.agreement());
    let added = draft.sign_all(&[first.keys.signing(), removed.keys.signing()]);
    first.statements.push(added);
    let removal = first.roster().remove_device(first.keys.signing(), removed.keys.device(), None, None);
    first.statements.extend(removal);
    assert!(first.statements.iter().any(SignedStatement::is_private));
    first
}

#[test]
fn a_device_is_added_to_somebody_who_is_alone_and_to_somebody_with_a_partner() {
    for owner in [Person::new(1), settled()] {
        let mut room = Room::adding(5, [owner, Person::new(4)]);
        room.dial();
        for seen in &room.seen {
            assert_eq!(seen.finished, Some(Ok(())), "{:?}", seen.events);
            assert_eq!(seen.asked.len(), 1);
        }
        room.assert_added();
    }
}

#[test]
fn a_connection_lost_after_any_message_is_made_up_for() {
    for budget in 0..TEST_FRAMES {
        for owner in [Person::new(1), settled()] {
            let mut room = Room::adding(6, [owner, Person::new(4)]);
            room.budget = budget;
            room.dial();
            room.budget = usize::MAX;
            room.now += ATTEMPT_INTERVAL;
            if room.seen[1].finished.is_none() {
                room.dial();
            }
            room.assert_added();
            assert_eq!(room.seen[1].finished, Some(Ok(())), "after {budget} frames");
            // Asked once each, whatever happened between.
            assert!(room.seen.iter().all(|seen| seen.asked.len() == 1), "after {budget} frames");
        }
    }
}

#[test]
fn nothing_is_handed_over_unless_both_say_yes() {
    for answers in [[Some(false), Some(true)], [Some(true), Some(false)], [None, Some(true)], [Some(true), None]] {
        let mut room = Room::adding(7, [settled(), Person::new(4)]);
        room.answers = answers;
        room.dial();
        assert!(room.seen.iter().all(|seen| seen.paired == 0), "{answers:?}");
    }
}

#[test]
fn private_stays_home_what_is_private_is_in_no_frame_but_the_sealed_admission() {
    let mut room = Room::adding(8, [settled(), Person::new(4)]);
    let space = *room.people[0].private_space.unwrap().as_bytes();
    room.dial();
    room.assert_added();
    for frame in room.seen.iter().flat_map(|seen| &seen.sent) {
        assert!(!frame.windows(32).any(|window| window == space));
    }
    // Partners are told none of it, sealed or not.
    let mut room = Room::with(8, [Person::new(1), Person::new(2)]);
    room.dial();
    room.assert_paired();
    let [first, second] = &room.people;
    assert_ne!(first.private_space, second.private_space);
    assert!(!second.statements.iter().any(SignedStatement::is_private));
}

#[test]
fn only_a_device_that_belongs_to_nobody_is_added() {
    let now = Instant::now();
    let code = Entered::parse(&Room::new(9).offer.code().to_text()).unwrap();
    let refused = PairingJoin::new(settled().local(), code, Purpose::OwnDevice, now).err();
    assert_eq!(refused, Some(LocalError::NotFresh));

    // One that claims to be somebody's is refused by whoever shows the code, too.
    let mut room = Room::adding(9, [Person::new(6), Person::new(4)]);
    let other = settled();
    room.join.accord.pretend(other.local());
    room.dial();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::NotFresh)));
    assert_eq!(room.seen[1].finished, Some(Err(Failure::NotFresh)));
}

#[test]
fn a_device_of_the_partners_is_not_added_even_if_it_says_that_it_is_new() {
    let mut room = Room::adding(12, [settled(), Person::new(2)]);
    room.dial();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::NotFresh)));
}

#[test]
fn a_device_that_was_removed_is_not_added_again() {
    let owner = settled();
    let mut room = Room::adding(10, [owner, Person::new(8)]);
    room.dial();
    assert_eq!(room.seen[0].finished, Some(Err(Failure::Removed)));
}

#[test]
fn purposes_do_not_mix_and_a_locked_home_adds_no_device() {
    let mut room = Room::adding(11, [Person::new(1), Person::new(4)]);
    let entered = Entered::parse(&room.offer.code().to_text()).unwrap();
    room.join = PairingJoin::new(room.people[1].local(), entered, Purpose::Partner, room.now).unwrap();
    room.dial();
    assert!(room.seen[0].events.contains(&Event::PurposeMismatch));
    room.assert_nothing_said();

    let locked = Person { private_space: None, ..Person::new(1) };
    let refused = PairingOffer::new(locked.local(), Purpose::OwnDevice, Instant::now(), &mut room.rng).err();
    assert_eq!(refused, Some(LocalError::Locked));
}
