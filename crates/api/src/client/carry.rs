//! Files that are carried by hand.

use hyper::Method;

use super::export::Download;
use super::query::{Query, escaped};
use super::{Client, ClientError, build, disconnected, problem};
use crate::{CarryImport, CarryReport, CarryRequest};

impl Client {
    /// What a device lacks, as a file for it, over a connection of its own. The device is named by its id, the beginning of it,
    /// or what it is called.
    pub async fn carry_export(&self, device: &str, request: CarryRequest) -> Result<Download, ClientError> {
        let flag = |set: bool| set.then_some("true");
        let query = Query::default()
            .with("everything", flag(request.everything))
            .with("shared_only", flag(request.shared_only));
        let mut sender = self.connect().await?;
        let request = build(Method::GET, &format!("/v1/carry/{}{query}", escaped(device)), None, bytes::Bytes::new())?;
        let response = sender.send_request(request).await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Download::new(response.into_body(), sender))
    }

    /// Takes in a file that another device wrote for this one. Repeating it is harmless.
    pub async fn carry_import(&self, request: &CarryImport) -> Result<CarryReport, ClientError> {
        self.post("/v1/carry", request).await
    }
}
