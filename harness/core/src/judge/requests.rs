//! What came of the requests that were sent and answered within a window.
//!
//! One that was sent in the window and whose time ran out there is too slow, whenever it ended: a
//! request that hangs beyond the window does not escape. It is recorded when it ends, so that all were
//! in time is known only in the end.

use std::time::Duration;

use super::windows::{Reach, Shown};
use crate::history::{Exchange, History};
use crate::runner::load::{NOT_SENT, UNANSWERED};
use crate::scenario::Answers;
use crate::time::{Span, seconds};

/// The parts of the claim.
pub(super) struct Weighed<'a> {
    pub(super) answers: &'a Answers,
    pub(super) at_least: u32,
    pub(super) limit: Option<Duration>,
}

impl Weighed<'_> {
    pub(super) fn shown(&self, history: &History, load: &str, reach: &Reach) -> Shown {
        let exchanges = history.requests(load);
        let inside: Vec<&Exchange> =
            exchanges.iter().filter(|exchange| answered(exchange) && surely(reach, exchange.at)).collect();
        let maybe = || exchanges.iter().filter(|exchange| answered(exchange) && perhaps(reach, exchange.at));

        // What was recorded before everything up to it was observed must not hide an earlier finding.
        let observed = |exchange: &Exchange| reach.complete || exchange.at.hi < reach.observed;
        if let Some(offender) = inside.iter().find(|exchange| observed(exchange) && self.offends(exchange)) {
            return Shown::Broken(told(offender), offender.at);
        }
        // The limit's end, where it comes before the answer, is what lies in the window.
        let slow = || {
            let limit = self.limit.unwrap_or(Duration::MAX);
            exchanges
                .iter()
                .filter(move |exchange| exchange.answer.class != NOT_SENT && exchange.at.width() > limit)
                .map(move |exchange| (exchange, Span { lo: exchange.at.lo, hi: exchange.at.lo + limit }))
        };
        let inexcusable = |exchange: &Exchange| {
            let stalled = history.stalled_within(exchange.at);
            exchange.at.hi <= reach.observed
                && self.limit.is_some_and(|limit| exchange.at.width().saturating_sub(stalled) > limit)
        };
        if let Some((slow, _)) = slow().find(|(slow, limit)| surely(reach, *limit) && inexcusable(slow)) {
            return Shown::Broken(took(slow), slow.at);
        }
        if self.limit.is_some() && !reach.complete {
            return Shown::Later;
        }
        if let Some((slow, _)) = slow().find(|(_, limit)| perhaps(reach, *limit)) {
            let stalled = history.stalled_within(slow.at);
            return Shown::Unclear(if stalled.is_zero() {
                format!("{}, which may be just outside", took(slow))
            } else {
                format!("{}, but the machine stalled for {}", took(slow), seconds(stalled))
            });
        }
        let unsent = exchanges
            .iter()
            .filter(|exchange| exchange.answer.class == NOT_SENT && reach.may_hold(exchange.at));
        if let (Answers::All(_) | Answers::None(_), unsent @ 1..) = (self.answers, unsent.count()) {
            return Shown::Unclear(format!("{unsent} could not be sent: too many were under way"));
        }
        if let Some(offender) = maybe().find(|exchange| self.offends(exchange)) {
            return Shown::Unclear(format!("{}, which may be just outside", told(offender)));
        }
        let count = inside.len();
        if let Answers::Some(classes) = self.answers {
            let of = |exchange: &Exchange| classes.contains(&exchange.answer.class);
            let one = inside.iter().find(|exchange| of(exchange));
            return match one {
                _ if count < self.at_least as usize => few(count),
                Some(one) => Shown::Kept(format!("{} (of {count})", told(one)), Some(one.at)),
                None => match maybe().find(|exchange| of(exchange)) {
                    Some(one) => Shown::Unclear(format!("{}, which may be just outside", told(one))),
                    None => Shown::Short(format!("not one of {count}")),
                },
            };
        }
        if count < self.at_least as usize { few(count) } else { Shown::Kept(format!("all {count}"), None) }
    }

    fn offends(&self, exchange: &Exchange) -> bool {
        match self.answers {
            Answers::All(classes) => !classes.contains(&exchange.answer.class),
            Answers::None(classes) => classes.contains(&exchange.answer.class),
            Answers::Some(_) => false,
        }
    }
}

/// Whether anything came back. The harness' own words for what did not are no answers.
fn answered(exchange: &Exchange) -> bool {
    !matches!(exchange.answer.class.as_str(), NOT_SENT | UNANSWERED)
}

/// Whether a request was sent and ended in the window. Both its ends are known: its span is no doubt
/// about one instant.
fn surely(reach: &Reach, at: Span) -> bool {
    reach.surely_holds(at)
}

fn perhaps(reach: &Reach, at: Span) -> bool {
    let window = reach.perhaps();
    at.lo >= window.lo && at.hi < window.hi
}

fn few(count: usize) -> Shown {
    Shown::Unclear(format!("only {count} were sent and answered in the window"))
}

fn took(exchange: &Exchange) -> String {
    format!("number {} took {}", exchange.number, seconds(exchange.at.width()))
}

fn told(exchange: &Exchange) -> String {
    let answer = &exchange.answer;
    let detail: Vec<String> = answer.detail.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.join(", ")) };
    format!("number {}, sent at {}, was {}{detail}", exchange.number, exchange.at.lo, answer.class)
}
