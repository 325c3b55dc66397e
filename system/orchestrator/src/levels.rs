//! In which order services are started: by levels of what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::time::Duration;

use crate::{Instance, Service};

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrder<T: Ord + Display> {
    /// They wait for each other.
    #[error("a dependency cycle: {0}")]
    Cycle(Cycle<T>),
    /// Something needed is not among them.
    #[error("{of} needs {needed}, which is not part of this instance")]
    Missing {
        /// Who needs it.
        of: T,
        /// What is not there.
        needed: T,
    },
}

/// Things each of which needs the next, and the last the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle<T>(pub Vec<T>);

impl<T: Display> Display for Cycle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for thing in &self.0 {
            write!(f, "{thing} → ")?;
        }
        self.0.first().map_or(Ok(()), |first| write!(f, "{first}"))
    }
}

/// Sorts `things` into levels: each is one level above the highest of what it needs, so that all of a level
/// can be started at once when the levels before it are up.
///
/// # Errors
/// [`NoOrder`] with the cycle, or with what is missing.
pub fn levels<T: Ord + Clone + Display>(
    things: &BTreeSet<T>,
    needs: impl Fn(&T) -> Vec<T>,
) -> Result<Vec<Vec<T>>, NoOrder<T>> {
    let needs: BTreeMap<&T, Vec<T>> = things.iter().map(|thing| (thing, needs(thing))).collect();
    for (of, needed) in &needs {
        if let Some(needed) = needed.iter().find(|needed| !things.contains(needed)) {
            return Err(NoOrder::Missing { of: (*of).clone(), needed: needed.clone() });
        }
    }
    let mut placed: BTreeSet<&T> = BTreeSet::new();
    let mut levels = Vec::new();
    while placed.len() < things.len() {
        let ready = |thing: &&T| !placed.contains(thing) && needs[thing].iter().all(|n| placed.contains(n));
        let level: Vec<&T> = things.iter().filter(ready).collect();
        if level.is_empty() {
            return Err(NoOrder::Cycle(cycle(things, &needs, &placed)));
        }
        placed.extend(&level);
        levels.push(level.into_iter().cloned().collect());
    }
    Ok(levels)
}

/// A cycle among what could not be placed: each such thing needs another, so following them must come back.
fn cycle<T: Ord + Clone>(
    things: &BTreeSet<T>,
    needs: &BTreeMap<&T, Vec<T>>,
    placed: &BTreeSet<&T>,
) -> Cycle<T> {
    let mut path: Vec<T> = things.iter().find(|thing| !placed.contains(thing)).cloned().into_iter().collect();
    while let Some(next) =
        path.last().and_then(|last| needs[last].iter().find(|needed| !placed.contains(needed)))
    {
        if let Some(start) = path.iter().position(|thing| thing == next) {
            return Cycle(path.split_off(start));
        }
        path.push(next.clone());
    }
    Cycle(path)
}

/// The levels of an instance's services, by their own table.
pub fn of_instance(instance: &Instance) -> Vec<Vec<Service>> {
    let services = Service::of(instance).into_iter().collect();
    levels(&services, |service| service.needs().to_vec()).expect("the table of services has an order")
}

/// How long a whole instance may take to come up: the slowest of each level, one level after the other.
pub fn deployment_timeout(levels: &[Vec<Service>]) -> Duration {
    levels.iter().filter_map(|level| level.iter().map(|service| service.start_timeout()).max()).sum()
}

/// What to do next when bringing levels up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Start these, at once.
    Start(Vec<T>),
    /// Wait for what was started.
    Wait,
    /// Stop: these failed. Nothing of a later level is started.
    Stop(Vec<T>),
    /// All are healthy.
    Done,
}

/// Decides what to do next, from what was `started`, is `healthy` and has `failed`.
///
/// # Rules
/// - Services of one level start together.
/// - A level starts only when every service of every level before it is healthy; started is not healthy.
/// - Once one failed nothing more is started.
pub fn next<T: Ord + Clone>(
    levels: &[Vec<T>],
    started: &BTreeSet<T>,
    healthy: &BTreeSet<T>,
    failed: &BTreeSet<T>,
) -> Next<T> {
    if !failed.is_empty() {
        return Next::Stop(failed.iter().cloned().collect());
    }
    let Some(level) = levels.iter().find(|level| !level.iter().all(|thing| healthy.contains(thing))) else {
        return Next::Done;
    };
    let due: Vec<T> = level.iter().filter(|thing| !started.contains(thing)).cloned().collect();
    if due.is_empty() { Next::Wait } else { Next::Start(due) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{TestCaseResult, TestRunner};

    use super::*;

    type Graph = BTreeMap<u8, BTreeSet<u8>>;

    fn graph() -> impl Strategy<Value = Graph> {
        let edges = prop::collection::btree_set(0u8..8, 0..3);
        prop::collection::vec(edges, 8).prop_map(|edges| (0u8..8).zip(edges).collect())
    }

    fn order(graph: &Graph) -> Result<Vec<Vec<u8>>, NoOrder<u8>> {
        levels(&graph.keys().copied().collect(), |thing| graph[thing].iter().copied().collect())
    }

    fn level_of(levels: &[Vec<u8>], thing: u8) -> usize {
        levels.iter().position(|level| level.contains(&thing)).unwrap()
    }

    proptest! {
        #[test]
        fn each_is_one_level_above_the_highest_it_needs_or_a_true_cycle_is_named(graph in graph()) {
            match order(&graph) {
                Ok(levels) => {
                    prop_assert_eq!(levels.concat().len(), graph.len());
                    for (thing, needs) in &graph {
                        let expected = needs.iter().map(|n| level_of(&levels, *n) + 1).max().unwrap_or(0);
                        prop_assert_eq!(level_of(&levels, *thing), expected);
                    }
                }
                Err(NoOrder::Cycle(Cycle(cycle))) => {
                    prop_assert!(!cycle.is_empty());
                    for (index, thing) in cycle.iter().enumerate() {
                        prop_assert!(graph[thing].contains(&cycle[(index + 1) % cycle.len()]));
                    }
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn a_level_starts_only_when_all_before_it_is_healthy_and_nothing_after_a_failure(
            (graph, chances) in (graph(), chances())
        ) {
            keeps_the_rules(next, graph, chances)?;
        }
    }

    type Step = fn(&[Vec<u8>], &BTreeSet<u8>, &BTreeSet<u8>, &BTreeSet<u8>) -> Next<u8>;
    type Chances = Vec<(prop::sample::Index, u8)>;

    /// Which of those waited for is heard of next, and how it went: 0 is a failure.
    fn chances() -> impl Strategy<Value = Chances> {
        prop::collection::vec((any::<prop::sample::Index>(), 0u8..10), 0..60)
    }

    /// Brings everything up as `next` says.
    fn keeps_the_rules(next: Step, mut graph: Graph, chances: Chances) -> TestCaseResult {
        for (thing, needs) in &mut graph {
            needs.retain(|needed| needed < thing);
        }
        let levels = order(&graph).unwrap();
        let (mut started, mut healthy, mut failed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, chance) in chances {
            match next(&levels, &started, &healthy, &failed) {
                Next::Start(due) => {
                    prop_assert!(failed.is_empty(), "started after a failure");
                    for thing in due {
                        prop_assert!(graph[&thing].iter().all(|needed| healthy.contains(needed)));
                        let below = &levels[..level_of(&levels, thing)];
                        let up = below.iter().flatten().all(|t| healthy.contains(t));
                        prop_assert!(up, "started before the level below was healthy");
                        prop_assert!(started.insert(thing), "started once");
                    }
                }
                Next::Done => prop_assert_eq!(healthy.len(), graph.len()),
                Next::Stop(which) => prop_assert_eq!(which, failed.iter().copied().collect::<Vec<u8>>()),
                Next::Wait => {
                    let waiting: Vec<u8> = started.difference(&healthy).copied().collect();
                    prop_assert!(!waiting.is_empty(), "it waits for something");
                    let thing = waiting[index.index(waiting.len())];
                    if chance == 0 {
                        failed.insert(thing);
                    } else {
                        healthy.insert(thing);
                    }
                }
            }
        }
        Ok(())
    }

    /// Why the property does not hold of this `next`.
    fn broken(next: Step) -> String {
        let broken = TestRunner::deterministic()
            .run(&(graph(), chances()), |(graph, chances)| keeps_the_rules(next, graph, chances));
        broken.expect_err("the property sees it").to_string()
    }

    #[test]
    fn going_on_to_the_next_level_though_the_last_failed_is_seen() {
        let faulty: Step =
            |levels, started, healthy, failed| next(levels, started, &(healthy | failed), &BTreeSet::new());
        let why = broken(faulty);
        assert!(why.contains("started after a failure"), "{why}");
    }

    #[test]
    fn taking_started_for_healthy_is_seen() {
        broken(|levels, started, _, failed| next(levels, started, started, failed));
    }

    #[test]
    fn the_services_levels_are_as_published() {
        use Service::{
            Backend, BlacklistRedis, Frontend, Kas, Keycloak, Mongodb, Opa, OpalClient, OpalServer, Postgres,
            Redis,
        };
        let hub = of_instance(&Instance::Hub);
        assert_eq!(hub[0], [Postgres, Mongodb, Redis, Opa, BlacklistRedis]);
        assert_eq!(hub[1..], [vec![Keycloak], vec![Backend, OpalServer], vec![Kas, Frontend, OpalClient]]);
        let spoke = of_instance(&Instance::Spoke("fra".parse().unwrap()));
        assert_eq!(spoke[0], [Postgres, Mongodb, Redis, Opa]);
        assert_eq!(spoke[1..], [vec![Keycloak], vec![Backend], vec![Kas, Frontend, OpalClient]]);
        assert_eq!(deployment_timeout(&hub), Duration::from_secs(90 + 240 + 120 + 90));
    }

    #[test]
    fn a_cycle_is_written_so_that_it_can_be_followed() {
        let graph: Graph = [(1, [2].into()), (2, [3].into()), (3, [2].into())].into();
        assert_eq!(order(&graph).unwrap_err().to_string(), "a dependency cycle: 2 → 3 → 2");
        let alone: Graph = [(1, [9].into())].into();
        assert_eq!(order(&alone), Err(NoOrder::Missing { of: 1, needed: 9 }));
    }
}
