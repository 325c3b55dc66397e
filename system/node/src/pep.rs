//! The steps of an enforcement point one by one, for a service that enforces the same policy before it gives
//! another kind of answer: the key access service. Such a service stands around a [`Node`] of its own, which
//! brings the verification of tokens, the way to the policy engine, the checks, health, metrics and audit.
//!
//! ```text
//! verify ─► stored ─► question ─► decide ─► (the service's own work) ─► record
//! ```
//!
//! Nothing here remembers a decision: [`Node::decide`] asks the engine every time.

use std::sync::Arc;
use std::time::Duration;

use dive_authz::{Decision, Input, Reason};

use crate::audit::AuditEntry;
use crate::clock::rfc3339;
use crate::enforcement::{Ask, NO_METADATA, NO_TRAIL, Verdict};
use crate::event::NodeEvent;
use crate::http;
use crate::node::Node;
use crate::ports::StoredResource;
use crate::token::VerifiedToken;

/// A token that was verified.
pub struct Bearer(Arc<VerifiedToken>);

impl Bearer {
    /// Whose it is.
    pub fn unique_id(&self) -> Option<&str> {
        self.0.subject.unique_id.as_deref()
    }
}

/// Why a caller is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The token was refused. Never holds any part of it.
    #[error("{0}")]
    Refused(String),
    /// Whether it is good cannot be told.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Something that is needed for an answer is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is away, in the words of the interface.
    pub reason: &'static str,
    /// When to come back, if that is known.
    pub retry_after: Option<Duration>,
}

impl Node {
    /// Who `ask` comes from.
    ///
    /// # Errors
    /// [`Unverified`] when the token is not to be believed, or that cannot be told.
    pub async fn verify(&self, ask: &Ask<'_>) -> Result<Bearer, Unverified> {
        match self.parts().enforcement.authenticate(ask.token).await {
            Ok(token) => Ok(Bearer(token)),
            Err(Verdict::Unavailable { reason, retry_after }) => {
                Err(Unavailable { reason, retry_after }.into())
            }
            Err(refusal) => {
                let why = refusal.reason().into_owned();
                self.emit(&NodeEvent::TokenRefused { request_id: ask.request_id, why: &why });
                Err(Unverified::Refused(why))
            }
        }
    }

    /// The resource of that id as it is stored; `None` when there is no such one.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read in time.
    pub async fn stored(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, Unavailable> {
        let unavailable = |_| Unavailable { reason: NO_METADATA, retry_after: None };
        self.parts().enforcement.stored(resource_id).await.map_err(unavailable)
    }

    /// The question that `ask` is, as this node puts every question to the engine: about a stored resource
    /// whose integrity it found out itself, at the present time.
    pub fn question(&self, ask: &Ask<'_>, bearer: &Bearer, stored: &StoredResource) -> Input {
        let mut question = self.parts().enforcement.question(ask, &bearer.0, stored);
        question.context.current_time = rfc3339(self.parts().runtime.wall());
        question
    }

    /// The engine's decision, now.
    ///
    /// # Errors
    /// [`Unavailable`] when its circuit is open or it gives no decision.
    pub async fn decide(&self, question: &Input) -> Result<Decision, Unavailable> {
        self.parts().enforcement.decide(question).await.map_err(|no_decision| Unavailable {
            reason: Reason::PolicyEngineUnavailable.name(),
            retry_after: no_decision.retry_after,
        })
    }

    /// Puts an entry of type `event_type` on the audit trail.
    ///
    /// # Errors
    /// [`Unavailable`] when it is not known to be kept; nothing may then be let through.
    pub async fn record(&self, event_type: &'static str, entry: &AuditEntry<'_>) -> Result<(), Unavailable> {
        let unavailable = |_| Unavailable { reason: NO_TRAIL, retry_after: None };
        self.parts().enforcement.record(event_type, entry).await.map_err(unavailable)
    }

    /// Tells metrics, logs and observers.
    pub fn emit(&self, event: &NodeEvent<'_>) {
        self.parts().events.emit(event);
    }

    /// The node's metrics as OpenMetrics text.
    pub fn exposition(&self) -> String {
        self.parts().events.metrics.exposition()
    }

    /// The routes of `service` in the place of the node's own, among health, request ids and errors in JSON.
    pub fn router_around(&self, service: axum::Router) -> axum::Router {
        http::around(Arc::clone(self.parts()), service)
    }
}
