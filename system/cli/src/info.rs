//! `dive info`: where things are, and where each instance is reached.

use std::collections::BTreeMap;

use dive_orchestrator::{DeploymentState, Endpoint, Instance, Store as _, ports};
use serde_json::json;

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::out::{self, out, table};
use crate::place::Place;
use crate::secrets;

/// Shows it; nothing is asked of the container engine or of a store of secrets.
pub(crate) async fn info(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let home = place.home()?;
    let kind = std::env::var("DIVE_SECRETS").ok().filter(|kind| !kind.is_empty());
    // A setting that is wrong is told of now.
    secrets::store(&home, std::env::vars())?;
    let here = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("home", home.display().to_string()),
        ("database", place.database_in_words()?),
        ("secrets", kind.unwrap_or_else(|| "file".to_owned())),
        ("engine", std::env::var("DOCKER_HOST").unwrap_or_else(|_| "the machine's own".to_owned())),
    ];
    let instances = endpoints(place).await?;
    if json {
        let here: BTreeMap<_, _> = here.into();
        out::json(&json!({"here": here, "instances": instances}))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = here.into_iter().map(|(what, is)| vec![what.to_owned(), is]).collect();
    out::text(format_args!("{}", table(&rows)))?;
    if !instances.is_empty() {
        let mut rows = vec![["INSTANCE", "ENDPOINT", "ADDRESS"].map(str::to_owned).to_vec()];
        for (instance, ports) in &instances {
            rows.extend(ports.iter().map(|(endpoint, port)| {
                let name = json!(endpoint).as_str().unwrap_or_default().to_owned();
                vec![instance.to_string(), name, format!("127.0.0.1:{port}")]
            }));
        }
        out!("")?;
        out::text(format_args!("{}", table(&rows)))?;
    }
    Ok(Exit::Done)
}

/// The ports of what is deployed.
async fn endpoints(place: &Place) -> Result<BTreeMap<Instance, BTreeMap<Endpoint, u16>>, Complaint> {
    let mut all = BTreeMap::new();
    let Some(store) = place.store_if_any().await? else { return Ok(all) };
    let slots = store.slots().await?;
    for instance in store.instances().await? {
        let given = |code: &_| slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot);
        let slot = ports::slot_of(&instance, given);
        if let Some(slot) = slot
            && store.state(&instance).await? != DeploymentState::Unknown
        {
            let port = |endpoint: Endpoint| (endpoint, slot.port(endpoint));
            all.insert(instance, Endpoint::ALL.into_iter().map(port).collect());
        }
    }
    Ok(all)
}
