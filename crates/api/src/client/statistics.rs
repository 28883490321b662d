//! What pictures are drawn from.

use super::query::Query;
use super::{Client, ClientError};
use crate::statistics::{Statistics, StatisticsRequest};

impl Client {
    /// How much there is, by the month.
    pub async fn statistics(&self, request: &StatisticsRequest) -> Result<Statistics, ClientError> {
        self.get(&format!("/v1/statistics{}", Query::from(request))).await
    }
}
