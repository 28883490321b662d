//! What changed between two texts, word by word, for showing. Nothing is decided by it.

use unicode_segmentation::UnicodeSegmentation;

use super::align::{Interner, align};
use super::segment::is_white;

/// A stretch of two compared texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// In both texts.
    Same(&'a str),
    /// Only in the text before.
    Removed(&'a str),
    /// Only in the text after.
    Added(&'a str),
}

/// The differences between two texts by whole words, never inside a grapheme (a character as people see it).
///
/// What is same and removed, put one after the other, is `before`; what is same and added is `after`. Where both changed,
/// what was removed comes first. No piece is empty and no two in a row are of one kind. White space between two changed
/// words counts as changed with them, and so does a character or two of a script that does not part words by spaces:
/// there, what a word is cannot be told from the text, and single characters that happen to be the same would only tear
/// a rewritten phrase apart. Bounded time; what is rewritten on a large scale is given as one removal and one
/// addition.
pub fn word_differences<'a>(before: &'a str, after: &'a str) -> Vec<Piece<'a>> {
    let (left, right) = (words(before), words(after));
    let mut interner = Interner::default();
    let left_numbers: Vec<u32> = left.iter().map(|word| interner.number(word)).collect();
    let right_numbers: Vec<u32> = right.iter().map(|word| interner.number(word)).collect();

    // Hunks of changed words as ranges of words, with what lies between them the same in both.
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut push = |hunk: Hunk| {
        if hunk.left.0 == hunk.left.1 && hunk.right.0 == hunk.right.1 {
            return;
        }
        match hunks.last_mut() {
            Some(last) if is_thin(&left[last.left.1..hunk.left.0]) => {
                last.left.1 = hunk.left.1;
                last.right.1 = hunk.right.1;
            }
            _ => hunks.push(hunk),
        }
    };
    let (mut here, mut there) = (0, 0);
    for (index, matched) in align(&left_numbers, &right_numbers).into_iter().enumerate() {
        if let Some(matched) = matched {
            push(Hunk { left: (here, index), right: (there, matched) });
            (here, there) = (index + 1, matched + 1);
        }
    }
    push(Hunk { left: (here, left.len()), right: (there, right.len()) });

    let left_ends = ends(&left);
    let right_ends = ends(&right);
    let mut pieces = Vec::new();
    let mut same_from = 0;
    for hunk in hunks {
        let removed = &before[left_ends[hunk.left.0]..left_ends[hunk.left.1]];
        let added = &after[right_ends[hunk.right.0]..right_ends[hunk.right.1]];
        let same = &before[same_from..left_ends[hunk.left.0]];
        same_from = left_ends[hunk.left.1];
        pieces.extend([Piece::Same(same), Piece::Removed(removed), Piece::Added(added)]);
    }
    pieces.push(Piece::Same(&before[same_from..]));
    pieces.retain(|piece| {
        let (Piece::Same(text) | Piece::Removed(text) | Piece::Added(text)) = piece;
        !text.is_empty()
    });
    pieces
}

/// Whether what is the same between two changed stretches is too little to be shown as such: white space, or few characters
/// of a script without spaces between words.
fn is_thin(same: &[&str]) -> bool {
    let mut weight = 0;
    for word in same {
        if word.chars().all(is_white) {
            continue;
        }
        match word.chars().next().and_then(unspaced) {
            Some(of_one) => weight += of_one * word.graphemes(true).count(),
            None => return false,
        }
        if weight >= WHOLE {
            return false;
        }
    }
    true
}

/// From which weight on a stretch of an unspaced script is shown as the same.
const WHOLE: usize = 4;

/// How much a character of a script without spaces between words weighs: Chinese and Japanese words have about two characters,
/// those of Thai, Lao, Burmese and Khmer about four. `None` for other scripts.
fn unspaced(c: char) -> Option<usize> {
    match c {
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Some(1),
        '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' => {
            Some(2)
        }
        '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' => Some(2),
        _ => None,
    }
}

/// A changed stretch: from and to which word, on either side.
struct Hunk {
    left: (usize, usize),
    right: (usize, usize),
}

/// Where each word begins, and at last where the text ends.
fn ends(words: &[&str]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut position = 0;
    for word in words {
        position += word.len();
        ends.push(position);
    }
    ends
}

/// The words of a text and what is between them, as Unicode Standard Annex 29 has it, without losing anything.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let mut grapheme_end = 0;
    let mut graphemes = text.graphemes(true);
    for word in text.split_word_bounds() {
        end += word.len();
        while grapheme_end < end {
            grapheme_end += graphemes.next().map_or(text.len(), str::len);
        }
        if grapheme_end == end {
            words.push(&text[start..end]);
            start = end;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<'a>(before: &'a str, after: &'a str) -> Vec<&'a str> {
        let same = |piece| match piece {
            Piece::Same(text) => Some(text),
            _ => None,
        };
        word_differences(before, after).into_iter().filter_map(same).collect()
    }

    #[test]
    fn what_is_the_same_between_two_changes_is_shown_when_it_is_a_word_or_more() {
        let none: [&str; 0] = [];
        // One character of Chinese is less than a word, two are one.
        assert_eq!(same("我在家", "你在店"), none);
        assert_eq!(same("我散步呢", "他散步嗎"), ["散步"]);
        assert_eq!(same("甲我們一起去公園散步乙", "丙我們一起去公園散步丁"), ["我們一起去公園散步"]);
        // A word in katakana is one, however the library parts words.
        assert_eq!(same("赤テレビ店", "青テレビ屋"), ["テレビ"]);
        // Of Thai it takes four.
        assert_eq!(same("1กขค2", "3กขค4"), none);
        assert_eq!(same("1กขคง2", "3กขคง4"), ["กขคง"]);
    }

    #[test]
    fn words_put_together_are_the_text() {
        for text in ["", " ", "one two", "e\u{301}te\u{301}", "\u{600} 1", "a\u{200d}", "散步。テレビ"] {
            assert_eq!(words(text).concat(), text);
            assert!(words(text).iter().all(|word| !word.is_empty()), "{text}");
        }
    }
}
