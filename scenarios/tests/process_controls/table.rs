//! Every control that needs processes: a scenario, what is taken out, and the finding that must see it.

use crate::control::control;

/// What is taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Without {
    /// A setting puts the resilience out of reach.
    Setting(&'static str, &'static str),
    /// The hub takes whoever listens for its identity provider, without a look at the certificate.
    CertificatesUnseen,
    /// D1. Operators take the lock on a connection that ends at once, and so for every write.
    LastingLocks,
}

pub(crate) type Control = crate::control::Control<Without>;

pub(crate) const CONTROLS: &[Control] = &[
    // A node whose circuit can't open does not find the outage that it was restarted into.
    control("recovery/node-restart", Without::Setting("breaker.opa.failures", "100000"), "becomes OPEN"),
    control("circuit/tls-untrusted", Without::CertificatesUnseen, "becomes OPEN"),
    // The lock is free between any two writes of who is at work.
    control("deploy/concurrent-same", Without::LastingLocks, "stays operator"),
];
