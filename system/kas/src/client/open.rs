//! Authorize, get the key, decrypt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dive_authz::Obligation;
use dive_authz::ztdf::{self, Object};
use dive_runtime::Runtime;
use serde::{Deserialize, Serialize};

use super::transport::post;
use super::{KasClient, RequestError, Transport, TransportError, read};

/// Why an object was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailure {
    /// The node did not authorize it.
    #[error("not authorized: {0}")]
    Authorize(RequestError),
    /// The node's obligations name no key, or one that the object does not have.
    #[error("no key access object of this object is named by the obligations")]
    NoKeyAccess,
    /// The key access service did not release the key.
    #[error("no key: {0}")]
    Key(RequestError),
    /// The payload does not open: object and key do not belong together, or it was changed.
    #[error("the object was changed, or the key is not its own")]
    Changed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    resource_id: &'a str,
    operation: &'static str,
}

/// What is used of a node's answer.
#[derive(Deserialize)]
struct Authorized {
    allow: bool,
    reason: String,
    obligations: Vec<Obligation>,
}

/// Opens protected objects: asks a node for authorization, a key access service for the key.
pub struct Opener {
    node: Arc<dyn Transport>,
    kas: KasClient,
    runtime: Arc<dyn Runtime>,
    timeout: Duration,
}

impl Opener {
    /// By `node` and `kas`; the node's answer is waited for no longer than `timeout`.
    pub fn new(
        node: Arc<dyn Transport>,
        kas: KasClient,
        runtime: Arc<dyn Runtime>,
        timeout: Duration,
    ) -> Self {
        Self { node, kas, runtime, timeout }
    }

    /// The plaintext of `object`, for the bearer of `token`.
    ///
    /// # Errors
    /// [`OpenFailure`], with the step that failed.
    pub async fn open(&self, token: &str, object: &Object) -> Result<Vec<u8>, OpenFailure> {
        let resource_id = &object.manifest.policy.resource_id;
        let obligations = self.authorize(token, resource_id).await.map_err(OpenFailure::Authorize)?;
        let named = obligations.iter().find_map(|obligation| {
            let Obligation::Kas { kao_id, .. } = obligation;
            object.manifest.key_access(kao_id)
        });
        let access = named.ok_or(OpenFailure::NoKeyAccess)?;
        let dek = self.kas.request_key(token, resource_id, &access.kao_id).await.map_err(OpenFailure::Key)?;
        ztdf::open(object, &dek).map_err(|_| OpenFailure::Changed)
    }

    async fn authorize(&self, token: &str, resource_id: &str) -> Result<Vec<Obligation>, RequestError> {
        let question = Question { resource_id, operation: "read" };
        let asking = post(&*self.node, "/api/authorize", token, &question);
        let answer = self.runtime.timeout(self.timeout, asking).await;
        let answer = answer.map_err(|elapsed| TransportError(elapsed.to_string()))??;
        let Authorized { allow, reason, obligations } = read(&answer)?;
        if allow {
            Ok(obligations)
        } else {
            Err(RequestError::Refused { status: answer.status().as_u16(), reason, retry_after: None })
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("kas", &self.kas).finish_non_exhaustive()
    }
}
