//! What changed between two texts, by words: in colour where that is shown, and with `[-...-]` and `{+...+}` around what
//! went and came where it is not.

use betwixt_api::Change;

use super::Look;
use crate::terminal::printable;

/// The changes in one text.
pub(crate) fn changes(look: &Look, changes: &[Change]) -> String {
    changes
        .iter()
        .map(|change| match change {
            Change::Same(text) => printable(text),
            Change::Removed(text) => look.style.removed(&printable(text)),
            Change::Added(text) => look.style.added(&printable(text)),
        })
        .collect()
}

/// The text after the changes, with them marked; plain where nothing of what was before is left in it.
pub(crate) fn marked(look: &Look, text: &str, words: &[Change]) -> String {
    let kept = words.iter().any(|change| matches!(change, Change::Same(same) if !same.trim().is_empty()));
    if kept { changes(look, words).trim().to_owned() } else { printable(text) }
}

#[cfg(test)]
mod tests {
    use super::super::samples::look;
    use super::*;

    fn sample() -> Vec<Change> {
        vec![
            Change::Same("We ".into()),
            Change::Removed("travel".into()),
            Change::Added("rest".into()),
            Change::Same(".".into()),
        ]
    }

    #[test]
    fn changes_without_colour() {
        assert_eq!(changes(&look(), &sample()), "We [-travel-]{+rest+}.");
        let hostile = [Change::Added("a\u{1b}[2J".into())];
        assert_eq!(changes(&look(), &hostile), "{+a\u{fffd}[2J+}");
    }

    #[test]
    fn changes_in_colour() {
        let look = Look { style: crate::terminal::Style::COLOURED, ..look() };
        assert_eq!(changes(&look, &sample()), "We \u{1b}[31;9mtravel\u{1b}[0m\u{1b}[32;4mrest\u{1b}[0m.");
    }

    #[test]
    fn what_was_wholly_rewritten_is_shown_plainly() {
        let rewritten = [Change::Removed("We travel.".into()), Change::Added("Rest!".into())];
        assert_eq!(marked(&look(), "Rest!", &rewritten), "Rest!");
        assert_eq!(marked(&look(), "We rest.", &sample()), "We [-travel-]{+rest+}.");
    }
}
