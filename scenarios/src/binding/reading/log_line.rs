//! Lines that a node and an engine log, read back.

use dive_authz::Input;
use jiff::Timestamp;
use serde::Deserialize;

use super::{EngineDecided, Told, question};

/// A line of a node's log, as far as it matters here.
#[derive(Deserialize)]
struct NodeLine {
    time: Option<Timestamp>,
    event: Option<String>,
    breaker: Option<String>,
    to: Option<String>,
    service: Option<String>,
    request_id: Option<String>,
    resource: Option<String>,
    allow: Option<bool>,
    reason: Option<String>,
    cached: Option<bool>,
    question: Option<String>,
}

/// What a line of a node's log tells, and when it says that was.
pub fn node_line(text: &str) -> Option<(Option<Timestamp>, Told)> {
    let line: NodeLine = serde_json::from_str(text).ok()?;
    let told = match line.event.as_deref()? {
        "breaker" => Told::Circuit { dependency: line.breaker?, state: line.to? },
        "service_health" => Told::Service { dependency: line.service?, status: line.to? },
        "node_health" => Told::Status { status: line.to? },
        "decision" => Told::Decided {
            request: line.request_id?,
            resource: line.resource?,
            allow: line.allow?,
            reason: line.reason?,
            cached: line.cached?,
            question: line.question.unwrap_or_default(),
        },
        _ => return None,
    };
    Some((line.time, told))
}

/// A line of OPA's console decision log.
#[derive(Deserialize)]
struct EngineLine {
    path: String,
    input: serde_json::Value,
    #[serde(default)]
    result: serde_json::Value,
    timestamp: Option<Timestamp>,
}

/// What a line of an engine's decision log tells, and when it says that was. Decisions of other paths than
/// the node's are nobody's business here.
pub fn engine_line(text: &str) -> Option<(Option<Timestamp>, EngineDecided)> {
    let line: EngineLine = serde_json::from_str(text).ok()?;
    if line.path != dive_authz::policies::ENTRYPOINT {
        return None;
    }
    let input: Input = serde_json::from_value(line.input).ok()?;
    let allow = line.result.get("allow") == Some(&serde_json::Value::Bool(true));
    Some((line.timestamp, EngineDecided { question: question(input), allow }))
}
