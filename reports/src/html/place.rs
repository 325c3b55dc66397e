//! From instants to places in a picture. Places are per cent of the width, so that a picture
//! follows the width of its page while its text keeps its size.

use harness_core::time::{At, Span};
use maud::{Markup, html};

use crate::tone::Tone;

/// A stretch of time that a picture shows from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    from: At,
    until: At,
}

/// The width of the coordinates inside ribbons.
const WIDTH: f64 = 10_000.0;
/// The height of the coordinates inside ribbons.
const HEIGHT: u32 = 20;

impl Scale {
    /// From one instant to a later one.
    pub(crate) fn new(from: At, until: At) -> Self {
        Self { from, until: until.max(from + std::time::Duration::from_nanos(1)) }
    }

    /// Where an instant lies, in per cent.
    pub(crate) fn percent(self, at: At) -> f64 {
        let whole = self.until.saturating_since(self.from).as_secs_f64().max(1e-9);
        (at.saturating_since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0) * 100.0
    }

    /// The style that puts an element at an instant.
    pub(crate) fn at(self, at: At) -> String {
        format!("left:{:.3}%", self.percent(at))
    }

    /// The style that puts an element over a stretch of time.
    pub(crate) fn over(self, from: At, until: At) -> String {
        let left = self.percent(from);
        format!("left:{left:.3}%;width:{:.3}%", (self.percent(until) - left).max(0.0))
    }

    /// Whether an instant is beyond the right edge.
    pub(crate) fn is_beyond(self, at: At) -> bool {
        at > self.until
    }
}

/// A stretch to be drawn: its edges slant where its beginning and end are not known exactly.
pub(crate) struct Piece {
    /// When it began.
    pub(crate) from: Span,
    /// When it ended.
    pub(crate) until: Span,
    /// Its colour and pattern.
    pub(crate) tone: Tone,
    /// What it is called, drawn inside when there is room.
    pub(crate) name: String,
    /// What it is called where there is room for more.
    pub(crate) title: String,
}

/// A ribbon of stretches.
pub(crate) fn ribbon(scale: Scale, pieces: &[Piece]) -> Markup {
    let x = |at| scale.percent(at) / 100.0 * WIDTH;
    let corners = |piece: &Piece| {
        let (from, until) = (piece.from, piece.until);
        format!(
            "{:.0},{HEIGHT} {:.0},0 {:.0},0 {:.0},{HEIGHT}",
            x(from.lo),
            x(from.hi),
            x(until.hi),
            x(until.lo)
        )
    };
    html! {
        svg.ribbon viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            @for piece in pieces {
                polygon class=(piece.tone.name()) points=(corners(piece)) { title { (piece.title) } }
            }
        }
        @for piece in pieces {
            @if piece.until.lo > piece.from.hi {
                span class={ "piece " (piece.tone.name()) } style=(scale.over(piece.from.hi, piece.until.lo))
                    title=(piece.title) { span { (piece.name) } }
            }
        }
    }
}

/// Round instants to put ticks at: at most about `most` of them.
pub(crate) fn ticks(scale: Scale, most: u32) -> Vec<At> {
    use std::time::Duration;
    let whole = scale.until.saturating_since(scale.from);
    let at_least = whole / most.max(1);
    let steps_ms: [u64; 22] = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000,
        300_000, 600_000, 1_800_000, 3_600_000, 21_600_000,
    ];
    let step = steps_ms
        .into_iter()
        .map(Duration::from_millis)
        .find(|step| *step >= at_least)
        .unwrap_or_else(|| Duration::from_secs(86_400).max(at_least));
    let count = (whole.as_nanos() / step.as_nanos()) as u32;
    (0..=count).map(|i| scale.from + step * i).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn s(seconds: u64) -> At {
        At::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn places_are_shares_of_the_width_and_never_outside() {
        let scale = Scale::new(s(10), s(20));
        assert_eq!(scale.over(s(12), s(15)), "left:20.000%;width:30.000%");
        assert_eq!(scale.over(s(0), s(99)), "left:0.000%;width:100.000%");
        assert!(scale.is_beyond(s(21)));
    }

    #[test]
    fn ticks_are_round_and_few() {
        let found = ticks(Scale::new(s(0), s(187)), 10);
        assert_eq!(found.first(), Some(&s(0)));
        assert_eq!(found[1], s(30));
        assert!(found.len() <= 11);
        assert!(ticks(Scale::new(s(0), s(0)), 10).len() <= 11, "an empty run has its axis too");
        assert!(ticks(Scale::new(s(0), s(10_000_000)), 10).len() <= 11);
    }
}
