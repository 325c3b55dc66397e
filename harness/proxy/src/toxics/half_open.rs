//! Half-open: one side is gone, the other believes the connection stands.
//!
//! It acts on the whole connection, not on the bytes of one direction, so the connection's shell plays it
//! ([`crate::wire`]); only its attributes live here.

use serde::{Deserialize, Serialize};

/// The side that the stream leads to is reset; the other side is told nothing, and what it sends vanishes. Healed,
/// its next bytes are answered with a reset, as a restarted host does.
///
/// On `upstream` the server is gone and the client believes; on `downstream` the client is gone and the server
/// believes. Both at once would be a black hole and is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HalfOpen {}
