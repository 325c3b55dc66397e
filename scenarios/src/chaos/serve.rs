//! `chaos serve`: the roles that this binary plays in a topology.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use coalition::Coalition;
use coalition::certificates::ServerCertificate;
use harness_local::interceptor;
use miette::Report;
use serde_json::Value;
use standin_opa::serve::ServeError;
use tokio::runtime::Runtime;

use super::args::Role;
use super::complaint::Complaint;
use super::exit::Exit;
use crate::binding::policy;
use crate::runtime;
use crate::worlds::deployment::{DeploymentParts, serve_host, serve_postgres};
use crate::worlds::docker;
use crate::worlds::local::deployment;

pub(super) fn serve(role: Role) -> Result<Exit, Report> {
    match role {
        Role::Node { config } => {
            let serving = dive_node::serve(settings(config.as_deref())?);
            wait(runtime::on_threads(), serving)?.map_err(Complaint::internal)?;
            Ok(Exit::Done)
        }
        Role::Kas => {
            let serving = dive_kas::serve(settings(None)?);
            wait(runtime::on_threads(), serving)?.map_err(Complaint::internal)?;
            Ok(Exit::Done)
        }
        Role::StandinOpa { listen, data } => standin_opa(listen, data.as_deref()),
        Role::StandinKeycloak { listen, management, seed, hostname, tenants, certificate, key } => {
            let tls = certificate.as_deref().zip(key.as_deref()).map(certificate_of).transpose()?;
            let listen = standin_keycloak::Listen { main: listen, management, tls };
            standin_keycloak(&listen, seed, &hostname, &tenants)
        }
        Role::Interceptor { listen, to, names } => {
            let identity = harness_local::Identity::foreign(&names).map_err(Complaint::usage)?;
            println!("listening on {listen}, passing on to {to}");
            served(listen, interceptor::serve(listen, &identity, interceptor::Beyond::Tls(to)))
        }
        Role::StandinMongodb { listen, data } => {
            let options = standin_mongodb::Options { data, ..standin_mongodb::Options::default() };
            served(listen, standin_mongodb::serve(listen, options))
        }
        Role::StandinRedis { listen, data } => {
            let options = standin_redis::Options { append_file: data };
            served(listen, standin_redis::serve(listen, options))
        }
        Role::Machine { listen, stage } => served(listen, deployment::serve_machine(listen, &stage)),
        Role::Door { listen, to } => served(listen, deployment::serve_door(listen, to)),
        Role::Postgres { listen, binaries } => served(listen, serve_postgres(listen, &binaries)),
        Role::OperatorsHost { listen, stage, name } => served(listen, serve_host(listen, &stage, &name)),
        Role::Container { takes_ms } => {
            let serving = deployment::serve_container(Duration::from_millis(takes_ms));
            wait(runtime::on_this_thread(), serving)?.map_err(Complaint::internal)?;
            Ok(Exit::Done)
        }
        Role::Order { stage, host, order, number } => {
            let parts = DeploymentParts::default();
            let working = deployment::carry_out_order(&stage, &host, &order, number, &parts);
            wait(runtime::on_this_thread(), working)?.map_err(Complaint::internal)?;
            Ok(Exit::Done)
        }
        Role::DiveOrder { stage, host, order, number } => {
            let working = docker::deployment::carry_out_order(&stage, &host, &order, number);
            wait(runtime::on_this_thread(), working)?.map_err(Complaint::internal)?;
            Ok(Exit::Done)
        }
        Role::Reaper { .. } => Ok(ended(harness_local::reaper::main())),
        Role::DockerReaper { rest } => Ok(ended(harness_docker::reaper::main(rest))),
    }
}

fn ended(code: ExitCode) -> Exit {
    if code == ExitCode::SUCCESS { Exit::Done } else { Exit::Internal }
}

fn wait<T>(runtime: io::Result<Runtime>, work: impl Future<Output = T>) -> Result<T, Complaint> {
    Ok(runtime.map_err(Complaint::internal)?.block_on(work))
}

/// The settings of a node or of what stands around one: the environment, over a file.
fn settings(config: Option<&Path>) -> Result<dive_node::Settings, Report> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Complaint::usage(format!("{}: {error}", path.display())))
    };
    let text = config.map(read).transpose()?;
    let name = config.map(|path| path.display().to_string()).unwrap_or_default();
    let file = text.as_deref().map(|text| dive_node::settings::TomlFile { name: &name, text });
    let settings = dive_node::Settings::load(file, std::env::vars()).map_err(|error| {
        Complaint::usage(error)
            .help("mend the file, or the variable DIVE_… of the environment, that is named above")
    })?;
    Ok(settings)
}

fn standin_opa(listen: SocketAddr, data: Option<&Path>) -> Result<Exit, Report> {
    let own = data.map(document).transpose()?.unwrap_or(Value::Null);
    let serving = standin_opa::serve(listen, policy::options(own));
    wait(runtime::on_threads(), serving)?.map_err(|error| match &error {
        ServeError::Network { .. } => Complaint::internal(error)
            .help("choose another address with --listen; `ss -ltnp` shows who has it"),
        ServeError::Policy(_) => Complaint::internal(error),
    })?;
    Ok(Exit::Done)
}

fn standin_keycloak(
    listen: &standin_keycloak::Listen,
    seed: u64,
    hostname: &str,
    tenants: &[String],
) -> Result<Exit, Report> {
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    let coalition = Coalition::part(seed, &tenants);
    let options = standin_keycloak::Options::of(&coalition, &tenants, &[]).map_err(Complaint::usage)?;
    let options = standin_keycloak::Options { hostname: Some(hostname.to_owned()), ..options };
    served(listen.main, standin_keycloak::serve(listen.clone(), options))
}

/// Runs a stand-in that ends only when it cannot go on.
fn served<E: std::error::Error>(
    listen: SocketAddr,
    serving: impl Future<Output = Result<(), E>>,
) -> Result<Exit, Report> {
    wait(runtime::on_threads(), serving)?.map_err(|error| {
        Complaint::internal(error)
            .help(format!("if {listen} is taken, choose another address; `ss -ltnp` shows who has it"))
    })?;
    Ok(Exit::Done)
}

fn certificate_of((chain, key): (&Path, &Path)) -> Result<ServerCertificate, Complaint> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Complaint::usage(format!("{}: {error}", path.display())))
    };
    Ok(ServerCertificate { chain: read(chain)?, key: read(key)? })
}

fn document(path: &Path) -> Result<Value, Complaint> {
    let told = |why: String| Complaint::usage(format!("{}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| told(format!("not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(told("not a JSON object of data documents".into())) }
}
