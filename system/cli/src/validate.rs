//! `dive validate`: whether this machine is ready for a deployment; nothing is changed.

use std::path::Path;

use dive_orchestrator::deploy::{Action, Done, Found, Platform, Site};
use dive_orchestrator::{Instance, Phase, Slot, Store as _};
use nix::unistd::{AccessFlags, access};

use crate::complaint::Complaint;
use crate::containers::DockerPlatform;
use crate::exit::Exit;
use crate::place::Place;
use crate::secrets::{self, FIRST, SecretId, SecretName};
use crate::trial::{Tried, tell};

/// Looks at everything that a deployment stands on; 1 when something is not as it must be.
pub(crate) async fn validate(place: &Place, json: bool) -> Result<Exit, Complaint> {
    let home = place.home()?;
    let mut tried = vec![
        Tried::new(format!("{} may be written", home.display()), writable(&home)),
        Tried::new("the database can be read", database(place).await),
        Tried::new("the store of secrets answers", secrets_answer(&home).await),
    ];
    match DockerPlatform::new(&home, 0, None) {
        Ok(platform) => of_the_platform(&platform, &mut tried).await,
        Err(failure) => tried.push(Tried::new("a container engine is there", Some(failure.detail))),
    }
    tell(&tried, "ready", json)
}

/// Why a folder can't be written, or made where it isn't yet.
fn writable(folder: &Path) -> Option<String> {
    let Some(there) = folder.ancestors().find(|above| above.exists()) else {
        return Some("nothing of it is there".to_owned());
    };
    let asked = AccessFlags::W_OK | AccessFlags::X_OK;
    access(there, asked).err().map(|error| format!("{}: {}", there.display(), error.desc()))
}

/// One that is not there yet will be made.
async fn database(place: &Place) -> Option<String> {
    let store = match place.store_if_any().await {
        Ok(store) => store?,
        Err(complaint) => return Some(complaint.what().to_owned()),
    };
    store.instances().await.err().map(|error| error.to_string())
}

async fn secrets_answer(home: &Path) -> Option<String> {
    let id = SecretId { instance: Instance::Hub, name: SecretName::Postgres, version: FIRST };
    let asked = async { secrets::store(home, std::env::vars())?.has(&id).await };
    asked.await.err().map(|failure| failure.detail)
}

async fn of_the_platform(platform: &DockerPlatform, tried: &mut Vec<Tried>) {
    let site = Site { instance: Instance::Hub, slot: Slot::HUB };
    let engine = platform.existing(&site).await.err();
    tried.push(Tried::new("the container engine answers", engine.map(|failure| failure.detail)));
    match platform.steps(&site, Phase::Preflight).await {
        Ok(steps) => {
            for step in steps {
                if let Action::Check(what) = step.action {
                    let failed = platform.check(&site, Phase::Preflight, &what).await.err();
                    tried.push(Tried::new(what, failed.map(|failure| failure.detail)));
                }
            }
        }
        Err(failure) => tried.push(Tried::new("it is known what to check", Some(failure.detail))),
    }
    let strangers = no_strangers(platform, &site).await;
    tried.push(Tried::new(
        "nobody else has a name of the hub's",
        strangers.unwrap_or_else(|failure| Some(failure.detail)),
    ));
}

async fn no_strangers(platform: &DockerPlatform, site: &Site) -> Done<Option<String>> {
    for service in platform.services(site) {
        for thing in platform.parts(site, service) {
            if let Found::Strangers(whose) = platform.find(site, &thing).await? {
                return Ok(Some(whose));
            }
        }
    }
    Ok(None)
}
