//! What is not, what may not be, what can't be reached: its code, one line what happened, one line what to do,
//! and nothing changed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;

use dive_orchestrator::{Holder, Instance, Phase, Store as _};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::bench::{Bench, Ended, deploy};
use crate::reading::assert_told;

#[test]
fn words_that_are_no_command_are_told_with_the_usage() {
    let bench = Bench::new();
    for arguments in [
        &["deploy"][..],
        &["hub", "deploy", "--resume", "--from-phase", "seeding"],
        &["hub", "deploy", "--keep", "--rollback"],
        &["hub", "deploy", "--resources", "-1"],
        &["spoke", "deploy", "fra", ""],
        &["hub", "explode"],
        &["orch-db", "breakers", "--reset", "opal"],
    ] {
        let ended = bench.run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{arguments:?}");
        assert!(ended.err.contains("--help"), "{}", ended.err);
    }
    assert_eq!(bench.everything(), []);
}

#[test]
fn a_code_that_is_none_is_refused() {
    let bench = Bench::new();
    assert_told!(bench.run(&["spoke", "status", "--instance", "f_r"]));
    assert_told!(bench.run(&["orch-db", "history", "../x"]));
    assert_eq!(bench.run(&["spoke", "deploy", "f_r", "France"]).code, 64);
    assert_eq!(bench.everything(), []);
}

#[test]
fn a_phase_that_is_none_is_refused_with_the_names_before_anything_is_made() {
    let bench = Bench::new();
    assert_told!(bench.run(&["hub", "deploy", "--from-phase", "deploy"]));
    assert_eq!(bench.run(&["hub", "deploy", "--skip-phase", "all"]).code, 64);
    assert_eq!(bench.run(&["orch-db", "rollback", "hub", "--to", "x"]).code, 64);
    assert_eq!(bench.everything(), []);
}

#[tokio::test]
async fn an_instance_that_is_deployed_is_not_deployed_again_unasked() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    let history = store.history(&Instance::Hub).await.unwrap();
    assert_told!(bench.run(&["hub", "deploy"]));
    assert_eq!(store.history(&Instance::Hub).await.unwrap(), history);
}

#[test]
fn nothing_is_removed_that_was_not_confirmed() {
    let bench = Bench::new();
    assert_told!(bench.run(&["nuke", "spoke", "FRA"]));
    for what in [&["nuke", "all"][..], &["nuke", "hub"]] {
        assert_eq!(bench.run(what).code, 64);
    }
    assert_told!(bench.run(&["nuke", "hub", "--confirm"]));
    assert_eq!(bench.run(&["nuke", "all", "--confirm"]).code, 0);
    assert_eq!(bench.everything(), []);
}

#[tokio::test]
async fn a_hub_that_spokes_stand_on_is_not_removed_alone() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    deploy(&store, &"spoke-fra".parse().unwrap(), Phase::Verification).await;
    assert_told!(bench.run(&["nuke", "hub", "--confirm"]));
}

#[test]
fn what_is_not_deployed_is_neither_taken_down_nor_tried_nor_rolled_back() {
    let bench = Bench::new();
    assert_told!(bench.run(&["hub", "down"]));
    for what in
        [&["hub", "up"][..], &["hub", "verify"], &["hub", "logs", "opa"], &["orch-db", "rollback", "fra"]]
    {
        assert_eq!(bench.run(what).code, 11, "{what:?}");
    }
    assert_told!(bench.run(&["hub", "logs", "opal"]));
    assert_eq!(bench.everything(), []);
}

/// What a program reads is what people do.
#[tokio::test]
async fn whatever_is_refused_the_last_line_of_json_says_how_it_ended() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    let fra: Instance = "spoke-fra".parse().unwrap();
    deploy(&store, &fra, Phase::Seeding).await;
    drop(store);
    for (arguments, ending) in [
        (&["hub", "deploy"][..], "refused"),
        (&["hub", "deploy", "--from-phase", "deploy"], "refused"),
        (&["hub", "verify"], "refused"),
        (&["orch-db", "history", "f_r"], "refused"),
        (&["status", "--database", "postgres://nobody@127.0.0.1:1/x"], "database"),
        (&["hub", "down"], "refused"),
        (&["spoke", "up", "--instance", "f_r"], "refused"),
        (&["spoke", "down", "--instance", "fra"], "refused"),
        (&["orch-db", "rollback", "fra"], "refused"),
        (&["nuke", "all"], "refused"),
        (&["hub", "deploy", "--database", "postgres://nobody@127.0.0.1:1/x"], "database"),
    ] {
        let plain = bench.run(arguments);
        let ended = bench.run(&[arguments, &["--json"]].concat());
        let result: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
        assert_eq!((&result["event"], &result["ending"]), (&json!("result"), &json!(ending)), "{ended:?}");
        assert_eq!(result["exit"], ended.code);
        assert_eq!((plain.code, &plain.err), (ended.code, &ended.err));
        let [detail, next] = ["detail", "next"].map(|key| result[key].as_str().unwrap());
        assert!(ended.err.ends_with(&format!(": {detail}\n  next: {next}\n")), "{ended:?}");
    }
    let nothing = Bench::new().run(&["nuke", "all", "--confirm", "--json"]);
    let result: Value = serde_json::from_str(&nothing.out).unwrap();
    assert_eq!((nothing.code, &result["ending"], &result["exit"]), (0, &json!("removed"), &json!(0)));
}

/// No engine is there: it is said at once, and nothing is written but the empty database.
#[tokio::test]
async fn without_a_container_engine_nothing_begins() {
    let bench = Bench::new();
    assert_told!(bench.run(&["hub", "deploy"]));
    let store = bench.migrated().await;
    assert_eq!(store.instances().await.unwrap(), []);
}

/// The database's bytes with all that was written to it, and not what of it is still beside the file.
async fn bytes_of(bench: &Bench, statement: &'static str) -> Vec<u8> {
    let url = format!("sqlite://{}", bench.database().display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    fs::read(bench.database()).unwrap()
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_left_alone() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["orch-db", "migrate"]).code, 0);
    let before = bytes_of(&bench, "insert into schema_versions (version) values (99)").await;
    let files = bench.everything();
    assert_told!(bench.run(&["status"]));
    assert_eq!(bench.run(&["orch-db", "migrate"]).code, 13);
    assert!(bytes_of(&bench, "select 1").await == before);
    assert_eq!(bench.everything(), files);
}

#[tokio::test]
async fn a_database_file_that_may_only_be_read_is_left_alone() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    drop(store);
    fs::set_permissions(bench.database(), fs::Permissions::from_mode(0o444)).unwrap();
    for folder in [bench.path(), &bench.home()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let mut command = bench.command(&["orch-db", "breakers", "--reset", "keycloak"]);
    if nix::unistd::geteuid().is_root() {
        // Nothing is read-only for root.
        command.uid(65_534).gid(65_534);
    }
    let ended = bench.ended(command);
    for folder in [bench.path(), &bench.home()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_told!(ended);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let bench = Bench::new();
    let file = bench.path().join("notes.txt");
    fs::write(&file, "not a database, but long enough to be one for all that its size says ".repeat(20))
        .unwrap();
    let before = fs::read(&file).unwrap();
    assert_told!(bench.run(&["orch-db", "migrate", "--database", "notes.txt"]));
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// A PostgreSQL that lets nobody in, as far as a client can tell.
fn refusing_postgres() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            loop {
                let mut length = [0; 4];
                if stream.read_exact(&mut length).is_err() {
                    break;
                }
                let mut message = vec![0; u32::from_be_bytes(length) as usize - 4];
                stream.read_exact(&mut message).unwrap();
                // Of the two messages without a type the shorter one asks for TLS.
                if message.len() == 4 {
                    stream.write_all(b"N").unwrap();
                    continue;
                }
                let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"dive\"\0\0";
                let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
                stream.write_all(&[b"E", &length[..], fields].concat()).unwrap();
                break;
            }
        }
    });
    port
}

#[test]
fn a_wrong_password_is_told_and_not_repeated() {
    let bench = Bench::new();
    let url = format!("postgres://dive:hunter2@127.0.0.1:{}/orchestration", refusing_postgres());
    let ended = bench.run_with("DIVE_DATABASE", &url, &["status"]);
    assert_told!(ended);
    assert!(!ended.err.contains("hunter2"));
    assert_eq!(bench.everything(), []);
}

#[test]
fn a_database_that_is_away_or_of_no_known_kind_is_told() {
    let bench = Bench::new();
    let url = "postgres://dive:hunter2@127.0.0.1:1/orchestration";
    let ended = bench.run_with("DIVE_DATABASE", url, &["status"]);
    assert_eq!(ended.code, 13, "{}", ended.err);
    assert!(ended.err.starts_with("error 1406: ") && !ended.err.contains("hunter2"), "{}", ended.err);
    assert_told!(bench.run(&["status", "--database", "mysql://u:hunter2@h/d"]));
    assert_told!(bench.run(&["status", "--database", ""]));
    assert_eq!(bench.everything(), []);
}

#[test]
fn the_help_never_shows_the_database_of_the_environment() {
    let bench = Bench::new();
    let ended = bench.run_with("DIVE_DATABASE", "postgres://dive:hunter2@h/d", &["status", "--help"]);
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("DIVE_DATABASE") && !ended.out.contains("hunter2"), "{}", ended.out);
}

/// An engine's socket on which nobody answers: who asks it anything waits, and who doesn't is told at once.
fn silent_engine(bench: &Bench) -> (UnixListener, String) {
    let socket = bench.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    (listener, format!("unix://{}", socket.display()))
}

fn run_beside(bench: &Bench, arguments: &[&str]) -> Ended {
    let (_listener, engine) = silent_engine(bench);
    let ended = bench.run_with("DOCKER_HOST", engine, arguments);
    fs::remove_file(bench.path().join("engine.sock")).unwrap();
    ended
}

#[tokio::test]
async fn a_code_is_the_same_in_either_case() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    deploy(&store, &"spoke-fra".parse().unwrap(), Phase::Verification).await;
    for code in ["fra", "FRA", "Fra"] {
        let ended = run_beside(&bench, &["spoke", "deploy", code, "France"]);
        assert_eq!(ended.code, 13, "{}", ended.err);
        assert!(ended.err.starts_with("error 1007: spoke-fra is deployed already"), "{}", ended.err);
    }
    assert_eq!(store.slots().await.unwrap().len(), 1, "no second one began");
}

#[tokio::test]
async fn a_code_that_was_never_deployed_is_told_of_by_every_verb() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    let before = bench.everything();
    let at = ["--instance", "xyz"];
    assert_told!(bench.run(&[&["spoke", "restart"][..], &at].concat()));
    for verb in [
        &["spoke", "up"][..],
        &["spoke", "down"],
        &["spoke", "verify"],
        &["spoke", "logs", "opa"],
        &["secrets", "load"],
        &["secrets", "list"],
    ] {
        let ended = bench.run(&[verb, &at].concat());
        assert_eq!(ended.code, 11, "{verb:?}: {}", ended.err);
        assert!(ended.err.starts_with("error 1505: spoke-xyz is not deployed"), "{verb:?}: {}", ended.err);
    }
    let exec = bench.run(&["spoke", "exec", "opa", "--instance", "xyz", "--", "true"]);
    assert!(exec.err.starts_with("error 1505: "), "{}", exec.err);
    assert_eq!(store.audit_trail().await.unwrap(), []);
    assert_eq!(bench.everything(), before);
}

#[tokio::test]
async fn a_spoke_without_any_hub_is_refused_and_nothing_of_it_begun() {
    let bench = Bench::new();
    assert_told!(run_beside(&bench, &["spoke", "deploy", "fra", "France"]));
    let store = bench.migrated().await;
    assert_eq!((store.instances().await.unwrap(), store.slots().await.unwrap()), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_complete_is_not_resumed_and_no_phase_is_gone_back_to_that_was_never_reached() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Verification).await;
    let fra: Instance = "spoke-fra".parse().unwrap();
    deploy(&store, &fra, Phase::Deployment).await;
    let before = (store.history(&Instance::Hub).await.unwrap(), store.history(&fra).await.unwrap());
    let finished = store.checkpoints(&fra).await.unwrap();
    assert_told!(run_beside(&bench, &["hub", "deploy", "--resume"]));
    assert_told!(run_beside(&bench, &["orch-db", "rollback", "fra", "--to", "seeding"]));
    assert_told!(run_beside(&bench, &["spoke", "deploy", "fra", "--only-phase", "verification"]));
    assert_told!(run_beside(&bench, &["spoke", "deploy", "fra", "--resume", "--skip-phase", "deployment"]));
    assert_eq!((store.history(&Instance::Hub).await.unwrap(), store.history(&fra).await.unwrap()), before);
    assert_eq!(store.checkpoints(&fra).await.unwrap(), finished);
    assert_eq!(store.audit_trail().await.unwrap(), [], "what was refused is nothing that was done");
}

#[tokio::test]
async fn a_second_operator_is_told_who_is_at_work() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    deploy(&store, &Instance::Hub, Phase::Deployment).await;
    let holder = Holder { host: "ops".into(), pid: 17 };
    let lease = store.acquire(&Instance::Hub, &holder).await.unwrap();
    let before = store.history(&Instance::Hub).await.unwrap();
    assert_told!(run_beside(&bench, &["hub", "deploy", "--resume"]));
    for verb in [&["hub", "down"][..], &["orch-db", "rollback", "hub"], &["nuke", "hub", "--confirm"]] {
        let ended = run_beside(&bench, verb);
        assert!(ended.code == 13 && ended.err.contains("ops"), "{verb:?}: {}", ended.err);
    }
    store.renew(&lease).await.unwrap();
    assert_eq!(store.history(&Instance::Hub).await.unwrap(), before);
    assert_eq!(store.audit_trail().await.unwrap(), []);
}

#[test]
fn a_store_of_secrets_that_is_none_is_refused() {
    let bench = Bench::new();
    assert_told!(bench.run_with("DIVE_SECRETS", "vault", &["secrets", "list"]));
    for (variable, value) in [("DIVE_SECRETS_PROJECT", "a b"), ("DIVE_SECRETS_URL", "http://secrets.example")]
    {
        let mut command = bench.command(&["info"]);
        command.env("DIVE_SECRETS", "google").env("DIVE_SECRETS_PROJECT", "p").env(variable, value);
        let ended = bench.ended(command);
        assert_eq!(ended.code, 13, "{}", ended.err);
        assert!(ended.err.starts_with("error 1107: ") && ended.err.contains(variable), "{}", ended.err);
    }
    assert_eq!(bench.everything(), []);
}

#[test]
fn a_command_to_run_is_given_after_two_dashes() {
    let bench = Bench::new();
    for arguments in
        [&["hub", "exec", "opa"][..], &["hub", "exec", "opa", "date"], &["hub", "exec", "opa", "--"]]
    {
        assert_eq!(bench.run(arguments).code, 64, "{arguments:?}");
    }
    assert_eq!(bench.everything(), []);
}
