//! What counts as deployed is there.

use std::collections::BTreeSet;

use dive_orchestrator::deploy::Thing;
use dive_orchestrator::{DeploymentState, Instance, ResourceKind, Service};
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::all_facts;
use crate::binding::deployment::deeds::{GONE, LACKING, MADE, STATE};

/// A deployment is COMPLETE only with a container for each of its services: however often it was cut short, undone
/// or resumed before, no phase counts as finished whose work is gone. What the machine says that deployments have not
/// at all is not missed.
pub struct Whole;

impl Invariant for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn about(&self) -> &'static str {
        "what is COMPLETE has a container for each of its services"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let (mut there, mut lacking, mut completed) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (about, fact) in all_facts(history) {
            let of = (fact.get("instance"), fact.get("thing"));
            match about {
                MADE => {
                    there.insert(of);
                }
                GONE => {
                    there.remove(&of);
                }
                LACKING => {
                    lacking.insert(fact.get("service"));
                }
                STATE if fact.get("to") == DeploymentState::Complete.as_str() => {
                    completed += 1;
                    let Ok(instance) = of.0.parse::<Instance>() else {
                        return Ruling::violated(format!("`{}` is COMPLETE, and no instance", of.0), fact.at);
                    };
                    let services = Service::of(&instance).into_iter();
                    let containers =
                        services.filter(|service| !lacking.contains(service.as_str())).map(|service| {
                            Thing::new(ResourceKind::Container, service.container(&instance)).to_string()
                        });
                    let missing: Vec<String> =
                        containers.filter(|container| !there.contains(&(of.0, container.as_str()))).collect();
                    if !missing.is_empty() {
                        let why = format!("{instance} was COMPLETE without {}", missing.join(", "));
                        return Ruling::violated(why, fact.at);
                    }
                }
                _ => {}
            }
        }
        Ruling::held(format!("{completed} times COMPLETE, each with all of its containers"))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history};
    use super::*;

    fn deed(about: &str, instance: &Instance, service: Service) -> harness_core::event::What {
        let thing = Thing::new(ResourceKind::Container, service.container(instance)).to_string();
        fact("docker", about, &[("instance", &instance.to_string()), ("thing", &thing)])
    }

    fn verdict(made: &[(&str, Instance, Service)], completed: &Instance) -> Verdict {
        let deeds = made.iter().map(|(about, instance, service)| deed(about, instance, *service));
        let complete = fact("postgres", STATE, &[("instance", &completed.to_string()), ("to", "COMPLETE")]);
        let events = deeds.chain([complete]).zip(1..).map(|(what, second)| (at(second), what));
        Whole.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    fn all_of(instance: &Instance) -> Vec<(&'static str, Instance, Service)> {
        Service::of(instance).into_iter().map(|service| (MADE, instance.clone(), service)).collect()
    }

    #[test]
    fn complete_with_all_of_its_containers_holds() {
        let spoke: Instance = "spoke-fra".parse().unwrap();
        for instance in [Instance::Hub, spoke] {
            assert_eq!(verdict(&all_of(&instance), &instance), Verdict::Held);
            let mut again = all_of(&instance);
            again.extend([(GONE, instance.clone(), Service::Kas), (MADE, instance.clone(), Service::Kas)]);
            assert_eq!(verdict(&again, &instance), Verdict::Held);
        }
    }

    #[test]
    fn what_deployments_have_not_at_all_is_not_missed() {
        let lacking = fact("docker", LACKING, &[("service", "opal-client")]);
        let hub = Instance::Hub;
        let others = all_of(&hub).into_iter().filter(|(.., service)| *service != Service::OpalClient);
        let complete = fact("postgres", STATE, &[("instance", "hub"), ("to", "COMPLETE")]);
        let made: Vec<_> = others.map(|(about, of, service)| deed(about, &of, service)).collect();
        let judged = |first: Vec<harness_core::event::What>| {
            let events = [first, made.clone(), vec![complete.clone()]].concat();
            let events = events.into_iter().zip(1..).map(|(what, second)| (at(second), what));
            Whole.judge(&Scenario::named("a/b"), &history(events)).verdict
        };
        assert_eq!(judged(vec![lacking]), Verdict::Held);
        assert_eq!(judged(Vec::new()), Verdict::Violated);
    }

    #[test]
    fn a_container_that_is_missing_gone_or_a_neighbours_is_seen() {
        let spoke: Instance = "spoke-fra".parse().unwrap();
        for instance in [Instance::Hub, spoke.clone()] {
            for missing in Service::of(&instance) {
                let mut made = all_of(&instance);
                made.retain(|(_, _, service)| *service != missing);
                assert_eq!(verdict(&made, &instance), Verdict::Violated, "without {missing}");
                made.push((MADE, instance.clone(), missing));
                made.push((GONE, instance.clone(), missing));
                assert_eq!(verdict(&made, &instance), Verdict::Violated, "{missing} is gone");
            }
        }
        assert_eq!(verdict(&all_of(&spoke), &Instance::Hub), Verdict::Violated);
    }
}
