//! Curves and areas, drawn by the plot library into SVG that stretches with the page.
//!
//! Only marks are drawn here; scales and names are text beside them, which must not stretch. The
//! colours are the light theme's; the style sheet repaints them by their values.

use std::time::Duration;

use harness_core::time::{At, Span};
use maud::{Markup, PreEscaped};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged};
use plotters::prelude::*;

use crate::story::traffic::Traffic;
use crate::tone::Tone;

/// Wide enough that the library's whole-number coordinates are finer than a pixel.
const SIZE: (u32, u32) = (4_000, 600);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Drawing into a string does not fail; the library's error type says it might.
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

const fn colour(tone: Tone) -> RGBColor {
    match tone {
        Tone::Good => RGBColor(0x2f, 0x7d, 0x5b),
        Tone::Refused => RGBColor(0x4d, 0x6d, 0x9a),
        Tone::Warn => RGBColor(0xc0, 0x8a, 0x1e),
        Tone::Bad => RGBColor(0xb5, 0x36, 0x2b),
        Tone::Plain => RGBColor(0x8b, 0x87, 0x7e),
    }
}

fn plot(draw: impl FnOnce(&Area<'_>) -> Drawn) -> Markup {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area).and_then(|()| area.present()).expect("drawing into a string does not fail");
    }
    let opening = "<svg class=\"plot\" preserveAspectRatio=\"none\" aria-hidden=\"true\" ";
    // What the library wrote holds numbers only: nothing of the record's text comes in here.
    PreEscaped(svg.replacen("<svg ", opening, 1))
}

type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;

fn axes<'a, X, Y>(
    area: &Area<'a>,
    x: X,
    y: Y,
) -> Result<Chart<'a, X::CoordDescType, Y::CoordDescType>, DrawingAreaErrorKind<std::io::Error>>
where
    X: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64>>,
    Y: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64>>,
{
    ChartBuilder::on(area).build_cartesian_2d(x, y)
}

/// Requests by what came of them, stacked, a step per bin.
pub(crate) fn outcomes(traffic: &Traffic, end: At) -> Markup {
    let width = traffic.bin.as_secs_f64();
    let highest = traffic.highest().max(1) as f64;
    plot(|area| {
        let mut chart = axes(area, 0.0..end.since_start().as_secs_f64(), 0.0..highest)?;
        for (class, (_, tone, _)) in traffic.classes.iter().enumerate() {
            for run in runs(traffic) {
                let edge = |upto: usize| {
                    run.clone().flat_map(move |index| {
                        let height =
                            traffic.bins.get(&index).map_or(0, |bin| bin.counts[..upto].iter().sum()) as f64;
                        let left = f64::from(index) * width;
                        [(left, height), (left + width, height)]
                    })
                };
                let mut corners: Vec<_> = edge(class).collect();
                corners.reverse();
                corners.extend(edge(class + 1));
                chart.draw_series([Polygon::new(corners, colour(*tone).filled())])?;
            }
        }
        Ok(())
    })
}

/// The bins that hold requests, as runs without a gap.
fn runs(traffic: &Traffic) -> Vec<std::ops::RangeInclusive<u32>> {
    let mut runs: Vec<std::ops::RangeInclusive<u32>> = Vec::new();
    for index in traffic.bins.keys() {
        match runs.last_mut() {
            Some(run) if *run.end() + 1 == *index => *run = *run.start()..=*index,
            _ => runs.push(*index..=*index),
        }
    }
    runs
}

/// The decades that hold all latencies, in seconds.
pub(crate) fn decades(traffic: &Traffic) -> (i32, i32) {
    let exponent = |d: Duration| d.as_secs_f64().max(1e-4).log10();
    let low = exponent(traffic.shortest.max(Duration::from_micros(100))).floor() as i32;
    let high = exponent(traffic.took[2]).ceil() as i32;
    (low, high.max(low + 1))
}

/// Latency on a logarithmic scale: every request when there are few, else per bin the median (line),
/// the range up to the 95th percentile (area) and the longest (dot).
pub(crate) fn latency(traffic: &Traffic, end: At) -> Markup {
    let (low, high) = decades(traffic);
    let bottom = 10f64.powi(low);
    let y = |took: Duration| took.as_secs_f64().max(bottom);
    plot(|area| {
        let mut chart =
            axes(area, 0.0..end.since_start().as_secs_f64(), (bottom..10f64.powi(high)).log_scale())?;
        let dot = |x: f64, took: Duration, tone| {
            PathElement::new(vec![(x, y(took)), (x, y(took))], colour(tone).stroke_width(4))
        };
        if let Some(dots) = &traffic.dots {
            chart.draw_series(
                dots.iter().map(|(at, took, tone)| dot(at.since_start().as_secs_f64(), *took, *tone)),
            )?;
            return Ok(());
        }
        let middle = |index: u32| (f64::from(index) + 0.5) * traffic.bin.as_secs_f64();
        for run in runs(traffic) {
            let held =
                || run.clone().filter_map(|index| Some((middle(index), traffic.bins.get(&index)?.took)));
            let mut band: Vec<_> = held().map(|(x, took)| (x, y(took[0]))).collect();
            band.reverse();
            band.extend(held().map(|(x, took)| (x, y(took[1]))));
            chart.draw_series([Polygon::new(band, colour(Tone::Refused).mix(0.3).filled())])?;
            chart.draw_series(LineSeries::new(
                held().map(|(x, took)| (x, y(took[0]))),
                colour(Tone::Refused).stroke_width(2),
            ))?;
            chart.draw_series(held().map(|(x, took)| dot(x, took[2], Tone::Plain)))?;
        }
        Ok(())
    })
}

/// The most points of a curve, twice over: each bucket keeps its least and its greatest value.
const BUCKETS: usize = 300;

/// A measure over time, from `low` to `high`.
pub(crate) fn measure(samples: &[(Span, f64)], low: f64, high: f64, end: At) -> Markup {
    let seconds = |at: At| at.since_start().as_secs_f64();
    let per_bucket = samples.len().div_ceil(BUCKETS).max(1);
    let points: Vec<(f64, f64)> = samples
        .chunks(per_bucket)
        .flat_map(|bucket| {
            let by_value = |a: &&(Span, f64), b: &&(Span, f64)| a.1.total_cmp(&b.1);
            let mut ends = [bucket.iter().min_by(by_value), bucket.iter().max_by(by_value)];
            ends.sort_by_key(|sample| sample.map(|(at, _)| at.hi));
            ends.into_iter().flatten().map(|(at, value)| (seconds(at.hi), *value)).collect::<Vec<_>>()
        })
        .filter(|(_, value)| value.is_finite())
        .collect();
    let room = ((high - low) * 0.08).max(f64::EPSILON * high.abs().max(1.0));
    plot(|area| {
        let mut chart = axes(area, 0.0..seconds(end), low - room..high + room)?;
        chart.draw_series(LineSeries::new(points, colour(Tone::Refused).stroke_width(2)))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use harness_core::event::Answer;
    use harness_core::history::Exchange;

    use super::*;
    use crate::story::traffic::traffic;

    fn load(count: u64) -> Traffic {
        let at = |ms| At::from_start(Duration::from_millis(ms));
        let requests: Vec<_> = (0..count)
            .map(|i| Exchange {
                at: Span::between(at(i * 100), at(i * 100 + 1 + i % 7)),
                number: i,
                answer: Answer::new(if i % 5 == 0 { "denied" } else { "allowed" }),
            })
            .collect();
        traffic("reads", &requests, at(count * 100)).unwrap()
    }

    #[test]
    fn the_size_of_a_plot_does_not_grow_with_the_run() {
        let end = At::from_start(Duration::from_secs(2_000));
        let (few, many) = (load(2_000), load(20_000));
        assert!(latency(&many, end).0.len() < 2 * latency(&few, end).0.len());
        assert!(outcomes(&many, end).0.len() < 20_000);
    }

    #[test]
    fn few_requests_are_drawn_one_by_one() {
        let svg = latency(&load(50), At::from_start(Duration::from_secs(5))).0;
        assert_eq!(svg.matches("<polyline").count(), 50);
    }

    #[test]
    fn answers_in_no_time_have_a_scale_too() {
        let at = Span::exactly(At::START);
        let instant = traffic(
            "r",
            &[Exchange { at, number: 0, answer: Answer::new("ok") }],
            At::from_start(Duration::from_secs(1)),
        )
        .unwrap();
        assert_eq!(decades(&instant), (-4, -3));
        assert!(!latency(&instant, At::from_start(Duration::from_secs(1))).0.contains("NaN"));
    }
}
