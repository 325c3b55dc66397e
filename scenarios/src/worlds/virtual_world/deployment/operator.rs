//! A host from which somebody deploys: every order is a process, with a connection to the store of its own.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dive_orchestrator::deploy::{Engine, Event, Interrupted, Order as Starting, Platform, Report};
use dive_orchestrator::store::Database;
use dive_orchestrator::{Holder, Instance, Phase};
use dive_runtime::Runtime;
use futures_util::future::{Either, select};
use harness_core::event::{Answer, What};
use harness_sim::{Node, chance};
use parking_lot::Mutex;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio_util::sync::CancellationToken;

use super::Site;
use super::ground::Links;
use super::store::Session;
use crate::binding::deployment::deeds;
use crate::binding::deployment::ordeal::Ordeal;
use crate::binding::deployment::orders::{Command, Deed, Order, Outcome};
use crate::binding::deployment::topology::{NONE, bringing_up, phase_signal, watched};
use crate::worlds::deployment::platform::PartedPlatform;
use crate::worlds::deployment::{Connect, process, run};
use crate::worlds::virtual_world::runtime::SimRuntime;

/// How often it is looked whether the processes of a host have ended.
const LOOK: Duration = Duration::from_millis(50);

/// One life of a host.
#[derive(Clone)]
pub(super) struct Operator(Arc<Host>);

struct Host {
    name: &'static str,
    node: Node,
    site: Arc<Site>,
    stop: CancellationToken,
    /// The numbers of the processes at work.
    at_work: Mutex<BTreeSet<u32>>,
    started: AtomicU32,
    chance: Arc<Mutex<SmallRng>>,
}

impl Host {
    /// Whether a process is surely gone: of other hosts nothing is known.
    fn is_gone(&self, holder: &Holder) -> bool {
        holder.host == self.name && !self.at_work.lock().contains(&holder.pid)
    }
}

impl Operator {
    pub(super) fn new(name: &'static str, node: &Node, site: &Arc<Site>) -> Self {
        // A life after a restart has draws and process numbers of its own.
        let life = node.now().since_start().as_millis();
        let chance = chance::stream(node.sim().seed(), &format!("host {name} from {life} ms on"));
        Self(Arc::new(Host {
            name,
            node: node.clone(),
            site: site.clone(),
            stop: CancellationToken::new(),
            at_work: Mutex::default(),
            started: AtomicU32::new(u32::try_from(life / 1_000).unwrap_or(0)),
            chance: Arc::new(Mutex::new(chance)),
        }))
    }

    /// As Ctrl-C: everybody comes to the end of what they are writing.
    pub(super) async fn stop(&self) {
        self.0.stop.cancel();
        while !self.0.at_work.lock().is_empty() {
            self.0.node.sim().sleep(LOOK).await;
        }
    }

    /// Does as told and says what came of it.
    pub(super) async fn carry_out(&self, order: Order, number: u64) -> Answer {
        let instance = order.instance(number);
        if let Some(ordeal) = Ordeal::of(order.command) {
            return self.undergo(ordeal, &instance).await;
        }
        match order.command {
            Command::ByHand(Deed::DamageCheckpoint) => self.by_hand(|database| {
                Phase::ALL.into_iter().rev().any(|phase| database.corrupt_checkpoint(&instance, phase))
            }),
            Command::ByHand(Deed::DamageState) => self.by_hand(|database| {
                database.damage_state(&instance, true);
                true
            }),
            Command::ByHand(Deed::MendState) => self.by_hand(|database| {
                database.damage_state(&instance, false);
                true
            }),
            command => Outcome::answer(&self.process(command, &instance).await),
        }
    }

    /// Somebody changes the database by hand, if it is there and holds what is to be changed.
    fn by_hand(&self, change: impl FnOnce(&Database) -> bool) -> Answer {
        let done = self.0.site.store.occupant().is_some_and(|(_, database)| change(&database));
        Answer::new(if done { Outcome::Done } else { Outcome::Refused }.name())
    }

    /// A process from its start to its end. Dropping the future is killing it.
    async fn process(&self, command: Command, instance: &Instance) -> Result<Report, Interrupted> {
        let process = Process::started(&self.0, instance);
        let ended = run(process.engine(), command, instance, &self.0.site.parts, &self.0.stop).await;
        if let Ok(report) = &ended
            && Outcome::leaves_nothing(report.ending)
        {
            self.0.site.tell(deeds::nothing_left(instance, &process.by));
        }
        ended
    }

    async fn undergo(&self, ordeal: Ordeal, instance: &Instance) -> Answer {
        let mut killed = 0;
        for _ in 0..ordeal.commands {
            let (command, life) = ordeal.draw(&mut *self.0.chance.lock());
            let process = Box::pin(self.process(command, instance));
            match select(process, pin!(self.0.node.sim().sleep(life))).await {
                Either::Left(_) => {}
                Either::Right(_) => killed += 1,
            }
        }
        let end = match self.process(Command::Resume, instance).await {
            // It stands already: then it must stand a verification.
            Err(Interrupted::Plan(_) | Interrupted::State { .. }) => {
                self.process(Command::Deploy, instance).await
            }
            end => end,
        };
        Outcome::answer(&end).with("killed", killed.to_string())
    }
}

/// A process of `dive`. Its end, however it comes, is seen.
struct Process {
    host: Arc<Host>,
    instance: Instance,
    /// Its name on the timeline: its host's, and its number.
    by: String,
    pid: u32,
}

impl Process {
    fn started(host: &Arc<Host>, instance: &Instance) -> Self {
        let pid = 1 + host.started.fetch_add(1, Ordering::Relaxed);
        host.at_work.lock().insert(pid);
        let by = process(host.name, pid);
        Self { host: host.clone(), instance: instance.clone(), by, pid }
    }

    fn engine(&self) -> Engine {
        let site = &self.host.site;
        let runtime: Arc<dyn Runtime> = Arc::new(SimRuntime(self.host.node.clone()));
        let ways = Links::new(self.host.name, site);
        let platform: Arc<dyn Platform> = Arc::new(PartedPlatform::new(ways, &self.by, runtime.clone()));
        let connect: Connect = {
            let (site, host, by, node) =
                (site.clone(), self.host.name, self.by.clone(), self.host.node.clone());
            Arc::new(move || Arc::new(Session::new(host, &by, &node, &site)))
        };
        let parts = &site.parts;
        let (chance, host) = (self.host.chance.clone(), self.host.clone());
        let seen = Seen {
            site: site.clone(),
            host: self.host.name,
            by: self.by.clone(),
            instance: self.instance.clone(),
        };
        parts.around(Engine {
            store: parts.connected(&connect),
            platform,
            runtime,
            chance: Arc::new(move || chance.lock().random()),
            observer: Arc::new(move |event: &Event| seen.observe(event)),
            holder: Holder { host: self.host.name.to_owned(), pid: self.pid },
            gone: Arc::new(move |holder| host.is_gone(holder)),
            order: Starting::Parallel,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.host.at_work.lock().remove(&self.pid);
        // Who lost the lock says nothing of who has it.
        if self.host.site.is_latest(&self.instance, &self.by) && watched().contains(&self.instance) {
            self.host.site.tell(deeds::signal(phase_signal(&self.instance), NONE));
        }
    }
}

/// What a process tells of itself, on its way to the timeline.
struct Seen {
    site: Arc<Site>,
    host: &'static str,
    by: String,
    instance: Instance,
}

impl Seen {
    fn observe(&self, event: &Event) {
        // What a service waits for says little, again and again.
        if !matches!(event, Event::Made(_) | Event::Unmade(_) | Event::Waits { .. }) {
            let line = format!("{}: {event}", self.instance);
            self.site.tell(What::Log { service: self.host.to_owned(), line });
        }
        let is_watched = watched().contains(&self.instance);
        match event {
            Event::Locked(_) => self.site.locked(&self.instance, &self.by),
            Event::PhaseBegan { phase, .. } if is_watched => {
                self.site.tell(deeds::signal(phase_signal(&self.instance), phase.as_str()));
            }
            Event::PhaseEnded { phase: Phase::Deployment, took, failure: None } if is_watched => {
                let (measure, value) = (bringing_up(&self.instance), took.as_secs_f64());
                self.site.tell(What::Sample { measure, value });
            }
            _ => {}
        }
    }
}
