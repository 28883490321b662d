//! How much there is.

use betwixt_api::StatisticsRequest;

use crate::error::CommandError;
use crate::home::Opened;
use crate::render::statistics::{by_month, by_year};

/// `betwixt statistics`: by the year, or of one year by the month.
pub(super) async fn statistics(opened: &Opened, year: Option<i16>) -> Result<(), CommandError> {
    let request = StatisticsRequest {
        scope: None,
        from: year.map(|year| format!("{year:04}-01-01")),
        until: year.map(|year| format!("{year:04}-12-31")),
    };
    let statistics = opened.client.statistics(&request).await?;
    let shown = if year.is_some() { by_month } else { by_year };
    opened.terminal.result(&statistics, || shown(&opened.look(), &statistics))
}
