//! A machine with a known defect between it and the engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::deploy::{Done, Found, Holding, Platform, Site, Step, Subject, Thing};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{Instance, Phase, Remedy, Resource, Service};

use crate::late::Late;

/// What is wrong with what stands between the engine and the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Defect {
    None,
    /// A container that runs counts as healthy.
    RunningIsHealthy,
    /// A service that failed counts as up, so that the next level starts.
    FailedIsUp,
    /// What is made is made before it is asked for, and so before it is written down.
    MadeWhenFound,
    /// What is there is not found when it is to be removed.
    RemovesNothing,
    /// An earlier version of a secret goes as soon as the newer one is made.
    DropsAtOnce,
    /// Key access is not made anew.
    SkipsAUser,
    /// The server is not told of the newer version.
    TellsNoServer,
    /// What is dropped is taken on.
    DropsTheFileAlone,
}

/// It.
pub(crate) struct Faulty {
    pub(crate) defect: Defect,
    pub(crate) machine: Arc<dyn Platform>,
    /// Where calls go on that were dropped; without it they end there.
    pub(crate) late: Option<Late>,
}

impl Faulty {
    /// Makes a call that may outlive its caller.
    async fn call<F: Future<Output = Done> + Send + 'static>(
        &self,
        site: &Site,
        resource: &Resource,
        call: impl Fn(Arc<dyn Platform>, Site, Resource) -> F + Send + Sync + 'static,
    ) -> Done {
        let (machine, site, resource) = (self.machine.clone(), site.clone(), resource.clone());
        match &self.late {
            None => call(machine, site, resource).await,
            Some(late) => {
                late.call(Box::new(move || Box::pin(call(machine.clone(), site.clone(), resource.clone()))))
                    .await
            }
        }
    }
}

#[async_trait]
impl Platform for Faulty {
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>> {
        self.machine.steps(site, phase).await
    }
    fn parts(&self, site: &Site, service: Service) -> Vec<Thing> {
        self.machine.parts(site, service)
    }
    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found> {
        let found = self.machine.find(site, thing).await?;
        if self.defect == Defect::MadeWhenFound && found == Found::Nothing {
            self.machine.make(site, &thing.clone().over(None)).await?;
        }
        Ok(found)
    }
    async fn make(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        if self.defect == Defect::SkipsAUser
            && thing.name.ends_with("-kas")
            && self.machine.find(site, &thing).await? == Found::Ours
        {
            return Ok(());
        }
        self.call(
            site,
            resource,
            |machine, site, resource| async move { machine.make(&site, &resource).await },
        )
        .await?;
        match &resource.before {
            Some(before) if self.defect == Defect::DropsAtOnce => {
                let earlier = Thing::new(thing.kind, before.clone());
                self.machine.unmake(site, &earlier.over(None)).await
            }
            _ => Ok(()),
        }
    }
    async fn unmake(&self, site: &Site, resource: &Resource) -> Done {
        let stays = match self.defect {
            Defect::RemovesNothing => true,
            Defect::DropsTheFileAlone => resource.name.contains("/secrets/"),
            _ => false,
        };
        if stays {
            return Ok(());
        }
        self.call(
            site,
            resource,
            |machine, site, resource| async move { machine.unmake(&site, &resource).await },
        )
        .await
    }
    async fn check(&self, site: &Site, phase: Phase, what: &str) -> Done {
        self.machine.check(site, phase, what).await
    }
    async fn start(&self, site: &Site, service: Service) -> Done {
        self.machine.start(site, service).await
    }
    async fn stop(&self, site: &Site, service: Service) -> Done {
        self.machine.stop(site, service).await
    }
    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding> {
        match self.defect {
            Defect::RunningIsHealthy => self.machine.rung(site, service, Rung::Exists).await,
            Defect::FailedIsUp => Ok(self.machine.rung(site, service, rung).await.unwrap_or(Holding::Yes)),
            _ => self.machine.rung(site, service, rung).await,
        }
    }
    async fn renew(&self, site: &Site, service: Service) -> Done {
        if self.defect == Defect::TellsNoServer { Ok(()) } else { self.machine.renew(site, service).await }
    }
    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>> {
        self.machine.log_tail(site, service, count).await
    }
    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done {
        self.machine.remedy(site, remedy, subject).await
    }
    async fn existing(&self, site: &Site) -> Done<Vec<Thing>> {
        self.machine.existing(site).await
    }
    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        self.machine.unknown(known).await
    }
}
