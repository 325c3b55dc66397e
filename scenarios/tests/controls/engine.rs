//! The policy engine's adapter with one known defect around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_authz::{Checks, Decision, Input};
use dive_node::ports::{EngineError, PolicyEngine, ProbeError};
use harness_sim::Node;
use parking_lot::Mutex;

/// What is wrong between node and engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineDefect {
    /// With the engine down, a weaker local check decides.
    WeakerLocalCheck,
    /// A denial counts as a failure of the engine.
    DenialIsFailure,
    /// An answer that is no decision is taken for a permission.
    GarbageIsAllow,
    /// Somebody without a community of interest passes as a member of each.
    NoCommunityIsAny,
    /// A cache that is full fails, and its failure is taken for the engine's.
    FullCacheFails,
    /// With the engine down, a decision made at any time before will do.
    RemembersForEver,
    /// A decision is remembered by subject and resource alone, not by the whole question.
    RemembersCoarsely,
    /// Every decision takes so much longer.
    Slow(Duration),
}

pub(crate) fn around(
    engine: Arc<dyn PolicyEngine>,
    defect: EngineDefect,
    node: &Node,
) -> Arc<dyn PolicyEngine> {
    Arc::new(Defective { engine, defect, node: node.clone(), remembered: Mutex::default() })
}

struct Defective {
    engine: Arc<dyn PolicyEngine>,
    defect: EngineDefect,
    node: Node,
    remembered: Mutex<BTreeMap<String, Decision>>,
}

/// Entries after which a cache is full.
const FULL: usize = 20;

fn permission() -> Decision {
    Decision::new(Checks::all_held(), Vec::new())
}

fn coarsely(input: &Input) -> String {
    format!("{:?} {}", input.subject.unique_id, input.resource.resource_id)
}

fn wholly(input: &Input) -> String {
    let mut input = input.clone();
    input.context.current_time.clear();
    input.context.request_id.clear();
    format!("{input:?}")
}

#[async_trait]
impl PolicyEngine for Defective {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        if let EngineDefect::Slow(by) = self.defect {
            self.node.sleep_until(self.node.now() + by).await;
        }
        if self.defect == EngineDefect::RemembersCoarsely
            && let Some(decision) = self.remembered.lock().get(&coarsely(input))
        {
            return Ok(decision.clone());
        }
        let answer = self.engine.decide(input).await;
        let mut remembered = self.remembered.lock();
        match (self.defect, answer) {
            // Country and clearance look right, so let it through.
            (EngineDefect::WeakerLocalCheck, Err(_)) if input.subject.authenticated => Ok(permission()),
            (EngineDefect::DenialIsFailure, Ok(decision)) if !decision.allow() => {
                Err(EngineError::Failed(500))
            }
            (EngineDefect::GarbageIsAllow, Err(EngineError::Malformed(_))) => Ok(permission()),
            (EngineDefect::NoCommunityIsAny, Ok(_))
                if input.subject.acp_coi.is_empty() && !input.resource.coi.is_empty() =>
            {
                Ok(permission())
            }
            (EngineDefect::FullCacheFails, Ok(decision)) => {
                remembered.insert(wholly(input), decision.clone());
                if remembered.len() > FULL { Err(EngineError::Failed(500)) } else { Ok(decision) }
            }
            (EngineDefect::RemembersCoarsely, Ok(decision)) => {
                remembered.insert(coarsely(input), decision.clone());
                Ok(decision)
            }
            (EngineDefect::RemembersForEver, Ok(decision)) => {
                remembered.insert(wholly(input), decision.clone());
                Ok(decision)
            }
            (EngineDefect::RemembersForEver, Err(error)) => {
                remembered.get(&wholly(input)).cloned().ok_or(error)
            }
            (_, answer) => answer,
        }
    }

    async fn check(&self) -> Result<(), ProbeError> {
        match self.defect {
            // It answers whatever comes, so it must be there.
            EngineDefect::RemembersForEver => Ok(()),
            _ => self.engine.check().await,
        }
    }
}
