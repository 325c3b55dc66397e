//! The adapter against a server that answers whatever a test tells it to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dive_authz::decision::MalformedDecision;
use dive_authz::{Check, Checks};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::Settings;
use crate::ports::EngineError as E;

/// What the server says, and what it was asked.
#[derive(Default)]
struct Script {
    answer: Mutex<(u16, String)>,
    seen: Mutex<Vec<(String, Value, Option<String>)>>,
}

async fn play(State(script): State<Arc<Script>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let bearer = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    script.seen.lock().push((line, body, bearer));
    let (status, text) = script.answer.lock().clone();
    (StatusCode::from_u16(status).unwrap(), text).into_response()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn client(address: SocketAddr) -> Opa {
    let settings = Settings::default().with("opa.url", &format!("http://{address}")).unwrap();
    let settings = settings.with("opa.answer_limit", "4096").unwrap();
    let settings = settings.with("opa.token", "engine-secret").unwrap();
    Opa::new(&settings.opa).unwrap()
}

async fn scripted() -> (Arc<Script>, Opa) {
    let script = Arc::new(Script::default());
    let (listener, address) = listen().await;
    let app = Router::new().fallback(play).with_state(Arc::clone(&script));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (script, client(address))
}

fn input() -> Input {
    serde_json::from_value(json!({
        "subject": {"authenticated": true}, "action": {"operation": "read"},
        "resource": {"resourceId": "r", "COI": []}, "context": {"currentTime": "", "requestId": "q"},
    }))
    .unwrap()
}

fn deny() -> Decision {
    Decision::new(Checks::all_held().failing(Check::Coi), vec![])
}

#[tokio::test]
async fn a_decision_is_asked_for_as_documented_and_read() {
    let (script, opa) = scripted().await;
    *script.answer.lock() = (200, json!({"result": deny(), "decision_id": "x"}).to_string());
    assert_eq!(opa.decide(&input()).await.unwrap(), deny());
    let seen = script.seen.lock().clone();
    let (line, body, bearer) = &seen[0];
    assert_eq!(line, "POST /v1/data/dive/authz");
    assert_eq!(body["input"]["resource"]["resourceId"], "r");
    assert_eq!(bearer.as_deref(), Some("Bearer engine-secret"));
}

type Is = fn(&E) -> bool;

#[tokio::test]
async fn whatever_is_no_decision_is_an_error_of_the_right_kind() {
    let (script, opa) = scripted().await;
    let allow = json!({"result": Decision::new(Checks::all_held(), vec![])}).to_string();
    let cases: [(u16, String, Is); 11] = [
        (500, allow.clone(), |error| matches!(error, E::Failed(500))),
        (503, String::new(), |error| matches!(error, E::Failed(503))),
        (302, allow.clone(), |error| matches!(error, E::Failed(302))),
        (201, allow.clone(), |error| matches!(error, E::Failed(201))),
        (400, String::new(), |error| matches!(error, E::Refused(400))),
        (404, allow.clone(), |error| matches!(error, E::Refused(404))),
        (200, "{}".to_owned(), |error| matches!(error, E::Malformed(MalformedDecision::Undefined))),
        (200, r#"{"result":true}"#.to_owned(), |error| matches!(error, E::Malformed(_))),
        (200, r#"{"result":{"allow":"true"}}"#.to_owned(), |error| matches!(error, E::Malformed(_))),
        (200, allow[..40].to_owned(), |error| matches!(error, E::Malformed(_))),
        (200, format!("{allow}{}", " ".repeat(4096)), |error| matches!(error, E::TooLong { limit: 4096 })),
    ];
    for (status, text, is_expected) in cases {
        *script.answer.lock() = (status, text.clone());
        let error = opa.decide(&input()).await.unwrap_err();
        assert!(is_expected(&error), "{status} {text:.40}: {error:?}");
        assert_eq!(error.is_the_engines_fault(), !(400..500).contains(&status));
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let opa = client(([127, 0, 0, 1], 1).into());
    assert!(matches!(opa.decide(&input()).await, Err(E::Unreachable(_))));
    let error = opa.check().await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unreachable_and_no_decision() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"result\":").await;
        }
    });
    let error = client(address).decide(&input()).await.unwrap_err();
    assert!(matches!(error, E::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn health_is_the_engines_own_word() {
    let (script, opa) = scripted().await;
    *script.answer.lock() = (200, "{}".to_owned());
    opa.check().await.unwrap();
    *script.answer.lock() = (500, "{}".to_owned());
    assert_eq!(opa.check().await.unwrap_err().to_string(), "status 500");
    assert_eq!(script.seen.lock()[0].0, "GET /health");
}

#[tokio::test]
async fn the_revision_is_read_where_policies_are_loaded() {
    let (script, opa) = scripted().await;
    *script.answer.lock() = (200, r#"{"result":"r7"}"#.to_owned());
    assert_eq!(opa.revision().await.unwrap(), Some(PolicyRevision::from("r7")));
    assert_eq!(script.seen.lock()[0].0, "GET /v1/data/policy/revision");
    *script.answer.lock() = (200, "{}".to_owned());
    assert_eq!(opa.revision().await.unwrap(), None, "the engine does not say");
    *script.answer.lock() = (200, r#"{"result":7}"#.to_owned());
    assert!(opa.revision().await.is_err());
}

#[tokio::test]
async fn a_check_opens_a_connection_of_its_own() {
    let (listener, address) = listen().await;
    let opa = client(address);
    let (accepted, mut connections) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = accepted.send(peer);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                }
            });
        }
    });
    for _ in 0..3 {
        opa.check().await.unwrap();
        let connected = tokio::time::timeout(Duration::from_secs(5), connections.recv()).await;
        assert!(connected.unwrap().is_some());
    }
    for _ in 0..3 {
        let _ = opa.decide(&input()).await;
    }
    assert!(connections.recv().await.is_some());
    assert!(connections.try_recv().is_err(), "decisions share one connection");
}
