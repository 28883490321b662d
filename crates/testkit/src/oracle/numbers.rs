//! Sets of facts, a bit for each: everything that somebody built on in thirty years takes some hundred bytes.

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers(Vec<u64>);

impl Numbers {
    /// Adds a number; answers whether it was new.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Adds everything that is in another.
    pub(super) fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// What is in both.
    pub(super) fn common(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(word, other)| word & other).collect())
    }

    /// Whether everything of it is in another.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        let others = other.0.iter().chain(std::iter::repeat(&0));
        self.0.iter().zip(others).all(|(word, other)| word & !other == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    #[test]
    fn they_are_sets() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut random = |most: u32| -> BTreeSet<usize> {
            (0..rng.next_u32() % 40).map(|_| (rng.next_u32() % most) as usize).collect()
        };
        let of = |numbers: &BTreeSet<usize>| {
            let mut set = Numbers::default();
            numbers.iter().for_each(|number| assert!(set.insert(*number)));
            assert!(numbers.iter().all(|number| !set.insert(*number) && set.contains(*number)));
            set
        };
        let mut subsets = 0;
        for _ in 0..500 {
            let (left, mut right) = (random(70), random(300));
            if right.len() % 2 == 0 {
                right.extend(&left);
            }
            let (one, other) = (of(&left), of(&right));
            assert_eq!(one.is_subset(&other), left.is_subset(&right));
            subsets += usize::from(left.is_subset(&right));
            let same =
                |set: &Numbers, expected: &BTreeSet<usize>| (0..400).all(|n| set.contains(n) == expected.contains(&n));
            assert!(same(&one.common(&other), &(&left & &right)));
            let mut both = one.clone();
            both.unite(&other);
            assert!(same(&both, &(&left | &right)));
            assert!(!one.contains(1_000));
        }
        assert!(subsets > 50);
    }
}
