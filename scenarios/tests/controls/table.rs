//! Every control: a scenario, what is taken out, and the finding that must see it.

use std::time::Duration;

use dive_node::Dependency;
use scenarios::binding::topology::{HUB, KAS};

use super::breaker::Defect;
use super::control::control;
use super::deployment::DeployDefect::{self, AsksNobody, Impatient, Platform, Store};
use super::deployment::{PlatformDefect, StoreDefect};
use super::engine::EngineDefect;
use super::ports::PortDefect;

/// What is taken out.
#[derive(Debug)]
pub(crate) enum Without {
    /// A setting puts the resilience out of reach.
    Setting(&'static str, &'static str),
    /// A breaker with a known defect is in the product's place.
    Breaker(Defect),
    /// A known defect stands around the policy engine's adapter.
    Engine(EngineDefect),
    /// A known defect is in what operators deploy with.
    Deployment(DeployDefect),
    /// A known defect stands around another adapter of this service.
    Port(&'static str, PortDefect),
}

pub(crate) type Control = crate::control::Control<Without>;

use Without::{Breaker, Deployment, Engine, Port, Setting};

pub(crate) const CONTROLS: &[Control] = &[
    control("circuit/steady", Engine(EngineDefect::DenialIsFailure), "answer to forbidden"),
    control("circuit/opa-outage", Setting("breaker.opa.failures", "1000"), "becomes OPEN"),
    control("circuit/opa-outage", Setting("breaker.opa.open_for", "10m"), "becomes HALF_OPEN"),
    control("circuit/opa-outage", Breaker(Defect::RejectionsRestamp), "becomes CLOSED"),
    control("circuit/opa-outage", Engine(EngineDefect::WeakerLocalCheck), "fail-closed"),
    control("circuit/idle", Breaker(Defect::OnlyTraffic), "becomes OPEN"),
    control("circuit/idle", Setting("poll.opa.interval", "10m"), "becomes OPEN"),
    control("circuit/hang", Setting("opa.timeout", "1m"), "answer to reads"),
    control("circuit/hang", Setting("breaker.opa.failures", "1000"), "becomes OPEN"),
    control("circuit/slow", Setting("opa.timeout", "1s"), "stays CLOSED"),
    control("circuit/slow", Setting("poll.opa.slow_over", "10s"), "becomes degraded"),
    control("circuit/flap", Setting("breaker.opa.open_for", "1s"), "turns OPEN"),
    control("circuit/half-open-herd", Breaker(Defect::NoProbeLimit), "in-flight"),
    control("circuit/half-open-herd", Setting("breaker.opa.probes", "1000"), "in-flight"),
    control("circuit/half-open-herd", Breaker(Defect::CancelLeaksPermit), "becomes CLOSED"),
    control("circuit/late-results", Breaker(Defect::LateResultsCount), "turns OPEN"),
    control("circuit/garbage", Engine(EngineDefect::GarbageIsAllow), "fail-closed"),
    control("circuit/garbage", Setting("breaker.opa.failures", "1000"), "becomes OPEN"),
    control("circuit/clock-step", Breaker(Defect::WallClock), "stays OPEN"),
    control("recovery/relapse", Breaker(Defect::SuccessesSurvive), "becomes CLOSED"),
    control("recovery/relapse", Setting("breaker.opa.successes", "1"), "becomes OPEN within 25"),
    control("recovery/three-cycles", Breaker(Defect::LookupTakesPermit), "becomes CLOSED"),
    control("recovery/three-cycles", Breaker(Defect::RejectionsRestamp), "becomes CLOSED"),
    // A7, A3, H1, H6: what is right is right in every answer, and in the health document.
    control("circuit/steady", Engine(EngineDefect::NoCommunityIsAny), "answer to forbidden"),
    control("circuit/steady", Engine(EngineDefect::FullCacheFails), "answer to reads"),
    control("circuit/steady", Port(HUB, PortDefect::Unwatched(Dependency::Redis)), "hub/document"),
    control("circuit/keycloak-outage", Setting("breaker.keycloak.failures", "1000"), "becomes OPEN"),
    control(
        "circuit/keycloak-outage",
        Port(HUB, PortDefect::AlwaysUp(Dependency::Keycloak)),
        "becomes degraded",
    ),
    control("circuit/keycloak-outage", Setting("breaker.keycloak.open_for", "10m"), "becomes HALF_OPEN"),
    control("circuit/mongo-outage", Setting("breaker.mongodb.failures", "1000"), "becomes OPEN"),
    control("circuit/mongo-outage", Port(HUB, PortDefect::AnyIssuer), "answer to strangers"),
    control(
        "circuit/mongo-outage",
        Port(HUB, PortDefect::AlwaysUp(Dependency::Mongodb)),
        "becomes unhealthy",
    ),
    control("circuit/kas-outage", Setting("breaker.kas.failures", "1000"), "becomes OPEN"),
    control("circuit/kas-outage", Port(HUB, PortDefect::AlwaysUp(Dependency::Kas)), "becomes degraded"),
    control("circuit/redis-outage", Port(HUB, PortDefect::AlwaysUp(Dependency::Redis)), "becomes down"),
    control("circuit/redis-outage", Engine(EngineDefect::FullCacheFails), "answer to reads"),
    control("circuit/blacklist-outage", Port(HUB, PortDefect::NoRevocations), "answer to leaving"),
    control(
        "circuit/blacklist-outage",
        Port(HUB, PortDefect::AlwaysUp(Dependency::BlacklistRedis)),
        "becomes down",
    ),
    control("recovery/all", Setting("breaker.mongodb.open_for", "10m"), "hub/circuit/mongodb becomes CLOSED"),
    control("recovery/all", Setting("breaker.kas.failures", "1000"), "hub/circuit/kas becomes OPEN"),
    control(
        "recovery/all-noncritical",
        Port(HUB, PortDefect::AlwaysUp(Dependency::Keycloak)),
        "hub/circuit/keycloak becomes OPEN",
    ),
    control("recovery/all-noncritical", Engine(EngineDefect::FullCacheFails), "answer to reads"),
    control(
        "recovery/partial",
        Port(HUB, PortDefect::AlwaysUp(Dependency::Keycloak)),
        "hub/circuit/keycloak becomes OPEN",
    ),
    control("recovery/partial", Breaker(Defect::RejectionsRestamp), "hub/circuit/opa becomes CLOSED"),
    control("auth/key-rotation-during-outage", Setting("token.key_refetch", "10m"), "answer to second-key"),
    control("auth/unknown-kid-storm", Setting("token.key_refetch", "1ms"), "answered within"),
    control("auth/unknown-kid-storm", Port(HUB, PortDefect::AnyKey), "answer to storm"),
    // R2
    control("auth/unknown-kid-storm", Port(HUB, PortDefect::AnyKey), "answer to revocations"),
    control("auth/unknown-kid-storm", Port(HUB, PortDefect::AnyKey), "answer to victim"),
    control("auth/wrong-jwks", Port(HUB, PortDefect::UnreadKeysAreNone), "answer to reads"),
    control("auth/wrong-jwks", Port(HUB, PortDefect::AnyKey), "answer to forged"),
    control("auth/clock-skew", Setting("token.skew", "2m"), "answer to ahead-by-more"),
    control("auth/clock-skew", Setting("token.skew", "2m"), "answer to behind-by-more"),
    control("auth/clock-skew", Setting("token.skew", "2m"), "answer to over-by-more"),
    control("auth/clock-skew", Setting("token.skew", "1s"), "answer to ahead-by-less"),
    control("auth/clock-skew", Setting("token.skew", "1s"), "answer to over-by-less"),
    control("auth/policy-input-expired", Setting("token.skew", "2m"), "answer to past-the-end"),
    control("auth/policy-input-expired", Setting("token.skew", "1s"), "answer to at-the-end"),
    control("auth/wrong-jwks", Port(HUB, PortDefect::NoKeysForEver), "answer to afterwards"),
    // R4, and a revocation that never gets to the store.
    control("auth/revoked-while-redis-away", Port(HUB, PortDefect::NeverSubscribes), "revocation"),
    control("auth/revoked-while-redis-away", Port(HUB, PortDefect::LosesRevocations), "answer to leaver"),
    control("auth/revoked-then-killed", Port(HUB, PortDefect::ForgetsUntold), "answer to leaver"),
    // R1
    control("auth/revoked-then-killed", Port(HUB, PortDefect::UnreadIsUnrevoked), "answer to reads"),
    control("auth/cache-past-ttl", Engine(EngineDefect::RemembersForEver), "fail-closed"),
    control("auth/cache-past-ttl", Setting("cache.ttl.unclassified", "1h"), "answer to late"),
    control(
        "auth/login-during-keycloak-restart",
        Setting("breaker.keycloak.open_for", "10m"),
        "becomes CLOSED",
    ),
    // A2
    control("journey/login", Engine(EngineDefect::RemembersCoarsely), "fail-closed"),
    control("journey/login", Port(HUB, PortDefect::AnyKey), "answer to forged"),
    control("journey/login", Port(HUB, PortDefect::AnyIssuer), "answer to strangers"),
    control("journey/logout", Port(KAS, PortDefect::NeverSubscribes), "answer to key-afterwards"),
    control("journey/logout", Port(KAS, PortDefect::NeverSubscribes), "revocation"),
    control("journey/logout", Port(HUB, PortDefect::LosesRevocations), "answer to key-afterwards"),
    control("journey/ztdf-open", Port(HUB, PortDefect::NoObjects), "answer to opens"),
    control("journey/ztdf-tampered", Port(HUB, PortDefect::NoObjects), "answer to tampered"),
    control("load/steady", Engine(EngineDefect::Slow(SLOW)), "answered within"),
    control("load/keycloak-away", Engine(EngineDefect::Slow(SLOW)), "answered within"),
    control("load/redis-away", Engine(EngineDefect::Slow(SLOW)), "answered within"),
    control("load/redis-away", Port(HUB, PortDefect::AlwaysUp(Dependency::Redis)), "becomes down"),
    // Deploying: D1, D2, D5, D6, D8 to D11.
    control("deploy/clean", Deployment(Platform(PlatformDefect::RemovesNothing)), "clean:"),
    control("deploy/clean", Deployment(Platform(PlatformDefect::RunningIsHealthy)), "in-order"),
    control("deploy/idempotent", Deployment(Platform(PlatformDefect::OursIsAStrangers)), "answer to second"),
    control("deploy/kill-in-each-phase", Deployment(Store(StoreDefect::KeepsTheLock)), "becomes free"),
    control("deploy/kill-in-each-phase", Deployment(Platform(PlatformDefect::MadeWhenFound)), "clean:"),
    control("deploy/ctrl-c-in-each-phase", Deployment(Store(StoreDefect::KeepsTheLock)), "becomes free"),
    control(
        "deploy/interrupted-again-and-again",
        Deployment(Store(StoreDefect::KeepsTheLock)),
        "becomes free",
    ),
    control(
        "deploy/interrupted-again-and-again",
        Deployment(Platform(PlatformDefect::MadeWhenFound)),
        "clean:",
    ),
    control("deploy/killed-then-rolled-back", Deployment(Platform(PlatformDefect::RemovesNothing)), "clean:"),
    control("deploy/rollback-to-each-phase", Deployment(Platform(PlatformDefect::RemovesNothing)), "clean:"),
    control("deploy/rollback-to-each-phase", Deployment(Store(StoreDefect::RetractsNothing)), "whole:"),
    control("deploy/rollback-twice", Deployment(Platform(PlatformDefect::RemovesNothing)), "clean:"),
    control(
        "deploy/fail-in-each-phase",
        Deployment(Platform(PlatformDefect::FailedIsUp)),
        "answer to fails-deployment",
    ),
    control(
        "deploy/fail-in-each-phase",
        Deployment(Platform(PlatformDefect::FailuresAreFine)),
        "becomes FAILED",
    ),
    control(
        "deploy/concurrent-same",
        Deployment(Store(StoreDefect::LockInAClientThatExits)),
        "stays operator",
    ),
    control("deploy/concurrent-different", Deployment(Store(StoreDefect::OneLockForAll)), "answer to"),
    control("deploy/ten-at-once", Deployment(Store(StoreDefect::OneLockForAll)), "answer to spokes"),
    control(
        "deploy/hub-and-two-spokes-at-once",
        Deployment(Store(StoreDefect::SeesNoHolder)),
        "answer to fra",
    ),
    control(
        "deploy/hub-fails-meanwhile",
        Deployment(Store(StoreDefect::FailedIsComplete)),
        "spoke-fra/deployment/state turns COMPLETE",
    ),
    control("deploy/hub-not-found", Deployment(Store(StoreDefect::UnknownIsComplete)), "answer to fra"),
    control("deploy/keycloak-slow", Deployment(Platform(PlatformDefect::NotYetIsFailed)), "answer to deploy"),
    control(
        "deploy/slow-but-healthy",
        Deployment(Platform(PlatformDefect::NotYetIsFailed)),
        "answer to deploy",
    ),
    control(
        "deploy/unhealthy-container",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control(
        "deploy/keycloak-killed",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control(
        "deploy/docker-daemon-restart",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control(
        "deploy/secret-store-blip",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control(
        "deploy/keycloak-drops-answers",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control("deploy/mongodb-blip", Deployment(Platform(PlatformDefect::GivesUpAtOnce)), "answer to deploy"),
    control(
        "deploy/verification-late",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy",
    ),
    control("deploy/keycloak-hangs", Deployment(Store(StoreDefect::NeverRenews)), "answer to deploy"),
    control(
        "deploy/keycloak-timeout",
        Deployment(Platform(PlatformDefect::RunningIsHealthy)),
        "answer to deploy",
    ),
    control(
        "deploy/missing-secret",
        Deployment(Platform(PlatformDefect::FailuresAreFine)),
        "answer to deploy",
    ),
    control(
        "deploy/port-conflict",
        Deployment(Platform(PlatformDefect::FailuresAreFine)),
        "answer to deploy",
    ),
    control("deploy/disk-full", Deployment(Platform(PlatformDefect::FailuresAreFine)), "answer to deploy"),
    control(
        "deploy/misconfigured-password",
        Deployment(Platform(PlatformDefect::NothingIsForGood)),
        "becomes FAILED",
    ),
    control("deploy/postgres-outage-mid-deploy", Deployment(Store(StoreDefect::AwayIsYes)), "clean:"),
    control(
        "deploy/checkpoint-write-fails",
        Deployment(Store(StoreDefect::CheckpointErrorsIgnored)),
        "answer to deploy",
    ),
    control(
        "lock/five-contenders",
        Deployment(Store(StoreDefect::LockInAClientThatExits)),
        "some answer to five",
    ),
    control("lock/holder-killed", Deployment(Store(StoreDefect::KeepsTheLock)), "becomes free"),
    control("lock/holder-paused", Deployment(Store(StoreDefect::LockInAClientThatExits)), "answer to deploy"),
    control("lock/partitioned-from-postgres", Deployment(Store(StoreDefect::WritesNothingDown)), "clean:"),
    control("lock/taken-for-stale", Deployment(Store(StoreDefect::TakenForStale)), "answer to deploy"),
    control(
        "breaker/persists-over-restart",
        Deployment(Store(StoreDefect::BreakersOfItsOwn)),
        "becomes OPEN",
    ),
    control("retry/matrix", Deployment(Impatient), "becomes SEEDING"),
    control("deploy/dynamic-timeout", Deployment(Store(StoreDefect::NoStartTimes)), "answer to deploy-4"),
    control("deploy/parallel-gain", Deployment(Platform(PlatformDefect::RunningIsHealthy)), "bringing-up"),
    control("nuke/one-of-three", Deployment(Platform(PlatformDefect::RemovesTheNeighbours)), "single-holder"),
    control(
        "recovery/each-error-code",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to deploy-1002",
    ),
    control(
        "deploy/dependency-flaps",
        Deployment(Platform(PlatformDefect::GivesUpAtOnce)),
        "answer to met-up",
    ),
    control("deploy/dependency-flaps", Deployment(Impatient), "becomes SEEDING"),
    control("deploy/mongo-outage", Deployment(Impatient), "becomes FAILED"),
    control(
        "deploy/secret-store-away",
        Deployment(Platform(PlatformDefect::FailuresAreFine)),
        "answer to deploy",
    ),
    control(
        "deploy/misconfigured-port",
        Deployment(Platform(PlatformDefect::RunningIsHealthy)),
        "answer to deploy",
    ),
    control(
        "deploy/misconfigured-realm",
        Deployment(Platform(PlatformDefect::NothingIsForGood)),
        "becomes FAILED",
    ),
    control("deploy/misconfigured-ca", Deployment(Platform(PlatformDefect::FailedIsUp)), "answer to deploy"),
    control(
        "deploy/postgres-failover",
        Deployment(Store(StoreDefect::LockInAClientThatExits)),
        "becomes COMPLETE",
    ),
    control("deploy/out-of-memory", Deployment(Platform(PlatformDefect::GivesUpAtOnce)), "answer to deploy"),
    control(
        "deploy/out-of-memory",
        Deployment(Platform(PlatformDefect::RemediesNothing)),
        "answer to deploy",
    ),
    control("deploy/dns-failure", Deployment(Platform(PlatformDefect::GivesUpAtOnce)), "answer to deploy"),
    control("deploy/dependency-cycle", Deployment(Platform(PlatformDefect::NeedsNothing)), "becomes 1006"),
    control(
        "deploy/verify-ten-fresh",
        Deployment(Platform(PlatformDefect::RunningIsHealthy)),
        "answer to lame-trials",
    ),
    control(
        "deploy/resume-from-each-phase",
        Deployment(Store(StoreDefect::FindsNoCheckpoint)),
        "turns PREFLIGHT",
    ),
    control("deploy/checkpoints-50", Deployment(Store(StoreDefect::RetractsNothing)), "whole:"),
    control(
        "deploy/expired-certificate",
        Deployment(Platform(PlatformDefect::RemediesNothing)),
        "answer to up",
    ),
    control("deploy/expired-certificate", Deployment(Platform(PlatformDefect::FailuresAreFine)), "in-order"),
    // D5
    control(
        "state/corrupt-checkpoint",
        Deployment(Store(StoreDefect::UnreadableIsNothing)),
        "answer to resume-first",
    ),
    control("state/impossible-row", Deployment(Store(StoreDefect::UnreadableIsNothing)), "answer to again"),
    control("recovery/threshold", Deployment(Platform(PlatformDefect::NothingIsGrave)), "becomes FAILED"),
    control("secret/rotate", Deployment(Platform(PlatformDefect::DropsAtOnce)), "in-order"),
    control("secret/rotate", Deployment(Platform(PlatformDefect::SkipsAUser)), "in-order"),
    control("secret/rotate", Deployment(Platform(PlatformDefect::TellsNoServer)), "becomes 1+2"),
    control("nuke/unconfirmed", Deployment(AsksNobody), "answer to removal"),
    control("deploy/soak-100", Deployment(Platform(PlatformDefect::MadeWhenFound)), "clean:"),
    control("scale/hub-and-10", Deployment(Store(StoreDefect::OneLockForAll)), "answer to spokes"),
    control("scale/hub-and-32", Deployment(Store(StoreDefect::OneLockForAll)), "answer to spokes"),
];

/// Longer than any load scenario grants.
const SLOW: Duration = Duration::from_millis(250);
