//! The way to a key. Everything fails closed, and a key leaves by no other way.
//!
//! ```text
//!  token ─401─► nonce, timestamp ─400/503─► resource ─404/503─► policy engine ─403/503─► key access object
//!                                                                                         │ 404, 403 `ZTDF`
//!                       audit ◄─503─ wrapped for the client ◄─400─ data key ◄─────────────┘
//! ```
//!
//! Nothing but the resource's id is taken from the request: markings, integrity and the wrapped key are those of
//! the store, the decision is the engine's, and it is asked for every single release.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dive_authz::ztdf::key_wrap::{self, PrivateKey, Purpose, WrappedKey};
use dive_authz::ztdf::{Dek, Object};
use dive_authz::{Check, Decision, Input, Obligation, Reason};
use dive_node::audit::{AuditEntry, KAS_KEY_REQUEST};
use dive_node::event::{Decided, NodeEvent};
use dive_node::pep::{Bearer, Unavailable, Unverified};
use dive_node::ports::StoredResource;
use dive_node::{Ask, Node, rfc3339};
use dive_runtime::{Runtime, Wall};
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::data_keys::DataKeys;
use crate::metrics::{Ending, Metrics};
use crate::protocol::KeyRequest;
use crate::replay::{Fingerprint, Replay, ReplayGuard};

/// How a key request is answered.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Here is the key.
    Released { dek: WrappedKey, obligations: Vec<Obligation> },
    /// The policy, or the object's own integrity, forbids it.
    Denied(Box<Decision>),
    /// What was sent cannot be served.
    Malformed(Cow<'static, str>),
    /// It was sent before, or too long ago.
    Replayed(Replay),
    /// The token was refused.
    Unauthenticated(String),
    /// There is no such resource or key access object.
    NotFound(&'static str),
    /// Something that is needed for an answer is away.
    Unavailable(Unavailable),
}

impl Verdict {
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Self::Released { .. } => Ending::Released,
            Self::Denied(_) => Ending::Denied,
            Self::Malformed(_) => Ending::Malformed,
            Self::Replayed(_) => Ending::Replayed,
            Self::Unauthenticated(_) => Ending::Unauthenticated,
            Self::NotFound(_) => Ending::NotFound,
            Self::Unavailable(_) => Ending::Unavailable,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Released { .. } => 200,
            Self::Denied(_) => 403,
            Self::Malformed(_) | Self::Replayed(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::NotFound(_) => 404,
            Self::Unavailable(_) => 503,
        }
    }

    /// Why, in the words of the interface.
    pub(crate) fn reason(&self) -> Cow<'_, str> {
        match self {
            Self::Released { .. } => Reason::Allow.name().into(),
            Self::Denied(decision) => decision.reason().name().into(),
            Self::Malformed(why) => Cow::Borrowed(why),
            Self::Replayed(why) => why.to_string().into(),
            Self::Unauthenticated(why) => Cow::Borrowed(why),
            Self::NotFound(what) => Cow::Borrowed(what),
            Self::Unavailable(unavailable) => unavailable.reason.into(),
        }
    }
}

impl From<Unavailable> for Verdict {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Unverified> for Verdict {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::Refused(why) => Self::Unauthenticated(why),
            Unverified::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<Replay> for Verdict {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::Full { retry_after } => Self::Unavailable(Unavailable {
                reason: "too many key requests to remember",
                retry_after: Some(retry_after),
            }),
            Replay::Timestamp | Replay::Used => Self::Replayed(replay),
        }
    }
}

/// What releases keys.
pub(crate) struct Release {
    pub(crate) node: Node,
    pub(crate) instance: Arc<str>,
    /// Begins the ids of audit entries, which are the service's own: a request's id may be its caller's choice.
    pub(crate) entry_prefix: String,
    pub(crate) entries: AtomicU64,
    pub(crate) key: PrivateKey,
    pub(crate) data_keys: Mutex<DataKeys>,
    pub(crate) replay: Mutex<ReplayGuard>,
    pub(crate) chance: Mutex<StdRng>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What became known on the way to a verdict.
#[derive(Default)]
struct Trace {
    bearer: Option<Bearer>,
    question: Option<Input>,
    /// Whether the key may be released, once that was decided.
    decided: Option<bool>,
}

impl Release {
    /// Answers one request. `ask` names what `request` names.
    pub(crate) async fn release(&self, ask: &Ask<'_>, request: &KeyRequest) -> Verdict {
        let started = self.runtime.now();
        let mut trace = Trace::default();
        let verdict = match request.checked() {
            Ok(timestamp) => self.judge(ask, request, timestamp, &mut trace).await.unwrap_or_else(|no| no),
            Err(why) => Verdict::Malformed(why.into()),
        };
        let verdict = self.kept(ask, &trace, verdict).await;
        let took = self.runtime.now().saturating_since(started);
        self.metrics.answered(verdict.ending(), took);
        let allow = matches!(verdict, Verdict::Released { .. });
        if let (Some(allow), Some(question)) = (trace.decided, &trace.question) {
            self.metrics.decided(allow, question.resource.classification.as_deref());
        }
        self.node.emit(&NodeEvent::Decided(Decided {
            request_id: ask.request_id,
            resource: ask.resource_id,
            operation: ask.operation,
            allow,
            reason: &verdict.reason(),
            status: verdict.status(),
            cached: false,
            input: trace.question.as_ref(),
            revision: None,
            took,
        }));
        verdict
    }

    async fn judge(
        &self,
        ask: &Ask<'_>,
        request: &KeyRequest,
        timestamp: Wall,
        trace: &mut Trace,
    ) -> Result<Verdict, Verdict> {
        let bearer = trace.bearer.insert(self.node.verify(ask).await?);
        let nonce = Fingerprint::of(bearer.unique_id().unwrap_or_default(), &request.nonce);
        self.replay.lock().accept(self.runtime.wall(), timestamp, nonce)?;
        let stored = self.node.stored(ask.resource_id).await?;
        let stored = stored.ok_or(Verdict::NotFound("no such resource"))?;
        let question = trace.question.insert(self.node.question(ask, bearer, &stored));
        let decision = self.node.decide(question).await?;
        trace.decided = Some(decision.allow());
        if !decision.allow() {
            return Err(Verdict::Denied(Box::new(decision)));
        }
        let object = object(&stored).ok_or(Verdict::NotFound("the resource is not encrypted"))?;
        let dek = self.data_key(ask.resource_id, &object, &request.kao_id)?;
        // An engine that lets an object pass which this service's key does not fit is overruled: the policy was
        // changed, and the hashes with it.
        let Some(dek) = dek else {
            trace.decided = Some(false);
            let overruled = Decision::new(decision.checks().failing(Check::Ztdf), vec![]);
            return Err(Verdict::Denied(Box::new(overruled)));
        };
        let purpose = Purpose::Release {
            resource_id: &request.resource_id,
            kao_id: &request.kao_id,
            nonce: &request.nonce,
        };
        // A generator of its own, so that nobody waits for another's key to be wrapped.
        let mut chance = StdRng::from_rng(&mut *self.chance.lock());
        let wrapped = key_wrap::wrap(&dek, &request.client_public_key, &purpose, &mut chance);
        let dek = wrapped.map_err(|unusable| Verdict::Malformed(unusable.to_string().into()))?;
        Ok(Verdict::Released { dek, obligations: decision.obligations().to_vec() })
    }

    /// The data key in the key access object of that id; `None` when this service's key does not open it.
    fn data_key(&self, resource: &str, object: &Object, kao_id: &str) -> Result<Option<Dek>, Verdict> {
        let access =
            object.manifest.key_access(kao_id).ok_or(Verdict::NotFound("no such key access object"))?;
        let policy = object.manifest.policy.digest();
        let now = self.runtime.now();
        if let Some(dek) = self.data_keys.lock().get(now, resource, access, &policy) {
            return Ok(Some(dek));
        }
        let Ok(dek) = access.unwrap(&object.manifest.policy, &self.key) else { return Ok(None) };
        self.data_keys.lock().keep(now, resource, access, &policy, dek.clone());
        Ok(Some(dek))
    }

    /// The verdict once it is on the audit trail, or the refusal that takes its place.
    async fn kept(&self, ask: &Ask<'_>, trace: &Trace, verdict: Verdict) -> Verdict {
        let number = self.entries.fetch_add(1, Ordering::Relaxed);
        let allow = matches!(verdict, Verdict::Released { .. });
        let entry = AuditEntry {
            id: format!("{}{number:x}", self.entry_prefix).into(),
            time: rfc3339(self.runtime.wall()).into(),
            event_type: KAS_KEY_REQUEST.into(),
            instance: (&*self.instance).into(),
            subject: trace.bearer.as_ref().and_then(Bearer::unique_id).map(Cow::Borrowed),
            resource: ask.resource_id.into(),
            action: ask.operation.into(),
            decision: if allow { "allow" } else { "deny" }.into(),
            reason: verdict.reason(),
            correlation_id: ask.request_id.into(),
            offline: false,
        };
        match self.node.record(KAS_KEY_REQUEST, &entry).await {
            Err(unavailable) if allow => Verdict::Unavailable(unavailable),
            // What was refused anyway stays refused.
            _ => verdict,
        }
    }
}

/// The object of a resource whose integrity the engine has let pass.
fn object(stored: &StoredResource) -> Option<Object> {
    serde_json::from_slice(stored.object.as_deref()?).ok()
}
