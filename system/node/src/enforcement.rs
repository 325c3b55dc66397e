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

use dive_authz::{Action, Context, Decision, Input, Reason, Resource};
use dive_resilience::{Caller, Outcome, Rejected};
use dive_runtime::Runtime;

use crate::audit::{AUTHORIZATION_DECISION, AuditEntry};
use crate::circuit::Circuit;
use crate::clock::rfc3339;
use crate::decisions::{Decisions, Lookup};
use crate::event::{Decided, NodeEvent};
use crate::events::Events;
use crate::ports::{Audit, EngineError, PolicyEngine, ResourceStore};
use crate::token::{TokenError, VerifiedToken, Verifier};

/// A request for authorization, as it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) resource_id: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) source_ip: Option<&'a str>,
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
        let metadata = self.resources.resource(ask.resource_id);
        let resource = match self.runtime.timeout(self.resources_timeout, metadata).await {
            Ok(Ok(Some(resource))) => resource,
            Ok(Ok(None)) => return Verdict::NoSuchResource,
            Ok(Err(_)) | Err(_) => {
                return Verdict::Unavailable { reason: "resource metadata unavailable", retry_after: None };
            }
        };
        let input = trace.input.insert(Input {
            subject: token.subject.clone(),
            action: Action { operation: ask.operation.to_owned() },
            // Integrity is found out here; what a store says about it is worth nothing.
            resource: Resource { ztdf: None, ..resource.metadata.clone() },
            context: Context {
                // Filled in only when the engine is asked: it is no part of the question's place.
                current_time: String::new(),
                acr: token.acr.clone(),
                amr: token.amr.clone(),
                tenant: Some((*self.tenant).to_owned()),
                source_ip: ask.source_ip.map(str::to_owned),
                request_id: ask.request_id.to_owned(),
                strict_coi_coherence: None,
            },
        });
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

    /// Asks the engine, if its circuit lets the call through.
    async fn decide(&self, input: &Input) -> Result<Decision, NoDecision> {
        let admission = self.circuit.admit(Caller::Request)?;
        let answer = self.runtime.timeout(self.engine_timeout, self.engine.decide(input)).await;
        let answer = answer.unwrap_or_else(|elapsed| Err(EngineError::Timeout(elapsed.limit)));
        let ill = answer.as_ref().is_err_and(EngineError::is_the_engines_fault);
        admission.settle(if ill { Outcome::Failure } else { Outcome::Success });
        answer.map_err(|_| NoDecision { retry_after: None })
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
        let kept = self.runtime.timeout(self.audit_timeout, self.audit.record(&entry)).await;
        if matches!(kept, Ok(Ok(()))) {
            self.events.emit(&NodeEvent::Audited { event_type: AUTHORIZATION_DECISION });
            return verdict;
        }
        match verdict {
            // What was refused anyway stays refused.
            Verdict::Decided { decision, .. } if decision.allow() => {
                Verdict::Unavailable { reason: "audit trail unavailable", retry_after: None }
            }
            refused => refused,
        }
    }
}

/// The engine was not asked, or gave no decision.
struct NoDecision {
    retry_after: Option<Duration>,
}

impl From<Rejected> for NoDecision {
    fn from(rejected: Rejected) -> Self {
        // While half-open the next call may get through, but not within this second.
        Self { retry_after: rejected.retry_after.map(|left| left.max(Duration::from_secs(1))) }
    }
}
