use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

fn keys(seed: u64) -> DeviceKeys {
    DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

fn epoch(byte: u8) -> EpochId {
    EpochId::from_bytes([byte; 32])
}

#[test]
fn a_partner_begins_alone() {
    let keys = keys(1);
    let partner = PartnerId::founded_by(&keys.device());
    let roster = Roster::from_statements(partner, None, Roster::begin(&keys, epoch(1)));
    assert_eq!(roster.household(), None);
    assert_eq!(roster.device(&keys.device()).unwrap().epochs, [epoch(1)]);
    let standing = Standing { partner, accepted: Accepted::Everything };
    assert_eq!(roster.membership(Scope::Mine).standing(&keys.device()), Some(&standing));
}
