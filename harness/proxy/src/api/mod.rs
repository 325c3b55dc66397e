//! Toxiproxy's HTTP API over a set of proxies: paths, JSON and status codes of its version 2.12, so that anybody's
//! client works; stricter only in what it refuses.
//!
//! Below each proxy there is more than Toxiproxy has:
//!
//! | | |
//! |---|---|
//! | `POST /proxies/{proxy}/refuse` `{"refuse": true}` | close or open the listener, leave what is established |
//! | `POST /proxies/{proxy}/cut` `{"cut": "rst"}` | end what is established, `rst` or `fin`; how many |
//! | `GET /proxies/{proxy}/counters` | [`crate::Counters`] |
//! | `GET`, `DELETE /proxies/{proxy}/exchanges` | the gauge; read it and reset its high-water mark |
//! | `GET /proxies/{proxy}/connections` | the log |
//!
//! Handlers read the whole body first (bounded), parse it, and then change the set in one step that never waits.

mod address;
mod body;
mod error;
mod serve;

pub use serve::Server;

use crate::connections::Cut;
use crate::json::{ToxicIn, ToxicOut};
use crate::set::{Patch, ProxySet, SetError, Wanted};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use body::{ProxyIn, ProxyOut, parse, toxics};
use error::{ApiError, plain};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The version of Toxiproxy whose API this is.
pub const TOXIPROXY_VERSION: &str = "2.12.0";

/// The longest request body, in bytes.
const LONGEST_BODY: usize = 1 << 20;

/// A body that trickles in must be there by then.
const PATIENCE: Duration = Duration::from_secs(15);

type Set = State<Arc<ProxySet>>;
type Outcome<T> = Result<T, ApiError>;

fn routes(set: Arc<ProxySet>) -> Router {
    Router::new()
        .route("/version", get(version))
        .route("/reset", post(reset))
        .route("/populate", post(populate))
        .route("/proxies", get(list).post(create))
        .route("/proxies/{proxy}", get(show).post(update).patch(update).delete(delete))
        .route("/proxies/{proxy}/toxics", get(list_toxics).post(create_toxic))
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(show_toxic).post(update_toxic).patch(update_toxic).delete(delete_toxic),
        )
        .route("/proxies/{proxy}/refuse", post(refuse))
        .route("/proxies/{proxy}/cut", post(cut))
        .route("/proxies/{proxy}/counters", get(counters))
        .route("/proxies/{proxy}/exchanges", get(exchanges).delete(reset_exchanges))
        .route("/proxies/{proxy}/connections", get(connections))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()) })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(no_browsers))
        .with_state(set)
}

/// A page open in a browser must not be able to drive this.
async fn no_browsers(request: Request, next: Next) -> Response {
    let browser = request
        .headers()
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    if browser {
        return plain(StatusCode::FORBIDDEN, "User agent not allowed\n".to_owned());
    }
    next.run(request).await
}

async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(PATIENCE, next.run(request))
        .await
        .unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

async fn version() -> Response {
    let body = format!("{{\"version\": \"{TOXIPROXY_VERSION}\"}}\n");
    ([(header::CONTENT_TYPE, "application/json;charset=utf-8")], body).into_response()
}

async fn reset(State(set): Set) -> Outcome<StatusCode> {
    set.reset()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(set): Set) -> Json<BTreeMap<String, ProxyOut>> {
    Json(set.all().iter().map(|proxy| (proxy.name().to_owned(), ProxyOut::from(&**proxy))).collect())
}

/// `place` tells which one it was of several.
async fn wanted(given: ProxyIn, place: &str) -> Outcome<Wanted> {
    given.without_toxics()?;
    let required = |field: &str, value: Option<String>| {
        value.filter(|v| !v.is_empty()).ok_or_else(|| ApiError::missing(format!("{field}{place}")))
    };
    Ok(Wanted {
        name: required("name", given.name)?,
        upstream: required("upstream", given.upstream)?,
        listen: address::listen(&given.listen.unwrap_or_default()).await?,
        enabled: given.enabled.unwrap_or(true),
    })
}

async fn create(State(set): Set, body: Bytes) -> Outcome<(StatusCode, Json<ProxyOut>)> {
    let proxy = set.create(&wanted(parse(&body)?, "").await?)?;
    Ok((StatusCode::CREATED, Json(ProxyOut::from(&*proxy))))
}

/// Toxiproxy answers errors of this call in a shape of their own.
async fn populate(State(set): Set, body: Bytes) -> Response {
    #[derive(Serialize)]
    struct Failed {
        #[serde(flatten)]
        error: ApiError,
        proxies: Option<Vec<ProxyOut>>,
    }
    #[derive(Serialize)]
    struct Populated {
        proxies: Vec<ProxyOut>,
    }
    let populated = async {
        let given: Vec<ProxyIn> = parse(&body)?;
        let mut all = Vec::new();
        for (i, given) in given.into_iter().enumerate() {
            let wanted = wanted(given, &format!(" at proxy {}", i + 1)).await?;
            if all.iter().any(|other: &Wanted| other.name == wanted.name) {
                return Err(ApiError::body(format!("name {:?} is given twice", wanted.name)));
            }
            all.push(wanted);
        }
        Ok::<_, ApiError>(set.populate(&all)?)
    };
    match populated.await {
        Ok(proxies) => {
            let proxies = proxies.iter().map(|proxy| ProxyOut::from(&**proxy)).collect();
            (StatusCode::CREATED, Json(Populated { proxies })).into_response()
        }
        Err(error) => (error.status(), Json(Failed { error, proxies: None })).into_response(),
    }
}

async fn show(State(set): Set, Path(name): Path<String>) -> Outcome<Json<ProxyOut>> {
    Ok(Json(ProxyOut::from(&*set.get(&name)?)))
}

async fn update(State(set): Set, Path(name): Path<String>, body: Bytes) -> Outcome<Json<ProxyOut>> {
    set.get(&name)?;
    let given: ProxyIn = parse(&body)?;
    if given.name.is_some_and(|given| !given.is_empty() && given != name) {
        return Err(ApiError::body("name: a proxy keeps its name"));
    }
    let listen = match given.listen {
        Some(listen) => Some(address::listen(&listen).await?),
        None => None,
    };
    let patch = Patch { listen, upstream: given.upstream, enabled: given.enabled };
    let proxy = set.update(&name, &patch)?;
    Ok(Json(ProxyOut::from(&*proxy)))
}

async fn delete(State(set): Set, Path(name): Path<String>) -> Outcome<StatusCode> {
    set.remove(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_toxics(State(set): Set, Path(name): Path<String>) -> Outcome<Json<Vec<ToxicOut>>> {
    Ok(Json(toxics(&*set.get(&name)?)))
}

async fn create_toxic(State(set): Set, Path(name): Path<String>, body: Bytes) -> Outcome<Json<ToxicOut>> {
    let proxy = set.get(&name)?;
    let toxic = parse::<ToxicIn>(&body)?.create()?;
    proxy.add(toxic.clone())?;
    Ok(Json(toxic.into()))
}

fn no_such_toxic() -> ApiError {
    crate::proxy::Refused::NotFound.into()
}

async fn show_toxic(State(set): Set, Path((name, toxic)): Path<(String, String)>) -> Outcome<Json<ToxicOut>> {
    let toxic = set.get(&name)?.toxic(&toxic).ok_or_else(no_such_toxic)?;
    Ok(Json(toxic.into()))
}

async fn update_toxic(
    State(set): Set,
    Path((name, toxic)): Path<(String, String)>,
    body: Bytes,
) -> Outcome<Json<ToxicOut>> {
    let proxy = set.get(&name)?;
    proxy.toxic(&toxic).ok_or_else(no_such_toxic)?;
    let given: ToxicIn = parse(&body)?;
    Ok(Json(proxy.revise(&toxic, |current| given.update(current))?.into()))
}

async fn delete_toxic(State(set): Set, Path((name, toxic)): Path<(String, String)>) -> Outcome<StatusCode> {
    if set.get(&name)?.remove_named(&toxic) { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_toxic()) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseIn {
    refuse: bool,
}

async fn refuse(State(set): Set, Path(name): Path<String>, body: Bytes) -> Outcome<Json<ProxyOut>> {
    let proxy = set.get(&name)?;
    proxy.refuse(parse::<RefuseIn>(&body)?.refuse).map_err(SetError::from)?;
    Ok(Json(ProxyOut::from(&*proxy)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CutIn {
    cut: Cut,
}

async fn cut(State(set): Set, Path(name): Path<String>, body: Bytes) -> Outcome<Response> {
    let cut = set.get(&name)?.cut(parse::<CutIn>(&body)?.cut);
    Ok(Json(serde_json::json!({ "cut": cut })).into_response())
}

async fn counters(State(set): Set, Path(name): Path<String>) -> Outcome<Response> {
    Ok(Json(set.get(&name)?.counters()).into_response())
}

async fn exchanges(State(set): Set, Path(name): Path<String>) -> Outcome<Response> {
    Ok(Json(set.get(&name)?.exchanges()).into_response())
}

async fn reset_exchanges(State(set): Set, Path(name): Path<String>) -> Outcome<Response> {
    Ok(Json(set.get(&name)?.reset_high_water()).into_response())
}

async fn connections(State(set): Set, Path(name): Path<String>) -> Outcome<Response> {
    Ok(Json(set.get(&name)?.connections()).into_response())
}

/// Whether `body` has the shape of one that some call about proxies takes.
pub(crate) fn understood(body: &[u8]) -> bool {
    parse::<ProxyIn>(body).is_ok_and(|proxy| proxy.without_toxics().is_ok())
        || parse::<Vec<ProxyIn>>(body).is_ok()
        || parse::<RefuseIn>(body).is_ok()
        || parse::<CutIn>(body).is_ok()
}
