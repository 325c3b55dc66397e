//! `chaos doctor`: is everything there that a run needs, and what to do where it is not.

use std::path::Path;
use std::process::{Command, Stdio};

use harness_docker::{Engine, EngineError};
use miette::Report;

use super::args::Doctor;
use super::exit::Exit;
use super::out::out;
use crate::worlds::deployment::installed_server;
use crate::{binding, catalogue, folders, runtime};

const ENGINE: &str = "docker engine";

/// One thing looked at.
struct Checked {
    what: &'static str,
    /// What was found, or what is wrong with the next step.
    found: Result<String, String>,
    /// Whether the virtual and the local world need it.
    needed: bool,
}

pub(super) fn doctor(args: &Doctor) -> Result<Exit, Report> {
    let checks = [
        Checked { what: "catalogue", found: scenarios(), needed: true },
        Checked {
            what: "report folder",
            found: writable(&folders::reports(args.report_dir.as_deref())),
            needed: true,
        },
        Checked { what: "temporary folder", found: writable(&std::env::temp_dir()), needed: true },
        Checked {
            what: "cargo-nextest",
            found: version("cargo", &["nextest", "--version"], "`cargo chaos test` installs it"),
            needed: false,
        },
        Checked { what: ENGINE, found: engine(), needed: false },
        Checked { what: "postgres", found: server(), needed: false },
        Checked {
            what: "go",
            found: version(
                "go",
                &["version"],
                "needed only to build images where none can be pulled: https://go.dev/dl",
            ),
            needed: false,
        },
        Checked {
            what: "opa",
            found: version("opa", &["version"], "only for the contract suite of its stand-in"),
            needed: false,
        },
        Checked {
            what: "toxiproxy-server",
            found: version(
                "toxiproxy-server",
                &["--version"],
                "only for the contract suite of the fault proxy",
            ),
            needed: false,
        },
    ];
    let well = checks.iter().all(|check| check.found.is_ok() || !check.needed);
    for check in &checks {
        if args.json {
            let line = serde_json::json!({
                "what": check.what, "ok": check.found.is_ok(), "needed": check.needed,
                "found": check.found.as_ref().ok(), "next": check.found.as_ref().err(),
            });
            out!("{line}")?;
            continue;
        }
        match &check.found {
            Ok(found) => out!("✓ {:<18} {found}", check.what)?,
            Err(next) if check.needed => out!("✗ {:<18} {next}", check.what)?,
            Err(next) => out!("– {:<18} {next}", check.what)?,
        }
    }
    if !args.json {
        out!("\n{}", summary(well, &checks))?;
    }
    Ok(if well { Exit::Done } else { Exit::Internal })
}

fn summary(well: bool, checks: &[Checked]) -> &'static str {
    let engine = checks.iter().any(|check| check.what == ENGINE && check.found.is_ok());
    match (well, engine) {
        (false, _) => "mend what is marked ✗ first",
        (true, true) => "the virtual, the local and the docker world can run",
        (true, false) => "the virtual and the local world can run",
    }
}

fn scenarios() -> Result<String, String> {
    catalogue::all(&binding::vocabulary())
        .map(|entries| format!("{} scenarios", entries.len()))
        .map_err(|error| error.to_string())
}

/// Whether files can be made in a folder, or in the one that it would be made in.
fn writable(folder: &Path) -> Result<String, String> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    match tempfile::tempfile_in(there) {
        Ok(_) => Ok(folder.display().to_string()),
        Err(error) => {
            Err(format!("{}: {error}; choose another with --report-dir or TMPDIR", there.display()))
        }
    }
}

fn version(program: &str, arguments: &[&str], next: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
        }
        _ => Err(format!("not there: {next}")),
    }
}

fn server() -> Result<String, String> {
    installed_server()
        .map(|folder| folder.display().to_string())
        .map_err(|error| format!("only for --set store=postgres. {}", error.to_string().replace("\n ", ";")))
}

fn engine() -> Result<String, String> {
    let runtime = runtime::on_this_thread().map_err(|error| error.to_string())?;
    match runtime.block_on(Engine::connect()) {
        Ok(engine) => Ok(format!("{} at {}", engine.version(), engine.host())),
        Err(EngineError::Absent { host, why, next }) => {
            Err(format!("only for the docker world. {host}: {why}. {next}"))
        }
        Err(error) => Err(format!("only for the docker world: {error}")),
    }
}
