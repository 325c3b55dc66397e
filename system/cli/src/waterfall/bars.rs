//! A chart on a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use super::chart::{Bar, Chart, End};
use crate::moment::span;

/// The least and the most columns that bars may have.
const BARS: std::ops::RangeInclusive<usize> = 20..=160;

/// After a bar that ended in a failure.
const FAILED: &str = " ✘";
/// The columns that every line leaves for it.
const MARK: usize = 2;

/// The chart, on `columns`: phases are solid, services shaded.
pub(super) fn text(chart: &Chart, columns: usize) -> String {
    let all = chart.deployments.iter().map(|of| (of, chart.bars(of))).collect::<Vec<_>>();
    let label = |bar: &Bar| if bar.is_service { bar.name.len() + 4 } else { bar.name.len() + 2 };
    let names = all.iter().flat_map(|(_, bars)| bars.iter().map(label));
    let name = names.max().unwrap_or_default();
    let figures = span(chart.length).len().max("open".len());
    let width = columns.saturating_sub(name + figures + 3 + MARK).clamp(*BARS.start(), *BARS.end());
    let mut text = String::new();
    for (of, bars) in &all {
        let took = span(of.ended.saturating_since(of.began));
        let _ = writeln!(text, "{:name$} {took:>figures$}", of.instance.to_string());
        for bar in bars {
            let indent = if bar.is_service { 4 } else { 2 };
            let named = format!("{:indent$}{}", "", bar.name);
            let took = if bar.end == End::Open { "open".to_owned() } else { span(bar.took) };
            let _ = writeln!(text, "{named:name$} {took:>figures$}  {}", drawn(chart, bar, width));
        }
    }
    let _ = writeln!(text, "{:1$}{2}", "", name + figures + 3, scale(chart, width));
    text
}

/// Which column of `width` a span ends in; a figure on a screen, not one to reckon with.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the columns")]
#[expect(clippy::cast_precision_loss, reason = "there are a few hundred columns")]
fn column(chart: &Chart, at: Duration, width: usize) -> usize {
    (chart.share(at) * width as f64).round() as usize
}

/// At least one column, so that nothing is hidden.
fn drawn(chart: &Chart, bar: &Bar, width: usize) -> String {
    let from = column(chart, bar.from, width).min(width - 1);
    let to = column(chart, bar.from + bar.took, width).max(from + 1);
    let fill = match (bar.end, bar.is_service) {
        (End::Open, _) => "?",
        (_, true) => "▒",
        (_, false) => "█",
    };
    let failed = if bar.end == End::Failed { FAILED } else { "" };
    format!("{}{}{failed}", " ".repeat(from), fill.repeat(to - from))
}

/// The ticks' names, each beginning where it stands; those that don't fit are left out.
fn scale(chart: &Chart, width: usize) -> String {
    let mut line = String::new();
    for tick in chart.ticks() {
        let (at, label) = (column(chart, tick, width), format!("│{}", span(tick)));
        let written = line.chars().count();
        let room = line.is_empty() || written < at;
        if room && at + label.chars().count() <= width + MARK {
            let before = at - written;
            let _ = write!(line, "{:before$}{label}", "");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::chart::tests::{failed_after, three};
    use super::*;

    #[test]
    fn bars_are_to_scale_at_any_width() {
        insta::assert_snapshot!("wide", text(&three(), 120));
        insta::assert_snapshot!("narrow", text(&three(), 60));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_longest_fills_it() {
        let widest = |chart: &Chart, columns| {
            text(chart, columns).lines().map(|line| line.chars().count()).max().unwrap_or_default()
        };
        // Its bar goes to the very end, and its mark stands after that; the ticks come as near to it as they can.
        for millis in [1, 90, 800, 5_000, 8_001, 27_300, 60_000, 600_000] {
            let chart = failed_after(millis);
            let least = widest(&chart, 0);
            let most = least + BARS.end() - BARS.start();
            for columns in 0..240 {
                assert_eq!(widest(&chart, columns), columns.clamp(least, most), "{millis} ms");
            }
        }
        let least = widest(&three(), 0);
        assert!((0..240).all(|columns| widest(&three(), columns) <= columns.max(least)));
    }
}
