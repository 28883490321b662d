//! Drafts and wordings: proposing, agreeing, not yet, withdrawing, and looking again.

use betwixt_api::{Field, Version};
use serde_json::{Value as Json, json};

use super::what::{What, field, told, value_of};
use crate::arguments::{AnswerNotYet, Review, Text};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::item;
use crate::values::parse_date;

/// Says a field's new text. Where the versions differ, one works on one's own.
pub(super) async fn write(opened: &Opened, what: &What, name: &str, text: Text) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let field = field(&item, name)?;
    let own = field.versions().iter().find(|version| version.said.own).map(|version| &version.value);
    let before = field.held().or(own).and_then(Json::as_str).unwrap_or_default();
    if field.differs() {
        opened.terminal.remark("Your version and the other's differ; this is yours. `betwixt differences` shows both.");
    }
    let text = opened.text(text, before).await?;
    if text == before.trim_end() && !field.differs() {
        opened.terminal.remark("It says so already.");
        return opened.terminal.result(&item, || item::full(&opened.look(), &item));
    }
    let saying = what.say(opened, name, value_of(name, &text)?, &field.seen).await?;
    told(opened, &saying)
}

pub(super) async fn propose(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let draft = field(&item, "draft")?;
    if draft.differs() {
        let what = "the drafts differ; settle that first (betwixt differences)".into();
        return Err(CommandError::Value { what });
    }
    let Some(text) = draft.held().filter(|text| !text.is_null()).cloned() else {
        return Err(CommandError::Value { what: "there is no draft to propose yet".into() });
    };
    let wording = field(&item, "wording")?;
    let saying = what.say(opened, "wording", text, &wording.seen).await?;
    told(opened, &saying)
}

/// Says the same as the partner.
pub(super) async fn agree(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let wording = field(&item, "wording")?;
    let proposed = the_others(wording)?.ok_or_else(|| nothing_waits(wording))?;
    let saying = what.say(opened, "wording", proposed.value.clone(), &wording.seen).await?;
    told(opened, &saying)
}

/// Answers a proposal without agreeing to it.
pub(super) async fn not_yet(opened: &Opened, what: &What, answer: AnswerNotYet) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let wording = field(&item, "wording")?;
    let proposed = the_others(wording)?.ok_or_else(|| nothing_waits(wording))?;
    let mut value = json!({ "to": proposed.said.fact });
    if let Some(note) = answer.note {
        value["note"] = note.into();
    }
    let saying = what.say(opened, "not_yet", value, &field(&item, "not_yet")?.seen).await?;
    told(opened, &saying)
}

/// Takes back one's own proposal: what was agreed before stands again. Without a proposal, ends what is agreed.
pub(super) async fn withdraw(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let wording = field(&item, "wording")?;
    let value = withdrawn(wording)
        .ok_or_else(|| CommandError::NotFound { what: "there is no word of yours there to take back".into() })?;
    let saying = what.say(opened, "wording", value, &wording.seen).await?;
    told(opened, &saying)
}

/// What to say to withdraw; `None` where there is no word of one's own.
fn withdrawn(wording: &Field) -> Option<Json> {
    let agreed: Vec<&Json> = wording.agreement.iter().map(|agreement| &agreement.value).collect();
    let own = wording.versions().iter().chain(&wording.waiting).filter(|version| version.said.own);
    let proposes = own.map(|version| &version.value).any(|value| !value.is_null() && !agreed.contains(&value));
    match agreed.as_slice() {
        [one] if proposes => Some((*one).clone()),
        [_, ..] => Some(Json::Null),
        [] => proposes.then_some(Json::Null),
    }
}

/// Says when to look at it again, or what one found when it was time.
pub(super) async fn review(opened: &Opened, what: &What, review: Review) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    if let Some(date) = review.on {
        let saying = what.say(opened, "review", parse_date(&date)?, &field(&item, "review")?.seen).await?;
        return told(opened, &saying);
    }
    let Some(due) = &item.review else {
        let what = "no day was set to look at it again; set one with --on DATE".into();
        return Err(CommandError::NotFound { what });
    };
    let outcome = match (review.still_true, review.reword) {
        (true, _) => "still_true",
        (_, true) => "reword",
        _ => "retire",
    };
    let value = json!({ "for": due.on, "outcome": outcome });
    let saying = what.say(opened, "reviewed", value, &field(&item, "reviewed")?.seen).await?;
    told(opened, &saying)
}

/// The one version that the other partner says and the reader does not.
pub(super) fn the_others(field: &Field) -> Result<Option<&Version>, CommandError> {
    let said = field.waiting.iter().chain(field.versions()).filter(|version| !version.said.own);
    let mut versions: Vec<&Version> = Vec::new();
    for version in said {
        let agreed_already = field.agreed && field.held() == Some(&version.value);
        if !agreed_already && versions.iter().all(|known| known.value != version.value) {
            versions.push(version);
        }
    }
    match versions.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(CommandError::Value {
            what: "the other said more than one thing; choose by its number (betwixt settle show)".into(),
        }),
    }
}

fn nothing_waits(wording: &Field) -> CommandError {
    let what =
        if wording.agreed { "you both agreed to it already" } else { "there is nothing proposed that waits for you" };
    CommandError::NotFound { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{differing, held, proposed};

    #[test]
    fn withdrawing_takes_back_the_proposal_first_and_then_the_agreement() {
        // The other proposes; one's own word is what stands agreed.
        assert_eq!(withdrawn(&proposed()), Some(Json::Null));
        let mut mine = proposed();
        mine.waiting[0].said.own = true;
        assert_eq!(withdrawn(&mine), Some("A calm home.".into()));
        mine.agreement.clear();
        assert_eq!(withdrawn(&mine), Some(Json::Null));
        // Only the other has a word there.
        let mut theirs = differing("one", "two", None);
        theirs.waiting.clear();
        assert_eq!(withdrawn(&theirs), Some(Json::Null));
        assert_eq!(withdrawn(&held("x", false)), None);
    }
}
