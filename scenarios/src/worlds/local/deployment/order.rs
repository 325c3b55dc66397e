//! A command's process, from its start to its end: the engine of `dive` over the database and the machine.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dive_node::serve::told_to_stop;
use dive_orchestrator::deploy::{Done, Engine, Event, Failure, Order as Starting};
use dive_orchestrator::store::Store;
use dive_orchestrator::{ErrorCode, Holder, Instance};
use harness_core::event::Answer;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, by_hand};
use crate::binding::deployment::deeds;
use crate::binding::deployment::orders::{Command, Order, Outcome};
use crate::worlds::deployment::calls::{Answered, Call, Sent};
use crate::worlds::deployment::client::client;
use crate::worlds::deployment::imposter;
use crate::worlds::deployment::platform::{PartedPlatform, Ways, unreachable};
use crate::worlds::deployment::stage::{Means, Stage};
use crate::worlds::deployment::witness::Witness;
use crate::worlds::deployment::{Connect, DeploymentParts, process, run};

/// Carries an order out, with `parts` in the place of the product's own, and prints what came of it: an answer, as
/// JSON.
///
/// # Errors
/// When its stage can't be read, or the order is none.
pub async fn carry_out(
    stage: &Path,
    host: &str,
    order: &str,
    number: u64,
    parts: &DeploymentParts,
) -> io::Result<()> {
    let stage = Stage::read(stage)?;
    let Means::Engine { ways } = &stage.means else {
        return Err(io::Error::other("this host has nothing to deploy onto"));
    };
    let order = Order::named(order).ok_or_else(|| io::Error::other(format!("`{order}` is no order")))?;
    let instance = order.instance(number);
    let answer = match order.command {
        Command::ByHand(deed) => match by_hand::done(&stage, deed, &instance).await? {
            Ok(()) => Answer::new(Outcome::Done.name()),
            Err(why) => Answer::new(Outcome::Refused.name()).with("error", why),
        },
        Command::Migrate(base) => {
            let store = parts.connected(&connecting(by_hand::of(&stage, base)));
            match store.migrate().await {
                Ok(()) => Answer::new(Outcome::Done.name()),
                Err(error) => Outcome::answer(&Err(error.into())),
            }
        }
        command => {
            let machine = Machine { ways: ways.clone(), client: client(PATIENCE).map_err(io::Error::other)? };
            deploy(&stage, machine, host, command, &instance, parts).await?
        }
    };
    writeln!(io::stdout(), "{}", serde_json::to_string(&answer)?)
}

/// Makes connections to the database of a stage.
fn connecting(stage: Stage) -> Connect {
    Arc::new(move || -> Arc<dyn Store> { Arc::new(stage.connect()) })
}

/// Has a command carried out by an engine of its own.
async fn deploy(
    stage: &Stage,
    machine: Machine,
    host: &str,
    command: Command,
    instance: &Instance,
    parts: &DeploymentParts,
) -> io::Result<Answer> {
    let stop = CancellationToken::new();
    let (signal, stopping) = (told_to_stop().map_err(io::Error::other)?, stop.clone());
    tokio::spawn(async move {
        signal.await;
        stopping.cancel();
    });

    let holder = Holder { host: host.to_owned(), pid: std::process::id() };
    let by = process(host, holder.pid);
    let runtime = stage.runtime();
    let chance = Mutex::new(StdRng::seed_from_u64(stage.seed ^ u64::from(holder.pid)));
    let told = instance.clone();
    let engine = parts.around(Engine {
        store: parts.connected(&connecting(stage.clone())),
        platform: Arc::new(PartedPlatform::new(machine, &by, runtime.clone())),
        runtime,
        chance: Arc::new(move || chance.lock().random()),
        observer: Arc::new(move |event: &Event| tell(&format!("{told}: {event}"), event)),
        holder,
        gone: Arc::new(is_gone),
        order: Starting::Parallel,
    });
    let ended = run(engine, command, instance, parts, &stop).await;
    if let Ok(report) = &ended
        && Outcome::leaves_nothing(report.ending)
    {
        Witness::of(&stage.database).tell(&[deeds::nothing_left(instance, &by)]).await?;
    }
    Ok(Outcome::answer(&ended))
}

/// Whether a process is gone. All hosts are on one machine.
fn is_gone(holder: &Holder) -> bool {
    let pid = i32::try_from(holder.pid).map(Pid::from_raw);
    pid.is_ok_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
}

/// What a service waits for says little, again and again.
fn tell(line: &str, event: &Event) {
    if !matches!(event, Event::Made(_) | Event::Unmade(_) | Event::Waits { .. }) {
        // A log that nobody reads any more is no reason to stop.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// The machine, called over HTTP.
struct Machine {
    ways: BTreeMap<String, SocketAddr>,
    client: reqwest::Client,
}

#[async_trait]
impl Ways for Machine {
    async fn call(&self, to: &'static str, call: Call) -> Done<Answered> {
        let Some(way) = self.ways.get(to) else { return Err(unreachable(to, &"there is no such place")) };
        let asked = async {
            let answer = self.client.post(format!("http://{way}/{to}")).json(&call).send().await?;
            if answer.status().is_success() {
                answer.json::<Sent>().await.map(Ok)
            } else {
                answer.text().await.map(Err)
            }
        };
        match asked.await {
            Ok(Ok(Ok(answered))) => Ok(answered),
            Ok(Ok(Err((code, detail)))) => Err(Failure::new(code, detail)),
            // The machine itself says nothing but what came of a call.
            Ok(Err(said)) => imposter::answer(&call, &said),
            Err(error) if error.is_decode() => Err(Failure::new(ErrorCode::Unknown, error.to_string())),
            Err(error) => Err(unreachable(to, &error)),
        }
    }
}
