//! Every control that needs processes: a scenario, what is taken out, and the finding that must see it.

use crate::control::control;

/// What is taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Without {
    /// A setting puts the resilience out of reach.
    Setting(&'static str, &'static str),
    /// The hub takes whoever listens for its identity provider, without a look at the certificate.
    CertificatesUnseen,
}

pub(crate) type Control = crate::control::Control<Without>;

pub(crate) const CONTROLS: &[Control] = &[
    // A node whose circuit can't open does not find the outage that it was restarted into.
    control("recovery/node-restart", Without::Setting("breaker.opa.failures", "100000"), "becomes OPEN"),
    control("circuit/tls-untrusted", Without::CertificatesUnseen, "becomes OPEN"),
];
