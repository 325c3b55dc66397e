//! Owners that die: nothing of theirs stays, nothing of anybody else goes.
//!
//! Method: a process with a topology is killed with SIGKILL, which no handler and no `Drop` survives. From then on
//! the engine is asked what carries that owner's label. The bound is a second.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use harness_docker::lease::{self, LeaseError, Run};
use harness_docker::{Container, Engine, Reaper, Topology, cleanup, labels};
use libtest_mimic::{Failed, Trial};

use crate::support::{
    OPA, Outcome, block_on, check, decide, eventually, image, me, opa_spec, reaper, with_topology,
};

/// What an owner has left after its death must be gone by then.
pub(crate) const BOUND: Duration = Duration::from_secs(1);
/// How soon on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docker::death/sigkill-leaves-nothing", sigkill_leaves_nothing),
        Trial::test("docker::death/an-orderly-end-leaves-nothing", an_orderly_end_leaves_nothing),
        Trial::test("docker::death/of-a-run-ends-what-its-tests-share", of_a_run_ends_what_its_tests_share),
        Trial::test("docker::death/stale-leftovers-are-swept", stale_leftovers_are_swept),
        Trial::test("docker::death/without-an-engine-no-reaper", without_an_engine_no_reaper),
    ]
}

/// The process to be killed: two containers up, its name and owner told, then it waits. Ends in good order when its
/// input does.
pub(crate) fn owner() -> ExitCode {
    let brought_up = block_on(async {
        let engine = Engine::connect().await?;
        let reaper = Reaper::arm(&me(), &["reaper"])?;
        let topology = Topology::create(&engine, reaper.watched(), "owned").await?;
        let spec = opa_spec(&engine).await?;
        topology.start(&spec).await?;
        topology.start(&spec.clone().service("second")).await?;
        println!("{} {}", topology.name(), reaper.watched().owner());
        let _ = std::io::stdin().lines().next();
        Ok::<_, Failed>(())
    });
    match brought_up {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            println!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    }
}

struct Owned {
    process: Child,
    topology: String,
    owner: String,
}

fn spawn_owner() -> Result<Owned, Failed> {
    let mut process = Command::new(me()).arg("owner").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut told = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut told)?;
    }
    match told.trim_end().split_once(' ') {
        Some((topology, owner)) if topology.starts_with("chaos-") => {
            Ok(Owned { process, topology: topology.to_owned(), owner: owner.to_owned() })
        }
        _ => Err(format!("the owner did not come up: {told}").into()),
    }
}

async fn left(engine: &Engine, owner: &str) -> Result<Vec<String>, Failed> {
    let all = cleanup::list_owned(engine).await?;
    Ok(all.into_iter().filter(|(_, of)| of == owner).map(|(name, _)| name).collect())
}

fn sigkill_leaves_nothing() -> Outcome {
    once_within_a_second(async || {
        let engine = Engine::connect().await?;
        let mut owned = spawn_owner()?;
        let before = left(&engine, &owned.owner).await?;
        check(before.len() == 3, format!("two containers and {}: {before:?}", owned.topology))?;

        owned.process.kill()?;
        let gone = async || Ok(left(&engine, &owned.owner).await?.is_empty());
        let took = eventually("nothing is left", PATIENCE, gone).await;
        owned.process.wait()?;
        took
    })
}

/// Passes when all is gone within a second of a kill in one of a few tries: what a busy machine adds to the others
/// is no part of it.
fn once_within_a_second(killed: impl AsyncFn() -> Result<Duration, Failed>) -> Outcome {
    block_on(async {
        let mut all = Vec::new();
        for _ in 0..3 {
            let took = killed().await?;
            println!("nothing left {took:?} after SIGKILL");
            if took <= BOUND {
                return Ok(());
            }
            all.push(took);
        }
        Err(format!("nothing is left, but after {all:?}").into())
    })
}

fn an_orderly_end_leaves_nothing() -> Outcome {
    block_on(async {
        let engine = Engine::connect().await?;
        let mut owned = spawn_owner()?;
        check(left(&engine, &owned.owner).await?.len() == 3, "two containers and a network")?;
        drop(owned.process.stdin.take());
        let status = owned.process.wait()?;
        // Its reaper had done its work before the process ended: there is nothing to wait for.
        let left = left(&engine, &owned.owner).await?;
        check(status.success() && left.is_empty(), format!("{status}, left {left:?}"))
    })
}

/// The test runner of a run: three tests at once, each telling which container it has, then it waits to be killed.
pub(crate) fn runner() -> ExitCode {
    let spawn = || Command::new(me()).arg("tenant").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let tenants: Vec<_> = (0..3).filter_map(|_| spawn().ok()).collect();
    for tenant in tenants {
        let told = tenant.wait_with_output().map(|output| output.stdout).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&told).trim_end());
    }
    let _ = std::io::stdin().lines().next();
    ExitCode::SUCCESS
}

/// A test of a run: shares a container with the others and ends.
pub(crate) fn tenant() -> ExitCode {
    let shared = block_on(async {
        let run = Run::of_parent()?;
        let opa: Container = lease::acquire(&run, "opa", async || {
            let engine = Engine::connect().await?;
            let topology = Topology::create(&engine, &run.watched(&me(), &["reaper"])?, "shared").await?;
            Ok::<_, Failed>(topology.start(&opa_spec(&engine).await?).await?)
        })
        .await
        .map_err(|error| match error {
            LeaseError::Setup(failed) => failed,
            LeaseError::File { path, why } => format!("{}: {why}", path.display()).into(),
        })?;
        check(decide(&opa, "alice").await?, "it does not decide")?;
        Ok::<_, Failed>(opa.name().to_owned())
    });
    match shared {
        Ok(name) => println!("{name}"),
        Err(failed) => println!("failed: {}", failed.message().unwrap_or_default()),
    }
    ExitCode::SUCCESS
}

fn of_a_run_ends_what_its_tests_share() -> Outcome {
    once_within_a_second(async || {
        let engine = Engine::connect().await?;
        let mut runner =
            Command::new(me()).arg("runner").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = runner.stdout.take().ok_or("its output is piped")?;
        let told: Vec<_> = BufReader::new(stdout).lines().take(3).collect::<Result<_, _>>()?;
        let shared = &told[0];
        check(
            shared.starts_with("chaos-shared-") && told.iter().all(|name| name == shared),
            format!("{told:?}"),
        )?;
        // All tests have ended, the one that set it up included, and it is still there.
        check(engine.state(shared).await?.is_some(), "it ended before its run")?;
        runner.kill()?;
        runner.wait()?;
        eventually("nothing is left", PATIENCE, async || Ok(engine.state(shared).await?.is_none())).await
    })
}

/// A container that was created and never started, of an owner whose pid is another process' now, is removed; that
/// of a living owner, and one with a label that can't be read, stay.
fn stale_leftovers_are_swept() -> Outcome {
    with_topology("sweep", async |topology| {
        let engine = topology.engine();
        let image = image(engine, OPA).await?;
        let living = reaper().watched().owner().to_string();
        let (before, start) = living.rsplit_once('.').ok_or("an owner has a start time")?;
        let dead = format!("{before}.{}", start.parse::<u64>()? + 1);
        let create = async |name: &str, owner: &str| -> Result<String, Failed> {
            let name = format!("{}-{name}", topology.name());
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            let body = ContainerCreateBody {
                image: Some(image.clone()),
                labels: Some(HashMap::from([(labels::OWNER.into(), owner.into())])),
                ..ContainerCreateBody::default()
            };
            engine.docker().create_container(Some(options), body).await?;
            Ok(name)
        };
        let (stale, ours, odd) =
            (create("stale", &dead).await?, create("ours", &living).await?, create("odd", "somebody").await?);
        let removed = cleanup::remove_stale(engine).await?;
        let mut exist = Vec::new();
        for name in [&stale, &ours, &odd] {
            exist.push(engine.state(name).await?.is_some());
        }
        for name in [&ours, &odd] {
            engine.docker().remove_container(name, None).await?;
        }
        check(removed.containers.contains(&stale), format!("{removed:?}"))?;
        check(exist == [false, true, true], format!("stale, ours, odd exist: {exist:?}"))
    })
}

fn without_an_engine_no_reaper() -> Outcome {
    let output = Command::new(me())
        .args(["reaper", &reaper().watched().owner().to_string()])
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    check(!output.status.success(), "it ended as if all were well")?;
    check(
        said.contains("no Docker engine at unix:///nonexistent/docker.sock") && said.contains("apt-get"),
        said,
    )
}
