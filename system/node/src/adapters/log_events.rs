//! Events as log lines.
//!
//! One line an event, each with the field `event`. The names below are an interface: observers parse them.
//!
//! | `event` | level | fields |
//! |---|---|---|
//! | `breaker` | warn, info when it closes | `breaker`, `from`, `to`, `cause`, `failures`, `mono_us` |
//! | `poll` | debug | `service`, `status`, `took_us`, `error`? |
//! | `service_health` | info | `service`, `from`?, `to` |
//! | `node_health` | warn, info when healthy | `from`, `to` |
//! | `decision` | info | `request_id`, `resource`, `operation`, `allow`, `reason`, `status`, `cached`, `question`?, `revision`?, `took_us` |
//! | `token_refused` | info | `request_id`, `reason` |
//! | `reject` | debug | `breaker`, `caller`, `state` |
//! | `call` | debug | `breaker`, `outcome`, `failures` |
//! | `policy` | info | `revision`, `flushed` |
//! | `call_failed` | debug | `service`, `fault` |
//! | `caching` | info | `on` |
//! | `revoked` | info | `request_id`, `what` |
//! | `audit_shipped` | debug | `entries` |
//! | `audit_not_shipped` | warn | `error` |
//! | `request` | info | `request_id`, `method`, `route`, `status`, `took_us` |
//!
//! `mono_us` is the node's monotonic clock, microseconds since it started; a field with `?` may be absent.
//! Of a token nothing but the reason of its refusal is ever written.

use dive_resilience::health::{NodeStatus, ServiceStatus};
use dive_resilience::{Caller, Outcome, State, Transition};
use tracing::{debug, info, warn};

use crate::event::{Decided, NodeEvent};
use crate::ports::EventSink;

/// Writes events through `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogEvents;

impl EventSink for LogEvents {
    fn emit(&self, event: &NodeEvent<'_>) {
        match *event {
            NodeEvent::BreakerMoved { breaker, transition } => breaker_moved(breaker, transition),
            NodeEvent::Polled { service, status, took, error } => {
                let (service, status) = (service.name(), status.as_str());
                debug!(event = "poll", service, status, took_us = took.as_micros() as u64, error);
            }
            NodeEvent::ServiceChanged { service, from, to } => {
                let from = from.map(ServiceStatus::as_str);
                info!(event = "service_health", service = service.name(), from, to = to.as_str());
            }
            NodeEvent::NodeChanged { from, to } => {
                let (from, well, to) = (from.as_str(), to == NodeStatus::Healthy, to.as_str());
                if well {
                    info!(event = "node_health", from, to);
                } else {
                    warn!(event = "node_health", from, to);
                }
            }
            NodeEvent::Decided(decided) => decision(&decided),
            NodeEvent::TokenRefused { request_id, why } => {
                info!(event = "token_refused", request_id, reason = why);
            }
            NodeEvent::CallRejected { breaker, caller, state } => {
                let caller = match caller {
                    Caller::Request => "request",
                    Caller::Poll => "poll",
                };
                debug!(event = "reject", breaker, caller, state = state.as_str());
            }
            NodeEvent::CallSettled { breaker, outcome, failures } => {
                let outcome = match outcome {
                    Outcome::Success => "success",
                    Outcome::Failure => "failure",
                };
                debug!(event = "call", breaker, outcome, failures);
            }
            NodeEvent::PolicyChanged { revision, flushed } => {
                info!(event = "policy", revision = revision.0, flushed);
            }
            NodeEvent::Answered { request_id, method, route, status, took } => {
                let took_us = took.as_micros() as u64;
                info!(event = "request", request_id, method, route, status, took_us);
            }
            NodeEvent::CallFailed { service, fault } => {
                debug!(event = "call_failed", service = service.name(), fault = fault.name());
            }
            NodeEvent::CachingSwitched { on } => info!(event = "caching", on),
            NodeEvent::Revoked { request_id, what } => info!(event = "revoked", request_id, what),
            NodeEvent::AuditShipped { entries } => debug!(event = "audit_shipped", entries),
            NodeEvent::AuditNotShipped { error } => warn!(event = "audit_not_shipped", error),
            NodeEvent::CacheAsked { .. } | NodeEvent::CacheSized { .. } | NodeEvent::Audited { .. } => {}
        }
    }
}

fn breaker_moved(breaker: &str, moved: Transition) {
    let Transition { at, from, to, cause, failures } = moved;
    let mono_us = at.since_start().as_micros() as u64;
    let (from, closed, to, cause) = (from.as_str(), to == State::Closed, to.as_str(), cause.as_str());
    if closed {
        info!(event = "breaker", breaker, from, to, cause, failures, mono_us);
    } else {
        warn!(event = "breaker", breaker, from, to, cause, failures, mono_us);
    }
}

fn decision(decided: &Decided<'_>) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    info!(
        event = "decision",
        request_id = decided.request_id,
        resource = decided.resource,
        operation = decided.operation,
        allow = decided.allow,
        reason = decided.reason,
        status = decided.status,
        cached = decided.cached,
        question = decided.question(),
        revision = decided.revision,
        took_us = decided.took.as_micros() as u64,
    );
}
