//! `POST /api/auth/revoke {jti}` or `{uniqueID}`, and `POST /api/auth/logout`, each with a bearer token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::authorize::LONGEST_NAME;
use super::body::{self, Refusal, bearer};
use super::problem::{Problem, json};
use super::request_id;
use crate::enforcement::{NotRevoked, Revoke, Target};
use crate::node::Parts;
use crate::revocation::Revoked;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    jti: Option<String>,
    #[serde(rename = "uniqueID", default)]
    unique_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    revoked: bool,
    /// Whether every node will know within seconds; else as soon as the store is back.
    everywhere: bool,
    request_id: &'a str,
}

impl Question {
    fn target(self) -> Result<Target, Refusal> {
        let target = match (self.jti, self.unique_id) {
            (Some(jti), None) => Target::Token(jti),
            (None, Some(unique_id)) => Target::User(unique_id),
            _ => return Err(Refusal::Wrong("exactly one of jti and uniqueID is needed".to_owned())),
        };
        match &target {
            Target::Token(name) | Target::User(name) if name.is_empty() || name.len() > LONGEST_NAME => {
                Err(Refusal::Wrong(format!("jti and uniqueID must have 1 to {LONGEST_NAME} bytes")))
            }
            _ => Ok(target),
        }
    }
}

pub(super) async fn revoke(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let id = request_id(&request);
    let (head, body) = request.into_parts();
    let question = body::read(&parts.settings.http, &*parts.runtime, &head.headers, body).await;
    match question.and_then(Question::target) {
        Ok(target) => answer(&parts, &id, bearer(&head.headers), target, "revoke").await,
        Err(refusal) => refusal.problem().answer(&id),
    }
}

pub(super) async fn logout(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let id = request_id(&request);
    let (head, _) = request.into_parts();
    answer(&parts, &id, bearer(&head.headers), Target::ThisToken, "logout").await
}

async fn answer(parts: &Parts, id: &str, token: &str, target: Target, action: &'static str) -> Response {
    let revoke = Revoke { request_id: id, token, target, action };
    let everywhere = match parts.enforcement.revoke(&revoke).await {
        Ok(revoked) => revoked == Revoked::Everywhere,
        Err(refusal) => return refused(&refusal, id),
    };
    let status = if everywhere { StatusCode::OK } else { StatusCode::ACCEPTED };
    json(status, &Answer { revoked: true, everywhere, request_id: id })
}

fn refused(refusal: &NotRevoked, id: &str) -> Response {
    match refusal {
        NotRevoked::Unauthenticated(why) => Problem::Unauthenticated(why).answer(id),
        NotRevoked::Forbidden => {
            Problem::Forbidden("others' tokens are revoked by hub-admin and super-admin").answer(id)
        }
        NotRevoked::Unavailable { reason, retry_after } => {
            Problem::Unavailable { reason, retry_after: *retry_after }.answer(id)
        }
    }
}
