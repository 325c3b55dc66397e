//! What a deployment consists of on the simulated machine: of each kind something.

use super::certificate;
use crate::deploy::{Action, Site, Step, Thing};
use crate::{Instance, NETWORK, Operation, Phase, ResourceKind, Service};

pub(super) const CERTIFICATES_ARE_GOOD: &str = "the certificates are good";
pub(super) const PORTS_ARE_FREE: &str = "the ports are free";

fn make(operation: Operation, kind: ResourceKind, name: String) -> Step {
    Step { operation, action: Action::Make(Thing::new(kind, name)) }
}

fn check(operation: Operation, what: &str) -> Step {
    Step { operation, action: Action::Check(what.to_owned()) }
}

/// `secrets` are the files of secrets.
pub(super) fn steps(site: &Site, phase: Phase, secrets: Vec<Thing>) -> Vec<Step> {
    use Operation as O;
    use ResourceKind as K;
    let instance = &site.instance;
    match phase {
        Phase::Preflight => vec![check(O::Containers, PORTS_ARE_FREE)],
        Phase::Initialization => {
            let secret = |thing: Thing| make(O::Secret, thing.kind, thing.name);
            let config = make(O::Documents, K::File, format!("{instance}/config.toml"));
            let certificate = make(O::Documents, K::File, certificate::file(instance).name);
            [config].into_iter().chain(secrets.into_iter().map(secret)).chain([certificate]).collect()
        }
        Phase::Deployment => vec![
            check(O::Documents, CERTIFICATES_ARE_GOOD),
            make(O::Containers, K::Network, NETWORK.to_owned()),
        ],
        Phase::Configuration => {
            let mut steps = vec![
                make(O::Keycloak, K::RealmObject, format!("{instance}/realm")),
                make(O::Policy, K::File, format!("{instance}/policy-token")),
            ];
            if *instance != Instance::Hub {
                steps.push(make(O::Federation, K::Document, format!("federation_spokes/{instance}")));
            }
            steps
        }
        Phase::Seeding => vec![
            make(O::Documents, K::Document, format!("{instance}/resources")),
            make(O::Keycloak, K::RealmObject, format!("{instance}/users")),
        ],
        Phase::Verification => {
            vec![check(O::Verification, "a user logs in"), check(O::Verification, "a decision is made")]
        }
    }
}

/// Where a service keeps its data.
pub(super) fn data(instance: &Instance, service: Service) -> Thing {
    Thing::new(ResourceKind::Volume, format!("{}-data", service.container(instance)))
}

pub(super) fn parts(site: &Site, service: Service) -> Vec<Thing> {
    let container = service.container(&site.instance);
    let mut parts = Vec::new();
    if matches!(service, Service::Postgres | Service::Mongodb) {
        parts.push(data(&site.instance, service));
    }
    parts.push(Thing::new(ResourceKind::Container, container));
    parts
}
