//! The verdict in words, before anything else.

use harness_core::verdict::Verdict;
use jiff::Timestamp;
use maud::{Markup, html};

use super::glyph;
use crate::story::Story;
use crate::story::headline::{axes, sentence};
use crate::words;

/// The most claims that are named beside the verdict.
const NAMED: usize = 5;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    let header = &story.record.header;
    let title = if header.scenario.title.is_empty() { &header.scenario.id } else { &header.scenario.title };
    html! {
        header.verdict {
            p.eyebrow {
                (header.scenario.id) span.dot { "·" } (header.world) " world"
                @if let Some(started) = started(&header.started) { span.dot { "·" } (started) }
            }
            h1 { (title) }
            p class={ "outcome " (story.verdict) } {
                strong { (words::capital(&story.verdict.to_string())) "." } " " (sentence(story))
            }
            ul.axes {
                @for result in axes(story.judgement) {
                    li {
                        (glyph(result.verdict))
                        span.axis { b { (words::capital(&result.axis.to_string())) } " " (result.word()) }
                        span.quiet { (result.tally()) }
                    }
                }
            }
            (honesty(story))
            (not_held(story))
            @if let Some((index, finding, margin)) = story.closest().filter(|_| story.verdict == Verdict::Held) {
                p.closest {
                    span.quiet { "Closest call: " }
                    a href={ "#finding-" (index + 1) } { (finding.claim) }
                    span.quiet { ", with " (words::duration(margin)) " to spare" }
                }
            }
        }
    }
}

/// When the run started, as people say it; what can't be read is shown as it is.
fn started(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    Some(
        text.parse::<Timestamp>()
            .map_or_else(|_| text.to_owned(), |at| at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()),
    )
}

/// What a reader must know before believing the page.
fn honesty(story: &Story<'_>) -> Markup {
    let unproven: Vec<String> = story
        .outages
        .iter()
        .filter(|outage| outage.in_effect.is_some() && outage.evidence.is_none())
        .map(|outage| outage.what.clone())
        .collect();
    let open: Vec<String> = story
        .outages
        .iter()
        .filter(|outage| outage.healed.is_none())
        .map(|outage| outage.what.clone())
        .collect();
    let unseen_blows: Vec<String> =
        story.blows.iter().filter(|blow| blow.evidence.is_none()).map(|blow| blow.what.clone()).collect();
    let stalled: std::time::Duration = story.stalls.iter().map(|stall| stall.width()).sum();
    let mut notices = Vec::new();
    if story.record.cut {
        notices.push(format!(
            "The record was cut short at {}: what came after is not known, so the run as a whole can’t count as held.",
            words::instant(story.end)
        ));
    }
    if let Some(why) = &story.interrupted {
        notices.push(format!("The run was interrupted: {why}."));
    }
    if story.judgement.findings.is_empty() {
        notices.push("Nothing was claimed about this run, so nothing is proved by it.".into());
    }
    if !unproven.is_empty() || !unseen_blows.is_empty() {
        let all: Vec<String> = unproven.into_iter().chain(unseen_blows).collect();
        notices.push(format!("No effect was seen of: {}.", words::list(&all)));
    }
    if !open.is_empty() {
        notices.push(format!("This record does not show the heal of: {}.", words::list(&open)));
    }
    if !stalled.is_zero() {
        notices.push(format!("The machine stalled for {} altogether.", words::duration(stalled)));
    }
    html! {
        @if !notices.is_empty() {
            ul.notices role="note" { @for notice in &notices { li { (notice) } } }
        }
    }
}

fn not_held(story: &Story<'_>) -> Markup {
    let failing: Vec<_> = story
        .judgement
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.verdict != Verdict::Held)
        .collect();
    html! {
        @if !failing.is_empty() {
            ol.failing {
                @for (index, finding) in failing.iter().take(NAMED) {
                    li {
                        (glyph(Some(finding.verdict)))
                        div { a href={ "#finding-" (index + 1) } { (finding.claim) } span.why { (finding.why) } }
                    }
                }
            }
            @if failing.len() > NAMED {
                p.left-out { a href="#findings" { (words::counted(failing.len() - NAMED, "more claim")) " below" } }
            }
        }
    }
}
