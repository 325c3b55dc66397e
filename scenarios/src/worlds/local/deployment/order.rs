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
use dive_orchestrator::{ErrorCode, Holder};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use crate::binding::deployment::deeds;
use crate::binding::deployment::orders::{Order, Outcome};
use crate::worlds::deployment::calls::{Answered, Call, Sent};
use crate::worlds::deployment::client::client;
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
    let stop = CancellationToken::new();
    let (signal, stopping) = (told_to_stop().map_err(io::Error::other)?, stop.clone());
    tokio::spawn(async move {
        signal.await;
        stopping.cancel();
    });

    let holder = Holder { host: host.to_owned(), pid: std::process::id() };
    let by = process(host, holder.pid);
    let connect: Connect = {
        let stage = stage.clone();
        Arc::new(move || -> Arc<dyn Store> { Arc::new(stage.connect()) })
    };
    let runtime = stage.runtime();
    let machine = Machine { ways: ways.clone(), client: client(PATIENCE).map_err(io::Error::other)? };
    let chance = Mutex::new(StdRng::seed_from_u64(stage.seed ^ u64::from(holder.pid)));
    let told = instance.clone();
    let engine = parts.around(Engine {
        store: parts.connected(&connect),
        platform: Arc::new(PartedPlatform::new(machine, &by, runtime.clone())),
        runtime,
        chance: Arc::new(move || chance.lock().random()),
        observer: Arc::new(move |event: &Event| tell(&format!("{told}: {event}"), event)),
        holder,
        order: Starting::Parallel,
    });
    let ended = run(engine, order.command, &instance, &stop).await;
    if let Ok(report) = &ended
        && Outcome::leaves_nothing(report.ending)
    {
        Witness::of(&stage.database).tell(&[deeds::nothing_left(&instance, &by)]).await?;
    }
    writeln!(io::stdout(), "{}", serde_json::to_string(&Outcome::answer(&ended))?)
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
            let asked = self.client.post(format!("http://{way}/{to}")).json(&call).send().await?;
            asked.error_for_status()?.json::<Sent>().await
        };
        match asked.await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err((code, detail))) => Err(Failure::new(code, detail)),
            Err(error) if error.is_decode() => Err(Failure::new(ErrorCode::Unknown, error.to_string())),
            Err(error) => Err(unreachable(to, &error)),
        }
    }
}
