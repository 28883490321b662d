//! Asking for the past.

use super::{Client, ClientError, Empty, segment};
use crate::past::{Comparison, LastAct, Since, Then, Timeline, Undone, Words};

impl Client {
    /// Everything that was said about an item: `vision`, or the unique beginning of an id.
    pub async fn timeline(&self, item: &str) -> Result<Timeline, ClientError> {
        self.get(&format!("/v1/history/{}", segment(item)?)).await
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

    /// What came and went in the latest meetings, as many as asked for.
    pub async fn since(&self, meetings: u32) -> Result<Since, ClientError> {
        self.get(&format!("/v1/since?meetings={meetings}")).await
    }
}
