//! Which parts of two sequences correspond: patience alignment with a bounded remainder.
//!
//! Ours and not a library's, because what merges and what differs follows from it, so that it belongs to the format: a
//! library's heuristics may change with any release. Nothing here depends on anything but the two sequences, and the time
//! is bounded for any input: at most [`MAX_ROUNDS`] passes of n log n, and [`MAX_CELLS`] cells a gap.
//!
//! A gap is aligned by cutting off what is equal at its ends, then by what occurs once on both sides (the longest run of
//! such that keeps its order), again and again between these. What remains is aligned by a longest common subsequence if
//! it is small, and otherwise not at all: too little aligned makes texts differ that could have merged, and loses nothing.

use std::collections::BTreeMap;
use std::ops::Range;

/// How often the gaps between what was aligned are looked at again.
const MAX_ROUNDS: usize = 32;

/// The most cells of a table for a longest common subsequence.
const MAX_CELLS: usize = 1 << 18;

/// Texts as numbers: equal ones get the same.
#[derive(Default)]
pub(super) struct Interner<'a> {
    numbers: BTreeMap<&'a str, u32>,
    next: u32,
}

impl<'a> Interner<'a> {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &'a str) -> u32 {
        let next = &mut self.next;
        *self.numbers.entry(text).or_insert_with(|| {
            *next += 1;
            *next
        })
    }

    /// A number that no text has or gets.
    pub(super) fn unmatched(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}

/// For every element of `before` the position of the one in `after` that corresponds to it, if any. The positions rise,
/// and corresponding elements are equal. Equal sequences correspond wholly.
pub(super) fn align(before: &[u32], after: &[u32]) -> Vec<Option<usize>> {
    let mut aligned = vec![None; before.len()];
    let mut gaps = vec![(0..before.len(), 0..after.len())];
    for round in 0..=MAX_ROUNDS {
        let mut next = Vec::new();
        for (mut left, mut right) in gaps {
            while !left.is_empty() && !right.is_empty() && before[left.start] == after[right.start] {
                aligned[left.start] = Some(right.start);
                left.start += 1;
                right.start += 1;
            }
            while !left.is_empty() && !right.is_empty() && before[left.end - 1] == after[right.end - 1] {
                left.end -= 1;
                right.end -= 1;
                aligned[left.end] = Some(right.end);
            }
            if left.is_empty() || right.is_empty() {
                continue;
            }
            let anchors = if round < MAX_ROUNDS { anchors(before, after, &left, &right) } else { Vec::new() };
            if anchors.is_empty() {
                common_subsequence(before, after, left, right, &mut aligned);
                continue;
            }
            for (here, there) in anchors {
                aligned[here] = Some(there);
                next.push((left.start..here, right.start..there));
                left.start = here + 1;
                right.start = there + 1;
            }
            next.push((left, right));
        }
        gaps = next;
    }
    aligned
}

/// The longest rising run of pairs of equal elements that occur once on either side of a gap.
fn anchors(before: &[u32], after: &[u32], left: &Range<usize>, right: &Range<usize>) -> Vec<(usize, usize)> {
    #[derive(Default)]
    struct Occurrences {
        left: usize,
        right: usize,
        at: (usize, usize),
    }
    let mut occurrences: BTreeMap<u32, Occurrences> = BTreeMap::new();
    for here in left.clone() {
        let entry = occurrences.entry(before[here]).or_default();
        entry.left += 1;
        entry.at.0 = here;
    }
    for there in right.clone() {
        if let Some(entry) = occurrences.get_mut(&after[there]) {
            entry.right += 1;
            entry.at.1 = there;
        }
    }
    let once = |entry: &&Occurrences| entry.left == 1 && entry.right == 1;
    let mut pairs: Vec<(usize, usize)> = occurrences.values().filter(once).map(|entry| entry.at).collect();
    pairs.sort_unstable();
    longest_rising(&pairs)
}

/// The longest subsequence of pairs whose second members rise; the pairs are sorted by their first.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For every length the pair with the least second member that ends a run of that length.
    let mut ends: Vec<usize> = Vec::new();
    let mut predecessors: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].1 < pair.1);
        predecessors.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut last = ends.last().copied();
    while let Some(index) = last {
        run.push(pairs[index]);
        last = predecessors[index];
    }
    run.reverse();
    run
}

/// Aligns a small gap by a longest common subsequence, as early as possible in `before`. Leaves a large one alone.
fn common_subsequence(
    before: &[u32],
    after: &[u32],
    left: Range<usize>,
    right: Range<usize>,
    aligned: &mut [Option<usize>],
) {
    let (height, width) = (left.len(), right.len());
    if height.saturating_mul(width) > MAX_CELLS {
        return;
    }
    let row = width + 1;
    // lengths[i * row + j]: of the longest common subsequence of what is left from i and from j on.
    let mut lengths = vec![0u32; (height + 1) * row];
    for i in (0..height).rev() {
        for j in (0..width).rev() {
            lengths[i * row + j] = if before[left.start + i] == after[right.start + j] {
                lengths[(i + 1) * row + j + 1] + 1
            } else {
                lengths[(i + 1) * row + j].max(lengths[i * row + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < height && j < width {
        if before[left.start + i] == after[right.start + j] {
            aligned[left.start + i] = Some(right.start + j);
            i += 1;
            j += 1;
        } else if lengths[(i + 1) * row + j] > lengths[i * row + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
}

// What merges and what differs follows from these alignments, so each of them belongs to the format.
#[cfg(test)]
mod tests {
    use super::*;

    fn subsequence_of(elements: &[u32], whole: &[u32]) -> bool {
        let mut rest = whole.iter();
        elements.iter().all(|element| rest.any(|other| other == element))
    }

    /// The positions in `before` of the longest common subsequence, the least positions where there are several: by trying all.
    fn tried(before: &[u32], after: &[u32]) -> Vec<usize> {
        let mut best: Vec<usize> = Vec::new();
        for chosen in 0..1_u32 << before.len() {
            let positions: Vec<usize> = (0..before.len()).filter(|at| chosen >> at & 1 == 1).collect();
            let elements: Vec<u32> = positions.iter().map(|at| before[*at]).collect();
            let better = positions.len() > best.len() || positions.len() == best.len() && positions < best;
            if better && subsequence_of(&elements, after) {
                best = positions;
            }
        }
        best
    }

    fn sequences(longest: u32, symbols: u32) -> Vec<Vec<u32>> {
        let of_length = |length: u32| {
            (0..symbols.pow(length)).map(move |number| {
                (0..length).map(|place| number / symbols.pow(place) % symbols + 1).collect::<Vec<u32>>()
            })
        };
        (0..=longest).flat_map(of_length).collect()
    }

    fn assert_corresponds(before: &[u32], after: &[u32], aligned: &[Option<usize>]) {
        let mut last = None;
        for (here, there) in aligned.iter().enumerate().filter_map(|(here, there)| Some((here, (*there)?))) {
            assert_eq!(before[here], after[there], "{before:?} {after:?} {aligned:?}");
            assert!(last.is_none_or(|last| last < there), "{before:?} {after:?} {aligned:?}");
            last = Some(there);
        }
    }

    #[test]
    fn a_small_gap_is_aligned_by_the_longest_common_subsequence_as_early_as_possible() {
        let all = sequences(4, 3);
        for before in &all {
            for after in &all {
                let mut aligned = vec![None; before.len()];
                common_subsequence(before, after, 0..before.len(), 0..after.len(), &mut aligned);
                assert_corresponds(before, after, &aligned);
                let found: Vec<usize> = (0..before.len()).filter(|at| aligned[*at].is_some()).collect();
                assert_eq!(found, tried(before, after), "{before:?} {after:?}");
                assert_corresponds(before, after, &align(before, after));
            }
        }
    }

    #[test]
    fn of_two_longest_common_subsequences_the_earlier_one_is_taken() {
        assert_eq!(align(&[1, 2, 1, 2], &[2, 1, 2, 1]), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_gap_of_too_many_cells_is_left_alone() {
        let alternating =
            |first: u32, length: usize| -> Vec<u32> { (0..length as u32).map(|at| (at + first) % 2).collect() };
        let side = 512;
        assert_eq!(side * side, MAX_CELLS);
        for (width, is_aligned) in [(side, true), (side + 1, false)] {
            let (before, after) = (alternating(0, side), alternating(1, width));
            let mut aligned = vec![None; side];
            common_subsequence(&before, &after, 0..side, 0..width, &mut aligned);
            assert_eq!(aligned.iter().any(Option::is_some), is_aligned, "{width}");
        }
    }

    #[test]
    fn what_occurs_once_on_both_sides_and_keeps_its_order_is_aligned_first() {
        // 3 was moved to the front: the two that kept their order weigh more.
        assert_eq!(align(&[8, 1, 2, 3, 9], &[7, 3, 1, 2, 6]), [None, Some(2), Some(3), None, None]);
        assert_eq!(longest_rising(&[(0, 5), (1, 2), (2, 3), (3, 4), (4, 0)]), [(1, 2), (2, 3), (3, 4)]);
        assert_eq!(longest_rising(&[]), []);
    }

    #[test]
    fn behind_an_anchor_equal_elements_are_aligned_however_many_they_are() {
        // More than a table would hold, and none of them occurs once: only cutting off equal ends finds them.
        let ones = [1; 600];
        let before = [&[9, 5][..], &ones, &[2]].concat();
        let after = [&[8, 5][..], &ones, &[3]].concat();
        let aligned = align(&before, &after);
        assert_eq!(aligned[0], None);
        assert!((1..=601).all(|at| aligned[at] == Some(at)), "{aligned:?}");
        assert_eq!(aligned[602], None);
    }

    #[test]
    fn after_the_last_round_what_is_left_is_aligned_without_anchors() {
        // Each symbol occurs once only in the gap behind the one above it, so that every round finds one anchor.
        let rounds = 2 * MAX_ROUNDS as u32;
        let (mut before, mut after) = (vec![0], vec![0]);
        for symbol in 1..=rounds {
            before.splice(0..0, [symbol - 1, symbol]);
            after.insert(0, symbol);
            after.push(1000 + symbol);
        }
        let aligned = align(&before, &after);
        assert_corresponds(&before, &after, &aligned);
        assert_eq!(aligned.iter().flatten().count(), rounds as usize + 1, "every symbol, once");
    }

    #[test]
    fn numbers_of_texts_are_equal_only_for_equal_texts() {
        let mut interner = Interner::default();
        let (one, other) = (interner.number("one"), interner.number("other"));
        let (open, open_too) = (interner.unmatched(), interner.unmatched());
        let last = interner.number("last");
        assert_eq!(interner.number("one"), one);
        let all = std::collections::BTreeSet::from([one, other, open, open_too, last]);
        assert_eq!(all.len(), 5);
    }
}
