//! A PostgreSQL server of the run's own, from the package that is installed on this machine.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use dive_node::serve::told_to_stop;
use harness_core::world::WorldError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tokio::process::Command;

/// Where to look for the package before everything else.
const BINARIES: &str = "PG_BIN";
/// Where Debian's packages put theirs, each version into a folder of its own.
const PACKAGES: &str = "/usr/lib/postgresql";
/// What is needed of it.
const NEEDED: [&str; 2] = ["initdb", "postgres"];
/// What to do when it is not there.
pub(super) const NEXT: &str = "it needs PostgreSQL's server: `apt-get install postgresql`, or set PG_BIN to the folder \
                               in which its initdb and postgres are";

/// The file of the password, in the server's folder.
pub(super) const PASSWORD: &str = "password";
/// And of everything else.
const DATA: &str = "data";
/// The database and the user, both its first.
const FIRST: &str = "postgres";

/// What it logs when it is ready.
pub(super) const READY: &str = "database system is ready to accept connections";
/// How long that may take at first, in real time.
pub(super) const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// Asks whether it would speak TLS, which it answers by one byte:
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>, SSLRequest.
pub(super) const HELLO: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Who it runs as when we are root, for it refuses to; the first that there is.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The package, and what a server of this run is logged in to with.
pub(in crate::worlds) struct Installed {
    pub(super) binaries: PathBuf,
    pub(super) password: String,
}

impl Installed {
    /// Finds it.
    ///
    /// # Errors
    /// When it is not installed.
    pub(super) fn find() -> Result<Self, WorldError> {
        let password = password().map_err(|error| WorldError::Failed(error.to_string()))?;
        Ok(Self { binaries: installed()?, password })
    }

    /// Where a server that listens there is, and how to log in to it.
    pub(super) fn url(&self, at: SocketAddr) -> String {
        format!("postgres://{FIRST}:{}@{at}/{FIRST}?sslmode=disable", self.password)
    }
}

/// The folder of the package's programs.
///
/// # Errors
/// When it is not installed.
pub fn installed() -> Result<PathBuf, WorldError> {
    let path = env::var_os("PATH");
    found(env::var_os(BINARIES).as_deref(), path.as_deref(), Path::new(PACKAGES))
        .map_err(|problem| WorldError::Ground { problem, next_step: NEXT.into() })
}

/// The folder of the package: as told, or of the command path, or the newest of Debian's.
fn found(told: Option<&OsStr>, path: Option<&OsStr>, packages: &Path) -> Result<PathBuf, String> {
    let is_whole = |folder: &PathBuf| NEEDED.iter().all(|name| folder.join(name).is_file());
    if let Some(told) = told.map(PathBuf::from) {
        let wrong = format!("{BINARIES} is {}, and there is no initdb and postgres", told.display());
        return Some(told).filter(is_whole).ok_or(wrong);
    }
    let versions = fs::read_dir(packages).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let packaged = versions.into_iter().map(|(_, folder)| folder);
    let mut folders = path.into_iter().flat_map(env::split_paths).chain(packaged);
    folders.find(is_whole).ok_or_else(|| "PostgreSQL's server is not installed".into())
}

/// Of this run alone: whoever else is on this machine does not get in.
fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

/// Serves at `listen`, from its folder, until it is told to stop. What was written stays over a restart.
///
/// # Errors
/// When the server can't be made or started, or ends by itself.
pub async fn serve(listen: SocketAddr, binaries: &Path) -> io::Result<()> {
    let folder = env::current_dir()?;
    let data = folder.join(DATA);
    let user = unprivileged()?;
    if !data.join("PG_VERSION").exists() {
        make(&data, &folder.join(PASSWORD), binaries, user.as_ref()).await?;
    }
    let stop = told_to_stop().map_err(io::Error::other)?;
    let mut server = command(&binaries.join("postgres"), user.as_ref());
    let ours = [
        ("listen_addresses", listen.ip().to_string()),
        ("port", listen.port().to_string()),
        ("unix_socket_directories", String::new()),
        // The machine goes on when the server is killed: nothing is lost that was written and not yet on the disk.
        ("fsync", "off".to_owned()),
        ("shared_buffers", "16MB".to_owned()),
        // In its folder, so that nothing is left elsewhere when it is killed.
        ("dynamic_shared_memory_type", "mmap".to_owned()),
    ];
    server
        .arg("-D")
        .arg(&data)
        .args(ours.iter().flat_map(|(key, value)| ["-c".into(), format!("{key}={value}")]));
    let mut server = server.spawn()?;
    let pid = server.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let ended = tokio::select! {
        biased;
        ended = server.wait() => ended?,
        () = stop => {
            if let Some(pid) = pid {
                // In good order, and whoever is connected is sent away.
                kill(pid, Signal::SIGINT).map_err(io::Error::from)?;
            }
            server.wait().await?
        }
    };
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("the server: {ended}"))) }
}

/// An empty database, with this password.
async fn make(data: &Path, password: &Path, binaries: &Path, user: Option<&User>) -> io::Result<()> {
    // What an earlier try has left is not whole.
    let _ = fs::remove_dir_all(data);
    fs::create_dir(data)?;
    for path in [data, password] {
        if let Some(user) = user {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
    }
    let mut initdb = command(&binaries.join("initdb"), user);
    initdb.arg("-D").arg(data).arg("--pwfile").arg(password);
    initdb.args(["-U", FIRST, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]);
    let made = initdb.stdout(Stdio::null()).status().await?;
    if made.success() { Ok(()) } else { Err(io::Error::other(format!("initdb: {made}"))) }
}

/// A program of the package, as a user that it does not refuse.
fn command(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    if let Some(User { uid, gid, .. }) = user {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// Who it must run as: nobody else unless we are root.
fn unprivileged() -> io::Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let there = UNPRIVILEGED.iter().find_map(|name| User::from_name(name).ok().flatten());
    there.map(Some).ok_or_else(|| io::Error::other("there is no user `postgres` or `nobody` to run it as"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &Path) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        for name in NEEDED {
            fs::write(folder.join(name), "").unwrap();
        }
        folder.to_owned()
    }

    #[test]
    fn what_is_told_goes_before_the_command_path_and_that_before_the_newest_package() {
        let place = tempfile::tempdir().unwrap();
        let (told, path, packages) =
            (place.path().join("told"), place.path().join("path"), place.path().join("packages"));
        let find = |told: Option<&Path>, path: Option<&Path>| {
            found(told.map(Path::as_os_str), path.map(Path::as_os_str), &packages)
        };
        assert_eq!(find(None, Some(&path)), Err("PostgreSQL's server is not installed".into()));
        package(&packages.join("9/bin"));
        let newest = package(&packages.join("15/bin"));
        fs::create_dir_all(packages.join("16/bin")).unwrap();
        assert_eq!(find(None, Some(&path)), Ok(newest), "the newest that is whole");
        package(&path);
        assert_eq!(find(None, Some(&path)), Ok(path.clone()));
        assert!(
            find(Some(&told), Some(&path)).unwrap_err().contains("PG_BIN"),
            "no other than what was told"
        );
        package(&told);
        assert_eq!(find(Some(&told), Some(&path)), Ok(told.clone()));
    }

    #[test]
    fn no_two_runs_share_a_password() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert!(one.len() == 32 && one != other);
    }
}
