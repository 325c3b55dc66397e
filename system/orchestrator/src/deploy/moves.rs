//! Making the moves of a run, one after the other.

use std::collections::BTreeSet;

use dive_runtime::Monotonic;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::holding::Holding as Held;
use super::{Engine, Event, Failure, Interrupted, Report, Site, Subject, Thing, estimate};
use crate::pipeline::{Ending, Move, Run};
use crate::store::{ErrorRecord, PhaseRun};
use crate::threshold::Tally;
use crate::{DeploymentState, ErrorCode, Phase, StoreError};

/// Why a piece of work did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// By its own fault: its phase fails.
    Failed(Failure),
    /// By no fault of its own: the run ends here.
    Interrupted(Interrupted),
}

impl<E: Into<Interrupted>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Interrupted(error.into())
    }
}

/// What one run has met so far.
#[derive(Default)]
pub(super) struct Met {
    pub(super) tally: Tally,
    pub(super) warnings: Vec<(Subject, Failure)>,
    /// Everything written down of this deployment.
    pub(super) known: BTreeSet<Thing>,
    /// Whether earlier versions of something are written down beside newer ones.
    pub(super) is_rotating: bool,
}

/// One run at work under its lock.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) engine: &'a Engine,
    pub(super) site: &'a Site,
    pub(super) holding: &'a Held,
    pub(super) stop: &'a CancellationToken,
    pub(super) met: &'a Mutex<Met>,
    pub(super) keeps_volumes: bool,
    /// Newer versions that INITIALIZATION makes beside what it always makes.
    pub(super) newer: &'a [Thing],
    began: Monotonic,
    /// The command, in words.
    why: &'a str,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        site: &'a Site,
        holding: &'a Held,
        stop: &'a CancellationToken,
        met: &'a Mutex<Met>,
        why: &'a str,
    ) -> Self {
        let began = engine.runtime.now();
        Self { engine, site, holding, stop, met, keeps_volumes: false, newer: &[], began, why }
    }

    /// The same, ended by this stop.
    pub(super) fn until(self, stop: &'a CancellationToken) -> Self {
        Self { stop, ..self }
    }

    pub(super) fn keeping_volumes(self, keeps_volumes: bool) -> Self {
        Self { keeps_volumes, ..self }
    }

    pub(super) fn bringing(self, newer: &'a [Thing]) -> Self {
        Self { newer, ..self }
    }

    pub(super) fn tell(&self, event: &Event) {
        self.engine.observer.observe(event);
    }

    /// Makes all moves of `run`, from `state` on.
    pub(super) async fn carry(
        &self,
        run: &mut Run,
        mut state: DeploymentState,
    ) -> Result<Report, Interrupted> {
        let past = self.engine.store.phase_runs(&self.site.instance).await?;
        let mut failure: Option<Failure> = None;
        let mut has_begun = false;
        while let Some(next) = run.next().cloned() {
            let may_stop =
                matches!(next, Move::Perform(_) | Move::Retract(_) | Move::Undo { .. }) || !has_begun;
            if may_stop && self.stop.is_cancelled() {
                return Err(self.stopped(has_begun.then_some(state), None).await?);
            }
            has_begun = true;
            let result = match &next {
                Move::Enter { from, to } => {
                    let why = failure.as_ref().map_or_else(|| self.why.to_owned(), Failure::to_string);
                    self.enter(*from, *to, &why).await?;
                    state = *to;
                    Ok(())
                }
                Move::Retract(phases) => Ok(self.engine.store.retract(&self.holding.lease, phases).await?),
                Move::Perform(phase) => self.perform_from(*phase, &past, run).await,
                Move::Checkpoint(phase) => self.checkpoint(*phase).await,
                Move::Undo { keep } => self.undo(*keep).await,
                Move::End(ending) => return Ok(self.report(*ending, failure)),
            };
            match result {
                Ok(()) => run.done(),
                Err(Trouble::Failed(met)) => {
                    failure = Some(met);
                    run.failed();
                }
                Err(Trouble::Interrupted(Interrupted::Cancelled { phase, .. })) => {
                    return Err(self.stopped(Some(state), phase).await?);
                }
                Err(Trouble::Interrupted(other)) => return Err(other),
            }
        }
        Ok(self.report(Ending::Stopped, failure))
    }

    pub(super) fn report(&self, ending: Ending, failure: Option<Failure>) -> Report {
        self.tell(&Event::Ended(ending));
        Report {
            instance: self.site.instance.clone(),
            ending,
            failure,
            warnings: self.met.lock().warnings.clone(),
            took: self.engine.runtime.now().saturating_since(self.began),
        }
    }

    pub(super) async fn enter(
        &self,
        from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Result<(), StoreError> {
        self.engine.store.transition(&self.holding.lease, from, to, why).await?;
        self.tell(&Event::Entered(to));
        Ok(())
    }

    /// The operator stopped it: a deployment that nobody is at work on any more is FAILED.
    pub(super) async fn stopped(
        &self,
        state: Option<DeploymentState>,
        phase: Option<Phase>,
    ) -> Result<Interrupted, StoreError> {
        let unattended = |state: &DeploymentState| state.needs_a_holder();
        if let Some(from) = state.filter(unattended)
            && from.may_become(DeploymentState::Failed)
        {
            self.enter(from, DeploymentState::Failed, "stopped by the operator").await?;
        }
        Ok(Interrupted::Cancelled { instance: self.site.instance.clone(), phase })
    }

    pub(super) fn cancelled(&self) -> Trouble {
        Trouble::Interrupted(Interrupted::Cancelled { instance: self.site.instance.clone(), phase: None })
    }

    /// Performs a phase. It stays begun until its checkpoint is saved.
    async fn perform_from(&self, phase: Phase, past: &[PhaseRun], run: &Run) -> Result<(), Trouble> {
        let expected = estimate::expected(past, phase);
        let remaining = estimate::remaining(past, &run.phases_left());
        self.tell(&Event::PhaseBegan { phase, expected, remaining });
        let began = self.engine.runtime.now();
        self.engine.store.begin_phase(&self.holding.lease, phase).await?;
        let trouble = match self.perform(phase).await {
            Ok(()) => {
                let took = self.engine.runtime.now().saturating_since(began);
                self.tell(&Event::PhaseEnded { phase, took, failure: None });
                return Ok(());
            }
            Err(Trouble::Failed(failure)) => Trouble::Failed(failure),
            Err(Trouble::Interrupted(Interrupted::Cancelled { instance, .. })) => {
                Trouble::Interrupted(Interrupted::Cancelled { instance, phase: Some(phase) })
            }
            Err(other) => return Err(other),
        };
        let failure = match &trouble {
            Trouble::Failed(failure) => failure.clone(),
            Trouble::Interrupted(stopped) => Failure::new(stopped.code(), stopped.to_string()),
        };
        self.engine.store.end_phase(&self.holding.lease, phase, Some(failure.record(false))).await?;
        let took = self.engine.runtime.now().saturating_since(began);
        self.tell(&Event::PhaseEnded { phase, took, failure: Some(failure) });
        Err(trouble)
    }

    /// Saves a phase's checkpoint. When that fails and the store is there, the phase has failed.
    async fn checkpoint(&self, phase: Phase) -> Result<(), Trouble> {
        let (store, lease) = (&self.engine.store, &self.holding.lease);
        match store.save_checkpoint(lease, phase).await {
            Ok(_) => Ok(store.end_phase(lease, phase, None).await?),
            Err(error @ StoreError::LockLost { .. }) => Err(error.into()),
            Err(error) => {
                let failure = Failure::new(
                    ErrorCode::Database,
                    format!("the checkpoint of {phase} could not be saved: {error}"),
                );
                store.end_phase(lease, phase, Some(failure.record(false))).await?;
                Err(Trouble::Failed(failure))
            }
        }
    }
}

impl Failure {
    /// Its row.
    pub(super) fn record(&self, recovered: bool) -> ErrorRecord {
        ErrorRecord { code: self.code, message: self.detail.clone(), recovered }
    }
}
