//! One topology for all test processes of a run.
//!
//! A test runner starts a process for each test; what is slow to bring up is brought up by the first that asks and
//! shared by the others. Each name is a lease of its own:
//!
//! ```text
//! acquire(run, name) ─ lock <dir>/<name>.lease ─┬─ holds a value of this run ──► that value
//!                                               └─ else ──► setup, write its value ──► that value
//! ```
//!
//! The lock is the kernel's: when whoever sets up dies, the next in line begins anew. No test ends what is shared.
//! It belongs to the run: label it with [`Run::watched`], and a guard removes it when the run's process is gone.
//!
//! OPA behind Toxiproxy is up in less than a second, so tests that break things rather have a topology each.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use harness_core::owner::Owner;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::reaper::{self, ReaperError, Watched};

/// All test processes that share leases: those with the same parent process.
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    owner: Owner,
}

/// Why a lease can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError<E> {
    /// The lease's file can't be used.
    #[error("could not use {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// The setup failed, in this process. The next to ask tries again.
    #[error(transparent)]
    Setup(E),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<T> {
    owner: Owner,
    value: T,
}

impl Run {
    /// The run of the parent process, which is the test runner's. Its leases' files are below the folder for
    /// temporary files.
    ///
    /// # Errors
    /// When `/proc` can't be read, or the folder not be made.
    pub fn of_parent() -> std::io::Result<Self> {
        let parent = std::os::unix::process::parent_id();
        let owner = owner_of(parent)?;
        let folder = std::env::temp_dir().join(format!("chaos-run-{owner}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, owner })
    }

    /// Starts the guard that removes what carries the run's label once the run is over. `program` and `arguments`
    /// as for [`crate::Reaper::arm`]. Call it within the setup of a lease.
    ///
    /// # Errors
    /// When the guard can't be started or finds no Docker engine.
    pub fn watched(&self, program: &Path, arguments: &[&str]) -> Result<Watched, ReaperError> {
        reaper::guard(program, arguments, &self.owner, &self.folder)
    }
}

/// The value of the lease `name`: what `setup` made of it in this process or in the first that asked.
///
/// # Errors
/// When the lease's file can't be used, or this process is the first and `setup` fails.
pub async fn acquire<T, E>(
    run: &Run,
    name: &str,
    setup: impl AsyncFnOnce() -> Result<T, E>,
) -> Result<T, LeaseError<E>>
where
    T: Serialize + DeserializeOwned,
{
    let path = run.folder.join(format!("{name}.lease"));
    let unusable = |why| LeaseError::File { path: path.clone(), why };
    let mut file = locked(path.clone()).await.map_err(unusable)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(unusable)?;
    // What can't be read was cut short by a death: as good as never written.
    if let Ok(Content { owner, value }) = serde_json::from_slice(&content)
        && owner == run.owner
    {
        return Ok(value);
    }
    let content = Content { owner: run.owner.clone(), value: setup().await.map_err(LeaseError::Setup)? };
    let mut write = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&content)?)
    };
    write().map_err(unusable)?;
    Ok(content.value)
}

fn owner_of(pid: u32) -> std::io::Result<Owner> {
    let unreadable = || std::io::Error::other(format!("/proc/{pid}/stat has no start time"));
    let me = Owner::current()?.to_string();
    let boot = me.rsplitn(3, '.').nth(2).ok_or_else(unreadable)?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command's name may hold anything, parentheses included; the start is field 22, the 20th after it.
    let after_name = stat.rsplit_once(')').ok_or_else(unreadable)?.1;
    let start = after_name.split_whitespace().nth(19).ok_or_else(unreadable)?;
    format!("{boot}.{pid}.{start}").parse().map_err(std::io::Error::other)
}

async fn locked(path: PathBuf) -> std::io::Result<File> {
    let lock = move || {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    tokio::task::spawn_blocking(lock).await.unwrap_or_else(|join| Err(std::io::Error::other(join)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn run(folder: &Path) -> Run {
        Run { folder: folder.to_owned(), owner: Owner::current().unwrap() }
    }

    #[test]
    fn an_owner_of_a_pid_is_the_one_that_the_process_itself_would_name() {
        assert_eq!(owner_of(std::process::id()).unwrap(), Owner::current().unwrap());
    }

    #[tokio::test]
    async fn of_many_that_ask_at_once_one_sets_up_and_all_have_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path());
        let setups = AtomicU32::new(0);
        let values = join_all((0..20).map(|_| {
            acquire(&run, "shared", async || {
                tokio::task::yield_now().await;
                Ok::<_, ()>(setups.fetch_add(1, Ordering::SeqCst) + 41)
            })
        }));
        let values: Vec<u32> = values.await.into_iter().map(Result::unwrap).collect();
        assert_eq!((values, setups.into_inner()), (vec![41; 20], 1));
    }

    #[tokio::test]
    async fn names_are_leases_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path());
        for name in ["one", "two"] {
            let value = acquire(&run, name, async || Ok::<_, ()>(name.to_owned())).await.unwrap();
            assert_eq!(value, name);
        }
    }

    #[tokio::test]
    async fn a_failed_setup_is_tried_again_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path());
        assert!(acquire(&run, "flaky", async || Err::<u32, _>("no")).await.is_err());
        assert_eq!(acquire(&run, "flaky", async || Ok::<_, &str>(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_earlier_runs_value_and_one_cut_short_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path());
        let path = folder.path().join("shared.lease");
        for old in [r#"{"owner":"boot.1.1","value":1}"#, r#"{"owner":"boot.1"#] {
            std::fs::write(&path, old).unwrap();
            assert_eq!(acquire(&run, "shared", async || Ok::<u32, ()>(2)).await.unwrap(), 2);
        }
    }
}
