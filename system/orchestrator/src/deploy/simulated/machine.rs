//! What stands on the simulated machine, and what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use dive_runtime::Monotonic;

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
    pub(super) calls: Vec<Call>,
    pub(super) faults: Option<Faults>,
    pub(super) broken_rules: Vec<String>,
    pub(super) watch: Option<Watch>,
    /// Containers that ended by themselves, until they are started again.
    dead: BTreeSet<(Instance, Service)>,
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

    fn breaks_rule(&mut self, rule: String) {
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
            None => Found::Nothing,
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
        let Some(Standing::Ours { by, is_whole }) = self.things.get_mut(thing) else { return };
        if !whole {
            *is_whole = false;
            return;
        }
        let was_its = by.remove(instance);
        if by.is_empty() {
            self.things.remove(thing);
            if let Some(before) = before {
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

    pub(super) fn start(&mut self, now: Monotonic, instance: &Instance, service: Service) -> Done {
        let container = Thing::new(ResourceKind::Container, service.container(instance));
        if !matches!(self.things.get(&container), Some(Standing::Ours { is_whole: true, .. })) {
            return Err(Failure::new(ErrorCode::ContainerStart, format!("{container} is not there")));
        }
        let ill = service.needs().iter().find(|needed| !self.is_healthy(now, instance, **needed));
        if let Some(ill) = ill {
            self.breaks_rule(format!("{service} of {instance} was started though {ill} is not healthy"));
        }
        self.dead.remove(&(instance.clone(), service));
        self.running.entry((instance.clone(), service)).or_insert(now);
        Ok(())
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
        Ok(if holds { Holding::Yes } else { Holding::NotYet("it starts".to_owned()) })
    }

    pub(super) fn check(&self, now: Monotonic, instance: &Instance, what: &str) -> Done {
        let ill = Service::of(instance).into_iter().find(|service| !self.is_healthy(now, instance, *service));
        match ill {
            Some(ill) if what != super::plan::PORTS_ARE_FREE => {
                Err(Failure::new(ErrorCode::VerifyConnectivity, format!("{ill} does not answer")))
            }
            _ => Ok(()),
        }
    }
}
