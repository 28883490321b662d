//! Bringing over what was private, what differs, and what was ever said.

use betwixt_api::{Bring as BringRequest, Collection};

use crate::arguments::Bring;
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
