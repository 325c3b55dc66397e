//! `verify` and `logs`: an instance is tried, or listened to; nothing is changed.

use dive_orchestrator::{Instance, Service};
use serde::Serialize;

use crate::complaint::Complaint;
use crate::deployment;
use crate::exit::Exit;
use crate::out::{self, out};
use crate::place::Place;

/// How many lines of a log are shown.
const LINES: usize = 100;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Tried {
    what: String,
    ok: bool,
    why: Option<String>,
}

impl Tried {
    /// A thing that holds, or why it doesn't.
    pub(crate) fn new(what: impl Into<String>, why: Option<String>) -> Self {
        Self { what: what.into(), ok: why.is_none(), why }
    }
}

/// `verify`: every service to its topmost rung, then what verification checks; 1 when something does not hold.
pub(crate) async fn verify(place: &Place, instance: &Instance, json: bool) -> Result<Exit, Complaint> {
    let (engine, site) = deployment::deployed(place, instance).await?;
    let tried = engine.verify(&site).await?.into_iter();
    let tried: Vec<_> = tried.map(|tried| Tried::new(tried.what, tried.why)).collect();
    tell(&tried, &instance.to_string(), json)
}

/// Tells what was tried and how much of it held; 1 when something did not.
pub(crate) fn tell(tried: &[Tried], of: &str, json: bool) -> Result<Exit, Complaint> {
    let held = tried.iter().filter(|tried| tried.ok).count();
    if json {
        out::json(&tried)?;
    } else {
        for tried in tried {
            match &tried.why {
                None => out!("ok      {}", tried.what)?,
                Some(why) => out!("failed  {}: {why}", tried.what)?,
            }
        }
        out!("{of}: {held}/{}", tried.len())?;
    }
    Ok(if held == tried.len() { Exit::Done } else { Exit::NotWell })
}

/// `logs`: the last lines of a service.
pub(crate) async fn logs(place: &Place, instance: &Instance, service: &str) -> Result<Exit, Complaint> {
    let service: Service = service.parse()?;
    let (engine, site) = deployment::deployed(place, instance).await?;
    for line in engine.platform.log_tail(&site, service, LINES).await? {
        out!("{line}")?;
    }
    Ok(Exit::Done)
}
