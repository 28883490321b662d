//! Lists, page by page, and what can be asked of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::item::{Collection, Scope};

/// How many entries a page has when nobody says.
pub const DEFAULT_PAGE: u32 = 50;

/// The most entries that a page has.
pub const MAX_PAGE: u32 = 200;

/// Part of a list. Lists that do not grow with the years come on one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries, in the order of the list.
    pub items: Vec<T>,
    /// To be handed back as `after` for the next page; absent on the last one. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is all on one page.
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Which entries come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// From the oldest to the latest.
    #[default]
    Oldest,
    /// From the latest to the oldest.
    Latest,
}

/// How much of a list is asked for, and from where on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// 1 to [`MAX_PAGE`]; [`DEFAULT_PAGE`] when not given.
    pub limit: Option<u32>,
    /// [`Page::next`] of the page before.
    pub after: Option<String>,
}

/// What is asked of `GET /v1/{collection}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemsRequest {
    /// Who may see them; both when not given, first what is shared.
    pub scope: Option<Scope>,
    /// Only those that link to this item: a goal's milestones, the thanks for a value.
    pub of: Option<String>,
    /// The first founding date, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last founding date, included.
    pub until: Option<String>,
    /// Which come first.
    pub order: Order,
    /// Which page.
    pub paging: Paging,
}

/// What is asked of `GET /v1/history/{item}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryRequest {
    /// Only what was said in this field.
    pub field: Option<String>,
    /// Only what this partner said, by id.
    pub by: Option<String>,
    /// The first date on which it was said, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last, included.
    pub until: Option<String>,
    /// Which comes first.
    pub order: Order,
    /// Which page.
    pub paging: Paging,
}

/// What is asked of `GET /v1/since`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinceRequest {
    /// The first date on which something came or went, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last, included.
    pub until: Option<String>,
    /// Which page of meetings.
    pub paging: Paging,
}

/// What is asked of `GET /v1/settle`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettleRequest {
    /// Who may see it; both when not given.
    pub scope: Option<Scope>,
    /// Only items of this collection.
    pub collection: Option<Collection>,
    /// Only the items whose ids begin so, or `vision`.
    pub item: Option<String>,
    /// Which page.
    pub paging: Paging,
}
