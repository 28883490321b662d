//! The two people of a life: their devices, with keys, and the roster that makes them a household.

use betwixt_model::ids::{EpochId, HouseholdId, PartnerId};
use betwixt_model::membership::Membership;
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::roster::{FoundingSide, Roster, SignedStatement};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use betwixt_model::document::Scope;

/// Two partners with two devices each, paired, as pairing leaves it.
#[derive(Debug)]
pub struct People {
    /// Two devices of the one, then two of the other.
    pub keys: [DeviceKeys; 4],
    /// The epoch that each device says things in.
    pub epochs: [EpochId; 4],
    /// In the order in which their devices are in [`People::keys`].
    pub partners: [PartnerId; 2],
    /// What both founded.
    pub household: HouseholdId,
    /// Where the private pages of each partner are.
    pub spaces: [HouseholdId; 2],
    /// The roster of both.
    pub statements: Vec<SignedStatement>,
}

impl People {
    pub(super) fn meet(rng: &mut ChaCha20Rng) -> Self {
        let keys = [(); 4].map(|()| DeviceKeys::generate(rng));
        let epochs = [(); 4].map(|()| EpochId::from_bytes(random(rng)));
        let spaces = [(); 2].map(|()| HouseholdId::from_bytes(random(rng)));
        let partners = [0, 2].map(|first: usize| PartnerId::founded_by(&keys[first].device()));
        let mut statements = Vec::new();
        for (first, second) in [(0, 1), (2, 3)] {
            statements.extend(chain([&keys[first], &keys[second]], [epochs[first], epochs[second]]));
        }
        let roster = Roster::from_statements(partners[0], None, statements.iter().cloned());
        let side = |who: usize, nonce| FoundingSide { partner: partners[who], device: keys[who * 2].device(), nonce };
        let draft = roster.draft_founding(side(0, random(rng)), side(1, random(rng))).expect("they are two partners");
        // Signed in the order of the partners.
        let mut signers = [(partners[0], &keys[0]), (partners[1], &keys[2])];
        signers.sort_unstable_by_key(|(partner, _)| *partner);
        let signatures = signers.map(|(_, keys)| draft.sign(keys.signing()));
        let founding = draft.complete(&signatures).expect("both have signed");
        let household = founding.founds().expect("it is a founding");
        statements.push(founding);
        Self { keys, epochs, partners, household, spaces, statements }
    }

    /// Whose facts count in a scope, for a partner: 0 or 1.
    pub fn membership(&self, who: usize, scope: Scope) -> Membership {
        let statements = self.statements.iter().cloned();
        Roster::from_statements(self.partners[who], Some(self.household), statements).membership(scope)
    }
}

fn random<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The roster of a partner who has two devices.
fn chain(keys: [&DeviceKeys; 2], epochs: [EpochId; 2]) -> Vec<SignedStatement> {
    let partner = PartnerId::founded_by(&keys[0].device());
    let mut statements = Roster::begin(keys[0], epochs[0]);
    let roster = |statements: &[SignedStatement]| Roster::from_statements(partner, None, statements.iter().cloned());
    let draft = roster(&statements).draft_add_device(keys[0].device(), keys[1].device(), keys[1].agreement());
    let signatures = keys.map(|keys| draft.sign(keys.signing()));
    statements.push(draft.complete(&signatures).expect("both have signed"));
    statements.push(roster(&statements).begin_epoch(keys[1], epochs[1]));
    statements
}
