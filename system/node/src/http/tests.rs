//! The request path over HTTP, against stand-ins that can misbehave.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use dive_resilience::{
    Breaker, Caller, CircuitBreaker, Moment, Outcome, Permit, Rejected, Snapshot, State, Transition,
};
use serde_json::json;

use crate::testing::{Manner, OTHER_KEY, World, claims, question, token};
use crate::{Dependency, Settings};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn an_allowed_request_is_answered_with_its_obligations() {
    let world = World::new();
    let answer = world.authorize(&token(), "secret-1").await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!((&body["allow"], &body["reason"]), (&json!(true), &json!("allow")));
    assert_eq!(body["obligations"], json!([]));
    assert_eq!(body["requestId"], answer.headers["x-request-id"].to_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_is_answered_with_reason_and_checks() {
    let world = World::new();
    world.engine.set(Manner::Deny);
    let answer = world.authorize(&token(), "secret-1").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let body = answer.json();
    assert_eq!((&body["allow"], &body["reason"]), (&json!(false), &json!("releasability")));
    assert_eq!(body["checks"]["releasability"], json!(false));
    assert_eq!(body["checks"]["clearance"], json!(true));
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_asked_with_this_nodes_tenant_and_the_tokens_subject() {
    let world = World::new();
    let mut spoiled = claims();
    spoiled["tenant"] = "FRA".into();
    world.authorize(&crate::testing::KEY.sign(&spoiled), "secret-1").await;
    let input = world.engine.last.lock().clone().unwrap();
    assert_eq!(input.context.tenant.as_deref(), Some("USA"));
    assert_eq!(input.context.current_time, "2025-06-15T15:06:40.000Z");
    assert_eq!(input.subject.unique_id.as_deref(), Some("alice"));
    assert_eq!(input.resource.resource_id, "secret-1");
    assert!(input.subject.authenticated);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_the_engine_the_answer_is_503_and_never_an_allow() {
    let ill = [
        Manner::Unreachable,
        Manner::Fails,
        Manner::Refuses,
        Manner::Malformed,
        Manner::Hangs,
        Manner::Slow(secs(6)),
    ];
    for manner in ill {
        let world = World::new();
        world.engine.set(manner);
        let before = world.now();
        let answer = world.authorize(&token(), "secret-1").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{manner:?}");
        assert_eq!(answer.json()["reason"], "policy engine unavailable", "{manner:?}");
        assert_eq!(world.engine.asked(), 1, "{manner:?}");
        assert!(world.now().saturating_since(before) <= secs(5), "no request waits over its timeout");
        assert_eq!(world.authorize(&token(), "secret-1").await.status, 503, "an error is not cached");
        assert_eq!(world.engine.asked(), 2, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_audited_exactly_once() {
    let cases: [(&str, Manner, &str, u16, &str, &str); 6] = [
        ("good", Manner::Allow, "secret-1", 200, "allow", "allow"),
        ("good", Manner::Deny, "secret-1", 403, "deny", "releasability"),
        ("good", Manner::Fails, "secret-1", 503, "deny", "policy engine unavailable"),
        ("good", Manner::Allow, "nothing", 404, "deny", "no such resource"),
        ("", Manner::Allow, "secret-1", 401, "deny", "no bearer token"),
        ("bad", Manner::Allow, "secret-1", 401, "deny", "the token is malformed"),
    ];
    for (kind, manner, resource, status, decision, reason) in cases {
        let world = World::new();
        world.engine.set(manner);
        let token = if kind == "good" { token() } else { kind.to_owned() };
        let answer = world.authorize(&token, resource).await;
        assert_eq!(answer.status.as_u16(), status, "{reason}");
        let entries = world.audit.entries.lock().clone();
        assert_eq!(entries.len(), 1, "{reason}");
        let entry = &entries[0];
        assert_eq!((&entry["decision"], &entry["reason"]), (&json!(decision), &json!(reason)));
        assert_eq!((&entry["resource"], &entry["action"]), (&json!(resource), &json!("read")));
        assert_eq!(entry["eventType"], "authorization_decision");
        assert_eq!(entry["correlationId"], answer.headers["x-request-id"].to_str().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_answer_is_audited_as_well() {
    let world = World::new();
    for _ in 0..3 {
        world.authorize(&token(), "secret-1").await;
    }
    assert_eq!((world.engine.asked(), world.audit.entries.lock().len()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_audited_is_not_let_through() {
    let world = World::new();
    *world.audit.full.lock() = true;
    let answer = world.authorize(&token(), "secret-1").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (503, &json!("audit trail unavailable")));
    world.engine.set(Manner::Deny);
    assert_eq!(world.authorize(&token(), "secret-2").await.status, 403, "a denial stays a denial");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_cannot_be_read_is_no_permit() {
    let world = World::new();
    *world.resources.away.lock() = true;
    let answer = world.authorize(&token(), "secret-1").await;
    assert_eq!((answer.status.as_u16(), world.engine.asked()), (503, 0));
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_served_again_only_inside_its_time_to_live_even_while_the_engine_is_away() {
    let world = World::new();
    assert_eq!(world.authorize(&token(), "secret-1").await.json()["cached"], false);
    world.engine.set(Manner::Unreachable);
    tokio::time::sleep(secs(29)).await;
    let cached = world.authorize(&token(), "secret-1").await;
    assert_eq!((cached.status.as_u16(), &cached.json()["cached"]), (200, &json!(true)));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(world.authorize(&token(), "secret-1").await.status, 503);
    assert_eq!(world.authorize(&token(), "secret-2").await.status, 503, "another question was never asked");
}

#[tokio::test(start_paused = true)]
async fn a_difference_in_any_part_of_the_question_is_another_question() {
    let world = World::new();
    world.authorize(&token(), "secret-1").await;
    for (claim, value) in [
        ("acr", json!("1")),
        ("amr", json!(["pwd", "hwk"])),
        ("acpCOI", json!(["FVEY"])),
        ("clearance", json!("CONFIDENTIAL")),
        ("uniqueID", json!("bob")),
    ] {
        let mut other = claims();
        other[claim] = value;
        let before = world.engine.asked();
        world.authorize(&crate::testing::KEY.sign(&other), "secret-1").await;
        assert_eq!(world.engine.asked(), before + 1, "{claim}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_policy_flushes_what_the_last_one_decided() {
    let world = World::new();
    world.engine.set_revision("r1");
    world.node.start();
    tokio::time::sleep(secs(1)).await;
    world.authorize(&token(), "open-1").await;
    assert_eq!(world.authorize(&token(), "open-1").await.json()["cached"], true);
    world.engine.set_revision("r2");
    world.engine.set(Manner::Deny);
    tokio::time::sleep(secs(5)).await;
    assert_eq!(world.authorize(&token(), "open-1").await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn live_traffic_opens_the_circuit_at_the_fifth_failure_and_rejections_say_when_to_come_back() {
    let world = World::new();
    world.engine.set(Manner::Fails);
    for failures in 1..=5 {
        assert_eq!(world.opa().state, State::Closed, "before failure {failures}");
        world.authorize(&token(), "secret-1").await;
    }
    assert_eq!(world.opa().state, State::Open);
    tokio::time::sleep(Duration::from_millis(17_500)).await;
    let rejected = world.authorize(&token(), "secret-1").await;
    assert_eq!(rejected.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rejected.headers[header::RETRY_AFTER], "43");
    assert_eq!(rejected.json()["retryAfterSeconds"], 43);
    assert_eq!(world.engine.asked(), 5, "the engine is left alone");
}

#[tokio::test(start_paused = true)]
async fn refusals_and_denials_never_open_the_circuit() {
    for manner in [Manner::Refuses, Manner::Deny] {
        let world = World::new();
        world.engine.set(manner);
        for number in 0..20 {
            let mut other = claims();
            other["uniqueID"] = format!("user-{number}").into();
            world.authorize(&crate::testing::KEY.sign(&other), "secret-1").await;
        }
        assert_eq!(world.engine.asked(), 20);
        assert_eq!((world.opa().state, world.opa().failures), (State::Closed, 0), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_its_probe_back() {
    let world = World::new();
    world.node.force_breaker(Dependency::Opa, State::HalfOpen);
    world.engine.set(Manner::Hangs);
    let gone = tokio::time::timeout(secs(1), world.authorize(&token(), "secret-1")).await;
    assert!(gone.is_err(), "the caller waited one second and left");
    assert_eq!((world.engine.asked(), world.opa().probes_in_flight), (1, 0));
    world.engine.set(Manner::Allow);
    assert_eq!(world.authorize(&token(), "secret-1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_callers_at_half_open_send_one_probe() {
    let world = World::new();
    world.node.force_breaker(Dependency::Opa, State::HalfOpen);
    world.engine.set(Manner::Slow(secs(1)));
    let token = token();
    let callers = (0..200).map(|_| world.authorize(&token, "secret-1"));
    let answers = futures_util::future::join_all(callers).await;
    let through = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((through, world.engine.most_in_flight.load(Ordering::Relaxed)), (1, 1));
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.headers[header::RETRY_AFTER] == "1"));
}

#[tokio::test(start_paused = true)]
async fn a_late_result_does_not_touch_the_next_generation() {
    let world = World::new();
    world.engine.set(Manner::Slow(secs(4)));
    let token = token();
    let late = async {
        let answer = world.authorize(&token, "secret-1").await;
        assert_eq!(answer.status, 200, "the answer itself is still good");
    };
    let meanwhile = async {
        tokio::time::sleep(secs(1)).await;
        world.node.force_breaker(Dependency::Opa, State::HalfOpen);
    };
    futures_util::future::join(late, meanwhile).await;
    let opa = world.opa();
    assert_eq!((opa.state, opa.counters.stale, opa.counters.successes), (State::HalfOpen, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_wall_clock_moves_no_circuit() {
    let world = World::new();
    world.node.start();
    world.engine.set(Manner::Fails);
    tokio::time::sleep(secs(26)).await;
    assert_eq!(world.opa().state, State::Open);
    let left = world.opa().retry_after;
    for step in [3600, -7200] {
        world.runtime.step_wall(step);
        world.authorize(&token(), "secret-1").await;
        assert_eq!((world.opa().state, world.opa().retry_after), (State::Open, left));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_told_what_was_wrong_and_leave_no_audit() {
    let world = World::new();
    let long = format!(r#"{{"resourceId":"{}","operation":"read"}}"#, "x".repeat(600));
    let huge = format!(r#"{{"resourceId":"{}","operation":"read"}}"#, "x".repeat(20_000));
    let cases = [
        ("application/json", "", 400, "EOF while parsing"),
        ("application/json", "{", 400, "EOF while parsing"),
        ("application/json", r#"{"resourceId":"a"}"#, 400, "missing field `operation`"),
        ("application/json", r#"{"resourceId":"a","operation":"read","x":1}"#, 400, "unknown field `x`"),
        ("application/json", r#"{"resourceId":7,"operation":"read"}"#, 400, "invalid type"),
        ("application/json", r#"{"resourceId":"","operation":"read"}"#, 400, "resourceId must have"),
        ("application/json", &long, 400, "resourceId must have"),
        ("application/json", &huge, 413, "longer than 16384 bytes"),
        ("text/plain", r#"{"resourceId":"a","operation":"read"}"#, 415, "application/json"),
    ];
    for (media_type, body, status, reason) in cases {
        let request = Request::post("/api/authorize")
            .header(header::CONTENT_TYPE, media_type)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{body:.60}");
        let said = answer.json()["reason"].as_str().unwrap().to_owned();
        assert!(said.contains(reason), "{said}");
    }
    assert!(world.audit.entries.lock().is_empty());
    assert_eq!(world.get("/api/authorize").await.status, 405);
    assert_eq!(world.get("/nowhere").await.json()["reason"], "no such route");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let world = World::new();
    let stalled = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = Request::post("/api/authorize")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(stalled))
        .unwrap();
    let before = world.now();
    assert_eq!(world.send(request).await.status, 408);
    assert_eq!(world.now().saturating_since(before), secs(10));
}

#[tokio::test(start_paused = true)]
async fn two_authorization_headers_are_none() {
    let world = World::new();
    let mut request = question(&token(), "secret-1");
    let second = format!("Bearer {}", OTHER_KEY.sign(&claims())).parse().unwrap();
    request.headers_mut().append(header::AUTHORIZATION, second);
    let answer = world.send(request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test(start_paused = true)]
async fn a_request_keeps_its_callers_id() {
    let world = World::new();
    let mut request = question(&token(), "secret-1");
    request.headers_mut().insert("x-request-id", "trace-7".parse().unwrap());
    let answer = world.send(request).await;
    assert_eq!(answer.headers["x-request-id"], "trace-7");
    assert_eq!(answer.json()["requestId"], "trace-7");
    assert_eq!(world.audit.entries.lock()[0]["correlationId"], "trace-7");
}

#[tokio::test(start_paused = true)]
async fn two_requests_of_the_same_id_are_two_entries() {
    let world = World::new();
    for _ in 0..2 {
        let mut request = question(&token(), "secret-1");
        request.headers_mut().insert("x-request-id", "trace-7".parse().unwrap());
        world.send(request).await;
    }
    let entries = world.audit.entries.lock();
    assert_eq!(entries.len(), 2);
    assert_ne!(entries[0]["id"], entries[1]["id"]);
}

#[tokio::test(start_paused = true)]
async fn health_tells_exactly_what_the_last_checks_said() {
    let world = World::new();
    for prefix in ["", "/api"] {
        assert_eq!(world.get(&format!("{prefix}/health")).await.status, 503, "nothing was checked yet");
        assert_eq!(world.get(&format!("{prefix}/health/ready")).await.status, 503);
        assert_eq!(world.get(&format!("{prefix}/health/live")).await.status, 200);
    }
    world.node.start();
    tokio::time::sleep(secs(1)).await;
    for prefix in ["", "/api"] {
        let answer = world.get(&format!("{prefix}/health")).await;
        assert_eq!(answer.status, 200);
        let expected = json!({"status": "healthy", "timestamp": "2025-06-15T15:06:41.000Z", "uptime": 1.0});
        assert_eq!(answer.json(), expected);
        assert_eq!(world.get(&format!("{prefix}/health/ready")).await.status, 200);
    }
    let requests = 10;
    let detailed = world.get("/health/detailed").await;
    assert_eq!(
        detailed.json(),
        json!({
            "status": "healthy", "timestamp": "2025-06-15T15:06:41.000Z", "uptime": 1.0,
            "services": {
                "opa": {"status": "up", "responseTime": 0.0},
                "cache": {"status": "up", "responseTime": 0.0},
            },
            "circuitBreakers": {"opa": {"state": "CLOSED", "failures": 0, "rejects": 0}},
            "metrics": {"requests": requests, "allowed": 0, "denied": 0},
            "memory": {},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_dependency_does_not_delay_a_health_answer() {
    let world = World::new();
    world.node.start();
    world.engine.set(Manner::Hangs);
    tokio::time::sleep(secs(6)).await;
    let before = world.now();
    world.get("/health/detailed").await;
    assert_eq!(world.now(), before);
}

/// A breaker that never opens: what a test crate may put in the product's place.
struct NeverOpens(Breaker);

impl CircuitBreaker for NeverOpens {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn admit(&mut self, _: Moment, _: Caller, _: &mut Vec<Transition>) -> Result<Permit, Rejected> {
        Ok(Permit::new(0, false))
    }

    fn settle(&mut self, _: Moment, _: Permit, _: Outcome, _: &mut Vec<Transition>) {}

    fn cancel(&mut self, _: Permit) {}

    fn tick(&mut self, _: Moment, _: &mut Vec<Transition>) {}

    fn next_deadline(&self) -> Option<Moment> {
        None
    }

    fn force(&mut self, _: Moment, _: State, _: &mut Vec<Transition>) {}

    fn release(&mut self, _: Moment, _: &mut Vec<Transition>) {}

    fn reset(&mut self, _: Moment, _: &mut Vec<Transition>) {}

    fn snapshot(&self, now: Moment) -> Snapshot {
        self.0.snapshot(now)
    }
}

#[tokio::test(start_paused = true)]
async fn another_breaker_can_stand_in_the_products_place() {
    let world = World::with(&Settings::default(), |ports| {
        ports.breakers = Box::new(|name, settings| Box::new(NeverOpens(Breaker::new(name, settings))));
    });
    world.engine.set(Manner::Fails);
    for _ in 0..50 {
        assert_eq!(world.authorize(&token(), "secret-1").await.status, 503);
    }
    assert_eq!((world.engine.asked(), world.opa().state), (50, State::Closed));
}

#[tokio::test(start_paused = true)]
async fn settings_move_the_thresholds() {
    let settings = Settings::default().with("breaker.opa.failures", "2").unwrap();
    let world = World::with(&settings, |_| {});
    world.engine.set(Manner::Fails);
    world.authorize(&token(), "secret-1").await;
    assert_eq!(world.opa().state, State::Closed);
    world.authorize(&token(), "secret-1").await;
    assert_eq!(world.opa().state, State::Open);
}
