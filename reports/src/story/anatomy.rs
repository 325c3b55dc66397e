//! The anatomy of a recovery: from the fault taking effect, through detection, open circuit and
//! probing, to the steady state.
//!
//! Stages are told by what values mean ([`Tone`]), so the same fold serves a breaker that goes
//! `CLOSED → OPEN → HALF_OPEN → CLOSED` and a health status that goes `healthy → down → healthy`.

use std::collections::BTreeSet;

use harness_core::event::Phase;
use harness_core::history::{Change, History};
use harness_core::scenario::Scenario;
use harness_core::time::{At, Span};

use super::outages::Outage;
use crate::tone::Tone;

/// How one signal went through one fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anatomy {
    /// What was broken, in words.
    pub(crate) what: String,
    /// The signal.
    pub(crate) signal: String,
    /// When the fault took effect: what everything is counted from.
    pub(crate) in_effect: Span,
    /// When it was healed.
    pub(crate) healed: Option<Span>,
    /// The stages that were reached, in order. The first is the fault's taking effect.
    pub(crate) marks: Vec<Mark>,
    /// The probes that failed: from the attempt to the return to trouble.
    pub(crate) failed_probes: Vec<Span>,
    /// How many times it fell back after it had recovered.
    pub(crate) relapses: usize,
}

/// A stage reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Which.
    pub(crate) stage: Reached,
    /// What was seen: a value, a class of answers.
    pub(crate) seen: String,
    /// When.
    pub(crate) at: Span,
}

/// The stages of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// The fault took effect.
    InEffect,
    /// Something showed it for the first time.
    FirstSign,
    /// The signal told trouble.
    Trouble,
    /// The probe that led to the recovery began.
    Probe,
    /// The signal was well again.
    Well,
    /// Everything the steady state asks for was so, and stayed so.
    Steady,
}

impl Reached {
    /// What the time from this stage to the next is spent on.
    pub(crate) const fn then(self) -> &'static str {
        match self {
            Self::InEffect => "unnoticed",
            Self::FirstSign => "noticed",
            Self::Trouble => "in trouble",
            Self::Probe => "probing",
            Self::Well => "settling",
            Self::Steady => "steady",
        }
    }
}

/// The anatomies of all outages, most to the point first: circuits of the victim, then of others that
/// left their good state; if there are no circuits, whatever told trouble.
pub(crate) fn anatomies(history: &History, scenario: &Scenario, outages: &[Outage]) -> Vec<Anatomy> {
    let observed_until = history.phase(Phase::CleanUp).unwrap_or(history.last_instant());
    let mut found = Vec::new();
    for (index, outage) in outages.iter().enumerate() {
        let Some(in_effect) = outage.in_effect else { continue };
        // What comes after the next fault on the same service is that one's story.
        let until = outages[index + 1..]
            .iter()
            .find(|next| next.victim == outage.victim && next.from() > in_effect.hi)
            .map_or(observed_until, Outage::from);
        let undisturbed_until = outages[0].begun;
        let view = View { history, outage, in_effect, until, undisturbed_until };
        let steady = settled(view, scenario);
        found
            .extend(chosen(view).into_iter().map(|(signal, changes)| anatomy(view, signal, changes, steady)));
    }
    found
}

/// One outage within the timeline, up to where its story ends.
#[derive(Clone, Copy)]
struct View<'a> {
    history: &'a History,
    outage: &'a Outage,
    in_effect: Span,
    until: At,
    /// When anything was broken for the first time: what was usual is known from before.
    undisturbed_until: At,
}

fn is_circuit(signal: &str, changes: &[Change]) -> bool {
    signal.split('/').any(|part| matches!(part, "circuit" | "circuits" | "breaker"))
        || changes
            .iter()
            .any(|change| matches!(change.value.as_str(), "HALF_OPEN" | "half-open" | "half_open"))
}

fn chosen(View { history, outage, in_effect, until, .. }: View<'_>) -> Vec<(&str, &[Change])> {
    let of_victim = |signal: &str| signal.rsplit('/').next() == Some(outage.victim.as_str());
    let own = |signal: &str| signal.split('/').next() == Some(outage.victim.as_str());
    let troubled = |changes: &[Change]| {
        changes
            .iter()
            .any(|c| c.at.hi >= in_effect.lo && c.at.lo < until && Tone::of_value(&c.value) == Tone::Bad)
    };
    let circuits: Vec<_> =
        history.signals().filter(|(signal, changes)| is_circuit(signal, changes)).collect();
    let mut chosen: Vec<_> = circuits.iter().copied().filter(|(signal, _)| of_victim(signal)).collect();
    chosen
        .extend(circuits.iter().copied().filter(|(signal, changes)| !of_victim(signal) && troubled(changes)));
    if chosen.is_empty() {
        chosen = history.signals().filter(|(signal, changes)| !own(signal) && troubled(changes)).collect();
    }
    chosen
}

fn anatomy(view: View<'_>, signal: &str, changes: &[Change], steady: Option<Span>) -> Anatomy {
    let View { outage, in_effect, until, .. } = view;
    let told: Vec<(Tone, &Change)> = changes
        .iter()
        .filter(|change| change.at.hi >= in_effect.lo && change.at.lo < until)
        .map(|change| (Tone::of_value(&change.value), change))
        .collect();
    let trouble = told.iter().position(|(tone, _)| *tone == Tone::Bad);
    let well = trouble
        .and_then(|from| told[from..].iter().position(|(tone, _)| *tone == Tone::Good).map(|i| from + i));
    let mark = |stage, seen: &str, at| Mark { stage, seen: seen.to_owned(), at };

    let mut marks =
        vec![mark(Reached::InEffect, outage.evidence.as_deref().unwrap_or("effect not seen"), in_effect)];
    let trouble_at = trouble.map(|i| told[i].1.at);
    marks.extend(
        first_sign(view)
            .filter(|(_, at)| trouble_at.is_none_or(|trouble| at.hi < trouble.hi))
            .map(|(seen, at)| mark(Reached::FirstSign, &seen, at)),
    );
    let mut failed_probes = Vec::new();
    let mut relapses = 0;
    if let Some(trouble) = trouble {
        marks.push(mark(Reached::Trouble, &told[trouble].1.value, told[trouble].1.at));
        let before_well = &told[trouble..well.unwrap_or(told.len())];
        failed_probes = before_well
            .windows(2)
            .filter(|pair| pair[0].0 == Tone::Warn && pair[1].0 == Tone::Bad)
            .map(|pair| Span { lo: pair[0].1.at.lo, hi: pair[1].1.at.hi })
            .collect();
        if let Some(well) = well {
            let probe = before_well.last().filter(|(tone, _)| *tone == Tone::Warn);
            marks.extend(probe.map(|(_, change)| mark(Reached::Probe, &change.value, change.at)));
            marks.push(mark(Reached::Well, &told[well].1.value, told[well].1.at));
            relapses = told[well..].iter().filter(|(tone, _)| *tone == Tone::Bad).count();
            marks.extend(
                steady
                    .filter(|steady| steady.hi >= told[well].1.at.hi)
                    .map(|steady| mark(Reached::Steady, "everything the steady state asks for", steady)),
            );
        }
    }
    Anatomy {
        what: outage.what.clone(),
        signal: signal.to_owned(),
        in_effect,
        healed: outage.healed,
        marks,
        failed_probes,
        relapses,
    }
}

/// The first thing that showed the fault to anyone but its victim: an answer of a class not seen
/// before, or a signal that left its good state.
fn first_sign(
    View { history, outage, in_effect, until, undisturbed_until }: View<'_>,
) -> Option<(String, Span)> {
    let mut signs = Vec::new();
    for (load, requests) in history.loads() {
        let usual: BTreeSet<&str> = requests
            .iter()
            .filter(|request| request.at.hi < undisturbed_until)
            .map(|request| request.answer.class.as_str())
            .collect();
        let unusual = requests
            .iter()
            .filter(|request| request.at.hi >= in_effect.lo && request.at.hi < until)
            .filter(|request| {
                let class = request.answer.class.as_str();
                if usual.is_empty() { Tone::of_answer(class) != Tone::Good } else { !usual.contains(class) }
            })
            .min_by_key(|request| request.at.hi);
        signs
            .extend(unusual.map(|r| (format!("{load} answered {}", r.answer.class), Span::exactly(r.at.hi))));
    }
    for (signal, changes) in history.signals() {
        if signal.split('/').next() == Some(outage.victim.as_str()) {
            continue;
        }
        let turned = changes
            .iter()
            .find(|c| {
                c.at.lo >= in_effect.lo
                    && c.at.lo < until
                    && matches!(Tone::of_value(&c.value), Tone::Warn | Tone::Bad)
            })
            .map(|c| (format!("{signal} turned {}", c.value), c.at));
        signs.extend(turned);
    }
    signs.into_iter().min_by_key(|(_, at)| (at.hi, at.lo))
}

/// When every signal of the steady state had its value and kept it, after the heal.
fn settled(View { history, outage, until, .. }: View<'_>, scenario: &Scenario) -> Option<Span> {
    let healed = outage.healed?;
    let mut settled = None;
    for (signal, wanted) in &scenario.steady.signals {
        let last = history.signal(signal).iter().rfind(|change| change.at.lo < until)?;
        if last.value != *wanted {
            return None;
        }
        if last.at.hi >= healed.lo {
            settled = settled.max(Some((last.at.hi, last.at)));
        }
    }
    settled.map(|(_, at)| at)
}
