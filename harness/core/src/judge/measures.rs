//! A measure stays within bounds in a window, and is measured there at all.

use super::windows::{Reach, Shown};
use crate::time::Span;

pub(super) fn shown(samples: &[(Span, f64)], (least, most): (f64, f64), reach: &Reach) -> Shown {
    let within = |value: f64| (least..=most).contains(&value);
    let sure = || samples.iter().filter(|(at, _)| reach.surely_holds(*at));
    if let Some((at, value)) = sure().find(|(_, value)| !within(*value)) {
        return Shown::Broken(format!("it was {value} at {}", at.lo), *at);
    }
    if let Some((at, value)) = samples.iter().find(|(at, value)| reach.may_hold(*at) && !within(*value)) {
        return Shown::Unclear(format!("it was {value} at {}, which may be just outside", at.lo));
    }
    match sure().count() {
        0 => Shown::Unclear("it was never measured in the window".into()),
        count => {
            let (low, high) = sure()
                .fold((f64::MAX, f64::MIN), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
            Shown::Kept(format!("from {low} to {high} in {count} samples"), None)
        }
    }
}
