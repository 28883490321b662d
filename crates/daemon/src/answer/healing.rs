//! What is wrong with documents, in words. No private text, names or keys: documents, numbers and what to do.

use betwixt_api as api;
use betwixt_model::document::{Document, DocumentId};

use crate::replica::{CarriedOn, Health, HealthOf};

/// What `status` tells.
pub(crate) fn troubles(all: &HealthOf) -> Vec<String> {
    let mut troubles = Vec::new();
    for (document, health) in all {
        let Health { altered, meaningless, carried_on, .. } = health;
        if !altered.is_empty() {
            troubles.push(format!("{} {PUT_BACK}", of_altered(document, altered.len())));
        }
        if *meaningless > 0 {
            troubles.push(format!(
                "{} came into the document {document} that {} not anything that one of you said. Nothing follows from it.",
                count(*meaningless as usize, "entry", "entries"),
                if *meaningless == 1 { "is" } else { "are" },
            ));
        }
        troubles.extend(carried_on.and_then(|why| carried(document, why)));
    }
    troubles
}

const PUT_BACK: &str = "Nothing that you see has changed by it; they are put back with the next thing that is said.";

fn of_altered(document: &DocumentId, number: usize) -> String {
    format!("Another program removed or altered {} in the document {document}.", count(number, "entry", "entries"))
}

fn carried(document: &DocumentId, why: CarriedOn) -> Option<String> {
    let why = match why {
        CarriedOn::Unreadable => "could not be read from this disk",
        CarriedOn::Divided => {
            "went on in two ways at once: a home was copied or restored, or somebody writes in another device's name; it"
        }
        CarriedOn::NotApplied => "could not take what another device sent; it",
        CarriedOn::TakenApart => "was taken apart by another program; it",
        CarriedOn::Elsewhere | CarriedOn::Chapter => return None,
    };
    let joint = if why.ends_with("it") { "" } else { ". It" };
    Some(format!(
        "The document {document} {why}{joint} goes on in a new one, with everything that was said. The old one is kept until \
         all your devices have that."
    ))
}

/// What `verify` tells of a document that loads.
pub(crate) fn altered(document: &Document) -> Option<api::Damage> {
    let altered = document.altered().unwrap_or_default();
    let what = match (altered.len(), document.has_its_maps()) {
        (0, true) => return None,
        (0, false) => format!("Another program took the document {} apart.", document.id()),
        (number, _) => of_altered(&document.id(), number),
    };
    Some(api::Damage { what, advice: PUT_BACK.to_owned() })
}

fn count(number: usize, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

#[cfg(test)]
mod tests {
    use betwixt_model::document::Scope;
    use betwixt_model::ids::FactId;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_sentences_and_what_is_not_is_not() {
        let document = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };
        let mut all = HealthOf::new();
        assert_eq!(troubles(&all), Vec::<String>::new());
        let health = Health {
            altered: [FactId::from_bytes([1; 32])].into(),
            meaningless: 2,
            carried_on: Some(CarriedOn::Divided),
            ..Health::default()
        };
        all.insert(document, health);
        let told = troubles(&all);
        assert_eq!(told.len(), 3);
        assert!(
            told[0].starts_with("Another program removed or altered 1 entry in the document ours/2026."),
            "{told:?}"
        );
        assert!(told[1].starts_with("2 entries came into the document ours/2026 that are not"), "{told:?}");
        assert!(told[2].contains("device's name; it goes on in a new one"), "{told:?}");
        all.insert(document, Health { carried_on: Some(CarriedOn::Unreadable), ..Health::default() });
        assert!(troubles(&all)[0].contains("from this disk. It goes on in a new one"));
        all.insert(document, Health { carried_on: Some(CarriedOn::Elsewhere), ..Health::default() });
        assert_eq!(troubles(&all), Vec::<String>::new());
    }
}
