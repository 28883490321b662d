//! Lists, by the page or whole.

use super::query::Query;
use super::{Client, ClientError};
use crate::page::{ItemsRequest, MAX_PAGE, Page, Paging, SettleRequest};
use crate::seal::SealedSession;
use crate::settle::{SettleThread, ToSettle};
use crate::{BringChoice, Collection, Differences, Item, Scope, Thread};

impl Client {
    /// A page of a collection.
    pub async fn items_page(&self, collection: Collection, request: &ItemsRequest) -> Result<Page<Item>, ClientError> {
        self.get(&format!("/v1/{}{}", collection.name(), Query::from(request))).await
    }

    /// The items of a collection, page after page; of both scopes unless told.
    pub async fn items(&self, collection: Collection, scope: Option<Scope>) -> Result<Vec<Item>, ClientError> {
        let all = async |paging| {
            let request = ItemsRequest { scope, paging, ..ItemsRequest::default() };
            self.items_page(collection, &request).await
        };
        every(all).await
    }

    /// A page of what is to settle.
    pub async fn settle_page(&self, request: &SettleRequest) -> Result<Page<SettleThread>, ClientError> {
        self.get(&format!("/v1/settle{}", Query::from(request))).await
    }

    /// Everything to settle.
    pub async fn to_settle(&self) -> Result<ToSettle, ClientError> {
        let page = async |paging| self.settle_page(&SettleRequest { paging, ..SettleRequest::default() }).await;
        Ok(ToSettle { threads: every(page).await? })
    }

    /// Of everything to settle, the fields that differ and the wordings that wait, those that rest too.
    pub async fn differences(&self) -> Result<Differences, ClientError> {
        let threads = self.to_settle().await?.threads.into_iter().filter(|thread| !thread.fields.is_empty());
        let thread = |thread: SettleThread| Thread {
            item: thread.item,
            fields: thread.fields.into_iter().map(|(name, waiting)| (name, waiting.field)).collect(),
        };
        Ok(Differences { threads: threads.map(thread).collect() })
    }

    /// A page of what is private and could be brought over.
    pub async fn bring_page(&self, paging: &Paging) -> Result<Page<BringChoice>, ClientError> {
        self.get(&format!("/v1/bring{}", Query::from(paging))).await
    }

    /// Everything that is private and could be brought over.
    pub async fn bring_choices(&self) -> Result<Vec<BringChoice>, ClientError> {
        every(async |paging| self.bring_page(&paging).await).await
    }

    /// A page of questions with their answers, oldest first.
    pub async fn seals_page(&self, paging: &Paging) -> Result<Page<SealedSession>, ClientError> {
        self.get(&format!("/v1/seals{}", Query::from(paging))).await
    }

    /// Every question with its answers, oldest first.
    pub async fn seals(&self) -> Result<Vec<SealedSession>, ClientError> {
        every(async |paging| self.seals_page(&paging).await).await
    }
}

/// The largest page after another.
pub(super) fn widest(after: Option<String>) -> Paging {
    Paging { limit: Some(MAX_PAGE), after }
}

/// Every entry of a list, in as few pages as there can be.
async fn every<T>(page: impl AsyncFn(Paging) -> Result<Page<T>, ClientError>) -> Result<Vec<T>, ClientError> {
    let Page { items: mut all, mut next } = page(widest(None)).await?;
    while let Some(after) = next.take() {
        let page = page(widest(Some(after))).await?;
        all.extend(page.items);
        next = page.next;
    }
    Ok(all)
}
