//! A request for authorization, and how it is answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dive_authz::Decision;

use crate::resources::KnownResource;
use crate::token::TokenError;

/// Why nothing is answered while the store of resources is away.
pub(crate) const NO_METADATA: &str = "resource metadata unavailable";
/// Why nothing is let through before it is known what was revoked.
pub(crate) const NO_REVOCATIONS: &str = "revocations unavailable";
/// Why nothing is let through while the audit trail is away.
pub(crate) const NO_TRAIL: &str = "audit trail unavailable";

/// A request for authorization, as it came in. Not printable: it holds a token.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Names the request in logs and audit.
    pub request_id: &'a str,
    /// The bearer token; empty when there is none.
    pub token: &'a str,
    /// What is asked for.
    pub resource_id: &'a str,
    /// What is to be done with it.
    pub operation: &'a str,
    /// Where the request came from.
    pub source_ip: Option<&'a str>,
}

/// Why a caller is not known. Never holds any part of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unauthenticated {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the token was revoked")]
    Revoked,
    #[error("the token lives longer than a revocation is kept")]
    TooLongLived,
}

/// How a request for authorization is answered.
pub(crate) enum Verdict {
    /// The policy engine decided, now or within the decision's time to live.
    Decided { decision: Arc<Decision>, cached: bool, resource: Arc<KnownResource> },
    /// The token was refused.
    Unauthenticated(Unauthenticated),
    /// There is no such resource.
    NoSuchResource,
    /// Something that is needed for an answer is away.
    Unavailable { reason: &'static str, retry_after: Option<Duration> },
}

impl Verdict {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Decided { decision, .. } if decision.allow() => 200,
            Self::Decided { .. } => 403,
            Self::Unauthenticated(_) => 401,
            Self::NoSuchResource => 404,
            Self::Unavailable { .. } => 503,
        }
    }

    pub(crate) fn allow(&self) -> bool {
        matches!(self, Self::Decided { decision, .. } if decision.allow())
    }

    pub(crate) fn cached(&self) -> bool {
        matches!(self, Self::Decided { cached: true, .. })
    }

    /// Why, in the words of the interface.
    pub(crate) fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Decided { decision, .. } => Cow::Borrowed(decision.reason().name()),
            Self::Unauthenticated(why) => Cow::Owned(why.to_string()),
            Self::NoSuchResource => Cow::Borrowed("no such resource"),
            Self::Unavailable { reason, .. } => Cow::Borrowed(reason),
        }
    }
}
