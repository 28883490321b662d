//! Where sentences begin and end.
//!
//! The boundaries are those of Unicode Standard Annex 29, with its default rules and the data of [`UNICODE_VERSION`].
//! It breaks after every line break, so headings, list items and paragraphs end sentences, too. Three rules are ours:
//! white space belongs to the sentence before it; the number of a list item belongs to the item; and a full stop before
//! a very long run without letters or digits ends its sentence inside that run.

use unicode_segmentation::UnicodeSegmentation;

/// The Unicode data that sentences are found with. It belongs to the format of facts: other data would let two devices
/// read one set of facts differently. A test compares it with the library's, whose version is pinned exactly.
pub const UNICODE_VERSION: (u64, u64, u64) = (17, 0, 0);

/// How many graphemes without a letter or digit may follow a full stop on its line before the sentence is ended there.
///
/// The library looks ahead from each of them to the next letter (rule SB8), which takes quadratic time: half a megabyte
/// of spaces after a full stop would hold a device up for half an hour. What a letter is comes from the compiler's tables
/// here, which matters to no text but such a one.
const LONGEST_RUN: usize = 64;

/// One sentence: what it says, and the white space after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence<'a> {
    /// The sentence without the white space that follows it. Starts with white space only where it is indented, or at the
    /// very beginning of a text. Empty in no sentence.
    pub body: &'a str,
    /// The white space after it: spaces, and the breaks of line and paragraph.
    pub space: &'a str,
}

/// The sentences of a text in order. Bodies and spaces, put one after the other, are the text again.
///
/// Takes linear time whatever the text.
pub fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut ends: Vec<usize> = Vec::new();
    // Whether the stretch that ends last is white space at the beginning of the text, or the marker of a list item:
    // then the next one belongs to it.
    let mut open = false;
    let mut at_line_start = true;
    let mut position = 0;
    for stretch in stretches(text) {
        position += stretch.len();
        let blank = stretch.chars().all(is_white);
        let joins = open || (blank && !ends.is_empty());
        open = if blank { open || ends.is_empty() } else { at_line_start && is_list_marker(stretch) };
        at_line_start = ends_line(stretch);
        match ends.last_mut() {
            Some(last) if joins => *last = position,
            _ => ends.push(position),
        }
    }
    let mut start = 0;
    let mut found = Vec::with_capacity(ends.len());
    for end in ends {
        let whole = &text[start..end];
        let body = whole.trim_end_matches(is_white);
        // Only a text of nothing but white space is one such "sentence".
        let body = if body.is_empty() { whole } else { body };
        found.push(Sentence { body, space: &whole[body.len()..] });
        start = end;
    }
    found
}

/// The boundaries of Annex 29, asked for in parts on which the library takes linear time.
fn stretches(text: &str) -> impl Iterator<Item = &str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut searched = 0;
    while let Some(found) = text[searched..].find(is_full_stop) {
        let run = &text[searched + found..];
        let mut length = 0;
        let mut graphemes = 0;
        for grapheme in run.graphemes(true) {
            let ends_run = |c: char| c.is_alphanumeric() || is_line_break(c);
            let stops = length > 0 && grapheme.starts_with(is_full_stop);
            if graphemes > LONGEST_RUN || stops || grapheme.starts_with(ends_run) {
                break;
            }
            length += grapheme.len();
            graphemes += 1;
        }
        searched += found + length;
        if graphemes > LONGEST_RUN {
            parts.push(&text[start..searched]);
            start = searched;
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().flat_map(str::split_sentence_bounds)
}

/// The class ATerm of Annex 29, the only one after which the library looks ahead.
fn is_full_stop(c: char) -> bool {
    matches!(c, '.' | '\u{2024}' | '\u{fe52}' | '\u{ff0e}')
}

/// A break of line or paragraph, as Annex 29 has them.
pub(super) fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn ends_line(stretch: &str) -> bool {
    stretch.ends_with(is_line_break)
}

/// The property White_Space, spelt out so that the format does not depend on the compiler's tables.
pub(super) fn is_white(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// "1. ", "23) ", "b. ": what the library takes for a sentence of its own, though it numbers the one that follows.
fn is_list_marker(stretch: &str) -> bool {
    if ends_line(stretch) {
        return false;
    }
    let Some(name) = stretch.trim_matches(is_white).strip_suffix(['.', ')']) else { return false };
    let number = name.len() <= 4 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let letter = name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    number || letter
}
