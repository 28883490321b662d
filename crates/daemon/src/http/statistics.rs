//! What pictures are drawn from: the path, and what it asks of the loop.

use axum::http::Uri;
use betwixt_api::{Problem, Scope};
use betwixt_model::index::Month;

use super::access::{READ, Routes};
use super::lists::Query;
use super::request::Request;
use super::routes::Asking;

/// Which months are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatisticsAsked {
    /// Both when not given.
    pub scope: Option<Scope>,
    /// The first month.
    pub from: Option<Month>,
    /// The last month, included.
    pub until: Option<Month>,
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/statistics", READ, |call: Asking| {
        call.with(|parts| Ok(Request::Statistics(StatisticsAsked::read(&parts.uri)?)))
    })
}

impl StatisticsAsked {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::read(uri, &["scope", "from", "until"])?;
        let (from, until) = (query.date("from")?.map(Month::of), query.date("until")?.map(Month::of));
        Ok(Self { scope: query.scope()?, from, until })
    }

    /// Whether a month is asked for.
    pub(crate) fn holds(&self, month: Month) -> bool {
        self.from.is_none_or(|from| month >= from) && self.until.is_none_or(|until| month <= until)
    }
}

#[cfg(test)]
mod tests {
    use betwixt_api::ProblemKind;

    use super::*;

    #[test]
    fn months_are_asked_for_by_days_in_them() {
        let uri = |text: &str| text.parse::<Uri>().expect("is an address");
        let asked =
            StatisticsAsked::read(&uri("/v1/statistics?from=2027-03-31&until=2027-04-01")).expect("is understood");
        let month = |year, month| Month { year, month };
        let held = [month(2027, 2), month(2027, 3), month(2027, 4), month(2027, 5), month(2028, 3)];
        assert_eq!(held.map(|month| asked.holds(month)), [false, true, true, false, false]);
        let refused = StatisticsAsked::read(&uri("/v1/statistics?by=k3j4")).expect_err("nobody is counted apart");
        assert_eq!(refused.kind, ProblemKind::Invalid);
    }
}
