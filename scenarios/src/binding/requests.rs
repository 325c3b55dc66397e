//! From a request's number to a user, a resource and what must come of it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use coalition::{Coalition, CoalitionError};
use dive_authz::{Input, Resource};
use harness_core::event::Answer;

/// The kinds of requests a scenario can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody asks for what they may have. Every one is a question of its own, so that no answer can
    /// come from the decision cache.
    Read,
    /// The same few questions again and again: what the decision cache is for.
    ReadAgain,
    /// Somebody asks for what they may not have.
    ReadForbidden,
    /// As `Read`, by a caller who gives up after half a second.
    ReadImpatient,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::ReadAgain, Self::ReadForbidden, Self::ReadImpatient];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadAgain => "read-again",
            Self::ReadForbidden => "read-forbidden",
            Self::ReadImpatient => "read-impatient",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How long its callers wait, in system time.
    pub const fn patience(self) -> Duration {
        match self {
            Self::ReadImpatient => Duration::from_millis(500),
            _ => Duration::from_secs(20),
        }
    }
}

/// What can come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 200.
    Allowed,
    /// 403, with the policy's reason.
    Denied,
    /// 503: the node can't decide now.
    Unavailable,
    /// 401.
    Unauthenticated,
    /// Any other status.
    Error,
    /// No connection, or it broke.
    Refused,
    /// No answer while the caller waited.
    NoAnswer,
    /// The caller gave up on purpose.
    GaveUp,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Allowed,
        Self::Denied,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::Error,
        Self::Refused,
        Self::NoAnswer,
        Self::GaveUp,
    ];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::NoAnswer => "no-answer",
            Self::GaveUp => "gave-up",
        }
    }

    /// What a status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200 => Self::Allowed,
            403 => Self::Denied,
            503 => Self::Unavailable,
            401 => Self::Unauthenticated,
            _ => Self::Error,
        }
    }
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Its id, unique in the run.
    pub id: String,
    /// The caller's token.
    pub token: &'a str,
    /// The body of `POST /api/authorize`.
    pub body: String,
    /// How long the caller waits, in system time.
    pub patience: Duration,
    kind: Kind,
}

impl Asked<'_> {
    /// The answer with this status.
    pub fn answered(&self, status: u16) -> Answer {
        Answer::new(Class::of_status(status).name())
            .with("request", self.id.clone())
            .with("status", status.to_string())
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

/// The callers of a run, with their tokens and what they may have.
pub struct Callers {
    coalition: Coalition,
    now: i64,
    /// Signed when first used: signing is what takes time here.
    tokens: BTreeMap<&'static str, OnceLock<String>>,
    allowed: Vec<(&'static str, String)>,
    forbidden: Vec<(&'static str, String)>,
    classifications: BTreeMap<String, String>,
}

impl Callers {
    /// Every user of the coalition with a token of `now` (seconds since the Unix epoch). What each may
    /// have, `decide` says: the policy, asked while nothing is broken.
    ///
    /// # Errors
    /// When the coalition contradicts itself, which its tests rule out.
    pub fn new(
        coalition: Coalition,
        now: i64,
        current_time: &str,
        decide: impl Fn(&Input) -> bool,
    ) -> Result<Self, CoalitionError> {
        let (mut tokens, mut allowed, mut forbidden) = (BTreeMap::new(), Vec::new(), Vec::new());
        let trusted = |tenant| coalition.tenant(tenant).is_ok_and(|tenant| tenant.trusted);
        for user in coalition.users().iter().filter(|user| trusted(user.tenant)) {
            tokens.insert(user.id, OnceLock::new());
            for resource in coalition.resources() {
                let input = coalition.input(user.id, &resource.resource_id, "read", current_time)?;
                let pair = (user.id, resource.resource_id.clone());
                if decide(&input) { allowed.push(pair) } else { forbidden.push(pair) }
            }
        }
        let classification =
            |resource: &Resource| Some((resource.resource_id.clone(), resource.classification.clone()?));
        let classifications = coalition.resources().iter().filter_map(classification).collect();
        Ok(Self { coalition, now, tokens, allowed, forbidden, classifications })
    }

    /// The request of that kind and number; `sent` counts the requests of a run and makes its id.
    pub fn ask(&self, kind: Kind, number: u64, sent: u64) -> Asked<'_> {
        let id = format!("r{sent}");
        let pairs = if kind == Kind::ReadForbidden { &self.forbidden } else { &self.allowed };
        let (user, resource) = &pairs[number as usize % pairs.len()];
        let operation = if kind == Kind::ReadAgain { "read".to_owned() } else { format!("read {id}") };
        Asked {
            token: self.token(user),
            body: format!(r#"{{"resourceId":"{resource}","operation":"{operation}"}}"#),
            patience: kind.patience(),
            kind,
            id,
        }
    }

    /// The token of a user. One that can't be signed is empty, and refused.
    fn token(&self, user: &str) -> &str {
        let sign = || self.coalition.token(user, self.now).unwrap_or_default();
        self.tokens.get(user).map_or("", |token| token.get_or_init(sign))
    }

    /// The classification of a resource, as facts carry it.
    pub fn classification(&self, resource: &str) -> String {
        self.classifications.get(resource).cloned().unwrap_or_default()
    }
}
