//! What is shown of deployments as they stand.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

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

/// As one that is just being made is seen by others.
#[test]
fn nothing_was_deployed_either_where_the_database_is_empty() {
    let (bench, database) = (Bench::new(), tempfile::NamedTempFile::new().unwrap());
    for arguments in [&["status"][..], &["hub", "status"], &["orch-db", "status"], &["orch-db", "audit"]] {
        let [empty, none] = [database.path(), Path::new("/nowhere/at-all.db")].map(|path| {
            let ended = bench.run(&[arguments, &["--database", path.to_str().unwrap()]].concat());
            (ended.code, ended.out, ended.err)
        });
        assert_eq!(empty, none, "{arguments:?}");
    }
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

#[tokio::test]
async fn what_operators_did_is_shown_of_all_and_of_each() {
    let bench = Bench::new();
    assert_told!(bench.run(&["orch-db", "audit"]));
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    let by = Holder { host: "ops".into(), pid: 17 };
    for action in ["exec hub opa: date", "down spoke-hub", "nuke spoke-fra"] {
        store.audit(&by, action).await.unwrap();
    }
    assert_told!(bench.run(&["orch-db", "audit"]));
    let history = bench.run(&["orch-db", "history", "hub"]).out;
    assert!(history.contains("exec hub opa: date") && !history.contains("spoke"), "{history}");
    let document: Value =
        serde_json::from_str(&bench.run(&["orch-db", "history", "hub", "--json"]).out).unwrap();
    assert_eq!(document["audit"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_compared_does_not_agree() {
    let bench = Bench::new();
    let engine = gone_engine(&bench);
    let before = bench.everything();
    assert_told!(bench.run_with("DOCKER_HOST", &engine, &["orch-db", "check"]));
    assert_eq!(bench.everything(), before, "no database is made");
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    deploy(&store, &spoke("fra"), Phase::Deployment).await;
    let before = bench.everything();
    assert_told!(bench.run_with("DOCKER_HOST", &engine, &["orch-db", "check"]));
    let json = bench.run_with("DOCKER_HOST", &engine, &["orch-db", "check", "--json"]);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &document[1]["differences"][0]["kind"]), (1, &Value::from("cut-short")));
    assert_eq!(bench.everything(), before, "nothing is repaired");
}

/// What is on this machine of a deployment of which its database knows nothing is named, with what to do about it, and
/// left alone; a database that is not there knows nothing either, and is not made.
#[tokio::test]
async fn what_is_of_no_deployment_that_is_known_is_named_and_left_alone() {
    let bench = Bench::new();
    a_stray_is_named(&bench);
    assert!(!bench.home().exists());
    std::fs::remove_file(bench.path().join("engine.sock")).unwrap();
    drop(bench.migrated().await);
    a_stray_is_named(&bench);
}

fn a_stray_is_named(bench: &Bench) {
    let (engine, asked) = engine_with_a_stray(bench);
    let check = bench.run_with("DOCKER_HOST", &engine, &["orch-db", "check"]);
    assert_eq!(check.code, 1, "{check:?}");
    let told = "differs  spoke-xyz: container dive-spoke-xyz-opa is there, and this database knows of no such deployment";
    assert!(check.out.contains("agrees   hub") && check.out.contains(told), "{check:?}");
    assert!(
        check.out.contains("next: ") && check.out.contains("`dive nuke spoke xyz --confirm`"),
        "{check:?}"
    );
    let json = bench.run_with("DOCKER_HOST", &engine, &["orch-db", "check", "--json"]);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    let stray = &document[1];
    assert_eq!((json.code, &stray["instance"]), (1, &Value::from("spoke-xyz")));
    assert_eq!(stray["differences"][0]["kind"], "unknown-instance");
    assert!(stray["next"].as_str().unwrap().contains("dive nuke spoke xyz --confirm"));
    let asked: Vec<_> = asked.try_iter().collect();
    assert!(asked.len() >= 4 && asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
}

/// An engine that has one container, of a spoke; and what it is asked, line by line.
fn engine_with_a_stray(bench: &Bench) -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let socket = bench.path().join("engine.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            for _ in lines.by_ref().take_while(|line| !line.is_empty()) {}
            let body = if request.contains("/volumes") {
                r#"{"Volumes": [], "Warnings": []}"#
            } else if request.contains("instance%3Dhub") {
                "[]"
            } else {
                r#"[{"Names": ["/dive-spoke-xyz-opa"], "Labels": {"dev.dive.instance": "spoke-xyz"}}]"#
            };
            let _ = tell.send(request);
            let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nconnection: close\r\n\r\n{body}");
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    (format!("unix://{}", socket.display()), asked)
}

/// A socket that an engine has left.
fn gone_engine(bench: &Bench) -> String {
    let socket = bench.path().join("engine.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    format!("unix://{}", socket.display())
}

#[tokio::test]
async fn where_things_are_is_shown_without_a_password() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &spoke("fra"), Phase::Verification).await;
    assert_told!(bench.run(&["info"]));
    let url = "postgres://dive:hunter2@127.0.0.1:1/orchestration?sslmode=disable";
    let away = bench.run_with("DIVE_DATABASE", url, &["info"]);
    assert_eq!(away.code, 13);
    assert!(!away.err.contains("hunter2") && !away.out.contains("hunter2"), "{away:?}");
}

#[test]
fn a_machine_that_is_not_ready_is_told_why_and_left_as_it_is() {
    let bench = Bench::new();
    assert_told!(bench.run(&["validate"]));
    assert_eq!(bench.everything(), []);
}

#[tokio::test]
async fn secrets_are_listed_and_never_shown() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &spoke("fra"), Phase::Verification).await;
    let folder = bench.home().join("instances/spoke-fra/secrets");
    std::fs::create_dir_all(&folder).unwrap();
    let secret = "0123456789abcdef".repeat(4);
    for (name, text) in [("postgres.1", secret.as_str()), ("redis.1", "hunter2")] {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let ended = bench.run(&["secrets", "list"]);
    assert!(!ended.out.contains(&secret) && !ended.out.contains("hunter2"), "{}", ended.out);
    assert_told!(ended);
    let listed = bench.run(&["secrets", "list", "--instance", "FRA", "--json"]);
    let document: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(document.as_array().unwrap().len(), 6);
    let missing = bench.run(&["secrets", "load", "--instance", "fra"]);
    assert_told!(missing);
}

#[tokio::test]
async fn secrets_that_went_are_fetched_and_those_that_are_here_stay() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &spoke("fra"), Phase::Verification).await;
    let names = ["postgres", "keycloak", "redis", "cache-key", "verifier", "users"];
    let load = |digit: &str| {
        let mut command = bench.command(&["secrets", "load", "--instance", "fra"]);
        command.env("DIVE_SECRETS", "environment");
        for name in names {
            let variable = format!("DIVE_SECRET_SPOKE_FRA_{}", name.to_uppercase().replace('-', "_"));
            command.env(variable, digit.repeat(64));
        }
        let ended = bench.ended(command);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    };
    let read = |name: &str| {
        let file = bench.home().join(format!("instances/spoke-fra/secrets/{name}.1"));
        (
            std::fs::read_to_string(&file).unwrap(),
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        )
    };
    assert_eq!(load("a"), "spoke-fra: 6 loaded, 0 were here\n");
    std::fs::remove_file(bench.home().join("instances/spoke-fra/secrets/redis.1")).unwrap();
    assert_eq!(load("b"), "spoke-fra: 1 loaded, 5 were here\n");
    for name in names {
        let digit = if name == "redis" { "b" } else { "a" };
        assert_eq!(read(name), (digit.repeat(64), 0o600), "{name}");
    }
    let trail = store.audit_trail().await.unwrap();
    assert_eq!(trail.len(), 2);
    assert_eq!(trail[1].action, "secrets-load spoke-fra");
}

#[test]
fn graphs_are_drawn_without_a_database() {
    let bench = Bench::new();
    for (language, of) in [("dot", "digraph states"), ("mermaid", "stateDiagram-v2")] {
        let ended = bench.run(&["orch-db", "graph", "--language", language]);
        assert!(ended.code == 0 && ended.out.contains(of), "{}", ended.err);
    }
    assert_eq!(bench.everything(), []);
}
