//! Letting frontends in.

use bytes::Bytes;
use hyper::Method;

use super::{Client, ClientError, Empty, segment};
use crate::frontend::{AddedFrontend, ApproveFrontend, Frontend, FrontendBridge, Listen, Login, NewFrontend};

impl Client {
    /// Every frontend that is let in.
    pub async fn frontends(&self) -> Result<Vec<Frontend>, ClientError> {
        self.list("/v1/frontends").await
    }

    /// Lets a frontend in. The same key is told the same token, for ten minutes and until the token is used.
    pub async fn frontend_add(&self, key: &str, frontend: &NewFrontend) -> Result<AddedFrontend, ClientError> {
        self.post_once("/v1/frontends", key, frontend).await
    }

    /// Lets a frontend in no more.
    pub async fn frontend_revoke(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/v1/frontends/{}", segment(name)?);
        self.request::<Empty>(Method::DELETE, &path, None, Bytes::new()).await.map(drop)
    }

    /// Makes the URL of a frontend's bridge, which is told this once.
    pub async fn frontend_bridge(&self, name: &str) -> Result<FrontendBridge, ClientError> {
        self.put(&format!("/v1/frontends/{}/bridge", segment(name)?), &Empty {}).await
    }

    /// Ends a frontend's bridge.
    pub async fn frontend_end_bridge(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/v1/frontends/{}/bridge", segment(name)?);
        self.request::<Empty>(Method::DELETE, &path, None, Bytes::new()).await.map(drop)
    }

    /// What a frontend that shows a code asks for; approved when the request says what is granted.
    pub async fn frontend_approve(&self, approval: &ApproveFrontend) -> Result<NewFrontend, ClientError> {
        self.post("/v1/frontends/requests/approve", approval).await
    }

    /// Says where frontends reach the daemon over TCP.
    pub async fn listen(&self, listen: &Listen) -> Result<Listen, ClientError> {
        self.put("/v1/listen", listen).await
    }

    /// Makes a file that leads a browser to the daemon's page.
    pub async fn login(&self) -> Result<Login, ClientError> {
        self.post("/v1/login", &Empty {}).await
    }
}
