//! Searching in everything that was said.

use betwixt_api::{SearchOrder, SearchRequest};

use crate::arguments::{By, Search};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::search::found;

/// `betwixt search WORDS`.
pub(super) async fn search(opened: &Opened, search: Search) -> Result<(), CommandError> {
    let Search { words, kind, field, by, year, earlier, latest, limit, after } = search;
    let by = match by {
        None => None,
        Some(By::Me) => opened.status.me.as_ref().map(|me| me.id.clone()),
        Some(By::Partner) => match &opened.status.partner {
            Some(partner) => Some(partner.id.clone()),
            None => return Err(CommandError::Value { what: "you have no partner here yet: betwixt pair".into() }),
        },
    };
    let words: Vec<String> = words.iter().map(|words| quoted(words)).collect();
    let request = SearchRequest {
        words: words.join(" "),
        scope: None,
        collection: kind,
        field,
        by,
        from: year.map(|year| format!("{year:04}-01-01")),
        until: year.map(|year| format!("{year:04}-12-31")),
        earlier,
        order: if latest { SearchOrder::Latest } else { SearchOrder::Best },
        limit: Some(limit),
        after,
    };
    let page = opened.client.search(&request).await?;
    opened.terminal.result(&page, || found(&opened.look(), &page))
}

/// What the shell took the quotes off gets them back: several words in one argument are to stand so.
fn quoted(argument: &str) -> String {
    let phrase = argument.trim().contains(char::is_whitespace) && !argument.contains('"');
    if phrase { format!("\"{argument}\"") } else { argument.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_the_shell_kept_together_are_a_phrase() {
        assert_eq!(quoted("oak"), "oak");
        assert_eq!(quoted("old mill"), "\"old mill\"");
        assert_eq!(quoted("\"old mill\" oak"), "\"old mill\" oak");
    }
}
