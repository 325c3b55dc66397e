//! What stands on the simulated machine, and what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use dive_runtime::Monotonic;

use super::certificate::Certificates;
use super::secret::{self, SERVER, Secrets};
use super::{Call, CallKind, Faults, Happened, Watch};
use crate::deploy::{Done, Failure, Found, Holding, Thing};
use crate::ladder::Rung;
use crate::{ErrorCode, Instance, NETWORK, ResourceKind, Service};

/// What stands under a name.
#[derive(Clone, Debug)]
enum Standing {
    /// Of these deployments: one, or those that share it.
    Ours { by: BTreeSet<Instance>, is_whole: bool },
    /// Of somebody else.
    Strange { content: String, is_replaceable: bool },
}

#[derive(Default)]
pub(super) struct Machine {
    things: BTreeMap<Thing, Standing>,
    pub(super) running: BTreeMap<(Instance, Service), Monotonic>,
    pub(super) takes: BTreeMap<Service, Duration>,
    pub(super) needs: BTreeMap<Service, Vec<Service>>,
    pub(super) calls: Vec<Call>,
    pub(super) faults: Option<Faults>,
    pub(super) broken_rules: Vec<String>,
    pub(super) watch: Option<Watch>,
    /// Containers that ended by themselves, until they are started again.
    dead: BTreeSet<(Instance, Service)>,
    secrets: Secrets,
    pub(super) certificates: Certificates,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("things", &self.things)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

/// How long a service takes to become healthy where nothing else is told.
fn usual(service: Service) -> Duration {
    Duration::from_secs(match service {
        Service::Keycloak => 9,
        Service::Backend | Service::Mongodb => 3,
        _ => 1,
    })
}

impl Machine {
    fn tell(&self, happened: &Happened) {
        if let Some(watch) = &self.watch {
            watch(happened);
        }
    }

    pub(super) fn breaks_rule(&mut self, rule: String) {
        self.tell(&Happened::RuleBroken(rule.clone()));
        self.broken_rules.push(rule);
    }

    /// Counts a call. Whoever decides what becomes of it may look at the machine.
    pub(super) fn called(
        &mut self,
        instance: &Instance,
        kind: CallKind,
        subject: String,
    ) -> (Call, Option<Faults>) {
        let call = Call { number: self.calls.len() as u64, instance: instance.clone(), kind, subject };
        self.calls.push(call.clone());
        (call, self.faults.clone())
    }

    pub(super) fn find(&self, thing: &Thing) -> Found {
        match self.things.get(thing) {
            None => self.version_before(thing).map_or(Found::Nothing, Found::Replaceable),
            Some(Standing::Ours { .. }) => Found::Ours,
            Some(Standing::Strange { content, is_replaceable: true }) => Found::Replaceable(content.clone()),
            Some(Standing::Strange { content, .. }) => Found::Strangers(content.clone()),
        }
    }

    pub(super) fn may_touch(&self, thing: &Thing) -> Done {
        match self.find(thing) {
            Found::Strangers(whose) => Err(Failure::new(ErrorCode::InstanceConflict, whose)),
            _ => Ok(()),
        }
    }

    pub(super) fn put_strange(&mut self, thing: Thing, content: &str, is_replaceable: bool) {
        self.things.insert(thing, Standing::Strange { content: content.to_owned(), is_replaceable });
    }

    pub(super) fn put(&mut self, instance: &Instance, thing: &Thing, whole: bool) {
        let network = Thing::new(ResourceKind::Network, NETWORK);
        if thing.kind == ResourceKind::Container && !self.things.contains_key(&network) {
            self.breaks_rule(format!("{thing} was made before its network"));
        }
        self.make_with_the_newest(instance, thing);
        let is_new = if let Some(Standing::Ours { by, is_whole }) = self.things.get_mut(thing) {
            *is_whole |= whole;
            by.insert(instance.clone())
        } else {
            let ours = Standing::Ours { by: [instance.clone()].into(), is_whole: whole };
            self.things.insert(thing.clone(), ours);
            true
        };
        if is_new {
            self.tell(&Happened::Made { instance: instance.clone(), thing: thing.clone() });
        }
    }

    /// Removes a thing, or puts back what was before; half of it when it is not `whole`.
    pub(super) fn take(&mut self, instance: &Instance, thing: &Thing, before: Option<&str>, whole: bool) {
        self.refuse(instance, thing);
        let Some(Standing::Ours { by, is_whole }) = self.things.get_mut(thing) else { return };
        if !whole {
            *is_whole = false;
            return;
        }
        let was_its = by.remove(instance);
        if by.is_empty() {
            self.things.remove(thing);
            // An earlier version of a secret is a thing of its own.
            if let Some(before) = before.filter(|_| secret::version(instance, thing).is_none()) {
                self.put_strange(thing.clone(), before, true);
            }
        }
        self.running.retain(|(of, service), _| of != instance || service.container(of) != thing.name);
        self.dead.retain(|(of, service)| of != instance || service.container(of) != thing.name);
        if was_its {
            self.tell(&Happened::Gone { instance: instance.clone(), thing: thing.clone() });
        }
    }

    pub(super) fn stranger(&self, thing: &Thing) -> Option<String> {
        match self.things.get(thing) {
            Some(Standing::Strange { content, .. }) => Some(content.clone()),
            _ => None,
        }
    }

    pub(super) fn of(&self, instance: &Instance) -> Vec<Thing> {
        let ours =
            |standing: &Standing| matches!(standing, Standing::Ours { by, .. } if by.contains(instance));
        self.things.iter().filter(|(_, standing)| ours(standing)).map(|(thing, _)| thing.clone()).collect()
    }

    /// What is of others than these, each by whom, what is shared not counted.
    pub(super) fn unknown(&self, known: &BTreeSet<Instance>) -> Vec<(Instance, Thing)> {
        let mut unknown = Vec::new();
        for (thing, standing) in &self.things {
            if let Standing::Ours { by, .. } = standing
                && thing.kind != ResourceKind::Network
            {
                let others = by.iter().filter(|instance| !known.contains(instance));
                unknown.extend(others.map(|instance| (instance.clone(), thing.clone())));
            }
        }
        unknown.sort();
        unknown
    }

    pub(super) fn is_whole(&self, instance: &Instance) -> bool {
        self.things.values().all(|standing| match standing {
            Standing::Ours { by, is_whole } => *is_whole || !by.contains(instance),
            Standing::Strange { .. } => true,
        })
    }

    /// What a service needs.
    pub(super) fn needs_of(&self, service: Service) -> Vec<Service> {
        self.needs.get(&service).cloned().unwrap_or_else(|| service.needs().to_vec())
    }

    pub(super) fn start(&mut self, now: Monotonic, instance: &Instance, service: Service) -> Done {
        let container = Thing::new(ResourceKind::Container, service.container(instance));
        if !matches!(self.things.get(&container), Some(Standing::Ours { is_whole: true, .. })) {
            return Err(Failure::new(ErrorCode::ContainerStart, format!("{container} is not there")));
        }
        let ill = self.needs_of(service).into_iter().find(|needed| !self.is_healthy(now, instance, *needed));
        if let Some(ill) = ill {
            self.breaks_rule(format!("{service} of {instance} was started though {ill} is not healthy"));
        }
        self.dead.remove(&(instance.clone(), service));
        self.running.entry((instance.clone(), service)).or_insert(now);
        if service == SERVER && !self.secrets.taken.contains_key(instance) {
            self.takes_secrets(instance, [self.newest(instance)].into());
        }
        Ok(())
    }

    /// The versions of an instance's secret that are there whole.
    fn versions(&self, instance: &Instance) -> BTreeSet<u32> {
        let whole = self
            .things
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Ours { is_whole: true, .. }));
        whole.filter_map(|(thing, _)| secret::version(instance, thing)).collect()
    }

    fn newest(&self, instance: &Instance) -> u32 {
        self.versions(instance).last().copied().unwrap_or_default()
    }

    /// The version of a secret that a newer one is going to stand over.
    fn version_before(&self, thing: &Thing) -> Option<String> {
        let instance = thing.name.split('/').next()?.parse().ok()?;
        let newer = secret::version(&instance, thing)?;
        let before = self.versions(&instance).range(..newer).next_back().copied()?;
        Some(secret::file(&instance, before).name)
    }

    /// Files of an instance, of which each version of its secret is one; one that has none gets the first.
    pub(super) fn secret_files(&self, instance: &Instance) -> Vec<Thing> {
        let there = self.versions(instance);
        let all = if there.is_empty() { [1].into() } else { there };
        all.into_iter().map(|version| secret::file(instance, version)).collect()
    }

    /// A container is made with the newest version; one that was made with another is made anew, and does not run.
    fn make_with_the_newest(&mut self, instance: &Instance, thing: &Thing) {
        let is_its = |service: &Service| {
            thing.kind == ResourceKind::Container
                && secret::is_used_by(*service)
                && service.container(instance) == thing.name
        };
        let Some(service) = Service::ALL.into_iter().find(is_its) else { return };
        let (name, newest) = ((instance.clone(), service), self.newest(instance));
        let with = self.secrets.made_with.insert(name.clone(), newest);
        if with.is_some_and(|with| with != newest)
            && let Some(Standing::Ours { is_whole, .. }) = self.things.get_mut(thing)
        {
            *is_whole = false;
            self.running.remove(&name);
            self.dead.remove(&name);
        }
    }

    /// What is going to be removed is no longer taken: an earlier version, or all with the database.
    fn refuse(&mut self, instance: &Instance, thing: &Thing) {
        let postgres = super::plan::data(instance, Service::Postgres);
        if *thing == postgres && self.secrets.taken.contains_key(instance) {
            self.takes_secrets(instance, BTreeSet::new());
            self.secrets.taken.remove(instance);
        }
        self.secrets.made_with.retain(|(of, service), _| {
            of != instance || thing.kind != ResourceKind::Container || service.container(of) != thing.name
        });
        let Some(version) = secret::version(instance, thing) else { return };
        if self.newest(instance) <= version || !self.things.contains_key(thing) {
            return;
        }
        let late = self.secrets.working_with(instance, version);
        if let Some(late) = late.first() {
            self.breaks_rule(format!("{thing} was dropped though {late} works with it"));
        }
        let mut taken = self.secrets.taken.get(instance).cloned().unwrap_or_default();
        if taken.remove(&version) {
            self.takes_secrets(instance, taken);
        }
    }

    fn takes_secrets(&mut self, instance: &Instance, versions: BTreeSet<u32>) {
        if self.secrets.taken.get(instance) != Some(&versions) {
            self.secrets.taken.insert(instance.clone(), versions.clone());
            self.tell(&Happened::Opens { instance: instance.clone(), versions });
        }
    }

    /// The versions of its secret that open an instance's identity provider.
    pub(super) fn opening(&self, instance: &Instance) -> BTreeSet<u32> {
        self.secrets.taken.get(instance).cloned().unwrap_or_default()
    }

    /// Whoever knows a version that is taken may have all taken that are there.
    pub(super) fn renew(&mut self, instance: &Instance, service: Service) -> Done {
        if service != SERVER {
            return Ok(());
        }
        let there = self.versions(instance);
        if self.opening(instance).is_disjoint(&there) {
            let detail = format!("no version of the secret of {instance} that is there opens {service}");
            return Err(Failure::new(ErrorCode::SecretLoad, detail));
        }
        self.takes_secrets(instance, there);
        Ok(())
    }

    /// Why a service does not get in where it has to.
    pub(super) fn shut_out(&self, instance: &Instance, service: Service) -> Option<String> {
        self.secrets.shut_out(instance, service, self.newest(instance))
    }

    /// Its container ends by itself.
    pub(super) fn dies(&mut self, instance: &Instance, service: Service) {
        if self.running.remove(&(instance.clone(), service)).is_some() {
            self.dead.insert((instance.clone(), service));
        }
    }

    pub(super) fn stop(&mut self, instance: &Instance, service: Service) {
        self.running.remove(&(instance.clone(), service));
        self.dead.remove(&(instance.clone(), service));
    }

    pub(super) fn is_healthy(&self, now: Monotonic, instance: &Instance, service: Service) -> bool {
        let takes = self.takes.get(&service).copied().unwrap_or_else(|| usual(service));
        let started = self.running.get(&(instance.clone(), service));
        started.is_some_and(|started| now.saturating_since(*started) >= takes)
    }

    pub(super) fn rung(
        &self,
        now: Monotonic,
        instance: &Instance,
        service: Service,
        rung: Rung,
    ) -> Done<Holding> {
        if self.dead.contains(&(instance.clone(), service)) {
            let detail = format!("the container of {service} has ended");
            return Err(Failure::new(ErrorCode::ContainerStart, detail));
        }
        let runs = self.running.contains_key(&(instance.clone(), service));
        let holds = if rung == Rung::Exists { runs } else { self.is_healthy(now, instance, service) };
        let shut_out = self.shut_out(instance, service).filter(|_| rung == Rung::Functional);
        Ok(match shut_out {
            Some(why) if holds => Holding::NotYet(why),
            None if holds => Holding::Yes,
            _ => Holding::NotYet("it starts".to_owned()),
        })
    }

    pub(super) fn check(&self, now: Monotonic, instance: &Instance, what: &str) -> Done {
        let ill = Service::of(instance).into_iter().find(|service| !self.is_healthy(now, instance, *service));
        let shut_out =
            || Service::of(instance).into_iter().find_map(|service| self.shut_out(instance, service));
        let failed = |code, detail| Err(Failure::new(code, detail));
        match (ill, shut_out()) {
            _ if what == super::plan::PORTS_ARE_FREE => Ok(()),
            (Some(ill), _) => failed(ErrorCode::VerifyConnectivity, format!("{ill} does not answer")),
            (None, Some(why)) => failed(ErrorCode::VerifyLogin, why),
            (None, None) => Ok(()),
        }
    }
}
