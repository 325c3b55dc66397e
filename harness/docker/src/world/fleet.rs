//! The services and edges of one run: brought up, broken, mended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use harness_core::fault::{Edge, Fault, ServiceName, Strike, Target};
use harness_core::world::{Evidence, Healed, WorldError};
use harness_proxy::ProxySpec;
use tokio::sync::mpsc;

use super::edge::{Breakable, named, proxy_name};
use super::errors::not_started;
use super::ground::{Ground, TOXIPROXY, Toxiproxy};
use super::interceptors::Interceptors;
use super::means::{Means, means};
use super::plan::{check, ensure};
use super::service::Service;
use super::site::Site;
use super::system::ContainerPlan;
use super::undo::{EdgeUndo, Undo};
use crate::images::Images;
use crate::logs::{self, Follower, Line};
use crate::outage::{Inverse, Outage};

/// An address in Toxiproxy's own container at which nobody listens.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// What a run stands on.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) site: Site,
    ground: Rc<Ground>,
    toxiproxy: Toxiproxy,
    interceptors: Interceptors,
    services: RefCell<BTreeMap<ServiceName, Rc<Service>>>,
    followers: RefCell<Vec<Follower>>,
    lines: mpsc::Sender<Line>,
}

impl Fleet {
    pub(super) fn new(
        ground: Rc<Ground>,
        toxiproxy: Toxiproxy,
        interceptors: Interceptors,
        site: Site,
        lines: mpsc::Sender<Line>,
    ) -> Self {
        let (services, followers) = (RefCell::default(), RefCell::default());
        Self { site, ground, toxiproxy, interceptors, services, followers, lines }
    }

    /// Starts everything, each service as soon as those before it are ready.
    pub(super) async fn start(&self, plans: Vec<ContainerPlan>, images: &Images) -> Result<(), WorldError> {
        self.site.planned();
        check(&plans, &self.site)?;
        let tags = ensure(&plans, images).await?;
        self.interceptors.have(&plans, &tags);
        let mut waiting: BTreeMap<_, _> = plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect();
        let mut ready = BTreeSet::new();
        let mut starting = FuturesUnordered::new();
        loop {
            let may_start = |plan: &ContainerPlan| plan.after.iter().all(|before| ready.contains(before));
            let next: Vec<_> =
                waiting.values().filter(|plan| may_start(plan)).map(|plan| plan.name.clone()).collect();
            for plan in next.iter().filter_map(|name| waiting.remove(name)) {
                starting.push(self.start_one(plan, &tags));
            }
            match starting.next().await {
                Some(started) => ready.insert(started?),
                None => return Ok(()),
            };
        }
    }

    async fn start_one(
        &self,
        plan: ContainerPlan,
        tags: &BTreeMap<ServiceName, String>,
    ) -> Result<ServiceName, WorldError> {
        let name = plan.name.clone();
        let image = tags.get(&name).map_or("", String::as_str);
        let container = self.ground.topology.start(&plan.spec(image)).await.map_err(not_started)?;
        self.followers.borrow_mut().push(logs::follow(self.ground.engine(), &container, self.lines.clone()));
        let far = SocketAddr::from((container.address(), plan.port));
        for (edge, port) in self.site.edges().into_iter().filter(|(edge, _)| edge.to == name) {
            let proxy = ProxySpec::new(proxy_name(&edge), format!("0.0.0.0:{port}"), far.to_string());
            self.toxiproxy.control.create(&proxy).await?;
        }
        self.site.stands(&name, &container, plan.port);
        let service = Service::new(plan, container, self.ground.engine().clone(), *self.site.clock());
        self.services.borrow_mut().insert(name.clone(), Rc::new(service));
        Ok(name)
    }

    /// What runs, for people.
    pub(super) fn inventory(&self) -> String {
        let services = self.services.borrow();
        let all = services
            .values()
            .map(|service| format!("{} at {}", service.plan.name, service.container.address()));
        let toxiproxy =
            format!("{TOXIPROXY} ({}) at {}", self.toxiproxy.image, self.toxiproxy.container.address());
        let engine = self.ground.engine().version();
        format!(
            "on Docker {engine}, network {}: {}",
            self.ground.topology.name(),
            all.chain([toxiproxy]).collect::<Vec<_>>().join(", ")
        )
    }

    pub(super) fn service(&self, name: &ServiceName) -> Result<Rc<Service>, WorldError> {
        let found = self.services.borrow().get(name).cloned();
        found.ok_or_else(|| WorldError::Failed(format!("there is no service {name} in this topology")))
    }

    /// How to undo the `number`-th fault of the run, once it is injected.
    pub(super) fn undo(&self, number: u64, fault: &Fault) -> Result<Undo, WorldError> {
        match fault.target() {
            Target::Service(name) => {
                let service = self.service(name)?;
                let outage = service.outage(fault).ok_or_else(|| not_here(fault))?;
                Ok(self.undo_outage(&service, outage))
            }
            Target::Edge(edge) => {
                let proxy = proxy_name(edge);
                let undo = match means(fault, self.site.clock()).map_err(WorldError::Failed)? {
                    Means::Disable => EdgeUndo::Open { proxy },
                    Means::Intercept => EdgeUndo::Lead { proxy, to: self.service(&edge.to)?.far() },
                    Means::Toxics(toxics) => {
                        let toxics = named(number, toxics).into_iter().map(|toxic| toxic.name).collect();
                        EdgeUndo::Remove { proxy, toxics }
                    }
                };
                Ok(self.undo_at(None, vec![undo]))
            }
        }
    }

    /// How to undo what a strike leaves behind when it is interrupted.
    pub(super) fn undo_strike(&self, strike: &Strike) -> Result<Undo, WorldError> {
        match strike {
            Strike::Restart(name) => {
                let service = self.service(name)?;
                Ok(self.undo_outage(&service, service.stop()))
            }
            Strike::Cut(edge) => Ok(self.undo_at(None, vec![EdgeUndo::Open { proxy: proxy_name(edge) }])),
        }
    }

    fn undo_outage(&self, service: &Service, outage: Outage) -> Undo {
        let edges = if outage == Outage::Pause { Vec::new() } else { self.leads(service) };
        self.undo_at(Some(outage.inverse(&service.container)), edges)
    }

    fn undo_at(&self, container: Option<Inverse>, edges: Vec<EdgeUndo>) -> Undo {
        let toxiproxy = self.toxiproxy.container.name().to_owned();
        Undo { container, toxiproxy, control: self.toxiproxy.control_at, edges }
    }

    /// What leads the edges to a service there.
    fn leads(&self, service: &Service) -> Vec<EdgeUndo> {
        let edges = self.site.edges().into_iter().filter(|(edge, _)| edge.to == service.plan.name);
        edges.map(|(edge, _)| EdgeUndo::Lead { proxy: proxy_name(&edge), to: service.far() }).collect()
    }

    /// Breaks something and looks for the effect.
    pub(super) async fn inject(&self, number: u64, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        match fault.target() {
            Target::Service(name) => {
                let service = self.service(name)?;
                let outage = service.outage(fault).ok_or_else(|| not_here(fault))?;
                self.take_out(&service, outage).await
            }
            Target::Edge(edge) => {
                self.at(edge, async |edge| {
                    edge.inject(number, fault, &self.interceptors).await?;
                    Ok(edge.evidence(fault).await)
                })
                .await
            }
        }
    }

    /// A container's address vanishes when it ends: who calls it then waits for seconds until the kernel finds
    /// nobody there, and so does Toxiproxy, which accepts nothing and can't be told anything meanwhile. A service
    /// that ended refuses; so the edges to it are first led to a closed port, which ends what is established.
    /// For one that has ended by itself it is too late for that.
    async fn take_out(&self, service: &Service, outage: Outage) -> Result<Option<Evidence>, WorldError> {
        if outage != Outage::Pause && service.runs().await? {
            for (edge, _) in self.site.edges().into_iter().filter(|(edge, _)| edge.to == service.plan.name) {
                self.toxiproxy.control.lead(&proxy_name(&edge), NOBODY).await?;
            }
        }
        service.inject(outage).await?;
        service.evidence(outage).await
    }

    /// Returns when the service is ready and every edge to it that nothing else has broken carries a canary.
    async fn bring_back(
        &self,
        service: &Service,
        outage: Outage,
        beside: &[Fault],
    ) -> Result<Healed, WorldError> {
        let back = service.bring_back(outage).await?;
        self.put_in_order(&self.undo_outage(service, outage)).await?;
        for (edge, _) in self.site.edges().into_iter().filter(|(edge, _)| edge.to == service.plan.name) {
            if !beside.iter().any(|other| other.target() == Target::Edge(&edge)) {
                self.at(&edge, async |edge| edge.mended().await).await?;
            }
        }
        Ok(back)
    }

    async fn put_in_order(&self, undo: &Undo) -> Result<(), WorldError> {
        for edge in &undo.edges {
            edge.carry_out(&self.toxiproxy.control).await?;
        }
        Ok(())
    }

    /// Mends what `fault` broke and returns when it works again. `beside` are the other faults that are in
    /// effect: what they still keep broken is left to them.
    pub(super) async fn heal(
        &self,
        number: u64,
        fault: &Fault,
        beside: &[Fault],
    ) -> Result<Healed, WorldError> {
        match fault.target() {
            Target::Service(name) => {
                let service = self.service(name)?;
                let outage = service.outage(fault).ok_or_else(|| not_here(fault))?;
                match beside.iter().find(|other| stays_broken(name, outage, other)) {
                    Some(other) => Ok(Evidence(format!("left as it is: {other} is still in effect")).into()),
                    None => self.bring_back(&service, outage, beside).await,
                }
            }
            Target::Edge(edge) => {
                let others: Vec<_> = beside.iter().filter(|other| other.target() == fault.target()).collect();
                let refused = |fault: &Fault| matches!(fault, Fault::Refuse(_));
                if !(refused(fault) && others.iter().any(|other| refused(other))) {
                    self.put_in_order(&self.undo(number, fault)?).await?;
                    self.interceptors.end(number).await?;
                }
                match others.first() {
                    Some(other) => Ok(Evidence(format!("lifted; {other} as before")).into()),
                    None => self.at(edge, async |edge| edge.mended().await).await.map(Healed::from),
                }
            }
        }
    }

    /// Does something once. `beside` are the faults that are in effect.
    pub(super) async fn strike(
        &self,
        strike: &Strike,
        beside: &[Fault],
    ) -> Result<Option<Evidence>, WorldError> {
        match strike {
            Strike::Restart(name) => {
                let service = self.service(name)?;
                let stopped = self.take_out(&service, service.stop()).await?;
                let back = self.bring_back(&service, service.stop(), beside).await?;
                Ok(stopped.map(|stopped| Evidence(format!("{}; {}", stopped.0, back.evidence.0))))
            }
            Strike::Cut(edge) => self.at(edge, async |edge| edge.cut().await).await,
        }
    }

    async fn at<T>(
        &self,
        edge: &Edge,
        act: impl AsyncFnOnce(Breakable<'_>) -> Result<T, WorldError>,
    ) -> Result<T, WorldError> {
        let near = self.site.via(&edge.from.0, &edge.to.0)?;
        let callee = self.service(&edge.to)?;
        let far = callee.far();
        let (canary, clock, toxiproxy) = (&callee.plan.canary, self.site.clock(), &self.toxiproxy.control);
        act(Breakable { edge, toxiproxy, near, far, canary, clock }).await
    }
}

/// Whether `other` keeps the service in the state that healing an outage would end.
fn stays_broken(name: &ServiceName, outage: Outage, other: &Fault) -> bool {
    match other {
        Fault::Stop(service) | Fault::Kill(service) => service == name,
        Fault::Pause(service) => service == name && outage == Outage::Pause,
        _ => false,
    }
}

fn not_here(fault: &Fault) -> WorldError {
    WorldError::Failed(format!("{fault}: not by this world"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_service_that_is_stopped_as_well_is_left_to_the_stop() {
        let (opa, stop) = (ServiceName::from("opa"), Fault::Stop("opa".into()));
        assert!(stays_broken(&opa, Outage::Pause, &stop) && stays_broken(&opa, Outage::Kill, &stop));
        assert!(!stays_broken(&opa, Outage::Kill, &Fault::Pause("opa".into())));
        assert!(!stays_broken(&"hub".into(), Outage::Kill, &stop));
    }
}
