//! From what a node and an engine tell to the timeline.
//!
//! In the virtual world a node's events come as they are; elsewhere they come as the lines it logs, and
//! `log_line` reads those back. Both end up here as the same [`Told`], so every world has the same
//! signals and facts.

mod health;
mod log_line;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dive_authz::Input;
use dive_node::event::NodeEvent;
use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use sha2::{Digest as _, Sha256};

use super::topology::OPA;

pub use health::{Document, Trust, document};
pub use log_line::{engine_line, node_line};

/// What a node told that matters to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A circuit moved.
    Circuit {
        /// The dependency.
        dependency: String,
        /// Its state now.
        state: String,
    },
    /// The status of a dependency changed.
    Service {
        /// The dependency.
        dependency: String,
        /// Its status now.
        status: String,
    },
    /// The node's own status changed.
    Status {
        /// Its status now.
        status: String,
    },
    /// A request was decided.
    Decided {
        /// The request's id.
        request: String,
        /// The resource asked for.
        resource: String,
        /// Whether it was let through.
        allow: bool,
        /// Why.
        reason: String,
        /// Whether a decision made earlier was used.
        cached: bool,
        /// Names the question; empty when it never became one.
        question: String,
    },
}

impl Told {
    /// What an event of a node means here, if anything.
    pub fn from_event(event: &NodeEvent<'_>) -> Option<Self> {
        Some(match event {
            NodeEvent::BreakerMoved { breaker, transition } => {
                Self::Circuit { dependency: (*breaker).to_owned(), state: transition.to.as_str().to_owned() }
            }
            NodeEvent::ServiceChanged { service, to, .. } => {
                Self::Service { dependency: service.name().to_owned(), status: to.as_str().to_owned() }
            }
            NodeEvent::NodeChanged { to, .. } => Self::Status { status: to.as_str().to_owned() },
            NodeEvent::Decided(decided) => Self::Decided {
                request: decided.request_id.to_owned(),
                resource: decided.resource.to_owned(),
                allow: decided.allow,
                reason: decided.reason.to_owned(),
                cached: decided.cached,
                question: decided.question().unwrap_or_default(),
            },
            _ => return None,
        })
    }

    /// Puts it on the timeline.
    pub fn record(self, node: &str, at: Span, recorder: &Recorder, classification: impl Fn(&str) -> String) {
        match self {
            Self::Circuit { dependency, state } => {
                recorder.signal(at, &format!("{node}/circuit/{dependency}"), &state);
            }
            Self::Service { dependency, status } => {
                recorder.signal(at, &format!("{node}/service/{dependency}"), &status);
            }
            Self::Status { status } => recorder.signal(at, &format!("{node}/status"), &status),
            Self::Decided { request, resource, allow, reason, cached, question } => {
                let detail = BTreeMap::from([
                    ("request".to_owned(), request),
                    ("classification".to_owned(), classification(&resource)),
                    ("allow".to_owned(), allow.to_string()),
                    ("reason".to_owned(), reason),
                    ("cached".to_owned(), cached.to_string()),
                    ("input".to_owned(), question),
                ]);
                recorder
                    .record(at, What::Fact { witness: node.to_owned(), about: "decision".into(), detail });
            }
        }
    }
}

/// The engine decided a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineDecided {
    /// Names the question as nodes name it.
    pub question: String,
    /// Whether it was an allow.
    pub allow: bool,
}

impl EngineDecided {
    /// Puts it on the timeline.
    pub fn record(self, at: Span, recorder: &Recorder) {
        let detail = BTreeMap::from([
            ("input".to_owned(), self.question),
            ("allow".to_owned(), self.allow.to_string()),
        ]);
        recorder.record(at, What::Fact { witness: OPA.into(), about: "decision".into(), detail });
    }
}

/// An entry of an audit trail.
pub fn record_audit(node: &str, request: &str, at: Span, recorder: &Recorder) {
    let detail = BTreeMap::from([("request".to_owned(), request.to_owned())]);
    recorder.record(at, What::Fact { witness: node.to_owned(), about: "audit".into(), detail });
}

/// Names a question as nodes do: SHA-256, in hexadecimal, of all of the input but its time and request id.
pub fn question(mut input: Input) -> String {
    input.context.current_time.clear();
    input.context.request_id.clear();
    let text = serde_json::to_vec(&input).unwrap_or_default();
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
