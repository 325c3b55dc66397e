//! Whole deployments, with what operators, crashes and outages do to them. Minutes each: for the night.

use std::time::{Duration, Instant};

use super::docker;
use super::ground::{Ground, containers, image, remove};
use super::relay::Relay;

/// What a hub and a spoke are made of.
const HUB: usize = 8;
const SPOKE: usize = 7;

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(instance, state)| ((*instance).to_owned(), (*state).to_owned())).collect()
}

/// Hub and two spokes in three processes at once. A second operator is told of the first; of the spokes one is
/// killed and resumed, the other taken back. In the end nothing is left.
#[test]
fn a_hub_and_two_spokes_at_once_one_killed_and_one_taken_back() {
    let ground = Ground::new();
    let mut hub = ground.start("hub deploy --resources 100");
    hub.until("lock taken");
    let mut fra = ground.start("spoke deploy FRA France --resources 100");
    let mut gbr = ground.start("spoke deploy GBR Britain --resources 100");
    // Beside the hub, whose lock is held for as long as it takes.
    fra.until("keycloak waits");
    gbr.until("keycloak waits");

    #[expect(clippy::disallowed_methods, reason = "how long a person waits is real time")]
    let asked = Instant::now();
    let second = ground.run("hub deploy");
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!((second.code, second.out.as_str()), (13, ""), "{}", second.err);
    assert!(
        second.err.contains("error 1007: ") && second.err.contains(&hub.id().to_string()),
        "{}",
        second.err
    );

    fra.kill();
    assert_ne!(ground.run("status").code, 0, "a spoke lies half made");
    assert_eq!(ground.standings()[1], ("spoke-fra".into(), "DEPLOYING".into()));
    hub.done();
    let fra = ground.start("spoke deploy FRA --resume --resources 100");
    gbr.done();
    fra.done();
    let all = [("hub", "COMPLETE"), ("spoke-fra", "COMPLETE"), ("spoke-gbr", "COMPLETE")];
    assert_eq!(ground.standings(), pairs(&all));
    ground.done("status");
    assert_eq!(["hub", "spoke-fra", "spoke-gbr"].map(containers), [HUB, SPOKE, SPOKE]);

    ground.done("orch-db rollback gbr");
    assert_eq!(["hub", "spoke-fra", "spoke-gbr"].map(containers), [HUB, SPOKE, 0]);
    ground.done("hub verify");
    ground.done("spoke verify --instance FRA");

    ground.done("nuke all --confirm");
    assert_eq!(ground.left(), "");
}

/// All who begin ask for the one network, and of two of its name the engine would know neither.
#[test]
fn of_all_that_begin_at_once_one_makes_the_network() {
    let ground = Ground::new();
    let mut hub = ground.start("hub deploy");
    hub.until("lock taken");
    let spokes =
        ["fra", "gbr", "deu", "ita", "esp"].map(|code| ground.start(&format!("spoke deploy {code}")));
    let mut all: Vec<_> = spokes.into_iter().chain([hub]).collect();
    for run in &mut all {
        run.until("network dive-shared");
    }
    assert_eq!(
        docker(&["network", "ls", "--filter", "name=dive-shared", "--format", "{{.Name}}"]),
        "dive-shared"
    );
    drop(all);
    ground.done("nuke all --confirm");
    assert_eq!(ground.left(), "");
}

/// As when whoever was its last user has just been taken back.
#[test]
fn a_network_that_is_gone_is_made_anew() {
    let ground = Ground::new();
    ground.done("hub deploy --resources 100");
    ground.done("hub down");
    docker(&["network", "rm", "dive-shared"]);
    let up = ground.done("hub up");
    assert!(up.err.contains(" failed: 1003: ") && up.err.contains(" not found"), "{}", up.err);
    assert_eq!((ground.standings(), containers("hub")), (pairs(&[("hub", "COMPLETE")]), HUB));
    ground.done("hub verify");
    ground.done("nuke all --confirm");
    assert_eq!(ground.left(), "");
}

/// A PostgreSQL that keeps what is written down of deployments; gone with this.
struct Orchestration {
    label: String,
    port: String,
}

impl Orchestration {
    fn start(ground: &Ground) -> Self {
        let label = format!("{}.database", ground.label());
        let image = image("postgres");
        let id = docker(&[
            "run",
            "--detach",
            "--label",
            &label,
            "--env",
            "POSTGRES_PASSWORD=hunter2",
            "--publish",
            "127.0.0.1::5432",
            &image,
        ]);
        let port = docker(&["port", &id, "5432/tcp"]).rsplit(':').next().unwrap().to_owned();
        Self { label, port }
    }

    fn url(&self, password: &str) -> String {
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Orchestration {
    fn drop(&mut self) {
        remove(&self.label);
    }
}

/// On PostgreSQL: a wrong password is told; an engine that goes away while services come up ends the run with a
/// code, and once it is back the run is resumed.
#[test]
fn on_postgresql_an_engine_that_goes_away_is_told_and_the_run_resumed() {
    let ground = Ground::new();
    let database = Orchestration::start(&ground);
    let relay = Relay::new(ground.bench.path());
    let ground = ground.through(relay.address()).on(database.url("wrong"));
    // It is still starting, then it refuses.
    let refused = loop {
        let ended = ground.run("hub deploy");
        if !ended.err.contains("not available") {
            break ended;
        }
    };
    assert_eq!(refused.code, 13, "{}", refused.err);
    assert!(refused.err.contains("error 1406: ") && refused.err.contains("password"), "{}", refused.err);
    assert!(!refused.err.contains("wrong@"));

    let ground = ground.on(database.url("hunter2"));
    let mut hub = ground.start("hub deploy --keep --resources 100");
    hub.until("keycloak started");
    relay.cut();
    let ended = hub.ended();
    assert_eq!(ended.code, 11, "{}", ended.err);
    assert!(
        ended.err.contains("error 12") && ended.err.contains("`dive hub deploy --resume`"),
        "{}",
        ended.err
    );
    relay.mend();
    assert_eq!(ground.standings(), pairs(&[("hub", "FAILED")]));
    ground.done("hub deploy --resume --resources 100");
    assert_eq!((ground.standings(), containers("hub")), (pairs(&[("hub", "COMPLETE")]), HUB));

    ground.done("nuke all --confirm");
    assert_eq!(ground.left(), "");
}
