//! One service of the fleet: its container over all outages.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use bollard::models::ContainerState;
use harness_core::fault::Fault;
use harness_core::time::At;
use harness_core::world::{Evidence, Healed, WorldError};
use harness_local::Canary;
use harness_local::clock::Clock;
use tokio::time::sleep;

use super::errors::engine_failed;
use super::system::ContainerPlan;
use crate::container::Container;
use crate::effect::{self, EffectError, Probe};
use crate::engine::Engine;
use crate::logs;
use crate::outage::Outage;

/// How long an outage may take to show once the engine has agreed to it.
const SHOWN: Duration = Duration::from_secs(10);
/// How often a starting service is asked whether it is ready, and how long it may take to say so.
const ASK: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(1);
const LOG_TAIL: usize = 40;

/// A service that was ready once.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) plan: ContainerPlan,
    pub(super) container: Container,
    engine: Engine,
    clock: Clock,
    /// Whether it was told to end and not yet brought back.
    told_to_end: Cell<bool>,
    /// When it was last brought back: what ended before had been told to.
    back: Cell<At>,
}

impl Service {
    pub(super) fn new(plan: ContainerPlan, container: Container, engine: Engine, clock: Clock) -> Self {
        let (told_to_end, back) = (Cell::new(false), Cell::new(At::START));
        Self { plan, container, engine, clock, told_to_end, back }
    }

    /// Whether an end at this instant was its own doing.
    pub(super) fn ended_unasked(&self, at: At) -> bool {
        !self.told_to_end.get() && at >= self.back.get()
    }

    /// The outage that a fault of a service is.
    pub(super) fn outage(&self, fault: &Fault) -> Option<Outage> {
        match fault {
            Fault::Stop(_) => Some(self.stop()),
            Fault::Kill(_) => Some(Outage::Kill),
            Fault::Pause(_) => Some(Outage::Pause),
            _ => None,
        }
    }

    pub(super) fn stop(&self) -> Outage {
        Outage::Stop { grace: self.plan.grace }
    }

    /// Where it listens on its network.
    pub(super) fn far(&self) -> SocketAddr {
        (self.container.address(), self.plan.port).into()
    }

    /// Causes an outage, unless there is that or a worse one.
    pub(super) async fn inject(&self, outage: Outage) -> Result<(), WorldError> {
        if outage != Outage::Pause {
            self.told_to_end.set(true);
        }
        let state = self.state().await?;
        let paused_already = outage == Outage::Pause && state.paused == Some(true);
        if state.running != Some(true) || paused_already {
            return Ok(());
        }
        outage.inject(&self.engine, &self.container).await.map_err(engine_failed)
    }

    pub(super) async fn runs(&self) -> Result<bool, WorldError> {
        Ok(self.state().await?.running == Some(true))
    }

    async fn state(&self) -> Result<ContainerState, WorldError> {
        let name = self.container.name();
        let state = self.engine.state(name).await.map_err(engine_failed)?;
        state.ok_or_else(|| WorldError::Failed(format!("container {name} is no more: who removed it?")))
    }

    /// What shows that the outage is in effect, if anything does.
    pub(super) async fn evidence(&self, outage: Outage) -> Result<Option<Evidence>, WorldError> {
        let probe = match &self.plan.canary {
            // What shows an outage is that nobody speaks at all, TLS or other.
            Canary::Http(path) | Canary::Https(path) => Probe::http_get(self.plan.port, path),
            Canary::Bytes(bytes) => Probe::new(self.plan.port, bytes.clone()),
        };
        match effect::observe(&self.engine, outage, &self.container, &probe, SHOWN).await {
            Ok(effect::Evidence { state, reach }) => {
                let name = self.container.name();
                Ok(Some(Evidence(format!("container {name} is {state}; a fresh connection: {reach:?}"))))
            }
            Err(EffectError::NotSeen { .. }) => Ok(None),
            Err(EffectError::Engine(error)) => Err(engine_failed(error)),
        }
    }

    /// Undoes an outage and returns when the service is ready again.
    pub(super) async fn bring_back(&self, outage: Outage) -> Result<Healed, WorldError> {
        let began = self.clock.now();
        outage.inverse(&self.container).heal(&self.engine).await.map_err(engine_failed)?;
        let broken_until = Some(self.ready_again().await?);
        if outage != Outage::Pause {
            self.back.set(self.clock.now());
            self.told_to_end.set(false);
        }
        let took = self.clock.real(self.clock.now() - began);
        let name = &self.plan.name;
        let evidence =
            Evidence(format!("{name} is ready again at {}, after {took:.1?}", self.container.address()));
        Ok(Healed { evidence, broken_until })
    }

    /// Returns when it is ready; the latest instant at which it was seen not to be.
    async fn ready_again(&self) -> Result<At, WorldError> {
        let began = self.clock.now();
        let mut not_ready = began;
        let mut why;
        loop {
            let asked = self.clock.now();
            match self.answers().await {
                Ok(()) => return Ok(not_ready),
                Err(met) => (why, not_ready) = (met, asked),
            }
            let state = self.state().await?;
            if state.running != Some(true) {
                why = format!("its container ended with exit code {}", state.exit_code.unwrap_or_default());
                break;
            }
            if self.clock.real(self.clock.now() - began) > self.plan.ready_within {
                break;
            }
            sleep(ASK).await;
        }
        let log = logs::tail(&self.engine, self.container.name(), LOG_TAIL).await.into_lines();
        Err(WorldError::NotReady { service: self.plan.name.to_string(), why, log })
    }

    /// Whether it is ready; what a canary met, when not.
    async fn answers(&self) -> Result<(), String> {
        let asked = self.plan.ready.canary();
        let must_be_well = asked.is_some();
        let (port, canary) = asked.unwrap_or_else(|| (self.plan.port, self.plan.canary.clone()));
        let Some(address) = self.container.published(port) else {
            return Err(format!("port {port} is not published"));
        };
        let outcome = canary.send(address, 0, ANSWER).await;
        match outcome.answer() {
            Some(heard) if !must_be_well || heard.status == Some(200) => Ok(()),
            _ => Err(format!("{address}: {outcome}")),
        }
    }
}
