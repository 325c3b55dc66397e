//! The request path: token → resource → question → decision. Everything fails closed.
//!
//! ```text
//!  verify token ─► revoked? ─401/503─► metadata ─404/503─► decision cache ──hit──► allow 200 / deny 403
//!                                                           │ miss
//!                                                           └► breaker ► policy engine ─error─► 503
//! ```
//!
//! Every outcome is put on the audit trail exactly once, before it is answered; what cannot be put there
//! is not let through. There is one place that asks the engine and no other way to an allow.

mod revoke;
mod search;
mod trail;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use dive_authz::{Action, Context, Decision, Input, Reason, Resource};
use dive_runtime::{Monotonic, Runtime};

pub(crate) use revoke::{NotRevoked, Revoke, Target};
pub(crate) use search::{Page, Search};
pub(crate) use trail::{Outcome, Trail};
pub use verdict::Ask;
use verdict::NO_REVOCATIONS;
pub(crate) use verdict::{NO_METADATA, NO_TRAIL, Unauthenticated, Verdict};

use crate::audit::{AuditEntry, RESOURCE_ACCESS};
use crate::call_path::CallPath;
use crate::clock::rfc3339;
use crate::decisions::Decisions;
use crate::event::{Decided, NodeEvent};
use crate::events::Events;
use crate::ports::{EngineError, PolicyEngine, StoredResource};
use crate::resources::{KnownResource, Payload, Resources, Unread};
use crate::revocation::Revocations;
use crate::token::{VerifiedToken, Verifier};

/// The enforcement point.
pub(crate) struct Enforcement {
    pub(crate) tenant: Arc<str>,
    pub(crate) verifier: Verifier,
    /// Where revocations are kept; `None`: nothing can be revoked.
    pub(crate) revocations: Option<Arc<Revocations>>,
    /// How long a revocation is kept, at most.
    pub(crate) revocation_hold: Duration,
    /// How far the issuers' clocks may be off.
    pub(crate) skew: Duration,
    pub(crate) resources: Resources,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) engine: Arc<dyn PolicyEngine>,
    pub(crate) engine_path: CallPath,
    pub(crate) trail: Trail,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
}

/// What became known on the way to a verdict.
#[derive(Default)]
struct Trace {
    token: Option<Arc<VerifiedToken>>,
    question: Question,
}

/// The question put to the engine or the cache.
#[derive(Default)]
struct Question {
    input: Option<Input>,
    revision: Option<Arc<str>>,
}

impl Trace {
    fn subject(&self) -> Option<&str> {
        self.token.as_ref()?.subject.unique_id.as_deref()
    }
}

/// A store that could not be read or written, or not in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away;

/// The engine was not asked, or gave no decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoDecision {
    pub(crate) retry_after: Option<Duration>,
}

impl Enforcement {
    /// Answers one request for authorization, audited as `event_type`.
    pub(crate) async fn authorize(&self, event_type: &'static str, ask: &Ask<'_>) -> Verdict {
        let started = self.runtime.now();
        let mut trace = Trace::default();
        let verdict = match self.authenticate(ask.token).await {
            Ok(token) => {
                let token = trace.token.insert(token);
                self.judge_resource(ask, token, &mut trace.question).await
            }
            Err(refusal) => refusal,
        };
        self.conclude(event_type, ask, &trace, verdict, started).await
    }

    /// Answers one request for a resource's payload, deciding upon what is stored at this moment.
    pub(crate) async fn authorize_payload(&self, ask: &Ask<'_>) -> (Verdict, Option<Payload>) {
        let started = self.runtime.now();
        let mut trace = Trace::default();
        let (verdict, payload) = match self.authenticate(ask.token).await {
            Ok(token) => {
                let token = trace.token.insert(token);
                match self.resources.find_whole(ask.resource_id).await {
                    Ok(Some((resource, payload))) => {
                        (self.judge(ask, token, resource, &mut trace.question).await, payload)
                    }
                    Ok(None) => (Verdict::NoSuchResource, None),
                    Err(unread) => (unread.into(), None),
                }
            }
            Err(refusal) => (refusal, None),
        };
        let verdict = self.conclude(RESOURCE_ACCESS, ask, &trace, verdict, started).await;
        (verdict, payload)
    }

    /// Who brings `token`, if it is to be believed and was not revoked; else the refusal.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Arc<VerifiedToken>, Verdict> {
        let token = self.verifier.verify(token).await.map_err(Unauthenticated::from)?;
        let Some(revocations) = &self.revocations else { return Ok(token) };
        let life = u64::try_from(token.expires.saturating_sub(token.issued)).unwrap_or(0);
        if Duration::from_secs(life) + self.skew > self.revocation_hold {
            return Err(Unauthenticated::TooLongLived.into());
        }
        let user = token.subject.unique_id.as_deref().unwrap_or_default();
        let known = revocations.are_known().await;
        match revocations.refuses(Some(&token.jti), user, token.issued) {
            Some(_) => Err(Unauthenticated::Revoked.into()),
            None if known => Ok(token),
            None => Err(Verdict::Unavailable {
                reason: NO_REVOCATIONS,
                retry_after: Some(revocations.retry_after()),
            }),
        }
    }

    async fn judge_resource(&self, ask: &Ask<'_>, token: &VerifiedToken, question: &mut Question) -> Verdict {
        match self.resources.find(ask.resource_id).await {
            Ok(Some(resource)) => self.judge(ask, token, resource, question).await,
            Ok(None) => Verdict::NoSuchResource,
            Err(unread) => unread.into(),
        }
    }

    async fn judge(
        &self,
        ask: &Ask<'_>,
        token: &VerifiedToken,
        resource: Arc<KnownResource>,
        question: &mut Question,
    ) -> Verdict {
        let input = question.input.insert(self.ask_about(ask, token, resource.metadata.clone()));
        let mut lookup = self.decisions.look_up(input).await;
        question.revision.clone_from(&lookup.revision);
        if let Some(decision) = lookup.decision.take() {
            return Verdict::Decided { decision, cached: true, resource };
        }
        input.context.current_time = rfc3339(self.runtime.wall());
        match self.decide(input).await {
            Ok(decision) => {
                let decision = Arc::new(decision);
                self.decisions.keep(&lookup, input, &decision);
                Verdict::Decided { decision, cached: false, resource }
            }
            Err(NoDecision { retry_after }) => {
                Verdict::Unavailable { reason: Reason::PolicyEngineUnavailable.name(), retry_after }
            }
        }
    }

    /// The resource of that id as it is stored at this moment.
    pub(crate) async fn stored(&self, id: &str) -> Result<Option<Arc<StoredResource>>, Away> {
        self.resources.stored(id).await.map_err(|_| Away)
    }

    /// The question to put to the engine. Its time is left empty: it is no part of the question's place in a
    /// cache.
    pub(crate) fn question(&self, ask: &Ask<'_>, token: &VerifiedToken, stored: &StoredResource) -> Input {
        self.ask_about(ask, token, self.resources.metadata(stored))
    }

    fn ask_about(&self, ask: &Ask<'_>, token: &VerifiedToken, resource: Resource) -> Input {
        Input {
            subject: token.subject.clone(),
            action: Action { operation: ask.operation.to_owned() },
            resource,
            context: Context {
                current_time: String::new(),
                acr: token.acr.clone(),
                amr: token.amr.clone(),
                tenant: Some((*self.tenant).to_owned()),
                source_ip: ask.source_ip.map(str::to_owned),
                request_id: ask.request_id.to_owned(),
                strict_coi_coherence: None,
            },
        }
    }

    /// Asks the engine, if its circuit lets the call through.
    pub(crate) async fn decide(&self, input: &Input) -> Result<Decision, NoDecision> {
        let answer = self.engine_path.call(self.engine.decide(input), EngineError::is_the_engines_fault);
        answer.await.map_err(|no_answer| NoDecision { retry_after: no_answer.retry_after() })
    }

    /// Puts `entry` on the audit trail.
    pub(crate) async fn record(&self, event_type: &'static str, entry: &AuditEntry<'_>) -> Result<(), Away> {
        self.trail.record(event_type, entry).await
    }

    /// The verdict once it is on the audit trail and was told, or the refusal that takes its place.
    async fn conclude(
        &self,
        event_type: &'static str,
        ask: &Ask<'_>,
        trace: &Trace,
        verdict: Verdict,
        started: Monotonic,
    ) -> Verdict {
        let kept = self.put(event_type, ask, trace, &verdict).await;
        let verdict = match verdict {
            // What was refused anyway stays refused.
            verdict if kept.is_err() && verdict.allow() => {
                Verdict::Unavailable { reason: NO_TRAIL, retry_after: None }
            }
            verdict => verdict,
        };
        self.tell(ask, trace, &verdict, started);
        verdict
    }

    async fn put(
        &self,
        event_type: &'static str,
        ask: &Ask<'_>,
        trace: &Trace,
        verdict: &Verdict,
    ) -> Result<(), Away> {
        let outcome = Outcome {
            event_type,
            request_id: ask.request_id,
            subject: trace.subject(),
            resource: ask.resource_id,
            action: ask.operation,
            allow: verdict.allow(),
            reason: &verdict.reason(),
        };
        self.trail.put(&outcome).await
    }

    /// Tells metrics, logs and observers.
    fn tell(&self, ask: &Ask<'_>, trace: &Trace, verdict: &Verdict, started: Monotonic) {
        if let Verdict::Unauthenticated(why) = verdict {
            let why = why.to_string();
            self.events.emit(&NodeEvent::TokenRefused { request_id: ask.request_id, why: &why });
        }
        self.events.emit(&NodeEvent::Decided(Decided {
            request_id: ask.request_id,
            resource: ask.resource_id,
            operation: ask.operation,
            allow: verdict.allow(),
            reason: &verdict.reason(),
            status: verdict.status(),
            cached: verdict.cached(),
            input: trace.question.input.as_ref(),
            revision: trace.question.revision.as_deref(),
            took: self.runtime.now().saturating_since(started),
        }));
    }
}

impl From<Unauthenticated> for Verdict {
    fn from(why: Unauthenticated) -> Self {
        Self::Unauthenticated(why)
    }
}

impl From<Unread> for Verdict {
    fn from(Unread { retry_after }: Unread) -> Self {
        Self::Unavailable { reason: NO_METADATA, retry_after }
    }
}
