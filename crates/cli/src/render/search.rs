//! What was found.

use betwixt_api::{FoundItem, FoundText, Scope, SearchPage, SnippetPiece, Standing};

use super::item::reference;
use super::{Look, field, indent};
use crate::terminal::printable;

/// Every item, with the texts in which the words stand.
pub(crate) fn found(look: &Look, page: &SearchPage) -> String {
    let mut blocks: Vec<String> = page.items.iter().map(|item| one(look, item)).collect();
    if blocks.is_empty() {
        blocks.push("Nothing was found.".into());
    }
    if let Some(next) = &page.next {
        blocks.push(format!("There is more: --after {}", printable(next)));
    }
    if !page.complete {
        blocks.push("Not everything could be searched yet: look again in a moment.".into());
    }
    blocks.join("\n\n")
}

fn one(look: &Look, found: &FoundItem) -> String {
    let private = if found.item.scope == Scope::Mine { look.style.dim("  (private)") } else { String::new() };
    let mut lines = vec![format!("{}{private}", look.style.bold(&reference(&found.item)))];
    for text in &found.texts {
        lines.push(format!("  {}, {}{}", field::label(&text.field), look.said(&text.said), standing(text)));
        lines.push(indent(&snippet(look, &text.snippet), 4));
    }
    lines.join("\n")
}

fn standing(text: &FoundText) -> &'static str {
    match text.standing {
        Standing::Live => "",
        Standing::Replaced => "  (since replaced)",
        Standing::Arriving => "  (part of it is still arriving)",
    }
}

fn snippet(look: &Look, pieces: &[SnippetPiece]) -> String {
    let piece = |piece: &SnippetPiece| match piece.found {
        true => look.style.found(&printable(&piece.text)),
        false => printable(&piece.text),
    };
    pieces.iter().map(piece).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use betwixt_api::{Collection, ItemReference};

    use super::super::samples::{look, said};
    use super::*;

    fn piece(text: &str, found: bool) -> SnippetPiece {
        SnippetPiece { text: text.into(), found }
    }

    fn page() -> SearchPage {
        let text = |standing, own| FoundText {
            field: "text".into(),
            said: said(own, "2027-03-02"),
            standing,
            snippet: vec![piece("… by the ", false), piece("Río", true), piece(",\nwhere \u{1b}[2J", false)],
        };
        let item = |scope| ItemReference {
            id: "k3j4k3j4k3j4".into(),
            collection: Collection::Reflections,
            scope,
            title: "We walked".into(),
        };
        SearchPage {
            items: vec![
                FoundItem { item: item(Scope::Ours), texts: vec![text(Standing::Live, false)] },
                FoundItem {
                    item: item(Scope::Mine),
                    texts: vec![text(Standing::Live, true), text(Standing::Replaced, true)],
                },
            ],
            next: Some("bmV4dA".into()),
            complete: false,
        }
    }

    #[test]
    fn what_was_found_is_shown_in_its_place() {
        let text = "    … by the [Río],\n    where \u{fffd}[2J\n";
        let expected = [
            "Reflection k3j4k3j4: We walked\n  Text, Sam, 2 March 2027\n",
            text,
            "\nReflection k3j4k3j4: We walked  (private)\n  Text, you, 2 March 2027\n",
            text,
            "  Text, you, 2 March 2027  (since replaced)\n",
            text,
            "\nThere is more: --after bmV4dA\n\n",
            "Not everything could be searched yet: look again in a moment.",
        ];
        assert_eq!(found(&look(), &page()), expected.concat());
    }

    #[test]
    fn nothing_found_is_said() {
        let nothing = SearchPage { items: vec![], next: None, complete: true };
        assert_eq!(found(&look(), &nothing), "Nothing was found.");
    }
}
