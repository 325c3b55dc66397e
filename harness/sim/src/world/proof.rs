//! Proof of effect: what a probe must show for a fault to count. Pure.

use std::time::Duration;

use harness_core::fault::{Direction, Edge, Fault};
use harness_core::time::seconds;
use harness_core::world::Evidence;

use crate::links::{LinkError, Probe, ProbeEnd};

/// What `probe`, made over `edge`, shows of `fault`. `round_trip` is what a probe takes at most over the
/// edge with nothing wrong. `None` when it looks as if the fault were not there, or as if another one were.
pub(super) fn of_effect(fault: &Fault, edge: &Edge, probe: &Probe, round_trip: Duration) -> Option<Evidence> {
    let silence = |arrived| probe.end == ProbeEnd::Silence && probe.arrived == arrived;
    let failed = |error| probe.end == ProbeEnd::Failed(error);
    let shown = match fault {
        Fault::Stop(_) | Fault::Kill(_) | Fault::Refuse(_) => failed(LinkError::Refused),
        Fault::Pause(_) | Fault::BlackHole(_) | Fault::Stall(_) => silence(false),
        Fault::OneWay(one_way) => silence(one_way.lost == Direction::Down),
        Fault::Reset(_) => failed(LinkError::Reset),
        Fault::WrongAnswer(wrong) => probe.end == ProbeEnd::Wrong(wrong.status),
        Fault::Truncate(truncate) => probe.end == ProbeEnd::Truncated(truncate.after_bytes),
        Fault::Latency(latency) => {
            // The least that can be drawn, which a jitter as large as the delay makes no proof at all.
            let least = latency.delay.0.saturating_sub(latency.jitter.0);
            let late = probe.took >= round_trip + least && probe.took > round_trip;
            probe.end == ProbeEnd::Answered && late
        }
        Fault::Bandwidth(_)
        | Fault::Slice(_)
        | Fault::ForeignCertificate(_)
        | Fault::ClockStep(_)
        | Fault::Flap(_) => false,
    };
    shown.then(|| Evidence(sentence(edge, probe)))
}

/// What a probe saw, in words.
pub(super) fn sentence(edge: &Edge, probe: &Probe) -> String {
    let took = seconds(probe.took);
    match &probe.end {
        ProbeEnd::Answered => format!("a call {edge} was answered after {took}"),
        ProbeEnd::Truncated(bytes) => {
            format!("a call {edge} was answered after {took}, cut after {bytes} bytes")
        }
        ProbeEnd::Wrong(status) => format!("a call {edge} was answered {status} by an imposter after {took}"),
        ProbeEnd::Failed(error) => format!("a call {edge} failed after {took}: {error}"),
        ProbeEnd::Silence if probe.arrived => {
            format!("a call {edge} arrived, and no answer came back within {took}")
        }
        ProbeEnd::Silence => format!("a call {edge} had no answer within {took}, and nobody took it up"),
    }
}

#[cfg(test)]
mod tests {
    use harness_core::fault::{ClockStep, Latency, OneWay, Truncate, WrongAnswer};
    use harness_core::time::HumanDuration;

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_micros(400);

    fn edge() -> Edge {
        Edge::new("hub", "opa")
    }

    fn probes() -> Vec<Probe> {
        let ends = [
            (ProbeEnd::Answered, ROUND_TRIP, true),
            (ProbeEnd::Answered, ROUND_TRIP + Duration::from_secs(2), true),
            (ProbeEnd::Truncated(9), ROUND_TRIP, true),
            (ProbeEnd::Wrong(500), ROUND_TRIP, false),
            (ProbeEnd::Failed(LinkError::Refused), ROUND_TRIP, false),
            (ProbeEnd::Failed(LinkError::Reset), ROUND_TRIP, false),
            (ProbeEnd::Failed(LinkError::Closed), ROUND_TRIP, false),
            (ProbeEnd::Silence, ROUND_TRIP * 10, false),
            (ProbeEnd::Silence, ROUND_TRIP * 10, true),
        ];
        ends.into_iter().map(|(end, took, arrived)| Probe { arrived, took, end }).collect()
    }

    #[test]
    fn a_fault_is_proven_by_its_own_symptom_and_by_no_other() {
        let latency = |delay, jitter| {
            let human = |seconds| HumanDuration(Duration::from_secs(seconds));
            Fault::Latency(Latency { edge: edge(), delay: human(delay), jitter: human(jitter) })
        };
        let wrong = |status| Fault::WrongAnswer(WrongAnswer { edge: edge(), status, body: String::new() });
        let truncate = |after_bytes| Fault::Truncate(Truncate { edge: edge(), after_bytes });
        let one_way = |lost| Fault::OneWay(OneWay { edge: edge(), lost });
        let step =
            ClockStep { service: "opa".into(), by: HumanDuration(Duration::from_secs(1)), back: false };
        let table: [(Fault, &[usize]); 17] = [
            (latency(2, 0), &[1]),
            (latency(3, 0), &[]),
            (latency(3, 1), &[1]),
            (latency(1, 1), &[1]),
            (truncate(9), &[2]),
            (truncate(8), &[]),
            (wrong(500), &[3]),
            (wrong(503), &[]),
            (Fault::Stop("opa".into()), &[4]),
            (Fault::Kill("opa".into()), &[4]),
            (Fault::Refuse(edge()), &[4]),
            (Fault::Reset(edge()), &[5]),
            (Fault::Pause("opa".into()), &[7]),
            (Fault::BlackHole(edge()), &[7]),
            (one_way(Direction::Up), &[7]),
            (one_way(Direction::Down), &[8]),
            (Fault::ClockStep(step), &[]),
        ];
        for (fault, proven_by) in table {
            let proofs: Vec<usize> = probes()
                .iter()
                .enumerate()
                .filter(|(_, probe)| of_effect(&fault, &edge(), probe, ROUND_TRIP).is_some())
                .map(|(n, _)| n)
                .collect();
            assert_eq!(proofs, proven_by, "{fault}");
        }
    }
}
