//! `chaos test`: all tests, with the runner installed when it is missing.

use std::process::{Command, Stdio};

use miette::{IntoDiagnostic as _, Report, WrapErr as _, miette};

use super::args::Test;
use super::exit::Exit;

/// The version that is installed when there is none.
const NEXTEST: &str = "0.9.151";

pub(super) fn test(args: &Test) -> Result<Exit, Report> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let there = Command::new(&cargo)
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("cargo-nextest is missing; installing {NEXTEST}, which takes some minutes");
        let installed = Command::new(&cargo)
            .args(["install", "cargo-nextest", "--locked", "--version", NEXTEST])
            .status()
            .into_diagnostic()
            .wrap_err("cargo could not be started")?;
        if !installed.success() {
            return Err(miette!(help = "install it by hand: cargo install cargo-nextest --locked", "cargo-nextest could not be installed"));
        }
    }
    let status = Command::new(&cargo)
        .args(["nextest", "run"])
        .args(&args.rest)
        .status()
        .into_diagnostic()
        .wrap_err("cargo nextest could not be started")?;
    Ok(Exit::Code(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70)))
}
