//! What is shown of deployments as they stand.

use std::os::unix::fs::PermissionsExt as _;

use dive_orchestrator::store::ErrorRecord;
use dive_orchestrator::{DeploymentState, ErrorCode, Holder, Instance, Phase, Store as _};
use serde_json::Value;

use crate::bench::{Bench, deploy};

/// Times and process ids are not the same twice.
macro_rules! assert_told {
    ($ended:expr) => {{
        let told = $ended.told();
        insta::with_settings!({filters => vec![
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
            (r"\d+\.\d s", "[span]"),
        ]}, { insta::assert_snapshot!(told) });
    }};
}
pub(crate) use assert_told;

fn spoke(code: &str) -> Instance {
    Instance::Spoke(code.parse().unwrap())
}

#[tokio::test]
async fn all_that_stand_are_shown_and_nothing_is_well_that_cannot_be_asked() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    assert_told!(bench.run(&["status"]));
    deploy(&store, &spoke("fra"), Phase::Deployment).await;
    assert_told!(bench.run(&["ps"]));
    let json = bench.run(&["status", "--json"]);
    assert_eq!(json.code, 1);
    let standings: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(standings[0]["instance"], "hub");
    assert_eq!(standings[0]["ports"]["backend"], 4000);
    assert_eq!(standings[1]["instance"], "spoke-fra");
    assert_eq!(standings[1]["state"], "DEPLOYING");
    assert_eq!(standings[1]["interrupted"], true);
    assert_eq!(standings[1]["ports"]["keycloak"], 8453);
    assert_eq!(standings[0]["services"], Value::Null);
    assert_eq!(bench.run(&["hub", "status"]).code, 1);
    assert_eq!(bench.run(&["spoke", "status", "--instance", "FRA"]).code, 1);
}

#[tokio::test]
async fn who_is_at_work_and_what_went_wrong_are_shown() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &spoke("fra"), Phase::Initialization).await;
    let lease = store.acquire(&spoke("fra"), &Holder { host: "ops".into(), pid: 18 }).await.unwrap();
    store.begin_phase(&lease, Phase::Deployment).await.unwrap();
    assert_told!(bench.run(&["status"]));
    let failure = ErrorRecord {
        code: ErrorCode::ContainerTimeout,
        message: "keycloak was not healthy within 240 s".into(),
        recovered: false,
    };
    store.record_error(&lease, failure.clone()).await.unwrap();
    store.end_phase(&lease, Phase::Deployment, Some(failure)).await.unwrap();
    let (from, to) = (DeploymentState::Initializing, DeploymentState::Failed);
    store.transition(&lease, from, to, "DEPLOYMENT failed").await.unwrap();
    store.release(&lease).await.unwrap();
    assert_told!(bench.run(&["status"]));
    assert_told!(bench.run(&["orch-db", "history", "fra"]));
    assert_told!(bench.run(&["orch-db", "status"]));
}

#[tokio::test]
async fn where_nothing_was_ever_deployed_nothing_is_shown_and_nothing_made() {
    let bench = Bench::new();
    assert_told!(bench.run(&["status"]));
    assert_eq!(bench.run(&["status", "--json"]).out, "[]\n");
    assert_told!(bench.run(&["hub", "status"]));
    assert_told!(bench.run(&["orch-db", "history", "hub"]));
    assert!(!bench.home().exists());
}

#[tokio::test]
async fn a_breaker_that_is_open_is_shown_and_closed_by_order() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    let keycloak = dive_orchestrator::Operation::Keycloak;
    for _ in 0..3 {
        let admission = store.admit(keycloak).await.unwrap();
        store.settle(admission, dive_orchestrator::Outcome::Failure).await.unwrap();
    }
    let open = bench.run(&["orch-db", "breakers"]);
    assert_eq!(open.code, 1);
    assert!(open.out.contains("keycloak      open"), "{}", open.out);
    assert_eq!(bench.run(&["orch-db", "breakers", "--reset", "keycloak"]).code, 0);
    assert_told!(bench.run(&["orch-db", "breakers"]));
    let trail = store.audit_trail().await.unwrap();
    assert_eq!(trail.last().unwrap().action, "orch-db breakers --reset keycloak");
}

#[test]
fn migrating_makes_the_database_and_may_be_done_again() {
    let bench = Bench::new();
    for _ in 0..2 {
        assert_eq!(bench.run(&["orch-db", "migrate"]).code, 0);
    }
    assert!(bench.database().exists());
    let mode = std::fs::metadata(bench.home()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "there will be secrets in it");
}
