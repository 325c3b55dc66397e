//! The log lines of nodes and engines, on their way to the timeline.

use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_local::LogLine;

use super::log_clock::LogClock;
use crate::binding::kit::Kit;
use crate::binding::reading::{Told, engine_line, node_line};
use crate::binding::topology::OPA;

/// Puts a line where it belongs: a signal, a fact, or the log of the run.
///
/// Status and services are taken from what a user sees, the health document; circuits and decisions,
/// only the log tells to the instant.
pub(crate) fn record(line: LogLine, clock: Option<&LogClock>, kit: &Kit, recorder: &Recorder) {
    let printed =
        |says| clock.map_or(Span::exactly(line.received), |clock| clock.printed(says, line.received));
    if line.service.0 == OPA
        && let Some((says, decided)) = engine_line(&line.text)
    {
        return decided.record(printed(says), recorder);
    }
    match node_line(&line.text) {
        Some((says, told @ (Told::Circuit { .. } | Told::Decided { .. }))) => {
            told.record(&line.service.0, printed(says), recorder, |resource| kit.classification(resource));
        }
        Some(_) => {}
        None => recorder.record_at(line.received, What::Log { service: line.service.0, line: line.text }),
    }
}
