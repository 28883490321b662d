//! Bringing over what was private, what differs, and what was ever said.

use betwixt_api::Bring as BringRequest;

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
        (false, items) => BringRequest::whole(items),
    };
    let report = opened.client.bring(&request).await?;
    opened.terminal.result(&report, || item::bring_report(&report))
}

pub(super) async fn differences(opened: &Opened) -> Result<(), CommandError> {
    let differences = opened.client.differences().await?;
    opened.terminal.result(&differences, || item::differences(&opened.look(), &differences))
}
