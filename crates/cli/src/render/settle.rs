//! What waits for the two.

use betwixt_api::{Collection, SaidBack, SettleThread, WaitingField};

use super::{Look, field, indent, item, short, statement};
use crate::terminal::printable;
use crate::values::show_date;

/// Some threads, one after the other, each with an empty line behind it.
pub(crate) fn page(look: &Look, threads: &[SettleThread]) -> String {
    threads.iter().map(|shown| thread(look, shown) + "\n").collect::<Vec<_>>().join("\n")
}

/// What is said below the list: that there was nothing in it, that there is more than was asked for, that some rests.
pub(crate) fn remarks(look: &Look, nothing: bool, more: bool, rests: bool) -> String {
    let mut lines = Vec::new();
    if nothing {
        lines.push("Nothing waits to be settled.".to_owned());
    }
    if more {
        lines.push(look.style.dim("There is more (betwixt settle list)."));
    }
    if rests {
        lines.push(look.style.dim("More rests for now (betwixt settle list --all)."));
    }
    lines.join("\n")
}

/// One thread, with what can be done.
pub(crate) fn thread(look: &Look, thread: &SettleThread) -> String {
    let handle = match thread.item.collection {
        Collection::Vision => "vision".to_owned(),
        _ => short(&thread.item.id),
    };
    let mut lines = vec![look.style.bold(&item::reference(&thread.item))];
    for (name, waiting) in &thread.fields {
        lines.push(indent(&field::full(look, name, &waiting.field), 2));
        lines.extend(around(look, waiting).into_iter().map(|line| indent(&line, 4)));
        for back in thread.said_back.iter().filter(|back| back.field == *name) {
            lines.push(indent(&said_back(look, back), 4));
        }
        lines.push(look.style.dim(&format!("    betwixt settle take|say|say-back|differ|park {handle} {name}")));
    }
    if let Some(review) = &thread.review {
        lines.push(indent(&statement::review(look, review), 2));
        let verb = match thread.item.collection {
            Collection::Vision => "vision review".to_owned(),
            _ => format!("{} review {handle}", printable(&thread.kind)),
        };
        lines.push(look.style.dim(&format!("    betwixt {verb} --still-true | --reword | --retire")));
    }
    lines.join("\n")
}

fn around(look: &Look, waiting: &WaitingField) -> Vec<String> {
    let mut lines = Vec::new();
    for differently in &waiting.differently {
        let again = show_date(&differently.again);
        lines.push(match (differently.agreed, differently.said.first()) {
            (true, _) => format!("You both see this differently, and look at it again on {again}."),
            (false, Some(said)) if said.own => {
                format!("You say that you see this differently, to look at it again on {again}.")
            }
            _ => format!("{} says that you see this differently, to look at it again on {again}.", look.other()),
        });
    }
    if let Some(parked) = &waiting.parked {
        lines.push(look.style.dim(&format!("You left it alone until {}.", show_date(parked))));
    }
    lines
}

fn said_back(look: &Look, back: &SaidBack) -> String {
    let who = if back.own { "You read".to_owned() } else { format!("{} reads", look.other()) };
    let whose = if back.own { format!("{}'s version", look.other()) } else { "your version".to_owned() };
    let text = back.text.as_deref().map_or_else(|| "(taken back)".to_owned(), |text| printable(text.trim()));
    let mut lines = vec![format!("{who} in {whose}: {text}")];
    match (back.heard, back.own) {
        (true, true) => lines.push(look.style.dim(&format!("  {}: yes, that is it", look.other()))),
        (true, false) => lines.push(look.style.dim("  you: yes, that is it")),
        (false, false) => {
            lines.push(look.style.dim(&format!("  is that it? betwixt settle heard {}", short(&back.id))));
        }
        (false, true) => {}
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{differing, look, said};
    use super::*;
    use betwixt_api::{Differently, ItemReference, Review, Scope, Seen};

    fn waiting() -> SettleThread {
        let until = WaitingField {
            field: differing("2027-06-01", "2027-09-01", None),
            differently: vec![Differently {
                again: "2027-03-01".into(),
                agreed: false,
                said: vec![said(false, "2027-01-02")],
            }],
            parked: Some("2027-02-01".into()),
            rests_until: None,
            differently_seen: Seen::default(),
            parked_seen: Seen::default(),
        };
        let back = SaidBack {
            id: "b2c3b2c3b2c3".into(),
            by: "p2".into(),
            own: false,
            on: "2027-01-02".into(),
            field: "until".into(),
            fact: "f7qk".into(),
            text: Some("You want it to be over before the heat.".into()),
            heard: false,
            heard_seen: Seen::default(),
        };
        SettleThread {
            item: ItemReference {
                id: "k3j4k3j4k3j4".into(),
                collection: Collection::Goals,
                scope: Scope::Ours,
                title: "Cycle along the coast".into(),
            },
            kind: "goal".into(),
            waits: true,
            fields: [("until".to_owned(), until)].into(),
            review: Some(Review { on: "2027-01-01".into(), answers: vec![] }),
            said_back: vec![back],
        }
    }

    #[test]
    fn a_thread() {
        insta::assert_snapshot!(thread(&look(), &waiting()), @r"
        Goal k3j4k3j4: Cycle along the coast
          Until (to settle)
            1. you, 3 March 2027:
               1 June 2027
            2. Sam, 3 March 2027:
               1 September 2027
            Sam says that you see this differently, to look at it again on 1 March 2027.
            You left it alone until 1 February 2027.
            Sam reads in your version: You want it to be over before the heat.
              is that it? betwixt settle heard b2c3b2c3
            betwixt settle take|say|say-back|differ|park k3j4k3j4 until
          To look at again 1 January 2027
            betwixt goal review k3j4k3j4 --still-true | --reword | --retire
        ");
    }

    #[test]
    fn what_is_not_shown_is_told() {
        insta::assert_snapshot!(remarks(&look(), true, false, true), @r"
        Nothing waits to be settled.
        More rests for now (betwixt settle list --all).
        ");
        assert_eq!(remarks(&look(), false, true, false), "There is more (betwixt settle list).");
    }
}
