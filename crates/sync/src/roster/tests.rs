use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

mod names;

fn keys(seed: u64) -> DeviceKeys {
    DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

fn epoch(byte: u8) -> EpochId {
    EpochId::from_bytes([byte; 32])
}

fn fact(byte: u8) -> Option<FactId> {
    Some(FactId::from_bytes([byte; 32]))
}

fn partner(keys: &DeviceKeys) -> PartnerId {
    PartnerId::founded_by(&keys.device())
}

/// One partner's view, growing.
struct Chain {
    partner: PartnerId,
    all: Vec<SignedStatement>,
}

impl Chain {
    fn begin(first: &DeviceKeys) -> Self {
        Self { partner: partner(first), all: Roster::begin(first, epoch(0)) }
    }

    fn roster(&self) -> Roster {
        Roster::from_statements(self.partner, None, self.all.clone())
    }

    fn add(&mut self, author: &DeviceKeys, new: &DeviceKeys) -> SignedStatement {
        let draft = self.roster().draft_add_device(author.device(), new.device(), new.agreement());
        let signed = draft.sign_all(&[author.signing(), new.signing()]);
        self.all.push(signed.clone());
        signed
    }

    fn remove(&mut self, author: &DeviceKeys, device: &DeviceKeys, ours: Option<FactId>) -> SignedStatement {
        let signed = self.roster().remove_device(author.signing(), device.device(), ours, fact(77));
        self.all.extend(signed.clone());
        signed[0].clone()
    }

    fn fork(&self) -> Self {
        Self { partner: self.partner, all: self.all.clone() }
    }
}

fn founding(own: &Chain, other: &Chain, devices: [&DeviceKeys; 2]) -> SignedStatement {
    let all = own.all.iter().chain(&other.all).cloned();
    let roster = Roster::from_statements(own.partner, None, all);
    let side = |chain: &Chain, device: &DeviceKeys| FoundingSide {
        partner: chain.partner,
        device: device.device(),
        nonce: [9; 16],
    };
    let draft = roster.draft_founding(side(own, devices[0]), side(other, devices[1])).unwrap();
    let signatures: Vec<[u8; 64]> = draft
        .signers()
        .iter()
        .map(|signer| {
            let keys = devices.iter().find(|keys| keys.device() == *signer).unwrap();
            draft.sign(keys.signing())
        })
        .collect();
    draft.complete(&signatures).unwrap()
}

/// A household of A (devices 1 and 2) and B (device 3).
fn couple() -> (Chain, Chain, SignedStatement, [DeviceKeys; 3]) {
    let all = [keys(1), keys(2), keys(3)];
    let mut a = Chain::begin(&all[0]);
    a.add(&all[0], &all[1]);
    let b = Chain::begin(&all[2]);
    let founding = founding(&a, &b, [&all[1], &all[2]]);
    (a, b, founding, all)
}

fn accepted(roster: &Roster, device: &DeviceKeys) -> Option<Accepted> {
    roster.membership(Scope::Ours).standing(&device.device()).map(|standing| standing.accepted.clone())
}

#[test]
fn a_partner_begins_alone() {
    let keys = keys(1);
    let partner = partner(&keys);
    let roster = Roster::from_statements(partner, None, Roster::begin(&keys, epoch(1)));
    assert_eq!(roster.household(), None);
    assert_eq!(roster.device(&keys.device()).unwrap().epochs, [epoch(1)]);
    assert!(roster.may_connect(&keys.device()));
    let standing = Standing { partner, accepted: Accepted::Everything };
    assert_eq!(roster.membership(Scope::Mine).standing(&keys.device()), Some(&standing));
}

#[test]
fn golden_statements() {
    let (a, _, founding, [first, second, third]) = couple();
    let mut chain = a.fork();
    chain.all.extend([founding.clone()]);
    let recovery = SigningKey::from_bytes(&[5; 32]);
    let all = [
        a.all.clone(),
        vec![
            founding,
            chain.roster().begin_epoch(&first, epoch(1)),
            chain.roster().add_recovery_key(&first, &recovery),
        ],
        chain.roster().remove_device(first.signing(), second.device(), fact(7), None),
        vec![Draft::new(Statement::Unknown(4242), vec![], vec![third.device()]).sign_all(&[third.signing()])],
    ]
    .concat();
    let lines: Vec<String> = all.iter().map(|signed| betwixt_model::ids::encode_base32(&signed.to_bytes())).collect();
    insta::assert_snapshot!(lines.join("\n"));
    for signed in &all {
        assert_eq!(SignedStatement::parse(&signed.to_bytes()).as_ref(), Ok(signed));
    }
}

#[test]
fn a_household_has_both_partners_devices_for_both() {
    let (a, b, founding, devices) = couple();
    let all = || a.all.iter().chain(&b.all).chain([&founding]).cloned();
    for own in [a.partner, b.partner] {
        let roster = Roster::from_statements(own, None, all());
        assert_eq!(roster.household(), founding.founds());
        assert_eq!(roster.devices().count(), 3);
        assert!(devices.iter().all(|device| roster.may_connect(&device.device())));
        assert_eq!(roster.membership(Scope::Ours).devices().count(), 3);
        let own_devices = if own == a.partner { 2 } else { 1 };
        assert_eq!(roster.membership(Scope::Mine).devices().count(), own_devices);
        assert_eq!(roster.founding(), Some(&founding));
    }
    // A stranger's roster has nothing of it.
    let stranger = Roster::from_statements(partner(&keys(9)), None, all());
    assert_eq!(stranger.devices().count(), 0);
    assert_eq!(stranger.household(), None);
}

#[test]
fn nobody_adds_or_removes_the_others_devices() {
    let (a, b, founding, [first, _, third]) = couple();
    let all: Vec<SignedStatement> = a.all.iter().chain(&b.all).chain([&founding]).cloned().collect();
    let base = Roster::from_statements(a.partner, founding.founds(), all);
    let statement = Statement::RemoveDevice { device: first.device(), accepts: None };
    let removal = Draft::new(statement, vec![founding.id()], vec![third.device()]).sign_all(&[third.signing()]);
    let merged = base.merge([removal.clone()]);
    assert_eq!(merged.refused, [Refused::NotAMember(removal.id())]);
    assert!(merged.roster.may_connect(&first.device()));
    // B adding a device of A's gives it to B only if that device's key signs along, which A's does not.
    let forged = Draft::new(
        Statement::AddDevice { agreement: third.agreement() },
        vec![founding.id()],
        vec![third.device(), first.device()],
    );
    let signatures = [forged.sign(third.signing()), forged.sign(third.signing())];
    assert_eq!(forged.clone().complete(&signatures), Err(StatementError::WrongSignature(forged.id())));
    // And with a key of B's own, the device speaks for B.
    let mut b = Chain { partner: b.partner, all: base.statements().cloned().collect() };
    let fourth = keys(4);
    let added = b.add(&third, &fourth);
    let merged = base.merge([added]);
    assert_eq!(merged.roster.device(&fourth.device()).unwrap().partner, b.partner);
    assert_eq!(merged.roster.membership(Scope::Mine).standing(&fourth.device()), None);
}

#[test]
fn a_removed_device_is_out_and_its_accepted_facts_stay() {
    let (mut a, ..) = couple();
    let (first, second) = (keys(1), keys(2));
    a.remove(&first, &second, fact(7));
    let roster = a.roster();
    assert!(!roster.may_connect(&second.device()));
    assert!(roster.device(&second.device()).unwrap().removed);
    assert_eq!(accepted(&roster, &second), fact(7).map(Accepted::UpTo));
    let mine = roster.membership(Scope::Mine);
    assert_eq!(mine.standing(&second.device()).unwrap().accepted, Accepted::UpTo(fact(77).unwrap()));
}

#[test]
fn what_is_accepted_of_the_private_scope_never_reaches_the_other_partner_private_stays_home() {
    let (mut a, b, founding, [first, second, third]) = couple();
    a.all.extend(b.all.clone());
    a.all.push(founding);
    a.remove(&first, &second, fact(7));
    let roster = a.roster();
    let private = fact(77).unwrap();
    let holds = |statements: &[SignedStatement]| {
        let bytes: Vec<u8> = statements.iter().flat_map(SignedStatement::to_bytes).collect();
        bytes.windows(32).any(|window| window == private.as_bytes())
    };
    assert!(holds(&roster.missing(&a.partner, &[])));
    assert!(!holds(&roster.missing(&b.partner, &[])));
    let offered = roster.offer(&third.device()).unwrap();
    assert!(!offered.statements.concat().windows(32).any(|window| window == private.as_bytes()));
    assert_eq!(roster.offer(&second.device()), None);
    // Nor does its id: what B has is closed and the same to both.
    let theirs = Roster::from_statements(b.partner, None, roster.missing(&b.partner, &[]));
    assert_eq!(theirs.digest(&a.partner), roster.digest(&b.partner));
    assert!(theirs.device(&second.device()).unwrap().removed);
    let later = roster.begin_epoch(&first, epoch(4));
    assert!(later.after().iter().all(|id| theirs.ids(&a.partner).contains(id)));
}

#[test]
fn removed_keys_never_return() {
    let (mut a, ..) = couple();
    let (first, second) = (keys(1), keys(2));
    a.remove(&first, &second, None);
    a.add(&first, &second);
    assert!(!a.roster().may_connect(&second.device()));
}

#[test]
fn what_a_removed_device_did_behind_the_removers_back_is_void() {
    let (mut a, ..) = couple();
    let (first, second, third, fourth) = (keys(1), keys(2), keys(5), keys(6));
    let mut stolen = a.fork();
    a.remove(&first, &second, None);
    // It has not seen its removal, or says so.
    stolen.add(&second, &third);
    stolen.add(&third, &fourth);
    a.all.extend(stolen.all);
    let roster = a.roster();
    for device in [&second, &third, &fourth] {
        assert!(!roster.may_connect(&device.device()));
        assert_eq!(accepted(&roster, device), Some(Accepted::Nothing));
    }
    assert!(roster.may_connect(&first.device()));
}

#[test]
fn what_a_removed_device_had_done_before_stands() {
    let (mut a, ..) = couple();
    let (first, second, third) = (keys(1), keys(2), keys(5));
    a.add(&second, &third);
    a.remove(&first, &second, None);
    assert!(a.roster().may_connect(&third.device()));
}

#[test]
fn two_devices_that_remove_each_other_are_both_out_and_the_recovery_key_adds_again() {
    let (mut a, ..) = couple();
    let (first, second, third) = (keys(1), keys(2), keys(5));
    let recovery = SigningKey::from_bytes(&[5; 32]);
    let key = DeviceId::from_bytes(recovery.verifying_key().to_bytes());
    a.all.push(a.roster().add_recovery_key(&first, &recovery));
    let mut other = a.fork();
    a.remove(&first, &second, fact(2));
    other.remove(&second, &first, fact(1));
    a.all.extend(other.all);
    let roster = a.roster();
    assert!(!roster.may_connect(&first.device()) && !roster.may_connect(&second.device()));
    assert_eq!(accepted(&roster, &first), fact(1).map(Accepted::UpTo));
    assert_eq!(accepted(&roster, &second), fact(2).map(Accepted::UpTo));
    // The recovery key is no device.
    assert_eq!(roster.device(&key), None);
    assert!(!roster.may_connect(&key));
    let draft = roster.draft_add_device(key, third.device(), third.agreement());
    let again = draft.sign_all(&[&recovery, third.signing()]);
    let merged = roster.merge([again]);
    assert_eq!(merged.refused, []);
    assert!(merged.roster.may_connect(&third.device()));
}

#[test]
fn a_removed_device_cannot_widen_what_is_accepted_of_it() {
    let (mut a, ..) = couple();
    let (first, second) = (keys(1), keys(2));
    let helper = keys(5);
    let mut stolen = a.fork();
    a.remove(&first, &second, fact(1));
    stolen.add(&second, &helper);
    stolen.remove(&helper, &second, fact(99));
    let mut itself = a.fork();
    itself.all.retain(|statement| !matches!(statement.statement(), Statement::RemoveDevice { .. }));
    itself.remove(&second, &second, fact(98));
    a.all.extend(stolen.all);
    a.all.extend(itself.all);
    assert_eq!(accepted(&a.roster(), &second), fact(1).map(Accepted::UpTo));
}

#[test]
fn leaving_alone_is_possible() {
    let (mut a, ..) = couple();
    let second = keys(2);
    a.remove(&second, &second, fact(3));
    assert!(!a.roster().may_connect(&second.device()));
    assert_eq!(accepted(&a.roster(), &second), fact(3).map(Accepted::UpTo));
}

#[test]
fn epochs_are_known_in_their_order_even_of_removed_devices() {
    let (mut a, ..) = couple();
    let (first, second) = (keys(1), keys(2));
    for byte in [9, 3] {
        a.all.push(a.roster().begin_epoch(&second, epoch(byte)));
    }
    a.remove(&first, &second, None);
    a.all.reverse();
    assert_eq!(a.roster().device(&second.device()).unwrap().epochs, [epoch(9), epoch(3)]);
}

#[test]
fn a_founding_by_a_stolen_device_is_not_taken_up_but_an_anchored_household_stays() {
    let (mut a, b, founding, [first, second, _]) = couple();
    a.remove(&first, &second, None);
    let all: Vec<SignedStatement> = a.all.iter().chain(&b.all).chain([&founding]).cloned().collect();
    assert_eq!(Roster::from_statements(a.partner, None, all.clone()).household(), None);
    let anchored = Roster::from_statements(a.partner, founding.founds(), all);
    assert_eq!(anchored.household(), founding.founds());
    assert_eq!(anchored.other_partner(), Some(b.partner));
}

#[test]
fn two_foundings_are_for_a_person_to_choose_from() {
    let (a, b, first, [_, second, third]) = couple();
    let other = Chain::begin(&keys(8));
    let rival = founding(&a, &other, [&second, &keys(8)]);
    let all = || a.all.iter().chain(&b.all).chain(&other.all).chain([&first, &rival]).cloned();
    let roster = Roster::from_statements(a.partner, None, all());
    assert_eq!(roster.household(), None);
    assert_eq!(roster.foundings().count(), 2);
    let chosen = Roster::from_statements(a.partner, first.founds(), all());
    assert!(chosen.may_connect(&third.device()));
    assert!(!chosen.may_connect(&keys(8).device()));
}

#[test]
fn forged_and_damaged_statements_are_refused() {
    let (a, ..) = couple();
    let bytes = a.all[2].to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(SignedStatement::parse(&other).is_err(), "bit {bit}");
    }
    assert_eq!(SignedStatement::parse(&[bytes.as_slice(), &[0]].concat()), Err(StatementError::Malformed));
    assert_eq!(SignedStatement::parse(&bytes[..bytes.len() - 1]), Err(StatementError::Malformed));
    assert_eq!(SignedStatement::parse(&vec![0; MAX_STATEMENT + 1]), Err(StatementError::Malformed));
}

#[test]
fn unknown_kinds_by_members_are_kept_and_carried_and_by_strangers_are_not() {
    let (a, ..) = couple();
    let roster = a.roster();
    let by = |keys: &DeviceKeys| {
        let draft = Draft::new(Statement::Unknown(999), vec![a.all[0].id()], vec![keys.device()]);
        SignedStatement::parse(&draft.sign_all(&[keys.signing()]).to_bytes()).unwrap()
    };
    let (known, strange) = (by(&keys(1)), by(&keys(9)));
    let merged = roster.merge([known.clone(), strange.clone()]);
    assert_eq!(merged.added.len(), 1);
    assert_eq!(merged.refused, [Refused::NotAMember(strange.id())]);
    assert_eq!(merged.roster.missing(&a.partner, &roster.ids(&a.partner)), [known]);
    assert!(merged.roster.merge(merged.added.clone()).added.is_empty(), "duplicates are not new");
}

#[test]
fn what_builds_on_missing_statements_waits_for_them() {
    let (mut a, ..) = couple();
    let (first, third) = (keys(1), keys(5));
    let base = a.roster();
    let missing = base.begin_epoch(&first, epoch(4));
    a.all.push(missing.clone());
    let added = a.add(&first, &third);
    let early = base.merge([added.clone()]);
    assert_eq!(early.refused, [Refused::Incomplete(added.id())]);
    assert!(!early.roster.may_connect(&third.device()));
    let both = early.roster.merge([added, missing]);
    assert_eq!(both.refused, []);
    assert!(both.roster.may_connect(&third.device()));
}

#[test]
fn a_flood_by_one_device_neither_fills_the_roster_nor_saves_it_from_removal() {
    let (a, ..) = couple();
    let (first, second) = (keys(1), keys(2));
    let mut flood = Vec::new();
    let roster = a.roster();
    for number in 0..u32::try_from(MAX_BY_AUTHOR).unwrap() + 50 {
        let statement = Statement::Epoch { epoch: epoch(1), number };
        let draft = Draft::new(statement, roster.heads(&a.partner), vec![second.device()]);
        flood.push(draft.sign_all(&[second.signing()]));
    }
    let merged = roster.merge(flood);
    assert_eq!(merged.added.len(), MAX_BY_AUTHOR);
    assert_eq!(merged.refused.len(), 50);
    let removal = merged.roster.remove_device(first.signing(), second.device(), None, None);
    let merged = merged.roster.merge(removal);
    assert!(!merged.roster.may_connect(&second.device()));
    assert!(merged.roster.may_connect(&first.device()));
}

/// A history of a partner with forks, removals and strangers in it.
fn history(choices: &[(u8, u8, u8, u8)]) -> Vec<SignedStatement> {
    let pool: Vec<DeviceKeys> = (1..=6).map(keys).collect();
    let (a, b, founding, _) = couple();
    let mut branches = vec![Chain { partner: a.partner, all: a.all.clone() }];
    branches[0].all.extend(b.all);
    branches[0].all.push(founding);
    for (kind, branch, author, target) in choices {
        let place = usize::from(*branch) % branches.len();
        let author = &pool[usize::from(*author) % pool.len()];
        let target = &pool[usize::from(*target) % pool.len()];
        let chain = &mut branches[place];
        match kind % 5 {
            0 if author.device() != target.device() => drop(chain.add(author, target)),
            1 => drop(chain.remove(author, target, fact(*kind))),
            2 => {
                let signed = chain.roster().begin_epoch(author, epoch(*kind));
                chain.all.push(signed);
            }
            3 if branches.len() < 4 => {
                let fork = branches[place].fork();
                branches.push(fork);
            }
            _ => {
                let other =
                    branches[usize::from(*author.device().as_bytes().first().unwrap()) % branches.len()].all.clone();
                branches[place].all.extend(other);
            }
        }
    }
    let mut all: Vec<SignedStatement> = branches.into_iter().flat_map(|branch| branch.all).collect();
    all.sort_by_key(SignedStatement::id);
    all.dedup_by_key(|statement| statement.id());
    all
}

fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "how many cases a test runs comes from outside")]
    let asked = std::env::var("PROPTEST_CASES");
    asked.ok().and_then(|text| text.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_order_of_arrival_does_not_matter_same_facts_same_view(
        choices in proptest::collection::vec(any::<(u8, u8, u8, u8)>(), 0..14),
        seed in any::<u64>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let all = history(&choices);
        let own = partner(&keys(1));
        let household = all.iter().find_map(SignedStatement::founds);
        let once = Roster::from_statements(own, household, all.clone());
        let mut shuffled = all.clone();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for last in (1..shuffled.len()).rev() {
            let chosen = usize::try_from(rand_core::RngCore::next_u64(&mut rng) % (last as u64 + 1)).unwrap();
            shuffled.swap(last, chosen);
        }
        let again = Roster::from_statements(own, household, shuffled.clone());
        let view = |roster: &Roster| {
            let devices: Vec<_> = roster.devices().map(|(id, device)| (*id, device.clone())).collect();
            (devices, roster.membership(Scope::Ours), roster.membership(Scope::Mine), roster.digest(&own), roster.household())
        };
        prop_assert_eq!(view(&once), view(&again));
        // In two batches, the first of which may lack what its statements build on.
        let early = Roster::from_statements(own, household, []);
        let cut = if shuffled.is_empty() { 0 } else { cut.index(shuffled.len()) };
        let early = early.merge(shuffled[..cut].to_vec()).roster;
        let merged = early.merge(all.clone());
        let counted = once.merge([]).roster;
        prop_assert_eq!(view(&merged.roster).0, view(&counted).0);
        prop_assert_eq!(view(&merged.roster).1, view(&counted).1);
        // Whoever is a member now was not removed by anybody who counts.
        for (id, device) in once.devices() {
            prop_assert_eq!(device.removed, accepted_of(&once, id) != Some(Accepted::Everything));
        }
    }

    #[test]
    fn hostile_input_is_an_error_for_statements(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SignedStatement::parse(&bytes).is_err());
    }

    #[test]
    fn hostile_bodies_with_right_signatures_harm_nothing(
        kind in 0_u16..10,
        content in proptest::collection::vec(any::<u8>(), 0..100),
        private in any::<bool>(),
        signers in 0_usize..4,
    ) {
        let all: Vec<DeviceKeys> = [1, 2, 1, 2].map(keys).into_iter().take(signers).collect();
        let body = postcard::to_stdvec(&(
            private,
            kind,
            Vec::<StatementId>::new(),
            all.iter().map(DeviceKeys::device).collect::<Vec<_>>(),
            content,
        ))
        .unwrap();
        let id = statement::id_of(&body);
        let message = statement::signed_bytes(&id);
        let mut bytes = body;
        for keys in &all {
            bytes.extend(ed25519_dalek::Signer::sign(keys.signing(), &message).to_bytes());
        }
        let (a, ..) = couple();
        let roster = a.roster();
        if let Ok(statement) = SignedStatement::parse(&bytes) {
            prop_assert_eq!(statement.to_bytes(), bytes);
            let merged = roster.merge([statement]).roster;
            prop_assert!(merged.may_connect(&keys(1).device()));
            prop_assert!(merged.may_connect(&keys(2).device()));
        }
    }
}

fn accepted_of(roster: &Roster, device: &DeviceId) -> Option<Accepted> {
    roster.membership(Scope::Ours).standing(device).map(|standing| standing.accepted.clone())
}
