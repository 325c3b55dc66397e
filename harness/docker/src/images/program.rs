//! Compiles a Go program with the Go toolchain of this machine.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::recipe::GoProgram;
use super::tool::{Errand, Tool, ToolError};

const COMPILE: Duration = Duration::from_secs(900);
/// Go's own installer puts it where it is not always on the path.
const GO: Tool =
    Tool { name: "go", elsewhere: "/usr/local/go/bin/go", next: "install Go (https://go.dev/dl)" };

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
pub(super) async fn install(go: &GoProgram) -> Result<Made, ToolError> {
    let toolchain = GO.find()?;
    let folder = TempDir::new().map_err(|why| ToolError::Run { tool: toolchain.clone(), why })?;
    let errand = Errand {
        what: format!("`go install {}`", go.package),
        within: COMPILE,
        next: "is its module proxy reachable? (`go env GOPROXY`)",
    };
    let mut command = Command::new(&toolchain);
    command
        .args(["install", "-trimpath", "-ldflags", &go.ldflags, &go.package])
        .env("CGO_ENABLED", "0")
        .env("GOBIN", folder.path());
    errand.run(&mut command).await?;
    let made = Made { folder, binary: go.binary.clone() };
    if made.path().is_file() {
        return Ok(made);
    }
    Err(ToolError::Failed {
        what: format!("`go install {}`", go.package),
        output: format!("(it made no file `{}`)", go.binary),
    })
}
