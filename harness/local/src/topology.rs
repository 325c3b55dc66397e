//! The services and edges of one run: brought up, broken, mended, taken down.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::join_all;
use harness_core::fault::{Edge, Fault, ServiceName, Strike};
use harness_core::world::{Evidence, Healed, WorldError};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::canary::Outcome;
use crate::edge::{Breakable, Interception};
use crate::lines::{LogLine, Output};
use crate::listener::Listener;
use crate::procfs::{command_line, marked};
use crate::reaper::kill_marked;
use crate::service::{Crew, Service};
use crate::site::Site;
use crate::system::ServiceSpec;
use crate::undo::Undo;

/// How long an undisturbed canary may take, and how long a frozen service must leave it unanswered.
const UNDISTURBED: Duration = Duration::from_millis(500);
const FROZEN: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_millis(5);
/// How often to look whether the last strays are gone.
const STRAY_LOOKS: u32 = 400;

/// What a run stands on.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) site: Site,
    pub(crate) services: BTreeMap<ServiceName, Service>,
    intercepted: RefCell<BTreeMap<Edge, Interception>>,
    crew: Crew,
}

impl Topology {
    /// Installs the services, none of which runs yet.
    pub(crate) fn install(
        site: Site,
        specs: Vec<ServiceSpec>,
        crew: Crew,
        lines: &mpsc::Sender<LogLine>,
    ) -> Result<Self, WorldError> {
        let mut services = BTreeMap::new();
        for spec in specs {
            let name = spec.name.clone();
            let address = site.address(&name.0)?;
            let output = Output::new(name.clone(), crew.clock, lines.clone());
            let service = Service::install(spec, address, site.folder(&name.0), output)?;
            if services.insert(name.clone(), service).is_some() {
                return Err(WorldError::Failed(format!("the plan has {name} twice")));
            }
        }
        site.planned();
        let topology = Self { site, services, intercepted: RefCell::default(), crew };
        topology.check_plan()?;
        Ok(topology)
    }

    fn check_plan(&self) -> Result<(), WorldError> {
        let unknown = |name: &&ServiceName| !self.services.contains_key(*name);
        let addressed = self.site.addressed_services();
        let awaited = self.services.values().flat_map(|service| &service.spec.after);
        match addressed.iter().chain(awaited).find(unknown) {
            Some(name) => Err(WorldError::Failed(format!("the plan speaks of {name} and doesn't start it"))),
            None => Ok(()),
        }
    }

    /// Starts everything, each service as soon as those before it are ready.
    pub(crate) async fn start(&self) -> Result<(), WorldError> {
        let mut ready: BTreeSet<&ServiceName> = BTreeSet::new();
        while ready.len() < self.services.len() {
            let next: Vec<_> = self
                .services
                .values()
                .filter(|service| !ready.contains(&service.spec.name))
                .filter(|service| service.spec.after.iter().all(|before| ready.contains(before)))
                .collect();
            if next.is_empty() {
                let left: Vec<_> =
                    self.services.keys().filter(|name| !ready.contains(name)).map(|name| &*name.0).collect();
                return Err(WorldError::Failed(format!("these wait for each other: {}", left.join(", "))));
            }
            for started in join_all(next.iter().map(|service| service.start(&self.crew))).await {
                started?;
            }
            ready.extend(next.iter().map(|service| &service.spec.name));
        }
        Ok(())
    }

    pub(crate) fn service(&self, name: &ServiceName) -> Result<&Service, WorldError> {
        let found = self.services.get(name);
        found.ok_or_else(|| WorldError::Failed(format!("there is no service {name} in this topology")))
    }

    /// How to undo the fault, once it is injected.
    pub(crate) fn undo(&self, fault: &Fault) -> Result<Undo, WorldError> {
        match fault {
            Fault::Pause(service) => {
                let process = self.service(service)?.process();
                Ok(process.map_or(Undo::EndsWithOwner, |process| Undo::Continue { process: process.id() }))
            }
            _ => Ok(Undo::EndsWithOwner),
        }
    }

    /// Breaks something and looks for the effect.
    pub(crate) async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        match fault {
            Fault::Stop(service) => self.end(self.service(service)?, true).await,
            Fault::Kill(service) => self.end(self.service(service)?, false).await,
            Fault::Pause(service) => self.pause(self.service(service)?).await,
            Fault::ClockStep(_) | Fault::Flap(_) => {
                Err(WorldError::Failed(format!("{fault}: not by this world")))
            }
            _ => {
                self.at_edge(fault, async |edge| {
                    edge.inject(name, fault)?;
                    Ok(edge.evidence(fault).await)
                })
                .await
            }
        }
    }

    async fn end(&self, service: &Service, in_order: bool) -> Result<Option<Evidence>, WorldError> {
        let told = if in_order { service.stop().await? } else { service.kill().await? };
        let outcome = service.spec.canary.send(service.address, 0, UNDISTURBED).await;
        let address = service.address;
        Ok((outcome == Outcome::Refused).then(|| Evidence(format!("{told}; {address}: {outcome}"))))
    }

    async fn pause(&self, service: &Service) -> Result<Option<Evidence>, WorldError> {
        let Some(process) = service.process() else { return Ok(None) };
        process.pause().await.map_err(|error| service.disobedient(&error))?;
        let outcome = service.spec.canary.send(service.address, 0, FROZEN).await;
        let state = process.id().state().unwrap_or('?');
        let (pid, address) = (process.id().pid, service.address);
        let frozen = matches!(&outcome, Outcome::Silent(heard) if heard.bytes == 0);
        Ok(frozen.then(|| Evidence(format!("pid {pid} is in state {state}; {address}: {outcome}"))))
    }

    /// Mends what `fault` broke and returns when it works again. `beside` are the other faults that are in
    /// effect: what they still keep broken is left to them.
    pub(crate) async fn heal(
        &self,
        name: &str,
        fault: &Fault,
        beside: &[Fault],
    ) -> Result<Healed, WorldError> {
        match fault {
            Fault::Stop(service) | Fault::Kill(service) => self.start_again(service, beside).await,
            Fault::Pause(service) => Ok(self.resume(service, beside).await?.into()),
            _ => {
                self.at_edge(fault, async |edge| {
                    let same_edge = |other: &&Fault| other.target() == fault.target();
                    let refused = |other: &Fault| matches!(other, Fault::Refuse(_));
                    let others: Vec<_> = beside.iter().filter(same_edge).collect();
                    if !(refused(fault) && others.iter().any(|other| refused(other))) {
                        edge.lift(name, fault)?;
                    }
                    Ok(match others.first() {
                        Some(other) => Evidence(format!("lifted; {other} as before")),
                        None => edge.mended().await?,
                    }
                    .into())
                })
                .await
            }
        }
    }

    async fn start_again(&self, name: &ServiceName, beside: &[Fault]) -> Result<Healed, WorldError> {
        let service = self.service(name)?;
        if let Some(other) = beside.iter().find(|other| keeps_down(other, name)) {
            return Ok(Evidence(format!("left as it is: {other} is still in effect")).into());
        }
        let began = self.crew.clock.now();
        let broken_until = Some(service.start(&self.crew).await?);
        let took = self.crew.clock.real(self.crew.clock.now() - began);
        let pid = service.process().map_or(0, |process| process.id().pid);
        let evidence =
            Evidence(format!("{name} is ready again at {} as pid {pid}, after {took:.1?}", service.address));
        Ok(Healed { evidence, broken_until })
    }

    async fn resume(&self, name: &ServiceName, beside: &[Fault]) -> Result<Evidence, WorldError> {
        let service = self.service(name)?;
        let stays = |other: &&Fault| keeps_down(other, name) || **other == Fault::Pause(name.clone());
        if let Some(other) = beside.iter().find(stays) {
            return Ok(Evidence(format!("left as it is: {other} is still in effect")));
        }
        let Some(process) = service.process() else { return Ok(Evidence(format!("{name} does not run"))) };
        process.resume().await.map_err(|error| service.disobedient(&error))?;
        let began = self.crew.clock.now();
        loop {
            let outcome = service.spec.canary.send(service.address, 0, UNDISTURBED).await;
            if outcome.answer().is_some() {
                return Ok(Evidence(format!(
                    "pid {} goes on; {}: {outcome}",
                    process.id().pid,
                    service.address
                )));
            }
            let waited = self.crew.clock.real(self.crew.clock.now() - began);
            if waited > service.spec.ready_within {
                let why = format!("it was continued {waited:.1?} ago and {}: {outcome}", service.address);
                let log = service.output.tail();
                return Err(WorldError::NotReady { service: name.to_string(), why, log });
            }
            sleep(LOOK).await;
        }
    }

    /// Does something once.
    pub(crate) async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        match strike {
            Strike::Restart(name) => {
                let service = self.service(name)?;
                let told = service.stop().await?;
                let again = self.start_again(name, &[]).await?;
                Ok(Some(Evidence(format!("{told}; {}", again.evidence.0))))
            }
            Strike::Cut(edge) => self.at(edge, async |edge| Ok(edge.cut().await)).await,
        }
    }

    async fn at_edge<T>(
        &self,
        fault: &Fault,
        act: impl AsyncFnOnce(Breakable<'_>) -> Result<T, WorldError>,
    ) -> Result<T, WorldError> {
        match fault.target() {
            harness_core::fault::Target::Edge(edge) => self.at(edge, act).await,
            harness_core::fault::Target::Service(_) => {
                Err(WorldError::Failed(format!("{fault} has no edge")))
            }
        }
    }

    async fn at<T>(
        &self,
        edge: &Edge,
        act: impl AsyncFnOnce(Breakable<'_>) -> Result<T, WorldError>,
    ) -> Result<T, WorldError> {
        let proxy = self.site.proxy(edge)?;
        let callee = self.service(&edge.to)?;
        act(Breakable {
            edge,
            proxy: &proxy,
            service: callee.address,
            canary: &callee.spec.canary,
            identity: callee.spec.identity.as_ref(),
            intercepted: &self.intercepted,
            network: &self.crew.watch,
            clock: &self.crew.clock,
        })
        .await
    }

    /// Ends everything and returns what is still there.
    pub(crate) async fn stop(&self) -> Vec<String> {
        let mut left = Vec::new();
        for ended in join_all(self.services.values().map(Service::stop)).await {
            left.extend(ended.err().map(|error| error.to_string()));
        }
        left.extend(self.end_strays().await);
        for (service, port) in self.site.clear() {
            if TcpListener::bind(("127.0.0.1", port)).is_err() && !self.is_strangers(port) {
                left.push(format!("port {port} of {service} is still in use"));
            }
        }
        left
    }

    /// Whether somebody else listens there, who took the port while its service was down.
    fn is_strangers(&self, port: u16) -> bool {
        let ours = marked(self.crew.reaper.mark()).unwrap_or_default();
        let listener = Listener::on(port).and_then(|listener| listener.pid);
        listener.is_some_and(|pid| !ours.iter().any(|process| process.pid == pid))
    }

    /// Ends what a service has started and left behind.
    async fn end_strays(&self) -> Vec<String> {
        let mark = self.crew.reaper.mark();
        for _ in 0..STRAY_LOOKS {
            if kill_marked(Some(mark)) == 0 {
                return Vec::new();
            }
            sleep(LOOK).await;
        }
        let strays = marked(mark).unwrap_or_default();
        strays.iter().map(|stray| format!("pid {} ({})", stray.pid, command_line(stray.pid))).collect()
    }
}

fn keeps_down(fault: &Fault, name: &ServiceName) -> bool {
    matches!(fault, Fault::Stop(service) | Fault::Kill(service) if service == name)
}
