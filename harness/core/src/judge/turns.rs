//! A signal turns to a value so many times in a window.

use super::becomes::turns_to;
use super::windows::{Reach, Shown};
use crate::history::Change;

pub(super) fn shown(changes: &[Change], value: &str, (least, most): (u32, u32), reach: &Reach) -> Shown {
    let sure: Vec<_> = turns_to(changes, value).filter(|turn| reach.surely_holds(*turn)).collect();
    let possible = turns_to(changes, value).filter(|turn| reach.may_hold(*turn)).count() as u64;
    let count = sure.len() as u64;
    if let Some(excess) = sure.get(most as usize) {
        Shown::Broken(format!("{count} times by {}", excess.hi), *excess)
    } else if possible < u64::from(least) {
        Shown::Short(format!("only {possible} times"))
    } else if possible > u64::from(most) || count < u64::from(least) {
        Shown::Unclear(format!("{count} to {possible} times: some may lie just outside the window"))
    } else {
        Shown::Kept(format!("{count} times"), None)
    }
}
