//! Where things are: the home folder, and in it or elsewhere the orchestration database.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{ErrorCode, Holder, Store as _, StoreError};
use nix::errno::Errno;

use crate::complaint::Complaint;

/// What says where things are, before or after the verb.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The folder of secrets, certificates and, without --database, the database [default: ~/.dive]
    #[arg(long, global = true, value_name = "FOLDER", env = "DIVE_HOME")]
    home: Option<PathBuf>,
    /// The orchestration database: a SQLite file, or postgres://user:password@host/database; a password is better
    /// given in the variable [default: orchestration.db in the home folder]
    #[arg(long, global = true, value_name = "FILE|URL", env = "DIVE_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

/// The orchestration database.
enum Database {
    File(PathBuf),
    Url(String),
}

impl Place {
    /// The home folder; it may not be there yet.
    pub(crate) fn home(&self) -> Result<PathBuf, Complaint> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        std::env::home_dir().map(|home| home.join(".dive")).ok_or_else(|| {
            Complaint::of(ErrorCode::Folder, "nobody's home: HOME is not set", "name a folder with --home")
        })
    }

    fn database(&self) -> Result<Database, Complaint> {
        match &self.database {
            None => Ok(Database::File(self.home()?.join("orchestration.db"))),
            Some(text) if text.contains("://") => Ok(Database::Url(text.clone())),
            Some(text) if text.is_empty() => Err(Complaint::usage(
                ErrorCode::Configuration,
                "--database is empty",
                "name a file or a postgres:// URL, or leave it out",
            )),
            Some(text) => Ok(Database::File(text.into())),
        }
    }

    /// The database, without who asks and by which password.
    pub(crate) fn database_in_words(&self) -> Result<String, Complaint> {
        Ok(match self.database()? {
            Database::File(file) => file.display().to_string(),
            Database::Url(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                let after = rest.rsplit_once('@').map_or(rest, |(_, after)| after);
                format!("{scheme}://{}", after.split(['?', '#']).next().unwrap_or_default())
            }
        })
    }

    /// The database, to read. `None` when nobody has made it yet, or somebody is just about to: nothing was ever
    /// deployed.
    pub(crate) async fn store_if_any(&self) -> Result<Option<SqlStore>, Complaint> {
        let store = match self.database()? {
            Database::File(file) if !file.exists() => return Ok(None),
            Database::File(file) => SqlStore::sqlite(&file),
            Database::Url(url) => SqlStore::postgres(&url)?,
        };
        let is_empty = matches!(store.instances().await, Err(StoreError::OlderSchema { found: 0, .. }));
        Ok((!is_empty).then_some(store))
    }

    /// The database, made if it is a file that isn't there.
    pub(crate) fn store(&self) -> Result<SqlStore, Complaint> {
        match self.database()? {
            Database::File(file) => {
                if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    private_folder(folder)?;
                }
                Ok(SqlStore::sqlite(&file))
            }
            Database::Url(url) => Ok(SqlStore::postgres(&url)?),
        }
    }
}

/// Makes a folder, and those it is in, that only its owner may enter. One that is there stays as it is.
pub(crate) fn private_folder(folder: &Path) -> Result<(), Complaint> {
    if fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Complaint::at(folder, &error))
}

/// This process, as locks and the audit name it.
pub(crate) fn myself() -> Holder {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    Holder { host: host.unwrap_or_else(|| "localhost".to_owned()), pid: std::process::id() }
}

/// Whether a process is surely gone: one of this machine, of which nothing is known here any more.
pub(crate) fn is_gone(holder: &Holder) -> bool {
    let pid = i32::try_from(holder.pid).map(nix::unistd::Pid::from_raw);
    holder.host == myself().host
        && pid.is_ok_and(|pid| nix::sys::signal::kill(pid, None) == Err(Errno::ESRCH))
}
