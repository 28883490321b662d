//! Asking for the past.

use super::pages::widest;
use super::query::Query;
use super::{Client, ClientError, Empty, segment};
use crate::page::{HistoryRequest, SinceRequest};
use crate::past::{Comparison, History, LastAct, Provenance, Since, Then, Timeline, Undone, Words};

impl Client {
    /// A page of what was said about an item: `vision`, or the unique beginning of an id.
    pub async fn history(&self, item: &str, request: &HistoryRequest) -> Result<History, ClientError> {
        self.get(&format!("/v1/history/{}{}", segment(item)?, Query::from(request))).await
    }

    /// Where the wordings of an item come from that stand agreed or wait.
    pub async fn provenance(&self, item: &str) -> Result<Vec<Provenance>, ClientError> {
        self.list(&format!("/v1/history/{}/provenance", segment(item)?)).await
    }

    /// Everything that was said about an item, and where its wordings come from.
    pub async fn timeline(&self, item: &str) -> Result<Timeline, ClientError> {
        let first = self.history(item, &HistoryRequest { paging: widest(None), ..HistoryRequest::default() }).await?;
        let History { item: reference, items: mut events, mut next } = first;
        while let Some(after) = next.take() {
            let request = HistoryRequest { paging: widest(Some(after)), ..HistoryRequest::default() };
            let page = self.history(item, &request).await?;
            events.extend(page.items);
            next = page.next;
        }
        Ok(Timeline { item: reference, events, provenance: self.provenance(item).await? })
    }

    /// How an item stood after a fact, or at the end of a day.
    pub async fn then(&self, item: &str, when: &str) -> Result<Then, ClientError> {
        self.get(&format!("/v1/history/{}/at/{}", segment(item)?, segment(when)?)).await
    }

    /// What changed between two versions.
    pub async fn compare(&self, item: &str, from: &str, to: &str) -> Result<Comparison, ClientError> {
        self.get(&format!("/v1/history/{}/from/{}/to/{}", segment(item)?, segment(from)?, segment(to)?)).await
    }

    /// Who said which words of an item's texts.
    pub async fn words(&self, item: &str) -> Result<Words, ClientError> {
        self.get(&format!("/v1/history/{}/words", segment(item)?)).await
    }

    /// One's own last act on this device.
    pub async fn last_act(&self) -> Result<LastAct, ClientError> {
        self.get("/v1/undo").await
    }

    /// Takes one's own last act back.
    pub async fn undo(&self) -> Result<Undone, ClientError> {
        self.post("/v1/undo", &Empty {}).await
    }

    /// A page of meetings, latest first, and what waits for the next one.
    pub async fn since(&self, request: &SinceRequest) -> Result<Since, ClientError> {
        self.get(&format!("/v1/since{}", Query::from(request))).await
    }
}
