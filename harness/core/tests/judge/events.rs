//! What a timeline is put together from, and what is asked of its judgement.

use harness_core::event::{Phase, Stage, What};
use harness_core::fault::Fault;
use harness_core::scenario::{Anchor, Claim};
use harness_core::time::Span;
use harness_core::verdict::{Axis, Judgement, Verdict};

use crate::draw::{at, ns};

pub(crate) fn exactly(ticks: u64, what: What) -> (Span, What) {
    (Span::exactly(at(ticks)), what)
}

pub(crate) fn phase(ticks: u64, phase: Phase) -> (Span, What) {
    exactly(ticks, What::Phase { phase })
}

pub(crate) fn signal(ticks: u64, signal: &str, value: &str) -> (Span, What) {
    exactly(ticks, What::Signal { signal: signal.into(), value: value.into(), was: None })
}

pub(crate) fn stage(ticks: u64, name: &str, stage: Stage) -> (Span, What) {
    let detail = String::new();
    exactly(ticks, What::Fault { name: name.into(), fault: Fault::Stop("opa".into()), stage, detail })
}

pub(crate) fn becomes(value: &str, after: Anchor, within: u64) -> Claim {
    Claim::Becomes {
        signal: "circuit".into(),
        value: value.into(),
        after,
        not_before: ns(0),
        within: ns(within),
    }
}

pub(crate) fn ended(ticks: u64) -> [(Span, What); 3] {
    [
        phase(ticks, Phase::CleanUp),
        exactly(ticks, What::TornDown { leftovers: Vec::new() }),
        exactly(ticks, What::End { interrupted: None }),
    ]
}

pub(crate) fn verdicts(judgement: &Judgement) -> Vec<Verdict> {
    let experiment = judgement.findings.iter().filter(|finding| finding.axis == Axis::Experiment);
    experiment.map(|finding| finding.verdict).collect()
}

pub(crate) fn outage() -> Anchor {
    Anchor::InEffect("outage".into())
}

pub(crate) fn stopped() -> Fault {
    Fault::Stop("opa".into())
}
