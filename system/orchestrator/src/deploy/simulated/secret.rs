//! The one secret of an instance: its identity provider takes it, and who works with that is made with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::deploy::Thing;
use crate::{Instance, ResourceKind, Service};

/// Whose secret it is. What it takes is kept with its database.
pub(super) const SERVER: Service = Service::Keycloak;

/// Who is made with it.
pub(super) fn is_used_by(service: Service) -> bool {
    matches!(service, SERVER | Service::Backend | Service::OpalServer | Service::Kas)
}

fn prefix(instance: &Instance) -> String {
    format!("{instance}/secrets/keycloak.")
}

/// The file of a version.
pub(super) fn file(instance: &Instance, version: u32) -> Thing {
    Thing::new(ResourceKind::File, format!("{}{version}", prefix(instance)))
}

/// The version that a thing is the file of.
pub(super) fn version(instance: &Instance, thing: &Thing) -> Option<u32> {
    thing.name.strip_prefix(&prefix(instance))?.parse().ok().filter(|_| thing.kind == ResourceKind::File)
}

/// The newer versions that a rotation makes of the secrets of `instance`, of which all this is there: where one is
/// under way already, what that makes.
pub fn newer_secrets(instance: &Instance, existing: &[Thing]) -> Vec<Thing> {
    let there: BTreeSet<u32> = existing.iter().filter_map(|thing| version(instance, thing)).collect();
    let newest = there.last().copied().unwrap_or(0);
    vec![file(instance, if there.len() > 1 { newest } else { newest + 1 })]
}

/// Which versions are taken, and which are worked with.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// What each identity provider takes; nothing before its first start.
    pub(super) taken: BTreeMap<Instance, BTreeSet<u32>>,
    /// With which each container was made.
    pub(super) made_with: BTreeMap<(Instance, Service), u32>,
}

impl Secrets {
    /// Why a service does not get in; it does when nothing was said of its secret yet.
    pub(super) fn shut_out(&self, instance: &Instance, service: Service, newest: u32) -> Option<String> {
        let taken = self.taken.get(instance).filter(|_| is_used_by(service))?;
        let shown = match service {
            SERVER => newest,
            _ => *self.made_with.get(&(instance.clone(), service))?,
        };
        let refused = format!("version {shown} of the secret of {instance} is refused to {service}");
        (!taken.contains(&shown)).then_some(refused)
    }

    /// Those who work with a version.
    pub(super) fn working_with(&self, instance: &Instance, version: u32) -> Vec<Service> {
        let of_it = self.made_with.iter().filter(|((of, _), with)| of == instance && **with == version);
        of_it.map(|((_, service), _)| *service).collect()
    }
}
