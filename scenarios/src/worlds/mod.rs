//! DIVE in each of the worlds: what its services are there, how it is asked and watched.

pub mod deployment;
pub mod docker;
pub mod local;
pub mod virtual_world;

mod certificates;
mod real;
mod seed;
mod settings;
mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::At;
use harness_core::world::{WorldError, WorldKind};

use crate::binding::topology::Shape;
use crate::execute::{ExecuteError, Plan};

/// How a note begins that tells where a service listens: then come its name and a URL.
pub(crate) const LISTENS: &str = "listens: ";

/// How a note begins that tells in which file the authority is that vouches for the services.
pub(crate) const TRUSTED: &str = "trusted: ";

/// Notes where the services can be reached that people and their programs call.
fn tell_where(
    shape: Shape,
    authority: &Path,
    recorder: &Recorder,
    now: At,
    address: impl Fn(&str) -> Result<SocketAddr, WorldError>,
) {
    let text = format!("{TRUSTED}{}", authority.display());
    recorder.record_at(now, What::Note { text });
    for service in shape.called() {
        if let Ok(address) = address(service) {
            let text = format!("{LISTENS}{service} {}://{address}", certificates::scheme(service));
            recorder.record_at(now, What::Note { text });
        }
    }
}

/// The topology of a plan.
fn shape_of(plan: &Plan) -> Result<Shape, WorldError> {
    let name = &plan.scenario.topology;
    Shape::named(name).ok_or_else(|| WorldError::Failed(format!("there is no topology `{name}`")))
}

/// Makes the world of a plan and runs its scenario there.
pub(crate) fn run(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    match plan.world {
        WorldKind::Virtual => {
            virtual_world::run_until(plan, recorder, virtual_world::Parts::default(), interrupt)
        }
        WorldKind::Local => local::run(plan, folder, recorder, interrupt),
        WorldKind::Docker => docker::run(plan, folder, recorder, interrupt),
    }
}

#[cfg(test)]
mod tests {
    use dive_orchestrator::ports::{Endpoint, OF_THE_HOST, Slot};

    /// A deployment may stand on the machine on which a run of another world is.
    #[test]
    fn no_world_chooses_from_the_ports_of_deployments() {
        let slots = (0..=Slot::LAST.offset()).filter_map(|offset| Slot::try_from(offset).ok());
        let all = slots.flat_map(|slot| Endpoint::ALL.map(|endpoint| slot.port(endpoint)));
        for port in all.chain(OF_THE_HOST) {
            assert!(!harness_local::ports::RANGE.contains(&port), "{port} may be a local world's");
            assert!(port < harness_docker::ports::LOWEST, "{port} may be a docker world's");
        }
    }
}
