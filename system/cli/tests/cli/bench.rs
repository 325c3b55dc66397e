//! A home of its own for each test, and the command run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{Holder, Instance, Phase, Resource, ResourceKind, Store as _};
use tempfile::TempDir;

/// A folder to be at home in.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What the command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("dive-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home().join("orchestration.db")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dive"));
        for (variable, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DIVE_"))
        {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("DIVE_HOME", self.home())
            // Whatever runs on this machine, nobody asks it.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.ended(self.command(arguments))
    }

    pub(crate) fn run_with(&self, variable: &str, value: impl AsRef<OsStr>, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.env(variable, value);
        self.ended(command)
    }

    pub(crate) fn ended(&self, mut command: Command) -> Ended {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(&self.path().display().to_string(), "[place]")
        };
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The database, with the schema.
    pub(crate) async fn migrated(&self) -> SqlStore {
        fs::create_dir_all(self.home()).unwrap();
        let store = SqlStore::sqlite(&self.database());
        store.migrate().await.unwrap();
        store
    }

    /// Everything under the home folder, with its size.
    pub(crate) fn everything(&self) -> Vec<(PathBuf, u64)> {
        fn walk(folder: &Path, into: &mut Vec<(PathBuf, u64)>) {
            for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
                let found = entry.metadata().unwrap();
                // SQLite's own, made by readers, too.
                let name = entry.file_name().into_string().unwrap();
                if !name.ends_with("-wal") && !name.ends_with("-shm") {
                    into.push((entry.path(), found.len()));
                }
                if found.is_dir() {
                    walk(&entry.path(), into);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.path(), &mut found);
        found.sort();
        found
    }
}

impl Ended {
    /// What was said, as one text to look at.
    pub(crate) fn told(&self) -> String {
        format!("exit {}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }
}

/// Brings a deployment to the end of `last`, as a deploying process does.
pub(crate) async fn deploy(store: &SqlStore, instance: &Instance, last: Phase) {
    let by = Holder { host: "ops".into(), pid: 17 };
    let lease = store.acquire(instance, &by).await.unwrap();
    if let Instance::Spoke(code) = instance {
        store.claim_slot(code).await.unwrap();
    }
    for phase in Phase::ALL.into_iter().filter(|phase| *phase <= last) {
        let state = store.state(instance).await.unwrap();
        if state != phase.state() {
            store.transition(&lease, state, phase.state(), "as asked").await.unwrap();
        }
        store.begin_phase(&lease, phase).await.unwrap();
        let thing = Resource { kind: ResourceKind::File, name: phase.to_string(), before: None };
        store.intend(&lease, phase, &thing).await.unwrap();
        store.save_checkpoint(&lease, phase).await.unwrap();
        store.end_phase(&lease, phase, None).await.unwrap();
    }
    if last == Phase::Verification {
        let state = store.state(instance).await.unwrap();
        store
            .transition(&lease, state, dive_orchestrator::DeploymentState::Complete, "it stands")
            .await
            .unwrap();
    }
    store.release(&lease).await.unwrap();
}
