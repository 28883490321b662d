//! Sealed answers.

use super::{Client, ClientError, segment};
use crate::seal::{SealAnswer, SealedSession};

impl Client {
    /// One question with its answers, by its id or the unique beginning of one.
    pub async fn seal(&self, id: &str) -> Result<SealedSession, ClientError> {
        self.get(&format!("/v1/seals/{}", segment(id)?)).await
    }

    /// Seals an answer.
    pub async fn seal_answer(&self, id: &str, request: &SealAnswer) -> Result<SealedSession, ClientError> {
        self.put(&format!("/v1/seals/{}/answer", segment(id)?), request).await
    }
}
