//! The verbs that change a deployment: what they ask of the orchestrator's engine, and how it ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use dive_orchestrator::deploy::{Engine, Interrupted, Order, Report, Site};
use dive_orchestrator::pipeline::{Ask, Ending, Request};
use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance, OnFailure, Phase, Store as _, ports};
use dive_runtime::TokioRuntime;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::args::{DeployOptions, Shown};
use crate::complaint::Complaint;
use crate::containers::DockerPlatform;
use crate::exit::Exit;
use crate::interrupt;
use crate::moment::span;
use crate::out::{self, out};
use crate::place::{Place, myself};
use crate::progress::Progress;

/// How many resources are seeded unless told otherwise.
pub(crate) const RESOURCES: u32 = 5_000;

/// An engine over the containers of this machine.
pub(crate) fn engine(place: &Place, store: SqlStore) -> Result<Engine, Complaint> {
    engine_for(place, store, RESOURCES, None)
}

/// The same, for a deployment that seeds this many resources and may be given a name.
fn engine_for(
    place: &Place,
    store: SqlStore,
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
        order: Order::Parallel,
    })
}

/// The place of an instance on this machine; `None` for a spoke that never had one.
pub(crate) async fn site(
    store: &dyn dive_orchestrator::Store,
    instance: &Instance,
) -> Result<Option<Site>, Complaint> {
    let slots = store.slots().await?;
    let given = |code: &_| slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot);
    let slot = ports::slot_of(instance, given);
    Ok(slot.map(|slot| Site { instance: instance.clone(), slot }))
}

/// The command that deploys an instance.
pub(crate) fn command(instance: &Instance, more: &str) -> String {
    let words = match instance {
        Instance::Hub => "dive hub deploy".to_owned(),
        Instance::Spoke(code) => format!("dive spoke deploy {code}"),
    };
    format!("`{words}{more}`")
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
            ));
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
pub(crate) async fn nuke(place: &Place, only: Option<Instance>, shown: Shown) -> Result<Exit, Complaint> {
    let Some(store) = place.store_if_any()? else { return nothing_deployed(only.as_ref()) };
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
            ));
        }
        Some(instance) if !standing.contains(instance) => return nothing_deployed(only.as_ref()),
        _ => {}
    }
    // The hub comes first in their order, and goes last.
    let chosen: Vec<_> =
        standing.into_iter().rev().filter(|found| only.as_ref().is_none_or(|only| only == found)).collect();
    if chosen.is_empty() {
        return nothing_deployed(None);
    }
    let mut engine = engine(place, store)?;
    let stop = interrupt::listen()?;
    for instance in chosen {
        let progress = Progress::begin(&instance, shown);
        engine.observer = progress.observer();
        let ended = engine.remove(&instance, true, &stop).await;
        progress.end();
        finish(&instance, ended, shown)?;
    }
    Ok(Exit::Done)
}

fn nothing_deployed(instance: Option<&Instance>) -> Result<Exit, Complaint> {
    if let Some(instance) = instance {
        return Err(not_deployed(instance));
    }
    out!("nothing is deployed")?;
    Ok(Exit::Done)
}

pub(crate) fn not_deployed(instance: &Instance) -> Complaint {
    Complaint::of(
        ErrorCode::InvalidState,
        format!("{instance} is not deployed"),
        "`dive status` shows what is",
    )
}

/// An engine for something that was deployed, whole or in part, and its place.
pub(crate) async fn deployed(place: &Place, instance: &Instance) -> Result<(Engine, Site), Complaint> {
    let Some(store) = place.store_if_any()? else { return Err(not_deployed(instance)) };
    if store.state(instance).await? == DeploymentState::Unknown {
        return Err(not_deployed(instance));
    }
    let site = site(&store, instance).await?.ok_or_else(|| not_deployed(instance))?;
    Ok((engine(place, store)?, site))
}

/// Says how a run ended.
fn finish(instance: &Instance, ended: Result<Report, Interrupted>, shown: Shown) -> Result<Exit, Complaint> {
    let report = ended.map_err(|interrupted| interruption(instance, interrupted))?;
    if !report.is_success() {
        return Err(failure(&report));
    }
    let what = match report.ending {
        Ending::Complete => "COMPLETE",
        Ending::Removed => "removed",
        Ending::RolledBack { .. } => "rolled back",
        _ => "stopped",
    };
    if shown.json {
        let warnings: Vec<_> = report.warnings.iter().map(|(subject, met)| {
            json!({"subject": subject.to_string(), "code": met.code, "message": met.detail})
        }).collect();
        let took = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
        out::json(
            &json!({"event": "result", "instance": instance, "ending": what, "tookMs": took, "warnings": warnings}),
        )?;
    } else {
        for (subject, met) in &report.warnings {
            out::note(format_args!("warning {}: without {subject}: {}", met.code, met.detail));
        }
        out!("{instance}: {what} after {}", span(report.took))?;
    }
    Ok(Exit::Done)
}

/// What to do against an error of this code.
fn help(code: ErrorCode, instance: &Instance) -> String {
    match code {
        ErrorCode::ContainerStart
        | ErrorCode::ContainerUnhealthy
        | ErrorCode::ContainerTimeout
        | ErrorCode::GroupStart
        | ErrorCode::VerifyHealth => match instance {
            Instance::Hub => "read its log: `dive hub logs <service>`".to_owned(),
            Instance::Spoke(code) => format!("read its log: `dive spoke logs <service> --instance {code}`"),
        },
        code => code.next_step().to_owned(),
    }
}

fn failure(report: &Report) -> Complaint {
    let instance = &report.instance;
    let code = report.failure.as_ref().map_or(ErrorCode::Unknown, |failure| failure.code);
    let detail = report.failure.as_ref().map_or("it failed", |failure| failure.detail.as_str());
    let help = help(code, instance);
    let (what, next) = match report.ending {
        Ending::Kept { failed } => (
            format!("{instance}: {failed} failed: {detail}"),
            format!(
                "{help}; what was made is kept: {} goes on, `dive orch-db rollback {instance}` undoes it",
                command(instance, " --resume")
            ),
        ),
        Ending::Undone { failed } => (
            format!("{instance}: {failed} failed: {detail}"),
            format!("{help}; what was made is removed: deploy it again"),
        ),
        // That is what its help says.
        _ if code == ErrorCode::RollbackFailed => (format!("{instance}: {detail}"), help),
        _ => (
            format!("{instance}: {detail}"),
            format!("{help}, then do it again: it goes on where it stopped"),
        ),
    };
    Complaint::of(code, what, next)
}

fn interruption(instance: &Instance, interrupted: Interrupted) -> Complaint {
    let resume = command(instance, " --resume");
    match interrupted {
        Interrupted::Plan(error) => error.into(),
        Interrupted::Store(error) => error.into(),
        Interrupted::Refused(failure) => {
            let next = help(failure.code, instance);
            Complaint::of(failure.code, failure.detail, next)
        }
        Interrupted::State { state: DeploymentState::RollingBack, .. } => Complaint::of(
            ErrorCode::InvalidState,
            format!("{instance} is being rolled back"),
            format!("let it come to its end: `dive orch-db rollback {instance}`"),
        ),
        Interrupted::State { state: DeploymentState::Cleanup, .. } => {
            let target = match instance {
                Instance::Hub => "hub".to_owned(),
                Instance::Spoke(code) => format!("spoke {code}"),
            };
            let next = format!("let it come to its end: `dive nuke {target} --confirm`");
            Complaint::of(ErrorCode::InvalidState, format!("{instance} is being removed"), next)
        }
        Interrupted::State { .. } => not_deployed(instance),
        stopped @ Interrupted::Cancelled { phase: None, .. } => {
            Complaint::of(ErrorCode::Cancelled, stopped, "do it again; `dive status` shows how it stands")
        }
        stopped @ Interrupted::Cancelled { .. } => Complaint::of(
            ErrorCode::Cancelled,
            stopped,
            format!("{resume} goes on, `dive orch-db rollback {instance}` undoes it"),
        ),
        lost @ Interrupted::LockLost { .. } => {
            Complaint::of(lost.code(), lost, format!("`dive status` shows who is at work; then {resume}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_orchestrator::deploy::Failure;

    use super::*;

    fn commands_of(complaint: &Complaint) -> Vec<String> {
        let text = complaint.to_string().replace("<service>", "opa");
        text.split('`').filter_map(|quoted| quoted.strip_prefix("dive ")).map(str::to_owned).collect()
    }

    #[test]
    fn whatever_fails_the_commands_named_are_there() {
        for instance in [Instance::Hub, "spoke-fra".parse().unwrap()] {
            for code in ErrorCode::ALL.iter().copied() {
                for ending in [
                    Ending::Kept { failed: Phase::Seeding },
                    Ending::Undone { failed: Phase::Deployment },
                    Ending::UndoFailed,
                ] {
                    let failure = Some(Failure::new(code, "why"));
                    let (warnings, took) = (Vec::new(), Duration::ZERO);
                    let report = Report { instance: instance.clone(), ending, failure, warnings, took };
                    for words in commands_of(&super::failure(&report)) {
                        assert_eq!(crate::parses(words.split(' ')), Ok(()), "{code} {ending:?}");
                    }
                }
            }
            let interruptions = [
                Interrupted::State { instance: instance.clone(), state: DeploymentState::RollingBack },
                Interrupted::State { instance: instance.clone(), state: DeploymentState::Cleanup },
                Interrupted::State { instance: instance.clone(), state: DeploymentState::Unknown },
                Interrupted::Cancelled { instance: instance.clone(), phase: None },
                Interrupted::Cancelled { instance: instance.clone(), phase: Some(Phase::Deployment) },
                Interrupted::LockLost { instance: instance.clone(), why: "why".into() },
                Interrupted::Refused(Failure::new(ErrorCode::HubNotFound, "there is no hub to join")),
            ];
            for interrupted in interruptions {
                for words in commands_of(&interruption(&instance, interrupted.clone())) {
                    assert_eq!(crate::parses(words.split(' ')), Ok(()), "{interrupted:?}");
                }
            }
        }
    }
}
