//! The request path: token → resource → question → decision. Everything fails closed.
//!
//! ```text
//!  verify token ─401─► metadata ─404/503─► decision cache ──hit──► allow 200 / deny 403
//!                                              │ miss
//!                                              └► breaker ► policy engine ─error─► 503
//! ```
//!
//! Every outcome is put on the audit trail exactly once, before it is answered; what cannot be put there
//! is not let through. There is one place that asks the engine and no other way to an allow.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dive_authz::{Action, Context, Decision, Input, Reason, Resource, Ztdf, ztdf};
use dive_resilience::{Caller, Outcome, Rejected};
use dive_runtime::Runtime;

use crate::audit::{AUTHORIZATION_DECISION, AuditEntry};
use crate::circuit::Circuit;
use crate::clock::rfc3339;
use crate::decisions::{Decisions, Lookup};
use crate::event::{Decided, NodeEvent};
use crate::events::Events;
use crate::ports::{Audit, EngineError, PolicyEngine, ResourceStore, StoredResource};
use crate::token::{TokenError, VerifiedToken, Verifier};

/// Why nothing is answered while the store of resources is away.
pub(crate) const NO_METADATA: &str = "resource metadata unavailable";
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

/// How a request for authorization is answered.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The policy engine decided, now or within the decision's time to live.
    Decided { decision: Arc<Decision>, cached: bool },
    /// The token was refused.
    Unauthenticated(TokenError),
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

/// The enforcement point.
pub(crate) struct Enforcement {
    pub(crate) tenant: Arc<str>,
    pub(crate) instance: Arc<str>,
    pub(crate) engine_timeout: Duration,
    pub(crate) resources_timeout: Duration,
    pub(crate) audit_timeout: Duration,
    pub(crate) verifier: Verifier,
    pub(crate) resources: Arc<dyn ResourceStore>,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) engine: Arc<dyn PolicyEngine>,
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
}

/// What became known on the way to a verdict.
#[derive(Default)]
struct Trace {
    token: Option<Arc<VerifiedToken>>,
    input: Option<Input>,
    revision: Option<Arc<str>>,
}

impl Enforcement {
    /// Answers one request.
    pub(crate) async fn authorize(&self, ask: &Ask<'_>) -> Verdict {
        let started = self.runtime.now();
        let mut trace = Trace::default();
        let verdict = self.judge(ask, &mut trace).await;
        let verdict = self.kept(ask, &trace, verdict).await;
        if let Verdict::Unauthenticated(why) = &verdict {
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
            cached: matches!(verdict, Verdict::Decided { cached: true, .. }),
            input: trace.input.as_ref(),
            revision: trace.revision.as_deref(),
            took: self.runtime.now().saturating_since(started),
        }));
        verdict
    }

    async fn judge(&self, ask: &Ask<'_>, trace: &mut Trace) -> Verdict {
        let token = match self.verifier.verify(ask.token).await {
            Ok(token) => token,
            Err(why) => return Verdict::Unauthenticated(why),
        };
        let token = trace.token.insert(token);
        let stored = match self.stored(ask.resource_id).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Verdict::NoSuchResource,
            Err(Away) => {
                return Verdict::Unavailable { reason: NO_METADATA, retry_after: None };
            }
        };
        let input = trace.input.insert(self.question(ask, token, &stored));
        let Lookup { key, revision, decision } = self.decisions.look_up(input);
        trace.revision = revision;
        if let Some(decision) = decision {
            return Verdict::Decided { decision, cached: true };
        }
        input.context.current_time = rfc3339(self.runtime.wall());
        match self.decide(input).await {
            Ok(decision) => {
                let decision = Arc::new(decision);
                self.decisions.keep(&key, input, &decision);
                Verdict::Decided { decision, cached: false }
            }
            Err(NoDecision { retry_after }) => {
                Verdict::Unavailable { reason: Reason::PolicyEngineUnavailable.name(), retry_after }
            }
        }
    }

    /// The resource of that id as it is stored.
    pub(crate) async fn stored(&self, id: &str) -> Result<Option<Arc<StoredResource>>, Away> {
        let read = self.runtime.timeout(self.resources_timeout, self.resources.resource(id)).await;
        read.map_or(Err(Away), |read| read.map_err(|_| Away))
    }

    /// The question to put to the engine. Its time is left empty: it is no part of the question's place in a
    /// cache.
    pub(crate) fn question(&self, ask: &Ask<'_>, token: &VerifiedToken, stored: &StoredResource) -> Input {
        Input {
            subject: token.subject.clone(),
            action: Action { operation: ask.operation.to_owned() },
            // Integrity is found out here; what a store says about it is worth nothing.
            resource: Resource { ztdf: evidence(stored), ..stored.metadata.clone() },
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
        let admission = self.circuit.admit(Caller::Request)?;
        let answer = self.runtime.timeout(self.engine_timeout, self.engine.decide(input)).await;
        let answer = answer.unwrap_or_else(|elapsed| Err(EngineError::Timeout(elapsed.limit)));
        let ill = answer.as_ref().is_err_and(EngineError::is_the_engines_fault);
        admission.settle(if ill { Outcome::Failure } else { Outcome::Success });
        answer.map_err(|_| NoDecision { retry_after: None })
    }

    /// Puts `entry` on the audit trail.
    pub(crate) async fn record(&self, event_type: &'static str, entry: &AuditEntry<'_>) -> Result<(), Away> {
        let kept = self.runtime.timeout(self.audit_timeout, self.audit.record(entry)).await;
        kept.map_err(|_| Away)?.map_err(|_| Away)?;
        self.events.emit(&NodeEvent::Audited { event_type });
        Ok(())
    }

    /// The verdict once it is on the audit trail, or the refusal that takes its place.
    async fn kept(&self, ask: &Ask<'_>, trace: &Trace, verdict: Verdict) -> Verdict {
        let subject = trace.token.as_ref().and_then(|token| token.subject.unique_id.as_deref());
        let entry = AuditEntry {
            id: ask.request_id.into(),
            time: rfc3339(self.runtime.wall()).into(),
            event_type: AUTHORIZATION_DECISION.into(),
            instance: (&*self.instance).into(),
            subject: subject.map(Cow::Borrowed),
            resource: ask.resource_id.into(),
            action: ask.operation.into(),
            decision: if verdict.allow() { "allow" } else { "deny" }.into(),
            reason: verdict.reason(),
            correlation_id: ask.request_id.into(),
            offline: false,
        };
        if self.record(AUTHORIZATION_DECISION, &entry).await.is_ok() {
            return verdict;
        }
        match verdict {
            // What was refused anyway stays refused.
            Verdict::Decided { decision, .. } if decision.allow() => {
                Verdict::Unavailable { reason: NO_TRAIL, retry_after: None }
            }
            refused => refused,
        }
    }
}

/// What is known of the integrity of a stored object. One that cannot be read is not intact.
fn evidence(stored: &StoredResource) -> Option<Ztdf> {
    let object = stored.object.as_deref()?;
    let object = serde_json::from_slice(object).ok();
    Some(object.map_or_else(Ztdf::default, |object| ztdf::evidence(&object, &stored.metadata)))
}

/// A store that could not be read, or not in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away;

/// The engine was not asked, or gave no decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoDecision {
    pub(crate) retry_after: Option<Duration>,
}

impl From<Rejected> for NoDecision {
    fn from(rejected: Rejected) -> Self {
        // While half-open the next call may get through, but not within this second.
        Self { retry_after: rejected.retry_after.map(|left| left.max(Duration::from_secs(1))) }
    }
}
