//! The run's own authority, and what it vouches for.
//!
//! Keys are made when a run starts and end with it. The authority's certificate alone is kept, beside the run's
//! record: whoever is to trust what stands here needs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use coalition::certificates::{Authority, Validity};
use dive_node::adapters::Trust;
use harness_core::world::WorldError;
use harness_local::Identity;

use crate::binding::topology::speaks_tls;
use crate::execute::ExecuteError;

/// The name of the authority's certificate, in the run's folder and in those of its services.
pub(super) const CA: &str = "ca.pem";
/// The names of a service's chain and key, in its folder.
pub(super) const CHAIN: &str = "tls.pem";
pub(super) const KEY: &str = "tls.key";

/// As long as a topology may stand, and some more.
const VALID: Duration = Duration::from_hours(26);

/// What is spoken with a service whose language is HTTP.
pub(super) fn scheme(service: &str) -> &'static str {
    if speaks_tls(service) { "https" } else { "http" }
}

/// The coalition's authority in one run.
pub(super) struct Certificates {
    authority: Authority,
    validity: Validity,
}

impl Certificates {
    /// A new one.
    pub(super) fn new() -> Result<Self, WorldError> {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let validity = Validity {
            until: Duration::from_secs(now) + VALID,
            ..Validity::around(Duration::from_secs(now))
        };
        let authority = Authority::generate("The coalition", validity).map_err(failed)?;
        Ok(Self { authority, validity })
    }

    /// Its own certificate, PEM.
    pub(super) fn authority(&self) -> &str {
        self.authority.pem()
    }

    /// Trust in it and in nobody else.
    pub(super) fn trust(&self) -> Result<Trust, WorldError> {
        Trust::from_pem(self.authority().as_bytes()).map_err(failed)
    }

    /// What `service` proves itself with to whoever calls it by one of `hosts`, by its own name or as `localhost`.
    pub(super) fn issue(&self, service: &str, hosts: &[String]) -> Result<Identity, WorldError> {
        let mut names: Vec<&str> = [service, "localhost", "127.0.0.1"].into();
        names.extend(hosts.iter().map(String::as_str).filter(|host| *host != "127.0.0.1"));
        let issued = self.authority.issue(&names, self.validity).map_err(failed)?;
        Ok(Identity { chain: issued.chain, key: issued.key })
    }

    /// Keeps its own certificate in the run's folder; where.
    pub(super) fn keep(&self, folder: &Path) -> Result<PathBuf, ExecuteError> {
        let path = folder.join(CA);
        std::fs::write(&path, self.authority())
            .and_then(|()| path.canonicalize())
            .map_err(|why| ExecuteError::Store { path, why })
    }
}

fn failed(error: impl std::fmt::Display) -> WorldError {
    WorldError::Failed(error.to_string())
}
