//! Rituals' calendars, and what is said about occurrences.

use super::{Client, ClientError, segment};
use crate::ritual::{Calendar, CalendarRequest};
use crate::{Problem, ProblemKind, Say, Saying};

impl Client {
    /// What takes place, of all rituals.
    pub async fn calendar(&self, request: &CalendarRequest) -> Result<Calendar, ClientError> {
        self.get(&format!("/v1/calendar{}", query(request)?)).await
    }

    /// What takes place, of one ritual.
    pub async fn ritual_calendar(&self, ritual: &str, request: &CalendarRequest) -> Result<Calendar, ClientError> {
        self.get(&format!("/v1/rituals/{}/calendar{}", segment(ritual)?, query(request)?)).await
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

fn query(request: &CalendarRequest) -> Result<String, ClientError> {
    let mut query = String::new();
    for (name, value) in [("from", &request.from), ("to", &request.to), ("zone", &request.zone)] {
        let Some(value) = value else { continue };
        // Nothing of it may become another parameter.
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+/".contains(&byte)) {
            let words = "A date is written 2027-01-31, and a time zone Europe/Berlin.";
            return Err(Problem::new(ProblemKind::Invalid, words).about(name).into());
        }
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(&format!("{name}={value}"));
    }
    Ok(query)
}
