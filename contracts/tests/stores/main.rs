//! One contract, kept by every store: in memory, in a SQLite file, in PostgreSQL.
//!
//! Method: random histories against a model and against the store in memory, to the last number; histories of
//! real threads, checked afterwards; connections cut, servers paused, killed and brought back. In memory and
//! with SQLite it always runs. With PostgreSQL it runs with `HARNESS_DOCKER=1`, in a container; or on the server
//! whose superuser's URL is in `CONTRACT_POSTGRES` (`postgres://user:password@host:port`), if one stands
//! already. The test program is also the containers' `reaper`, and a process to be killed (`hold`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arms;
mod conformance;
mod docker;
mod faults;
mod histories;
mod model;
mod processes;
mod schema;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use dive_orchestrator::store::{Database, SqlStore};
use dive_orchestrator::{Holder, Instance, Stamp, Store as _};
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

use arms::{Arm, Client, Memory, Postgres, Sqlite};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn thread_of_its_own() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Somebody who takes the hub's lock.
fn hub() -> Holder {
    Holder { host: Instance::Hub.to_string(), pid: std::process::id() }
}

fn conforms(mut arm: impl Arm, cases: u32) {
    conformance::holds(&runtime(), &mut arm, cases);
}

fn memory_histories(check: impl FnOnce(histories::Connect<'_>)) {
    let database = Database::new(|| Stamp::from_millis(1));
    check(&move |old| {
        drop(old);
        let client = Client::new(database.connect());
        Box::pin(async { client })
    });
}

fn sqlite_histories() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    runtime().block_on(SqlStore::sqlite(&file).migrate()).unwrap();
    let connect = |old| -> BoxFuture<'static, Client> {
        drop(old);
        let client = Client::new(SqlStore::sqlite(&file));
        Box::pin(async { client })
    };
    histories::hold(&connect, 40);
}

fn postgres_histories(server: &str) {
    let runtime = runtime();
    let mut arm = runtime.block_on(Postgres::create(server, "histories"));
    runtime.block_on(arm.store().migrate()).unwrap();
    let (server, url, connected) = (server.to_owned(), arm.url(), AtomicU64::new(0));
    let connect = move |old: Option<Client>| -> BoxFuture<'static, Client> {
        let name = format!("contender-{}", connected.fetch_add(1, Ordering::Relaxed));
        let client = Client::of_postgres(&url, name);
        let server = server.clone();
        Box::pin(async move {
            if let Some(old) = old {
                old.crash_at(server).await;
            }
            client
        })
    };
    histories::hold(&connect, 40);
    runtime.block_on(arm.terminate());
    runtime.block_on(arm.remove());
}

/// A part of the contract on a server, given the server.
type OnServer = (&'static str, fn(&str));

fn postgres_trials() -> Vec<OnServer> {
    vec![
        ("conformance", |server| {
            let runtime = runtime();
            let mut arm = runtime.block_on(Postgres::create(server, "contract"));
            conformance::holds(&runtime, &mut arm, 12);
            runtime.block_on(arm.remove());
        }),
        ("histories", postgres_histories),
        ("migrations", |server| {
            runtime().block_on(schema::postgres_is_migrated_by_many_at_once(server.to_owned()));
        }),
        ("refusals", |server| runtime().block_on(schema::postgres_refuses(server.to_owned()))),
        ("cut", |server| {
            runtime().block_on(faults::a_cut_connection_frees_the_lock_at_once(server.to_owned()));
        }),
        ("swallowed", |server| {
            runtime().block_on(faults::a_swallowed_answer_is_no_permission(server.to_owned()));
        }),
        ("ended", |server| {
            runtime().block_on(faults::ended_in_the_middle_the_log_stays_legal(server.to_owned()));
        }),
    ]
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("reaper") => return harness_docker::reaper::main(arguments),
        Some("hold") => return processes::hold(arguments),
        _ => {}
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let mut trials = vec![
        trial("memory::conformance", || conforms(Memory::default(), 96)),
        trial("memory::histories", || memory_histories(|connect| histories::hold(connect, 300))),
        trial("memory::histories_would_show_a_lock_that_outlives_its_connection", || {
            memory_histories(histories::would_show_a_lock_that_outlives_its_connection);
        }),
        trial("memory::histories_would_show_that_nobody_is_refused", || {
            histories::would_show_that_nobody_is_refused();
        }),
        trial("sqlite::conformance", || conforms(Sqlite::new(), 12)),
        trial("sqlite::histories", sqlite_histories),
        trial("sqlite::migrations", || runtime().block_on(schema::sqlite_is_migrated_by_many_at_once())),
        trial("sqlite::older schema", || runtime().block_on(schema::sqlite_comes_from_the_first_schema())),
        trial("sqlite::refusals", || runtime().block_on(schema::sqlite_refuses())),
        trial("sqlite::unreadable", || runtime().block_on(schema::sqlite_reads_no_row_as_something_else())),
        trial("sqlite::killed", || runtime().block_on(processes::a_killed_one_frees_its_lock_at_once())),
    ];
    if let Ok(server) = std::env::var("CONTRACT_POSTGRES") {
        trials.extend(postgres_trials().into_iter().map(|(name, test)| {
            let server = server.clone();
            Trial::test(format!("postgres::{name}"), move || {
                test(&server);
                Ok(())
            })
        }));
    }
    let in_docker = [
        Trial::test("docker::postgres_contract", || {
            docker::with_server("stores", async |_, _, server| {
                let running: Vec<_> = postgres_trials()
                    .into_iter()
                    .map(|(name, test)| {
                        let server = server.clone();
                        (name, tokio::task::spawn_blocking(move || test(&server)))
                    })
                    .collect();
                let mut failed = Vec::new();
                for (name, test) in running {
                    if test.await.is_err() {
                        failed.push(name);
                    }
                }
                if failed.is_empty() { Ok(()) } else { Err(Failed::from(format!("failed: {failed:?}"))) }
            })
        }),
        Trial::test("docker::postgres_paused_and_killed", || {
            docker::with_server("outages", docker::paused_and_killed)
        }),
    ];
    trials.extend(in_docker.map(|trial| trial.with_ignored_flag(!docker::is_wanted())));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
