//! The part of a text around what was found.

use std::ops::Range;

use betwixt_api::SnippetPiece;

/// How many characters stand before the first word that was found, at most.
const BEFORE: usize = 40;

/// How many characters a snippet has, about.
const LENGTH: usize = 200;

/// The text around the first of these places, which are in order and apart, piece by piece. Begins and ends with an ellipsis where
/// the text goes on.
pub(super) fn snippet(text: &str, places: &[Range<usize>]) -> Vec<SnippetPiece> {
    let first = places.first().map_or(0, |place| place.start);
    let from = text[..first].char_indices().rev().take(BEFORE).last().map_or(first, |(at, _)| at);
    // Not in the middle of a word, where there is a space to begin at.
    let from = match text[from..first].find(char::is_whitespace) {
        Some(space) if from > 0 => from + space,
        _ => from,
    };
    let end = text[from..].char_indices().nth(LENGTH).map_or(text.len(), |(at, _)| from + at);
    let end = match text[from..end].rfind(char::is_whitespace) {
        Some(space) if end < text.len() && from + space > first => from + space,
        _ => end,
    };
    let mut pieces = Vec::new();
    let mut put = |text: &str, found: bool| {
        if !text.is_empty() {
            pieces.push(SnippetPiece { text: text.to_owned(), found });
        }
    };
    put(if from > 0 { "…" } else { "" }, false);
    let mut at = from;
    for place in places.iter().filter(|place| place.start >= from) {
        let (start, until) = (place.start.min(end), place.end.min(end));
        if start < at || start == until {
            continue;
        }
        put(&text[at..start], false);
        put(&text[start..until], true);
        at = until;
    }
    put(&text[at..end], false);
    put(if end < text.len() { "…" } else { "" }, false);
    pieces
}

#[cfg(test)]
mod tests {
    use betwixt_search::Query;

    use super::*;

    fn marked(text: &str, query: &str) -> String {
        let places = Query::parse(query).expect("is a query").find(text).expect("is found");
        let piece = |piece: &SnippetPiece| if piece.found { format!("[{}]", piece.text) } else { piece.text.clone() };
        snippet(text, &places).iter().map(piece).collect()
    }

    #[test]
    fn what_was_found_is_marked_where_it_stands() {
        assert_eq!(marked("We walked to the Río.", "rio walk"), "We [walked] to the [Río].");
        assert_eq!(marked("一緒に散歩した", "散歩"), "一緒に[散][歩]した");
    }

    #[test]
    fn long_texts_are_cut_around_it_between_words() {
        let text = format!("{} the oak {}", "before ".repeat(100), "afterwards ".repeat(100));
        let shown = marked(&text, "oak");
        assert!(
            shown.starts_with("… before") && shown.contains(" the [oak] after") && shown.ends_with("wards…"),
            "{shown}"
        );
        assert!(shown.chars().count() <= LENGTH + 4, "{shown}");
    }

    #[test]
    fn no_text_and_no_places_panic() {
        for text in ["", "a", "äöü", &"語".repeat(500), &"x".repeat(5000), " \n "] {
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)).step_by(7) {
                let until = (at..=text.len()).filter(|at| text.is_char_boundary(*at)).nth(1).unwrap_or(text.len());
                let place = at..until;
                let pieces = snippet(text, std::slice::from_ref(&place));
                let whole: String = pieces.into_iter().map(|piece| piece.text).collect();
                assert!(text.contains(whole.trim_matches('…')));
            }
            snippet(text, &[]);
        }
    }
}
