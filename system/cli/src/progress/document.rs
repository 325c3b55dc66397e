//! Events as JSON.

use std::time::Duration;

use dive_orchestrator::deploy::{Event, Failure};
use serde_json::{Value, json};

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn failed(failure: &Failure) -> Value {
    json!({"code": failure.code, "message": failure.detail})
}

/// An event: its name, what it is about, and the line that people are shown.
pub(super) fn of(event: &Event) -> Value {
    let mut document = match event {
        Event::Locked(token) => json!({"event": "locked", "token": token.number()}),
        Event::Settling { after, left } => {
            json!({"event": "settling", "after": after, "leftMs": millis(*left)})
        }
        Event::Entered(state) => json!({"event": "state", "state": state}),
        Event::PhaseBegan { phase, expected, remaining } => json!({
            "event": "phase-began", "phase": phase, "expectedMs": expected.map(millis), "remainingMs": remaining.map(millis),
        }),
        Event::PhaseEnded { phase, took, failure } => json!({
            "event": "phase-ended", "phase": phase, "tookMs": millis(*took), "failure": failure.as_ref().map(failed),
        }),
        Event::WaitingForHub { left } => json!({"event": "waiting-for-hub", "leftMs": millis(*left)}),
        Event::Level { level, services } => json!({"event": "level", "level": level, "services": services}),
        Event::Made(thing) => json!({"event": "made", "kind": thing.kind, "name": thing.name}),
        Event::Checked(what) => json!({"event": "checked", "what": what}),
        Event::Started { service, timeout } => {
            json!({"event": "started", "service": service, "limitMs": millis(timeout.limit)})
        }
        Event::Waits { service, rung, why } => {
            json!({"event": "waits", "service": service, "rung": rung, "why": why})
        }
        Event::Healthy { service, took } => {
            json!({"event": "healthy", "service": service, "tookMs": millis(*took)})
        }
        Event::Failed { subject, failure } => {
            json!({"event": "failed", "subject": subject.to_string(), "failure": failed(failure)})
        }
        Event::Remedied { subject, remedy, failure } => json!({
            "event": "remedied", "subject": subject.to_string(), "remedy": remedy, "failure": failure.as_ref().map(failed),
        }),
        Event::TriesAgain { subject, wait, again } => {
            json!({"event": "tries-again", "subject": subject.to_string(), "waitMs": millis(*wait), "again": again})
        }
        Event::GoesOn { subject, failure } => {
            json!({"event": "goes-on", "subject": subject.to_string(), "failure": failed(failure)})
        }
        Event::Held { operation, left } => {
            json!({"event": "held", "operation": operation, "leftMs": millis(*left)})
        }
        Event::Unmade(thing) => json!({"event": "unmade", "kind": thing.kind, "name": thing.name}),
        Event::Stopped(service) => json!({"event": "stopped", "service": service}),
        Event::Distrusted(why) => json!({"event": "distrusted", "why": why}),
        Event::Ended(_) => json!({"event": "ended"}),
    };
    document["text"] = json!(event.to_string());
    document
}

#[cfg(test)]
mod tests {
    use dive_orchestrator::ladder::Rung;
    use dive_orchestrator::{ErrorCode, Phase, Service};

    use super::*;

    #[test]
    fn an_event_is_a_document_with_its_line() {
        let failure = Some(Failure::new(ErrorCode::ContainerTimeout, "opa is slow"));
        let ended =
            of(&Event::PhaseEnded { phase: Phase::Deployment, took: Duration::from_millis(1_500), failure });
        assert_eq!(ended["phase"], "DEPLOYMENT");
        assert_eq!((ended["tookMs"].as_u64(), ended["failure"]["code"].as_u64()), (Some(1_500), Some(1204)));
        assert!(ended["text"].as_str().is_some_and(|line| line.contains("opa is slow")));
        let waits =
            of(&Event::Waits { service: Service::BlacklistRedis, rung: Rung::Http, why: "no".into() });
        assert_eq!((&waits["service"], &waits["rung"]), (&json!("blacklist-redis"), &json!("http")));
    }
}
