//! What is broken: aims that exist, settings that break something.

use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::fault::{Fault, Strike, Target};
use crate::scenario::diagnostics::Problem;

impl Checker<'_> {
    pub(super) fn fault(&mut self, name: &str, fault: &Spanned<Fault>) {
        let at = fault.referenced;
        let named = self.key(name, at);
        self.take(name, named, "a fault");
        self.target(&fault.value.target(), at);
        if let Fault::Flap(flap) = &fault.value {
            if matches!(flap.fault, Fault::Flap(_)) {
                self.problem(Problem::at(at, "a flap of a flap").help("one of the two is enough"));
                return;
            }
            if flap.down.0.is_zero() || flap.up.0.is_zero() {
                self.problem(Problem::at(at, "`down` and `up` of a flap must be longer than nothing"));
            }
            self.settings(&flap.fault, at);
        } else {
            self.settings(&fault.value, at);
        }
    }

    pub(super) fn strike(&mut self, strike: &Spanned<Strike>) {
        self.target(&strike.value.target(), strike.referenced);
    }

    fn settings(&mut self, fault: &Fault, at: Location) {
        let problem = match fault {
            Fault::Latency(latency) if latency.delay.0.is_zero() => {
                Problem::at(at, "a latency of nothing breaks nothing").help("give a `delay`")
            }
            Fault::Latency(latency) if latency.jitter > latency.delay => {
                Problem::at(at, "the jitter is greater than the delay it spreads around")
            }
            Fault::Bandwidth(bandwidth) if bandwidth.kilobytes == 0 => {
                Problem::at(at, "0 KB/s is a stall").help("write `stall: caller -> callee`")
            }
            Fault::Slice(slice) if slice.bytes == 0 => Problem::at(at, "a piece has at least 1 byte"),
            Fault::WrongAnswer(wrong) if !(100..=599).contains(&wrong.status) => {
                Problem::at(at, format!("{} is not an HTTP status: 100 to 599", wrong.status))
            }
            Fault::ClockStep(step) if step.by.0 == Duration::ZERO => {
                Problem::at(at, "a clock step of nothing")
            }
            _ => return,
        };
        self.problem(problem);
    }

    fn target(&mut self, target: &Target<'_>, at: Location) {
        let Some(topology) = self.topology else { return };
        match target {
            Target::Service(service) => {
                self.known_at("service", &service.0, at, topology.services.iter().map(|known| &known.0));
            }
            Target::Edge(edge) => {
                let edges: Vec<String> = topology.edges.iter().map(ToString::to_string).collect();
                self.known_at("edge", &edge.to_string(), at, &edges);
            }
        }
    }
}
