//! A node's audit trail, read as it grows.

use std::time::Duration;

use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_local::clock::Clock;
use serde::Deserialize;

use crate::binding::reading::record_audit;

/// Follows one trail over restarts of the node: it is only ever appended to.
pub(crate) struct AuditTail {
    /// The node's name.
    pub(crate) node: &'static str,
    /// How often to look, in real time.
    pub(crate) every: Duration,
    /// The run's clock.
    pub(crate) clock: Clock,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    correlation_id: String,
}

impl AuditTail {
    /// Records every entry, for ever. `fetch` reads what lies behind an offset in bytes.
    pub(crate) async fn run(&self, recorder: &Recorder, fetch: impl AsyncFn(u64) -> Vec<u8>) {
        let mut offset = 0;
        let mut rest = Vec::new();
        let mut last_look = self.clock.now();
        loop {
            let now = self.clock.now();
            let more = fetch(offset).await;
            offset += more.len() as u64;
            rest.extend(more);
            self.record_whole_lines(&mut rest, Span::between(last_look, self.clock.now()), recorder);
            last_look = now;
            self.clock.sleep_until(now + self.clock.system(self.every)).await;
        }
    }

    /// A line that is not whole yet stays; one that a crash tore is no entry.
    fn record_whole_lines(&self, rest: &mut Vec<u8>, seen: Span, recorder: &Recorder) {
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return };
        for line in rest[..end].split(|byte| *byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                record_audit(self.node, &entry.correlation_id, seen, recorder);
            }
        }
        rest.drain(..=end);
    }
}

/// The rest of a local file behind an offset; nothing when it can't be read.
pub(crate) fn read_behind(path: &std::path::Path, offset: u64) -> Vec<u8> {
    use std::io::{Read as _, Seek as _};
    let read = || {
        let mut file = std::fs::File::open(path)?;
        file.seek(std::io::SeekFrom::Start(offset))?;
        let mut more = Vec::new();
        file.take(1 << 20).read_to_end(&mut more)?;
        std::io::Result::Ok(more)
    };
    read().unwrap_or_default()
}
