//! Names for requests.

use std::sync::Arc;

use axum::http::HeaderValue;
use dive_runtime::Wall;

use crate::ids::{Sequence, is_id};

/// The caller's id where it brought a usable one, else one of the node's own.
pub(crate) struct RequestIds(Sequence);

impl RequestIds {
    pub(crate) fn new(node: &str, started: Wall) -> Self {
        Self(Sequence::new(node, "", started))
    }

    /// The id of a request that brought `header`.
    pub(crate) fn of(&self, header: Option<&HeaderValue>) -> Arc<str> {
        match header.and_then(|value| value.to_str().ok()).filter(|id| is_id(id)) {
            Some(id) => id.into(),
            None => self.0.next().into(),
        }
    }
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
