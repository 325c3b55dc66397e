//! What stands on something is started after it: held against what the engine tells.

use std::collections::BTreeSet;

use dive_orchestrator::{Instance, Service};
use harness_docker::changes::Became;

use super::timeline::LACKING;

/// Their images have no shell to run a check of their own with: the engine takes them to be healthy once they run.
const UNCHECKED: [Service; 3] = [Service::Opa, Service::Backend, Service::Kas];

/// Which services the engine found healthy since they were started.
#[derive(Default)]
pub(super) struct Levels {
    healthy: BTreeSet<(Instance, Service)>,
}

impl Levels {
    /// Something became of a service's container. Says what was not in order about it.
    pub(super) fn see(&mut self, instance: &Instance, service: Service, became: Became) -> Option<String> {
        let of = (instance.clone(), service);
        match became {
            Became::Started => {
                if UNCHECKED.contains(&service) {
                    self.healthy.insert(of);
                }
                let is_ill = |needed: &&Service| {
                    !LACKING.contains(needed) && !self.healthy.contains(&(instance.clone(), **needed))
                };
                let ill = service.needs().iter().find(is_ill)?;
                return Some(format!("{service} of {instance} was started though {ill} is not healthy"));
            }
            Became::Healthy => _ = self.healthy.insert(of),
            Became::Ended | Became::Gone => _ = self.healthy.remove(&of),
            Became::Made => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STARTED: [Service; 8] = [
        Service::Postgres,
        Service::Mongodb,
        Service::Redis,
        Service::BlacklistRedis,
        Service::Opa,
        Service::Keycloak,
        Service::Backend,
        Service::Kas,
    ];

    fn up(levels: &mut Levels, instance: &Instance, service: Service) -> Option<String> {
        let broken = levels.see(instance, service, Became::Started);
        levels.see(instance, service, Became::Healthy);
        broken
    }

    proptest! {
        /// In any order: what is started is in order if and only if all it needs were up before it.
        #[test]
        fn a_start_is_in_order_once_what_it_needs_is_healthy(order in Just(STARTED.to_vec()).prop_shuffle()) {
            let mut levels = Levels::default();
            for (position, service) in order.iter().enumerate() {
                let before = &order[..position];
                let is_in_order = service.needs().iter().all(|needed| before.contains(needed));
                prop_assert_eq!(up(&mut levels, &Instance::Hub, *service).is_none(), is_in_order, "{}", service);
            }
        }
    }

    #[test]
    fn what_ended_is_a_neighbours_or_has_not_passed_its_check_is_not_healthy() {
        let (hub, fra) = (Instance::Hub, "spoke-fra".parse().unwrap());
        let mut levels = Levels::default();
        levels.see(&hub, Service::Postgres, Became::Started);
        let broken = "keycloak of hub was started though postgres is not healthy".to_owned();
        assert_eq!(
            levels.see(&hub, Service::Keycloak, Became::Started),
            Some(broken),
            "its check has to pass"
        );
        for ended in [Became::Ended, Became::Gone] {
            levels.see(&hub, Service::Postgres, Became::Healthy);
            assert_eq!(levels.see(&hub, Service::Keycloak, Became::Started), None);
            assert!(levels.see(&fra, Service::Keycloak, Became::Started).is_some(), "not its own");
            levels.see(&hub, Service::Postgres, ended);
            assert!(levels.see(&hub, Service::Keycloak, Became::Started).is_some(), "{ended:?}");
        }
    }
}
