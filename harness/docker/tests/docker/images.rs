//! The image of every real dependency: started, and asked something that only it can answer.
//!
//! Method: no probe is satisfied by a port that merely accepts. What a store was told must be there after its container
//! was stopped and started, and a service of two processes must end when told to, and when one of them dies.

use std::net::SocketAddr;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::RemoveImageOptions;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt as _;
use harness_docker::images::{Origin, remove_older};
use harness_docker::{
    Container, ContainerSpec, Engine, ImageError, Images, Outage, Ready, Recipe, Source, Topology,
};
use libtest_mimic::{Failed, Trial};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Outcome, block_on, check, eventually, image, me, now, with_topology};

const ALERTMANAGER: &str = include_str!("../../../../fixtures/images/alertmanager.toml");
const KEYCLOAK: &str = include_str!("../../../../fixtures/images/keycloak.toml");
const MONGODB: &str = include_str!("../../../../fixtures/images/mongodb.toml");
const POSTGRES: &str = include_str!("../../../../fixtures/images/postgres.toml");
const PROMETHEUS: &str = include_str!("../../../../fixtures/images/prometheus.toml");
const REDIS: &str = include_str!("../../../../fixtures/images/redis.toml");

const MONGODB_PORT: u16 = 27_017;
const PATIENCE: Duration = Duration::from_secs(60);
/// What ends by itself ends sooner; the engine's own patience ends here.
const GRACE: Duration = Duration::from_secs(10);
/// The exit code of a container that had to be killed.
const KILLED: i64 = 137;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docker::images/redis-keeps-what-it-saved", redis_keeps_what_it_saved),
        Trial::test("docker::images/postgres-wants-its-password", postgres_wants_its_password),
        Trial::test("docker::images/mongodb-keeps-what-it-was-told", mongodb_keeps_what_it_was_told),
        Trial::test("docker::images/mongodb-ends-with-either-process", mongodb_ends_with_either_process),
        Trial::test("docker::images/keycloak-imports-a-realm", keycloak_imports_a_realm),
        Trial::test("docker::images/prometheus-evaluates", prometheus_evaluates),
        Trial::test("docker::images/alertmanager-takes-an-alert", alertmanager_takes_an_alert),
        Trial::test("docker::images/adds-to-an-upstream-image", adds_to_an_upstream_image),
        Trial::test("docker::images/a-failing-step-says-why", a_failing_step_says_why),
        Trial::test("docker::images/the-last-three-stay", the_last_three_stay),
    ]
}

async fn started(topology: &Topology, spec: ContainerSpec) -> Result<Container, Failed> {
    let began = now();
    let container = topology.start(&spec).await?;
    println!("{} ready after {:.1?}", container.service(), began.elapsed());
    Ok(container)
}

fn at(container: &Container, port: u16) -> Result<SocketAddr, Failed> {
    container.published(port).ok_or_else(|| format!("port {port} is not published").into())
}

fn client() -> Result<reqwest::Client, Failed> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?)
}

/// Stops the container, which must end by itself, and starts it again.
async fn stop_and_start(engine: &Engine, container: &Container) -> Outcome {
    let stop = Outage::Stop { grace: GRACE };
    stop.inject(engine, container).await?;
    let code = exit_code(engine, container).await?;
    check(code.is_some_and(|code| code != KILLED), format!("it did not end by itself: {code:?}"))?;
    stop.inverse(container).heal(engine).await?;
    Ok(())
}

/// `None` while it runs.
async fn exit_code(engine: &Engine, container: &Container) -> Result<Option<i64>, Failed> {
    let state = engine.state(container.name()).await?.ok_or("the container is gone")?;
    Ok(if state.running == Some(true) { None } else { state.exit_code })
}

/// What a command in the container printed, and its exit code.
async fn execute(
    engine: &Engine,
    container: &Container,
    command: &[&str],
) -> Result<(String, Option<i64>), Failed> {
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let docker = engine.docker();
    let id = docker.create_exec(container.name(), options).await?.id;
    let mut said = String::new();
    if let StartExecResults::Attached { output, .. } = docker.start_exec(&id, None).await? {
        for part in output.try_collect::<Vec<_>>().await? {
            said.push_str(&part.to_string());
        }
    }
    Ok((said, docker.inspect_exec(&id).await?.exit_code))
}

async fn redis(at: SocketAddr, command: &str) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn redis_keeps_what_it_saved() -> Outcome {
    with_topology("redis", async |topology| {
        let spec = ContainerSpec::new("redis", image(topology.engine(), REDIS).await?)
            .port(6379)
            .ready(Ready::Log("Ready to accept connections".into()), PATIENCE);
        let store = started(topology, spec).await?;
        let at = at(&store, 6379)?;
        let told = redis(at, "SET colour green").await?;
        check(told.starts_with("+OK"), told)?;
        let version = redis(at, "INFO server").await?;
        check(version.contains("redis_version:7.0."), version)?;
        stop_and_start(topology.engine(), &store).await?;
        eventually("Redis has what it saved", PATIENCE, async || {
            Ok(redis(at, "GET colour").await.is_ok_and(|answer| answer.contains("green")))
        })
        .await?;
        Ok(())
    })
}

fn postgres_wants_its_password() -> Outcome {
    with_topology("postgres", async |topology| {
        let engine = topology.engine();
        let secret = "it's \"quoted\"";
        let spec = ContainerSpec::new("postgres", image(engine, POSTGRES).await?)
            .command(["-c", "max_connections=50"])
            .env("POSTGRES_PASSWORD", secret)
            .port(5432)
            .ready(Ready::Log("database system is ready to accept connections".into()), PATIENCE);
        let database = started(topology, spec).await?;
        let ask = async |password: &str, query: &str| {
            let password = format!("PGPASSWORD={password}");
            let host = database.address().to_string();
            let command = ["env", &password, "psql", "-U", "postgres", "-h", &host, "-qtAc", query];
            execute(engine, &database, &command).await
        };
        let mut told = None;
        // Upstream says that it is ready once before it is.
        eventually("PostgreSQL takes a table", PATIENCE, async || {
            let (said, code) = ask(secret, "create table if not exists t (colour text)").await?;
            told = Some(said);
            Ok(code == Some(0))
        })
        .await
        .map_err(|error| format!("{error:?}: {told:?}"))?;
        let (said, code) = ask("guessed", "select 1").await?;
        check(
            code == Some(2) && said.contains("password authentication failed"),
            format!("{code:?}: {said}"),
        )?;
        ask(secret, "insert into t values ('green')").await?;
        let (said, _) = ask(secret, "show max_connections").await?;
        check(said.trim() == "50", said)?;

        stop_and_start(engine, &database).await?;
        eventually("PostgreSQL has its row", PATIENCE, async || {
            Ok(ask(secret, "select colour from t").await?.0.trim() == "green")
        })
        .await?;
        Ok(())
    })
}

async fn mongodb_spec(engine: &Engine) -> Result<ContainerSpec, Failed> {
    Ok(ContainerSpec::new("mongodb", image(engine, MONGODB).await?)
        .port(MONGODB_PORT)
        .ready(Ready::Log("Waiting for connections".into()), PATIENCE))
}

/// Sends one command in the wire protocol, as a driver does.
async fn mongodb(at: SocketAddr, command: Document) -> Result<Document, Failed> {
    let mut body = Vec::new();
    // No flags, then one section of kind 0: the command itself.
    body.extend([0; 5]);
    body.extend(command.to_vec()?);
    let length = i32::try_from(16 + body.len())?;
    let mut stream = TcpStream::connect(at).await?;
    for word in [length, 1, 0, 2013] {
        stream.write_all(&word.to_le_bytes()).await?;
    }
    stream.write_all(&body).await?;
    let length = usize::try_from(stream.read_i32_le().await?)?;
    check((21..1_000_000).contains(&length), format!("an answer of {length} bytes"))?;
    let mut answer = vec![0; length - 4];
    stream.read_exact(&mut answer).await?;
    Ok(Document::from_reader(&answer[17..])?)
}

fn mongodb_keeps_what_it_was_told() -> Outcome {
    with_topology("mongodb", async |topology| {
        let engine = topology.engine();
        let store = started(topology, mongodb_spec(engine).await?).await?;
        let at = at(&store, MONGODB_PORT)?;
        let pong = mongodb(at, doc! { "ping": 1, "$db": "admin" }).await?;
        check(pong.get("ok") == Some(&Bson::Double(1.0)), format!("{pong}"))?;
        let index = doc! { "key": { "colour": 1 }, "name": "colour_1", "unique": true };
        let made = mongodb(at, doc! { "createIndexes": "t", "indexes": [index], "$db": "d" }).await?;
        check(made.get("ok") == Some(&Bson::Double(1.0)), format!("{made}"))?;
        let insert = || doc! { "insert": "t", "documents": [{ "colour": "green" }], "$db": "d" };
        let told = mongodb(at, insert()).await?;
        check(told.get("n") == Some(&Bson::Int32(1)), format!("{told}"))?;
        let twice = mongodb(at, insert()).await?;
        check(twice.to_string().contains("11000"), format!("the index is not unique: {twice}"))?;

        stop_and_start(engine, &store).await?;
        let found = async || {
            let found = mongodb(at, doc! { "find": "t", "filter": { "colour": "green" }, "$db": "d" }).await;
            Ok(found.is_ok_and(|found| found.to_string().contains("\"green\"")))
        };
        let took = eventually("the document is found after stop and start", PATIENCE, found).await?;
        println!("found again {took:.1?} after the start");
        Outage::Kill.inject(engine, &store).await?;
        Outage::Kill.inverse(&store).heal(engine).await?;
        eventually("the document is found after a kill", PATIENCE, found).await?;
        Ok(())
    })
}

fn mongodb_ends_with_either_process() -> Outcome {
    with_topology("either", async |topology| {
        let engine = topology.engine();
        for program in ["ferretdb", "postgres"] {
            let store = topology.start(&mongodb_spec(engine).await?.service(program)).await?;
            let kill = format!(
                "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */{program}) kill -9 ${{p#/proc/}};; esac; done; true"
            );
            let (said, _) = execute(engine, &store, &["/bin/bash", "-c", &kill]).await?;
            eventually(&format!("ended without {program} ({said})"), GRACE, async || {
                Ok(exit_code(engine, &store).await?.is_some_and(|code| code != 0))
            })
            .await?;
        }
        Ok(())
    })
}

fn keycloak_imports_a_realm() -> Outcome {
    with_topology("keycloak", async |topology| {
        let realm = serde_json::json!({
            "realm": "demo", "enabled": true,
            "clients": [{ "clientId": "direct", "enabled": true, "publicClient": true, "directAccessGrantsEnabled": true }],
            "users": [{
                "username": "alice", "enabled": true, "email": "alice@example.org", "emailVerified": true,
                "firstName": "Alice", "lastName": "Able",
                "credentials": [{ "type": "password", "value": "secret" }],
            }],
        });
        let ready = Ready::Http { port: 8080, path: "/realms/demo/.well-known/openid-configuration".into() };
        let spec = ContainerSpec::new("keycloak", image(topology.engine(), KEYCLOAK).await?)
            .command([
                "start",
                "--optimized",
                "--cache=local",
                "--http-enabled=true",
                "--hostname-strict=false",
                "--import-realm",
            ])
            .file("/opt/keycloak/data/import/demo.json", realm.to_string())
            .port(8080)
            .port(9000)
            .ready(ready, Duration::from_secs(180));
        let keycloak = started(topology, spec).await?;
        let (client, log_in) =
            (client()?, format!("http://{}/realms/demo/protocol/openid-connect/token", at(&keycloak, 8080)?));
        let log_in = async |password: &str| {
            let form = format!("grant_type=password&client_id=direct&username=alice&password={password}");
            let request = client.post(&log_in).header("content-type", "application/x-www-form-urlencoded");
            Ok::<_, Failed>(request.body(form).send().await?)
        };
        let token: serde_json::Value = log_in("secret").await?.error_for_status()?.json().await?;
        check(
            token["access_token"].as_str().is_some_and(|token| token.split('.').count() == 3),
            token.to_string(),
        )?;
        let refused = log_in("guessed").await?.status();
        check(refused.as_u16() == 401, format!("a guessed password: {refused}"))?;
        let management = at(&keycloak, 9000)?;
        for (path, said) in [("health/ready", "\"UP\""), ("metrics", "jvm_memory")] {
            let answer = client.get(format!("http://{management}/{path}")).send().await?.text().await?;
            check(answer.contains(said), format!("/{path}: {answer}"))?;
        }
        Ok(())
    })
}

fn prometheus_evaluates() -> Outcome {
    with_topology("prometheus", async |topology| {
        let config = "global: {scrape_interval: 200ms}\n\
                      scrape_configs: [{job_name: itself, static_configs: [{targets: ['127.0.0.1:9090']}]}]\n";
        let spec = ContainerSpec::new("prometheus", image(topology.engine(), PROMETHEUS).await?)
            .command(["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"])
            .file("/etc/prometheus/prometheus.yml", config)
            .port(9090)
            .ready(Ready::Http { port: 9090, path: "/-/ready".into() }, PATIENCE);
        let prometheus = started(topology, spec).await?;
        let (client, query) = (client()?, format!("http://{}/api/v1/query?query=up", at(&prometheus, 9090)?));
        eventually("Prometheus has scraped itself", PATIENCE, async || {
            let answer: serde_json::Value = client.get(&query).send().await?.json().await?;
            Ok(answer["data"]["result"][0]["value"][1] == "1")
        })
        .await?;
        Ok(())
    })
}

fn alertmanager_takes_an_alert() -> Outcome {
    with_topology("alertmanager", async |topology| {
        let spec = ContainerSpec::new("alertmanager", image(topology.engine(), ALERTMANAGER).await?)
            .command([
                "--config.file=/etc/alertmanager/alertmanager.yml",
                "--storage.path=/alertmanager",
                "--cluster.listen-address=",
            ])
            .file(
                "/etc/alertmanager/alertmanager.yml",
                "route: {receiver: none}\nreceivers: [{name: none}]\n",
            )
            .port(9093)
            .ready(Ready::Http { port: 9093, path: "/-/ready".into() }, PATIENCE);
        let alertmanager = started(topology, spec).await?;
        let (client, alerts) = (client()?, format!("http://{}/api/v2/alerts", at(&alertmanager, 9093)?));
        let alert = serde_json::json!([{ "labels": { "alertname": "Tried" } }]);
        client.post(&alerts).json(&alert).send().await?.error_for_status()?;
        eventually("the alert is listed", PATIENCE, async || {
            let listed: serde_json::Value = client.get(&alerts).send().await?.json().await?;
            Ok(listed[0]["labels"]["alertname"] == "Tried")
        })
        .await?;
        Ok(())
    })
}

/// An image that is there already stands for one that was pulled.
fn adds_to_an_upstream_image() -> Outcome {
    let mut tag = None;
    let outcome = with_topology("adapted", async |topology| {
        let engine = topology.engine();
        let upstream = Images::new(engine, Source::Auto, me()).ensure(&Recipe::parse(REDIS)?).await?.tag;
        let mut recipe = Recipe::parse(REDIS)?;
        recipe.name = "adapted".into();
        recipe.upstream = Some(upstream.clone());
        recipe.env = [("COLOUR".into(), "light $green".into())].into();
        recipe.run = vec!["echo \"made with $COLOUR\" >/data/made\nid -un >>/data/made".into()];
        let images = Images::new(engine, Source::Upstream, me());
        let made = images.ensure(&recipe).await?;
        tag = Some(made.tag.clone());
        check(made.tag != upstream && made.tag.starts_with("harness-adapted:"), format!("{made:?}"))?;
        check(images.ensure(&recipe).await?.origin == Origin::Present, "it was made twice")?;
        let spec = ContainerSpec::new("adapted", &made.tag)
            .ready(Ready::Log("Ready to accept connections".into()), PATIENCE);
        let container = topology.start(&spec).await?;
        let (said, _) = execute(engine, &container, &["cat", "/data/made"]).await?;
        check(said == "made with light $green\nredis\n", said)
    });
    block_on(async {
        if let Some(tag) = &tag {
            remove(&Engine::connect().await?, tag).await?;
        }
        outcome
    })
}

async fn remove(engine: &Engine, tag: &str) -> Outcome {
    let call = engine.docker().remove_image(tag, None::<RemoveImageOptions>, None);
    engine.ask(format!("remove {tag}"), PATIENCE, call).await?;
    Ok(())
}

fn a_failing_step_says_why() -> Outcome {
    block_on(async {
        let mut recipe = Recipe::parse(REDIS)?;
        recipe.name = "failing".into();
        recipe.build.run = vec!["echo the last words; false; echo not reached".into()];
        let images = Images::new(&Engine::connect().await?, Source::Build, me());
        let error = images.ensure(&recipe).await.expect_err("a step fails");
        check(matches!(error, ImageError::Step { .. }), format!("{error:?}"))?;
        let said = error.to_string();
        check(said.contains("the last words") && !said.ends_with("not reached"), said)
    })
}

fn the_last_three_stay() -> Outcome {
    block_on(async {
        let engine = Engine::connect().await?;
        let images = Images::new(&engine, Source::Build, me());
        let mut recipe = Recipe::parse(
            "name = \"piling-up\"\n[build]\nentrypoint = [\"/x\"]\n[[build.file]]\nto = \"/x\"\ncontent = \"\"\n",
        )?;
        let mut tags = Vec::new();
        // The engine counts an image's age in whole seconds.
        for number in 0..5 {
            recipe.build.file[0].content = format!("{number} of {}", std::process::id());
            tags.push(images.ensure(&recipe).await?.tag);
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
        let there = async || {
            let mut there = Vec::new();
            for tag in &tags {
                there.push(engine.docker().inspect_image(tag).await.is_ok());
            }
            there
        };
        check(there().await == [true; 5], "young ones go")?;
        remove_older(&engine, Some("piling-up"), Duration::ZERO).await?;
        let left = there().await;
        for (tag, _) in tags.iter().zip(&left).filter(|(_, there)| **there) {
            remove(&engine, tag).await?;
        }
        check(left == [false, false, true, true, true], format!("{left:?}"))
    })
}
