//! The past, in words.

use betwixt_api::{
    Act, Comparison, Event, ItemReference, LastAct, Meeting, Provenance, Since, Standing, Step, Then, Timeline, Told,
    Undone, Words,
};
use serde_json::Value;

use super::item::{self, reference};
use super::{Look, field, indent, short, words};
use crate::terminal::printable;
use crate::values::show_date;

/// Everything that was said about an item, and where its wordings come from.
pub(crate) fn timeline(look: &Look, timeline: &Timeline) -> String {
    let mut blocks = vec![look.style.bold(&reference(&timeline.item))];
    if timeline.events.is_empty() {
        blocks.push("Nothing was said here yet.".into());
    }
    blocks.extend(timeline.events.iter().map(|said| event(look, said)));
    blocks.extend(timeline.provenance.iter().map(|of| provenance(look, of)));
    blocks.join("\n")
}

/// `2 March 2027, you changed the title  f7qk...`, and below it what was said.
fn event(look: &Look, event: &Event) -> String {
    let standing = match event.standing {
        Standing::Live => "",
        Standing::Replaced => "  (since replaced)",
        Standing::Arriving => "  (part of it is still arriving)",
    };
    let fact = look.style.dim(&short(&event.said.fact));
    let head = format!("{}, {}  {fact}{standing}", show_date(&event.said.on), sentence(look, event));
    format!("{head}\n{}", indent(&said(look, event), 2))
}

/// What was said, with what it changed.
fn said(look: &Look, event: &Event) -> String {
    match &event.value {
        None => "(erased by both)".into(),
        Some(Value::Null) => match event.before.as_slice() {
            [before] => format!("it was: {}", field::value(&before.value)),
            _ => "(taken back)".into(),
        },
        Some(value) => match value.as_str() {
            Some(text) if !event.words.is_empty() => words::marked(look, text.trim_end(), &event.words),
            _ => field::value(value),
        },
    }
}

/// `you changed the title`
fn sentence(look: &Look, event: &Event) -> String {
    let who = look.who(&event.said);
    let name = field::label(&event.field).to_lowercase();
    let other = if event.said.own { format!("{}'s", look.other()) } else { "your".into() };
    match event.act {
        Act::Founded => format!("{who} began it with its {name}"),
        Act::Said => format!("{who} said its {name}"),
        Act::Changed => format!("{who} changed the {name}"),
        Act::TookTheirs => format!("{who} took {other} {name}"),
        Act::SaidTheSame => format!("{who} said the {name} once more"),
        Act::LetGo => format!("{who} let go of the {name}"),
        Act::TookUp => format!("{who} took the {name} up again"),
        Act::Proposed => format!("{who} proposed the {name}"),
        Act::Reworded => format!("{who} offered another {name}"),
        Act::Agreed => format!("{who} agreed to {other} {name}"),
        Act::Withdrew => format!("{who} withdrew from the {name}"),
        Act::Other => format!("{who} did something with the {name} that a newer version knows"),
    }
}

/// `proposed by you (2 March 2027), reworded by Sam (5 March 2027), agreed by both on 7 March 2027`
pub(crate) fn provenance(look: &Look, of: &Provenance) -> String {
    let step = |step: &Step| {
        let on = show_date(&step.on);
        if step.how == "agreed" {
            return format!("agreed by both on {on}");
        }
        let who = if step.own { "you".to_owned() } else { look.other() };
        format!("{} by {who} ({on})", printable(&step.how))
    };
    let steps: Vec<String> = of.steps.iter().map(step).collect();
    let what = if of.agreed { "The wording that stands" } else { "The wording that waits" };
    format!("{}\n{}\n{}", look.style.bold(what), indent(&field::value(&of.text), 2), indent(&steps.join(", "), 2))
}

/// An item as it stood.
pub(crate) fn then(look: &Look, then: &Then) -> String {
    let when = match (&then.after, &then.day) {
        (Some(fact), _) => format!("As it stood once {} was said:", short(fact)),
        (None, Some(day)) => format!("As this device knew it at the end of {}:", show_date(day)),
        (None, None) => "As it stood:".into(),
    };
    format!("{}\n{}", look.style.dim(&when), item::full(look, &then.item))
}

/// What changed between two versions.
pub(crate) fn comparison(look: &Look, compared: &Comparison) -> String {
    let head = format!(
        "{}: from {} to {}",
        field::label(&compared.field),
        look.said(&compared.from.said),
        look.said(&compared.to.said)
    );
    let body = if compared.from.value == compared.to.value {
        "Both say the same.".to_owned()
    } else if compared.words.is_empty() {
        format!(
            "{}\n{}",
            look.style.removed(&field::value(&compared.from.value)),
            look.style.added(&field::value(&compared.to.value))
        )
    } else {
        words::changes(look, &compared.words)
    };
    format!("{}\n{}", look.style.bold(&head), indent(&body, 2))
}

/// Who said which words.
pub(crate) fn whose_words(look: &Look, words: &Words) -> String {
    let mut blocks = vec![look.style.bold(&reference(&words.item))];
    for (name, texts) in &words.fields {
        for parts in texts {
            blocks.push(look.style.bold(&field::label(name)));
            for part in parts.iter().filter(|part| !part.text.trim().is_empty()) {
                blocks.push(format!("  {}:\n{}", look.said(&part.said), indent(&printable(part.text.trim()), 4)));
            }
        }
    }
    if blocks.len() == 1 {
        blocks.push("There is no text here yet.".into());
    }
    blocks.join("\n")
}

/// What came and went at each meeting.
pub(crate) fn since(look: &Look, since: &Since) -> String {
    let mut blocks: Vec<String> = since.items.iter().map(|met| meeting(look, met)).collect();
    if blocks.is_empty() {
        blocks.push("You have not met yet, or nothing came or went when you did.".into());
    }
    if !since.waiting.is_empty() {
        let head = format!("Said since, and not with {} yet", look.other());
        blocks.insert(0, list(look, &head, &since.waiting, since.waiting_more));
    }
    blocks.join("\n\n")
}

fn meeting(look: &Look, met: &Meeting) -> String {
    let days = if met.on == met.until {
        show_date(&met.on)
    } else {
        format!("{} to {}", show_date(&met.on), show_date(&met.until))
    };
    let whose = if met.own { ", your own device" } else { "" };
    let mut lines = vec![look.style.bold(&format!("Met {}{whose}, {days}", printable(&met.name)))];
    let (yours, theirs): (Vec<Told>, Vec<Told>) = met.came.iter().cloned().partition(|told| told.event.said.own);
    for (head, told, more) in [
        (format!("From {}", look.other()), theirs, met.came_more),
        ("From you, on another device".to_owned(), yours, 0),
        ("From you, here".to_owned(), met.went.clone(), met.went_more),
    ] {
        if !told.is_empty() {
            lines.push(indent(&list(look, &head, &told, more), 2));
        }
    }
    lines.join("\n")
}

fn list(look: &Look, head: &str, told: &[Told], more: u64) -> String {
    let mut lines = vec![look.style.bold(head)];
    let mut last: Option<&ItemReference> = None;
    for told in told {
        if last.is_none_or(|last| last.id != told.item.id) {
            lines.push(format!("  {}", reference(&told.item)));
        }
        last = Some(&told.item);
        lines.push(format!("    {}, {}", show_date(&told.event.said.on), sentence(look, &told.event)));
        lines.push(indent(&said(look, &told.event), 6));
    }
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

/// What one did last.
pub(crate) fn last_act(look: &Look, last: &LastAct) -> String {
    let told = list(look, "What you did last", &last.said, 0);
    match &last.cannot {
        Some(why) => format!("{told}\nIt cannot be taken back. {}", printable(why)),
        None => format!("{told}\nTake it back: betwixt undo"),
    }
}

/// What was taken back, and how things are now.
pub(crate) fn undone(look: &Look, undone: &Undone) -> String {
    let mut blocks = vec![list(look, "Taken back", &undone.took_back, 0)];
    for saying in &undone.said {
        blocks.push(match field::full(look, &saying.field, &saying.now) {
            now if now.is_empty() => look.style.bold(&field::label(&saying.field)),
            now => now,
        });
    }
    blocks.join("\n")
}

/// One text beside the wording that stands agreed.
#[derive(Debug, serde::Serialize)]
pub(crate) struct SinceAgreed {
    /// `draft` or `wording`.
    pub(crate) text: &'static str,
    /// Whose wording waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) said: Option<betwixt_api::Said>,
    /// What it changed.
    pub(crate) words: Vec<betwixt_api::Change>,
}

/// What changed since both agreed.
pub(crate) fn since_agreed(look: &Look, all: &[SinceAgreed]) -> String {
    if all.is_empty() {
        return "Nothing has changed of what you both agreed to, or nothing is agreed yet.".into();
    }
    let block = |one: &SinceAgreed| {
        let head = match &one.said {
            None => "The draft changed since you both agreed".to_owned(),
            Some(said) => format!("The wording that waits ({})", look.said(said)),
        };
        format!("{}\n{}", look.style.bold(&head), indent(&words::changes(look, &one.words), 2))
    };
    all.iter().map(block).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{held, look, said};
    use super::*;
    use betwixt_api::{Before, Change, Collection, Compared, Part, Scope};

    fn coast() -> ItemReference {
        ItemReference {
            id: "k3j4k3j4k3j4".into(),
            collection: Collection::Goals,
            scope: Scope::Ours,
            title: "Cycle along the coast".into(),
        }
    }

    fn some(act: Act, own: bool, field: &str, value: Value) -> Event {
        Event {
            field: field.into(),
            act,
            value: Some(value),
            said: said(own, "2027-03-02"),
            before: vec![],
            words: vec![],
            standing: Standing::Live,
        }
    }

    fn changed() -> Event {
        Event {
            before: vec![Before { value: "We travel.".into(), by: "p1".into(), own: true, fact: "f".into() }],
            words: vec![
                Change::Same("We ".into()),
                Change::Removed("travel".into()),
                Change::Added("rest".into()),
                Change::Same(".".into()),
            ],
            standing: Standing::Replaced,
            ..some(Act::Changed, false, "draft", "We rest.".into())
        }
    }

    #[test]
    fn a_timeline_in_words() {
        let steps = vec![
            Step {
                how: "proposed".into(),
                by: vec!["p1".into()],
                own: true,
                on: "2027-03-02".into(),
                fact: "a".into(),
            },
            Step {
                how: "reworded".into(),
                by: vec!["p2".into()],
                own: false,
                on: "2027-03-05".into(),
                fact: "b".into(),
            },
            Step { how: "agreed".into(), by: vec![], own: true, on: "2027-03-07".into(), fact: "c".into() },
        ];
        let told = Timeline {
            item: coast(),
            events: vec![
                some(Act::Founded, true, "title", "Cycle along the coast".into()),
                changed(),
                some(Act::Agreed, true, "wording", "We rest.".into()),
                some(Act::LetGo, false, "until", Value::Null),
            ],
            provenance: vec![Provenance { field: "wording".into(), text: "We rest.".into(), agreed: true, steps }],
        };
        insta::assert_snapshot!(timeline(&look(), &told), @r"
        Goal k3j4k3j4: Cycle along the coast
        2 March 2027, you began it with its title  f7qk
          Cycle along the coast
        2 March 2027, Sam changed the draft  f7qk  (since replaced)
          We [-travel-]{+rest+}.
        2 March 2027, you agreed to Sam's wording  f7qk
          We rest.
        2 March 2027, Sam let go of the until  f7qk
          (taken back)
        The wording that stands
          We rest.
          proposed by you (2 March 2027), reworded by Sam (5 March 2027), agreed by both on 7 March 2027
        ");
    }

    #[test]
    fn two_versions() {
        let compared = |value: &str, own| Compared { value: value.into(), said: said(own, "2027-03-02") };
        let texts = Comparison {
            field: "draft".into(),
            from: compared("We travel.", true),
            to: compared("We rest.", false),
            words: changed().words,
        };
        insta::assert_snapshot!(comparison(&look(), &texts), @r"
        Draft: from you, 2 March 2027 to Sam, 2 March 2027
          We [-travel-]{+rest+}.
        ");
        let dates = Comparison {
            field: "until".into(),
            from: compared("2027-05-01", true),
            to: compared("2027-06-01", true),
            words: vec![],
        };
        insta::assert_snapshot!(comparison(&look(), &dates), @r"
        Until: from you, 2 March 2027 to you, 2 March 2027
          [-1 May 2027-]
          {+1 June 2027+}
        ");
    }

    #[test]
    fn words_and_whose_they_are() {
        let part = |text: &str, own| Part { text: text.into(), said: said(own, "2027-03-02") };
        let parts = vec![part("We ", true), part("rest", false), part(" by the sea.", true)];
        let told = Words { item: coast(), fields: [("draft".to_owned(), vec![parts])].into() };
        insta::assert_snapshot!(whose_words(&look(), &told), @r"
        Goal k3j4k3j4: Cycle along the coast
        Draft
          you, 2 March 2027:
            We
          Sam, 2 March 2027:
            rest
          you, 2 March 2027:
            by the sea.
        ");
    }

    #[test]
    fn meetings() {
        let told = |event| Told { item: coast(), event };
        let met = Meeting {
            device: "d2".into(),
            name: "Sam's laptop".into(),
            own: false,
            on: "2027-03-02".into(),
            until: "2027-03-03".into(),
            came: vec![told(changed()), told(some(Act::Said, false, "area", "sea".into()))],
            came_more: 2,
            went: vec![told(some(Act::Said, true, "until", "2027-06-01".into()))],
            went_more: 0,
        };
        let all = Since {
            items: vec![met],
            next: None,
            waiting: vec![told(some(Act::Said, true, "why", "For the sea".into()))],
            waiting_more: 0,
        };
        insta::assert_snapshot!(since(&look(), &all), @r"
        Said since, and not with Sam yet
          Goal k3j4k3j4: Cycle along the coast
            2 March 2027, you said its why
              For the sea

        Met Sam's laptop, 2 March 2027 to 3 March 2027
          From Sam
            Goal k3j4k3j4: Cycle along the coast
              2 March 2027, Sam changed the draft
                We [-travel-]{+rest+}.
              2 March 2027, Sam said its area
                sea
            and 2 more
          From you, here
            Goal k3j4k3j4: Cycle along the coast
              2 March 2027, you said its until
                1 June 2027
        ");
        let none = Since { items: vec![], next: None, waiting: vec![], waiting_more: 0 };
        assert_eq!(since(&look(), &none), "You have not met yet, or nothing came or went when you did.");
    }

    #[test]
    fn what_changed_since_both_agreed() {
        let draft = SinceAgreed { text: "draft", said: None, words: changed().words };
        let waiting = SinceAgreed { text: "wording", said: Some(said(false, "2027-03-02")), words: changed().words };
        insta::assert_snapshot!(since_agreed(&look(), &[draft, waiting]), @r"
        The draft changed since you both agreed
          We [-travel-]{+rest+}.

        The wording that waits (Sam, 2 March 2027)
          We [-travel-]{+rest+}.
        ");
    }

    #[test]
    fn taking_back() {
        let told = Told { item: coast(), event: some(Act::Changed, true, "until", "2027-06-01".into()) };
        let last = LastAct { said: vec![told.clone()], cannot: Some("You both agree on it now.".into()) };
        insta::assert_snapshot!(last_act(&look(), &last), @r"
        What you did last
          Goal k3j4k3j4: Cycle along the coast
            2 March 2027, you changed the until
              1 June 2027
        It cannot be taken back. You both agree on it now.
        ");
        let now = held("2027-05-01", true);
        let saying = betwixt_api::Saying {
            item: "k3j4".into(),
            field: "until".into(),
            fact: "f".into(),
            seen: betwixt_api::Seen("f".into()),
            now,
        };
        let answer = Undone { took_back: vec![told], said: vec![saying] };
        insta::assert_snapshot!(undone(&look(), &answer), @r"
        Taken back
          Goal k3j4k3j4: Cycle along the coast
            2 March 2027, you changed the until
              1 June 2027
        Until
          1 May 2027
          you, 2 March 2027
        ");
    }
}
