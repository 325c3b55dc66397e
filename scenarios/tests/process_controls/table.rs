//! Every control that needs processes: a scenario, what is taken out, and the finding that must see it.

/// What is taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Without {
    /// A setting puts the resilience out of reach.
    Setting(&'static str, &'static str),
    /// The hub takes whoever listens for its identity provider, without a look at the certificate.
    CertificatesUnseen,
}

/// One control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) scenario: &'static str,
    pub(crate) without: Without,
    /// What the violated finding's claim holds.
    pub(crate) seen_by: &'static str,
}

const fn control(scenario: &'static str, without: Without, seen_by: &'static str) -> Control {
    Control { scenario, without, seen_by }
}

pub(crate) const CONTROLS: &[Control] = &[
    // A node whose circuit can't open does not find the outage that it was restarted into.
    control("recovery/node-restart", Without::Setting("breaker.opa.failures", "100000"), "becomes OPEN"),
    control("circuit/tls-untrusted", Without::CertificatesUnseen, "becomes OPEN"),
];
