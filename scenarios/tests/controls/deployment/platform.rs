//! Platforms with something wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::deploy::{Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{ErrorCode, Instance, Phase, Remedy, Resource, ResourceKind, Service};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PlatformDefect {
    /// D11. A container that runs counts as healthy.
    RunningIsHealthy,
    /// D8. A service that failed counts as up, so that the next level starts.
    FailedIsUp,
    /// What can't be made or checked is gone on without.
    FailuresAreFine,
    /// Every failure is for good: nothing is tried again.
    GivesUpAtOnce,
    /// No failure is for good: everything is tried again.
    NothingIsForGood,
    /// A service that is not up yet has failed.
    NotYetIsFailed,
    /// What is to be removed stays.
    RemovesNothing,
    /// What is made is made before it is asked for, and so before it is written down.
    MadeWhenFound,
    /// What is there already is taken for a stranger's.
    OursIsAStrangers,
    /// What is removed is removed of a spoke beside it, too.
    RemovesTheNeighbours,
    /// An earlier version of a secret goes as soon as the newer one is made.
    DropsAtOnce,
    /// Key access is not made anew with a newer secret.
    SkipsAUser,
    /// The server is not told of a newer secret.
    TellsNoServer,
    /// No failure is grave: all are of a kind that is only logged.
    NothingIsGrave,
    /// No service needs another.
    NeedsNothing,
    /// What is to help against a failure is not done.
    RemediesNothing,
}

use PlatformDefect as D;

pub(crate) struct FaultyPlatform {
    defect: PlatformDefect,
    inner: Arc<dyn Platform>,
}

impl FaultyPlatform {
    pub(crate) fn new(defect: PlatformDefect, inner: Arc<dyn Platform>) -> Self {
        Self { defect, inner }
    }

    fn seen<T>(&self, done: Done<T>) -> Done<T> {
        match done {
            Err(failure) if self.defect == D::GivesUpAtOnce => {
                Err(Failure::new(ErrorCode::Dependency, failure.detail))
            }
            Err(failure) if self.defect == D::NothingIsForGood => {
                Err(Failure::new(ErrorCode::Timeout, failure.detail))
            }
            Err(failure) if self.defect == D::NothingIsGrave => {
                Err(Failure::new(ErrorCode::StaleContainer, failure.detail))
            }
            done => done,
        }
    }

    fn gone_on<T>(&self, done: Done<T>, otherwise: T) -> Done<T> {
        if self.defect == D::FailuresAreFine { Ok(done.unwrap_or(otherwise)) } else { self.seen(done) }
    }
}

#[async_trait]
impl Platform for FaultyPlatform {
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>> {
        self.gone_on(self.inner.steps(site, phase).await, Vec::new())
    }

    async fn needs(&self, site: &Site) -> Done<BTreeMap<Service, Vec<Service>>> {
        if self.defect == D::NeedsNothing {
            return Ok(BTreeMap::new());
        }
        self.gone_on(self.inner.needs(site).await, BTreeMap::new())
    }

    fn parts(&self, site: &Site, service: Service) -> Vec<Thing> {
        self.inner.parts(site, service)
    }

    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found> {
        let found = self.gone_on(self.inner.find(site, thing).await, Found::Nothing)?;
        match (self.defect, &found) {
            (D::MadeWhenFound, Found::Nothing) => {
                self.inner.make(site, &thing.clone().over(None)).await?;
                Ok(found)
            }
            (D::OursIsAStrangers, Found::Ours) => Ok(Found::Strangers("somebody".to_owned())),
            _ => Ok(found),
        }
    }

    async fn make(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        let is_key_access = thing.name == Service::Kas.container(&site.instance);
        if self.defect == D::SkipsAUser
            && is_key_access
            && self.inner.find(site, &thing).await? == Found::Ours
        {
            return Ok(());
        }
        self.gone_on(self.inner.make(site, resource).await, ())?;
        match &resource.before {
            Some(earlier) if self.defect == D::DropsAtOnce => {
                self.inner.unmake(site, &Thing::new(thing.kind, earlier.clone()).over(None)).await
            }
            _ => Ok(()),
        }
    }

    async fn unmake(&self, site: &Site, resource: &Resource) -> Done {
        if self.defect == D::RemovesNothing {
            return Ok(());
        }
        if self.defect == D::RemovesTheNeighbours
            && let Ok(code) = "deu".parse()
        {
            let beside = Site { instance: Instance::Spoke(code), slot: site.slot };
            let name = resource.name.replace("fra", "deu");
            if resource.kind == ResourceKind::Container {
                self.inner.unmake(&beside, &Resource { name, ..resource.clone() }).await?;
            }
        }
        self.seen(self.inner.unmake(site, resource).await)
    }

    async fn check(&self, site: &Site, phase: Phase, what: &str) -> Done {
        self.gone_on(self.inner.check(site, phase, what).await, ())
    }

    async fn start(&self, site: &Site, service: Service) -> Done {
        self.seen(self.inner.start(site, service).await)
    }

    async fn stop(&self, site: &Site, service: Service) -> Done {
        self.seen(self.inner.stop(site, service).await)
    }

    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding> {
        match self.defect {
            D::RunningIsHealthy => self.inner.rung(site, service, Rung::Exists).await,
            D::FailedIsUp => Ok(self.inner.rung(site, service, rung).await.unwrap_or(Holding::Yes)),
            D::NotYetIsFailed if rung > Rung::Exists => match self.inner.rung(site, service, rung).await? {
                Holding::Yes => Ok(Holding::Yes),
                Holding::NotYet(why) => Err(Failure::new(ErrorCode::Dependency, why)),
            },
            _ => self.seen(self.inner.rung(site, service, rung).await),
        }
    }

    async fn renew(&self, site: &Site, service: Service) -> Done {
        if self.defect == D::TellsNoServer {
            return Ok(());
        }
        self.seen(self.inner.renew(site, service).await)
    }

    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>> {
        self.inner.log_tail(site, service, count).await
    }

    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done {
        if self.defect == D::RemediesNothing {
            return Ok(());
        }
        self.inner.remedy(site, remedy, subject).await
    }

    async fn existing(&self, site: &Site) -> Done<Vec<Thing>> {
        self.seen(self.inner.existing(site).await)
    }

    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        self.seen(self.inner.unknown(known).await)
    }
}
