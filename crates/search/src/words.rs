//! The words of a text, as they are compared: by Unicode's word boundaries, without case and accents.
//!
//! Where a language writes no spaces (Chinese, Japanese, Thai), a word here is one character with what belongs to it. What is
//! asked for without a space between is a phrase, so that it is found as it is written.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// The longest word that is told from others, in characters: what follows is not compared.
const MAX_WORD: usize = 64;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is compared.
    pub(crate) text: String,
    /// Where it begins in the text, in bytes.
    pub(crate) from: usize,
    /// Where it ends.
    pub(crate) until: usize,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    text.unicode_word_indices().filter_map(|(from, word)| {
        let compared = compared(word);
        (!compared.is_empty()).then(|| Word { text: compared, from, until: from + word.len() })
    })
}

/// A word as it is compared.
fn compared(word: &str) -> String {
    let mut compared = String::with_capacity(word.len());
    // Compatibility forms first (full-width letters, ligatures), then case, then what stands over or under letters.
    for letter in word.nfkd().flat_map(char::to_lowercase).filter(|letter| !is_accent(*letter)) {
        match letter {
            // What does not come apart, and is typed without by whoever has no such key.
            'ß' => compared.push_str("ss"),
            'æ' => compared.push_str("ae"),
            'œ' => compared.push_str("oe"),
            'ø' => compared.push('o'),
            'ł' => compared.push('l'),
            'đ' => compared.push('d'),
            'ı' => compared.push('i'),
            // The end of a Greek word.
            'ς' => compared.push('σ'),
            // Apostrophes as they are typed and as they are set.
            '\u{2019}' => compared.push('\''),
            letter => compared.push(letter),
        }
    }
    compared.nfc().take(MAX_WORD).collect()
}

/// Marks of Latin, Greek and Cyrillic letters. Those of other writings tell words apart (Thai vowels, Japanese voicing), and stay.
fn is_accent(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).map(|word| word.text).collect()
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        assert_eq!(of("Café CAFÉ cafe\u{301} ｃａｆｅ"), ["cafe"; 4]);
        assert_eq!(
            of("Straße STRASSE Łódź smørrebrød ΟΔΟΣ οδός"),
            ["strasse", "strasse", "lodz", "smorrebrod", "οδοσ", "οδοσ"]
        );
        assert_eq!(of("don\u{2019}t don't"), ["don't"; 2]);
    }

    #[test]
    fn writings_without_spaces_are_found_by_the_character() {
        assert_eq!(of("一緒に散歩"), ["一", "緒", "に", "散", "歩"]);
        // What tells words apart stays.
        assert_ne!(of("がき"), of("かき"));
        assert_eq!(of("รักคุณ").concat(), "รักคุณ");
    }

    #[test]
    fn words_know_where_they_stand() {
        let text = "We went: «Élan» again";
        for word in words(text) {
            assert_eq!(compared(&text[word.from..word.until]), word.text);
        }
        assert_eq!(words(text).nth(2).map(|word| (word.from, word.until)), Some((11, 16)));
    }

    #[test]
    fn nothing_but_signs_is_no_word_and_long_words_end() {
        assert!(of("... — !? 🙂").is_empty());
        assert_eq!(of(&"a".repeat(1000)), ["a".repeat(MAX_WORD)]);
    }
}
