//! How soon most of the requests that were sent in a window were answered.
//!
//! A request counts where it was due. What became of all of them is known only when the run is over: one
//! that hangs is recorded when it ends.

use std::time::Duration;

use super::windows::{Reach, Shown};
use crate::history::{Exchange, History};
use crate::runner::load::{NOT_SENT, UNANSWERED};
use crate::time::{Span, seconds};

/// The parts of the claim.
pub(super) struct Pace {
    pub(super) percent: f64,
    pub(super) within: Duration,
    pub(super) at_least: u32,
}

impl Pace {
    pub(super) fn shown(&self, history: &History, load: &str, reach: &Reach) -> Shown {
        if !reach.complete {
            return Shown::Later;
        }
        let due = |exchange: &Exchange| Span::exactly(exchange.at.lo);
        let requests = history.requests(load);
        let surely: Vec<_> = requests.iter().filter(|exchange| reach.surely_holds(due(exchange))).collect();
        let perhaps: Vec<_> = requests.iter().filter(|exchange| reach.may_hold(due(exchange))).collect();
        if surely.len() < self.at_least as usize {
            return Shown::Unclear(format!("only {} were sent in the window", surely.len()));
        }
        let late = perhaps.iter().filter(|exchange| self.late(exchange, Duration::ZERO)).count();
        let inexcusable = |exchange: &&&Exchange| self.late(exchange, history.stalled_within(exchange.at));
        let surely_late = surely.iter().filter(inexcusable).count();
        let told =
            |late: usize, of: usize| format!("{late} of {of} took longer than {}", seconds(self.within));
        // Whichever of those at the window's borders belong to it.
        if surely_late > self.may_be_late(perhaps.len()) {
            Shown::Short(told(surely_late, surely.len()))
        } else if late > self.may_be_late(surely.len()) {
            let why = "some of them at the window's border or while the machine stalled";
            Shown::Unclear(format!("{}, {why}", told(late, perhaps.len())))
        } else {
            Shown::Kept(format!("{} of {}", seconds(self.reached(&surely)), seconds(self.within)), None)
        }
    }

    /// How many of so many must be in time.
    fn in_time(&self, sent: usize) -> usize {
        (sent as f64 * self.percent / 100.0).ceil() as usize
    }

    /// How many of so many may be late.
    fn may_be_late(&self, sent: usize) -> usize {
        sent - self.in_time(sent).min(sent)
    }

    /// Whether a request was not answered in time, the time for which the machine stalled not counted. One
    /// that the harness could not send is the harness' fault unless it is the system that held up the others.
    fn late(&self, exchange: &Exchange, stalled: Duration) -> bool {
        matches!(exchange.answer.class.as_str(), NOT_SENT | UNANSWERED)
            || exchange.at.width().saturating_sub(stalled) > self.within
    }

    /// Within which so many were answered, by nearest rank.
    fn reached(&self, sent: &[&Exchange]) -> Duration {
        let mut widths: Vec<Duration> = sent.iter().map(|exchange| exchange.at.width()).collect();
        widths.sort_unstable();
        let rank = self.in_time(widths.len()).max(1);
        widths.get(rank - 1).copied().unwrap_or_default()
    }
}
