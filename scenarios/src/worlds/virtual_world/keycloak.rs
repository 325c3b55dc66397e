//! The identity provider, called over a link of the simulation.

use std::sync::Arc;

use async_trait::async_trait;
use dive_node::ports::{IdentityProvider, Probe, ProbeError, StoreError, TrustedIssuer};
use harness_sim::{Link, LinkError, Node, Reply};
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use standin_keycloak::{Interface, Method, Realms, Request};

/// One life of the stand-in's process, on a database that may be older.
#[derive(Clone)]
pub(super) struct Keycloak {
    pub(super) realms: Arc<Mutex<Realms>>,
    pub(super) life: Node,
}

impl Keycloak {
    /// Answers one request: the status and the body.
    pub(super) fn answer(
        &self,
        interface: Interface,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request { interface, method, base: "http://keycloak", path, query, body };
        let response = self.realms.lock().handle(&request, self.life.wall());
        (response.status, response.body)
    }
}

/// The node's way to it.
pub(super) struct LinkedKeycloak {
    pub(super) link: Link<Keycloak>,
}

impl LinkedKeycloak {
    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), String> {
        let path = path.to_owned();
        let called = self.link.call(move |keycloak: Keycloak| async move {
            keycloak.answer(Interface::Main, Method::Get, &path, &[])
        });
        match called.await {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(Reply::Truncated { .. }) => Err(LinkError::Closed.to_string()),
            Ok(Reply::Wrong { status, body }) => Ok((status, body.into_bytes())),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[async_trait]
impl IdentityProvider for LinkedKeycloak {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        let url = issuer.keys_url.as_deref().unwrap_or_default();
        let path = url
            .strip_prefix(BASE)
            .ok_or_else(|| StoreError::Refused(format!("`{url}` is not in this world")))?;
        match self.get(path).await.map_err(StoreError::Unavailable)? {
            (200, body) => {
                serde_json::from_slice(&body).map_err(|error| StoreError::Unavailable(error.to_string()))
            }
            (status @ 400..500, _) => Err(StoreError::Refused(format!("status {status}"))),
            (status, _) => Err(StoreError::Unavailable(format!("status {status}"))),
        }
    }
}

#[async_trait]
impl Probe for LinkedKeycloak {
    async fn check(&self) -> Result<(), ProbeError> {
        match self.get("/realms/master").await.map_err(ProbeError)? {
            (200, _) => Ok(()),
            (status, _) => Err(ProbeError(format!("status {status}"))),
        }
    }
}

/// What stands before the path in every URL of this world's registry.
pub(super) const BASE: &str = "http://keycloak";
