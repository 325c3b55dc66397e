//! `chaos test`: all tests, with the runner installed when it is missing.

use std::process::{Command, Stdio};

use miette::Report;

use super::args::Test;
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::note;

/// The version that is installed when there is none.
const NEXTEST: &str = "0.9.151";
/// How what `cargo run` says of the package is called.
const OF_THIS_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

pub(super) fn test(args: &Test) -> Result<Exit, Report> {
    let there = cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        note(format_args!("cargo-nextest is missing; installing {NEXTEST}, which takes some minutes"));
        let installed = cargo()
            .args(["install", "cargo-nextest", "--locked", "--version", NEXTEST])
            .status()
            .map_err(|error| no_cargo(&error))?;
        if !installed.success() {
            let by_hand = "see above why; or install it by hand: https://nexte.st";
            return Err(Complaint::internal("cargo-nextest could not be installed").help(by_hand).into());
        }
    }
    let status =
        cargo().args(["nextest", "run"]).args(&args.rest).status().map_err(|error| no_cargo(&error))?;
    Ok(Exit::Code(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70)))
}

/// Cargo as the operator would call it. What `cargo run` says of this package in the environment would be new to build
/// scripts that look there (ring's is one): all that stands on them would be compiled again, here and at the next call.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if OF_THIS_PACKAGE.iter().any(|of| name.to_string_lossy().starts_with(of)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn no_cargo(error: &std::io::Error) -> Complaint {
    Complaint::internal(format!("cargo can't be started: {error}")).help("install it: https://rustup.rs")
}
