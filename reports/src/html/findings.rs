//! Every claim with its answer, the reason, and how near to its bound it came.

use harness_core::verdict::{Finding, Measured};
use maud::{Markup, html};

use super::glyph;
use crate::story::Story;
use crate::story::headline::axes;
use crate::words;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    html! {
        section #findings aria-labelledby="findings-title" {
            h2 #findings-title { "Every claim, and how near it came" }
            @if story.judgement.findings.is_empty() {
                p.lede { "Nothing was claimed about this run." }
            } @else {
                p.lede { "A claim is held only if it is so by the least favourable reading of every instant, and violated only if it is not so by the most favourable one." }
            }
            @for result in axes(story.judgement) {
                @if result.claims > 0 {
                    h3 { (words::capital(&result.axis.to_string())) " " span.quiet { (result.word()) ", " (result.tally()) } }
                    ol.findings {
                        @for (index, finding) in story.judgement.findings.iter().enumerate() {
                            @if finding.axis == result.axis { (one(index, finding)) }
                        }
                    }
                }
            }
        }
    }
}

fn one(index: usize, finding: &Finding) -> Markup {
    html! {
        li.finding #{ "finding-" (index + 1) } value=(index + 1) {
            (glyph(Some(finding.verdict)))
            div.said {
                p.claim { (finding.claim) }
                p.why { @if finding.why.is_empty() { (finding.verdict) } @else { (finding.why) } }
            }
            @if let Some(measured) = finding.measured { (bullet(finding, measured)) } @else { div.bullet-none {} }
        }
    }
}

/// The bounds as a track, the measured interval as a bar on it.
fn bullet(finding: &Finding, measured: Measured) -> Markup {
    let most = measured.elapsed.map_or(measured.within, |elapsed| elapsed.most.max(measured.within));
    let whole = most.as_secs_f64().max(1e-9) * 1.06;
    let percent = |d: std::time::Duration| d.as_secs_f64() / whole * 100.0;
    let over = |from, until| {
        format!("left:{:.2}%;width:{:.2}%", percent(from), (percent(until) - percent(from)).max(0.0))
    };
    html! {
        div.measured {
            div.bullet aria-hidden="true" {
                span.allowed style=(over(measured.not_before, measured.within)) {}
                @if let Some(elapsed) = measured.elapsed {
                    span class={ "got " (finding.verdict) } style=(over(elapsed.least, elapsed.most)) {}
                }
                span.bound style=(format!("left:{:.2}%", percent(measured.within))) {}
            }
            p.figures {
                b { @if let Some(elapsed) = measured.elapsed { (words::elapsed(elapsed)) } @else { "never" } }
                " of " @if !measured.not_before.is_zero() { (words::duration(measured.not_before)) " to " }
                (words::duration(measured.within))
                span.margin { @if let Some(margin) = measured.margin() { (words::duration(margin)) " to spare" } @else { "no margin" } }
            }
        }
    }
}
