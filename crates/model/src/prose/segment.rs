//! Where sentences begin and end.
//!
//! The boundaries are those of Unicode Standard Annex 29, with its default rules and the data of [`UNICODE_VERSION`].
//! It breaks after every line break, so headings, list items and paragraphs end sentences, too. Ours are four rules:
//! white space belongs to the sentence before it; an item of a list and a heading are one sentence each, whatever full stops
//! are in them; no boundary is inside a grapheme (a character as people see it); and a full stop before a very long run
//! without letters or digits ends its sentence inside that run.

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

/// The sentences of a text in order. Bodies and spaces, put one after the other, are the text again, and each of them
/// begins and ends where a grapheme does.
///
/// Takes linear time whatever the text.
pub fn sentences(text: &str) -> Vec<Sentence<'_>> {
    let mut ends: Vec<usize> = Vec::new();
    // Whether all so far is white space at the beginning of the text: then the next stretch belongs to it.
    let mut leading = true;
    // Whether the stretch that ends last is "b. " at the beginning of a line, which names what follows it: an item, or a
    // person by an initial.
    let mut lettered = false;
    let mut line = Line::Other;
    let mut at_line_start = true;
    let mut position = 0;
    for stretch in stretches(text) {
        let blank = stretch.chars().all(is_white);
        let mut joins = leading || blank || lettered;
        if at_line_start {
            let before = std::mem::replace(&mut line, Line::of(&text[position..]));
            if before == Line::Item && line == Line::Indented {
                (line, joins) = (Line::Item, true);
            }
        } else if matches!(line, Line::Item | Line::Heading) {
            joins = true;
        }
        joins |= text[..position].chars().next_back().zip(stretch.chars().next()).is_some_and(|(l, r)| are_one(l, r));
        lettered = at_line_start && line == Line::Lettered && !blank && !ends_line(stretch);
        leading &= blank;
        at_line_start = ends_line(stretch);
        position += stretch.len();
        match ends.last_mut() {
            Some(last) if joins => *last = position,
            _ => ends.push(position),
        }
    }
    let mut start = 0;
    let mut found = Vec::with_capacity(ends.len());
    for end in ends {
        let whole = &text[start..end];
        let (body, space) = split_white_end(whole);
        // Only a text of nothing but white space is one such "sentence".
        let (body, space) = if body.is_empty() { (whole, "") } else { (body, space) };
        found.push(Sentence { body, space });
        start = end;
    }
    found
}

/// What a line of text is, by how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Begins with the marker of a list's item: "- ", "* ", "+ ", "1. ", "23) ", "b) ", "・", "1、".
    Item,
    /// Begins with one letter, a full stop and a space.
    Lettered,
    /// Begins with one to six "#" and a space.
    Heading,
    /// Indented by two or more: goes on with the item before it.
    Indented,
    Other,
}

impl Line {
    /// What the line is that a text begins with.
    fn of(text: &str) -> Self {
        let line = text.trim_start_matches([' ', '\t']);
        let indented = text.len() - line.len() >= 2 || text.starts_with('\t');
        let spaced = |rest: &str| rest.starts_with([' ', '\t']);
        let hashes = line.len() - line.trim_start_matches('#').len();
        if (1..=6).contains(&hashes) && spaced(&line[hashes..]) {
            return Self::Heading;
        }
        let digits = line.bytes().take(5).take_while(u8::is_ascii_digit).count();
        let letters = usize::from(line.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()));
        let numbered = |length: usize| match line.get(length..).map(|rest| (rest, rest.chars().next())) {
            Some((rest, Some('.' | ')'))) => spaced(&rest[1..]),
            Some((_, Some('、' | '．' | '）'))) => length == digits,
            _ => false,
        };
        let bullet = line.strip_prefix(['-', '*', '+']).is_some_and(spaced) || line.starts_with(['•', '・', '‣', '◦']);
        let lettered = letters == 1 && numbered(1);
        if bullet || ((1..=4).contains(&digits) && numbered(digits)) || (lettered && line[1..].starts_with(')')) {
            Self::Item
        } else if lettered {
            Self::Lettered
        } else if indented && !line.starts_with(is_line_break) && !line.is_empty() {
            Self::Indented
        } else {
            Self::Other
        }
    }
}

/// A text without the white space at its end, and that.
pub(super) fn split_white_end(text: &str) -> (&str, &str) {
    let body = text.trim_end_matches(is_white);
    let mut around = (body.chars().next_back(), text[body.len()..].chars());
    // Some signs take in whatever follows them, be it a space.
    match (around.0, around.1.next()) {
        (Some(last), Some(white)) if are_one(last, white) => text.split_at(body.len() + white.len_utf8()),
        _ => text.split_at(body.len()),
    }
}

/// Whether two neighbours are one grapheme by themselves.
fn are_one(left: char, right: char) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return (left, right) == ('\r', '\n');
    }
    let mut buffer = [0; 8];
    let length = left.encode_utf8(&mut buffer).len();
    let length = length + right.encode_utf8(&mut buffer[length..]).len();
    std::str::from_utf8(&buffer[..length]).is_ok_and(|both| both.graphemes(true).nth(1).is_none())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs that close a quotation, as many as there may be before a sentence is ended among them.
    fn closed(count: usize) -> String {
        format!("a.{} b", "\u{2019}".repeat(count))
    }

    #[test]
    fn a_full_stop_with_much_behind_it_ends_its_sentence_only_beyond_the_longest_run() {
        // The stop and the space are of the run.
        let whole = closed(LONGEST_RUN - 2);
        assert_eq!(stretches(&whole).collect::<Vec<_>>(), [whole.as_str()]);
        assert!(stretches(&closed(LONGEST_RUN - 1)).count() > 1);
        for count in 0..LONGEST_RUN - 1 {
            let text = closed(count);
            assert!(stretches(&text).eq(text.split_sentence_bounds()), "{count}: the boundaries of Annex 29");
        }
    }

    #[test]
    fn letters_and_further_full_stops_begin_no_long_run() {
        let long = "b".repeat(2 * LONGEST_RUN);
        for text in [format!("a. {long}"), format!("a{} b", ".".repeat(2 * LONGEST_RUN)), format!("a.\n{long}")] {
            assert!(stretches(&text).eq(text.split_sentence_bounds()), "{text}");
        }
    }

    #[test]
    fn white_space_that_is_one_with_the_sign_before_it_stays_with_it() {
        // The Arabic number sign takes in what follows.
        assert_eq!(split_white_end("a \u{600} "), ("a \u{600} ", ""));
        assert_eq!(split_white_end("a \u{600}  "), ("a \u{600} ", " "));
        assert_eq!(split_white_end("a  "), ("a", "  "));
    }
}
