//! Names for requests.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderValue;
use dive_runtime::Wall;

const LONGEST: usize = 128;

/// Hands out the node's own ids: its name, when it started, a number. Unique without any chance in it.
pub(crate) struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(node: &str, started: Wall) -> Self {
        let node: String = node.chars().filter(|c| is_usable(*c)).take(LONGEST / 2).collect();
        let prefix = format!("{node}-{:x}-", started.since_epoch().as_millis());
        Self { prefix, next: AtomicU64::new(1) }
    }

    /// The id of a request that brought `header`.
    pub(crate) fn of(&self, header: Option<&HeaderValue>) -> Arc<str> {
        if let Some(id) = header.and_then(|value| value.to_str().ok()).filter(|id| is_id(id)) {
            return id.into();
        }
        let mut id = String::with_capacity(self.prefix.len() + 8);
        id.push_str(&self.prefix);
        let _ = write!(id, "{:x}", self.next.fetch_add(1, Ordering::Relaxed));
        id.into()
    }
}

/// An id goes into logs and audit: a caller may not smuggle anything else in with it.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST && id.chars().all(is_usable)
}

fn is_usable(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_usable_id_is_kept_and_anything_else_replaced() {
        let ids = RequestIds::new("hub", Wall::from_epoch(Duration::from_millis(255)));
        let of = |text: &str| ids.of(Some(&HeaderValue::from_str(text).unwrap())).to_string();
        assert_eq!(of("abc-1.2_X"), "abc-1.2_X");
        assert_eq!(of("a b"), "hub-ff-1");
        assert_eq!(of("{\"x\":1}"), "hub-ff-2");
        assert_eq!(of(&"a".repeat(129)), "hub-ff-3");
        assert_eq!(of(&"a".repeat(128)).len(), 128);
        assert_eq!(&*ids.of(None), "hub-ff-4");
    }
}
