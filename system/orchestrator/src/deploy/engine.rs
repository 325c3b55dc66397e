//! What operators ask for: each takes the lock, plans, and lets the moves be made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dive_runtime::Runtime;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::holding::Holding as Held;
use super::moves::Work;
use super::{Confirmed, Event, Failure, Interrupted, Observer, Platform, Report, Site, Thing, rotation};
use crate::pipeline::{Ask, Facts, Request, Run};
use crate::preflight::{HubGate, Need};
use crate::store::Answer;
use crate::{DeploymentState, ErrorCode, Holder, Instance, Phase, Slot, Store, StoreError};

/// Draws a number from [0, 1), for the waits that have chance in them.
pub type Chance = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Whether the process of a holder is surely gone; false where that can't be known.
pub type Gone = Arc<dyn Fn(&Holder) -> bool + Send + Sync>;

/// In which order the services of a level are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All at once.
    #[default]
    Parallel,
    /// One after the other, to see what starting them at once saves.
    Serial,
}

/// Deploys, takes down, removes and takes back. Cloning it is cheap; a client of the store holds at most one lock
/// at a time per instance, so one engine may be at work on several instances at once.
#[derive(Clone)]
pub struct Engine {
    /// Where all is written down.
    pub store: Arc<dyn Store>,
    /// What is deployed onto.
    pub platform: Arc<dyn Platform>,
    /// Time.
    pub runtime: Arc<dyn Runtime>,
    /// Chance.
    pub chance: Chance,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Who is at work.
    pub holder: Holder,
    /// Who is at work no more.
    pub gone: Gone,
    /// How services of one level are started.
    pub order: Order,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("holder", &self.holder)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

/// What a run does under its lock.
enum Task<'a> {
    Deploy(&'a Request),
    Rollback(Option<Phase>),
    Remove { volumes: bool },
    Down,
    Rotate(&'a [Thing]),
}

impl Engine {
    /// Deploys, or goes on with deploying, as asked.
    ///
    /// # Errors
    /// [`Interrupted`], when the run did not come to an end. A phase that fails is an end, told in the report.
    pub async fn deploy(
        &self,
        instance: &Instance,
        request: &Request,
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        self.there_is_a_hub(instance).await?;
        self.run(instance, Task::Deploy(request), stop).await
    }

    /// Takes a deployment back to the end of a phase, or to nothing.
    ///
    /// # Errors
    /// [`Interrupted`], when the run did not come to an end; with [`Interrupted::State`] when there never was one.
    pub async fn rollback(
        &self,
        instance: &Instance,
        to: Option<Phase>,
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        self.is_known(instance).await?;
        self.run(instance, Task::Rollback(to), stop).await
    }

    /// Removes a deployment and everything of it that is found, with its data or but for its `volumes`, once an
    /// operator [confirmed](Confirmed) it.
    ///
    /// # Errors
    /// [`Interrupted`], when the run did not come to an end.
    pub async fn remove(
        &self,
        instance: &Instance,
        volumes: bool,
        _: Confirmed,
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        self.run(instance, Task::Remove { volumes }, stop).await
    }

    /// Stops a deployment's services. Nothing of it is removed; resuming brings it up again.
    ///
    /// # Errors
    /// [`Interrupted`], when the run did not come to an end; with [`Interrupted::State`] when there is nothing
    /// to stop, or when it is being undone.
    pub async fn down(&self, instance: &Instance, stop: &CancellationToken) -> Result<Report, Interrupted> {
        self.is_known(instance).await?;
        self.run(instance, Task::Down, stop).await
    }

    /// Gives a deployment that stands newer versions of what it was made with, its secrets, and drops the earlier
    /// ones once it was seen to work without them. [`rotation`] tells how, and what a crash leaves.
    ///
    /// # Errors
    /// [`Interrupted`], when the run did not come to an end; with [`Interrupted::State`] when it neither stands nor
    /// was left by an earlier such run.
    pub async fn rotate(
        &self,
        instance: &Instance,
        newer: &[Thing],
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        self.is_known(instance).await?;
        self.run(instance, Task::Rotate(newer), stop).await
    }

    /// What there never was is refused before anything is written.
    async fn is_known(&self, instance: &Instance) -> Result<(), Interrupted> {
        if self.store.instances().await?.contains(instance) {
            Ok(())
        } else {
            Err(Interrupted::State { instance: instance.clone(), state: DeploymentState::Unknown })
        }
    }

    /// A spoke without any hub is refused before anything is written.
    async fn there_is_a_hub(&self, instance: &Instance) -> Result<(), Interrupted> {
        if *instance == Instance::Hub {
            return Ok(());
        }
        match self.hub(Need::Up, Duration::ZERO).await? {
            (_, HubGate::Closed(ErrorCode::HubNotFound)) => {
                Err(Interrupted::Refused(Failure::new(ErrorCode::HubNotFound, "there is no hub to join")))
            }
            _ => Ok(()),
        }
    }

    async fn run(
        &self,
        instance: &Instance,
        task: Task<'_>,
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        if stop.is_cancelled() {
            return Err(Interrupted::Cancelled { instance: instance.clone(), phase: None });
        }
        let asked = self.runtime.now();
        let lease = self.store.acquire(instance, &self.holder).await?;
        let holding = Held::new(lease, Arc::clone(&self.runtime), asked);
        self.observer.observe(&Event::Locked(holding.lease.token));
        let work = Box::pin(self.under_lock(instance, task, &holding, stop));
        let ended = holding.during(&*self.store, work).await;
        if !matches!(ended, Err(Interrupted::LockLost { .. })) {
            // Whatever comes of it: with this client's end the lock is free, too.
            let _ = if holding.is_settled() {
                self.store.release(&holding.lease).await
            } else {
                self.store.leave(&holding.lease).await
            };
        }
        ended
    }

    async fn under_lock(
        &self,
        instance: &Instance,
        task: Task<'_>,
        holding: &Held,
        stop: &CancellationToken,
    ) -> Result<Report, Interrupted> {
        let starts_over = match &task {
            Task::Deploy(request) => request.ask == Ask::Deploy,
            Task::Rollback(to) => to.is_none(),
            Task::Remove { .. } | Task::Down => true,
            Task::Rotate(_) => false,
        };
        let facts = self.facts(instance, starts_over).await?;
        let (mut run, why) = match &task {
            Task::Deploy(request) => (Run::deploy(request, &facts)?, format!("deploy {instance}")),
            Task::Rollback(to) => {
                let point = to.map_or("nothing", Phase::as_str);
                (Run::rollback(*to, &facts)?, format!("rollback {instance} to {point}"))
            }
            Task::Remove { volumes: true } => (Run::remove(&facts), format!("nuke {instance}")),
            Task::Remove { volumes: false } => (Run::remove(&facts), format!("clean {instance}")),
            Task::Down => (Run::remove(&facts), format!("down {instance}")),
            Task::Rotate(_) if !rotation::may_begin(instance, &self.store.history(instance).await?) => {
                return Err(Interrupted::State { instance: instance.clone(), state: facts.state });
            }
            Task::Rotate(_) => (Run::deploy(&rotation::request(), &facts)?, rotation::why(instance)),
        };
        let site = self.site(instance).await?;
        if !matches!(task, Task::Deploy(_)) {
            self.store.audit(&self.holder, &why).await?;
        }
        let met = Mutex::default();
        let work = Work::new(self, &site, holding, stop, &met, &why);
        work.settle().await?;
        match task {
            Task::Down => work.take_down(&facts).await,
            Task::Remove { volumes } => {
                work.adopt_strays().await?;
                work.keeping_volumes(!volumes).carry(&mut run, facts.state).await
            }
            Task::Rotate(newer) => {
                let work = work.bringing(newer);
                work.reach_newer_versions().await?;
                work.carry(&mut run, facts.state).await
            }
            Task::Deploy(_) | Task::Rollback(_) => work.carry(&mut run, facts.state).await,
        }
    }

    /// What the store says of a deployment. Checkpoints that can't be trusted are an error, except for who
    /// `starts_over` and takes them all back anyway: to him they are not there.
    async fn facts(&self, instance: &Instance, starts_over: bool) -> Answer<Facts> {
        let history = self.store.history(instance).await?;
        let checkpoints = match self.store.checkpoints(instance).await {
            Err(StoreError::Corrupt { corrupt, .. }) if starts_over => {
                self.observer.observe(&Event::Distrusted(corrupt.to_string()));
                Vec::new()
            }
            other => other?,
        };
        Ok(Facts::read(&history, &checkpoints))
    }

    async fn site(&self, instance: &Instance) -> Answer<Site> {
        let slot = match instance {
            Instance::Hub => Slot::HUB,
            Instance::Spoke(code) => self.store.claim_slot(code).await?,
        };
        Ok(Site { instance: instance.clone(), slot })
    }
}
