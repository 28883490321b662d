//! Goals, their milestones and the progress on them.

use betwixt_api::{Collection, Field, NewItem, ProgressEntry, Scope};
use serde_json::{Value as Json, json};

use super::given;
use super::statements::{found, list, show, statement};
use super::what::{What, field, told};
use super::wording::write;
use crate::arguments::Goal;
use crate::error::CommandError;
use crate::home::Opened;
use crate::values::{Measure, decimals_of, parse_amount, parse_date};

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
        Goal::Milestone { goal, title, count, amount, unit } => {
            let measure = measure(count, amount.as_deref(), unit)?;
            milestone(opened, &goal, title, measure).await
        }
        Goal::Statement(said) => statement(opened, Collection::Goals, said).await,
        Goal::Log { milestone, amount, note } => log(opened, &milestone, amount.as_deref(), note).await,
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
    let key = super::key();
    let after = super::once(async || opened.client.progress(&milestone.id, &key, &entry).await).await?;
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
