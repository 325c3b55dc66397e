//! Controls that need processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dive_node::ports::{Probe, ProbeError};
use dive_node::serve::{Server, install_logging, ports};
use dive_node::{Dependency, Settings};
use dive_runtime::{Runtime, TokioRuntime};
use harness_core::verdict::{Finding, Verdict};
use harness_core::world::WorldKind;
use scenarios::execute::{Plan, execute, usual_speed};
use scenarios::{binding, catalogue};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

/// The scenarios whose control is here.
pub(crate) const CONTROLS: [&str; 2] = ["recovery/node-restart", "circuit/tls-untrusted"];

/// What the process of a control is told by, besides its arguments.
const AS_NODE: &str = "CONTROL_AS_NODE";

/// Runs of a control that may come out inconclusive, on a machine that stalls, before it fails for that.
const TRIES: u32 = 3;

/// Runs a scenario with these settings and this program: whether it violates a claim that contains `claim`.
fn is_violated(id: &str, settings: &[(&str, &str)], program: &Path, claim: &str) -> Result<(), String> {
    let entry = catalogue::select(id, &binding::vocabulary()).expect("it is in the catalogue").remove(0);
    let mut told = String::new();
    for _ in 0..TRIES {
        let reports = tempfile::tempdir().expect("there is a temporary directory");
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let plan = Plan {
            world: WorldKind::Local,
            seed: 1,
            speed: usual_speed(WorldKind::Local, &entry.scenario),
            scenario: entry.scenario.clone(),
            settings: settings.collect(),
            reports: reports.path().to_owned(),
            stamp: "control".into(),
            started: String::new(),
            program: program.to_owned(),
        };
        let executed = execute(&plan, Vec::new(), std::future::pending()).expect("the run can be made");
        let findings = executed.judgement.findings;
        let of_claim = |finding: &&Finding| finding.claim.contains(claim);
        match findings.iter().find(of_claim).map(|finding| finding.verdict) {
            Some(Verdict::Violated) => return Ok(()),
            Some(Verdict::Inconclusive) => told = format!("{findings:#?}"),
            Some(Verdict::Held) | None => return Err(format!("{findings:#?}")),
        }
    }
    Err(told)
}

/// A node whose circuit can't open does not find the outage that it was restarted into.
#[test]
fn a_restarted_node_that_finds_nothing_is_seen() {
    let chaos = Path::new(env!("CARGO_BIN_EXE_chaos"));
    let settings = [("breaker.opa.failures", "100000")];
    is_violated(CONTROLS[0], &settings, chaos, "becomes OPEN").unwrap_or_else(|told| panic!("{told}"));
}

/// A node that is content with an open port takes a stranger for its identity provider.
#[test]
fn a_node_that_does_not_look_at_certificates_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("chaos");
    let (chaos, me) = (env!("CARGO_BIN_EXE_chaos"), std::env::current_exe().unwrap());
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1 $2\" = 'serve node' ]; then\n\
         {AS_NODE}=1 exec '{}' --exact local::node_that_does_not_look --ignored --nocapture\n\
         fi\n\
         exec '{chaos}' \"$@\"\n",
        me.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    is_violated(CONTROLS[1], &[], &program, "becomes OPEN").unwrap_or_else(|told| panic!("{told}"));
}

/// The node of the control before, as a process of its own.
#[test]
#[ignore = "a control starts it"]
fn node_that_does_not_look() {
    if std::env::var_os(AS_NODE).is_none() {
        return;
    }
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("DIVE_"));
    let settings = Settings::load(None, environment).unwrap();
    let open = settings.keycloak.url.trim_start_matches("https://").to_owned();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        install_logging(&settings);
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let mut ports = ports(&settings, &runtime).await.unwrap();
        ports.probes.insert(Dependency::Keycloak, Arc::new(OpenPort(open)));
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let server = Server::bind_with(settings, ports).await.unwrap();
        server.run(async move { terminate.recv().await.unwrap_or_default() }).await;
    });
}

struct OpenPort(String);

#[async_trait]
impl Probe for OpenPort {
    async fn check(&self) -> Result<(), ProbeError> {
        TcpStream::connect(&self.0).await.map(drop).map_err(|error| ProbeError(error.to_string()))
    }
}
