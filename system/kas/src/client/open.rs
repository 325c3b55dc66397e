//! Authorize, get the key, decrypt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dive_authz::Obligation;
use dive_authz::ztdf::{self, Manifest, Object};
use dive_runtime::Runtime;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::transport::get;
use super::{KasClient, RequestError, Transport, TransportError, accepted, read};

/// Why a resource was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailure {
    /// The node did not hand it out.
    #[error("not authorized: {0}")]
    Authorize(RequestError),
    /// It is not encrypted, or its obligations name no key access object that it has.
    #[error("the resource has no key access object to ask a key for")]
    NoKeyAccess,
    /// The key access service did not release the key.
    #[error("no key: {0}")]
    Key(RequestError),
    /// The payload does not open: object and key do not belong together, or it was changed on the way.
    #[error("the object was changed, or the key is not its own")]
    Changed,
}

/// What is used of a node's answer.
#[derive(Deserialize)]
struct Authorized {
    obligations: Vec<Obligation>,
    object: Option<ObjectReference>,
}

#[derive(Deserialize)]
struct ObjectReference {
    manifest: Manifest,
}

/// Opens protected resources: a node authorizes and hands out the object, a key access service the key.
pub struct Opener {
    node: Arc<dyn Transport>,
    kas: KasClient,
    runtime: Arc<dyn Runtime>,
    timeout: Duration,
}

impl Opener {
    /// By `node` and `kas`; an answer of the node is waited for no longer than `timeout`.
    pub fn new(
        node: Arc<dyn Transport>,
        kas: KasClient,
        runtime: Arc<dyn Runtime>,
        timeout: Duration,
    ) -> Self {
        Self { node, kas, runtime, timeout }
    }

    /// The plaintext of a resource, for the bearer of `token`.
    ///
    /// # Errors
    /// [`OpenFailure`], with the step that failed.
    pub async fn open(&self, token: &str, resource_id: &str) -> Result<Vec<u8>, OpenFailure> {
        let path = format!("/api/resources/{}", utf8_percent_encode(resource_id, NON_ALPHANUMERIC));
        let answer = self.ask(&path, token).await.map_err(OpenFailure::Authorize)?;
        let Authorized { obligations, object } = read(&answer).map_err(OpenFailure::Authorize)?;
        let manifest = object.ok_or(OpenFailure::NoKeyAccess)?.manifest;
        let named = obligations.iter().find_map(|obligation| {
            let Obligation::Kas { kao_id, .. } = obligation;
            manifest.key_access(kao_id)
        });
        let kao_id = &named.ok_or(OpenFailure::NoKeyAccess)?.kao_id;
        let dek = self.kas.request_key(token, resource_id, kao_id).await.map_err(OpenFailure::Key)?;
        let payload = self.ask(&format!("{path}/payload"), token).await.map_err(OpenFailure::Authorize)?;
        let payload = accepted(&payload).map_err(OpenFailure::Authorize)?.to_vec();
        ztdf::open(&Object { manifest, payload }, &dek).map_err(|_| OpenFailure::Changed)
    }

    async fn ask(&self, path: &str, token: &str) -> Result<Response<Bytes>, RequestError> {
        let answer = self.runtime.timeout(self.timeout, get(&*self.node, path, token)).await;
        Ok(answer.map_err(|elapsed| TransportError(elapsed.to_string()))??)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("kas", &self.kas).finish_non_exhaustive()
    }
}
