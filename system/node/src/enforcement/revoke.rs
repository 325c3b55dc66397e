//! Revoking: one's own token or all of one's own tokens; those of others with a role that may.
//!
//! Whether a role may is decided here, by the token's `roles`: the policy has no rule about it.

use std::time::Duration;

use dive_runtime::Wall;

use super::trail::Outcome;
use super::{Enforcement, NO_TRAIL, Verdict};
use crate::audit::SECURITY_EVENT;
use crate::event::NodeEvent;
use crate::ports::Revocation;
use crate::revocation::Revoked;
use crate::token::VerifiedToken;

/// Roles that may revoke what is not their own.
const ADMINS: [&str; 2] = ["hub-admin", "super-admin"];

/// What is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The token that is asked with.
    ThisToken,
    Token(String),
    User(String),
}

/// A request to revoke, as it came in.
pub(crate) struct Revoke<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) target: Target,
    /// `revoke` or `logout`.
    pub(crate) action: &'static str,
}

/// How it was refused.
#[derive(Debug)]
pub(crate) enum NotRevoked {
    /// The token was refused, and why. Never holds any part of it.
    Unauthenticated(String),
    /// It is somebody else's, and the role is missing.
    Forbidden,
    Unavailable {
        reason: &'static str,
        retry_after: Option<Duration>,
    },
}

impl NotRevoked {
    fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable { reason, retry_after: None }
    }

    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unauthenticated(why) => why.clone(),
            Self::Forbidden => "role".to_owned(),
            Self::Unavailable { reason, .. } => (*reason).to_owned(),
        }
    }
}

impl From<Verdict> for NotRevoked {
    /// Of a refusal for want of a token that is to be believed.
    fn from(refusal: Verdict) -> Self {
        match refusal {
            Verdict::Unavailable { reason, retry_after } => Self::Unavailable { reason, retry_after },
            refusal => Self::Unauthenticated(refusal.reason().into_owned()),
        }
    }
}

/// What is known of a target once it is known who asks.
struct Judged {
    revocation: Revocation,
    /// As the audit trail names it.
    name: String,
    own: bool,
}

impl Enforcement {
    /// Revokes, if who asks may. What is revoked holds here at once; the answer says whether every node knows.
    pub(crate) async fn revoke(&self, revoke: &Revoke<'_>) -> Result<Revoked, NotRevoked> {
        let (token, judged) = match self.authenticate(revoke.token).await {
            Ok(token) => {
                let judged = self.judge_target(&revoke.target, &token);
                (Some(token), Ok(judged))
            }
            Err(refusal) => (None, Err(refusal.into())),
        };
        let is_admin = |token: &VerifiedToken| token.roles.iter().any(|role| ADMINS.contains(&role.as_str()));
        let name = match &judged {
            Ok(judged) => judged.name.clone(),
            Err(_) => named(&revoke.target),
        };
        let judged = judged.and_then(|judged| match &self.revocations {
            _ if !judged.own && !token.as_deref().is_some_and(is_admin) => Err(NotRevoked::Forbidden),
            None => Err(NotRevoked::unavailable("no store of revocations is configured")),
            Some(revocations) => Ok((revocations, judged.revocation)),
        });
        let reason = judged.as_ref().map_or_else(NotRevoked::reason, |_| "allow".to_owned());
        let outcome = Outcome {
            event_type: SECURITY_EVENT,
            request_id: revoke.request_id,
            subject: token.as_ref().and_then(|token| token.subject.unique_id.as_deref()),
            resource: &name,
            action: revoke.action,
            allow: judged.is_ok(),
            reason: &reason,
        };
        // Before the deed: it holds here whatever comes after.
        let kept = self.trail.put(&outcome).await;
        if let Err(NotRevoked::Unauthenticated(why)) = &judged {
            self.events.emit(&NodeEvent::TokenRefused { request_id: revoke.request_id, why });
        }
        let (revocations, revocation) = judged?;
        kept.map_err(|_| NotRevoked::unavailable(NO_TRAIL))?;
        let what = match &revocation {
            Revocation::Token { .. } => "token",
            Revocation::User { .. } => "user",
        };
        let revoked = revocations.revoke(revocation).await;
        self.events.emit(&NodeEvent::Revoked { request_id: revoke.request_id, what });
        revoked.map_err(|_| NotRevoked::Unavailable {
            reason: "revoked at this node only",
            retry_after: Some(revocations.retry_after()),
        })
    }

    fn judge_target(&self, target: &Target, token: &VerifiedToken) -> Judged {
        let now = self.runtime.wall();
        let held = Wall::from_epoch(now.since_epoch() + self.revocation_hold);
        let of_token = |jti: &str, own: bool| {
            let end = Duration::from_secs(token.expires.try_into().unwrap_or(0)) + self.skew;
            let until = if own { Wall::from_epoch(end) } else { held };
            Judged {
                revocation: Revocation::Token { jti: jti.to_owned(), until },
                name: format!("token:{jti}"),
                own,
            }
        };
        match target {
            Target::ThisToken => of_token(&token.jti, true),
            Target::Token(jti) => of_token(jti, *jti == token.jti),
            Target::User(unique_id) => Judged {
                revocation: Revocation::User {
                    unique_id: unique_id.clone(),
                    issued_until: i64::try_from(now.since_epoch().as_secs()).unwrap_or(i64::MAX),
                    until: held,
                },
                name: format!("user:{unique_id}"),
                own: token.subject.unique_id.as_deref() == Some(unique_id),
            },
        }
    }
}

fn named(target: &Target) -> String {
    match target {
        Target::ThisToken => "token".to_owned(),
        Target::Token(jti) => format!("token:{jti}"),
        Target::User(unique_id) => format!("user:{unique_id}"),
    }
}
