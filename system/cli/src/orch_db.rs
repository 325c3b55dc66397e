//! `dive orch-db`: the orchestration database itself.

use dive_orchestrator::deploy::{Compared, Difference};
use dive_orchestrator::store::{AuditEntry, Database, SqlStore};
use dive_orchestrator::{BreakerRow, BreakerState, DeploymentState, Instance, Operation, Stamp, Store as _};
use serde_json::json;

use crate::args::{OrchDb, instance};
use crate::complaint::Complaint;
use crate::deployment;
use crate::exit::Exit;
use crate::graph::graph;
use crate::moment::moment;
use crate::out::{self, out, table};
use crate::place::{Place, myself};
use crate::waterfall::waterfall;

pub(crate) async fn obey(place: &Place, verb: OrchDb) -> Result<Exit, Complaint> {
    match verb {
        OrchDb::Migrate => migrate(&place.store()?).await,
        OrchDb::Status(output) => states(place, output.json).await,
        OrchDb::History { instance: named, output } => history(place, &instance(&named)?, output.json).await,
        OrchDb::Waterfall { instance: named, html, output } => {
            let only = named.as_deref().map(instance).transpose()?;
            waterfall(place, only.as_ref(), html.as_deref(), output.json).await
        }
        OrchDb::Audit(output) => audit(place, output.json).await,
        OrchDb::Check(output) => check(place, output.json).await,
        OrchDb::Graph { subject, language } => {
            out::text(format_args!("{}", graph(subject, language)))?;
            Ok(Exit::Done)
        }
        OrchDb::Rollback { instance: named, to, shown } => {
            let to = to.map(|phase| phase.parse()).transpose()?;
            deployment::rollback(place, &instance(&named)?, to, shown).await
        }
        OrchDb::Breakers { reset: Some(operation), .. } => reset(&place.store()?, operation).await,
        OrchDb::Breakers { reset: None, output } => breakers(place, output.json).await,
    }
}

async fn migrate(store: &SqlStore) -> Result<Exit, Complaint> {
    store.migrate().await?;
    out!("the schema is this program's")?;
    Ok(Exit::Done)
}

async fn states(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let mut states: Vec<(Instance, DeploymentState)> = Vec::new();
    if let Some(store) = place.store_if_any().await? {
        for instance in store.instances().await? {
            let state = store.state(&instance).await?;
            states.push((instance, state));
        }
    }
    if json {
        let states: Vec<_> =
            states.iter().map(|(instance, state)| json!({"instance": instance, "state": state})).collect();
        out::json(&states)?;
    } else {
        let rows: Vec<_> = states.iter().map(|(of, state)| vec![of.to_string(), state.to_string()]).collect();
        out::text(format_args!("{}", table(&rows)))?;
    }
    Ok(Exit::Done)
}

async fn history(place: &Place, instance: &Instance, json: bool) -> Result<Exit, Complaint> {
    let Some(store) = place.store_if_any().await? else { return nothing(instance, json) };
    let changes = store.history(instance).await?;
    let (runs, errors) = (store.phase_runs(instance).await?, store.errors(instance).await?);
    let mut acts = store.audit_trail().await?;
    acts.retain(|act| act.action.split([' ', ':']).nth(1) == Some(&*instance.to_string()));
    if changes.is_empty() {
        return nothing(instance, json);
    }
    if json {
        let (states, phases) = (changes, runs);
        out::json(&json!({
            "instance": instance, "states": states, "phases": phases, "errors": errors, "audit": acts,
        }))?;
        return Ok(Exit::Done);
    }
    let states = changes.iter().map(|change| {
        vec![
            moment(change.at),
            change.token.to_string(),
            format!("{} → {}", change.from, change.to),
            change.why.clone(),
        ]
    });
    out::text(format_args!("{}", table(&states.collect::<Vec<_>>())))?;
    let phases = runs.iter().map(|run| {
        let end = match (&run.ended, &run.failure) {
            (None, _) => "did not end".to_owned(),
            (Some(ended), None) => {
                format!("finished in {}", crate::moment::span(ended.saturating_since(run.began)))
            }
            (Some(_), Some(failure)) => format!("failed with {}: {}", failure.code, failure.message),
        };
        vec![moment(run.began), run.phase.to_string(), end]
    });
    out::text(format_args!("{}", table(&phases.collect::<Vec<_>>())))?;
    let met = errors.iter().map(|error| {
        let recovered = if error.recovered { "recovered" } else { "not recovered" };
        vec![format!("error {}", error.code), recovered.to_owned(), error.message.clone()]
    });
    out::text(format_args!("{}", table(&met.collect::<Vec<_>>())))?;
    out::text(format_args!("{}", table(&acts.iter().map(act).collect::<Vec<_>>())))?;
    Ok(Exit::Done)
}

fn act(entry: &AuditEntry) -> Vec<String> {
    vec![moment(entry.at), entry.by.to_string(), entry.action.clone()]
}

async fn audit(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let acts = match place.store_if_any().await? {
        Some(store) => store.audit_trail().await?,
        None => Vec::new(),
    };
    if json {
        out::json(&acts)?;
    } else if acts.is_empty() {
        out!("no operator did anything but deploy")?;
    } else {
        out::text(format_args!("{}", table(&acts.iter().map(act).collect::<Vec<_>>())))?;
    }
    Ok(Exit::Done)
}

/// 1 when something differs, or could not be compared.
/// A database that nobody has made knows of nothing, as an empty one: what is there may be another's, or older.
async fn check(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let engine = match place.store_if_any().await? {
        Some(store) => deployment::engine(place, store)?,
        None => deployment::engine(place, Database::new(|| Stamp::from_millis(0)).connect())?,
    };
    let compared = engine.check().await?;
    if json {
        let document = |compared: &Compared| {
            let differences: Vec<_> = compared
                .differences
                .iter()
                .map(|difference| json!({"kind": difference.kind(), "text": difference.to_string()}))
                .collect();
            json!({"instance": compared.instance, "differences": differences, "next": next(compared)})
        };
        out::json(&compared.iter().map(document).collect::<Vec<_>>())?;
    } else {
        for compared @ Compared { instance, differences } in &compared {
            if differences.is_empty() {
                out!("agrees   {instance}")?;
            }
            for difference in differences {
                let word = if difference.is_seen() { "differs" } else { "unknown" };
                out!("{word}  {instance}: {difference}")?;
            }
            if let Some(next) = next(compared) {
                out!("  next: {next}")?;
            }
        }
    }
    let agrees = compared.iter().all(|compared| compared.differences.is_empty());
    Ok(if agrees { Exit::Done } else { Exit::NotWell })
}

/// What to do about what is of a deployment that the database does not know.
fn next(compared: &Compared) -> Option<String> {
    let is_unknown = |difference: &Difference| matches!(difference, Difference::Unknown(_));
    let target = match &compared.instance {
        Instance::Hub => "hub".to_owned(),
        Instance::Spoke(code) => format!("spoke {code}"),
    };
    compared.differences.iter().any(is_unknown).then(|| {
        format!("look for the database it was deployed with, or remove it: `dive nuke {target} --confirm`")
    })
}

fn nothing(instance: &Instance, json: bool) -> Result<Exit, Complaint> {
    if json {
        out::json(&json!({"instance": instance, "states": [], "phases": [], "errors": [], "audit": []}))?;
    } else {
        out!("{instance} was never deployed")?;
    }
    Ok(Exit::Done)
}

async fn reset(store: &SqlStore, operation: Operation) -> Result<Exit, Complaint> {
    store.reset_breaker(operation).await?;
    store.audit(&myself(), &format!("orch-db breakers --reset {operation}")).await?;
    out!("{operation} is closed")?;
    Ok(Exit::Done)
}

async fn breakers(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let rows = match place.store_if_any().await? {
        Some(store) => store.breakers().await?,
        None => Operation::ALL.map(BreakerRow::new).to_vec(),
    };
    if json {
        out::json(&rows)?;
    } else {
        let cells = |row: &BreakerRow| {
            let state = match row.state {
                BreakerState::Closed => "closed".to_owned(),
                state => format!("{state:?}").to_lowercase(),
            };
            vec![row.operation.to_string(), state, format!("{} failures", row.failures)]
        };
        out::text(format_args!("{}", table(&rows.iter().map(cells).collect::<Vec<_>>())))?;
    }
    let closed = rows.iter().all(|row| row.state == BreakerState::Closed);
    Ok(if closed { Exit::Done } else { Exit::NotWell })
}
