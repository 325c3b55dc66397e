//! Trying what stands, without its lock: nothing is changed.

use super::{Action, Done, Engine, Holding, Site};
use crate::ladder::rungs;
use crate::{Phase, Service};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What, such as `kas is healthy`.
    pub what: String,
    /// Why it is not so; `None` when it is.
    pub why: Option<String>,
}

impl Engine {
    /// Tries every service of a site to its topmost rung, then what VERIFICATION checks, once each.
    ///
    /// # Errors
    /// When the platform can't say what VERIFICATION checks.
    pub async fn verify(&self, site: &Site) -> Done<Vec<Tried>> {
        let mut tried = Vec::new();
        for service in self.platform.services(site) {
            tried.push(Tried { what: format!("{service} is healthy"), why: self.ill(site, service).await });
        }
        for step in self.platform.steps(site, Phase::Verification).await? {
            if let Action::Check(what) = step.action {
                let failure = self.platform.check(site, Phase::Verification, &what).await.err();
                tried.push(Tried { what, why: failure.map(|failure| failure.to_string()) });
            }
        }
        Ok(tried)
    }

    /// The lowest rung that doesn't hold, and why.
    async fn ill(&self, site: &Site, service: Service) -> Option<String> {
        for rung in rungs(service) {
            match self.platform.rung(site, service, *rung).await {
                Ok(Holding::Yes) => {}
                Ok(Holding::NotYet(why)) => return Some(format!("{rung}: {why}")),
                Err(failure) => return Some(failure.to_string()),
            }
        }
        None
    }
}
