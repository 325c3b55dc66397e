//! Whose a container, volume or network is, written on it.

use std::collections::HashMap;

use dive_orchestrator::Service;
use dive_orchestrator::deploy::{Found, Site};

use super::settings::Settings;

/// The instance it is of; the network's is [`SHARED`].
pub(super) const INSTANCE: &str = "dev.dive.instance";
/// The service it is of.
pub(super) const SERVICE: &str = "dev.dive.service";
/// A digest over how a container was to be made.
pub(super) const DEFINITION: &str = "dev.dive.definition";
/// The instance of what all share.
pub(super) const SHARED: &str = "shared";

/// The labels of something of `instance`.
pub(super) fn of(settings: &Settings, instance: &str, service: Option<Service>) -> HashMap<String, String> {
    let mut labels: HashMap<_, _> = settings.labels.clone().into_iter().collect();
    labels.insert(INSTANCE.to_owned(), instance.to_owned());
    if let Some(service) = service {
        labels.insert(SERVICE.to_owned(), service.to_string());
    }
    labels
}

/// Whose something with these labels is.
pub(super) fn whose(site: &Site, what: &str, labels: Option<&HashMap<String, String>>) -> Found {
    match labels.and_then(|labels| labels.get(INSTANCE)) {
        Some(instance) if *instance == site.instance.to_string() => Found::Ours,
        Some(instance) => Found::Strangers(format!("{what} is of {instance}")),
        None => Found::Strangers(format!("{what} was not made by a deployment")),
    }
}

#[cfg(test)]
mod tests {
    use dive_orchestrator::{Instance, Slot};

    use super::*;

    #[test]
    fn only_what_carries_the_instance_is_ours() {
        let site = Site { instance: Instance::Hub, slot: Slot::HUB };
        let settings = Settings::default();
        let ours = of(&settings, "hub", Some(Service::Opa));
        assert_eq!(whose(&site, "it", Some(&ours)), Found::Ours);
        assert_eq!(ours[SERVICE], "opa");
        for labels in [
            None,
            Some(HashMap::new()),
            Some(of(&settings, "spoke-fra", None)),
            Some(of(&settings, SHARED, None)),
        ] {
            assert!(matches!(whose(&site, "it", labels.as_ref()), Found::Strangers(_)));
        }
    }
}
