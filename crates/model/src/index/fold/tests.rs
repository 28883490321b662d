use super::*;

#[test]
fn a_branch_tells_of_each_chunk_whether_it_has_what_the_other_replaced() {
    let partner = PartnerId::from_bytes([1; 32]);
    let mut branch = Branch { partner, count: 0, last: 0, stale: 0, crossed: Vec::new() };
    let mut told = std::collections::BTreeSet::new();
    // In no order, far apart and in one byte, set again and taken back.
    let steps =
        [(20, true), (3, true), (0, true), (9, true), (3, true), (20, false), (31, false), (9, false), (4, true)];
    for (chunk, crossed) in steps {
        branch.set_crossed(chunk, crossed);
        if crossed {
            told.insert(chunk)
        } else {
            told.remove(&chunk)
        };
        for other in 0..40 {
            assert_eq!(branch.is_crossed(other), told.contains(&other), "{other} after {chunk} was set to {crossed}");
        }
        assert_ne!(branch.crossed.last(), Some(&0), "what is kept is the same in whatever order it came");
    }
}
