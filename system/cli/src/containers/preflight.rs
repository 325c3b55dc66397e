//! What PREFLIGHT looks at on this machine: an image of each service is named, and its port is to be had.

use std::net::{Ipv4Addr, TcpListener};

use dive_orchestrator::deploy::{Done, Failure, Site};
use dive_orchestrator::{ErrorCode, Service};

use super::definition::host_port;
use super::settings::{self, Settings};
use super::things::Things;

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Image(Service),
    Port(Service),
}

impl Check {
    fn all(site: &Site) -> Vec<Self> {
        let services = settings::services(&site.instance);
        let images = services.iter().copied().map(Self::Image);
        images.chain(services.iter().copied().map(Self::Port)).collect()
    }

    fn words(self, site: &Site) -> String {
        match self {
            Self::Image(service) => format!("an image of {service} is named"),
            Self::Port(service) => format!("port {} is free for {service}", host_port(site, service)),
        }
    }
}

/// All checks of a site, in words.
pub(super) fn checks(site: &Site) -> Vec<String> {
    Check::all(site).into_iter().map(|check| check.words(site)).collect()
}

/// Makes the check of these words.
pub(super) async fn check(things: &Things<'_>, settings: &Settings, what: &str) -> Done {
    let site = things.site;
    match Check::all(site).into_iter().find(|check| check.words(site) == what) {
        Some(Check::Image(service)) => settings.image(service).map(drop),
        Some(Check::Port(service)) => {
            let own = things.inspect(&service.container(&site.instance)).await?;
            let runs = own.and_then(|own| own.state?.running).unwrap_or_default();
            if runs { Ok(()) } else { is_free(host_port(site, service), service) }
        }
        None => Err(Failure::new(ErrorCode::Unknown, format!("nothing is known of the check `{what}`"))),
    }
}

fn is_free(port: u16, service: Service) -> Done {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| {
        let detail = format!("port {port}, which {service} is to have, is taken by another program: {error}");
        Failure::new(ErrorCode::InstanceConflict, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_to_be_had_unless_somebody_listens_there() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = is_free(port, Service::Opa).unwrap_err();
        assert_eq!(failure.code, ErrorCode::InstanceConflict);
        assert!(failure.detail.starts_with(&format!("port {port}, which opa is to have,")), "{failure}");
    }
}
