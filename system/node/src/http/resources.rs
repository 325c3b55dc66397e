//! `GET /api/resources/{id}`, `/api/resources/{id}/payload`, `/api/resources/search`, each with a bearer
//! token. An id is one percent-encoded segment of the path.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dive_authz::{Obligation, Resource};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::authorize::{LONGEST_NAME, answered};
use super::body::bearer;
use super::problem::{Problem, json};
use super::{request_id, source_ip};
use crate::audit::RESOURCE_ACCESS;
use crate::enforcement::{Ask, Page, Search, Verdict};
use crate::node::Parts;
use crate::resources::KnownResource;

/// Resources on a page unless the caller says otherwise, and at most.
const PAGE: usize = 20;
const LONGEST_PAGE: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    resource: &'a Resource,
    obligations: &'a [Obligation],
    /// Of an encrypted resource: what its client needs to ask for the key and to check what it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectReference<'a>>,
    cached: bool,
    request_id: &'a str,
}

#[derive(Serialize)]
struct ObjectReference<'a> {
    manifest: &'a RawValue,
    payload: PayloadReference,
}

#[derive(Serialize)]
struct PayloadReference {
    /// Where the payload is had.
    href: String,
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    q: String,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    resources: Vec<&'a Resource>,
    /// `after` for the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    /// Too many hits may not be read: a narrower search may list more.
    cut_short: bool,
    request_id: &'a str,
}

/// What a request for one resource names.
struct Named {
    request_id: Arc<str>,
    source_ip: Option<Arc<str>>,
    head: Head,
    id: String,
}

impl Named {
    async fn read(request: Request) -> Result<Self, Response> {
        let (request_id, source_ip) = (request_id(&request), source_ip(&request));
        let (mut head, _) = request.into_parts();
        let id: Result<Path<String>, PathRejection> = Path::from_request_parts(&mut head, &()).await;
        match id {
            Ok(Path(id)) if !id.is_empty() && id.len() <= LONGEST_NAME => {
                Ok(Self { request_id, source_ip, head, id })
            }
            _ => {
                let reason = format!("a resource's id is UTF-8 of 1 to {LONGEST_NAME} bytes");
                Err(Problem::BadRequest(&reason).answer(&request_id))
            }
        }
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            request_id: &self.request_id,
            token: bearer(&self.head.headers),
            resource_id: &self.id,
            operation: "read",
            source_ip: self.source_ip.as_deref(),
        }
    }
}

pub(super) async fn one(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let named = match Named::read(request).await {
        Ok(named) => named,
        Err(problem) => return problem,
    };
    match parts.enforcement.authorize(RESOURCE_ACCESS, &named.ask()).await {
        Verdict::Decided { decision, cached, resource } if decision.allow() => {
            let answer = Answer {
                resource: &resource.metadata,
                obligations: decision.obligations(),
                object: reference(&resource, &named.id),
                cached,
                request_id: &named.request_id,
            };
            json(StatusCode::OK, &answer)
        }
        refusal => answered(&refusal, &named.request_id),
    }
}

fn reference<'a>(resource: &'a KnownResource, id: &str) -> Option<ObjectReference<'a>> {
    let object = resource.object.as_ref()?;
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    Some(ObjectReference {
        manifest: &object.manifest,
        payload: PayloadReference {
            href: format!("/api/resources/{id}/payload"),
            bytes: object.payload_bytes,
        },
    })
}

pub(super) async fn payload(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let named = match Named::read(request).await {
        Ok(named) => named,
        Err(problem) => return problem,
    };
    let (verdict, payload) = parts.enforcement.authorize_payload(&named.ask()).await;
    match (verdict, payload) {
        (Verdict::Decided { decision, .. }, Some(payload)) if decision.allow() => {
            let kind = HeaderValue::from_static("application/octet-stream");
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], payload.0).into_response()
        }
        (Verdict::Decided { decision, .. }, None) if decision.allow() => {
            Problem::NotFound("the resource has no payload").answer(&named.request_id)
        }
        (refusal, _) => answered(&refusal, &named.request_id),
    }
}

pub(super) async fn search(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let (id, source) = (request_id(&request), source_ip(&request));
    let (mut head, _) = request.into_parts();
    let asked: Result<Query<Parameters>, QueryRejection> = Query::from_request_parts(&mut head, &()).await;
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(rejection) => return Problem::BadRequest(&rejection.body_text()).answer(&id),
    };
    let limit = asked.limit.unwrap_or(PAGE);
    let after = asked.after.as_deref();
    let too_long = asked.q.len().max(after.map_or(0, str::len)) > LONGEST_NAME;
    if !(1..=LONGEST_PAGE).contains(&limit) || too_long {
        let reason = format!("limit is 1 to {LONGEST_PAGE}; q and after have at most {LONGEST_NAME} bytes");
        return Problem::BadRequest(&reason).answer(&id);
    }
    let search = Search {
        request_id: &id,
        token: bearer(&head.headers),
        text: &asked.q,
        after,
        limit,
        source_ip: source.as_deref(),
    };
    match parts.enforcement.search(&search).await {
        Ok(Page { listed, more, cut_short }) => {
            let resources: Vec<_> = listed.iter().map(|resource| &resource.metadata).collect();
            let next = resources.last().filter(|_| more).map(|resource| resource.resource_id.as_str());
            json(StatusCode::OK, &Listed { resources, next, cut_short, request_id: &id })
        }
        Err(refusal) => answered(&refusal, &id),
    }
}
