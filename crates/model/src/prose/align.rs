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
