//! One place through which every event of the node goes: first its own metrics, then the outside sink.

use std::sync::Arc;

use crate::event::NodeEvent;
use crate::metrics::Metrics;
use crate::ports::EventSink;

/// The node's own metrics and the sink it was given.
pub(crate) struct Events {
    pub(crate) metrics: Metrics,
    pub(crate) sink: Arc<dyn EventSink>,
}

impl Events {
    pub(crate) fn emit(&self, event: &NodeEvent<'_>) {
        self.metrics.record(event);
        self.sink.emit(event);
    }
}
