//! Claims about a part of the run: where it lies, for sure and perhaps.
//!
//! A window holds the instant it begins with and not the one it ends with: what changes at the very
//! instant of the heal is outside a window that lasts until the heal.
//!
//! Breaking and healing take time, and that time belongs to no window: one begins when a fault is in
//! effect or healed, and ends when the runner begins to inject or to heal.

use super::anchors::Found;
use super::view::{View, finding};
use super::{Decision, TICK};
use crate::scenario::{Anchor, Claim, Until, Window};
use crate::time::{At, Span};
use crate::verdict::{Finding, Verdict};

/// A window in the timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Where it begins.
    pub(super) from: Span,
    /// Where it ends, once that is known.
    until: Option<Span>,
    /// Everything before this instant has been observed.
    pub(super) observed: At,
    /// Nothing more will be recorded.
    pub(super) complete: bool,
    /// Whether it begins with a change of the very signal it is about, not at an instant of its own.
    pub(super) with_what_was_met: bool,
}

impl Reach {
    /// The part that belongs to the window by every reading, up to where it was observed. Without
    /// length when there is none.
    pub(super) fn surely(&self) -> Span {
        let end = self.until.map_or(self.observed, |until| until.lo);
        Span { lo: self.from.hi, hi: end.max(self.from.hi) }
    }

    /// The part that belongs to the window by some reading.
    pub(super) fn perhaps(&self) -> Span {
        let end = self.until.map_or(self.observed, |until| until.hi);
        Span { lo: self.from.lo, hi: end.max(self.from.lo) }
    }

    /// Whether something surely happened in the window.
    pub(super) fn surely_holds(&self, at: Span) -> bool {
        let window = self.surely();
        at.lo >= window.lo && at.hi < window.hi
    }

    /// Whether something may have happened in the window.
    pub(super) fn may_hold(&self, at: Span) -> bool {
        let window = self.perhaps();
        at.hi >= window.lo && at.lo < window.hi
    }
}

/// What a window shows.
#[derive(Debug)]
pub(super) enum Shown {
    /// Surely not so, whatever comes.
    Broken(String, Span),
    /// Surely not so, now that the window is over.
    Short(String),
    /// Can't be told before the run's end.
    Later,
    /// Can't be told.
    Unclear(String),
    /// So, and when that came about; without it, with the window's end.
    Kept(String, Option<Span>),
}

/// Judges a claim about a window by what the window shows.
pub(super) fn decide(
    view: &View<'_>,
    claim: &Claim,
    window: &Window,
    shown: impl FnOnce(&Reach) -> Shown,
) -> Decision {
    let reach = match reach(view, claim, window) {
        Ok(reach) => reach,
        Err(Nowhere::Yet(at)) => return Decision::Pending(at),
        Err(Nowhere::Clear(why)) => {
            return Decision::Decided(finding(claim, Verdict::Inconclusive, why));
        }
    };
    let decided = |verdict, why: String, seen| {
        Decision::Decided(Finding { window: Some(reach.perhaps()), seen, ..finding(claim, verdict, why) })
    };
    let begun = reach.from.hi + TICK;
    if view.observed.until < begun {
        return Decision::Pending(Some(begun));
    }
    let over = reach.until.is_some_and(|until| view.observed.until >= until.hi);
    match shown(&reach) {
        // A stall that accounts for it may still be recorded.
        Shown::Broken(_, at) if !reach.complete && at.hi >= reach.observed => {
            Decision::Pending(Some(at.hi + TICK))
        }
        Shown::Broken(why, at) => decided(Verdict::Violated, why, Some(at)),
        _ if !over => Decision::Pending(reach.until.map(|until| until.hi)),
        Shown::Later => Decision::Pending(None),
        Shown::Short(why) => decided(Verdict::Violated, why, None),
        Shown::Unclear(why) => decided(Verdict::Inconclusive, why, None),
        Shown::Kept(why, at) => decided(Verdict::Held, why, at.or(reach.until)),
    }
}

/// Why a window can't be found in the timeline.
enum Nowhere {
    /// It is not there yet; more can be said by that instant.
    Yet(Option<At>),
    /// It is not clear where it lies, or it has no length; the reason.
    Clear(String),
}

fn reach(view: &View<'_>, claim: &Claim, window: &Window) -> Result<Reach, Nowhere> {
    let from = place(view.find(&window.from))?.ok_or(Nowhere::Yet(None))?;
    let from = if is_act(&window.from) { Span::exactly(from.hi) } else { from };
    let until = match &window.until {
        Until::Lasting(lasting) => Some(Span { lo: from.lo + *lasting, hi: from.hi + *lasting }),
        Until::Anchor(anchor) => place(view.find(anchor))?
            .map(|until| if is_act(anchor) { Span::exactly(until.lo) } else { until }),
    };
    let same = matches!(&window.until, Until::Anchor(anchor) if *anchor == window.from);
    if same || until.is_some_and(|until| until.hi <= from.lo) {
        let end = match &window.until {
            Until::Anchor(anchor) => anchor.to_string(),
            Until::Lasting(_) => "its end".into(),
        };
        return Err(Nowhere::Clear(format!("{end} came no later than {}: the window is empty", window.from)));
    }
    let with_what_was_met = match (&window.from, claim) {
        (Anchor::Met(name), Claim::Stays { signal, .. }) => {
            view.met_by(name).is_some_and(|(met, _)| met == signal.as_str())
        }
        _ => false,
    };
    let (observed, complete) = (view.observed.until, view.observed.complete);
    Ok(Reach { from, until, observed, complete, with_what_was_met })
}

/// Whether the anchor's span is how long something took, rather than a doubt about one instant.
fn is_act(anchor: &Anchor) -> bool {
    matches!(anchor, Anchor::InEffect(_) | Anchor::Healed(_) | Anchor::Struck(_) | Anchor::Answered(_))
}

fn place(found: Found) -> Result<Option<Span>, Nowhere> {
    match found {
        Found::At(at) => Ok(Some(at)),
        Found::NotYet => Ok(None),
        Found::Settling(at) => Err(Nowhere::Yet(Some(at))),
        Found::Unclear(why) => Err(Nowhere::Clear(why)),
    }
}
