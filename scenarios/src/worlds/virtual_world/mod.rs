//! DIVE in the virtual world: the whole node inside the simulation, the stand-ins of what it depends on beside it.
//!
//! | file | its one idea |
//! |---|---|
//! | `runtime` | the system's clock and tasks are the simulation's |
//! | `services` | how each service boots, and what outlives its lives |
//! | `engine`, `keycloak`, `mongodb`, `redis`, `kas` | a dependency, called over a link |
//! | `files` | what a node reads from files elsewhere |
//! | `feed` | what happens inside, on its way to the timeline |
//! | `dive` | how the topology is asked and watched |
//! | `deployment` | another topology: operators at work, what they deploy onto |

mod deployment;
mod dive;
mod engine;
mod feed;
mod files;
mod kas;
mod keycloak;
mod mongodb;
mod redis;
mod runtime;
mod services;

use std::sync::Arc;
use std::time::Duration;

use dive_node::ports::{BreakerFactory, Ports};
use harness_core::recorder::Recorder;
use harness_core::runner;
use harness_core::world::{World as _, WorldError};
use harness_sim::{Latency, Links, Node, Sim, SimSettings, SimSystem, SimWorld};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::deployment::DeploymentParts;
use crate::binding::deployment::topology::DEPLOYMENT;
use crate::execute::{ExecuteError, Plan};
use deployment::VirtualDeployment;
use dive::VirtualDive;

/// Makes the breakers of one life of a node.
pub type Breakers = Arc<dyn Fn(&Node) -> BreakerFactory + Send + Sync>;
/// Puts something in the place of what a service is given of its world, or around it. Called with the service's
/// name in each of its lives, and that life.
pub type ChangePorts = Arc<dyn Fn(&'static str, &Node, &mut Ports) + Send + Sync>;

/// What stands in the place of the product's own parts: known defects, put back by tests.
#[derive(Clone, Default)]
pub struct Parts {
    /// In the place of the product's breaker.
    pub breakers: Option<Breakers>,
    /// In the place of adapters, or around them.
    pub ports: Option<ChangePorts>,
    /// In the place of what operators deploy with.
    pub deployment: DeploymentParts,
}

/// Runs a plan's scenario to its end. Nothing is left of it but what the recorder has.
///
/// # Errors
/// When a setting is wrong, the world can't do what the scenario asks, or the simulation itself fails.
pub fn run(plan: &Plan, recorder: &Recorder, parts: Parts) -> Result<(), ExecuteError> {
    run_until(plan, recorder, parts, std::future::pending())
}

/// The same; `interrupt`, woken from another thread, ends it early with a reason.
pub(super) fn run_until(
    plan: &Plan,
    recorder: &Recorder,
    parts: Parts,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    let mut sim = Sim::new(SimSettings::seeded(plan.seed));
    let handle = sim.handle();
    if plan.scenario.topology == DEPLOYMENT {
        let links = Links::with_latency(&handle, drawn(plan.seed));
        let system = VirtualDeployment::new(&handle, &links, parts.deployment);
        return run_in(&mut sim, &SimWorld::new(&handle, &links, system), plan, recorder, interrupt);
    }
    let links = Links::new(&handle);
    let system = VirtualDive::new(plan, &handle, &links, parts)?;
    run_in(&mut sim, &SimWorld::new(&handle, &links, system), plan, recorder, interrupt)
}

/// How far apart an operator and the machine are, by the seed: so a step of the scenario meets the operator at
/// another instant of its work in each.
fn drawn(seed: u64) -> Latency {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut way = || Duration::from_micros(chance.random_range(100..5_000));
    Latency { up: way(), down: way() }
}

fn run_in<S: SimSystem>(
    sim: &mut Sim,
    world: &SimWorld<S>,
    plan: &Plan,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    for fault in plan.scenario.faults.values() {
        world.supports(fault)?;
    }
    sim.run(runner::run(world, &plan.scenario, plan.seed, recorder, interrupt))
        .map_err(|error| WorldError::Failed(error.to_string()))?;
    Ok(())
}
