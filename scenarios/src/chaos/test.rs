//! `chaos test`: all tests, with the runner installed when it is missing.

use std::process::{Command, Stdio};

use miette::Report;

use super::args::Test;
use super::complaint::Complaint;
use super::exit::Exit;
use super::out::note;

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
        note(format_args!("cargo-nextest is missing; installing {NEXTEST}, which takes some minutes"));
        let installed = Command::new(&cargo)
            .args(["install", "cargo-nextest", "--locked", "--version", NEXTEST])
            .status()
            .map_err(|error| no_cargo(&error))?;
        if !installed.success() {
            let by_hand = "see above why; or install it by hand: https://nexte.st";
            return Err(Complaint::internal("cargo-nextest could not be installed").help(by_hand).into());
        }
    }
    let status = Command::new(&cargo)
        .args(["nextest", "run"])
        .args(&args.rest)
        .status()
        .map_err(|error| no_cargo(&error))?;
    Ok(Exit::Code(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70)))
}

fn no_cargo(error: &std::io::Error) -> Complaint {
    Complaint::internal(format!("cargo can't be started: {error}")).help("install it: https://rustup.rs")
}
