//! The machine that is deployed onto: each part of it called over a link of its own.
//!
//! Containers, volumes and networks are the engine's; files the disk's; a service that comes up is asked itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::deploy::simulated::SimulatedPlatform;
use dive_orchestrator::deploy::{
    Done, Failure, Found, Holding, Platform, Site as Deployed, Step, Subject, Thing,
};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{ErrorCode, Phase, Remedy, Resource, ResourceKind, Service};
use futures_util::future::BoxFuture;
use harness_core::fault::Edge;
use harness_sim::{Link, Reply};

use super::Site;
use crate::binding::deployment::deeds;
use crate::binding::deployment::topology::{DEPLOYED, DISK, ENGINE, SECRETS};

/// The machine, as one process reaches it.
pub(super) struct LinkedPlatform {
    ways: BTreeMap<&'static str, Link<SimulatedPlatform>>,
    by: String,
    site: Arc<Site>,
}

/// A call, made where the machine is.
type Call<T> = Box<dyn FnOnce(SimulatedPlatform) -> BoxFuture<'static, Done<T>> + Send>;

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
        "a user logs in" => Service::Keycloak.as_str(),
        "a decision is made" => Service::Opa.as_str(),
        _ => ENGINE,
    }
}

/// How it is told that there was no connection.
fn unreachable(to: &str, why: &impl ToString) -> Failure {
    let code = match to {
        ENGINE => ErrorCode::ContainerStart,
        DISK => ErrorCode::Folder,
        SECRETS => ErrorCode::SecretLoad,
        _ => ErrorCode::Timeout,
    };
    Failure::new(code, format!("{to}: {}", why.to_string()))
}

/// What somebody else said: the number of an error code, and words.
fn failure(said: &str) -> Failure {
    let (number, words) = said.split_once(' ').unwrap_or((said, "as an imposter says"));
    let code = number.parse().ok().and_then(|number: u16| ErrorCode::try_from(number).ok());
    Failure::new(code.unwrap_or(ErrorCode::Unknown), if code.is_some() { words } else { said })
}

impl LinkedPlatform {
    pub(super) fn new(host: &str, by: &str, site: &Arc<Site>) -> Self {
        let way = |(service, slot): (&&'static str, _)| {
            (*service, site.links.link(&Edge::new(host, service), slot))
        };
        Self { ways: site.ground.iter().map(way).collect(), by: by.to_owned(), site: site.clone() }
    }

    /// Has a call made there. What is going to be changed by it is told where it arrives.
    async fn at<T: Send + 'static>(
        &self,
        to: &'static str,
        of: &Deployed,
        changes: Option<String>,
        call: Call<T>,
    ) -> Done<T> {
        let Some(way) = self.ways.get(to) else { return Err(unreachable(to, &"there is no such place")) };
        let told = changes.map(|what| deeds::change(&of.instance, &self.by, &what));
        let site = self.site.clone();
        let called = way.call(move |machine: SimulatedPlatform| async move {
            if let Some(told) = told {
                site.tell(told);
            }
            call(machine).await
        });
        match called.await {
            Ok(Reply::Answer(done)) => done,
            Ok(Reply::Truncated { .. }) => Err(unreachable(to, &"the answer was cut short")),
            Ok(Reply::Wrong { body, .. }) => Err(failure(&body)),
            Err(error) => Err(unreachable(to, &error)),
        }
    }
}

#[async_trait]
impl Platform for LinkedPlatform {
    async fn steps(&self, site: &Deployed, phase: Phase) -> Done<Vec<Step>> {
        let of = site.clone();
        let call: Call<_> = Box::new(move |machine| Box::pin(async move { machine.steps(&of, phase).await }));
        self.at(DISK, site, None, call).await
    }

    fn parts(&self, site: &Deployed, service: Service) -> Vec<Thing> {
        self.site.machine.parts(site, service)
    }

    async fn find(&self, site: &Deployed, thing: &Thing) -> Done<Found> {
        let (of, wanted) = (site.clone(), thing.clone());
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.find(&of, &wanted).await }));
        self.at(keeper(thing), site, None, call).await
    }

    async fn make(&self, site: &Deployed, resource: &Resource) -> Done {
        let (of, made, thing) = (site.clone(), resource.clone(), Thing::from(resource));
        let call: Call<_> = Box::new(move |machine| Box::pin(async move { machine.make(&of, &made).await }));
        self.at(keeper(&thing), site, Some(format!("make {thing}")), call).await
    }

    async fn unmake(&self, site: &Deployed, resource: &Resource) -> Done {
        let (of, gone, thing) = (site.clone(), resource.clone(), Thing::from(resource));
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.unmake(&of, &gone).await }));
        self.at(keeper(&thing), site, Some(format!("remove {thing}")), call).await
    }

    async fn check(&self, site: &Deployed, phase: Phase, what: &str) -> Done {
        let (of, checked) = (site.clone(), what.to_owned());
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.check(&of, phase, &checked).await }));
        self.at(judge_of(what), site, None, call).await
    }

    async fn start(&self, site: &Deployed, service: Service) -> Done {
        let of = site.clone();
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.start(&of, service).await }));
        self.at(ENGINE, site, Some(format!("start {service}")), call).await
    }

    async fn stop(&self, site: &Deployed, service: Service) -> Done {
        let of = site.clone();
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.stop(&of, service).await }));
        self.at(ENGINE, site, Some(format!("stop {service}")), call).await
    }

    async fn rung(&self, site: &Deployed, service: Service, rung: Rung) -> Done<Holding> {
        let of = site.clone();
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.rung(&of, service, rung).await }));
        let itself = DEPLOYED.contains(&service) && rung > Rung::ContainerHealthy;
        let to = if itself { service.as_str() } else { ENGINE };
        match self.at(to, site, None, call).await {
            // It does not listen yet.
            Err(failure) if itself && failure.code == ErrorCode::Timeout => {
                Ok(Holding::NotYet(failure.detail))
            }
            done => done,
        }
    }

    async fn log_tail(&self, site: &Deployed, service: Service, count: usize) -> Done<Vec<String>> {
        let of = site.clone();
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.log_tail(&of, service, count).await }));
        self.at(ENGINE, site, None, call).await
    }

    async fn remedy(&self, site: &Deployed, remedy: Remedy, subject: &Subject) -> Done {
        let (of, about) = (site.clone(), subject.clone());
        let call: Call<_> =
            Box::new(move |machine| Box::pin(async move { machine.remedy(&of, remedy, &about).await }));
        let to = match subject {
            Subject::Thing(thing) => keeper(thing),
            Subject::Service(_) | Subject::Check(_) => ENGINE,
        };
        self.at(to, site, Some(format!("{remedy:?} against an error of {subject}")), call).await
    }

    async fn existing(&self, site: &Deployed) -> Done<Vec<Thing>> {
        let of = site.clone();
        let call: Call<_> = Box::new(move |machine| Box::pin(async move { machine.existing(&of).await }));
        self.at(ENGINE, site, None, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imposter_may_say_any_error_and_what_is_none_is_unknown() {
        let told = |said| {
            let failure = failure(said);
            (failure.code, failure.detail)
        };
        assert_eq!(told("1106 no space left"), (ErrorCode::Folder, "no space left".to_owned()));
        assert_eq!(told("9999 what"), (ErrorCode::Unknown, "9999 what".to_owned()));
        assert_eq!(told("oops"), (ErrorCode::Unknown, "oops".to_owned()));
    }
}
