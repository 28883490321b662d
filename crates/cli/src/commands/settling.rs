//! Bringing over what was private, and settling what differs.

use betwixt_api::{Bring as BringRequest, Collection, Scope, Thread};

use super::statements::the_others;
use super::what::{What, told, value_of};
use crate::arguments::{Bring, Settle};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::item;

pub(super) async fn bring(opened: &Opened, bring: Bring) -> Result<(), CommandError> {
    let request = match (bring.all, bring.items) {
        (true, _) => BringRequest::All,
        (false, items) if items.is_empty() => {
            let choices = opened.client.bring_choices().await?;
            return opened.terminal.result(&choices, || item::bring_choices(&opened.look(), &choices));
        }
        (false, items) => BringRequest::Items(items),
    };
    let report = opened.client.bring(&request).await?;
    opened.terminal.result(&report, || item::bring_report(&report))
}

pub(super) async fn differences(opened: &Opened) -> Result<(), CommandError> {
    let differences = opened.client.differences().await?;
    opened.terminal.result(&differences, || item::differences(&opened.look(), &differences))
}

pub(super) async fn settle(opened: &Opened, settle: Settle) -> Result<(), CommandError> {
    let differences = opened.client.differences().await?;
    let thread = find(&differences.threads, &settle.item)?;
    let field = thread.fields.get(&settle.field).ok_or_else(|| {
        let waiting: Vec<&str> = thread.fields.keys().map(String::as_str).collect();
        CommandError::NotFound {
            what: format!("nothing waits in `{}`; what waits there is: {}", settle.field, waiting.join(", ")),
        }
    })?;
    let value = match (settle.how.take, settle.how.say) {
        (Some(Some(number)), _) => {
            let version = number.checked_sub(1).and_then(|place| field.versions().get(place));
            let missing = || CommandError::NotFound { what: format!("there is no version {number} there") };
            version.ok_or_else(missing)?.value.clone()
        }
        (Some(None), _) => {
            let missing = || CommandError::NotFound { what: "the other said nothing else there".into() };
            the_others(field)?.ok_or_else(missing)?.clone()
        }
        (None, Some(text)) => {
            let text = if text == "-" { opened.terminal.read_text()? } else { text };
            value_of(&settle.field, &text)?
        }
        (None, None) => return Err(CommandError::Value { what: "say which: --take or --say TEXT".into() }),
    };
    let what = match thread.item.collection {
        Collection::Vision => What::Vision(Some(thread.item.scope)),
        collection => What::Item(collection, thread.item.id.clone()),
    };
    let saying = what.say(opened, &settle.field, value, &field.seen).await?;
    told(opened, &saying)
}

/// The thread of the vision (the shared one first), or of the one item whose id begins like that.
fn find<'a>(threads: &'a [Thread], item: &str) -> Result<&'a Thread, CommandError> {
    let vision = |thread: &&Thread| thread.item.collection == Collection::Vision;
    let matching: Vec<&Thread> = if item == "vision" {
        let mut visions: Vec<&Thread> = threads.iter().filter(vision).collect();
        visions.sort_by_key(|thread| thread.item.scope != Scope::Ours);
        visions.truncate(1);
        visions
    } else {
        threads.iter().filter(|thread| thread.item.id.starts_with(item)).collect()
    };
    match matching.as_slice() {
        [one] => Ok(one),
        [] => Err(CommandError::NotFound { what: format!("nothing waits to be settled in `{item}`") }),
        _ => Err(CommandError::NotFound { what: format!("more than one id begins with `{item}`; give more of it") }),
    }
}

pub(super) async fn history(opened: &Opened, id: &str) -> Result<(), CommandError> {
    let entries = if id == "vision" {
        opened.client.vision_history(None).await?
    } else {
        let mut found = None;
        for collection in Collection::ALL.into_iter().filter(|collection| *collection != Collection::Vision) {
            match opened.client.history(collection, id).await {
                Ok(entries) => {
                    found = Some(entries);
                    break;
                }
                Err(betwixt_api::ClientError::Problem(problem))
                    if problem.kind == betwixt_api::ProblemKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        found.ok_or_else(|| CommandError::NotFound { what: format!("no id begins with `{id}`") })?
    };
    opened.terminal.result(&entries, || item::history(&opened.look(), &entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use betwixt_api::ItemReference;

    fn thread(collection: Collection, scope: Scope, id: &str) -> Thread {
        let item = ItemReference { id: id.into(), collection, scope, title: "t".into() };
        Thread { item, fields: Default::default() }
    }

    #[test]
    fn an_item_is_found_by_the_beginning_of_its_id_and_only_if_that_is_unique() {
        let threads = [
            thread(Collection::Vision, Scope::Mine, "vvvv"),
            thread(Collection::Vision, Scope::Ours, "wwww"),
            thread(Collection::Goals, Scope::Ours, "k3j4"),
            thread(Collection::Goals, Scope::Ours, "k3x2"),
        ];
        assert_eq!(find(&threads, "k3j").expect("one").item.id, "k3j4");
        assert_eq!(find(&threads, "vision").expect("one").item.id, "wwww");
        assert!(find(&threads, "k3").is_err() && find(&threads, "zz").is_err());
    }
}
