//! A platform in memory, for simulated worlds and tests: things come and go, services take their time, calls fail
//! as told.
//!
//! It keeps the rules of [`Platform`], cancellation included: what a dropped call had begun is there in part.
//! What no platform can refuse, it notices: [`SimulatedPlatform::broken_rules`] tells of a service that was
//! started before what it needs was healthy or with a certificate that had expired, and of one that was made before its
//! network was.

mod certificate;
mod machine;
mod plan;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_runtime::Runtime;
use parking_lot::Mutex;

use super::{Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing};
use crate::ladder::Rung;
use crate::{ErrorCode, Instance, Phase, Remedy, Resource, ResourceKind, Service, Slot};
use machine::Machine;
pub use secret::newer_secrets;

/// How long a call takes where nothing else is told: its effect comes half way.
pub const LATENCY: Duration = Duration::from_millis(20);

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// [`Platform::steps`].
    Steps,
    /// [`Platform::needs`].
    Needs,
    /// [`Platform::find`].
    Find,
    /// [`Platform::make`].
    Make,
    /// [`Platform::unmake`].
    Unmake,
    /// [`Platform::check`].
    Check,
    /// [`Platform::start`].
    Start,
    /// [`Platform::stop`].
    Stop,
    /// [`Platform::rung`].
    Rung,
    /// [`Platform::renew`].
    Renew,
    /// [`Platform::log_tail`].
    LogTail,
    /// [`Platform::remedy`].
    Remedy,
    /// [`Platform::existing`].
    Existing,
    /// [`Platform::unknown`]; of the hub, since it is of no one instance.
    Unknown,
}

/// One call of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Of all calls, from 0.
    pub number: u64,
    /// For what.
    pub instance: Instance,
    /// Which method.
    pub kind: CallKind,
    /// About what: a thing's or a service's name, the text of a check, a phase.
    pub subject: String,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails before anything was done.
    Fails(Failure),
    /// It does what it should, and says that it failed.
    LosesTheAnswer(Failure),
    /// It leaves a part of what it should make, and fails.
    Halfway(Failure),
    /// It is slower by this.
    Slow(Duration),
    /// It never answers.
    Hangs,
}

/// Decides what becomes of a call; `None` is nothing.
pub type Faults = Arc<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// What the machine saw happen, whoever did it and whether or not they got an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Happened {
    /// Something came to be of an instance, whole or in part.
    Made {
        /// Of which.
        instance: Instance,
        /// What.
        thing: Thing,
    },
    /// Nothing of it is left, or what was there before is back.
    Gone {
        /// Of which instance.
        instance: Instance,
        /// What.
        thing: Thing,
    },
    /// These versions of its secret open its identity provider from now on.
    Opens {
        /// Of which instance.
        instance: Instance,
        /// Which, in order.
        versions: BTreeSet<u32>,
    },
    /// One of [`SimulatedPlatform::broken_rules`].
    RuleBroken(String),
}

/// Is told what happens on the machine, in order.
pub type Watch = Arc<dyn Fn(&Happened) + Send + Sync>;

/// The platform. Clones are the same one.
#[derive(Clone)]
pub struct SimulatedPlatform {
    runtime: Arc<dyn Runtime>,
    machine: Arc<Mutex<Machine>>,
}

impl fmt::Debug for SimulatedPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.lock().fmt(f)
    }
}

impl SimulatedPlatform {
    /// An empty machine.
    pub fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, machine: Arc::default() }
    }

    /// From now on `faults` decides what becomes of each call.
    pub fn breaks(&self, faults: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.machine.lock().faults = Some(Arc::new(faults));
    }

    /// From now on all calls do what they should.
    pub fn heals(&self) {
        self.machine.lock().faults = None;
    }

    /// From now on `watch` is told what happens here. It must not call back.
    pub fn watch(&self, watch: impl Fn(&Happened) + Send + Sync + 'static) {
        self.machine.lock().watch = Some(Arc::new(watch));
    }

    /// From now on a service takes this long from its start until it is healthy.
    pub fn takes(&self, service: Service, time: Duration) {
        self.machine.lock().takes.insert(service, time);
    }

    /// From now on a service needs these, whatever its own table says.
    pub fn depends(&self, service: Service, needs: &[Service]) {
        self.machine.lock().needs.insert(service, needs.to_vec());
    }

    /// Something of somebody else's stands under this name. A deployment may put its own in its place when it
    /// is `replaceable`.
    pub fn strange(&self, thing: Thing, content: &str, replaceable: bool) {
        self.machine.lock().put_strange(thing, content, replaceable);
    }

    /// Something is of this instance that no run made.
    pub fn stray(&self, instance: &Instance, thing: &Thing) {
        self.machine.lock().put(instance, thing, true);
    }

    /// The container of a service ends by itself, if it runs. Until it is started again, its ladder says so.
    pub fn dies(&self, instance: &Instance, service: Service) {
        self.machine.lock().dies(instance, service);
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.machine.lock().calls.clone()
    }

    /// Everything an instance has here, what is shared included, whole or in part.
    pub fn left(&self, instance: &Instance) -> Vec<Thing> {
        self.machine.lock().of(instance)
    }

    /// What stands under a name and is nobody's of ours.
    pub fn stranger(&self, thing: &Thing) -> Option<String> {
        self.machine.lock().stranger(thing)
    }

    /// Whether every service of an instance is healthy, and everything of it whole.
    pub fn is_healthy(&self, instance: &Instance) -> bool {
        let now = self.runtime.now();
        let machine = self.machine.lock();
        let is_healthy = |service| {
            machine.is_healthy(now, instance, service) && machine.shut_out(instance, service).is_none()
        };
        Service::of(instance).into_iter().all(is_healthy) && machine.is_whole(instance)
    }

    /// Which versions of its secret open an instance's identity provider.
    pub fn opening(&self, instance: &Instance) -> BTreeSet<u32> {
        self.machine.lock().opening(instance)
    }

    /// Which running services of an instance show a version of its secret that is not taken.
    pub fn shut_out(&self, instance: &Instance) -> Vec<Service> {
        let machine = self.machine.lock();
        let own = machine.running.keys().filter(|(of, service)| of == instance && *service != secret::SERVER);
        own.map(|(_, service)| *service)
            .filter(|service| machine.shut_out(instance, *service).is_some())
            .collect()
    }

    /// Which services of an instance run.
    pub fn running(&self, instance: &Instance) -> Vec<Service> {
        self.machine.lock().running.keys().filter(|(of, _)| of == instance).map(|(_, s)| *s).collect()
    }

    /// What was done that must not be.
    pub fn broken_rules(&self) -> Vec<String> {
        self.machine.lock().broken_rules.clone()
    }

    /// One call: takes its time, fails as told, takes effect half way.
    async fn call<T>(
        &self,
        site: &Site,
        kind: CallKind,
        subject: impl ToString,
        effect: impl FnOnce(&mut Machine, bool) -> Done<T>,
    ) -> Done<T> {
        let (call, faults) = self.machine.lock().called(&site.instance, kind, subject.to_string());
        let fault = faults.and_then(|faults| faults(&call));
        self.runtime.sleep(LATENCY / 2).await;
        let done = match fault {
            None => effect(&mut self.machine.lock(), true),
            Some(Fault::Fails(failure)) => Err(failure),
            Some(Fault::LosesTheAnswer(failure)) => {
                effect(&mut self.machine.lock(), true)?;
                Err(failure)
            }
            Some(Fault::Halfway(failure)) => {
                effect(&mut self.machine.lock(), false)?;
                Err(failure)
            }
            Some(Fault::Slow(by)) => {
                self.runtime.sleep(by).await;
                effect(&mut self.machine.lock(), true)
            }
            Some(Fault::Hangs) => std::future::pending().await,
        };
        self.runtime.sleep(LATENCY / 2).await;
        done
    }
}

#[async_trait]
impl Platform for SimulatedPlatform {
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>> {
        self.call(site, CallKind::Steps, phase, |machine, _| {
            Ok(plan::steps(site, phase, machine.secret_files(&site.instance)))
        })
        .await
    }

    async fn needs(&self, site: &Site) -> Done<BTreeMap<Service, Vec<Service>>> {
        self.call(site, CallKind::Needs, "", |machine, _| {
            let services = Service::of(&site.instance).into_iter();
            Ok(services.map(|service| (service, machine.needs_of(service))).collect())
        })
        .await
    }

    fn parts(&self, site: &Site, service: Service) -> Vec<Thing> {
        plan::parts(site, service)
    }

    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found> {
        self.call(site, CallKind::Find, &thing.name, |machine, _| Ok(machine.find(thing))).await
    }

    async fn make(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        // In part first: a call that is dropped leaves that.
        let machine = Arc::clone(&self.machine);
        let begun = thing.clone();
        let instance = site.instance.clone();
        self.call(site, CallKind::Make, &thing.name, move |machine, _| {
            machine.may_touch(&begun)?;
            machine.put(&instance, &begun, false);
            Ok(())
        })
        .await?;
        {
            let mut machine = machine.lock();
            machine.put(&site.instance, &thing, true);
            if thing == certificate::file(&site.instance) {
                machine.certificates.issue(&site.instance, self.runtime.wall());
            }
        }
        self.runtime.sleep(LATENCY / 2).await;
        Ok(())
    }

    async fn unmake(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        self.call(site, CallKind::Unmake, &thing.name, |machine, whole| {
            if machine.stranger(&thing).is_none() {
                machine.take(&site.instance, &thing, resource.before.as_deref(), whole);
            }
            Ok(())
        })
        .await
    }

    async fn check(&self, site: &Site, _: Phase, what: &str) -> Done {
        let (now, wall) = (self.runtime.now(), self.runtime.wall());
        self.call(site, CallKind::Check, what, |machine, _| match what {
            plan::CERTIFICATES_ARE_GOOD => machine.certificates.are_good(&site.instance, wall),
            _ => machine.check(now, &site.instance, what),
        })
        .await
    }

    async fn start(&self, site: &Site, service: Service) -> Done {
        let (now, wall) = (self.runtime.now(), self.runtime.wall());
        self.call(site, CallKind::Start, service, |machine, _| {
            let shown = certificate::is_shown_by(service);
            if let (true, Err(expired)) = (shown, machine.certificates.are_good(&site.instance, wall)) {
                machine.breaks_rule(format!("{service} was started though {}", expired.detail));
            }
            machine.start(now, &site.instance, service)
        })
        .await
    }

    async fn stop(&self, site: &Site, service: Service) -> Done {
        self.call(site, CallKind::Stop, service, |machine, _| {
            machine.stop(&site.instance, service);
            Ok(())
        })
        .await
    }

    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding> {
        let runtime = Arc::clone(&self.runtime);
        self.call(site, CallKind::Rung, service, |machine, _| {
            machine.rung(runtime.now(), &site.instance, service, rung)
        })
        .await
    }

    async fn renew(&self, site: &Site, service: Service) -> Done {
        self.call(site, CallKind::Renew, service, |machine, _| machine.renew(&site.instance, service)).await
    }

    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>> {
        let line = format!("{service} waits");
        self.call(site, CallKind::LogTail, service, |_, _| Ok(vec![line; count.min(1)])).await
    }

    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done {
        let (now, wall) = (self.runtime.now(), self.runtime.wall());
        self.call(site, CallKind::Remedy, subject, |machine, _| match (remedy, subject) {
            (Remedy::ReissueCertificate, _) => {
                machine.certificates.issue(&site.instance, wall);
                Ok(())
            }
            (Remedy::RestartContainer, Subject::Service(service)) => {
                machine.stop(&site.instance, *service);
                machine.start(now, &site.instance, *service)
            }
            (Remedy::RemoveStaleContainer, Subject::Thing(thing))
                if thing.kind == ResourceKind::Container =>
            {
                machine.take(&site.instance, thing, None, true);
                Ok(())
            }
            _ => Ok(()),
        })
        .await
    }

    async fn existing(&self, site: &Site) -> Done<Vec<Thing>> {
        self.call(site, CallKind::Existing, "", |machine, _| {
            let mut things = machine.of(&site.instance);
            things.retain(|thing| thing.kind != ResourceKind::Network);
            Ok(things)
        })
        .await
    }

    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        let asker = Site { instance: Instance::Hub, slot: Slot::HUB };
        self.call(&asker, CallKind::Unknown, "", |machine, _| Ok(machine.unknown(known))).await
    }
}

/// A failure as a test wants one.
pub fn failure(code: ErrorCode) -> Failure {
    Failure::new(code, "as told")
}
