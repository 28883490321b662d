//! Natural-looking text from a large vocabulary, the same for the same seed.
//!
//! Words are made of syllables and drawn as in natural languages: few often, most seldom (Zipf's law), the common ones short,
//! among the words that hold sentences together, and some after others out of habit. Nobody could mean anything by it, but it
//! compresses, sorts, aligns and breaks into sentences and words much as a diary does, which a few repeated phrases do not.

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

/// How many words each is most often followed by.
const FOLLOWERS: usize = 8;

/// In how many of a hundred places the word is one of these, and no fresh one.
const HABIT: usize = 30;

/// In how many of a hundred other places it is a short one.
const SHORT_SHARE: usize = 45;

/// Words to write with.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// The short ones first, then the others, the commonest first.
    words: Vec<String>,
    /// For each word those that are a habit after it.
    followers: Vec<[usize; FOLLOWERS]>,
}

impl Vocabulary {
    /// A vocabulary of so many different words (and 40 short ones). The commoner a word, the shorter.
    pub fn new(seed: u64, words: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut known = std::collections::BTreeSet::new();
        let mut all: Vec<String> = SHORT.iter().map(|&word| word.to_owned()).collect();
        while all.len() < SHORT.len() + words {
            let syllables = match all.len() - SHORT.len() {
                0..400 => 1,
                400..2_500 => 1 + below(&mut rng, 2),
                _ => 1 + below(&mut rng, 3),
            };
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
        let mut vocabulary = Self { words: all, followers: Vec::new() };
        let followers = |_| [(); FOLLOWERS].map(|()| vocabulary.fresh(&mut rng));
        let followers = (0..vocabulary.words.len()).map(followers).collect();
        vocabulary.followers = followers;
        vocabulary
    }

    /// A word: the n-th is drawn about n times less often than the first.
    pub fn word(&self, rng: &mut impl RngCore) -> &str {
        &self.words[self.fresh(rng)]
    }

    fn fresh(&self, rng: &mut impl RngCore) -> usize {
        if below(rng, 100) < SHORT_SHARE {
            return below(rng, SHORT.len());
        }
        // Uniform in the logarithm of the rank: doubling ranges are equally likely, and so is each word within one.
        let others = self.words.len() - SHORT.len();
        let range = 1usize << below(rng, others.max(2).ilog2() as usize + 1);
        (SHORT.len() + range - 1 + below(rng, range)).min(self.words.len() - 1)
    }

    fn after(&self, before: Option<usize>, rng: &mut impl RngCore) -> usize {
        match before {
            Some(before) if below(rng, 100) < HABIT => self.followers[before][below(rng, FOLLOWERS)],
            _ => self.fresh(rng),
        }
    }

    /// One line of so many words, without a full stop: a title.
    pub fn line(&self, rng: &mut impl RngCore, words: usize) -> String {
        let mut line = String::new();
        let mut before = None;
        for _ in 0..words.max(1) {
            if !line.is_empty() {
                line.push(' ');
            }
            let word = self.after(before, rng);
            line.push_str(&self.words[word]);
            before = Some(word);
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

    /// Sentences of about so many bytes together, in paragraphs of about six; the last sentence is not broken off.
    pub fn prose_of(&self, rng: &mut impl RngCore, bytes: usize) -> String {
        let mut prose = self.sentence(rng);
        while prose.len() < bytes {
            prose.push_str(if below(rng, 6) == 0 { "\n\n" } else { " " });
            prose.push_str(&self.sentence(rng));
        }
        prose
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
