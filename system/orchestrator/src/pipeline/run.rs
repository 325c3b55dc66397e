//! A run, as the moves that are left.

use std::collections::VecDeque;

use super::{Ask, CannotPlan, Facts, Plan, Request, on_failure, plan};
use crate::DeploymentState::{self, Cleanup, Complete, Failed, RollingBack, Unknown};
use crate::{OnFailure, Phase};

/// The states that a run passes on its way to a phase.
const ON_THE_WAY: [DeploymentState; 5] = [
    DeploymentState::Initializing,
    DeploymentState::Deploying,
    DeploymentState::Configuring,
    DeploymentState::Verifying,
    Failed,
];

/// One thing to do. All but performing and undoing is one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Append this transition to the log.
    Enter {
        /// What the newest state must be.
        from: DeploymentState,
        /// The new one.
        to: DeploymentState,
    },
    /// Take back the checkpoints of these phases.
    Retract(Vec<Phase>),
    /// Do the work of a phase: each thing it makes is written down before it is made, and what is there
    /// already is left as it is.
    Perform(Phase),
    /// Save the checkpoint of the phase that was performed.
    Checkpoint(Phase),
    /// Undo all that was made after this phase (all, without one), newest first; each thing is struck out
    /// after it was undone.
    Undo {
        /// The last phase to keep.
        keep: Option<Phase>,
    },
    /// Release the lock; this is how it ended.
    End(Ending),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It stands.
    Complete,
    /// It did what was asked, and is not whole: `--resume` goes on.
    Stopped,
    /// A phase failed; what was made is kept.
    Kept {
        /// Which phase.
        failed: Phase,
    },
    /// A phase failed; what was made is undone.
    Undone {
        /// Which phase.
        failed: Phase,
    },
    /// It was taken back, as asked.
    RolledBack {
        /// To the end of this phase; to nothing without one.
        to: Option<Phase>,
    },
    /// It was removed, as asked.
    Removed,
    /// Undoing failed; rolling back again goes on where it stopped.
    UndoFailed,
}

/// A run: what is left to do, the next move first.
///
/// # Rules
/// - Every transition it makes is legal and names the state it leaves. Beginning in a state that needs a
///   holder proves that its holder died, because the lock is ours: such a run first passes FAILED.
/// - A phase is finished when its checkpoint is saved, and failed when it could not be saved.
/// - Checkpoints are taken back before anything they vouch for is touched, and after COMPLETE was left.
/// - In the first three phases a failure undoes all and ends FAILED with nothing left; in the last three it
///   keeps all and ends FAILED; unless the operator said otherwise, or the deployment has stood.
/// - Wherever it is cut short, a resumed run completes, and a rolled back one leaves nothing behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    left: VecDeque<Move>,
    facts: Facts,
    request: Request,
    state: DeploymentState,
}

impl Run {
    /// A run for a deployment.
    ///
    /// # Errors
    /// [`CannotPlan`]; nothing is to be done then.
    pub fn deploy(request: &Request, facts: &Facts) -> Result<Self, CannotPlan> {
        let Plan { retract, phases } = plan(request, facts)?;
        let mut run = Self::new(request.clone(), facts);
        let last = phases.last().copied();
        let begins_in = phases.first().map_or(Complete, |phase| phase.state());
        run.go(begins_in, &ON_THE_WAY);
        if !retract.is_empty() {
            run.left.push_back(Move::Retract(retract));
        }
        for phase in phases {
            if phase.state() != run.planned_state() {
                run.go(phase.state(), &ON_THE_WAY);
            }
            run.left.extend([Move::Perform(phase), Move::Checkpoint(phase)]);
        }
        let whole = last.is_none_or(|last| last == Phase::Verification);
        if last.is_some() {
            run.go(if whole { Complete } else { Failed }, &ON_THE_WAY);
        }
        run.left.push_back(Move::End(if whole { Ending::Complete } else { Ending::Stopped }));
        Ok(run)
    }

    /// A run that takes a deployment back to the end of the phase `to`, or to nothing.
    ///
    /// # Errors
    /// [`CannotPlan::NeverReached`].
    pub fn rollback(to: Option<Phase>, facts: &Facts) -> Result<Self, CannotPlan> {
        if let Some(phase) = to.filter(|phase| !facts.finished.contains(phase)) {
            return Err(CannotPlan::NeverReached(phase));
        }
        let mut run = Self::new(Ask::Resume.into(), facts);
        run.undo(to);
        if to.is_none() {
            run.go(Unknown, &[]);
        } else {
            run.go(Failed, &[]);
        }
        run.left.push_back(Move::End(Ending::RolledBack { to }));
        Ok(run)
    }

    /// A run that removes a deployment altogether.
    pub fn remove(facts: &Facts) -> Self {
        let mut run = Self::new(Ask::Resume.into(), facts);
        if run.state != Cleanup {
            run.go(Cleanup, &[Failed, RollingBack, DeploymentState::Initializing]);
        }
        run.left.extend([Move::Retract(Phase::ALL.to_vec()), Move::Undo { keep: None }]);
        run.go(Unknown, &[]);
        run.left.push_back(Move::End(Ending::Removed));
        run
    }

    fn new(request: Request, facts: &Facts) -> Self {
        Self { left: VecDeque::new(), facts: facts.clone(), request, state: facts.state }
    }

    /// The next move; the last one is [`Move::End`].
    pub fn next(&self) -> Option<&Move> {
        self.left.front()
    }

    /// The phases that are left, in order.
    pub fn phases_left(&self) -> Vec<Phase> {
        let performed = |planned: &Move| if let Move::Perform(phase) = planned { Some(*phase) } else { None };
        self.left.iter().filter_map(performed).collect()
    }

    /// The next move was made.
    pub fn done(&mut self) {
        if let Some(Move::Enter { to, .. }) = self.left.pop_front() {
            self.state = to;
        }
    }

    /// The next move failed, by its own fault. When the *store* failed nothing is told to the run: it is
    /// dropped, and what it left is resumed or rolled back.
    pub fn failed(&mut self) {
        let failing = self.left.front().cloned();
        self.left.clear();
        let ending = match failing {
            Some(Move::Perform(phase) | Move::Checkpoint(phase)) => {
                if on_failure(&self.request, &self.facts, phase) == OnFailure::RollBack {
                    self.undo(None);
                    Ending::Undone { failed: phase }
                } else {
                    Ending::Kept { failed: phase }
                }
            }
            _ => Ending::UndoFailed,
        };
        // CLEANUP has no way to FAILED: it stays, and removing again goes on.
        if self.planned_state().may_become(Failed) {
            self.go(Failed, &[]);
        }
        self.left.push_back(Move::End(ending));
    }

    /// Takes everything back to the end of `keep`.
    fn undo(&mut self, keep: Option<Phase>) {
        self.go(RollingBack, &[DeploymentState::Initializing, Failed]);
        let later = Phase::ALL.into_iter().filter(|phase| keep.is_none_or(|keep| *phase > keep));
        self.left.extend([Move::Retract(later.collect()), Move::Undo { keep }]);
    }

    /// The state once all planned moves are made.
    fn planned_state(&self) -> DeploymentState {
        let entered = self.left.iter().rev().find_map(|planned| match planned {
            Move::Enter { to, .. } => Some(*to),
            _ => None,
        });
        entered.unwrap_or(self.state)
    }

    /// Plans the way to a state. There always is one, from wherever these are planned.
    fn go(&mut self, to: DeploymentState, by: &[DeploymentState]) {
        let mut from = self.planned_state();
        let way = from.route(to, by).expect("the table of transitions has this way");
        for to in way {
            self.left.push_back(Move::Enter { from, to });
            from = to;
        }
    }
}
