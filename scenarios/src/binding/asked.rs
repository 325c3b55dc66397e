//! One request, ready to be sent, and how its end is told.

use std::time::Duration;

use harness_core::event::Answer;

use super::requests::{Class, Kind};

/// Whom a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The node.
    Hub,
    /// The identity provider.
    Keycloak,
    /// The key access service.
    Kas,
    /// The interface at which a stand-in of the identity provider is told what to do.
    KeycloakManagement,
}

/// A request, ready to be sent: a POST.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its id, unique in the run.
    pub id: String,
    /// Whom it goes to.
    pub to: Party,
    /// Path and query.
    pub path: String,
    /// The caller's bearer token, if there is one.
    pub token: Option<String>,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// How long the caller waits, in system time.
    pub patience: Duration,
    pub(super) kind: Kind,
    /// Whose token it bears, and which of theirs.
    pub(super) bearer: Option<String>,
}

impl Asked {
    /// The headers, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let token = self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}")));
        [("content-type", self.content_type.to_owned()), ("x-request-id", self.id.clone())]
            .into_iter()
            .chain(token)
    }

    /// The answer with this status.
    pub(super) fn answered(&self, status: u16) -> Answer {
        let answer =
            Answer::new(Class::of_status(self.kind, status).name()).with("status", status.to_string());
        // Only a node knows the request by its id.
        let answer = if self.to == Party::Hub { answer.with("request", self.id.clone()) } else { answer };
        match &self.bearer {
            Some(bearer) => answer.with("token", bearer.clone()),
            None => answer,
        }
    }

    /// The end of a request that got no answer while its caller waited.
    pub fn unanswered(&self) -> Answer {
        Answer::new(if self.kind == Kind::ReadImpatient { Class::GaveUp } else { Class::NoAnswer }.name())
    }

    /// The end of a request whose connection failed.
    pub fn failed(&self, why: impl Into<String>) -> Answer {
        Answer::new(Class::Refused.name()).with("error", why)
    }
}
