//! Compiles a Go program with the Go toolchain of this machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::GoProgram;

const COMPILE: Duration = Duration::from_secs(900);
const SHOWN_LINES: usize = 20;
/// Where Go's own installer puts it, which is not always on the path.
const USUAL_PLACE: &str = "/usr/local/go/bin/go";

/// Why a program could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is no Go toolchain.
    #[error(
        "`go` was not found on the path nor at {USUAL_PLACE}; install Go (https://go.dev/dl), or make the upstream registry reachable"
    )]
    NoToolchain,
    /// It could not be run.
    #[error("could not run {program}: {why}")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// It failed.
    #[error("`go install {package}` failed; its last lines:\n{output}")]
    Failed {
        /// The package.
        package: String,
        /// What it printed last.
        output: String,
    },
    /// It took too long.
    #[error(
        "`go install {package}` took longer than {within:?}; is its module proxy reachable? (`go env GOPROXY`)"
    )]
    Slow {
        /// The package.
        package: String,
        /// The deadline.
        within: Duration,
    },
}

/// A compiled program; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Made {
    folder: TempDir,
    binary: String,
}

impl Made {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.binary)
    }
}

/// Fetches and compiles a program without C, so that it needs no libraries.
pub(super) async fn install(go: &GoProgram) -> Result<Made, ProgramError> {
    let toolchain = toolchain(std::env::var_os("PATH").as_deref()).ok_or(ProgramError::NoToolchain)?;
    let run = |why| ProgramError::Run { program: toolchain.clone(), why };
    let folder = TempDir::new().map_err(run)?;
    let running = Command::new(&toolchain)
        .args(["install", "-trimpath", "-ldflags", &go.ldflags, &go.package])
        .env("CGO_ENABLED", "0")
        .env("GOBIN", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMPILE, running)
        .await
        .map_err(|_| ProgramError::Slow { package: go.package.clone(), within: COMPILE })?
        .map_err(run)?;
    if output.status.success() && folder.path().join(&go.binary).is_file() {
        return Ok(Made { folder, binary: go.binary.clone() });
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    let output = match lines.len().saturating_sub(SHOWN_LINES) {
        _ if lines.is_empty() => format!("(nothing; and there is no file `{}`)", go.binary),
        from => lines[from..].join("\n"),
    };
    Err(ProgramError::Failed { package: go.package.clone(), output })
}

fn toolchain(path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .map(|folder| folder.join("go"))
        .chain([USUAL_PLACE.into()])
        .find(|candidate| Path::is_file(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_is_the_first_on_the_path() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            std::fs::write(folder.path().join("go"), "").unwrap();
        }
        let path = std::env::join_paths([two.path(), one.path()]).unwrap();
        assert_eq!(toolchain(Some(&path)), Some(two.path().join("go")));
    }
}
