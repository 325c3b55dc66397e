//! A chart as a page of its own: nothing in it is fetched, and it is legible in light and in dark.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Bar, Chart, End};
use crate::moment::{moment, span};

/// Sizes in the units of the drawing.
const LABEL: f64 = 190.0;
const BARS: f64 = 760.0;
const RIGHT: f64 = 70.0;
const ROW: f64 = 22.0;
const BAR: f64 = 13.0;
const SCALE: f64 = 30.0;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) fn page(chart: &Chart) -> String {
    let instances: Vec<_> = chart.deployments.iter().map(|of| of.instance.to_string()).collect();
    let title = format!("Deployment of {}", instances.join(", "));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { (title) }
                @if chart.deployments.is_empty() {
                    p { "Nothing was ever deployed." }
                } @else {
                    p { (span(chart.length)) " from " time { (moment(chart.began)) } " on. Phases are solid; beneath them each service, from its start until it was healthy." }
                    (drawing(chart))
                }
            } }
        }
    }
    .into_string()
}

fn drawing(chart: &Chart) -> Markup {
    let rows: Vec<_> = chart.deployments.iter().map(|of| (of, chart.bars(of))).collect();
    let count: usize = rows.iter().map(|(_, bars)| bars.len() + 1).sum();
    let height = SCALE + down(count) + ROW;
    let mut top = SCALE;
    html! {
        div.scroll {
            svg viewBox=(format!("0 0 {} {height}", LABEL + BARS + RIGHT)) role="img" aria-label="phases and services, to scale" {
                @for tick in chart.ticks() {
                    line.tick x1=(x(chart, tick)) x2=(x(chart, tick)) y1=(SCALE - 8.0) y2=(height - ROW / 2.0) {}
                    text.tick x=(x(chart, tick)) y=(SCALE - 14.0) text-anchor="middle" { (span(tick)) }
                }
                @for (of, bars) in &rows {
                    text.instance x="0" y=(top + ROW - 7.0) { (of.instance) }
                    text.figure x=(LABEL - 12.0) y=(top + ROW - 7.0) text-anchor="end" { (span(of.ended.saturating_since(of.began))) }
                    @for (at, bar) in bars.iter().enumerate() { (row(chart, bar, top + down(at + 1))) }
                    ({ top += down(bars.len() + 1); "" })
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are a few hundred rows")]
fn down(rows: usize) -> f64 {
    rows as f64 * ROW
}

/// Where an instant is, to a tenth.
fn x(chart: &Chart, at: Duration) -> f64 {
    ((LABEL + chart.share(at) * BARS) * 10.0).round() / 10.0
}

fn row(chart: &Chart, bar: &Bar, top: f64) -> Markup {
    let (from, to) = (x(chart, bar.from), x(chart, bar.from + bar.took));
    // Nothing is too short to be seen.
    let wide = ((to - from).max(2.0) * 10.0).round() / 10.0;
    let kind = match (bar.end, bar.is_service) {
        (End::Failed, _) => "failed",
        (End::Open, _) => "open",
        (End::Done, true) => "service",
        (End::Done, false) => "phase",
    };
    let figure = match bar.end {
        End::Open => "did not end".to_owned(),
        End::Failed => format!("{} failed", span(bar.took)),
        End::Done => span(bar.took),
    };
    let base = top + ROW - 7.0;
    // At the end of the scale a figure stands before its bar.
    let (at, anchor) =
        if to > LABEL + BARS * 0.93 { (from - 6.0, "end") } else { (from + wide + 6.0, "start") };
    html! {
        text.name x=(if bar.is_service { 28 } else { 14 }) y=(base) { (bar.name) }
        rect class=(kind) x=(from) y=(top + 4.5) width=(wide) height=(BAR) rx="2" { title { (bar.name) ", " (figure) } }
        text.figure x=(at) y=(base) text-anchor=(anchor) { (figure) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::tests::three;
    use super::*;

    #[test]
    fn the_page_fetches_nothing_and_shows_every_bar() {
        let chart = three();
        let page = page(&chart);
        let bars: usize = chart.deployments.iter().map(|of| chart.bars(of).len()).sum();
        assert_eq!(page.matches("<rect ").count(), bars);
        assert!(page.contains("did not end") && page.contains("8.1 s failed"), "{page}");
        for fetched in ["http://", "https://", "url(", "@import", "<script", "src="] {
            assert!(!page.contains(fetched), "{fetched}");
        }
    }

    #[test]
    fn nothing_deployed_is_said() {
        assert!(page(&Chart::default()).contains("Nothing was ever deployed."));
    }
}
