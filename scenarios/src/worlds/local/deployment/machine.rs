//! What is deployed onto: containers are processes that this one starts; what else a deployment makes is kept in
//! memory. It goes on whatever becomes of who called it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use dive_node::serve::told_to_stop;
use dive_orchestrator::deploy::simulated::{Happened, SimulatedPlatform};
use dive_orchestrator::deploy::{Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::store::Store as _;
use dive_orchestrator::{ErrorCode, Instance, Phase, Remedy, Resource, ResourceKind, Service};
use harness_core::event::What;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::container::Container;
use crate::binding::deployment::deeds;
use crate::worlds::deployment::calls::{Call, Sent};
use crate::worlds::deployment::stage::Stage;
use crate::worlds::deployment::usual_start;
use crate::worlds::deployment::witness::Witness;

/// How long it takes to make something in an identity provider, and to see whether a deployment works.
const USUAL: Duration = Duration::from_millis(1_500);
/// And a file, for which a key is drawn or a certificate signed.
const FILE: Duration = Duration::from_millis(500);

/// Everything here.
struct Machine {
    platform: ProcessPlatform,
    told: Arc<Mutex<Vec<What>>>,
    witness: tokio::sync::Mutex<Witness>,
}

/// Is called at `listen` until it is told to stop. The database is there before it listens.
///
/// # Errors
/// When its stage can't be read, the database can't be made, or it can't listen.
pub async fn serve(listen: SocketAddr, stage: &Path) -> io::Result<()> {
    let stage = Stage::read(stage)?;
    stage.connect().migrate().await.map_err(io::Error::other)?;
    let mut witness = Witness::of(&stage.database);
    witness.install().await?;

    let told = Arc::new(Mutex::new(Vec::new()));
    let things = SimulatedPlatform::new(stage.runtime());
    for service in Service::ALL {
        things.takes(service, usual_start(service));
    }
    let telling = told.clone();
    things.watch(move |happened| {
        telling.lock().push(match happened {
            Happened::Made { instance, thing } => deeds::made(instance, thing),
            Happened::Gone { instance, thing } => deeds::gone(instance, thing),
            Happened::Opens { instance, versions } => deeds::opens(instance, versions),
            Happened::RuleBroken(rule) => deeds::rule(rule),
        });
    });
    let containers = tokio::sync::Mutex::default();
    let platform = ProcessPlatform { things, program: stage.program.clone(), stage, containers };
    let machine = Arc::new(Machine { platform, told, witness: tokio::sync::Mutex::new(witness) });
    let calls = Router::new()
        .route("/health", get(async || StatusCode::OK))
        .route("/{part}", post(called))
        .with_state(machine);
    let stop = told_to_stop().map_err(io::Error::other)?;
    let serving = axum::serve(TcpListener::bind(listen).await?, calls).into_future();
    tokio::select! {
        biased;
        () = stop => Ok(()),
        ended = serving => ended,
    }
}

async fn called(
    State(machine): State<Arc<Machine>>,
    Json(call): Json<Call>,
) -> Result<Json<Sent>, StatusCode> {
    // What was begun is done, whether or not who asked for it is still there.
    let done = tokio::spawn(async move { machine.done(call).await });
    match done.await {
        Ok(Ok(sent)) => Ok(Json(sent)),
        _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl Machine {
    /// What is going to be changed is told before, what came to be after.
    async fn done(&self, call: Call) -> io::Result<Sent> {
        if let Some(what) = call.changes() {
            self.told.lock().push(deeds::change(&call.instance, &call.by, &what));
            self.tell().await?;
        }
        let done = call.carry_out(&self.platform).await;
        self.tell().await?;
        Ok(done.map_err(|failure| (failure.code, failure.detail)))
    }

    async fn tell(&self) -> io::Result<()> {
        let mut witness = self.witness.lock().await;
        let told = std::mem::take(&mut *self.told.lock());
        witness.tell(&told).await
    }
}

/// The machine's things, of which containers are processes.
struct ProcessPlatform {
    things: SimulatedPlatform,
    program: PathBuf,
    stage: Stage,
    containers: tokio::sync::Mutex<BTreeMap<(Instance, Service), Container>>,
}

impl ProcessPlatform {
    /// The process of a service runs from here on.
    async fn run(&self, instance: &Instance, service: Service) -> Done {
        let mut containers = self.containers.lock().await;
        let name = (instance.clone(), service);
        if containers.get_mut(&name).is_some_and(Container::is_running) {
            return Ok(());
        }
        let started = Container::start(&self.program, self.stage.real(usual_start(service))).await;
        let failed = |error: io::Error| Failure::new(ErrorCode::ContainerStart, error.to_string());
        containers.insert(name, started.map_err(failed)?);
        Ok(())
    }

    /// No process of that service is left.
    async fn end(&self, instance: &Instance, service: Service) {
        let container = self.containers.lock().await.remove(&(instance.clone(), service));
        if let Some(container) = container {
            container.end().await;
        }
    }

    /// The service whose container that is.
    fn service_of(&self, site: &Site, thing: &Thing) -> Option<Service> {
        let is_its = |service: &Service| service.container(&site.instance) == thing.name;
        self.services(site).into_iter().find(is_its).filter(|_| thing.kind == ResourceKind::Container)
    }
}

#[async_trait]
impl Platform for ProcessPlatform {
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>> {
        self.things.steps(site, phase).await
    }

    fn parts(&self, site: &Site, service: Service) -> Vec<Thing> {
        self.things.parts(site, service)
    }

    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found> {
        self.things.find(site, thing).await
    }

    async fn make(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        let takes = match thing.kind {
            ResourceKind::RealmObject => USUAL,
            ResourceKind::File => FILE,
            _ => Duration::ZERO,
        };
        if takes > Duration::ZERO && self.things.find(site, &thing).await? == Found::Nothing {
            tokio::time::sleep(self.stage.real(takes)).await;
        }
        self.things.make(site, resource).await
    }

    async fn unmake(&self, site: &Site, resource: &Resource) -> Done {
        if let Some(service) = self.service_of(site, &resource.into()) {
            self.end(&site.instance, service).await;
        }
        self.things.unmake(site, resource).await
    }

    async fn check(&self, site: &Site, phase: Phase, what: &str) -> Done {
        if phase == Phase::Verification {
            tokio::time::sleep(self.stage.real(USUAL)).await;
        }
        self.things.check(site, phase, what).await
    }

    async fn start(&self, site: &Site, service: Service) -> Done {
        self.things.start(site, service).await?;
        self.run(&site.instance, service).await
    }

    async fn stop(&self, site: &Site, service: Service) -> Done {
        self.end(&site.instance, service).await;
        self.things.stop(site, service).await
    }

    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding> {
        let holding = self.things.rung(site, service, rung).await?;
        if holding != Holding::Yes {
            return Ok(holding);
        }
        let address = {
            let mut containers = self.containers.lock().await;
            let container = containers.get_mut(&(site.instance.clone(), service));
            container.and_then(|container| container.is_running().then(|| container.address()))
        };
        let Some(address) = address else {
            let detail = format!("the process of {service} has ended");
            return Err(Failure::new(ErrorCode::ContainerStart, detail));
        };
        match rung {
            Rung::Exists => Ok(Holding::Yes),
            _ => Ok(super::container::health(address).await),
        }
    }

    async fn renew(&self, site: &Site, service: Service) -> Done {
        self.things.renew(site, service).await
    }

    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>> {
        self.things.log_tail(site, service, count).await
    }

    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done {
        let about = match subject {
            Subject::Service(service) => Some(*service),
            Subject::Thing(thing) => self.service_of(site, thing),
            Subject::Check(_) => None,
        };
        if let (Remedy::RestartContainer | Remedy::RemoveStaleContainer, Some(service)) = (remedy, about) {
            self.end(&site.instance, service).await;
        }
        self.things.remedy(site, remedy, subject).await?;
        match (remedy, subject) {
            (Remedy::RestartContainer, Subject::Service(service)) => self.run(&site.instance, *service).await,
            _ => Ok(()),
        }
    }

    async fn existing(&self, site: &Site) -> Done<Vec<Thing>> {
        self.things.existing(site).await
    }

    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        self.things.unknown(known).await
    }
}
