//! Outages of the real OPA: each looks the way its name says, and heals.
//!
//! Method: a decision before, the evidence during, a decision after, at the same address and the same published
//! port. The inverse makes a round trip through text, as it does through the journal of another process.

use std::time::Duration;

use harness_docker::effect::{self, EffectError, Probe};
use harness_docker::outage::Healed;
use harness_docker::{Container, Inverse, Outage, Reach, Topology};
use libtest_mimic::{Failed, Trial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{OPA_PORT, Outcome, check, decide, eventually, opa_spec, with_topology};

const SOON: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docker::outage/stop-refuses", || {
            outage(Outage::Stop { grace: Duration::from_secs(5) }, Reach::Refused, "exited")
        }),
        Trial::test("docker::outage/kill-refuses", || outage(Outage::Kill, Reach::Refused, "exited")),
        Trial::test("docker::outage/pause-is-silent", || outage(Outage::Pause, Reach::Silent, "paused")),
        Trial::test("docker::outage/disconnect-is-a-black-hole", || {
            outage(Outage::Disconnect, Reach::Unreachable, "running, off its network")
        }),
        Trial::test("docker::outage/disconnected-connection-resumes", disconnected_connection_resumes),
        Trial::test("docker::outage/killed-connection-is-cut", killed_connection_is_cut),
        Trial::test("docker::outage/what-did-not-happen-is-not-seen", what_did_not_happen_is_not_seen),
        Trial::test("docker::outage/its-address-is-not-given-away", its_address_is_not_given_away),
        Trial::test("docker::outage/healing-what-is-gone", healing_what_is_gone),
    ]
}

fn probe() -> Probe {
    Probe::http_get(OPA_PORT, "/health")
}

async fn opa(topology: &Topology) -> Result<Container, Failed> {
    Ok(topology.start(&opa_spec(topology.engine()).await?).await?)
}

async fn decides_again(opa: &Container) -> Result<Duration, Failed> {
    eventually("OPA decides again", SOON, async || Ok(decide(opa, "alice").await.unwrap_or(false))).await
}

fn outage(outage: Outage, reach: Reach, state: &str) -> Outcome {
    with_topology("outage", async |topology| {
        let engine = topology.engine();
        let opa = opa(topology).await?;
        check(decide(&opa, "alice").await?, "the steady state: alice is allowed")?;

        let written = serde_json::to_string(&outage.inverse(&opa))?;
        outage.inject(engine, &opa).await?;
        let evidence = effect::observe(engine, outage, &opa, &probe(), SOON).await?;
        check((evidence.reach, &*evidence.state) == (reach, state), format!("{evidence:?}"))?;
        check(decide(&opa, "alice").await.is_err(), "it still decides")?;

        let inverse: Inverse = serde_json::from_str(&written)?;
        check(inverse.heal(engine).await? == Healed::InService, "healed")?;
        let took = decides_again(&opa).await?;
        println!("decides again {took:?} after {inverse:?}");
        // The address is the old one, too: the very container that was measured before.
        let direct = (opa.address(), OPA_PORT).into();
        let answer = effect::reach(direct, b"GET /health HTTP/1.0\r\n\r\n", SOON).await;
        check(answer == Reach::Answered, format!("at its old address: {answer:?}"))?;
        // Healing what is whole changes nothing.
        check(inverse.heal(engine).await? == Healed::InService, "healed twice")?;
        check(decide(&opa, "alice").await?, "after the second healing")
    })
}

async fn ask(stream: &mut TcpStream) -> Outcome {
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: opa\r\n\r\n").await?;
    Ok(())
}

/// Reads up to the end of OPA's answer, whose body is `{}`.
async fn answer(stream: &mut TcpStream) -> Result<String, Failed> {
    let mut read = Vec::new();
    while !read.windows(6).any(|end| end == b"\r\n\r\n{}") {
        if stream.read_buf(&mut read).await? == 0 {
            return Err("closed in the middle of an answer".into());
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn disconnected_connection_resumes() -> Outcome {
    with_topology("resume", async |topology| {
        let engine = topology.engine();
        let opa = opa(topology).await?;
        let mut stream = TcpStream::connect((opa.address(), OPA_PORT)).await?;
        ask(&mut stream).await?;
        answer(&mut stream).await?;

        let inverse = Outage::Disconnect.inverse(&opa);
        Outage::Disconnect.inject(engine, &opa).await?;
        effect::observe(engine, Outage::Disconnect, &opa, &probe(), SOON).await?;
        ask(&mut stream).await?;
        let silence = tokio::time::timeout(Duration::from_millis(500), answer(&mut stream)).await;
        check(silence.is_err(), format!("a black hole answered {silence:?}"))?;

        inverse.heal(engine).await?;
        // TCP repeats what was lost after an ever longer pause; one of a second is enough here.
        let resumed = tokio::time::timeout(SOON, answer(&mut stream)).await?;
        check(resumed?.starts_with("HTTP/1.1 200"), "the answer on the same connection")
    })
}

fn killed_connection_is_cut() -> Outcome {
    with_topology("cut", async |topology| {
        let opa = opa(topology).await?;
        let mut stream = TcpStream::connect((opa.address(), OPA_PORT)).await?;
        ask(&mut stream).await?;
        answer(&mut stream).await?;
        Outage::Kill.inject(topology.engine(), &opa).await?;
        let end = tokio::time::timeout(SOON, stream.read_u8()).await?;
        check(end.is_err(), format!("{end:?}"))
    })
}

fn what_did_not_happen_is_not_seen() -> Outcome {
    with_topology("unseen", async |topology| {
        let opa = opa(topology).await?;
        for outage in [Outage::Kill, Outage::Pause, Outage::Disconnect] {
            let within = Duration::from_secs(2);
            let seen = effect::observe(topology.engine(), outage, &opa, &probe(), within).await;
            check(matches!(seen, Err(EffectError::NotSeen { last: Some(_), .. })), format!("{seen:?}"))?;
        }
        Ok(())
    })
}

/// The engine would give the address of a stopped container to the next one that starts.
fn its_address_is_not_given_away() -> Outcome {
    with_topology("address", async |topology| {
        let engine = topology.engine();
        let first = opa(topology).await?;
        Outage::Kill.inject(engine, &first).await?;
        effect::observe(engine, Outage::Kill, &first, &probe(), SOON).await?;
        let second = topology.start(&opa_spec(engine).await?.service("second")).await?;
        check(second.address() != first.address(), format!("both at {}", first.address()))?;
        check(decide(&second, "alice").await?, "the second decides")?;
        Outage::Kill.inverse(&first).heal(engine).await?;
        decides_again(&first).await?;
        let answer =
            effect::reach((first.address(), OPA_PORT).into(), b"GET /health HTTP/1.0\r\n\r\n", SOON).await;
        check(answer == Reach::Answered, format!("the first at its old address: {answer:?}"))
    })
}

fn healing_what_is_gone() -> Outcome {
    with_topology("gone", async |topology| {
        let engine = topology.engine();
        let opa = opa(topology).await?;
        let inverse = Outage::Kill.inverse(&opa);
        engine.docker().remove_container(opa.name(), Some(forced())).await?;
        check(inverse.heal(engine).await? == Healed::Gone, "there is nothing to heal")
    })
}

fn forced() -> bollard::query_parameters::RemoveContainerOptions {
    bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build()
}
