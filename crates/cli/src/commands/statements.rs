//! The vision, values and goals: drafts, wordings, and the fields around them.

use betwixt_api::{Collection, Field, NewItem, ProgressEntry, Saying, Scope, Version};
use serde_json::{Value as Json, json};

use super::what::{What, field, told, value_of};
use super::{create, given};
use crate::arguments::{Goal, Text, Value, Vision};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::item;
use crate::values::{Measure, decimals_of, parse_amount, parse_date};

pub(super) async fn vision(opened: &Opened, vision: Vision) -> Result<(), CommandError> {
    let whose = |mine: bool| What::Vision(mine.then_some(Scope::Mine));
    match vision {
        Vision::Show { whose: which } => show(opened, &whose(which.mine)).await,
        Vision::Edit { text, whose: which } => write(opened, &whose(which.mine), "draft", text).await,
        Vision::Propose => propose(opened, &What::Vision(None)).await,
        Vision::Agree => agree(opened, &What::Vision(None)).await,
    }
}

pub(super) async fn value(opened: &Opened, value: Value) -> Result<(), CommandError> {
    let which = |id| What::Item(Collection::Values, id);
    match value {
        Value::Add { title, mine } => {
            let new = NewItem { scope: mine.then_some(Scope::Mine), fields: given([("title", Some(title.into()))]) };
            found(opened, Collection::Values, &new).await
        }
        Value::List => list(opened, Collection::Values).await,
        Value::Show { id } => show(opened, &which(id)).await,
        Value::Set { id, field, text } => write(opened, &which(id), &field, text).await,
        Value::Draft { id, text } => write(opened, &which(id), "draft", text).await,
        Value::Propose { id } => propose(opened, &which(id)).await,
        Value::Agree { id } => agree(opened, &which(id)).await,
    }
}

pub(super) async fn goal(opened: &Opened, goal: Goal) -> Result<(), CommandError> {
    let which = |id| What::Item(Collection::Goals, id);
    match goal {
        Goal::Add { title, why, area, from, until, mine } => {
            let date = |text: Option<String>| text.as_deref().map(parse_date).transpose();
            let fields = given([
                ("title", Some(title.into())),
                ("why", why.map(Json::from)),
                ("area", area.map(Json::from)),
                ("from", date(from)?),
                ("until", date(until)?),
            ]);
            found(opened, Collection::Goals, &NewItem { scope: mine.then_some(Scope::Mine), fields }).await
        }
        Goal::List => list(opened, Collection::Goals).await,
        Goal::Show { id } => show(opened, &which(id)).await,
        Goal::Set { id, field, text } => write(opened, &which(id), &field, text).await,
        Goal::Propose { id } => propose(opened, &which(id)).await,
        Goal::Agree { id } => agree(opened, &which(id)).await,
        Goal::Milestone { goal, title, count, amount, unit } => {
            let measure = measure(count, amount.as_deref(), unit)?;
            milestone(opened, &goal, title, measure).await
        }
        Goal::Log { milestone, amount, note } => log(opened, &milestone, amount.as_deref(), note).await,
    }
}

async fn found(opened: &Opened, collection: Collection, new: &NewItem) -> Result<(), CommandError> {
    let item = create(&opened.client, collection, new).await?;
    opened.terminal.result(&item, || item::full(&opened.look(), &item))
}

async fn list(opened: &Opened, collection: Collection) -> Result<(), CommandError> {
    let items = opened.client.items(collection, None).await?;
    opened.terminal.result(&items, || item::list(&opened.look(), collection, &items))
}

async fn show(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    opened.terminal.result(&item, || item::full(&opened.look(), &item))
}

/// Says a field's new text. Where the versions differ, one works on one's own.
async fn write(opened: &Opened, what: &What, name: &str, text: Text) -> Result<(), CommandError> {
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

async fn propose(opened: &Opened, what: &What) -> Result<(), CommandError> {
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
async fn agree(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let wording = field(&item, "wording")?;
    let Some(text) = the_others(wording)? else {
        let what = if wording.agreed {
            "you both agreed to it already"
        } else {
            "there is nothing proposed that waits for you"
        };
        return Err(CommandError::NotFound { what: what.into() });
    };
    let saying: Saying = what.say(opened, "wording", text.clone(), &wording.seen).await?;
    told(opened, &saying)
}

/// The one value that the other partner says and the reader does not.
pub(super) fn the_others(field: &Field) -> Result<Option<&Json>, CommandError> {
    let said: Vec<&Version> =
        field.waiting.iter().chain(field.versions()).filter(|version| !version.said.own).collect();
    let mut values: Vec<&Json> = Vec::new();
    for version in said {
        let agreed_already = field.agreed && field.held() == Some(&version.value);
        if !agreed_already && !values.contains(&&version.value) {
            values.push(&version.value);
        }
    }
    match values.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(CommandError::Value {
            what: "the other said more than one thing; choose by its number: --take NUMBER (betwixt differences)"
                .into(),
        }),
    }
}

fn measure(count: Option<i64>, amount: Option<&str>, unit: Option<String>) -> Result<Json, CommandError> {
    if let Some(target) = count {
        return Ok(match unit {
            Some(unit) => json!({ "type": "count", "target": target, "unit": unit }),
            None => json!({ "type": "count", "target": target }),
        });
    }
    match (amount, unit) {
        (Some(amount), unit) => {
            let decimals = decimals_of(amount);
            let target = parse_amount(amount, decimals)?;
            Ok(json!({ "type": "amount", "target": target, "unit": unit, "decimals": decimals }))
        }
        (None, None) => Ok(json!({ "type": "yes_no" })),
        (None, Some(_)) => {
            Err(CommandError::Value { what: "a unit goes with a number: --count NUMBER or --amount AMOUNT".into() })
        }
    }
}

async fn milestone(opened: &Opened, goal: &str, title: String, measure: Json) -> Result<(), CommandError> {
    let goal = opened.client.item(Collection::Goals, goal).await?;
    let fields = given([("goal", Some(goal.id.into())), ("title", Some(title.into())), ("measure", Some(measure))]);
    // Where its goal is: a milestone of a private goal is private.
    found(opened, Collection::Milestones, &NewItem { scope: Some(goal.scope), fields }).await
}

async fn log(opened: &Opened, id: &str, amount: Option<&str>, note: Option<String>) -> Result<(), CommandError> {
    let milestone = opened.client.item(Collection::Milestones, id).await?;
    let measure = Measure::read(milestone.fields.get("measure").and_then(Field::held));
    if measure.kind == "yes_no" {
        if amount.is_some() || note.is_some() {
            let what = "this milestone is done or not: leave amount and note away".into();
            return Err(CommandError::Value { what });
        }
        let what = What::Item(Collection::Milestones, milestone.id.clone());
        let saying = what.say(opened, "done", true.into(), &field(&milestone, "done")?.seen).await?;
        return told(opened, &saying);
    }
    let Some(amount) = amount else {
        return Err(CommandError::Value { what: "how much? Give a number, such as: betwixt goal log ID 2".into() });
    };
    let entry = ProgressEntry { amount: parse_amount(amount, measure.decimals)?, note };
    let key = uuid::Uuid::new_v4().to_string();
    let after = opened.client.progress(&milestone.id, &key, &entry).await?;
    opened.terminal.result(&after, || {
        let sum = after.tally.as_ref().map_or(entry.amount, |tally| tally.sum);
        format!("{}: {}", crate::render::field::brief(after.fields.get("title")), measure.show(sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures() {
        assert_eq!(measure(None, None, None).expect("fits"), json!({"type": "yes_no"}));
        assert_eq!(
            measure(None, Some("800.00"), Some("EUR".into())).expect("fits"),
            json!({"type": "amount", "target": 80000, "unit": "EUR", "decimals": 2})
        );
        assert!(measure(None, None, Some("rides".into())).is_err());
    }
}
