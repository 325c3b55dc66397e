//! `dive status`: how instances stand, by the orchestration database and by their services themselves.

use std::collections::BTreeMap;

use dive_orchestrator::deploy::ServiceStatus;
use dive_orchestrator::store::{ErrorRecord, PhaseRun};
use dive_orchestrator::{
    DeploymentState, Endpoint, ErrorCode, Held, Instance, Phase, Slot, Store, StoreError, ladder, ports,
};
use serde::Serialize;

use crate::complaint::Complaint;
use crate::deployment;
use crate::exit::Exit;
use crate::moment::moment;
use crate::out::{self, out, table};
use crate::place::Place;

/// How one instance stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    instance: Instance,
    state: DeploymentState,
    /// Somebody should be at work on it and nobody is: whoever was has died.
    interrupted: bool,
    since: Option<String>,
    holder: Option<Holding>,
    finished: Vec<Phase>,
    under_way: Option<Phase>,
    last_error: Option<Met>,
    ports: BTreeMap<Endpoint, u16>,
    /// How its services stand now; nothing where they can't be asked.
    services: Option<Vec<Service>>,
}

/// How a service stands.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    #[serde(rename = "service")]
    name: dive_orchestrator::Service,
    healthy: bool,
    /// The lowest rung of its ladder that does not hold, and why.
    why: Option<String>,
}

impl From<ServiceStatus> for Service {
    fn from(status: ServiceStatus) -> Self {
        let why = match status.standing {
            ladder::Standing::Healthy => None,
            ladder::Standing::Stuck(rung) => Some(format!("{rung}: {}", status.why.unwrap_or_default())),
        };
        Self { name: status.service, healthy: why.is_none(), why }
    }
}

/// Who is at work.
#[derive(Debug, Serialize)]
struct Holding {
    host: String,
    pid: u32,
    since: String,
}

/// The error that the last run of a phase ended with.
#[derive(Debug, Serialize)]
struct Met {
    code: ErrorCode,
    message: String,
}

impl From<Held> for Holding {
    fn from(held: Held) -> Self {
        Self { host: held.by.host, pid: held.by.pid, since: moment(held.since) }
    }
}

impl From<ErrorRecord> for Met {
    fn from(record: ErrorRecord) -> Self {
        Self { code: record.code, message: record.message }
    }
}

impl Standing {
    /// Reads it. `slots` are those given out.
    pub(crate) async fn read(
        store: &dyn Store,
        instance: &Instance,
        slots: &[(dive_orchestrator::InstanceCode, Slot)],
    ) -> Result<Self, StoreError> {
        let holder = store.holder(instance).await?;
        let history = store.history(instance).await?;
        let state = history.last().map_or(DeploymentState::Unknown, |change| change.to);
        let last: Option<PhaseRun> = store.phase_runs(instance).await?.pop();
        let given = |code: &dive_orchestrator::InstanceCode| {
            slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot)
        };
        let slot = ports::slot_of(instance, given).filter(|_| state != DeploymentState::Unknown);
        let ports = slot.map(|slot| Endpoint::ALL.map(|endpoint| (endpoint, slot.port(endpoint))).into());
        let running = last.as_ref().filter(|run| holder.is_some() && run.ended.is_none());
        Ok(Self {
            instance: instance.clone(),
            state,
            interrupted: state.needs_a_holder() && holder.is_none(),
            since: history.last().map(|change| moment(change.at)),
            finished: store.checkpoints(instance).await?.into_iter().map(|saved| saved.phase).collect(),
            under_way: running.map(|run| run.phase),
            last_error: last.and_then(|run| run.failure).map(Met::from),
            holder: holder.map(Holding::from),
            ports: ports.unwrap_or_default(),
            services: None,
        })
    }

    fn is_well(&self) -> bool {
        let healthy = |services: &Vec<Service>| services.iter().all(|service| service.healthy);
        self.state == DeploymentState::Complete
            && self.holder.is_none()
            && self.services.as_ref().is_some_and(healthy)
    }

    /// What is not as it should be, line by line.
    fn remarks(&self) -> Vec<String> {
        let ill =
            self.services.iter().flatten().filter(|_| self.state == DeploymentState::Complete).filter_map(
                |service| Some(format!("{}: {}: {}", self.instance, service.name, service.why.as_ref()?)),
            );
        self.course().into_iter().chain(ill).collect()
    }

    /// Who is at work on it, or why nobody is.
    fn course(&self) -> Option<String> {
        let told = if let Some(holder) = &self.holder {
            format!("process {} on {} is at work since {}", holder.pid, holder.host, holder.since)
        } else if self.interrupted {
            "was cut short: resume it or roll it back".to_owned()
        } else {
            let met = self.last_error.as_ref().filter(|_| self.state == DeploymentState::Failed)?;
            format!("error {}: {}", met.code, met.message)
        };
        Some(format!("{}: {told}", self.instance))
    }

    fn row(&self) -> Vec<String> {
        let phase = self.under_way.or(self.finished.last().copied());
        let (what, phases) = (if self.under_way.is_some() { "in " } else { "" }, Phase::ALL.len());
        let reached = phase.map_or(String::new(), |phase| format!(" ({what}{phase})"));
        vec![
            self.instance.to_string(),
            self.state.to_string(),
            self.since.clone().unwrap_or_default(),
            format!("{} of {phases}{reached}", self.finished.len()),
            self.services.as_ref().map_or("unknown".to_owned(), |all| {
                format!("{} of {}", all.iter().filter(|service| service.healthy).count(), all.len())
            }),
            self.ports.get(&Endpoint::Backend).map(|port| format!("127.0.0.1:{port}")).unwrap_or_default(),
        ]
    }
}

/// Shows them.
fn show(standings: &[Standing], json: bool) -> Result<Exit, Complaint> {
    if json {
        out::json(&standings)?;
    } else if standings.is_empty() {
        out!("nothing is deployed")?;
    } else {
        let head =
            ["INSTANCE", "STATE", "SINCE", "PHASES FINISHED", "HEALTHY", "NODE"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(standings.iter().map(Standing::row)).collect();
        out::text(format_args!("{}", table(&rows)))?;
        for told in standings.iter().flat_map(Standing::remarks) {
            out!("{told}")?;
        }
    }
    Ok(if standings.iter().all(Standing::is_well) { Exit::Done } else { Exit::NotWell })
}

async fn read(place: &Place, only: Option<&Instance>) -> Result<Vec<Standing>, Complaint> {
    let Some(store) = place.store_if_any().await? else { return Ok(Vec::new()) };
    let slots = store.slots().await?;
    let mut standings = Vec::new();
    for instance in store.instances().await?.iter().filter(|found| only.is_none_or(|only| *found == only)) {
        let standing = Standing::read(&store, instance, &slots).await?;
        // What was rolled back or removed altogether is a row of history, not an instance.
        if standing.state != DeploymentState::Unknown || standing.holder.is_some() {
            standings.push(standing);
        }
    }
    if standings.is_empty() {
        return Ok(standings);
    }
    let engine = match deployment::engine(place, store) {
        Ok(engine) => engine,
        Err(complaint) => {
            out::note(format_args!("{complaint}"));
            return Ok(standings);
        }
    };
    for status in engine.status().await? {
        if let Some(standing) = standings.iter_mut().find(|standing| standing.instance == status.instance) {
            standing.services = Some(status.services.into_iter().map(Service::from).collect());
        }
    }
    Ok(standings)
}

/// How all instances stand; 1 when one of them is not COMPLETE and healthy, or is being worked on.
pub(crate) async fn all(place: &Place, json: bool) -> Result<Exit, Complaint> {
    show(&read(place, None).await?, json)
}

/// How one instance stands; 1 when it is not COMPLETE and healthy, or is being worked on.
pub(crate) async fn one(place: &Place, instance: &Instance, json: bool) -> Result<Exit, Complaint> {
    let standings = read(place, Some(instance)).await?;
    if standings.is_empty() && !json {
        out!("{instance} is not deployed")?;
        return Ok(Exit::NotWell);
    }
    let exit = show(&standings, json)?;
    Ok(if standings.is_empty() { Exit::NotWell } else { exit })
}
