//! An operator's command in a service's container: run there, written down, ended as it ends.

use dive_orchestrator::{Instance, Phase, Store as _};

use super::docker;
use super::ground::{image, remove};
use crate::bench::{Bench, deploy};

/// Containers that idle, with a label of their own.
struct Idle {
    label: String,
}

impl Idle {
    fn new() -> Self {
        Self { label: format!("dive.test={}", std::process::id()) }
    }

    /// A container that is a service's of `spoke-xq` by its name, and by `labels`.
    fn container(&self, service: &str, labels: &[&str]) {
        let name = format!("dive-spoke-xq-{service}");
        let own = ["run", "--detach", "--network", "none", "--name", &name, "--label", &self.label];
        let image = image("redis");
        docker(&[&own, labels, &["--entrypoint", "sleep", &image, "300"]].concat());
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        remove(&self.label);
    }
}

#[tokio::test]
async fn a_command_runs_in_its_container_is_written_down_and_ends_as_it_ends() {
    let bench = Bench::new();
    let store = bench.migrated().await;
    let spoke: Instance = "spoke-xq".parse().unwrap();
    deploy(&store, &spoke, Phase::Verification).await;
    let idle = Idle::new();
    idle.container("redis", &["--label", "dev.dive.instance=spoke-xq"]);
    idle.container("opa", &[]);
    let exec = |service: &str, script: &str| {
        let words = ["spoke", "exec", "--instance", "xq", service, "--", "sh", "-c", script];
        let mut command = bench.command(&words);
        command.env_remove("DOCKER_HOST");
        bench.ended(command)
    };
    let ended = exec("redis", "echo out; echo err >&2; exit 7");
    assert_eq!((ended.code, &*ended.out, &*ended.err), (7, "out\n", "err\n"));
    assert_eq!(exec("redis", "true # hunter2").code, 0);
    let trail = store.audit_trail().await.unwrap();
    let acts: Vec<_> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(acts, ["exec spoke-xq redis: sh -c …"; 2], "and not what may be secret in it");

    let strangers = exec("opa", "echo ran");
    assert_eq!((strangers.code, &*strangers.out), (13, ""), "{}", strangers.err);
    assert!(strangers.err.starts_with("error 1007: "), "{}", strangers.err);
    let missing = exec("kas", "echo ran");
    assert_eq!((missing.code, &*missing.out), (13, ""), "{}", missing.err);
    assert!(missing.err.starts_with("error 1203: "), "{}", missing.err);
}
