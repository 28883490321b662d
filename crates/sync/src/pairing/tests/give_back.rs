//! Somebody who has lost all devices, and a device of their partner's that gives back what is shared.

use super::*;

fn recovery_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Two partners who are paired; the second has a recovery code, and has lost the device since. And a new device of theirs.
fn after_a_loss() -> [Person; 2] {
    let mut room = Room::new(21);
    room.dial();
    room.assert_paired();
    let [mut stays, lost] = room.people;
    let told = lost.roster().add_recovery_key(&lost.keys, &recovery_key(5));
    stays.statements.push(told);
    assert_eq!(stays.roster().recovers(&key_of(5)), Some(lost.partner()));
    [stays, Person { recovery: Some(recovery_key(5)), ..Person::new(30) }]
}

fn key_of(seed: u8) -> DeviceId {
    DeviceId::from_bytes(recovery_key(seed).verifying_key().to_bytes())
}

fn giving_back(seed: u64, people: [Person; 2]) -> Room {
    Room::about(Purpose::GiveBack, seed, people)
}

/// The new device is one of the lost person's on both sides, and knows the household.
fn assert_given_back(room: &Room) {
    let [stays, new] = &room.people;
    let theirs = stays.roster();
    assert_eq!(theirs.device(&new.keys.device()).map(|device| device.partner), theirs.other_partner());
    assert!(theirs.may_connect(&new.keys.device()));
    assert_eq!(Some(new.partner()), theirs.other_partner());
    assert_eq!(new.household, stays.household);
    assert!(new.roster().may_connect(&stays.keys.device()));
    assert_eq!(new.roster().other_partner(), Some(stays.partner()));
    assert_eq!(new.roster().digest(&stays.partner()), theirs.digest(&new.partner()));
    assert_ne!(new.private_space, stays.private_space);
}

#[test]
fn who_lost_all_devices_comes_back_with_the_recovery_code_and_a_yes_on_both() {
    let mut room = giving_back(22, after_a_loss());
    let partner = room.people[0].roster().other_partner().unwrap();
    room.dial();
    for seen in &room.seen {
        assert_eq!(seen.finished, Some(Ok(())), "{:?}", seen.events);
        assert_eq!(seen.asked.len(), 1);
    }
    assert_eq!(room.seen[0].asked[0].partner, partner, "asked about the person, not about a stranger");
    assert_given_back(&room);
}

#[test]
fn a_connection_lost_after_any_message_of_a_return_is_made_up_for() {
    for budget in 0..TEST_FRAMES {
        let mut room = giving_back(23, after_a_loss());
        room.budget = budget;
        room.dial();
        room.budget = usize::MAX;
        room.now += ATTEMPT_INTERVAL;
        if room.seen[1].finished.is_none() {
            room.dial();
        }
        assert_given_back(&room);
        assert_eq!(room.seen[1].finished, Some(Ok(())), "after {budget} frames");
        assert!(room.seen.iter().all(|seen| seen.asked.len() == 1), "after {budget} frames");
    }
}

#[test]
fn a_return_that_was_cut_off_for_good_is_finished_with_a_new_code() {
    for budget in 0..TEST_FRAMES {
        let mut room = giving_back(24, after_a_loss());
        room.budget = budget;
        room.dial();
        if room.people[1].household.is_some() {
            continue;
        }
        let mut again = giving_back(25, room.people);
        again.dial();
        assert_given_back(&again);
    }
}

#[test]
fn nothing_is_given_back_unless_both_say_yes() {
    for answers in [[Some(false), Some(true)], [Some(true), Some(false)], [None, Some(true)], [Some(true), None]] {
        let mut room = giving_back(26, after_a_loss());
        room.answers = answers;
        room.dial();
        assert!(room.seen.iter().all(|seen| seen.paired == 0), "{answers:?}");
    }
}

#[test]
fn nobody_comes_back_without_the_code_that_was_told_and_still_counts() {
    // Another code.
    let [stays, new] = after_a_loss();
    let mut room = giving_back(27, [stays, Person { recovery: Some(recovery_key(6)), ..new }]);
    room.dial();
    assert_eq!(room.seen[1].finished, Some(Err(Failure::UnknownRecoveryCode)));
    assert_eq!(room.seen[0].finished, Some(Err(Failure::UnknownRecoveryCode)));

    // The code of the one who stays brings back nobody else.
    let [mut stays, new] = after_a_loss();
    let own = stays.roster().add_recovery_key(&stays.keys, &recovery_key(7));
    stays.statements.push(own);
    let mut room = giving_back(28, [stays, Person { recovery: Some(recovery_key(7)), ..new }]);
    room.dial();
    assert_eq!(room.seen[1].finished, Some(Err(Failure::UnknownRecoveryCode)));

    // One that a newer code took the place of.
    let mut pair = Room::new(21);
    pair.dial();
    let [mut stays, mut lost] = pair.people;
    let told = lost.roster().add_recovery_key(&lost.keys, &recovery_key(5));
    lost.statements.push(told);
    let removed = lost.roster().remove_recovery_key(&lost.keys, key_of(5));
    lost.statements.push(removed);
    stays.statements = lost.statements.clone();
    assert_eq!(stays.roster().recovers(&key_of(5)), None);
    let new = Person { recovery: Some(recovery_key(5)), ..Person::new(30) };
    let mut room = giving_back(29, [stays, new]);
    room.dial();
    assert_eq!(room.seen[1].finished, Some(Err(Failure::UnknownRecoveryCode)));

    // Who sends the statement all the same, says so in vain.
    let [stays, new] = after_a_loss();
    let stranger = stays.roster().draft_add_device(key_of(6), new.keys.device(), new.keys.agreement());
    let signed = stranger.sign_all(&[&recovery_key(6), new.keys.signing()]);
    assert!(stays.roster().merge([signed]).added.is_empty());
}

#[test]
fn a_return_begins_where_something_is_shared_and_ends_on_a_new_device() {
    let [stays, new] = after_a_loss();
    let mut rng = ChaCha20Rng::seed_from_u64(30);
    let now = Instant::now();
    let alone = PairingOffer::new(Person::new(31).local(), Purpose::GiveBack, now, &mut rng).err();
    assert_eq!(alone, Some(LocalError::NothingToGiveBack));
    let offer = PairingOffer::new(stays.local(), Purpose::GiveBack, now, &mut rng).unwrap();
    let code = || Entered::parse(&offer.code().to_text()).unwrap();
    let paired = Person { recovery: Some(recovery_key(5)), ..stays };
    let refused = PairingJoin::new(paired.local(), code(), Purpose::GiveBack, now).err();
    assert_eq!(refused, Some(LocalError::NotFresh));
    let codeless = Person { recovery: None, ..Person::new(30) };
    let refused = PairingJoin::new(codeless.local(), code(), Purpose::GiveBack, now).err();
    assert_eq!(refused, Some(LocalError::NoRecoveryCode));
    let locked = Person { private_space: None, ..new };
    let refused = PairingJoin::new(locked.local(), code(), Purpose::GiveBack, now).err();
    assert_eq!(refused, Some(LocalError::Locked));
}

#[test]
fn the_recovery_code_is_in_no_frame() {
    let mut room = giving_back(32, after_a_loss());
    room.dial();
    assert_given_back(&room);
    let (secret, public) = (recovery_key(5).to_bytes(), key_of(5));
    for frame in room.seen.iter().flat_map(|seen| &seen.sent) {
        assert!(!frame.windows(32).any(|window| window == secret || window == public.as_bytes()));
    }
}
