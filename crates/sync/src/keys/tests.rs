use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn household(byte: u8) -> HouseholdId {
    HouseholdId::from_bytes([byte; 32])
}

fn pair(own: &DeviceKeys, peer: &DeviceKeys) -> PairKey {
    PairKey::derive(own, &household(1), &peer.device(), &peer.agreement()).unwrap()
}

fn three() -> [DeviceKeys; 3] {
    [1, 2, 3].map(|seed| DeviceKeys::generate(&mut rng(seed)))
}

#[test]
fn keys_survive_the_store() {
    let keys = DeviceKeys::generate(&mut rng(1));
    let again = DeviceKeys::from_bytes(&keys.to_bytes());
    assert_eq!(again.device(), keys.device());
    assert_eq!(again.agreement(), keys.agreement());
}

#[test]
fn golden_pair_key_knock_and_advert() {
    let [a, b, _] = three();
    let key = pair(&a, &b);
    let lines = [
        betwixt_model::ids::encode_base32(&key.key),
        betwixt_model::ids::encode_base32(&key.knock(&mut rng(9))),
        betwixt_model::ids::encode_base32(&advert([&key], &mut rng(9))),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn both_derive_the_same_and_nobody_else() {
    let [a, b, c] = three();
    assert_eq!(pair(&a, &b).key, pair(&b, &a).key);
    assert_ne!(pair(&a, &b).key, pair(&a, &c).key);
    let elsewhere = PairKey::derive(&a, &household(2), &b.device(), &b.agreement()).unwrap();
    assert_ne!(elsewhere.key, pair(&a, &b).key);
}

#[test]
fn a_key_of_small_order_is_refused() {
    let [a, b, _] = three();
    let refused = PairKey::derive(&a, &household(1), &b.device(), &AgreementKey::from_bytes([0; 32]));
    assert_eq!(refused.unwrap_err(), WeakKey(b.device()));
}

#[test]
fn a_knock_names_who_made_it_and_only_to_the_other() {
    let [a, b, c] = three();
    let knock = pair(&a, &b).knock(&mut rng(7));
    let known_to_b = [pair(&b, &c), pair(&b, &a)];
    assert_eq!(verify_knock(&knock, &known_to_b), Some(a.device()));
    // Sent back to where it came from, it opens nothing.
    assert_eq!(verify_knock(&knock, &[pair(&a, &b), pair(&a, &c)]), None);
    assert_eq!(verify_knock(&knock, &[pair(&c, &a), pair(&c, &b)]), None);
    for bit in 0..KNOCK * 8 {
        let mut other = knock;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify_knock(&other, &known_to_b), None, "bit {bit}");
    }
    assert_eq!(verify_knock(&knock[..19], &known_to_b), None);
}

#[test]
fn a_replayed_knock_is_told() {
    let mut memory = KnockMemory::default();
    let knock = |number: u32| {
        let mut knock = [0; KNOCK];
        knock[..4].copy_from_slice(&number.to_le_bytes());
        knock
    };
    assert!(memory.is_fresh(&knock(0)));
    assert!(!memory.is_fresh(&knock(0)));
    for number in 1..10_000 {
        assert!(memory.is_fresh(&knock(number)));
    }
    assert!(!memory.is_fresh(&knock(9_999)));
    assert_eq!(memory.order.len(), REMEMBERED_KNOCKS);
    assert_eq!(memory.known.len(), REMEMBERED_KNOCKS);
    assert!(!memory.is_fresh(&[1; 3]));
}

#[test]
fn an_advert_is_recognised_by_those_it_is_for() {
    let [a, b, c] = three();
    let bytes = advert(&[pair(&a, &b)], &mut rng(3));
    assert_eq!(recognise(&bytes, &[pair(&b, &c), pair(&b, &a)]), [a.device()]);
    assert_eq!(recognise(&bytes, &[pair(&c, &a), pair(&c, &b)]), []);
    // A device does not take its own advert for its peer's.
    assert_eq!(recognise(&bytes, &[pair(&a, &b)]), []);
}

#[test]
fn adverts_of_more_pairs_than_slots_name_all_in_turn() {
    let a = DeviceKeys::generate(&mut rng(0));
    let others: Vec<DeviceKeys> = (1..=20).map(|seed| DeviceKeys::generate(&mut rng(seed))).collect();
    let pairs: Vec<PairKey> = others.iter().map(|other| pair(&a, other)).collect();
    let mut rng = rng(5);
    let adverts: Vec<_> = (0..40).map(|_| advert(&pairs, &mut rng)).collect();
    for other in &others {
        let key = pair(other, &a);
        assert!(adverts.iter().any(|bytes| recognise(bytes, [&key]) == [a.device()]));
    }
}

#[test]
fn slots_stand_in_random_places() {
    let [a, b, _] = three();
    let key = pair(&a, &b);
    let mut rng = rng(5);
    let places: BTreeSet<usize> = (0..200)
        .map(|_| {
            let bytes = advert([&key], &mut rng);
            let (nonce, slots) = bytes.split_at(ADVERT_NONCE);
            let slot = key.slot(nonce, &a.device());
            slots.chunks_exact(SLOT).position(|found| found == slot).unwrap()
        })
        .collect();
    assert_eq!(places.len(), ADVERT_SLOTS);
}

#[test]
fn secrets_are_not_in_debug() {
    let [a, b, _] = three();
    let key = pair(&a, &b);
    let text = format!("{a:?} {key:?} {:?}", a.agreement());
    for secret in [&a.to_bytes()[..32], &a.to_bytes()[32..], &key.key] {
        let word: Vec<String> = secret.iter().map(u8::to_string).collect();
        assert!(!text.contains(&word[..4].join(", ")));
        assert!(!text.contains(&betwixt_model::ids::encode_base32(secret)[..8]));
    }
}

proptest! {
    #[test]
    fn hostile_input_is_an_error_for_knocks_and_adverts(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let [a, b, _] = three();
        let key = pair(&a, &b);
        prop_assert_eq!(verify_knock(&bytes, [&key]), None);
        prop_assert_eq!(recognise(&bytes, [&key]), vec![]);
        KnockMemory::default().is_fresh(&bytes);
    }
}
