//! What deploying is in every world: the engine of `dive`, told what to do, over a machine that is called part by part.
//! Where operators' commands are processes: how they are started, and how it is seen what they do.
//!
//! | file | its one idea |
//! |---|---|
//! | `calls` | a call of the machine as data, so that it can be made from another process |
//! | `platform` | which part of the machine a call goes to, and what it means that the part can't be reached |
//! | `imposter` | what somebody else says in the place of a part of it |
//! | `parts` | what may stand in the place of the product's own parts |
//! | `stage` | what the processes of a run must know of each other; a run's time in all of them |
//! | `host` | a host: each order is a process of its own there |
//! | `client` | how these ask each other |
//! | `store`, `server` | what state is kept in: a file, or a server of the run's own |
//! | `witness`, `cursor` | what the database and the machine tell, in the order in which it happened; how far it was read |
//! | `triggers` | how a database tells what happens to it |
//! | `reading` | from what was witnessed to the timeline |

pub(super) mod calls;
pub(super) mod client;
mod cursor;
pub(super) mod host;
pub(super) mod imposter;
mod parts;
pub(super) mod platform;
pub(super) mod reading;
mod server;
pub(super) mod stage;
pub(super) mod store;
mod triggers;
pub(super) mod witness;

use std::time::Duration;

use dive_orchestrator::deploy::simulated::newer_secrets;
use dive_orchestrator::deploy::{
    Confirmed, Engine, Failure, Interrupted, Order as Starting, Report, Site, Tried,
};
use dive_orchestrator::pipeline::{Ask, Ending, Request};
use dive_orchestrator::ports::slot_of;
use dive_orchestrator::store::Store;
use dive_orchestrator::{
    BreakerState, DeploymentState, ErrorCode, Instance, OnFailure, Operation, Phase, Service, Slot,
};
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use tokio_util::sync::CancellationToken;

use crate::binding::deployment::orders::Command;
use crate::binding::deployment::topology::{
    FREE, NONE, UNKNOWN, error_signal, lock_signal, phase_signal, state_signal, watched,
};

pub use host::serve as serve_host;
pub use parts::{Around, Connect, DeploymentParts, Storing};
pub use server::{installed as installed_server, serve as serve_postgres};
pub use store::{SETTING as STORE_SETTING, SQLITE, stores};

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
        recorder.signal(Span::exactly(at), &error_signal(&instance), NONE);
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

/// Has a command carried out by `engine`, from its start to its end.
///
/// # Errors
/// [`Interrupted`], when it did not come to an end; refused is also what is no one command of `dive`.
pub(super) async fn run(
    engine: Engine,
    command: Command,
    instance: &Instance,
    parts: &DeploymentParts,
    stop: &CancellationToken,
) -> Result<Report, Interrupted> {
    let confirmed = |said: bool| Confirmed::said(said || parts.asks_nobody);
    match command {
        Command::Deploy => Box::pin(engine.deploy(instance, &Ask::Deploy.into(), stop)).await,
        Command::DeploySerially => {
            let engine = Engine { order: Starting::Serial, ..engine };
            Box::pin(engine.deploy(instance, &Ask::Deploy.into(), stop)).await
        }
        Command::Resume => Box::pin(engine.deploy(instance, &Ask::Resume.into(), stop)).await,
        Command::Rollback(to) => Box::pin(engine.rollback(instance, to, stop)).await,
        Command::Down => Box::pin(engine.down(instance, stop)).await,
        Command::Rotate => {
            let site = Site { instance: instance.clone(), slot: Slot::HUB };
            let existing = engine.platform.existing(&site).await.map_err(Interrupted::Refused)?;
            Box::pin(engine.rotate(instance, &newer_secrets(instance, &existing), stop)).await
        }
        Command::DeployKeeping => {
            let request = Request { on_failure: Some(OnFailure::Keep), ..Ask::Deploy.into() };
            Box::pin(engine.deploy(instance, &request, stop)).await
        }
        Command::Nuke => Box::pin(engine.remove(instance, true, confirmed(true)?, stop)).await,
        Command::NukeUnconfirmed => Box::pin(engine.remove(instance, true, confirmed(false)?, stop)).await,
        Command::Verify => verify(&engine, instance).await,
        Command::Ordeal | Command::Checkpoints | Command::Migrate(_) | Command::ByHand(_) => {
            let detail = "nobody is told such a thing here";
            Err(Interrupted::Refused(Failure::new(ErrorCode::Configuration, detail)))
        }
    }
}

/// What comes of trying what stands, told as VERIFICATION would.
async fn verify(engine: &Engine, instance: &Instance) -> Result<Report, Interrupted> {
    let slots = engine.store.slots().await?;
    let given = |code: &_| slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot);
    let is_unknown = engine.store.state(instance).await? == DeploymentState::Unknown;
    let Some(slot) = slot_of(instance, given).filter(|_| !is_unknown) else {
        let detail = format!("{instance} was never deployed");
        return Err(Interrupted::Refused(Failure::new(ErrorCode::InvalidState, detail)));
    };
    let site = Site { instance: instance.clone(), slot };
    let tried = engine.verify(&site).await.map_err(Interrupted::Refused)?;
    let ill = tried.into_iter().find_map(|Tried { what, why }| Some(format!("{what}: {}", why?)));
    let failure = ill.map(|ill| Failure::new(ErrorCode::VerifyHealth, ill));
    let ending =
        if failure.is_some() { Ending::Kept { failed: Phase::Verification } } else { Ending::Complete };
    Ok(Report { instance: instance.clone(), ending, failure, warnings: Vec::new(), took: Duration::ZERO })
}
