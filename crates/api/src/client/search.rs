//! Searching.

use super::{Client, ClientError};
use crate::search::{SearchPage, SearchRequest};

impl Client {
    /// A page of what was found.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchPage, ClientError> {
        self.post("/v1/search", request).await
    }
}
