//! Resolved values, read as what the table says they are.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::Origin;
use super::value::Value;

/// Reads resolved values whose presence, kind and range the table has ensured.
pub(super) struct Reader<'a>(pub(super) &'a BTreeMap<String, (Value, Origin)>);

impl Reader<'_> {
    fn value(&self, key: &str) -> &Value {
        &self.0.get(key).expect("every key of the table is resolved").0
    }

    pub(super) fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Value::Text(text) => text,
            other => unreachable!("{key} is text by the table, not {other:?}"),
        }
    }

    pub(super) fn span(&self, key: &str) -> Duration {
        match self.value(key) {
            Value::Span(span) => *span,
            other => unreachable!("{key} is a span by the table, not {other:?}"),
        }
    }

    pub(super) fn count(&self, key: &str) -> usize {
        match self.value(key) {
            Value::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            other => unreachable!("{key} is a count by the table, not {other:?}"),
        }
    }

    pub(super) fn at_least_one(&self, key: &str) -> NonZeroU32 {
        u32::try_from(self.count(key)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn entries(&self, key: &str) -> NonZeroUsize {
        NonZeroUsize::new(self.count(key)).unwrap_or(NonZeroUsize::MIN)
    }
}
