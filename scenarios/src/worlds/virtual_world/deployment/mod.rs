//! Deploying in the simulation: the engine of `dive`, whole, as a process that can be killed; the database and the
//! machine it works on at the other end of links.
//!
//! | file | its one idea |
//! |---|---|
//! | `operator` | a host: processes that carry orders out, each with a connection of its own |
//! | `store` | the orchestration's database, called over a link |
//! | `ground` | the machine, each part of it called over a link of its own |
//! | `calendar` | the machine's time |
//!
//! The database and the machine tell what happens to them; that goes to the timeline, not what operators believe.

mod calendar;
mod ground;
mod operator;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Happened, SimulatedPlatform};
use dive_orchestrator::store::{Database, ErrorRecord, MemoryStore, Store};
use dive_orchestrator::{Instance, Service, Stamp};
use futures_util::FutureExt as _;
use futures_util::future::join;
use harness_core::event::{Answer, What};
use harness_core::fault::{Edge, ServiceName};
use harness_core::history::History;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_sim::{Link, LinkError, Links, Node, Reply, SimHandle, SimSystem, Slot};
use parking_lot::Mutex;

use super::feed::{Feed, Item};
use crate::binding::deployment::orders::{Order, Outcome};
use crate::binding::deployment::topology::{
    COLLEAGUE, ENGINE, FREE, KEYCLOAK_BREAKER, OPERATOR, STORE, UNKNOWN, error_signal,
    ground as ground_services, lock_signal, phase_signal, spoke, state_signal, watched,
};
use crate::binding::deployment::{deeds, topology};
use crate::worlds::deployment::{DeploymentParts, keycloak_breaker, usual_start};
use calendar::Calendar;
use operator::Operator;

/// How often it is looked who holds the locks, and where breakers stand.
const LOOK: Duration = Duration::from_millis(500);

/// How long the slowest order may take: an ordeal of a hundred runs.
const PATIENCE: Duration = Duration::from_hours(24);

/// What every process of an operator works with.
struct Site {
    links: Links,
    feed: Feed,
    machine: SimulatedPlatform,
    calendar: Calendar,
    store: Slot<Database>,
    ground: BTreeMap<&'static str, Slot<SimulatedPlatform>>,
    parts: DeploymentParts,
    /// A connection of the harness' own.
    eye: MemoryStore,
    /// Who took each lock last.
    latest: Mutex<BTreeMap<Instance, String>>,
}

/// A machine and a database, and two hosts from which operators work on both.
pub(super) struct VirtualDeployment {
    sim: SimHandle,
    site: Arc<Site>,
    database: Database,
    hosts: BTreeMap<&'static str, (Slot<Operator>, Link<Operator>)>,
}

impl VirtualDeployment {
    pub(super) fn new(sim: &SimHandle, links: &Links, parts: DeploymentParts) -> Self {
        let feed = Feed::new(sim);
        let clock = sim.node(STORE);
        let database = Database::new(move || {
            Stamp::from_millis(u64::try_from(clock.wall().as_millis()).unwrap_or(u64::MAX))
        });
        let calendar = Calendar::new(sim.node("machine"));
        let machine = SimulatedPlatform::new(Arc::new(calendar.clone()));
        for service in Service::ALL {
            machine.takes(service, usual_start(service));
        }
        let told = feed.clone();
        machine.watch(move |happened| {
            told.push(Item::Seen(match happened {
                Happened::Made { instance, thing } => deeds::made(instance, thing),
                Happened::Gone { instance, thing } => deeds::gone(instance, thing),
                Happened::Opens { instance, versions } => deeds::opens(instance, versions),
                Happened::RuleBroken(rule) => deeds::rule(rule),
            }));
        });
        let ground = ground_services().map(|service| (service, Slot::new())).collect();
        let site = Arc::new(Site {
            links: links.clone(),
            feed,
            machine,
            calendar,
            store: Slot::new(),
            ground,
            parts,
            eye: database.connect(),
            latest: Mutex::default(),
        });
        // Every edge of the topology is there from the start, whoever uses it.
        let hosts = [OPERATOR, COLLEAGUE].map(|host| {
            drop(links.link(&Edge::new(host, STORE), &site.store));
            for (service, slot) in &site.ground {
                drop(links.link(&Edge::new(host, service), slot));
            }
            let slot = Slot::new();
            let link = links.link(&Edge::new("person", host), &slot);
            (host, (slot, link))
        });
        Self { sim: sim.clone(), site, database, hosts: hosts.into() }
    }

    /// Looks again and again who holds the locks: that one lapsed is told by nobody.
    async fn look(&self, recorder: &Recorder) {
        let mut last = self.sim.now();
        for instance in watched() {
            let at = Span::exactly(last);
            recorder.signal(at, &state_signal(&instance), "UNKNOWN");
            recorder.signal(at, &phase_signal(&instance), topology::NONE);
            recorder.signal(at, &error_signal(&instance), topology::NONE);
            recorder.signal(at, &topology::opens_signal(&instance), topology::NONE);
        }
        loop {
            let now = self.sim.now();
            let at = Span::between(last, now);
            for instance in watched() {
                let (signal, holder) = (lock_signal(&instance), self.site.holder(&instance));
                let known = |history: &History| {
                    history.signal(&signal).last().is_some_and(|change| change.value == holder)
                };
                if !recorder.with_history(known) {
                    recorder.signal(at, &signal, &holder);
                }
            }
            recorder.signal(at, KEYCLOAK_BREAKER, keycloak_breaker(&self.site.eye).await);
            last = now;
            self.sim.sleep(LOOK).await;
        }
    }
}

impl SimSystem for VirtualDeployment {
    fn services(&self) -> Vec<ServiceName> {
        let called = [STORE].into_iter().chain(ground_services());
        called.chain([OPERATOR, COLLEAGUE]).map(ServiceName::from).collect()
    }

    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError> {
        let name = service.0.as_str();
        if let Some((host, (slot, _))) = self.hosts.get_key_value(name) {
            slot.occupy(node, Operator::new(host, node, &self.site));
        } else if name == STORE {
            self.database.come_back();
            let (database, site) = (self.database.clone(), self.site.clone());
            node.at_end(move || {
                database.go_away("the server is gone");
                for instance in watched() {
                    site.see_lock(&instance);
                }
            });
            for instance in watched() {
                self.site.see_lock(&instance);
            }
            self.site.store.occupy(node, self.database.clone());
        } else if let Some(slot) = self.site.ground.get(name) {
            if name == ENGINE {
                self.site.calendar.follow(node);
            }
            if let Ok(container) = name.parse::<Service>() {
                let machine = self.site.machine.clone();
                node.at_end(move || {
                    for instance in std::iter::once(Instance::Hub).chain((0..32).map(spoke)) {
                        machine.dies(&instance, container);
                    }
                });
            }
            slot.occupy(node, self.site.machine.clone());
        } else {
            return Err(WorldError::Failed(format!("there is no service {name}")));
        }
        Ok(())
    }

    async fn shut_down(&self, service: &ServiceName, _: &Node) {
        let name = service.0.as_str();
        if let Some((slot, _)) = self.hosts.get(name) {
            let at_work = slot.occupant();
            slot.vacate();
            if let Some((_, operator)) = at_work {
                operator.stop().await;
            }
        } else if name == STORE {
            self.site.store.vacate();
        } else if let Some(slot) = self.site.ground.get(name) {
            slot.vacate();
        }
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        let Some(order) = Order::named(request) else {
            return Answer::new("error").with("error", "nobody is told such a thing here");
        };
        let Some((_, way)) = self.hosts.get(order.by) else {
            return Answer::new(Outcome::NoOperator.name());
        };
        let told = way.call(move |operator: Operator| async move { operator.carry_out(order, number).await });
        let outcome = match self.sim.timeout(PATIENCE, told).await {
            Some(Ok(Reply::Answer(answer) | Reply::Truncated { answer, .. })) => return answer,
            Some(Ok(Reply::Wrong { .. }) | Err(LinkError::Refused)) => Outcome::NoOperator,
            Some(Err(LinkError::Reset | LinkError::Closed)) => Outcome::Killed,
            None => Outcome::NoAnswer,
        };
        Answer::new(outcome.name())
    }

    async fn observe(&self, recorder: &Recorder) {
        join(self.site.feed.drain(recorder, |_| String::new()), self.look(recorder)).await;
    }

    fn observation_lag(&self) -> Duration {
        LOOK + Duration::from_millis(1)
    }
}

impl Site {
    fn locked(&self, instance: &Instance, by: &str) {
        self.latest.lock().insert(instance.clone(), by.to_owned());
    }

    /// Who holds a lock now, by the database itself.
    fn holder(&self, instance: &Instance) -> String {
        match self.eye.holder(instance).now_or_never() {
            Some(Ok(Some(held))) => held.by.host,
            Some(Ok(None)) => FREE.to_owned(),
            _ => UNKNOWN.to_owned(),
        }
    }

    /// Tells who holds a lock now.
    fn see_lock(&self, instance: &Instance) {
        if watched().contains(instance) {
            self.tell(deeds::signal(lock_signal(instance), &self.holder(instance)));
        }
    }

    /// Tells how a phase ended, or that it began.
    fn see_error(&self, instance: &Instance, failure: Option<&ErrorRecord>) {
        if watched().contains(instance) {
            let code = failure.map_or(topology::NONE.to_owned(), |failure| failure.code.to_string());
            self.tell(deeds::signal(error_signal(instance), &code));
        }
    }

    fn is_latest(&self, instance: &Instance, by: &str) -> bool {
        self.latest.lock().get(instance).is_some_and(|latest| latest == by)
    }

    fn tell(&self, what: What) {
        self.feed.push(Item::Seen(what));
    }
}
