//! The verdict in words: the sentence somebody reads who reads nothing else.

use std::time::Duration;

use harness_core::verdict::{Axis, Finding, Judgement, Verdict};

use super::Story;
use crate::words;

/// How one part of the run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisResult {
    /// The part.
    pub(crate) axis: Axis,
    /// Its verdict; nothing when nothing was claimed about it, which is no success.
    pub(crate) verdict: Option<Verdict>,
    /// How many claims held.
    pub(crate) held: usize,
    /// How many claims there were.
    pub(crate) claims: usize,
}

/// The parts of a run, in order.
pub(crate) const AXES: [Axis; 3] = [Axis::Experiment, Axis::Recovery, Axis::CleanUp];

/// How each part came out.
pub(crate) fn axes(judgement: &Judgement) -> [AxisResult; 3] {
    AXES.map(|axis| {
        let about = || judgement.findings.iter().filter(move |finding| finding.axis == axis);
        AxisResult {
            axis,
            verdict: about().map(|finding| finding.verdict).max(),
            held: about().filter(|finding| finding.verdict == Verdict::Held).count(),
            claims: about().count(),
        }
    })
}

impl AxisResult {
    /// The verdict in a word.
    pub(crate) fn word(&self) -> String {
        self.verdict.map_or_else(|| "not judged".into(), |verdict| verdict.to_string())
    }

    /// How many claims it rests on.
    pub(crate) fn tally(&self) -> String {
        match (self.held, self.claims) {
            (_, 0) => "nothing was claimed".into(),
            (held, claims) if held == claims => words::counted(claims, "claim"),
            (held, claims) => format!("{held} of {} held", words::counted(claims, "claim")),
        }
    }
}

/// The verdict as one sentence or two.
pub(crate) fn sentence(story: &Story<'_>) -> String {
    let circumstance = circumstance(story);
    let findings = &story.judgement.findings;
    let of = |verdict| findings.iter().filter(move |finding| finding.verdict == verdict).collect::<Vec<_>>();
    let (violated, open) = (of(Verdict::Violated), of(Verdict::Inconclusive));
    match story.verdict {
        Verdict::Held => format!("{circumstance}, {}{}.", all_held(findings.len()), aftermath(story)),
        Verdict::Violated => {
            let foremost = match violated.as_slice() {
                [] => String::new(),
                [one] => format!(": {}", broken_claim(one)),
                [first, ..] => format!(". Foremost: {}", broken_claim(first)),
            };
            let undecided = match open.len() {
                0 => String::new(),
                n => format!(" {} could not be decided.", words::counted(n, "further claim")),
            };
            let claims = words::counted(findings.len(), "claim");
            format!("{circumstance}, {} of {claims} did not hold{foremost}.{undecided}", violated.len())
        }
        Verdict::Inconclusive => {
            format!("This run proves nothing either way: {}.", why_inconclusive(story, &open))
        }
    }
}

fn broken_claim(finding: &Finding) -> String {
    let claim = words::printable(&finding.claim);
    match finding.why.len() {
        1..=80 => format!("{claim} ({})", words::printable(&finding.why)),
        _ => claim,
    }
}

fn all_held(claims: usize) -> String {
    match claims {
        1 => "the one claim made held".into(),
        n => format!("all {n} claims held"),
    }
}

fn why_inconclusive(story: &Story<'_>, open: &[&Finding]) -> String {
    if story.record.cut {
        return format!("its record ends at {}, before the run did", words::instant(story.end));
    }
    if let Some(why) = &story.interrupted {
        return format!("it was interrupted ({})", words::printable(why));
    }
    match open.first() {
        None => "nothing was judged".into(),
        Some(first) => format!(
            "{} of {} could not be decided. {}",
            open.len(),
            words::counted(story.judgement.findings.len(), "claim"),
            words::capital(words::printable(&first.why).trim_end_matches('.'))
        ),
    }
}

/// What was broken, and for how long.
fn circumstance(story: &Story<'_>) -> String {
    let mut broken: Vec<(&str, usize, Duration)> = Vec::new();
    for outage in &story.outages {
        let lasted = outage.until().unwrap_or(story.end).saturating_since(outage.from());
        match broken.iter_mut().find(|(what, ..)| *what == outage.what) {
            Some((_, times, total)) => {
                *times += 1;
                *total += lasted;
            }
            None => broken.push((&outage.what, 1, lasted)),
        }
    }
    let mut parts: Vec<String> = broken
        .iter()
        .map(|(what, times, lasted)| match times {
            1 => format!("{what} for {}", words::about(*lasted)),
            _ => format!("{what} {times} times for {} altogether", words::about(*lasted)),
        })
        .collect();
    parts.extend(story.blows.iter().map(|blow| blow.what.clone()));
    parts.dedup();
    if parts.len() > 3 {
        let more = parts.split_off(2).len();
        parts.push(format!("{more} more"));
    }
    if parts.is_empty() {
        "With nothing broken".into()
    } else {
        format!("With {}", words::printable(&words::list(&parts)))
    }
}

fn aftermath(story: &Story<'_>) -> String {
    let [_, recovery, clean_up] = axes(story.judgement);
    let mut out = String::new();
    if recovery.verdict == Some(Verdict::Held) {
        let back = story.outages.iter().filter_map(|outage| outage.healed).map(|at| at.lo).max();
        let steady = story.anatomies.iter().filter_map(super::Anatomy::steady).map(|at| at.hi).max();
        match back.zip(steady) {
            Some((back, steady)) => {
                let took = words::about(steady.saturating_since(back));
                out = format!("; it was steady again at most {took} after the heal");
            }
            None => out.push_str("; the steady state was there in the end"),
        }
    }
    if clean_up.verdict == Some(Verdict::Held) {
        out.push_str("; nothing was left behind");
    }
    out
}
