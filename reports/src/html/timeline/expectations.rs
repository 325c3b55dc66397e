//! A lane per claim that has a place in time: its window, its bounds, and when it was met.

use harness_core::time::Span;
use harness_core::verdict::{Finding, Verdict};
use maud::{Markup, html};

use super::{heading, row};
use crate::html::glyph;
use crate::html::place::Scale;
use crate::story::Story;
use crate::words;

/// The most lanes of expectations.
const EXPECTATIONS: usize = 20;

pub(super) fn expectations(story: &Story<'_>, scale: Scale) -> Markup {
    let mut dated: Vec<(usize, &Finding, Span)> = story
        .judgement
        .findings
        .iter()
        .enumerate()
        .filter_map(|(index, finding)| Some((index, finding, finding.window.or(finding.seen)?)))
        .collect();
    if dated.is_empty() {
        return html! {};
    }
    let undated = story.judgement.findings.len() - dated.len();
    let left_out = dated.len().saturating_sub(EXPECTATIONS);
    // When there is no room for all: what did not hold, then what was measured, then the rest.
    dated.sort_by_key(|(index, finding, _)| {
        (finding.verdict == Verdict::Held, finding.seen.is_none(), *index)
    });
    dated.truncate(EXPECTATIONS);
    dated.sort_by_key(|(index, ..)| *index);
    html! {
        (heading("What had to hold"))
        @for (index, finding, window) in dated {
            (row("expectation", &html! {
                a.claim href={ "#finding-" (index + 1) } title=(finding.claim) {
                    (glyph(Some(finding.verdict))) " " (finding.claim)
                }
            }, &window_bar(finding, window, scale)))
        }
        @if left_out + undated > 0 {
            p.left-out.aside {
                @if left_out > 0 { (words::counted(left_out, "further claim")) " not drawn for want of room. " }
                @if undated > 0 { (words::counted(undated, "claim")) " with no one place in time. " }
                "All are listed " a href="#findings" { "below" } "."
            }
        }
    }
}

fn window_bar(finding: &Finding, window: Span, scale: Scale) -> Markup {
    let early = finding.measured.map(|measured| measured.not_before).filter(|bound| !bound.is_zero());
    let held = finding.measured.is_none().then_some(finding.verdict);
    html! {
        span.window.beyond[scale.is_beyond(window.hi)].held[held == Some(Verdict::Held)]
            .violated[held == Some(Verdict::Violated)].inconclusive[held == Some(Verdict::Inconclusive)]
            style=(scale.over(window.lo, window.hi))
            title={ "from " (words::instant(window.lo)) " to " (words::instant(window.hi)) } {}
        @if let Some(early) = early {
            span.early style=(scale.over(window.lo, window.lo + early)) title={ "too early: not before " (words::duration(early)) } {}
        }
        @if let Some(seen) = finding.seen {
            span class={ "seen " (finding.verdict) } style=(scale.over(seen.lo, seen.hi))
                title={ "seen at " (words::when(seen)) } {}
        }
        (reading(finding, window, scale))
    }
}

/// What was measured, beside its bar on the side that has room.
fn reading(finding: &Finding, window: Span, scale: Scale) -> Markup {
    let Some(measured) = finding.measured else { return html! {} };
    let elapsed = measured.elapsed.map_or_else(|| "never".into(), words::elapsed);
    let seen = finding.seen.unwrap_or(window);
    let (left, right) = (scale.percent(window.lo.min(seen.lo)), scale.percent(window.hi.max(seen.hi)));
    let on_the_right = right < 76.0;
    let place =
        if on_the_right { format!("left:{right:.2}%") } else { format!("right:{:.2}%", 100.0 - left) };
    html! {
        span.reading.cramped[right >= 76.0 && left <= 25.0] style=(place) {
            b { (elapsed) } " of " (words::duration(measured.within))
        }
    }
}
