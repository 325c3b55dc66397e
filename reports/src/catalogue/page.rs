//! The catalogue as a page: the scorecard, then a row per scenario and world.

use std::time::Duration;

use harness_core::verdict::Verdict;
use maud::{Markup, html};

use super::scorecard::score;
use super::{Claimed, Entry, Goal, Group, groups};
use crate::html::{document, glyph};
use crate::words;

/// The most earlier runs drawn in a row.
const PAST: usize = 16;

pub(crate) fn page(entries: &[Entry], goals: &[Goal]) -> String {
    let groups = groups(entries);
    let verdict = groups.iter().map(|group| group.latest().verdict).max();
    let shown = verdict.unwrap_or(Verdict::Inconclusive);
    let body = html! {
        header.verdict {
            p.eyebrow { "catalogue of runs" }
            h1 { (title(&groups)) }
            p class={ "outcome " (shown) } { strong { (words::capital(&shown.to_string())) "." } " " (sentence(&groups)) }
        }
        section #scorecard aria-labelledby="scorecard-title" {
            h2 #scorecard-title { "Scorecard" }
            p.lede { "Over the latest run of every scenario in every world; the trend is against the runs before those." }
            (scorecard(goals, &groups))
        }
        section #catalogue aria-labelledby="catalogue-title" {
            h2 #catalogue-title { "Scenarios" }
            p.lede {
                "The bars are the runs so far, oldest first: the share of its bound that the tightest claim used up. "
                "The line above them is the bound."
            }
            label.filter hidden { "Filter " input type="search" aria-label="Filter scenarios"; span.quiet aria-live="polite" {} }
            table.catalogue.sortable {
                thead { tr {
                    th scope="col" { "verdict" } th scope="col" { "scenario" } th scope="col" { "world" }
                    th.figure scope="col" { "claims" } th scope="col" { "tightest claim" }
                    th scope="col" { "against the run before" } th scope="col" { "runs" }
                } }
                tbody { @for group in &groups { (row(group)) } }
            }
        }
    };
    document(&format!("{shown}: {}", title(&groups)), &body)
}

fn title(groups: &[Group<'_>]) -> String {
    let runs = groups.iter().map(|group| group.runs.len()).sum();
    let mut scenarios: Vec<&str> = groups.iter().map(|group| group.latest().scenario.as_str()).collect();
    scenarios.dedup();
    format!("{} of {}", words::counted(runs, "run"), words::counted(scenarios.len(), "scenario"))
}

fn sentence(groups: &[Group<'_>]) -> String {
    let count = |verdict| groups.iter().filter(|group| group.latest().verdict == verdict).count();
    match (count(Verdict::Violated), count(Verdict::Inconclusive), groups.len()) {
        (_, _, 0) => "There are no runs yet.".into(),
        (0, 0, 1) => "The latest run held.".into(),
        (0, 0, _) => "The latest run of every scenario held, in every world it ran in.".into(),
        (violated, open, n) => {
            let mut parts = Vec::new();
            if violated > 0 {
                parts.push(format!("{violated} violated"));
            }
            if open > 0 {
                parts.push(format!("{open} inconclusive"));
            }
            format!("Of {n} latest runs, one per scenario and world: {}.", words::list(&parts))
        }
    }
}

fn scorecard(goals: &[Goal], groups: &[Group<'_>]) -> Markup {
    html! {
        table.scorecard {
            thead { tr {
                th scope="col" { "goal" } th.figure scope="col" { "target" } th.figure scope="col" { "measured" }
                th.figure scope="col" { "runs" } th scope="col" { "trend" } th scope="col" { "verdict" }
            } }
            tbody {
                @for goal in goals {
                    @let (now, before) = score(goal, groups);
                    @let verdict = now.verdict(goal.at_least);
                    tr {
                        th scope="row" { (goal.name) }
                        td.figure data-name="target" { (percent(goal.at_least)) }
                        td.figure data-name="measured" {
                            @if let Some(share) = now.share() {
                                b { (percent(share)) } span.quiet { " " (now.held) " of " (now.total) }
                            } @else { span.quiet { "no data" } }
                        }
                        td.figure data-name="runs" { (now.runs) }
                        td.quiet data-name="trend" { (turn(now.share(), before.share())) }
                        td { (glyph(verdict)) " " @if let Some(verdict) = verdict { (verdict) } @else { "not measured" } }
                    }
                }
            }
        }
    }
}

/// Where a share went since the runs before.
fn turn(now: Option<f64>, before: Option<f64>) -> String {
    match (now, before) {
        (Some(now), Some(before)) if now > before => format!("↑ from {}", percent(before)),
        (Some(now), Some(before)) if now < before => format!("↓ from {}", percent(before)),
        (Some(_), Some(_)) => "as before".into(),
        _ => "–".into(),
    }
}

fn percent(share: f64) -> String {
    // Never rounded up to a target that was missed.
    format!("{} %", (share * 100.0 + 1e-9).floor())
}

fn row(group: &Group<'_>) -> Markup {
    let latest = group.latest();
    let tightest = latest.tightest();
    html! {
        tr {
            td data-sort=(gravity(latest.verdict)) { (glyph(Some(latest.verdict))) " " (latest.verdict) }
            th scope="row" data-sort=(latest.scenario) {
                @if let Some(link) = &latest.link { a href=(link) { (latest.scenario) } } @else { (latest.scenario) }
                span.quiet.block { (latest.title) }
            }
            td data-name="world" { (latest.world) }
            td.figure data-name="claims held" data-sort=(latest.claims.len() - latest.held()) {
                (latest.held()) " of " (latest.claims.len())
            }
            td.tightest data-sort=(tightest.and_then(Claimed::used).map_or_else(String::new, |used| format!("{used:.4}"))) {
                @if let Some(claim) = tightest { (claim.claim) span.quiet.block { (figure(claim)) } }
                @else { span.quiet { "none has a bound" } }
            }
            td.trend data-name="against the run before" { (trend(group, tightest)) }
            td data-sort=(group.runs.len()) { (past(group, tightest)) }
        }
    }
}

const fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Violated => 0,
        Verdict::Inconclusive => 1,
        Verdict::Held => 2,
    }
}

fn figure(claim: &Claimed) -> String {
    claim.measured.map_or_else(String::new, |(elapsed, within)| {
        format!("{} of {}", elapsed.map_or_else(|| "never".into(), words::elapsed), words::duration(within))
    })
}

/// The change of the tightest claim against the run before, as far as the intervals tell it.
fn trend(group: &Group<'_>, tightest: Option<&Claimed>) -> Markup {
    let Some(before) = group.before() else { return html! { span.quiet { "first run" } } };
    let latest = group.latest();
    if before.verdict != latest.verdict {
        return html! { "was " (before.verdict) };
    }
    let interval =
        |claim: Option<&Claimed>| claim.and_then(|claim| claim.measured).and_then(|(elapsed, _)| elapsed);
    let then = tightest.and_then(|claim| before.claim(&claim.claim));
    let both = interval(then).zip(interval(tightest));
    html! {
        @if let Some((then, now)) = both { (crate::compare::moved(then, now)) } @else { span.quiet { "–" } }
    }
}

/// The runs so far as bars.
fn past(group: &Group<'_>, tightest: Option<&Claimed>) -> Markup {
    let runs = &group.runs[group.runs.len().saturating_sub(PAST)..];
    let height = |run: &Entry| {
        let used = tightest.and_then(|claim| run.claim(&claim.claim)).and_then(Claimed::used);
        used.map_or(20.0, |used| (used.min(1.2) * 16.0).max(2.0))
    };
    let width = PAST * 7;
    html! {
        svg.past width=(width) height="22" viewBox={ "0 0 " (width) " 22" } role="img"
            aria-label={ (words::counted(group.runs.len(), "run")) ", the latest " (group.latest().verdict) } {
            line x1="0" x2=(runs.len() * 7) y1="6" y2="6" {}
            @for (index, run) in runs.iter().enumerate() {
                @let tall = height(run);
                rect class=(run.verdict) x=(index * 7) y=(format!("{:.1}", 22.0 - tall)) width="5" height=(format!("{tall:.1}")) {
                    title { (run.run) ": " (run.verdict) " " (started(run)) (words::duration(run.lasted.max(Duration::from_millis(1)))) }
                }
            }
        }
    }
}

fn started(run: &Entry) -> String {
    if run.started.is_empty() { String::new() } else { format!("{}, ", run.started) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_share_is_never_rounded_up_to_its_target() {
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.8), "80 %");
    }

    #[test]
    fn the_page_opens_with_the_scorecard_and_escapes_what_it_shows() {
        let (mut record, judgement) = fixtures::violated();
        record.header.scenario.title = "<script>alert(1)</script>".into();
        let page = page(&[Entry::of(&record, &judgement, Some("r.html"))], &Goal::common());
        assert!(!page.contains("<script>alert"));
        assert!(page.find("Scorecard").unwrap() < page.find("Scenarios").unwrap());
        assert!(page.contains("href=\"r.html\""));
    }

    #[test]
    fn no_runs_are_not_green() {
        let page = page(&[], &Goal::common());
        assert!(page.contains("There are no runs yet") && page.contains("Inconclusive."));
        assert!(!page.contains("glyph held"));
    }
}
