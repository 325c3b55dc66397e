//! A comparison as a page: both measurements of each claim on one scale.

use harness_core::verdict::{Finding, Verdict};
use maud::{Markup, html};

use super::{Change, Comparison, Pair};
use crate::html::{document, glyph};
use crate::story::Story;
use crate::story::headline::axes;
use crate::words;

pub(crate) fn page(comparison: &Comparison<'_>) -> String {
    let scenario = &comparison.second.record.header.scenario;
    let title = if scenario.title.is_empty() { &scenario.id } else { &scenario.title };
    let body = html! {
        header.verdict {
            p.eyebrow { (scenario.id) span.dot { "·" } "two runs compared" }
            h1 { (title) }
            p class={ "outcome " (comparison.second.verdict) } { (comparison.sentence()) }
            ul.axes.runs { (run("first", &comparison.first)) (run("second", &comparison.second)) }
        }
        @if !comparison.circumstances.is_empty() {
            section aria-labelledby="circumstances-title" {
                h2 #circumstances-title { "What was different beforehand" }
                table.stages {
                    thead { tr { th scope="col" { "" } th scope="col" { "first" } th scope="col" { "second" } } }
                    tbody {
                        @for fact in &comparison.circumstances {
                            tr {
                                th scope="row" { (fact.name) }
                                td data-name="first" { (fact.first) } td data-name="second" { (fact.second) }
                            }
                        }
                    }
                }
            }
        }
        section aria-labelledby="claims-title" {
            h2 #claims-title { "Claim by claim" }
            p.lede { "On each scale the upper bar is the first run, the lower one the second. Measurements that overlap may be equal." }
            ol.findings { @for pair in &comparison.claims { (claim(pair)) } }
        }
        section aria-labelledby="requests-title" {
            h2 #requests-title { "Requests" }
            (requests(&comparison.first, &comparison.second))
        }
    };
    document(&format!("{}: two runs compared", scenario.id), &body)
}

fn run(name: &str, story: &Story<'_>) -> Markup {
    let header = &story.record.header;
    let held: usize = axes(story.judgement).iter().map(|result| result.held).sum();
    html! {
        li {
            (glyph(Some(story.verdict)))
            span.axis { b { (words::capital(name)) } " " (story.verdict) }
            span.quiet {
                (header.run) ", " (header.world) " world, " (held) " of "
                (words::counted(story.judgement.findings.len(), "claim")) " held"
            }
        }
    }
}

fn claim(pair: &Pair<'_>) -> Markup {
    let change = pair.change();
    let worse = matches!(change, Change::Verdict(from, to) if to > from);
    html! {
        li.finding {
            (glyph(pair.second.map(|finding| finding.verdict)))
            div.said {
                p.claim { (pair.claim) }
                p.why.changed[change != Change::Same].worse[worse] { (change.words()) }
            }
            (scale(pair))
        }
    }
}

fn scale(pair: &Pair<'_>) -> Markup {
    let measured = [pair.first, pair.second].map(|finding| finding.and_then(|finding| finding.measured));
    let most = measured
        .iter()
        .flatten()
        .map(|measured| measured.elapsed.map_or(measured.within, |elapsed| elapsed.most.max(measured.within)))
        .max();
    let Some(most) = most else { return html! { div.bullet-none {} } };
    let whole = most.as_secs_f64().max(1e-9) * 1.06;
    let percent = |d: std::time::Duration| d.as_secs_f64() / whole * 100.0;
    let bound = measured.iter().flatten().last().map(|measured| measured.within);
    html! {
        div.measured {
            div.bullet.twofold aria-hidden="true" {
                @if let Some(bound) = bound { span.allowed style=(format!("left:0;width:{:.2}%", percent(bound))) {} }
                @for (index, finding) in [pair.first, pair.second].into_iter().enumerate() {
                    @if let Some((verdict, elapsed)) = interval(finding) {
                        span class={ "got " (verdict) @if index == 0 { " upper" } @else { " lower" } }
                            style=(format!("left:{:.2}%;width:{:.2}%", percent(elapsed.least), percent(elapsed.most) - percent(elapsed.least))) {}
                    }
                }
                @if let Some(bound) = bound { span.bound style=(format!("left:{:.2}%", percent(bound))) {} }
            }
            p.figures {
                @for (index, measured) in measured.iter().enumerate() {
                    @if index > 0 { " → " }
                    b { @match measured {
                        None => "–",
                        Some(measured) => (measured.elapsed.map_or_else(|| "never".into(), words::elapsed)),
                    } }
                }
                @if let Some(bound) = bound { " of " (words::duration(bound)) }
            }
        }
    }
}

fn interval(finding: Option<&Finding>) -> Option<(Verdict, harness_core::time::Elapsed)> {
    let finding = finding?;
    Some((finding.verdict, finding.measured?.elapsed?))
}

fn requests(first: &Story<'_>, second: &Story<'_>) -> Markup {
    let loads: std::collections::BTreeSet<&str> =
        first.traffic.iter().chain(&second.traffic).map(|traffic| traffic.load.as_str()).collect();
    let of =
        |story: &Story<'_>, load: &str| story.traffic.iter().find(|traffic| traffic.load == load).cloned();
    html! {
        @if loads.is_empty() { p.lede { "Neither run has any." } } @else {
            table.stages {
                thead { tr { th scope="col" { "load" } th scope="col" { "first" } th scope="col" { "second" } } }
                tbody {
                    @for load in loads {
                        @let both = [of(first, load), of(second, load)];
                        tr {
                            th scope="row" { (load) ": answers" }
                            @for (traffic, name) in both.iter().zip(["first", "second"]) {
                                td data-name=(name) { @if let Some(traffic) = traffic {
                                    @for (index, (class, _, count)) in traffic.classes.iter().enumerate() {
                                        @if index > 0 { ", " } (class) " " b { (words::number(*count)) }
                                    }
                                } @else { "–" } }
                            }
                        }
                        tr {
                            th scope="row" { (load) ": p50, p95, longest" }
                            @for (traffic, name) in both.iter().zip(["first", "second"]) {
                                td data-name=(name) { @if let Some(traffic) = traffic {
                                    (traffic.took.map(words::duration).join(", "))
                                } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
