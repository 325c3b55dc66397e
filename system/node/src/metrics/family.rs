//! Metrics by label, exported in the order of their labels.
//!
//! The library's own family walks a hash map, so two scrapes of the same values could differ in their
//! order; a simulated run must not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;

/// One metric for each set of labels met so far.
pub struct Family<L, M>(Arc<Shared<L, M>>);

struct Shared<L, M> {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    make: fn() -> M,
    metrics: Mutex<BTreeMap<L, M>>,
}

impl<L: Ord + Clone, M: Clone> Family<L, M> {
    /// A family without members; `make` makes each at zero.
    pub fn new(name: &'static str, help: &'static str, kind: MetricType, make: fn() -> M) -> Self {
        Self(Arc::new(Shared { name, help, kind, make, metrics: Mutex::default() }))
    }

    /// Changes the metric of these labels, which begins at zero.
    pub fn with<T>(&self, labels: &L, change: impl FnOnce(&M) -> T) -> T {
        let mut metrics = self.0.metrics.lock();
        if let Some(metric) = metrics.get(labels) {
            return change(metric);
        }
        change(metrics.entry(labels.clone()).or_insert_with(self.0.make))
    }

    /// The sum of `value` over every set of labels.
    pub fn sum(&self, value: impl Fn(&M) -> u64) -> u64 {
        self.0.metrics.lock().values().map(value).sum()
    }

    /// What goes into the registry.
    pub fn collector(&self) -> FamilyCollector<L, M> {
        FamilyCollector(Arc::clone(&self.0))
    }
}

/// A family as a registry takes it.
pub struct FamilyCollector<L, M>(Arc<Shared<L, M>>);

impl<L, M> fmt::Debug for FamilyCollector<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyCollector({})", self.0.name)
    }
}

impl<L, M> Collector for FamilyCollector<L, M>
where
    L: EncodeLabelSet + Send + Sync + 'static,
    M: EncodeMetric + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(self.0.name, self.0.help, None, self.0.kind)?;
        for (labels, metric) in &*self.0.metrics.lock() {
            metric.encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}
