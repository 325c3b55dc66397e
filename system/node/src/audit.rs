//! What is kept of an outcome.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AuditEntry<'a> {
    /// Unique among all entries: the node's own choice, never its caller's.
    pub id: Cow<'a, str>,
    /// RFC 3339.
    pub time: Cow<'a, str>,
    /// What kind of event it is.
    pub event_type: Cow<'a, str>,
    /// The instance that decided.
    pub instance: Cow<'a, str>,
    /// Who asked, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Cow<'a, str>>,
    /// What was asked for.
    pub resource: Cow<'a, str>,
    /// What was to be done with it.
    pub action: Cow<'a, str>,
    /// `allow` or `deny`.
    pub decision: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
    /// Ties together what belongs to one request.
    pub correlation_id: Cow<'a, str>,
    /// Whether it was decided without the hub.
    pub offline: bool,
}

/// The type of an entry about a request for authorization.
pub const AUTHORIZATION_DECISION: &str = "authorization_decision";

/// The type of an entry about a request for a data key.
pub const KAS_KEY_REQUEST: &str = "kas_key_request";

/// The type of an entry about a request for a resource itself, or a search.
pub const RESOURCE_ACCESS: &str = "resource_access";

/// The type of an entry about a revocation.
pub const SECURITY_EVENT: &str = "security_event";
