//! Twenty questions on the borders of the policy's rules: for each rule one that it lets through by a hair, or
//! refuses by one.

use axum::body::Body;
use axum::http::Request;
use scenarios::binding::kit::Kit;

/// A question, and the reason with which it is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Border {
    /// What is special about it.
    pub name: &'static str,
    user: &'static str,
    resource: &'static str,
    operation: &'static str,
    /// Exactly as the answer gives it.
    pub reason: &'static str,
}

const fn border(
    name: &'static str,
    user: &'static str,
    resource: &'static str,
    operation: &'static str,
    reason: &'static str,
) -> Border {
    Border { name, user, resource, operation, reason }
}

/// The twenty.
pub const BORDERS: [Border; 20] = [
    border("level reached", "bob-usa", "doc-secret-usa", "read", "allow"),
    border("one level short", "bob-usa", "doc-top-secret-usa", "read", "clearance"),
    border("highest level reached", "alice-usa", "doc-top-secret-usa", "read", "allow"),
    border("lowest level, one factor", "dave-usa", "doc-unclassified-usa", "read", "allow"),
    border("one factor above the lowest level", "nick-usa", "doc-secret-usa", "read", "MFA"),
    border("released to one country", "bob-usa", "doc-secret-usa-gbr", "read", "allow"),
    border("released to another country", "bob-usa", "doc-secret-fra", "read", "releasability"),
    border("upload where released", "bob-usa", "doc-secret-usa", "upload", "allow"),
    border("upload where not released", "bob-usa", "doc-secret-fra", "upload", "upload"),
    border("all communities", "alice-usa", "doc-fvey-and-nato", "read", "allow"),
    border("all communities but one", "bob-usa", "doc-fvey-and-nato", "read", "COI"),
    border("any community", "bob-usa", "doc-fvey-or-nato", "read", "allow"),
    border("exactly US-ONLY", "erin-usa", "doc-us-only", "read", "allow"),
    border("more than US-ONLY", "alice-usa", "doc-us-only", "read", "COI"),
    border("NOFORN, coherent", "erin-usa", "doc-noforn", "read", "allow"),
    border("NOFORN, incoherent", "bob-usa", "doc-incoherent", "read", "coherence"),
    border("embargo not over", "bob-usa", "doc-embargoed", "read", "embargo"),
    border("embargo over", "bob-usa", "doc-published", "read", "allow"),
    border("released to industry", "frank-usa", "doc-industry-secret", "read", "allow"),
    border("a national term one level up", "carol-usa", "doc-geheim", "read", "clearance"),
];

impl Border {
    /// As a router takes it.
    ///
    /// # Panics
    /// Never: its parts are valid.
    pub fn request(&self, kit: &Kit, number: u64) -> Request<Body> {
        let body = format!(r#"{{"resourceId":"{}","operation":"{}"}}"#, self.resource, self.operation);
        Request::post("/api/authorize")
            .header("content-type", "application/json")
            .header("x-request-id", format!("border-{number}"))
            .header("authorization", format!("Bearer {}", kit.callers().token(self.user)))
            .body(Body::from(body))
            .expect("its parts are valid")
    }
}
