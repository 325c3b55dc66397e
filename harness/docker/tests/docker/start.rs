//! Images, containers that come up, and containers that don't.
//!
//! Method: the real OPA and Toxiproxy, built or pulled, are asked something only they can answer. Every failed
//! start must say why in the container's own words and leave nothing behind.

use std::time::Duration;

use harness_docker::effect::{self, Reach};
use harness_docker::images::Origin;
use harness_docker::{
    Container, ContainerSpec, Engine, Images, Ready, Recipe, Source, StartError, cleanup, logs,
};
use libtest_mimic::{Failed, Trial};
use tokio::sync::mpsc;

use crate::support::{
    NODE, OPA, OPA_PORT, Outcome, TOXIPROXY, block_on, check, decide, eventually, image, me, now, opa_spec,
    reaper, with_topology,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docker::engine/tells-its-version", tells_its_version),
        Trial::test("docker::image/is-built-once", is_built_once),
        Trial::test("docker::image/of-the-running-program", of_the_running_program),
        Trial::test("docker::start/opa-decides", opa_decides),
        Trial::test("docker::start/opa-behind-toxiproxy", opa_behind_toxiproxy),
        Trial::test("docker::start/two-topologies-do-not-meet", two_topologies_do_not_meet),
        Trial::test("docker::start/ended-early-says-why", ended_early_says_why),
        Trial::test("docker::start/not-ready-says-why", not_ready_says_why),
        Trial::test("docker::start/unknown-image", unknown_image),
        Trial::test("docker::logs/follow-over-a-restart", follow_over_a_restart),
    ]
}

/// The smoke test of the pinned client against whichever engine is here.
fn tells_its_version() -> Outcome {
    block_on(async {
        let engine = Engine::connect().await?;
        check(engine.version().contains('.'), format!("version `{}`", engine.version()))
    })
}

fn is_built_once() -> Outcome {
    block_on(async {
        let engine = Engine::connect().await?;
        let images = Images::new(&engine, Source::Build, me());
        let recipe = Recipe::parse(OPA)?;
        let first = images.ensure(&recipe).await?;
        let again = images.ensure(&recipe).await?;
        check(again.tag == first.tag && again.origin == Origin::Present, format!("{first:?}, then {again:?}"))
    })
}

/// A program with its libraries and nothing else runs; and its words are the sign that it is ready.
fn of_the_running_program() -> Outcome {
    with_topology("greet", async |topology| {
        let image = image(topology.engine(), NODE).await?;
        let spec = ContainerSpec::new("node", image)
            .command(["greet", "inside"])
            .ready(Ready::Log("hello from inside".into()), Duration::from_secs(20));
        let node = topology.start(&spec).await?;
        let log = logs::whole(topology.engine(), &node).await?;
        check(log == ["hello from inside"], format!("{log:?}"))
    })
}

fn opa_decides() -> Outcome {
    with_topology("decides", async |topology| {
        let opa = topology.start(&opa_spec(topology.engine()).await?).await?;
        check(decide(&opa, "alice").await? && !decide(&opa, "mallory").await?, "alice and nobody else")
    })
}

fn opa_behind_toxiproxy() -> Outcome {
    with_topology("toxic", async |topology| {
        let began = now();
        let opa = topology.start(&opa_spec(topology.engine()).await?).await?;
        let spec = ContainerSpec::new("toxiproxy", image(topology.engine(), TOXIPROXY).await?)
            .command(["-host=0.0.0.0"])
            .port(8474)
            .port(9000)
            .ready(Ready::Http { port: 8474, path: "/version".into() }, Duration::from_secs(20));
        let toxiproxy = topology.start(&spec).await?;
        println!("OPA and Toxiproxy ready after {:?}", began.elapsed());

        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let control = format!("http://{}", published(&toxiproxy, 8474)?);
        let version = client.get(format!("{control}/version")).send().await?.text().await?;
        check(version.contains("2.12.0"), version)?;
        let proxy = serde_json::json!({
            "name": "opa", "listen": "0.0.0.0:9000", "upstream": format!("{}:8181", opa.address()),
        });
        client.post(format!("{control}/proxies")).json(&proxy).send().await?.error_for_status()?;
        let through = published(&toxiproxy, 9000)?;
        let answer = client.get(format!("http://{through}/health")).send().await?.status();
        check(answer.as_u16() == 200, format!("through the proxy: {answer}"))
    })
}

fn published(container: &Container, port: u16) -> Result<std::net::SocketAddr, Failed> {
    container.published(port).ok_or_else(|| format!("port {port} is not published").into())
}

fn two_topologies_do_not_meet() -> Outcome {
    with_topology("one", async |one| {
        let first = one.start(&opa_spec(one.engine()).await?).await?;
        let two = harness_docker::Topology::create(one.engine(), reaper().watched(), "one").await?;
        let second = two.start(&opa_spec(one.engine()).await?).await?;
        let apart = first.address().octets()[..3] != second.address().octets()[..3];
        let both = decide(&first, "alice").await? && decide(&second, "alice").await?;
        two.remove().await?;
        check(apart && both, format!("{first:?} and {second:?}"))?;
        // Removing the one left the other alone.
        check(decide(&first, "alice").await?, "the first no longer decides")
    })
}

fn ended_early_says_why() -> Outcome {
    with_topology("ended", async |topology| {
        let spec = opa_spec(topology.engine()).await?.file("/policy.rego", "package t\n\nallow if {\n");
        let began = now();
        let error = topology.start(&spec).await.expect_err("that is no policy");
        check(matches!(error, StartError::Ended { .. }), format!("{error:?}"))?;
        check(began.elapsed() < Duration::from_secs(10), "it waited for a container that had ended")?;
        check(error.to_string().contains("rego_parse_error"), error.to_string())?;
        nothing_of(topology.engine(), topology.name()).await
    })
}

fn not_ready_says_why() -> Outcome {
    with_topology("not-ready", async |topology| {
        let never = Ready::Http { port: OPA_PORT, path: "/no-such-path".into() };
        let spec = opa_spec(topology.engine()).await?.ready(never, Duration::from_secs(2));
        let began = now();
        let error = topology.start(&spec).await.expect_err("OPA has no such path");
        let waited = began.elapsed();
        check(matches!(error, StartError::NotReady { .. }), format!("{error:?}"))?;
        check(waited >= Duration::from_secs(2) && waited < Duration::from_secs(10), format!("{waited:?}"))?;
        check(error.to_string().contains("\"req_path\":\"/no-such-path\""), error.to_string())?;
        nothing_of(topology.engine(), topology.name()).await
    })
}

fn unknown_image() -> Outcome {
    with_topology("unknown", async |topology| {
        let spec = ContainerSpec::new("nothing", "localhost:1/no-such-image:1");
        let error = topology.start(&spec).await.expect_err("there is no such image");
        check(error.to_string().contains("localhost:1/no-such-image:1"), error.to_string())?;
        nothing_of(topology.engine(), topology.name()).await
    })
}

async fn nothing_of(engine: &Engine, topology: &str) -> Outcome {
    let left = cleanup::list_owned(engine).await?;
    let containers: Vec<_> =
        left.iter().filter(|(name, _)| name.starts_with(&format!("{topology}-"))).collect();
    check(containers.is_empty(), format!("left behind: {containers:?}"))
}

fn follow_over_a_restart() -> Outcome {
    with_topology("logs", async |topology| {
        let engine = topology.engine();
        let opa = topology.start(&opa_spec(engine).await?).await?;
        let (sender, mut lines) = mpsc::channel(16);
        let follower = logs::follow(engine, &opa, sender);
        let kill = harness_docker::Outage::Kill;
        kill.inject(engine, &opa).await?;
        kill.inverse(&opa).heal(engine).await?;
        eventually("OPA answers again", Duration::from_secs(20), async || {
            let at = published(&opa, OPA_PORT)?;
            let get = b"GET /health HTTP/1.0\r\n\r\n";
            Ok(effect::reach(at, get, Duration::from_secs(1)).await == Reach::Answered)
        })
        .await?;
        let mut starts = Vec::new();
        while starts.len() < 2 {
            let line =
                tokio::time::timeout(Duration::from_secs(10), lines.recv()).await?.ok_or("log ended")?;
            if line.text.contains("Initializing server") {
                starts.push(line.at);
            }
        }
        drop(follower);
        check(starts[0] < starts[1], format!("{starts:?}"))
    })
}
