//! The harness' own calls, which show what an edge does. Neither the system nor any count sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::wire::{Purpose, Wire, serve};
use super::{LinkError, Reply};

/// What a probe call showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether a task of the callee's node got to run for it.
    pub arrived: bool,
    /// How long it took, to its end or until it was given up.
    pub took: Duration,
    /// How it ended.
    pub end: ProbeEnd,
}

/// How a probe call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// The callee answered.
    Answered,
    /// The callee's answer was cut after so many bytes.
    Truncated(u64),
    /// An imposter answered, with this status.
    Wrong(u16),
    /// It failed.
    Failed(LinkError),
    /// Nothing came back in the time it was given.
    Silence,
}

impl Wire {
    /// Calls the callee with a request that does nothing, and waits for at most `patience`.
    pub async fn probe(self: &Arc<Self>, patience: Duration) -> Probe {
        let began = self.sim.now();
        let arrived = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&arrived);
        let call = self.carry(Purpose::Probe, |answer_to| match self.callee.life() {
            Some(node) => {
                let work = async move { seen.store(true, Ordering::Relaxed) };
                serve(self, &node, "probe", work, answer_to);
                true
            }
            None => false,
        });
        let end = match self.sim.timeout(patience, call).await {
            Some(Ok(Reply::Answer(()))) => ProbeEnd::Answered,
            Some(Ok(Reply::Truncated { after_bytes, .. })) => ProbeEnd::Truncated(after_bytes),
            Some(Ok(Reply::Wrong { status, .. })) => ProbeEnd::Wrong(status),
            Some(Err(error)) => ProbeEnd::Failed(error),
            None => ProbeEnd::Silence,
        };
        let took = self.sim.now() - began;
        Probe { arrived: arrived.load(Ordering::Relaxed), took, end }
    }
}
