//! Rituals' calendars, and what is said about occurrences.

use super::query::Query;
use super::{Client, ClientError, segment};
use crate::ritual::{Calendar, CalendarRequest};
use crate::{Say, Saying};

impl Client {
    /// What takes place, of all rituals.
    pub async fn calendar(&self, request: &CalendarRequest) -> Result<Calendar, ClientError> {
        self.get(&format!("/v1/calendar{}", Query::from(request))).await
    }

    /// What takes place, of one ritual.
    pub async fn ritual_calendar(&self, ritual: &str, request: &CalendarRequest) -> Result<Calendar, ClientError> {
        self.get(&format!("/v1/rituals/{}/calendar{}", segment(ritual)?, Query::from(request))).await
    }

    /// Says something about an occurrence: its `mark`, `skip` or `moved`.
    pub async fn say_occurrence(
        &self,
        ritual: &str,
        date: &str,
        field: &str,
        say: &Say,
    ) -> Result<Saying, ClientError> {
        let path = format!("/v1/rituals/{}/occurrences/{}/{}", segment(ritual)?, segment(date)?, segment(field)?);
        self.put(&path, say).await
    }
}
