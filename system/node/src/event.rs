//! What happens in a node, as its metrics, its logs and its observers are told.

use std::fmt::Write as _;
use std::time::Duration;

use dive_authz::{Input, PolicyRevision};
use dive_resilience::health::{NodeStatus, ServiceStatus};
use dive_resilience::{Caller, Outcome, State, Transition};
use sha2::{Digest, Sha256};

use crate::dependency::Dependency;

/// One thing that happened. Borrowed: a sink that keeps it copies what it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NodeEvent<'a> {
    /// A breaker moved.
    BreakerMoved {
        /// Its dependency's name.
        breaker: &'static str,
        /// From where to where, when and why.
        transition: Transition,
    },
    /// A breaker learnt the result of a call.
    CallSettled {
        /// Its dependency's name.
        breaker: &'static str,
        /// The result.
        outcome: Outcome,
        /// Its exported failure count after it.
        failures: u32,
    },
    /// A breaker turned a call away.
    CallRejected {
        /// Its dependency's name.
        breaker: &'static str,
        /// Who asked.
        caller: Caller,
        /// Its state.
        state: State,
    },
    /// A call made on a request's behalf failed, and the dependency was at fault.
    CallFailed {
        /// The dependency.
        service: Dependency,
        /// In which way.
        fault: CallFault,
    },
    /// A dependency was checked.
    Polled {
        /// The dependency.
        service: Dependency,
        /// What follows from the check.
        status: ServiceStatus,
        /// How long it took.
        took: Duration,
        /// Why it failed.
        error: Option<&'a str>,
    },
    /// A service's status changed.
    ServiceChanged {
        /// The service.
        service: Dependency,
        /// Before; `None` on the first check.
        from: Option<ServiceStatus>,
        /// After.
        to: ServiceStatus,
    },
    /// The node's status changed.
    NodeChanged {
        /// Before.
        from: NodeStatus,
        /// After.
        to: NodeStatus,
    },
    /// A request for authorization was answered.
    Decided(Decided<'a>),
    /// A token was refused.
    TokenRefused {
        /// The request.
        request_id: &'a str,
        /// Why, without anything of the token in it.
        why: &'a str,
    },
    /// A cache was asked.
    CacheAsked {
        /// Which.
        cache: Cache,
        /// Whether it had the answer.
        hit: bool,
    },
    /// A cache's size changed.
    CacheSized {
        /// Which.
        cache: Cache,
        /// Entries now.
        size: usize,
        /// Entries that had to go for want of room.
        evicted: u64,
    },
    /// The policy engine decides by another policy now; the decision cache was flushed.
    PolicyChanged {
        /// Its revision.
        revision: &'a PolicyRevision,
        /// Decisions dropped.
        flushed: usize,
    },
    /// The decision cache was switched on or off.
    CachingSwitched {
        /// Whether decisions are remembered now.
        on: bool,
    },
    /// Something was revoked at this node.
    Revoked {
        /// The request that asked for it.
        request_id: &'a str,
        /// `token` or `user`.
        what: &'static str,
    },
    /// Entries of the audit trail were copied to the store that all nodes share.
    AuditShipped {
        /// How many.
        entries: usize,
    },
    /// The audit trail could not be copied; it will be tried again.
    AuditNotShipped {
        /// Why.
        error: &'a str,
    },
    /// An audit entry was kept.
    Audited {
        /// Its type.
        event_type: &'static str,
    },
    /// An HTTP request was answered.
    Answered {
        /// The request.
        request_id: &'a str,
        /// Its method.
        method: &'a str,
        /// The route it matched, or `-`.
        route: &'a str,
        /// The status.
        status: u16,
        /// How long it took.
        took: Duration,
    },
}

/// How a request for authorization was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided<'a> {
    /// The request.
    pub request_id: &'a str,
    /// The resource asked for.
    pub resource: &'a str,
    /// What was to be done with it.
    pub operation: &'a str,
    /// Whether it was let through.
    pub allow: bool,
    /// Why: the engine's reason, or why the engine was not asked.
    pub reason: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// Whether the decision came from the cache.
    pub cached: bool,
    /// The question put to the engine or found in the cache; `None` when the request never became one.
    /// Its time is empty where no engine was asked.
    pub input: Option<&'a Input>,
    /// The policy's revision.
    pub revision: Option<&'a str>,
    /// How long it took.
    pub took: Duration,
}

impl Decided<'_> {
    /// Names the question: equal for two requests exactly when they differ in nothing but their time and
    /// request id. Lower-case hexadecimal SHA-256.
    pub fn question(&self) -> Option<String> {
        let mut input = self.input?.clone();
        input.context.current_time.clear();
        input.context.request_id.clear();
        let text = serde_json::to_vec(&input).ok()?;
        Some(Sha256::digest(&text).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

/// A cache of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cache {
    /// Decisions of the policy engine.
    Decision,
    /// Metadata of resources.
    Resource,
    /// Decisions in the cache that outlives the process.
    SharedDecision,
    /// Verified tokens.
    Token,
}

/// In which way a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallFault {
    /// It took too long.
    Timeout,
    /// The dependency could not be reached, or said that it failed.
    Error,
}

impl CallFault {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

impl Cache {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Resource => "resource",
            Self::SharedDecision => "shared_decision",
            Self::Token => "token",
        }
    }
}
