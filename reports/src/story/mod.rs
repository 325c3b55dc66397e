//! A record and its judgement, folded into what the reports show.
//!
//! Every form of report reads a [`Story`]; none looks into the events itself. So they cannot tell
//! different things about the same run.

pub(crate) mod anatomy;
pub(crate) mod chronicle;
pub(crate) mod headline;
pub(crate) mod outages;
pub(crate) mod ribbons;
#[cfg(test)]
mod tests;
pub(crate) mod traffic;

use std::time::Duration;

use harness_core::event::{Phase, What};
use harness_core::history::History;
use harness_core::record::Record;
use harness_core::time::{At, Span};
use harness_core::verdict::{Finding, Judgement, Verdict};

pub(crate) use anatomy::Anatomy;
use outages::{Blow, Outage};
use traffic::Traffic;

/// A run, ready to be told.
pub(crate) struct Story<'a> {
    /// The record itself.
    pub(crate) record: &'a Record,
    /// What was found about it.
    pub(crate) judgement: &'a Judgement,
    /// The timeline, indexed.
    pub(crate) history: History,
    /// The verdict as it may be shown: nothing held in a run that did not come to its end.
    pub(crate) verdict: Verdict,
    /// Why the run ended early, if it did and could still say so.
    pub(crate) interrupted: Option<String>,
    /// The last instant that is told of; later than the start.
    pub(crate) end: At,
    /// The lives of faults.
    pub(crate) outages: Vec<Outage>,
    /// The one-shot faults.
    pub(crate) blows: Vec<Blow>,
    /// The parts of the run that were reached, with their ends.
    pub(crate) phases: Vec<(Phase, At, At)>,
    /// Requests by load.
    pub(crate) traffic: Vec<Traffic>,
    /// How each fault was noticed and recovered from.
    pub(crate) anatomies: Vec<Anatomy>,
    /// When the machine stalled.
    pub(crate) stalls: Vec<Span>,
    /// What could not be seen: prefix of signals, when, why.
    pub(crate) blind: Vec<(String, Span, String)>,
}

impl<'a> Story<'a> {
    /// Folds a run.
    pub(crate) fn of(record: &'a Record, judgement: &'a Judgement) -> Self {
        let history = History::of(record.events.clone());
        let end = history.last_instant().max(At::from_start(Duration::from_millis(1)));
        let outages = outages::outages(&record.events);
        let interrupted = record.events.iter().rev().find_map(|event| match &event.what {
            What::End { interrupted } => Some(interrupted.clone()),
            _ => None,
        });
        let interrupted = interrupted.flatten();
        let unfinished = record.cut || interrupted.is_some();
        let verdict = judgement.overall().max(if unfinished { Verdict::Inconclusive } else { Verdict::Held });
        Self {
            record,
            judgement,
            verdict,
            interrupted,
            end,
            blows: outages::blows(&record.events),
            phases: phases(&history, end),
            traffic: history
                .loads()
                .filter_map(|(load, requests)| traffic::traffic(load, requests, end))
                .collect(),
            anatomies: anatomy::anatomies(&history, &record.header.scenario, &outages),
            outages,
            stalls: stalls(record),
            blind: blind(record),
            history,
        }
    }

    /// The claim that came nearest to its bound and still held.
    pub(crate) fn closest(&self) -> Option<(usize, &Finding, Duration)> {
        self.judgement
            .findings
            .iter()
            .enumerate()
            .filter(|(_, finding)| finding.verdict == Verdict::Held)
            .filter_map(|(index, finding)| {
                let measured = finding.measured?;
                let margin = measured.margin()?;
                let share = margin.as_secs_f64() / measured.within.as_secs_f64().max(f64::MIN_POSITIVE);
                Some((share, index, finding, margin))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, index, finding, margin)| (index, finding, margin))
    }
}

impl Anatomy {
    /// When everything was steady again.
    pub(crate) fn steady(&self) -> Option<Span> {
        self.marks.iter().find(|mark| mark.stage == anatomy::Reached::Steady).map(|mark| mark.at)
    }
}

fn phases(history: &History, end: At) -> Vec<(Phase, At, At)> {
    let all = [Phase::SetUp, Phase::Steady, Phase::Experiment, Phase::Recovery, Phase::CleanUp];
    let begun: Vec<_> = all.into_iter().filter_map(|phase| Some((phase, history.phase(phase)?))).collect();
    begun
        .iter()
        .enumerate()
        .map(|(i, (phase, from))| (*phase, *from, begun.get(i + 1).map_or(end, |(_, next)| *next)))
        .collect()
}

fn stalls(record: &Record) -> Vec<Span> {
    record.events.iter().filter(|event| matches!(event.what, What::Stall)).map(|event| event.at).collect()
}

fn blind(record: &Record) -> Vec<(String, Span, String)> {
    record
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Blind { prefix, why } => Some((prefix.clone(), event.at, why.clone())),
            _ => None,
        })
        .collect()
}
