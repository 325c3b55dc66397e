//! The machine that is deployed onto, each part of it called over a way of its own.
//!
//! Containers, volumes and networks are the engine's; files the disk's; a service that comes up is asked itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::deploy::simulated::SimulatedPlatform;
use dive_orchestrator::deploy::{
    Done, Failure, Found, Holding, Platform, Site as Deployed, Step, Subject, Thing,
};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{ErrorCode, Instance, Phase, Remedy, Resource, ResourceKind, Service, Slot};
use dive_runtime::Runtime;

use super::calls::{About, Answered, Asked, Call};
use crate::binding::deployment::topology::{DEPLOYED, DISK, ENGINE, SECRETS};

/// How one process reaches the parts of the machine.
#[async_trait]
pub(in crate::worlds) trait Ways: Send + Sync {
    /// Has a call made there. That it can't be is told by [`unreachable`].
    async fn call(&self, to: &'static str, call: Call) -> Done<Answered>;
}

/// The machine, as one process reaches it.
pub(in crate::worlds) struct PartedPlatform<W> {
    ways: W,
    by: String,
    /// An empty machine, which knows what deployments consist of.
    plan: SimulatedPlatform,
}

/// Who keeps such a thing.
fn keeper(thing: &Thing) -> &'static str {
    match thing.kind {
        ResourceKind::File if thing.name.contains("/secrets/") => SECRETS,
        ResourceKind::File => DISK,
        ResourceKind::RealmObject => Service::Keycloak.as_str(),
        ResourceKind::Document => Service::Mongodb.as_str(),
        ResourceKind::Container | ResourceKind::Volume | ResourceKind::Network => ENGINE,
    }
}

/// Who is asked whether it is so.
fn judge_of(check: &str) -> &'static str {
    match check {
        "the certificates are good" => DISK,
        "a user logs in" => Service::Keycloak.as_str(),
        "a decision is made" => Service::Opa.as_str(),
        _ => ENGINE,
    }
}

/// How it is told that there was no connection.
pub(in crate::worlds) fn unreachable(to: &str, why: &impl ToString) -> Failure {
    let code = match to {
        ENGINE => ErrorCode::ContainerStart,
        DISK => ErrorCode::Folder,
        SECRETS => ErrorCode::SecretLoad,
        _ => ErrorCode::Timeout,
    };
    Failure::new(code, format!("{to}: {}", why.to_string()))
}

impl<W: Ways> PartedPlatform<W> {
    pub(in crate::worlds) fn new(ways: W, by: &str, runtime: Arc<dyn Runtime>) -> Self {
        Self { ways, by: by.to_owned(), plan: SimulatedPlatform::new(runtime) }
    }

    async fn at(&self, to: &'static str, of: &Deployed, asked: Asked) -> Done<Answered> {
        let call = Call { instance: of.instance.clone(), slot: of.slot, by: self.by.clone(), asked };
        self.ways.call(to, call).await
    }
}

#[async_trait]
impl<W: Ways> Platform for PartedPlatform<W> {
    async fn steps(&self, site: &Deployed, phase: Phase) -> Done<Vec<Step>> {
        self.at(DISK, site, Asked::Steps(phase)).await?.steps()
    }

    async fn needs(&self, site: &Deployed) -> Done<BTreeMap<Service, Vec<Service>>> {
        self.at(DISK, site, Asked::Needs).await?.needs()
    }

    fn parts(&self, site: &Deployed, service: Service) -> Vec<Thing> {
        self.plan.parts(site, service)
    }

    async fn find(&self, site: &Deployed, thing: &Thing) -> Done<Found> {
        self.at(keeper(thing), site, Asked::Find(thing.clone().over(None))).await?.found()
    }

    async fn make(&self, site: &Deployed, resource: &Resource) -> Done {
        self.at(keeper(&resource.into()), site, Asked::Make(resource.clone())).await?.done()
    }

    async fn unmake(&self, site: &Deployed, resource: &Resource) -> Done {
        self.at(keeper(&resource.into()), site, Asked::Unmake(resource.clone())).await?.done()
    }

    async fn check(&self, site: &Deployed, phase: Phase, what: &str) -> Done {
        self.at(judge_of(what), site, Asked::Check(phase, what.to_owned())).await?.done()
    }

    async fn start(&self, site: &Deployed, service: Service) -> Done {
        self.at(ENGINE, site, Asked::Start(service)).await?.done()
    }

    async fn stop(&self, site: &Deployed, service: Service) -> Done {
        self.at(ENGINE, site, Asked::Stop(service)).await?.done()
    }

    async fn rung(&self, site: &Deployed, service: Service, rung: Rung) -> Done<Holding> {
        let itself = DEPLOYED.contains(&service) && rung > Rung::ContainerHealthy;
        let to = if itself { service.as_str() } else { ENGINE };
        match self.at(to, site, Asked::Rung(service, rung)).await {
            // It does not listen yet.
            Err(failure) if itself && failure.code == ErrorCode::Timeout => {
                Ok(Holding::NotYet(failure.detail))
            }
            answer => answer?.holding(),
        }
    }

    async fn renew(&self, site: &Deployed, service: Service) -> Done {
        let to = if DEPLOYED.contains(&service) { service.as_str() } else { ENGINE };
        self.at(to, site, Asked::Renew(service)).await?.done()
    }

    async fn log_tail(&self, site: &Deployed, service: Service, count: usize) -> Done<Vec<String>> {
        self.at(ENGINE, site, Asked::LogTail(service, count)).await?.lines()
    }

    async fn remedy(&self, site: &Deployed, remedy: Remedy, subject: &Subject) -> Done {
        let to = match subject {
            _ if remedy == Remedy::ReissueCertificate => DISK,
            Subject::Thing(thing) => keeper(thing),
            Subject::Service(_) | Subject::Check(_) => ENGINE,
        };
        self.at(to, site, Asked::Remedy(remedy, About::from(subject))).await?.done()
    }

    async fn existing(&self, site: &Deployed) -> Done<Vec<Thing>> {
        self.at(ENGINE, site, Asked::Existing).await?.things()
    }

    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        let site = Deployed { instance: Instance::Hub, slot: Slot::HUB };
        self.at(ENGINE, &site, Asked::Unknown(known.clone())).await?.unknown()
    }
}
