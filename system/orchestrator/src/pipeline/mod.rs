//! From what stands and what was asked to the phases that run.
//!
//! [`Facts`] are what the store says. [`plan`] turns a [`Request`] into the phases to run; [`Run`] turns
//! those into moves, one write or one phase at a time. The decisions are made from facts alone, so whoever
//! gets the lock after a crash decides as the one before would have.

mod run;

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;

use std::collections::BTreeSet;

pub use run::{Ending, Move, Run};

use crate::{Checkpoint, DeploymentState, OnFailure, Phase, StateChange};

/// What an operator asks of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// All phases from the first, whatever stands: what is there already is found to be there.
    Deploy,
    /// From the first unfinished phase on.
    Resume,
    /// From this phase on.
    From(Phase),
    /// This phase alone.
    Only(Phase),
}

/// What an operator asks, with the options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// What to run.
    pub ask: Ask,
    /// Phases to leave out.
    pub skip: BTreeSet<Phase>,
    /// What to do after a failure, if not what its phase says.
    pub on_failure: Option<OnFailure>,
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Self {
        Self { ask, skip: BTreeSet::new(), on_failure: None }
    }
}

/// What the store says of a deployment, read while holding its lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Its newest state. Nobody else is at work on it: the lock is the reader's.
    pub state: DeploymentState,
    /// Whether it was COMPLETE since it was last undone or removed.
    pub has_stood: bool,
    /// Which phases have a checkpoint.
    pub finished: BTreeSet<Phase>,
}

impl Facts {
    /// Reads them off a deployment's log and checkpoints.
    pub fn read(history: &[StateChange], checkpoints: &[Checkpoint]) -> Self {
        use DeploymentState::{Cleanup, Complete, RollingBack, Unknown};
        let turning = history.iter().rev().map(|change| change.to);
        let has_stood = turning.clone().find(|to| matches!(to, Complete | RollingBack | Cleanup | Unknown));
        Self {
            state: turning.into_iter().next().unwrap_or(Unknown),
            has_stood: has_stood == Some(Complete),
            finished: checkpoints.iter().map(|checkpoint| checkpoint.phase).collect(),
        }
    }

    /// Whether every phase that a deployment can't do without is finished.
    pub fn is_whole(&self) -> bool {
        Phase::ALL.iter().all(|phase| phase.is_optional() || self.finished.contains(phase))
    }
}

/// Why nothing is done. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotPlan {
    /// It is COMPLETE.
    #[error("there is nothing to resume: it is COMPLETE")]
    NothingToResume,
    /// An earlier phase is not finished.
    #[error("{phase} stands on {missing}, which is not finished: resume with `--resume`")]
    StandsOn {
        /// What was asked for.
        phase: Phase,
        /// What it stands on.
        missing: Phase,
    },
    /// It can't be left out.
    #[error("{0} can't be skipped: a deployment isn't whole without it")]
    NotOptional(Phase),
    /// It is to be run alone and to be left out.
    #[error("{0} can't be both run and skipped")]
    RunAndSkipped(Phase),
    /// There is no such point to go back to.
    #[error("{0} was never finished, so there is no way back to it")]
    NeverReached(Phase),
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Whose checkpoints are taken back first: the first phase that runs and all after it, because what
    /// stands on a phase that runs again is not finished any more.
    pub retract: Vec<Phase>,
    /// What runs, in order.
    pub phases: Vec<Phase>,
}

/// Plans a request.
///
/// # Rules
/// - Phases run in their order, each at most once.
/// - A phase runs only when every phase before it that can't be left out is finished or runs before it.
/// - Only an optional phase can be skipped.
/// - Resuming runs no phase again that is finished; what was being removed begins anew.
/// - What is COMPLETE can't be resumed.
///
/// # Errors
/// [`CannotPlan`].
pub fn plan(request: &Request, facts: &Facts) -> Result<Plan, CannotPlan> {
    if let Some(phase) = request.skip.iter().find(|phase| !phase.is_optional()) {
        return Err(CannotPlan::NotOptional(*phase));
    }
    let first = match request.ask {
        Ask::Deploy => Some(Phase::Preflight),
        Ask::Resume if facts.state == DeploymentState::Complete => return Err(CannotPlan::NothingToResume),
        Ask::Resume if facts.state == DeploymentState::Cleanup => Some(Phase::Preflight),
        Ask::Resume => first_unfinished(facts, &request.skip),
        Ask::From(phase) | Ask::Only(phase) => {
            let missing = phase.earlier().find(|p| !p.is_optional() && !facts.finished.contains(p));
            if let Some(missing) = missing {
                return Err(CannotPlan::StandsOn { phase, missing });
            }
            if request.ask == Ask::Only(phase) && request.skip.contains(&phase) {
                return Err(CannotPlan::RunAndSkipped(phase));
            }
            Some(phase)
        }
    };
    let onward: Vec<Phase> = first.into_iter().flat_map(Phase::onward).collect();
    let wanted = |phase: &Phase| match request.ask {
        Ask::Only(only) => *phase == only,
        _ => !request.skip.contains(phase),
    };
    Ok(Plan { phases: onward.iter().copied().filter(wanted).collect(), retract: onward })
}

/// The first phase that is to be done: an optional one only as long as nothing after it is.
fn first_unfinished(facts: &Facts, skip: &BTreeSet<Phase>) -> Option<Phase> {
    Phase::ALL.into_iter().find(|phase| {
        let left_out = phase.is_optional()
            && (skip.contains(phase) || phase.onward().any(|later| facts.finished.contains(&later)));
        !facts.finished.contains(phase) && !left_out
    })
}

/// What becomes of a run that failed in `phase`: what the operator said, else what the phase says; except
/// that a deployment that has stood is kept. Its next run's failure is no reason to take it down.
pub fn on_failure(request: &Request, facts: &Facts, phase: Phase) -> OnFailure {
    let by_itself = if facts.has_stood { OnFailure::Keep } else { phase.on_failure() };
    request.on_failure.unwrap_or(by_itself)
}
