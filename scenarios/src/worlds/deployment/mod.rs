//! What deploying is in every world: the engine of `dive`, told what to do, over a machine that is called part by part.
//! Where operators' commands are processes: how they are started, and how it is seen what they do.
//!
//! | file | its one idea |
//! |---|---|
//! | `calls` | a call of the machine as data, so that it can be made from another process |
//! | `platform` | which part of the machine a call goes to, and what it means that the part can't be reached |
//! | `parts` | what may stand in the place of the product's own parts |
//! | `stage` | what the processes of a run must know of each other; a run's time in all of them |
//! | `host` | a host: each order is a process of its own there |
//! | `client` | how these ask each other |
//! | `witness` | what the database and the machine tell, in the order in which it happened |
//! | `reading` | from what was witnessed to the timeline |

pub(super) mod calls;
pub(super) mod client;
pub(super) mod host;
mod parts;
pub(super) mod platform;
pub(super) mod reading;
pub(super) mod stage;
pub(super) mod witness;

use std::time::Duration;

use dive_orchestrator::deploy::{Engine, Interrupted, Order as Starting, Report};
use dive_orchestrator::pipeline::Ask;
use dive_orchestrator::store::Store;
use dive_orchestrator::{BreakerState, DeploymentState, Instance, Operation, Service};
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use tokio_util::sync::CancellationToken;

use crate::binding::deployment::orders::Command;
use crate::binding::deployment::topology::{
    FREE, NONE, UNKNOWN, lock_signal, phase_signal, state_signal, watched,
};

pub use host::serve as serve_host;
pub use parts::{Around, Connect, DeploymentParts, Storing};

/// Who somebody's process on a host is, as evidence names it.
pub(super) fn process(host: &str, pid: u32) -> String {
    format!("{host}#{pid}")
}

/// At first nothing is deployed, and nobody is at work.
pub(super) fn nothing_yet(recorder: &Recorder, at: At) {
    for instance in watched() {
        recorder.signal(Span::exactly(at), &state_signal(&instance), DeploymentState::Unknown.as_str());
        recorder.signal(Span::exactly(at), &phase_signal(&instance), NONE);
        recorder.signal(Span::exactly(at), &lock_signal(&instance), FREE);
    }
}

/// About what a container takes until it is healthy, on a machine that does nothing else.
pub(super) fn usual_start(service: Service) -> Duration {
    Duration::from_secs(match service {
        Service::Keycloak => 12,
        Service::Mongodb | Service::Backend => 5,
        Service::Postgres | Service::OpalServer | Service::OpalClient => 4,
        Service::Redis | Service::BlacklistRedis | Service::Opa => 2,
        Service::Kas | Service::Frontend => 3,
    })
}

/// Where the breaker that all operators share for Keycloak stands, in the words of its signal.
pub(super) async fn keycloak_breaker(store: &dyn Store) -> &'static str {
    let rows = store.breakers().await.unwrap_or_default();
    match rows.iter().find(|row| row.operation == Operation::Keycloak).map(|row| row.state) {
        Some(BreakerState::Closed) => "CLOSED",
        Some(BreakerState::Open { .. }) => "OPEN",
        Some(BreakerState::HalfOpen { .. }) => "HALF_OPEN",
        None => UNKNOWN,
    }
}

/// Has a command carried out by `engine`, from its start to its end. An ordeal is many commands, and none of these.
pub(super) async fn run(
    engine: Engine,
    command: Command,
    instance: &Instance,
    stop: &CancellationToken,
) -> Result<Report, Interrupted> {
    match command {
        Command::Deploy => Box::pin(engine.deploy(instance, &Ask::Deploy.into(), stop)).await,
        Command::DeploySerially => {
            let engine = Engine { order: Starting::Serial, ..engine };
            Box::pin(engine.deploy(instance, &Ask::Deploy.into(), stop)).await
        }
        Command::Resume => Box::pin(engine.deploy(instance, &Ask::Resume.into(), stop)).await,
        Command::Rollback(to) => Box::pin(engine.rollback(instance, to, stop)).await,
        Command::Down => Box::pin(engine.down(instance, stop)).await,
        Command::Nuke | Command::Ordeal => Box::pin(engine.remove(instance, true, stop)).await,
    }
}
