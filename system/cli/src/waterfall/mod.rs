//! `dive orch-db waterfall`: where the time of deployments went, as bars to one scale.
//!
//! `chart` lays out what the database has of them; `bars` draws it on a terminal, `page` as a page of its own.

mod bars;
mod chart;
mod page;

use std::path::Path;

use dive_orchestrator::{Instance, Store as _};
use serde_json::json;

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::out::{self, out};
use crate::place::Place;
use chart::{Bar, Chart, Deployment, End};

/// The columns of a terminal that doesn't say how many it has.
const COLUMNS: usize = 100;

/// Shows the last deployment of one instance, or of all that were at work together with the newest.
pub(crate) async fn waterfall(
    place: &Place,
    only: Option<&Instance>,
    page: Option<&Path>,
    json: bool,
) -> Result<Exit, Complaint> {
    let mut deployments = Vec::new();
    if let Some(store) = place.store_if_any().await? {
        for instance in store.instances().await? {
            if only.is_none_or(|only| *only == instance) {
                let (runs, starts) = (store.phase_runs(&instance).await?, store.starts(&instance).await?);
                deployments.extend(Deployment::last(instance, &runs, &starts));
            }
        }
    }
    let chart = Chart::of_the_newest(deployments);
    if let Some(page) = page {
        write(page, &page::page(&chart))?;
    }
    if json {
        out::json(&document(&chart))?;
    } else if chart.deployments.is_empty() {
        match only {
            Some(instance) => out!("{instance} was never deployed")?,
            None => out!("nothing was ever deployed")?,
        }
    } else {
        let columns = terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0));
        out::text(format_args!("{}", bars::text(&chart, columns)))?;
    }
    Ok(Exit::Done)
}

fn write(file: &Path, page: &str) -> Result<(), Complaint> {
    std::fs::write(file, page).map_err(|error| {
        Complaint::internal(format!("{}: {error}", file.display()), "name a file that can be written")
    })
}

fn document(chart: &Chart) -> serde_json::Value {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let bar = |bar: &Bar| {
        let end = match bar.end {
            End::Done => "done",
            End::Failed => "failed",
            End::Open => "open",
        };
        json!({"name": bar.name, "service": bar.is_service, "fromMs": millis(bar.from), "tookMs": millis(bar.took), "end": end})
    };
    let deployment = |of: &Deployment| {
        let bars: Vec<_> = chart.bars(of).iter().map(bar).collect();
        json!({"instance": of.instance, "tookMs": millis(of.ended.saturating_since(of.began)), "bars": bars})
    };
    json!({
        "began": chart.began,
        "tookMs": millis(chart.length),
        "deployments": chart.deployments.iter().map(deployment).collect::<Vec<_>>(),
    })
}
