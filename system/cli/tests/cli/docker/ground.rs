//! A machine to deploy on: images, a label on all that is made, and nothing of it left in the end.

use std::fs;
use std::process::Command;

use super::docker;
use super::running::Running;
use crate::bench::{Bench, Ended};

/// What the images of `cargo chaos images` carry.
const RECIPE: &str = "dev.chaos.recipe";

/// What every deployment carries.
const INSTANCE: &str = "dev.dive.instance";

/// The image that a recipe made last.
pub(super) fn image(recipe: &str) -> String {
    let label = format!("label={RECIPE}={recipe}");
    let found = docker(&["images", "--filter", &label, "--format", "{{.Repository}}:{{.Tag}}"]);
    let newest = found.lines().find(|image| !image.contains("<none>"));
    newest.unwrap_or_else(|| panic!("no image of {recipe}: run `cargo chaos images`")).to_owned()
}

/// A home, and this machine's containers to deploy into.
pub(super) struct Ground {
    pub(super) bench: Bench,
    database: Option<String>,
    engine: Option<String>,
    images: Vec<(String, String)>,
    label: String,
}

impl Ground {
    /// # Panics
    /// When a deployment stands on this machine: names and ports are fixed, and it is not ours to remove.
    pub(super) fn new() -> Self {
        let label = format!("dive.test={}", std::process::id());
        assert_eq!(things(INSTANCE), "", "a deployment stands on this machine");
        let of = |service: &str, recipe: &str| (format!("DIVE_IMAGE_{service}"), image(recipe));
        let mut images = vec![
            of("POSTGRES", "postgres"),
            of("MONGODB", "mongodb"),
            of("REDIS", "redis"),
            of("BLACKLIST_REDIS", "redis"),
            of("OPA", "opa"),
            of("KEYCLOAK", "keycloak-postgres"),
            of("NODE", "node"),
        ];
        images.push(("DIVE_COMMAND_KEYCLOAK".into(), "start --optimized --import-realm".into()));
        for service in ["POSTGRES", "MONGODB"] {
            images.push((format!("DIVE_DATA_{service}"), "/var/lib/postgresql".into()));
        }
        Self { bench: Bench::new(), database: None, engine: None, images, label }
    }

    /// The same with another orchestration database.
    pub(super) fn on(mut self, database: String) -> Self {
        self.database = Some(database);
        self
    }

    /// The same with another way to the container engine.
    pub(super) fn through(mut self, engine: String) -> Self {
        self.engine = Some(engine);
        self
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn command(&self, words: &str) -> Command {
        let arguments: Vec<_> = words.split(' ').collect();
        let mut command = self.bench.command(&arguments);
        command.envs(self.images.iter().cloned()).env("DIVE_LABELS", &self.label);
        match &self.engine {
            Some(engine) => command.env("DOCKER_HOST", engine),
            None => command.env_remove("DOCKER_HOST"),
        };
        if let Some(database) = &self.database {
            command.env("DIVE_DATABASE", database);
        }
        command
    }

    pub(super) fn run(&self, words: &str) -> Ended {
        self.bench.ended(self.command(words))
    }

    /// The same, and it must do what it was told.
    pub(super) fn done(&self, words: &str) -> Ended {
        let ended = self.run(words);
        assert_eq!(ended.code, 0, "dive {words}: {}", ended.told());
        ended
    }

    pub(super) fn start(&self, words: &str) -> Running {
        Running::start(words, self.command(words))
    }

    /// State and health of each instance, as `dive status` tells them.
    pub(super) fn standings(&self) -> Vec<(String, String)> {
        let ended = self.run("status --json");
        let standings: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let instances = standings.as_array().unwrap().iter();
        instances.map(|of| (text(&of["instance"]), text(&of["state"]))).collect()
    }

    /// Containers, volumes and networks that are there, and secrets in the home folder.
    pub(super) fn left(&self) -> String {
        let secrets = fs::read_dir(self.bench.home().join("instances")).into_iter().flatten().count();
        if secrets == 0 {
            things(&self.label)
        } else {
            format!("{} and {secrets} folders", things(&self.label))
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        remove(&self.label);
    }
}

/// How many containers of an instance run.
pub(super) fn containers(instance: &str) -> usize {
    let label = format!("label={INSTANCE}={instance}");
    docker(&["ps", "--quiet", "--filter", &label]).lines().count()
}

/// Names of the containers, volumes and networks with a label.
fn things(label: &str) -> String {
    let filter = format!("label={label}");
    let kinds: [&[&str]; 3] = [
        &["ps", "--all", "--format", "{{.Names}}"],
        &["volume", "ls", "--format", "{{.Name}}"],
        &["network", "ls", "--format", "{{.Name}}"],
    ];
    let found = kinds.map(|listing| docker(&[listing, &["--filter", &filter]].concat()));
    found.iter().filter(|names| !names.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Removes whatever carries a label.
pub(super) fn remove(label: &str) {
    let filter = format!("label={label}");
    for (listing, removal) in [
        (&["ps", "--all", "--quiet"][..], &["rm", "--force", "--volumes"][..]),
        (&["volume", "ls", "--quiet"], &["volume", "rm"]),
        (&["network", "ls", "--quiet"], &["network", "rm"]),
    ] {
        let Ok(found) = Command::new("docker").args(listing).args(["--filter", &filter]).output() else {
            return;
        };
        for name in String::from_utf8_lossy(&found.stdout).split_whitespace() {
            let _ = Command::new("docker").args(removal).arg(name).output();
        }
    }
}
