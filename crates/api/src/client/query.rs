//! Queries and path segments, so written that nothing in a value becomes another parameter or path.

use std::fmt::Write;

use crate::page::{HistoryRequest, ItemsRequest, Order, Paging, SettleRequest, SinceRequest};
use crate::ritual::CalendarRequest;
use crate::statistics::StatisticsRequest;

/// A query, as it is put after a path; nothing where nothing is asked for.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    pub(super) fn with(mut self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.push_str(&escaped(value.as_ref()));
        }
        self
    }

    fn ordered(self, order: Order) -> Self {
        self.with("order", (order == Order::Latest).then_some("latest"))
    }

    fn paged(self, paging: &Paging) -> Self {
        self.with("limit", paging.limit.map(|limit| limit.to_string())).with("after", paging.after.as_ref())
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&Paging> for Query {
    fn from(paging: &Paging) -> Self {
        Self::default().paged(paging)
    }
}

impl From<&ItemsRequest> for Query {
    fn from(request: &ItemsRequest) -> Self {
        let ItemsRequest { scope, of, from, until, order, paging } = request;
        let query = Self::default().with("scope", scope.map(|scope| scope.name())).with("of", of.as_ref());
        query.with("from", from.as_ref()).with("until", until.as_ref()).ordered(*order).paged(paging)
    }
}

impl From<&HistoryRequest> for Query {
    fn from(request: &HistoryRequest) -> Self {
        let HistoryRequest { field, by, from, until, order, paging } = request;
        let query = Self::default().with("field", field.as_ref()).with("by", by.as_ref());
        query.with("from", from.as_ref()).with("until", until.as_ref()).ordered(*order).paged(paging)
    }
}

impl From<&SinceRequest> for Query {
    fn from(request: &SinceRequest) -> Self {
        let SinceRequest { from, until, paging } = request;
        Self::default().with("from", from.as_ref()).with("until", until.as_ref()).paged(paging)
    }
}

impl From<&SettleRequest> for Query {
    fn from(request: &SettleRequest) -> Self {
        let SettleRequest { scope, collection, item, paging } = request;
        let query = Self::default().with("scope", scope.map(|scope| scope.name()));
        let query = query.with("collection", collection.map(|collection| collection.name()));
        query.with("item", item.as_ref()).paged(paging)
    }
}

impl From<&CalendarRequest> for Query {
    fn from(request: &CalendarRequest) -> Self {
        let CalendarRequest { from, until, zone } = request;
        Self::default().with("from", from.as_ref()).with("until", until.as_ref()).with("zone", zone.as_ref())
    }
}

impl From<&StatisticsRequest> for Query {
    fn from(request: &StatisticsRequest) -> Self {
        let StatisticsRequest { scope, from, until } = request;
        let query = Self::default().with("scope", scope.map(|scope| scope.name()));
        query.with("from", from.as_ref()).with("until", until.as_ref())
    }
}

/// A text as one segment of a path, or one value of a query (RFC 3986, unreserved characters as they are).
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_becomes_another_parameter() {
        let request = CalendarRequest { zone: Some("Europe/Berlin&from=x y".into()), ..CalendarRequest::default() };
        assert_eq!(Query::from(&request).to_string(), "?zone=Europe%2FBerlin%26from%3Dx%20y");
        assert_eq!(Query::from(&ItemsRequest::default()).to_string(), "");
    }
}
