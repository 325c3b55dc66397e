//! `GET /api/idps/public`: whom one can log in at. Takes no token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::problem::{Problem, json};
use super::request_id;
use crate::node::Parts;

#[derive(Serialize)]
struct Answer<'a> {
    idps: Vec<Idp<'a>>,
    /// The store is away; this is what was read last.
    stale: bool,
}

#[derive(Serialize)]
struct Idp<'a> {
    issuer: &'a str,
    tenant: &'a str,
}

pub(super) async fn public(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let Ok(listed) = parts.idps.list().await else {
        let problem = Problem::Unavailable { reason: "trusted issuers unavailable", retry_after: None };
        return problem.answer(&request_id(&request));
    };
    let idps = listed.issuers.iter().map(|idp| Idp { issuer: &idp.issuer, tenant: &idp.tenant }).collect();
    json(StatusCode::OK, &Answer { idps, stale: listed.stale })
}
