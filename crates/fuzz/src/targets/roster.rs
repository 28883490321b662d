//! Statements of a roster: as bytes, and signed by members who state whatever they like.

use std::sync::{Arc, OnceLock};

use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::roster::{FoundingSide, Roster, SignedStatement};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::frames;
use crate::reached::here;

/// Two partners' devices, two each, a recovery key, and what an honest household states.
pub(crate) struct Chains {
    pub(crate) devices: Vec<Arc<DeviceKeys>>,
    recovery: SigningKey,
    pub(crate) statements: Vec<SignedStatement>,
    pub(crate) household: HouseholdId,
}

pub(crate) fn partner(keys: &DeviceKeys) -> PartnerId {
    PartnerId::founded_by(&keys.device())
}

pub(crate) fn chains() -> &'static Chains {
    static CHAINS: OnceLock<Chains> = OnceLock::new();
    CHAINS.get_or_init(|| {
        let keys = |seed: u64| Arc::new(DeviceKeys::generate(&mut ChaCha20Rng::seed_from_u64(seed)));
        let devices: Vec<_> = (1..=4).map(keys).collect();
        let recovery = SigningKey::from_bytes(&[9; 32]);
        let epoch = |byte: u8| EpochId::from_bytes([byte; 32]);
        let mut roster = Roster::from_statements(partner(&devices[0]), None, Roster::begin(&devices[0], epoch(1)));
        let theirs = Roster::begin(&devices[1], epoch(2));
        let both = Roster::from_statements(
            roster.partner(),
            None,
            roster.statements().cloned().chain(theirs.iter().cloned()).collect::<Vec<_>>(),
        );
        let side = |keys: &DeviceKeys, nonce| FoundingSide { partner: partner(keys), device: keys.device(), nonce };
        let draft = both.draft_founding(side(&devices[0], [1; 16]), side(&devices[1], [2; 16])).expect("they are two");
        let signature = |device: &DeviceId| {
            let keys = devices.iter().find(|keys| keys.device() == *device).expect("one of the two signs");
            draft.sign(keys.signing())
        };
        let signatures: Vec<[u8; 64]> = draft.signers().iter().map(signature).collect();
        let founding = draft.clone().complete(&signatures).expect("both have signed");
        let household = founding.founds().expect("it founds");
        let all = both.statements().cloned().chain([founding]).collect::<Vec<_>>();
        roster = Roster::from_statements(roster.partner(), Some(household), all);
        let own = roster.draft_add_device(devices[0].device(), devices[2].device(), devices[2].agreement());
        let signatures = [own.sign(devices[0].signing()), own.sign(devices[2].signing())];
        roster = roster.merge([own.complete(&signatures).expect("both have signed")]).roster;
        roster = roster.merge([roster.begin_epoch(&devices[2], epoch(3))]).roster;
        roster = roster.merge([roster.add_recovery_key(&devices[0], &recovery)]).roster;
        roster = roster.merge(roster.remove_device(devices[0].signing(), devices[2].device(), None, None)).roster;
        Chains { statements: roster.statements().cloned().collect(), devices, recovery, household }
    })
}

/// Statements, each as it came or, where it is marked, signed again by whoever of these devices it names.
pub(super) fn statements(bytes: &[u8]) {
    let chains = chains();
    let mut keys: Vec<&SigningKey> = chains.devices.iter().map(|keys| keys.signing()).collect();
    keys.push(&chains.recovery);
    let mut arrived = Vec::new();
    for (again, bytes) in frames::split(bytes) {
        let again = if again { SignedStatement::signed_again(bytes, &keys) } else { None };
        let bytes = again.as_deref().unwrap_or(bytes);
        let Ok(statement) = SignedStatement::parse(bytes) else { continue };
        assert_eq!(statement.to_bytes(), bytes, "one spelling");
        here(if again.is_some() { "signed again" } else { "parsed" });
        arrived.push(statement);
    }
    // Whoever has the same statements sees the same members, in whatever order they came (SameFactsSameView).
    let (own, other) = (partner(&chains.devices[0]), partner(&chains.devices[1]));
    for household in [None, Some(chains.household)] {
        let known = Roster::from_statements(own, household, chains.statements.clone());
        let merged = known.merge(arrived.clone());
        let backwards = known.merge(arrived.iter().rev().cloned());
        assert_eq!(merged.roster.digest(&own), backwards.roster.digest(&own));
        for scope in [Scope::Ours, Scope::Mine] {
            assert_eq!(merged.roster.membership(scope), backwards.roster.membership(scope));
        }
        // Nobody adds a device to the other's chain or takes one from it.
        let there = |roster: &Roster| roster.device(&chains.devices[2].device()).is_some_and(|device| !device.removed);
        assert!(!there(&merged.roster), "a removed key never returns");
        let _ = (merged.roster.foundings().count(), merged.roster.offer(&chains.devices[1].device()));
        let _ = (merged.roster.missing(&other, &known.ids(&other)), merged.roster.other_partner());
        let private = merged.roster.ids(&other).into_iter().collect::<std::collections::BTreeSet<_>>();
        assert!(merged.roster.statements().all(|one| !(one.is_private() && private.contains(&one.id()))));
    }
    let _ = Roster::from_statements(own, None, arrived).household();
}
