//! Undoing what was made, and stopping what runs.

use futures_util::future::{BoxFuture, join_all};

use super::moves::{Trouble, Work};
use super::{Event, Failure, Interrupted, Report, Subject, Thing};
use crate::checkpoint::undo_plan;
use crate::pipeline::{Ending, Facts};
use crate::{DeploymentState, ErrorCode, Intent, Operation, Phase, ResourceKind, Service};

/// Against what a kind of thing is undone.
const fn operation(kind: ResourceKind) -> Operation {
    match kind {
        ResourceKind::File | ResourceKind::Network | ResourceKind::Volume | ResourceKind::Container => {
            Operation::Containers
        }
        ResourceKind::RealmObject => Operation::Keycloak,
        ResourceKind::Document => Operation::Documents,
    }
}

/// What fails before anything was changed is a refusal.
pub(super) fn refused(trouble: Trouble) -> Interrupted {
    match trouble {
        Trouble::Failed(failure) => Interrupted::Refused(failure),
        Trouble::Interrupted(interrupted) => interrupted,
    }
}

impl Work<'_> {
    /// Undoes everything that phases after `keep` made, newest first. Each thing is struck out once it is undone,
    /// so that whoever goes on after a crash begins where this one was.
    pub(super) async fn undo(&self, keep: Option<Phase>) -> Result<(), Trouble> {
        let intents = self.engine.store.intents(&self.site.instance).await?;
        for intent in undo_plan(&intents, keep) {
            if self.keeps_volumes && intent.resource.kind == ResourceKind::Volume {
                continue;
            }
            self.undo_one(intent).await.map_err(|trouble| match trouble {
                Trouble::Failed(failure) => {
                    Trouble::Failed(Failure::new(ErrorCode::RollbackFailed, failure.to_string()))
                }
                interrupted @ Trouble::Interrupted(_) => interrupted,
            })?;
        }
        Ok(())
    }

    pub(super) async fn undo_one(&self, intent: Intent) -> Result<(), Trouble> {
        let work = *self;
        let thing = Thing::from(&intent.resource);
        let resource = intent.resource.clone();
        let unmake = move |_| -> BoxFuture<'_, _> {
            let resource = resource.clone();
            Box::pin(async move { work.change(work.engine.platform.unmake(work.site, &resource)).await })
        };
        let subject = Subject::Thing(thing.clone());
        if self.attempt(operation(thing.kind), &subject, unmake).await?.is_none() {
            let detail = format!("{thing} could not be removed");
            return Err(Trouble::Failed(Failure::new(ErrorCode::RollbackFailed, detail)));
        }
        self.engine.store.undone(&self.holding.lease, intent.phase, &intent.resource).await?;
        self.tell(&Event::Unmade(thing));
        Ok(())
    }

    /// Writes down what is there of this site and was not written down, such as under a database that was lost.
    pub(super) async fn adopt_strays(&self) -> Result<(), Interrupted> {
        let existing = self.look(self.engine.platform.existing(self.site)).await.map_err(refused)?;
        let intents = self.engine.store.intents(&self.site.instance).await?;
        for thing in existing {
            if !intents.iter().any(|intent| Thing::from(&intent.resource) == thing) {
                let resource = thing.over(None);
                self.engine.store.intend(&self.holding.lease, Phase::Deployment, &resource).await?;
            }
        }
        Ok(())
    }

    /// Stops all services, the last level first. The deployment is FAILED then, and DEPLOYMENT and what comes
    /// after it not finished: resuming brings it up and verifies it again.
    pub(super) async fn take_down(&self, facts: &Facts) -> Result<Report, Interrupted> {
        use DeploymentState as S;
        let state = facts.state;
        if matches!(state, S::Unknown | S::RollingBack | S::Cleanup) {
            return Err(Interrupted::State { instance: self.site.instance.clone(), state });
        }
        let levels = self.levels().await.map_err(refused)?;
        if state != S::Failed {
            self.enter(state, S::Failed, "taken down").await?;
        }
        let onward: Vec<_> = Phase::Deployment.onward().collect();
        self.engine.store.retract(&self.holding.lease, &onward).await?;
        for level in levels.iter().rev() {
            let stopped = join_all(level.iter().map(|service| self.stop_one(*service))).await;
            for ended in stopped {
                match ended {
                    Ok(()) => {}
                    Err(Trouble::Failed(failure)) => {
                        return Ok(self.report(Ending::UndoFailed, Some(failure)));
                    }
                    Err(Trouble::Interrupted(interrupted)) => return Err(interrupted),
                }
            }
        }
        Ok(self.report(Ending::Stopped, None))
    }

    async fn stop_one(&self, service: Service) -> Result<(), Trouble> {
        let work = *self;
        let stop = move |_| -> BoxFuture<'_, _> {
            Box::pin(async move { work.change(work.engine.platform.stop(work.site, service)).await })
        };
        self.attempt(Operation::Containers, &Subject::Service(service), stop).await?;
        self.tell(&Event::Stopped(service));
        Ok(())
    }
}
