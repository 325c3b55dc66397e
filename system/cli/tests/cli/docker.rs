//! With a container engine. What is made here carries a label of its own and is removed, whatever comes of it.
//!
//! | file | what |
//! |---|---|
//! | `deployments` | whole ones, for the night |
//! | `exec` | an operator's command in a container |
//! | `ground`, `running`, `relay` | what they stand on: this machine's engine, the command at work, a way to the engine that can be cut |

mod deployments;
mod exec;
mod ground;
mod relay;
mod running;

use std::process::Command;

use dive_orchestrator::{DeploymentState, Instance, Store as _};

use crate::bench::Bench;

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Somebody else's container under a name of the hub's, and the empty image it is of.
struct Stranger {
    image: String,
}

impl Stranger {
    fn named(name: &str) -> Self {
        let image = format!("dive-test-stranger:{}", std::process::id());
        let mut import = Command::new("sh");
        let archive = format!("tar --create --files-from /dev/null | docker import - {image}");
        assert!(import.args(["-c", &archive]).output().unwrap().status.success());
        let stranger = Self { image };
        docker(&["create", "--name", name, &stranger.image, "nothing"]);
        stranger
    }

    fn container(&self) -> String {
        docker(&[
            "ps",
            "--all",
            "--no-trunc",
            "--filter",
            &format!("ancestor={}", self.image),
            "--format",
            "{{.ID}} {{.Names}}",
        ])
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let containers = Command::new("docker")
            .args(["ps", "--all", "--quiet", "--filter", &format!("ancestor={}", self.image)])
            .output();
        let containers =
            containers.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for container in containers.split_whitespace() {
            let _ = Command::new("docker").args(["rm", "--force", container]).output();
        }
        let _ = Command::new("docker").args(["rmi", &self.image]).output();
    }
}

#[tokio::test]
async fn a_strangers_container_with_our_name_is_told_and_left_alone() {
    let bench = Bench::new();
    let stranger = Stranger::named("dive-hub-opa");
    let before = stranger.container();
    let mut command = bench.command(&["hub", "deploy"]);
    command.env_remove("DOCKER_HOST");
    let ended = bench.ended(command);
    assert_eq!((ended.code, ended.out.as_str()), (13, ""), "{}", ended.err);
    assert!(ended.err.contains("error 1007: ") && ended.err.contains("dive-hub-opa"), "{}", ended.err);
    assert_eq!(stranger.container(), before);
    let store = bench.migrated().await;
    assert_eq!(store.state(&Instance::Hub).await.unwrap(), DeploymentState::Failed);
    assert_eq!(store.intents(&Instance::Hub).await.unwrap(), [], "nothing was made");
    assert!(!bench.home().join("instances").exists());
}
