//! The other side: how a protected object is opened.
//!
//! ```text
//!  Opener ──► node  GET /api/resources/{id} ──► manifest, obligation {kas, request_key, kaoId}
//!     │
//!     ├────► KasClient ──► KAS  POST /request-key ──► the data key, wrapped for this request
//!     │
//!     └────► node  GET /api/resources/{id}/payload ──► decrypted here
//! ```
//!
//! Services are reached through a [`Transport`]: over HTTP, or within the same process.

mod open;
mod transport;

pub use open::{OpenFailure, Opener};
pub use transport::{HttpTransport, InProcess, Transport, TransportError};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dive_authz::ztdf::Dek;
use dive_authz::ztdf::key_wrap::{self, PrivateKey, Purpose};
use dive_node::rfc3339;
use dive_runtime::Runtime;
use http::{Response, StatusCode};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::de::DeserializeOwned;

use crate::protocol::{KeyRequest, REQUEST_KEY, RefusalBody, ReleasedKey};

/// Why there is no key, or no authorization.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The service was not reached, or broke off.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It refused.
    #[error("refused with status {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why, in the service's words.
        reason: String,
        /// When to come back, if it said so.
        retry_after: Option<Duration>,
    },
    /// Its answer is not what it should be.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The key in its answer is not the one asked for.
    #[error("the key in the answer was not wrapped for this request")]
    ForeignKey,
}

/// Asks one key access service for keys.
pub struct KasClient {
    service: Arc<dyn Transport>,
    runtime: Arc<dyn Runtime>,
    timeout: Duration,
    chance: Mutex<StdRng>,
}

impl KasClient {
    /// A client of `service`, whose answers are waited for no longer than `timeout`. `chance` makes nonces and
    /// ephemeral keys: seeded from the system outside simulations.
    pub fn new(
        service: Arc<dyn Transport>,
        runtime: Arc<dyn Runtime>,
        timeout: Duration,
        chance: StdRng,
    ) -> Self {
        Self { service, runtime, timeout, chance: Mutex::new(chance) }
    }

    /// The data key in the key access object `kao_id` of `resource_id`, for the bearer of `token`. Never asks
    /// twice: a nonce is good once, and whether to try again is the caller's to decide.
    ///
    /// # Errors
    /// [`RequestError`] when there is no key.
    pub async fn request_key(
        &self,
        token: &str,
        resource_id: &str,
        kao_id: &str,
    ) -> Result<Dek, RequestError> {
        let mut chance = StdRng::from_rng(&mut *self.chance.lock());
        let own = PrivateKey::generate(&mut chance);
        let request = KeyRequest {
            resource_id: resource_id.to_owned(),
            kao_id: kao_id.to_owned(),
            client_public_key: own.public_key(),
            nonce: format!("{:032x}", chance.random::<u128>()),
            timestamp: rfc3339(self.runtime.wall()),
        };
        let sending = transport::post(&*self.service, REQUEST_KEY, token, &request);
        let answer = self.runtime.timeout(self.timeout, sending).await;
        let answer = answer.map_err(|elapsed| TransportError(elapsed.to_string()))??;
        let released: ReleasedKey = read(&answer)?;
        let purpose = Purpose::Release { resource_id, kao_id, nonce: &request.nonce };
        key_wrap::unwrap(&released.dek, &own, &purpose).map_err(|_| RequestError::ForeignKey)
    }
}

impl fmt::Debug for KasClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KasClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The body of a 200, or the refusal that it is instead.
fn accepted(answer: &Response<Bytes>) -> Result<&Bytes, RequestError> {
    if answer.status() == StatusCode::OK {
        return Ok(answer.body());
    }
    let status = answer.status().as_u16();
    let body: RefusalBody = serde_json::from_slice(answer.body())
        .map_err(|_| RequestError::Unreadable(format!("status {status} without a reason")))?;
    let retry_after = body.retry_after_seconds.map(Duration::from_secs);
    Err(RequestError::Refused { status, reason: body.reason, retry_after })
}

/// The JSON of a 200, or the refusal that it is instead.
fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, RequestError> {
    serde_json::from_slice(accepted(answer)?).map_err(|error| RequestError::Unreadable(error.to_string()))
}
