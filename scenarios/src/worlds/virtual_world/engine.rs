//! The policy engine, called over a link of the simulation.

use std::sync::Arc;

use async_trait::async_trait;
use dive_authz::{Decision, Input};
use dive_node::ports::{EngineError, PolicyEngine, ProbeError};
use harness_sim::{Link, LinkError, Reply};

use super::feed::{Feed, Item};
use crate::binding::policy::Authz;
use crate::binding::reading::{EngineDecided, question};

/// The stand-in, as it listens in the simulation: what it decides, it tells.
pub(super) struct Opa {
    engine: Authz,
    feed: Feed,
}

impl Opa {
    pub(super) fn new(engine: Authz, feed: Feed) -> Self {
        Self { engine, feed }
    }

    /// The body of the answer to a question's body.
    fn decide(&self, input: &Input) -> String {
        let body = self.engine.answer(input);
        let allow = Decision::from_engine(body.as_bytes()).is_ok_and(|decision| decision.allow());
        self.feed.push(Item::Engine(EngineDecided { question: question(input.clone()), allow }));
        body
    }
}

/// The node's port to it.
pub(super) struct LinkedEngine(pub(super) Link<Arc<Opa>>);

#[async_trait]
impl PolicyEngine for LinkedEngine {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        let input = input.clone();
        let reply = self.0.call(move |opa: Arc<Opa>| async move { opa.decide(&input) }).await;
        let unreachable = |error: LinkError| EngineError::Unreachable(error.to_string());
        match reply.map_err(unreachable)? {
            Reply::Answer(body) | Reply::Wrong { status: 200, body } => {
                Ok(Decision::from_engine(body.as_bytes())?)
            }
            Reply::Truncated { answer, after_bytes } => {
                let cut = answer.len().min(usize::try_from(after_bytes).unwrap_or(usize::MAX));
                if cut == answer.len() {
                    Ok(Decision::from_engine(answer.as_bytes())?)
                } else {
                    Err(EngineError::Unreachable("connection closed before the answer was complete".into()))
                }
            }
            Reply::Wrong { status, .. } if (400..500).contains(&status) => Err(EngineError::Refused(status)),
            Reply::Wrong { status, .. } => Err(EngineError::Failed(status)),
        }
    }

    async fn check(&self) -> Result<(), ProbeError> {
        match self.0.call(|_| async {}).await {
            Ok(Reply::Answer(()) | Reply::Truncated { .. }) => Ok(()),
            Ok(Reply::Wrong { status, .. }) if (200..300).contains(&status) => Ok(()),
            Ok(Reply::Wrong { status, .. }) => Err(ProbeError(format!("status {status}"))),
            Err(error) => Err(ProbeError(error.to_string())),
        }
    }
}
