//! Natural-looking text from a large vocabulary, the same for the same seed.
//!
//! Words are made of syllables and drawn as in natural languages: few often, most seldom (Zipf's law), among the short words
//! that hold sentences together. Nobody could mean anything by it, but it compresses, sorts, aligns and breaks into
//! sentences and words much as a diary does, which a few repeated phrases do not.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

const BEGINNINGS: &[&str] = &[
    "b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pl", "qu", "r",
    "s", "sh", "sl", "st", "t", "th", "tr", "v", "w", "y", "",
];
const MIDDLES: &[&str] = &["a", "ai", "e", "ea", "ee", "i", "ie", "o", "oa", "oo", "ou", "u"];
const ENDS: &[&str] = &["", "", "", "ck", "d", "l", "m", "n", "nd", "ng", "nt", "r", "rd", "s", "ss", "st", "t", "x"];
const SHORT: &[&str] = &[
    "the", "a", "we", "you", "I", "and", "to", "of", "in", "it", "that", "was", "for", "on", "with", "not", "this",
    "have", "be", "are", "our", "at", "by", "from", "but", "more", "each", "when", "so", "if", "what", "no",
    "together", "then", "again", "about", "how", "one", "both", "time",
];

/// Words to write with.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    words: Vec<String>,
}

impl Vocabulary {
    /// A vocabulary of so many different words (and 40 short ones).
    pub fn new(seed: u64, words: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut known = std::collections::BTreeSet::new();
        let mut all = Vec::with_capacity(words);
        while all.len() < words {
            let syllables = 1 + below(&mut rng, 4);
            let mut word = String::new();
            for _ in 0..syllables {
                for parts in [BEGINNINGS, MIDDLES, ENDS] {
                    word.push_str(parts[below(&mut rng, parts.len())]);
                }
            }
            if word.len() > 2 && known.insert(word.clone()) {
                all.push(word);
            }
        }
        Self { words: all }
    }

    /// A word: the n-th is drawn about n times less often than the first.
    pub fn word(&self, rng: &mut impl RngCore) -> &str {
        if below(rng, 100) < 45 {
            return SHORT[below(rng, SHORT.len())];
        }
        // Uniform in the logarithm of the rank: doubling ranges are equally likely, and so is each word within one.
        let doublings = self.words.len().max(2).ilog2() as usize;
        let range = 1usize << below(rng, doublings + 1);
        &self.words[(range - 1 + below(rng, range)).min(self.words.len() - 1)]
    }

    /// One line of so many words, without a full stop: a title.
    pub fn line(&self, rng: &mut impl RngCore, words: usize) -> String {
        let mut line = String::new();
        for _ in 0..words.max(1) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(self.word(rng));
        }
        capitalised(&line)
    }

    /// A sentence of 4 to 18 words.
    pub fn sentence(&self, rng: &mut impl RngCore) -> String {
        let words = 4 + below(rng, 15);
        let mut sentence = self.line(rng, words);
        if below(rng, 4) == 0 {
            sentence.push_str(", ");
            let more = 3 + below(rng, 6);
            sentence.push_str(&self.line(rng, more).to_lowercase());
        }
        sentence.push_str(["!", "?", ".", ".", ".", ".", "."][below(rng, 7)]);
        sentence
    }

    /// So many sentences, in paragraphs of about six.
    pub fn prose(&self, rng: &mut impl RngCore, sentences: usize) -> String {
        let mut prose = String::new();
        for number in 0..sentences {
            if number > 0 {
                prose.push_str(if below(rng, 6) == 0 { "\n\n" } else { " " });
            }
            prose.push_str(&self.sentence(rng));
        }
        prose
    }
}

fn capitalised(line: &str) -> String {
    let mut chars = line.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A number below `bound`, which is not 0.
pub(crate) fn below(rng: &mut impl RngCore, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_varied_and_the_same_for_one_seed() {
        let vocabulary = Vocabulary::new(1, 20_000);
        let text = |seed| vocabulary.prose(&mut ChaCha20Rng::seed_from_u64(seed), 500);
        let words: Vec<String> = text(1).split_whitespace().map(str::to_lowercase).collect();
        let mut distinct = words.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(words.len() > 4_000 && distinct.len() * 4 > words.len(), "{} of {}", distinct.len(), words.len());
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
