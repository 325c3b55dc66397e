//! How long a hub and two spokes take from nothing to COMPLETE, deployed at once into the containers of this machine by
//! the `dive` command, its images warm; and where the time goes.
//!
//! ```console
//! $ cargo chaos images                                         # all of them, and by recipe those that are named below
//! $ HARNESS_DOCKER=1 cargo bench --package benches --bench deployment
//! ```
//!
//! It needs a Docker engine, and this machine without another deployment: its ports are those of a hub. Without
//! `HARNESS_DOCKER=1` it says that it was not measured. It runs once, after `dive` was built as it ships: it takes a
//! minute or two, and a second run would say more of the machine than of the first. Nothing else should be at work.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use benches::summary::{Goal, print, seen};
use serde_json::Value;
use tempfile::TempDir;

/// On two cores, seconds.
const GOAL: f64 = 72.0;

/// What names the image of a service, and the recipe that made it.
const IMAGES: [(&str, &str); 7] = [
    ("POSTGRES", "postgres"),
    ("MONGODB", "mongodb"),
    ("REDIS", "redis"),
    ("BLACKLIST_REDIS", "redis"),
    ("OPA", "opa"),
    ("KEYCLOAK", "keycloak-postgres"),
    ("NODE", "node"),
];

/// The `dive` command on this machine, everything of it removed in the end.
struct Dive {
    program: PathBuf,
    home: TempDir,
    images: Vec<(String, String)>,
}

impl Dive {
    fn new() -> Self {
        let built =
            Command::new(env!("CARGO")).args(["build", "--quiet", "--release", "--package", "dive"]).status();
        assert!(built.is_ok_and(|status| status.success()), "dive can't be built");
        // It lies beside the folder of this bench.
        let this = std::env::current_exe().expect("a bench is a program");
        let program = this.ancestors().nth(2).expect("cargo builds a bench two folders deep").join("dive");
        let images = IMAGES.map(|(service, recipe)| (format!("DIVE_IMAGE_{service}"), image(recipe)));
        Self { program, home: tempfile::tempdir().expect("a temporary folder"), images: images.into() }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words.split(' ')).envs(self.images.iter().cloned()).env("DIVE_HOME", self.home.path());
        command.env("DIVE_COMMAND_KEYCLOAK", "start --optimized --import-realm");
        for service in ["POSTGRES", "MONGODB"] {
            command.env(format!("DIVE_DATA_{service}"), "/var/lib/postgresql");
        }
        command.stdin(Stdio::null());
        command
    }

    fn start(&self, words: &str) -> Run {
        let log = tempfile::tempfile().expect("a temporary file");
        let told = log.try_clone().expect("a temporary file");
        let process = self.command(words).stdout(Stdio::null()).stderr(told).spawn().expect("dive starts");
        Run { process, log }
    }

    fn told(&self, words: &str) -> String {
        let ended = self.command(words).output().expect("dive starts");
        assert!(ended.status.success(), "dive {words}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }
}

/// A deployment under way, and what it tells of itself.
struct Run {
    process: Child,
    log: File,
}

impl Run {
    fn is_under_way(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|ended| ended.is_none())
    }

    fn ends_well(mut self) {
        let ended = self.process.wait().expect("it was started");
        let mut told = String::new();
        let read = self.log.rewind().and_then(|()| self.log.read_to_string(&mut told));
        assert!(ended.success() && read.is_ok(), "a deployment ended with {ended}:\n{told}");
    }
}

impl Drop for Dive {
    fn drop(&mut self) {
        let _ = self.command("nuke all --confirm").output();
    }
}

/// The image that a recipe made last.
fn image(recipe: &str) -> String {
    let label = format!("label=dev.chaos.recipe={recipe}");
    let listing = Command::new("docker")
        .args(["images", "--filter", &label, "--format", "{{.Repository}}:{{.Tag}}"])
        .output()
        .expect("docker is there");
    let found = String::from_utf8_lossy(&listing.stdout).into_owned();
    let newest = found.lines().find(|image| !image.contains("<none>"));
    newest.unwrap_or_else(|| panic!("no image of {recipe}: run `cargo chaos images`")).to_owned()
}

#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
fn main() {
    if !benches::wanted("deployment") || !benches::measuring() {
        return;
    }
    if std::env::var_os("HARNESS_DOCKER").is_none_or(|given| given != "1") {
        println!("NOT MEASURED: a deployment into containers, as HARNESS_DOCKER is not 1");
        return;
    }
    let dive = Dive::new();
    let standing: Value = serde_json::from_str(&dive.told("orch-db status --json")).expect("JSON");
    assert_eq!(standing, serde_json::json!([]), "it begins with nothing");
    let began = Instant::now();
    let mut hub = dive.start("hub deploy");
    // A spoke is refused where nobody deploys a hub.
    while !dive.told("orch-db status").contains("hub") && hub.is_under_way() {}
    let spokes = ["spoke deploy FRA France", "spoke deploy GBR Britain"].map(|words| dive.start(words));
    for run in [hub].into_iter().chain(spokes) {
        run.ends_well();
    }
    seen(
        "hub and two spokes, from nothing to COMPLETE",
        began.elapsed().as_secs_f64(),
        "s",
        Goal::Under(GOAL),
    );
    println!("{}", dive.told("orch-db waterfall"));
    tell(&serde_json::from_str(&dive.told("orch-db waterfall --json")).expect("JSON"));
    print();
}

/// The sums over all three, by phase and service.
fn tell(chart: &Value) {
    let deployments = chart["deployments"].as_array().into_iter().flatten();
    let mut sums: Vec<(String, f64)> = Vec::new();
    for bar in deployments.flat_map(|of| of["bars"].as_array().into_iter().flatten()) {
        let name = bar["name"].as_str().unwrap_or_default();
        let seconds = bar["tookMs"].as_f64().unwrap_or_default() / 1e3;
        match sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += seconds,
            None => sums.push((name.to_owned(), seconds)),
        }
    }
    for (name, sum) in sums {
        seen(&format!("hub and two spokes, all of {name}"), sum, "s", Goal::None);
    }
}
