//! What is read at the moment of a scrape: the process, and the connections of the stores' clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dive_runtime::{Monotonic, Runtime};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::dependency::Dependency;
use crate::ports::{ConnectionStats, Connections, ProcessStats};

/// What the process takes of its machine. Named as every exporter names it, without the node's prefix.
pub(super) struct Process {
    pub(super) stats: Arc<dyn ProcessStats>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) started: Monotonic,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        gauge("process_resident_memory_bytes", "Resident memory", whole(self.stats.resident_bytes()))?;
        gauge("process_open_fds", "Open files", whole(self.stats.open_files()))?;
        gauge("process_max_fds", "Files that may be open", whole(self.stats.most_open_files()))?;
        let uptime = self.runtime.now().saturating_since(self.started).as_secs_f64();
        gauge("process_uptime_seconds", "Time since the node started", Some(uptime))?;
        if let Some(cpu) = self.stats.cpu_time() {
            let metric = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time used",
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(cpu.as_secs_f64()).encode(metric)?;
        }
        Ok(())
    }
}

/// The connections of the clients of stores.
pub(super) struct StoreConnections(pub(super) BTreeMap<Dependency, Arc<dyn ConnectionStats>>);

impl fmt::Debug for StoreConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Collector for StoreConnections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Part = fn(&Connections) -> u64;
        const FAMILIES: [(&str, &str, Part); 3] = [
            ("db_connections_active", "Connections in use", |connections| connections.active),
            ("db_connections_idle", "Connections open and not in use", |connections| connections.idle),
            ("db_connections_total", "Connections there may be", |connections| connections.most),
        ];
        // One reading for all three, so that they go together.
        let read: Vec<_> = self.0.iter().map(|(store, stats)| (store.name(), stats.connections())).collect();
        for (name, help, part) in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (store, connections) in &read {
                let labels = [("db_type", *store)];
                ConstGauge::new(part(connections) as f64).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
