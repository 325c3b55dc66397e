//! Every control that needs processes: a scenario, what is taken out, and the finding that must see it.

use harness_core::world::WorldKind;

use super::StoreDefect::{self, LockInAClientThatExits, MigratesBlindly};
use crate::control::control;

/// What is taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Without {
    /// A setting puts the resilience out of reach.
    Setting(&'static str, &'static str),
    /// The hub takes whoever listens for its identity provider, without a look at the certificate.
    CertificatesUnseen,
    /// Operators work with a store of this kind that has a defect.
    Store(&'static str, StoreDefect),
    /// Operators' command takes every lock for stale, and what it does not find for removed.
    CarelessDive,
}

impl Without {
    /// Where it is taken out.
    pub(crate) const fn world(self) -> WorldKind {
        match self {
            Self::CarelessDive => WorldKind::Docker,
            Self::Setting(..) | Self::CertificatesUnseen | Self::Store(..) => WorldKind::Local,
        }
    }

    /// With which store, where that is chosen.
    pub(crate) const fn store(self) -> Option<&'static str> {
        match self {
            Self::Store(store, _) => Some(store),
            _ => None,
        }
    }
}

pub(crate) type Control = crate::control::Control<Without>;

pub(crate) const CONTROLS: &[Control] = &[
    // A node whose circuit can't open does not find the outage that it was restarted into.
    control("recovery/node-restart", Without::Setting("breaker.opa.failures", "100000"), "becomes OPEN"),
    control("circuit/tls-untrusted", Without::CertificatesUnseen, "becomes OPEN"),
    // The lock is free between any two writes of who is at work.
    control("deploy/concurrent-same", Without::Store("sqlite", LockInAClientThatExits), "stays operator"),
    control("deploy/concurrent-same", Without::Store("postgres", LockInAClientThatExits), "stays operator"),
    // Who is not the first to migrate fails, for certain when it was done before.
    control("schema/concurrent-migrate", Without::Store("sqlite", MigratesBlindly), "answer to newest-up"),
    control("schema/concurrent-migrate", Without::Store("postgres", MigratesBlindly), "answer to newest-up"),
    // The colleague takes the lock from who is at work.
    control("deploy/concurrent-same", Without::CarelessDive, "stays operator"),
    // A container is left, and nobody knows of it any more.
    control("deploy/clean", Without::CarelessDive, "clean: "),
];
