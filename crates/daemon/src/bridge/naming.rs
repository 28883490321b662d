//! What automerge-repo calls a year's document.

use betwixt_model::document::DocumentId;
use betwixt_model::ids::HouseholdId;

/// The domain of the hash.
const DOMAIN: &str = "betwixt 1 automerge-repo document";

/// The name of a document: the same on every device of the household, and another in every household. automerge-repo wants 16
/// bytes in base58 with a checksum. Knowing one opens nothing.
pub(crate) fn repo_id(space: &HouseholdId, document: &DocumentId) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
    hasher.update(space.as_bytes());
    hasher.update(document.to_string().as_bytes());
    bs58::encode(&hasher.finalize().as_bytes()[..16]).with_check().into_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use betwixt_model::document::Scope;

    use super::*;

    #[test]
    fn names_are_stable_and_differ_by_household_scope_year_and_generation() {
        let (one, other) = (HouseholdId::from_bytes([1; 32]), HouseholdId::from_bytes([2; 32]));
        let document = |scope, year, generation| DocumentId { scope, year, generation };
        let first = document(Scope::Ours, 2026, 0);
        assert_eq!(repo_id(&one, &first), "3WzjVexaQfrJtw8mtpDwM38UCLeF");
        let names: BTreeSet<String> = [
            repo_id(&one, &first),
            repo_id(&other, &first),
            repo_id(&one, &document(Scope::Mine, 2026, 0)),
            repo_id(&one, &document(Scope::Ours, 2027, 0)),
            repo_id(&one, &document(Scope::Ours, 2026, 1)),
        ]
        .into();
        assert_eq!(names.len(), 5);
        for name in &names {
            assert_eq!(bs58::decode(name).with_check(None).into_vec().expect("has a checksum").len(), 16);
        }
    }
}
