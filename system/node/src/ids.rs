//! Names that are unique without any chance in them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use dive_runtime::Wall;

/// The longest id that is taken from or given to anybody, bytes.
pub(crate) const LONGEST: usize = 128;

/// A node's own ids: its name, when it started, a number.
pub(crate) struct Sequence {
    prefix: String,
    next: AtomicU64,
}

impl Sequence {
    /// Ids of `kind`, which may be empty; two sequences of one node must differ in it.
    pub(crate) fn new(node: &str, kind: &str, started: Wall) -> Self {
        let node: String = node.chars().filter(|c| is_usable(*c)).take(LONGEST / 2).collect();
        let prefix = format!("{node}-{:x}-{kind}", started.since_epoch().as_millis());
        Self { prefix, next: AtomicU64::new(1) }
    }

    pub(crate) fn next(&self) -> String {
        let mut id = String::with_capacity(self.prefix.len() + 8);
        id.push_str(&self.prefix);
        let _ = write!(id, "{:x}", self.next.fetch_add(1, Ordering::Relaxed));
        id
    }
}

/// An id goes into logs and audit: a caller may not smuggle anything else in with it.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST && id.chars().all(is_usable)
}

fn is_usable(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}
