//! `chaos serve`: the roles that this binary plays in a topology.

use std::process::ExitCode;

use miette::{IntoDiagnostic as _, Report, WrapErr as _};
use serde_json::Value;

use super::args::Role;
use super::exit::Exit;
use crate::binding::policy;

pub(super) fn serve(role: Role) -> Result<Exit, Report> {
    match role {
        Role::Node { config } => node(config.as_deref()),
        Role::StandinOpa { listen, data } => standin_opa(listen, data.as_deref()),
        Role::Reaper { .. } => Ok(ended(harness_local::reaper::main())),
        Role::DockerReaper { rest } => Ok(ended(harness_docker::reaper::main(rest))),
    }
}

fn ended(code: ExitCode) -> Exit {
    if code == ExitCode::SUCCESS { Exit::Done } else { Exit::Internal }
}

fn runtime() -> Result<tokio::runtime::Runtime, Report> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().into_diagnostic()
}

fn node(config: Option<&std::path::Path>) -> Result<Exit, Report> {
    let text = config.map(std::fs::read_to_string).transpose().into_diagnostic().wrap_err("the settings can't be read")?;
    let name = config.map(|path| path.display().to_string()).unwrap_or_default();
    let file = text.as_deref().map(|text| dive_node::settings::TomlFile { name: &name, text });
    let settings = dive_node::Settings::load(file, std::env::vars()).into_diagnostic()?;
    runtime()?.block_on(dive_node::serve(settings)).into_diagnostic()?;
    Ok(Exit::Done)
}

fn standin_opa(listen: std::net::SocketAddr, data: Option<&std::path::Path>) -> Result<Exit, Report> {
    let own = match data {
        None => Value::Null,
        Some(path) => {
            let text = std::fs::read(path).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
            serde_json::from_slice(&text).into_diagnostic().wrap_err_with(|| path.display().to_string())?
        }
    };
    runtime()?.block_on(standin_opa::serve(listen, policy::options(own))).into_diagnostic()?;
    Ok(Exit::Done)
}
