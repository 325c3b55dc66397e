//! The verbs that change a deployment: what they ask of the orchestrator's engine, and how it ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use dive_orchestrator::deploy::{Confirmed, Engine, Order, Site};
use dive_orchestrator::pipeline::{Ask, Request};
use dive_orchestrator::{DeploymentState, ErrorCode, Instance, OnFailure, Phase, Store, ports};
use dive_runtime::TokioRuntime;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use crate::args::{DeployOptions, Shown};
use crate::complaint::Complaint;
use crate::containers::DockerPlatform;
use crate::ended::{command, finish, not_deployed};
use crate::exit::Exit;
use crate::interrupt;
use crate::out::{self, out};
use crate::outcome::{Outcome, Told};
use crate::place::{Place, is_gone, myself};
use crate::progress::Progress;

/// How many resources are seeded unless told otherwise.
pub(crate) const RESOURCES: u32 = 5_000;

/// An engine over the containers of this machine.
pub(crate) fn engine(place: &Place, store: impl Store + 'static) -> Result<Engine, Complaint> {
    engine_for(place, store, RESOURCES, None)
}

/// The same, for a deployment that seeds this many resources and may be given a name.
fn engine_for(
    place: &Place,
    store: impl Store + 'static,
    resources: u32,
    name: Option<String>,
) -> Result<Engine, Complaint> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|error| Complaint::internal(error, "see that the machine gives chance"))?;
    let chance = std::sync::Mutex::new(StdRng::seed_from_u64(u64::from_le_bytes(seed)));
    let draw = move || chance.lock().map_or(0.5, |mut chance| chance.random());
    Ok(Engine {
        store: Arc::new(store),
        platform: Arc::new(DockerPlatform::new(&place.home()?, resources, name)?),
        runtime: Arc::new(TokioRuntime::new()),
        chance: Arc::new(draw),
        observer: Arc::new(|_: &dive_orchestrator::deploy::Event| {}),
        holder: myself(),
        gone: Arc::new(is_gone),
        order: Order::Parallel,
    })
}

/// The place of an instance on this machine; `None` for a spoke that never had one.
pub(crate) async fn site(store: &dyn Store, instance: &Instance) -> Result<Option<Site>, Complaint> {
    let slots = store.slots().await?;
    let given = |code: &_| slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot);
    let slot = ports::slot_of(instance, given);
    Ok(slot.map(|slot| Site { instance: instance.clone(), slot }))
}

/// What a deployment's options ask.
fn request(
    instance: &Instance,
    state: DeploymentState,
    options: &DeployOptions,
) -> Result<Request, Complaint> {
    let ask = match (options.resume, &options.from_phase, &options.only_phase) {
        (true, ..) => Ask::Resume,
        (_, Some(phase), _) => Ask::From(phase.parse()?),
        (_, _, Some(phase)) => Ask::Only(phase.parse()?),
        _ if state == DeploymentState::Complete => {
            return Err(Complaint::of(
                ErrorCode::InstanceConflict,
                format!("{instance} is deployed already"),
                format!(
                    "{} runs all phases again over what stands",
                    command(instance, " --from-phase preflight")
                ),
            )
            .about(instance));
        }
        _ => Ask::Deploy,
    };
    let skip =
        options.skip_phase.iter().map(|phase| phase.parse::<Phase>()).collect::<Result<BTreeSet<_>, _>>()?;
    let on_failure = match (options.keep, options.rollback) {
        (true, _) => Some(OnFailure::Keep),
        (_, true) => Some(OnFailure::RollBack),
        _ => None,
    };
    Ok(Request { ask, skip, on_failure })
}

/// `dive hub deploy`, `dive spoke deploy`.
pub(crate) async fn deploy(
    place: &Place,
    instance: &Instance,
    name: Option<String>,
    options: &DeployOptions,
) -> Result<Exit, Complaint> {
    // Before anything is made: what can't be asked for at all.
    request(instance, DeploymentState::Unknown, options)?;
    let store = place.store()?;
    store.migrate().await?;
    let request = request(instance, store.state(instance).await?, options)?;
    let mut engine = engine_for(place, store, options.resources, name)?;
    if options.serial {
        engine.order = Order::Serial;
    }
    let progress = Progress::begin(instance, options.shown);
    engine.observer = progress.observer();
    let stop = interrupt::listen()?;
    let ended = engine.deploy(instance, &request, &stop).await;
    progress.end();
    finish(instance, ended, options.shown)
}

/// `dive hub up`, `dive spoke up`: what was deployed is brought up again, and tried.
pub(crate) async fn up(place: &Place, instance: &Instance, shown: Shown) -> Result<Exit, Complaint> {
    bring_up(place, instance, shown, &interrupt::listen()?).await
}

async fn bring_up(
    place: &Place,
    instance: &Instance,
    shown: Shown,
    stop: &CancellationToken,
) -> Result<Exit, Complaint> {
    let (mut engine, _) = deployed(place, instance).await?;
    let progress = Progress::begin(instance, shown);
    engine.observer = progress.observer();
    let request = Request { on_failure: Some(OnFailure::Keep), ..Ask::From(Phase::Deployment).into() };
    let skip = BTreeSet::from([Phase::Seeding]);
    let ended = engine.deploy(instance, &Request { skip, ..request }, stop).await;
    progress.end();
    finish(instance, ended, shown)
}

/// `dive hub down`, `dive spoke down`: containers are stopped, and keep their data.
pub(crate) async fn down(place: &Place, instance: &Instance, shown: Shown) -> Result<Exit, Complaint> {
    take_down(place, instance, shown, &interrupt::listen()?).await
}

async fn take_down(
    place: &Place,
    instance: &Instance,
    shown: Shown,
    stop: &CancellationToken,
) -> Result<Exit, Complaint> {
    let (mut engine, _) = deployed(place, instance).await?;
    let progress = Progress::begin(instance, shown);
    engine.observer = progress.observer();
    let ended = engine.down(instance, stop).await;
    progress.end();
    finish(instance, ended, shown)
}

/// `dive hub restart`, `dive spoke restart`: taken down, then brought up and tried.
pub(crate) async fn restart(place: &Place, instance: &Instance, shown: Shown) -> Result<Exit, Complaint> {
    let stop = interrupt::listen()?;
    take_down(place, instance, shown, &stop).await?;
    bring_up(place, instance, shown, &stop).await
}

/// `dive orch-db rollback`.
pub(crate) async fn rollback(
    place: &Place,
    instance: &Instance,
    to: Option<Phase>,
    shown: Shown,
) -> Result<Exit, Complaint> {
    let (mut engine, _) = deployed(place, instance).await?;
    let progress = Progress::begin(instance, shown);
    engine.observer = progress.observer();
    let stop = interrupt::listen()?;
    let ended = engine.rollback(instance, to, &stop).await;
    progress.end();
    finish(instance, ended, shown)
}

/// `dive nuke`: spokes before their hub. A hub that spokes stand on is not removed alone.
pub(crate) async fn nuke(
    place: &Place,
    only: Option<Instance>,
    meant: Confirmed,
    shown: Shown,
) -> Result<Exit, Complaint> {
    let Some(store) = place.store_if_any().await? else { return nothing_deployed(only.as_ref(), shown) };
    let mut standing = Vec::new();
    for instance in store.instances().await? {
        if store.state(&instance).await? != DeploymentState::Unknown {
            standing.push(instance);
        }
    }
    let spokes: Vec<_> =
        standing.iter().filter(|instance| **instance != Instance::Hub).map(Instance::to_string).collect();
    match &only {
        Some(Instance::Hub) if !spokes.is_empty() => {
            return Err(Complaint::of(
                ErrorCode::InvalidState,
                format!("these stand on the hub: {}", spokes.join(", ")),
                "remove them first, or all: `dive nuke all --confirm`",
            )
            .about(&Instance::Hub));
        }
        Some(instance) if !standing.contains(instance) => return nothing_deployed(only.as_ref(), shown),
        _ => {}
    }
    // The hub comes first in their order, and goes last.
    let chosen: Vec<_> =
        standing.into_iter().rev().filter(|found| only.as_ref().is_none_or(|only| only == found)).collect();
    if chosen.is_empty() {
        return nothing_deployed(None, shown);
    }
    let mut engine = engine(place, store)?;
    let stop = interrupt::listen()?;
    for instance in chosen {
        let progress = Progress::begin(&instance, shown);
        engine.observer = progress.observer();
        let ended = engine.remove(&instance, true, meant, &stop).await;
        progress.end();
        finish(&instance, ended, shown)?;
    }
    Ok(Exit::Done)
}

fn nothing_deployed(instance: Option<&Instance>, shown: Shown) -> Result<Exit, Complaint> {
    if let Some(instance) = instance {
        return Err(not_deployed(instance));
    }
    if shown.json {
        out::json(&Told::nothing_to(Outcome::Removed))?;
    } else {
        out!("nothing is deployed")?;
    }
    Ok(Exit::Done)
}

/// An engine for something that was deployed, whole or in part, and its place.
pub(crate) async fn deployed(place: &Place, instance: &Instance) -> Result<(Engine, Site), Complaint> {
    let Some(store) = place.store_if_any().await? else { return Err(not_deployed(instance)) };
    if store.state(instance).await? == DeploymentState::Unknown {
        return Err(not_deployed(instance));
    }
    let site = site(&store, instance).await?.ok_or_else(|| not_deployed(instance))?;
    Ok((engine(place, store)?, site))
}
