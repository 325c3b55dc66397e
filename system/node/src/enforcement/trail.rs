//! The way to the audit trail: bounded in time, one entry for each outcome.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dive_runtime::Runtime;

use super::Away;
use crate::audit::AuditEntry;
use crate::clock::rfc3339;
use crate::event::NodeEvent;
use crate::events::Events;
use crate::ids::Sequence;
use crate::ports::Audit;

/// What came of a request.
pub(crate) struct Outcome<'a> {
    pub(crate) event_type: &'static str,
    pub(crate) request_id: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) resource: &'a str,
    pub(crate) action: &'a str,
    pub(crate) allow: bool,
    pub(crate) reason: &'a str,
}

/// The audit trail.
pub(crate) struct Trail {
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) instance: Arc<str>,
    pub(crate) limit: Duration,
    /// An entry's id is the node's own: a request's may be its caller's choice, and who used one twice must
    /// not make two entries one.
    pub(crate) ids: Sequence,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
}

impl Trail {
    /// Puts `outcome` on the trail. When this fails it is not known to be there, and nothing may be let
    /// through.
    pub(crate) async fn put(&self, outcome: &Outcome<'_>) -> Result<(), Away> {
        let Outcome { event_type, request_id, subject, resource, action, allow, reason } = *outcome;
        let entry = AuditEntry {
            id: self.ids.next().into(),
            time: rfc3339(self.runtime.wall()).into(),
            event_type: event_type.into(),
            instance: (&*self.instance).into(),
            subject: subject.map(Cow::Borrowed),
            resource: resource.into(),
            action: action.into(),
            decision: if allow { "allow" } else { "deny" }.into(),
            reason: reason.into(),
            correlation_id: request_id.into(),
            offline: false,
        };
        self.record(event_type, &entry).await
    }

    /// Puts `entry` on the trail.
    pub(crate) async fn record(&self, event_type: &'static str, entry: &AuditEntry<'_>) -> Result<(), Away> {
        let kept = self.runtime.timeout(self.limit, self.audit.record(entry)).await;
        kept.map_err(|_| Away)?.map_err(|_| Away)?;
        self.events.emit(&NodeEvent::Audited { event_type });
        Ok(())
    }
}
