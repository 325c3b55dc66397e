//! Processes that share a SQLite file: one that is killed frees its lock at once, and what it had begun is not
//! there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{DeploymentState, Instance, Store, StoreError};

use crate::{hub, runtime};

/// The other process: takes the lock of the file in its argument, says so, and goes on writing until it is
/// killed.
pub(crate) fn hold(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let file = arguments.next().expect("the file");
    runtime().block_on(async {
        let store = SqlStore::sqlite(Path::new(&file));
        store.migrate().await.unwrap();
        let lease = store.acquire(&Instance::Hub, &hub()).await.unwrap();
        println!("{}", lease.token.number());
        std::io::stdout().flush().unwrap();
        let mut state = store.state(&Instance::Hub).await.unwrap();
        loop {
            let to = state.successors()[0];
            store.transition(&lease, state, to, "on").await.unwrap();
            state = to;
        }
    })
}

fn start(file: &Path) -> (Child, u64) {
    let me = std::env::current_exe().unwrap();
    let mut child = Command::new(me).arg("hold").arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

pub(crate) async fn a_killed_one_frees_its_lock_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let store = SqlStore::sqlite(&file);
    let mut last = 0;
    for _ in 0..3 {
        let (mut child, token) = start(&file);
        assert_eq!(token, last + 1);
        let contended = store.acquire(&Instance::Hub, &hub()).await;
        assert!(matches!(contended, Err(StoreError::Contended { .. })), "{contended:?}");
        let written = async {
            while store.history(&Instance::Hub).await.unwrap().len() < 20 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), written).await.expect("it writes");
        child.kill().unwrap();
        child.wait().unwrap();
        let lease = store.acquire(&Instance::Hub, &hub()).await.expect("free at once");
        last = lease.token.number();
        let log = store.history(&Instance::Hub).await.unwrap();
        let mut from = DeploymentState::Unknown;
        for change in &log {
            assert_eq!(change.from, from);
            from = change.to;
        }
        store.release(&lease).await.unwrap();
    }
    drop(store);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("session")), "{left:?}");
}
