//! The certificate of an instance: good for a year by the machine's calendar, then to be issued anew.

use std::collections::BTreeMap;
use std::time::Duration;

use dive_runtime::Wall;

use crate::deploy::{Done, Failure, Thing};
use crate::{ErrorCode, Instance, ResourceKind, Service};

const LASTS: Duration = Duration::from_hours(365 * 24);

/// Its file.
pub(super) fn file(instance: &Instance) -> Thing {
    Thing::new(ResourceKind::File, format!("{instance}/certificate.pem"))
}

/// Who shows it.
pub(super) fn is_shown_by(service: Service) -> bool {
    matches!(service, Service::Keycloak | Service::Backend | Service::Kas)
}

/// When each was issued.
#[derive(Debug, Default)]
pub(super) struct Certificates(BTreeMap<Instance, Wall>);

impl Certificates {
    pub(super) fn issue(&mut self, instance: &Instance, now: Wall) {
        self.0.insert(instance.clone(), now);
    }

    /// Whether it is good now.
    pub(super) fn are_good(&self, instance: &Instance, now: Wall) -> Done {
        let failed = |why: &str| {
            Err(Failure::new(ErrorCode::Certificate, format!("the certificate of {instance} {why}")))
        };
        match self.0.get(instance) {
            None => failed("was never issued"),
            Some(issued) if now.since_epoch().saturating_sub(issued.since_epoch()) >= LASTS => {
                failed("has expired")
            }
            Some(_) => Ok(()),
        }
    }
}
