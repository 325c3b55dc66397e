//! What every store of secrets keeps, and what Google's does when it is away, slow, or refuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as Segments, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64ct::{Base64, Encoding as _};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

const PROJECT: &str = "test-1";

/// A Secret Manager, as far as it is used here, and a metadata server.
#[derive(Default)]
struct Server {
    /// The versions of each secret, the first first.
    secrets: BTreeMap<String, Vec<String>>,
    /// The token that is good, `token-<n>`, of which the metadata server gives the newest.
    tokens: u32,
    /// Every call, without what it carried.
    calls: Vec<String>,
    /// What it answers instead.
    fails: Option<StatusCode>,
    disabled: bool,
    hangs: bool,
    /// Whoever comes between a look and a write.
    rival: Option<String>,
}

type Shared = Arc<Mutex<Server>>;

async fn admitted(server: &Shared, headers: &HeaderMap, call: String) -> Result<(), StatusCode> {
    let hangs = {
        let mut server = server.lock();
        server.calls.push(call);
        let good = format!("Bearer token-{}", server.tokens);
        if headers.get("authorization").is_none_or(|given| given != good.as_str()) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        if let Some(status) = server.fails {
            return Err(status);
        }
        server.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn token(State(server): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    if headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut server = server.lock();
    server.calls.push("token".to_owned());
    Ok(Json(
        json!({"access_token": format!("token-{}", server.tokens), "expires_in": 3599, "token_type": "Bearer"}),
    ))
}

async fn version(
    State(server): State<Shared>,
    Segments((secret, version)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    admitted(&server, &headers, format!("GET {secret}/{version}")).await?;
    let server = server.lock();
    let (number, is_read) = version.strip_suffix(":access").map_or((version.as_str(), false), |n| (n, true));
    let all = server.secrets.get(&secret).ok_or(StatusCode::NOT_FOUND)?;
    let number: usize =
        if number == "latest" { all.len() } else { number.parse().map_err(|_| StatusCode::NOT_FOUND)? };
    let found = all.get(number.wrapping_sub(1)).ok_or(StatusCode::NOT_FOUND)?;
    match (is_read, server.disabled || found.is_empty()) {
        (true, true) => Err(StatusCode::BAD_REQUEST),
        (true, false) => Ok(Json(json!({"name": version, "payload": {"data": found}}))),
        (false, disabled) => Ok(Json(json!({
            "name": format!("projects/1/secrets/{secret}/versions/{number}"),
            "state": if disabled { "DISABLED" } else { "ENABLED" },
        }))),
    }
}

async fn destroy(
    State(server): State<Shared>,
    Segments((secret, call)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    admitted(&server, &headers, format!("POST {secret}/{call}")).await?;
    let number: usize =
        call.strip_suffix(":destroy").and_then(|number| number.parse().ok()).ok_or(StatusCode::NOT_FOUND)?;
    let mut server = server.lock();
    let version = server.secrets.get_mut(&secret).and_then(|all| all.get_mut(number.wrapping_sub(1)));
    let version = version.ok_or(StatusCode::NOT_FOUND)?;
    if version.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    version.clear();
    Ok(Json(json!({"state": "DESTROYED"})))
}

async fn create(
    State(server): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    admitted(&server, &headers, format!("POST {}", query["secretId"])).await?;
    assert!(body["replication"]["automatic"].is_object());
    let mut server = server.lock();
    let rival = server.rival.take().map(|secret| Base64::encode_string(secret.as_bytes()));
    if let Some(rival) = rival {
        server.secrets.insert(query["secretId"].clone(), vec![rival]);
    }
    if server.secrets.contains_key(&query["secretId"]) {
        return Err(StatusCode::CONFLICT);
    }
    server.secrets.insert(query["secretId"].clone(), Vec::new());
    Ok(Json(json!({})))
}

async fn add(
    State(server): State<Shared>,
    Segments(call): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    admitted(&server, &headers, format!("POST {call}")).await?;
    let secret = call.strip_suffix(":addVersion").ok_or(StatusCode::NOT_FOUND)?;
    let data = body["payload"]["data"].as_str().ok_or(StatusCode::BAD_REQUEST)?;
    let mut server = server.lock();
    server.secrets.get_mut(secret).ok_or(StatusCode::NOT_FOUND)?.push(data.to_owned());
    Ok(Json(json!({})))
}

/// Serves until the test ends; the address, without anybody having been asked.
async fn serve() -> (Shared, String) {
    let server = Shared::default();
    server.lock().tokens = 1;
    let secrets = format!("/v1/projects/{PROJECT}/secrets");
    let routes = Router::new()
        .route(&secrets, post(create))
        .route(&format!("{secrets}/{{secret}}"), post(add))
        .route(&format!("{secrets}/{{secret}}/versions/{{version}}"), get(version).post(destroy))
        .route("/computeMetadata/v1/instance/service-accounts/default/token", get(token))
        .with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (server, address)
}

fn settings<'a>(
    address: &'a str,
    more: &'a [(&'a str, &'a str)],
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let own = [
        ("DIVE_SECRETS", "google"),
        ("DIVE_SECRETS_PROJECT", PROJECT),
        ("DIVE_SECRETS_URL", address),
        ("DIVE_SECRETS_METADATA", address),
    ];
    own.into_iter().chain(more.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn google(address: &str, more: &[(&str, &str)]) -> Done<Arc<dyn SecretStore>> {
    store(Path::new("/nonexistent"), settings(address, more))
}

fn id(name: SecretName) -> SecretId {
    SecretId { instance: dive_orchestrator::Instance::Hub, name, version: FIRST }
}

const POSTGRES: SecretName = SecretName::Postgres;

#[tokio::test]
async fn a_secret_that_is_kept_is_read_ever_after_and_no_other_takes_its_place() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = serve().await;
    for secrets in [store(home.path(), std::iter::empty()).unwrap(), google(&address, &[]).unwrap()] {
        let (one, other) = (Secret::made().unwrap(), Secret::made().unwrap());
        assert!(!secrets.has(&id(POSTGRES)).await.unwrap());
        assert!(secrets.read(&id(POSTGRES)).await.unwrap().is_none());
        for secret in [&one, &other] {
            secrets.keep(&id(POSTGRES), secret).await.unwrap();
            assert!(secrets.has(&id(POSTGRES)).await.unwrap());
            assert_eq!(*secrets.read(&id(POSTGRES)).await.unwrap().unwrap(), *one);
        }
        assert_eq!(*obtain(&*secrets, &id(POSTGRES)).await.unwrap(), *one);
        let made = obtain(&*secrets, &id(SecretName::Redis)).await.unwrap();
        assert_eq!(*obtain(&*secrets, &id(SecretName::Redis)).await.unwrap(), *made, "made once");
        assert_ne!(*made, *one);
    }
}

#[tokio::test]
async fn what_the_environment_gives_is_read_and_what_it_does_not_give_is_not_made() {
    let given = Secret::made().unwrap();
    let variables = [
        ("DIVE_SECRETS", "environment"),
        ("DIVE_SECRET_HUB_POSTGRES", &*given),
        ("DIVE_SECRET_HUB_USERS", "hunter2"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let secrets = store(Path::new("/nonexistent"), variables.into_iter()).unwrap();
    assert_eq!(*obtain(&*secrets, &id(POSTGRES)).await.unwrap(), *given);
    let missing = obtain(&*secrets, &id(SecretName::CacheKey)).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::SecretLoad);
    assert!(missing.detail.contains("DIVE_SECRET_HUB_CACHE_KEY"), "{missing}");
    let unfit = obtain(&*secrets, &id(SecretName::Users)).await.unwrap_err();
    assert_eq!(unfit.code, ErrorCode::SecretInvalid);
    assert!(!unfit.detail.contains("hunter2"));
}

#[tokio::test]
async fn of_two_that_make_one_at_once_both_get_the_one_that_was_kept() {
    let (server, address) = serve().await;
    let rival = Secret::made().unwrap();
    server.lock().rival = Some(rival.to_string());
    let secrets = google(&address, &[]).unwrap();
    assert_eq!(*obtain(&*secrets, &id(POSTGRES)).await.unwrap(), *rival);
    // Whoever was cut off between the two calls is gone on from.
    server.lock().secrets.insert("dive-hub-redis".to_owned(), Vec::new());
    let made = obtain(&*secrets, &id(SecretName::Redis)).await.unwrap();
    assert_eq!(*obtain(&*secrets, &id(SecretName::Redis)).await.unwrap(), *made);
}

#[tokio::test]
async fn a_newer_version_stands_beside_the_earlier_one_until_that_is_dropped_for_good() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = serve().await;
    let newer = SecretId { version: 2, ..id(POSTGRES) };
    let files = store(home.path(), std::iter::empty()).unwrap();
    let manager = google(&address, &[]).unwrap();
    assert_eq!(manager.newest(&newer).await, Ok(None));
    for secrets in [&files, &manager] {
        let first = obtain(&**secrets, &id(POSTGRES)).await.unwrap();
        let second = obtain(&**secrets, &newer).await.unwrap();
        assert_ne!(*first, *second);
        assert_eq!(*obtain(&**secrets, &newer).await.unwrap(), *second, "made once");
        assert_eq!(*secrets.read(&id(POSTGRES)).await.unwrap().unwrap(), *first);
    }
    assert_eq!(manager.newest(&id(POSTGRES)).await, Ok(Some(2)));
    for _ in 0..2 {
        manager.forget(&id(POSTGRES)).await.unwrap();
        let gone = manager.read(&id(POSTGRES)).await.unwrap_err();
        assert_eq!(gone.code, ErrorCode::SecretInvalid);
        assert!(manager.read(&newer).await.unwrap().is_some());
    }
    // Of two versions none can be left out: nothing is made that is not what was asked for.
    let far = SecretId { version: 9, ..newer };
    assert_eq!(obtain(&*manager, &far).await.unwrap_err().code, ErrorCode::SecretLoad);
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let (server, address) = serve().await;
    let secrets = google(&address, &[]).unwrap();
    let asked = || server.lock().calls.iter().filter(|call| *call == "token").count();
    for _ in 0..3 {
        secrets.has(&id(POSTGRES)).await.unwrap();
    }
    assert_eq!(asked(), 1);
    server.lock().tokens += 1;
    assert!(!secrets.has(&id(POSTGRES)).await.unwrap());
    assert_eq!(asked(), 2);
    let given = google(&address, &[("DIVE_SECRETS_TOKEN", "hunter2")]).unwrap();
    let refused = given.has(&id(POSTGRES)).await.unwrap_err();
    assert_eq!((refused.code, asked()), (ErrorCode::SecretLoad, 2));
    assert!(refused.detail.contains("refused") && !refused.detail.contains("hunter2"), "{refused}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long it really takes is what is claimed")]
async fn a_store_that_is_away_silent_or_unwilling_is_1004_within_its_time() {
    let (server, address) = serve().await;
    let secrets = google(&address, &[]).unwrap();
    for status in
        [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY, StatusCode::FOUND]
    {
        server.lock().fails = Some(status);
        let failure = obtain(&*secrets, &id(POSTGRES)).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::SecretLoad, "{status}: {failure}");
    }
    server.lock().fails = None;
    server.lock().hangs = true;
    let settings = settings(&address, &[]).collect();
    let limit = Duration::from_millis(400);
    let secrets = google::SecretManager::new(&settings, limit).unwrap();
    let began = tokio::time::Instant::now();
    let failure = obtain(&secrets, &id(POSTGRES)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::SecretLoad);
    assert!(failure.detail.contains("no answer within 400ms"), "{failure}");
    let took = began.elapsed();
    assert!(limit <= took && took < 3 * google::CALL, "{took:?}");
    // Nobody listens there.
    let secrets = google("http://127.0.0.1:1", &[("DIVE_SECRETS_TOKEN", "token-1")]).unwrap();
    assert_eq!(obtain(&*secrets, &id(POSTGRES)).await.unwrap_err().code, ErrorCode::SecretLoad);
}

#[tokio::test]
async fn a_version_that_is_disabled_or_no_secret_is_1005_and_not_shown() {
    let (server, address) = serve().await;
    let secrets = google(&address, &[]).unwrap();
    let kept = |text: &str| {
        let version = Base64::encode_string(text.as_bytes());
        server.lock().secrets.insert("dive-hub-postgres".to_owned(), vec![version]);
    };
    kept("hunter2");
    let failure = obtain(&*secrets, &id(POSTGRES)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::SecretInvalid);
    assert!(
        !failure.detail.contains("hunter2") && !failure.detail.contains(&Base64::encode_string(b"hunter2"))
    );
    kept(&Secret::made().unwrap());
    server.lock().disabled = true;
    assert!(!secrets.has(&id(POSTGRES)).await.unwrap());
    let failure = obtain(&*secrets, &id(POSTGRES)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::SecretInvalid, "{failure}");
}

#[test]
fn settings_that_are_wrong_or_would_carry_secrets_in_the_clear_are_refused() {
    let refused = |more: &[(&str, &str)]| {
        let failure =
            google("https://secrets.example", more).err().map(|failure| (failure.code, failure.detail));
        let (code, detail) = failure.expect("it is refused");
        assert_eq!(code, ErrorCode::Configuration, "{detail}");
        detail
    };
    assert!(refused(&[("DIVE_SECRETS", "vault")]).contains("vault"));
    refused(&[("DIVE_SECRETS_PROJECT", "../other")]);
    assert!(refused(&[("DIVE_SECRETS_URL", "http://secrets.example")]).contains("https://"));
    refused(&[("DIVE_SECRETS_URL", "ftp://127.0.0.1")]);
    refused(&[("DIVE_SECRETS_METADATA", "http://10.0.0.1")]);
    let over_tls = [("DIVE_SECRETS_METADATA", "http://169.254.169.254")];
    assert!(google("https://secrets.example", &over_tls).is_ok());
}
