//! How long phases take, from how long they took.

use std::time::Duration;

use crate::Phase;
use crate::store::PhaseRun;

/// How long a phase takes: the median of its last five runs that succeeded, of all `runs` given, oldest first.
pub(super) fn expected(runs: &[PhaseRun], phase: Phase) -> Option<Duration> {
    let succeeded = runs.iter().rev().filter(|run| run.phase == phase && run.failure.is_none());
    let mut took: Vec<_> = succeeded.filter_map(|run| Some(run.ended?.saturating_since(run.began))).collect();
    took.truncate(5);
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}

/// How long these phases take one after the other; `None` when it isn't known of each.
pub(super) fn remaining(runs: &[PhaseRun], phases: &[Phase]) -> Option<Duration> {
    phases.iter().map(|phase| expected(runs, *phase)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, Stamp, store::ErrorRecord};

    fn run(phase: Phase, took: Option<u64>, failed: bool) -> PhaseRun {
        let failure = ErrorRecord { code: ErrorCode::Unknown, message: String::new(), recovered: false };
        PhaseRun {
            phase,
            began: Stamp::from_millis(500),
            ended: took.map(|took| Stamp::from_millis(500 + took)),
            failure: failed.then_some(failure),
        }
    }

    #[test]
    fn it_is_the_median_of_the_last_five_that_succeeded() {
        let mut runs: Vec<_> =
            [9_000, 9_000, 10, 50, 30, 20, 40].map(|took| run(Phase::Seeding, Some(took), false)).into();
        assert_eq!(expected(&runs, Phase::Seeding), Some(Duration::from_millis(30)));
        runs.extend([run(Phase::Seeding, Some(1), true), run(Phase::Seeding, None, false)]);
        assert_eq!(expected(&runs, Phase::Seeding), Some(Duration::from_millis(30)), "others don't count");
    }

    #[test]
    fn what_is_not_known_of_each_phase_is_not_told() {
        let runs = [run(Phase::Seeding, Some(7), false)];
        assert_eq!(remaining(&runs, &[Phase::Seeding]), Some(Duration::from_millis(7)));
        assert_eq!(remaining(&runs, &[Phase::Seeding, Phase::Verification]), None);
    }
}
