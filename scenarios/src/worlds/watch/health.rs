//! The health document of a node, polled.

use std::time::Duration;

use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_local::clock::Clock;

use super::client::{Client, NoAnswer};
use crate::binding::reading::document;
use crate::binding::topology::{Shape, speaks_tls};

/// Reads the document of one node again and again.
pub(crate) struct HealthWatch<'a> {
    /// The node's name in signals.
    pub(crate) node: &'static str,
    /// The topology it is of.
    pub(crate) shape: Shape,
    /// Its base URL.
    pub(crate) base: String,
    /// How often to look, in real time.
    pub(crate) every: Duration,
    /// How long, in real time, the document may take. It comes from the node's memory: what is to be waited out
    /// is the machine.
    pub(crate) patience: Duration,
    /// The run's clock.
    pub(crate) clock: Clock,
    /// Who asks.
    pub(crate) client: &'a Client,
}

impl HealthWatch<'_> {
    /// Records what changes, for ever.
    pub(crate) async fn run(&self, recorder: &Recorder) {
        let mut last_look = self.clock.now();
        loop {
            let sent = self.clock.now();
            let answer = self.client.get(&self.base, "/health/detailed", self.patience).await;
            let seen = Span::between(last_look, self.clock.now());
            match answer {
                Ok((code, body)) => self.read(recorder, seen, code, &body),
                Err(NoAnswer::Failed(_)) => self.gone(recorder, seen),
                Err(NoAnswer::Late) => self.late(recorder, seen),
            }
            last_look = sent;
            self.clock.sleep_until(sent + self.clock.system(self.every)).await;
        }
    }

    fn read(&self, recorder: &Recorder, seen: Span, code: u16, body: &[u8]) {
        let node = self.node;
        let Some(document) = document(code, body) else {
            recorder.signal(seen, &format!("{node}/document"), "wrong");
            return;
        };
        let form = if document.is_exact(self.shape) { "exact" } else { "wrong" };
        recorder.signal(seen, &format!("{node}/document"), form);
        recorder.signal(seen, &format!("{node}/status"), &document.status);
        for (service, status) in document.services.iter().filter(|(service, _)| *service != "cache") {
            recorder.signal(seen, &format!("{node}/service/{service}"), status);
        }
        for (service, trust) in document.trust.iter().filter(|(service, _)| speaks_tls(service)) {
            recorder.signal(seen, &format!("{node}/trust/{service}"), trust.name());
        }
        // Its moves are told to the instant by the node's log; the document says where it began.
        for (dependency, state) in &document.circuits {
            let signal = format!("{node}/circuit/{dependency}");
            let known = recorder.with_history(|history| {
                history.signal(&signal).last().is_some_and(|change| change.value != "unknown")
            });
            if !known {
                recorder.signal(seen, &signal, state);
            }
        }
    }

    /// What only the document tells could not be seen. Circuits move in the log.
    fn late(&self, recorder: &Recorder, seen: Span) {
        let (node, patience) = (self.node, self.patience);
        for what in ["document", "status", "service/", "trust/"] {
            let why = format!("{node} did not answer about its health within {patience:?}");
            recorder.record(seen, What::Blind { prefix: format!("{node}/{what}"), why });
        }
    }

    /// Nobody listens: what it said of others is no longer known.
    fn gone(&self, recorder: &Recorder, seen: Span) {
        let node = self.node;
        let of_node = |prefix: &str| -> Vec<String> {
            recorder.with_history(|history| {
                history
                    .signals()
                    .map(|(signal, _)| signal.to_owned())
                    .filter(|signal| signal.starts_with(prefix))
                    .collect()
            })
        };
        recorder.signal(seen, &format!("{node}/status"), "down");
        recorder.signal(seen, &format!("{node}/document"), "unknown");
        for family in ["circuit", "service", "trust"] {
            for signal in of_node(&format!("{node}/{family}/")) {
                recorder.signal(seen, &signal, "unknown");
            }
        }
    }
}
