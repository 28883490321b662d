//! Sealed answers as people read them.

use betwixt_api::{SealState, SealedAnswer, SealedSession};

use super::{Look, field, indent, rows, short};
use crate::terminal::printable;
use crate::values::show_date;

/// A question with its answers.
pub(crate) fn full(look: &Look, session: &SealedSession) -> String {
    let mut lines = vec![
        look.style.bold(&format!("Sealed question {}", short(&session.id))),
        indent(&field::brief(Some(&session.prompt)), 2),
    ];
    for answer in &session.answers {
        lines.push(look.style.bold(&heading(look, answer)));
        let kept = session.yours.as_deref().filter(|_| answer.own);
        if let Some(text) = answer.answer.as_deref().or(kept) {
            lines.push(indent(&printable(text), 2));
        }
        if answer.doubled > 0 {
            let whose = if answer.own { "You" } else { "They" };
            lines.push(format!(
                "  {whose} sealed another answer beside this one. It does not count: this one was opened against."
            ));
        }
        if answer.other_question {
            lines.push("  The question was worded anew since.".into());
        }
    }
    lines.join("\n")
}

fn heading(look: &Look, answer: &SealedAnswer) -> String {
    let who = if answer.own { "You".to_owned() } else { look.other() };
    let on = answer.on.as_deref().map(show_date).unwrap_or_default();
    match answer.state {
        SealState::Waiting if answer.own => format!("{who}: not answered yet (betwixt seal answer)"),
        SealState::Waiting => format!("{who}: not answered yet"),
        SealState::Sealed if answer.own => format!("{who}, {on}: sealed until {} has answered", look.other()),
        SealState::Sealed => format!("{who}, {on}: sealed until you have answered"),
        SealState::Missing if answer.own => {
            format!(
                "{who}, {on}: not open yet; a device that holds your answer opens it, once its private part is open"
            )
        }
        SealState::Missing => format!("{who}, {on}: not open yet; it opens when their device comes by"),
        SealState::Opened => format!("{who}, {on}:"),
        SealState::Wrong => format!("{who}, {on}: what was said to open it is not what was sealed"),
    }
}

/// The questions, and what waits.
pub(crate) fn list(look: &Look, sessions: &[SealedSession]) -> String {
    if sessions.is_empty() {
        return "There are no sealed questions yet. Ask one: betwixt seal ask \"...\"".into();
    }
    let mut table = look.table(["ID", "QUESTION", "YOU", "THEY"]);
    for session in sessions {
        let state = |own: bool| {
            let answer = session.answers.iter().find(|answer| answer.own == own);
            answer.map_or("", |answer| word(answer.state)).to_owned()
        };
        table.add_row([short(&session.id), field::brief(Some(&session.prompt)), state(true), state(false)]);
    }
    rows(&table)
}

fn word(state: SealState) -> &'static str {
    match state {
        SealState::Waiting => "not answered",
        SealState::Sealed => "sealed",
        SealState::Missing => "to open",
        SealState::Opened => "open",
        SealState::Wrong => "does not fit",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{held, look};
    use super::*;

    fn answer(own: bool, state: SealState, text: Option<&str>) -> SealedAnswer {
        let by = if own { "p1" } else { "p2" }.into();
        let on = (state != SealState::Waiting).then(|| "2027-03-02".to_owned());
        SealedAnswer { by, own, state, on, answer: text.map(str::to_owned), doubled: 0, other_question: false }
    }

    #[test]
    fn a_question_sealed_and_open() {
        let mut session = SealedSession {
            id: "k3j4k3j4k3".into(),
            by: None,
            on: None,
            prompt: held(serde_json::json!({ "text": "What do you wish for?" }), true),
            answers: vec![answer(true, SealState::Sealed, None), answer(false, SealState::Waiting, None)],
            yours: Some("A summer\nat the sea".into()),
            seen: Default::default(),
        };
        insta::assert_snapshot!(full(&look(), &session), @r"
        Sealed question k3j4k3j4
          What do you wish for?
        You, 2 March 2027: sealed until Sam has answered
          A summer
          at the sea
        Sam: not answered yet
        ");
        insta::assert_snapshot!(list(&look(), std::slice::from_ref(&session)), @r"
        ID        QUESTION               YOU     THEY
        k3j4k3j4  What do you wish for?  sealed  not answered
        ");
        session.answers = vec![
            answer(true, SealState::Opened, Some("A summer at the sea")),
            SealedAnswer { doubled: 1, other_question: true, ..answer(false, SealState::Wrong, None) },
        ];
        insta::assert_snapshot!(full(&look(), &session), @r"
        Sealed question k3j4k3j4
          What do you wish for?
        You, 2 March 2027:
          A summer at the sea
        Sam, 2 March 2027: what was said to open it is not what was sealed
          They sealed another answer beside this one. It does not count: this one was opened against.
          The question was worded anew since.
        ");
    }
}
