//! The virtual world: a [`World`] for any system that can [boot into nodes](SimSystem).
//!
//! Nothing it breaks outlives its process, so it keeps no undo journal. Every fault is shown by a probe
//! call over the edge concerned, see [`Probe`](crate::links::Probe): neither the system nor the traffic
//! counts see it.

mod proof;
mod services;
mod system;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use harness_core::event::Answer;
use harness_core::fault::{ClockStep, Edge, Fault, ServiceName, Strike, Target};
use harness_core::recorder::Recorder;
use harness_core::time::{At, seconds};
use harness_core::world::{Evidence, Healed, World, WorldError, WorldKind};

use services::Services;
pub use system::SimSystem;

use crate::links::{LinkError, Links, Probe, ProbeEnd, Rule, Wire};
use crate::node::SimHandle;

/// How much longer than the longest round trip a probe waits before it takes silence for an answer.
const PROBE_SLACK: Duration = Duration::from_millis(10);

/// A system in the virtual world. To be used within [`Sim::run`](crate::Sim::run).
///
/// Its instants are those of the simulation: make one world for each simulation.
pub struct SimWorld<S> {
    sim: SimHandle,
    links: Links,
    services: Services<S>,
    /// The faults that were injected and not healed, by name. Written before anything is broken.
    faults: RefCell<BTreeMap<String, Fault>>,
}

impl<S: SimSystem> SimWorld<S> {
    /// A world for `system`, whose services call each other over `links`.
    pub fn new(sim: &SimHandle, links: &Links, system: S) -> Self {
        Self {
            sim: sim.clone(),
            links: links.clone(),
            services: Services::new(sim, system),
            faults: RefCell::default(),
        }
    }

    /// The system.
    pub fn system(&self) -> &S {
        self.services.system()
    }

    fn wire(&self, edge: &Edge) -> Result<Arc<Wire>, WorldError> {
        self.links.wire(edge).ok_or_else(|| WorldError::Failed(format!("nothing is linked over {edge}")))
    }

    async fn probe(&self, wire: &Arc<Wire>) -> Probe {
        wire.probe(wire.longest_round_trip() + PROBE_SLACK).await
    }

    /// The edge that shows best how a service does: one that leads to it, with no rules of its own.
    fn way_to(&self, service: &ServiceName) -> Option<Arc<Wire>> {
        let mut incoming: Vec<_> =
            self.links.wires().into_iter().filter(|wire| wire.edge().to == *service).collect();
        incoming.sort_by_key(|wire| wire.rules().len());
        incoming.into_iter().next()
    }

    async fn prove(&self, fault: &Fault, wire: &Arc<Wire>, round_trip: Duration) -> Option<Evidence> {
        let probe = self.probe(wire).await;
        proof::of_effect(fault, wire.edge(), &probe, round_trip)
    }

    async fn prove_on_service(
        &self,
        fault: &Fault,
        service: &ServiceName,
    ) -> Result<Option<Evidence>, WorldError> {
        let Some(wire) = self.way_to(service) else {
            // Nobody calls it: what can be seen of it is its node.
            let node = self.services.node(service)?;
            let seen = match fault {
                Fault::Pause(_) => node.is_paused().then_some("is frozen"),
                _ => (!node.is_alive()).then_some("has no task left"),
            };
            return Ok(seen.map(|seen| Evidence(format!("{service} {seen}"))));
        };
        let round_trip = wire.longest_round_trip();
        Ok(self.prove(fault, &wire, round_trip).await)
    }

    async fn impose(
        &self,
        name: &str,
        fault: &Fault,
        edge: &Edge,
        rule: Rule,
    ) -> Result<Option<Evidence>, WorldError> {
        let wire = self.wire(edge)?;
        let round_trip = wire.longest_round_trip();
        let refuses = rule == Rule::Refuse;
        wire.impose(name, rule);
        if refuses {
            wire.cut(LinkError::Closed);
        }
        Ok(self.prove(fault, &wire, round_trip).await)
    }

    fn step_clock(&self, step: &ClockStep, undo: bool) -> Result<Option<Evidence>, WorldError> {
        let node = self.services.node(&step.service)?;
        let nanos = i64::try_from(step.by.0.as_nanos())
            .map_err(|_| WorldError::Failed(format!("a clock can't step by {}", step.by)))?;
        let ahead = step.back == undo;
        let (wall, now) = (node.wall(), node.now());
        node.step_clock(if ahead { nanos } else { -nanos });
        let expected = if ahead { wall + step.by.0 } else { wall.saturating_sub(step.by.0) };
        let shown = node.wall() == expected && node.now() == now;
        let direction = if ahead { "ahead" } else { "back" };
        Ok(shown.then(|| {
            let what =
                format!("the wall clock of {} went {direction} by {}", step.service, seconds(step.by.0));
            Evidence(format!("{what}, its monotonic clock did not"))
        }))
    }

    /// What shows that a fault no longer works: an answer; or else which other faults stand in its way.
    async fn prove_mended(
        &self,
        name: &str,
        service: &ServiceName,
        wire: Option<Arc<Wire>>,
    ) -> Result<Evidence, WorldError> {
        let Some(wire) = wire else {
            let state = if self.services.node(service)?.is_alive() { "runs" } else { "is down" };
            return Ok(Evidence(format!("{service} {state}")));
        };
        let probe = self.probe(&wire).await;
        let seen = proof::sentence(wire.edge(), &probe);
        if probe.end == ProbeEnd::Answered {
            return Ok(Evidence(seen));
        }
        let others = self.others_in_the_way(name, wire.edge());
        if others.is_empty() {
            return Err(WorldError::Failed(format!("{name} is healed, but {seen}")));
        }
        Ok(Evidence(format!("lifted; {seen}, for which {} is enough", others.join(", "))))
    }

    fn others_in_the_way(&self, name: &str, edge: &Edge) -> Vec<String> {
        let faults = self.faults.borrow();
        let concerns = |fault: &Fault| match fault.target() {
            Target::Edge(target) => target == edge,
            Target::Service(service) => *service == edge.to,
        };
        faults
            .iter()
            .filter(|(other, fault)| *other != name && concerns(fault))
            .map(|(other, _)| other.clone())
            .collect()
    }

    async fn cut(&self, edge: &Edge) -> Result<Option<Evidence>, WorldError> {
        let wire = self.wire(edge)?;
        let under_way = wire.traffic().in_flight;
        // The canary is under way from its first poll on, so there is always a call that the cut can end.
        let mut canary = pin!(self.probe(&wire));
        match select(canary.as_mut(), std::future::ready(())).await {
            Either::Left(_) => return Ok(None),
            Either::Right(_) => wire.cut(LinkError::Reset),
        };
        let probe = canary.await;
        let shown = probe.end == ProbeEnd::Failed(LinkError::Reset) && probe.took.is_zero();
        Ok(shown.then(|| Evidence(format!("{under_way} calls {edge} were reset, and a canary with them"))))
    }
}

/// What a fault on an edge means there, or nothing when it is no fault on an edge or can't be produced.
fn rule_of(fault: &Fault) -> Option<(&Edge, Rule)> {
    use harness_core::fault::Direction::{Down, Up};
    Some(match fault {
        Fault::Refuse(edge) => (edge, Rule::Refuse),
        Fault::BlackHole(edge) => (edge, Rule::Lose { up: true, down: true }),
        Fault::Stall(edge) => (edge, Rule::Stall),
        Fault::Reset(edge) => (edge, Rule::Reset),
        Fault::Latency(latency) => {
            (&latency.edge, Rule::Delay { delay: latency.delay.0, jitter: latency.jitter.0 })
        }
        Fault::OneWay(one_way) => {
            (&one_way.edge, Rule::Lose { up: one_way.lost == Up, down: one_way.lost == Down })
        }
        Fault::WrongAnswer(wrong) => {
            (&wrong.edge, Rule::WrongAnswer { status: wrong.status, body: wrong.body.clone() })
        }
        Fault::Truncate(truncate) => (&truncate.edge, Rule::Truncate { after_bytes: truncate.after_bytes }),
        Fault::Stop(_)
        | Fault::Kill(_)
        | Fault::Pause(_)
        | Fault::ForeignCertificate(_)
        | Fault::ClockStep(_)
        | Fault::Bandwidth(_)
        | Fault::Slice(_)
        | Fault::Flap(_) => return None,
    })
}

impl<S: SimSystem> World for SimWorld<S> {
    fn kind(&self) -> WorldKind {
        WorldKind::Virtual
    }

    fn now(&self) -> At {
        self.sim.now()
    }

    async fn sleep_until(&self, at: At) {
        self.sim.sleep_until(at).await;
    }

    fn observation_lag(&self) -> Duration {
        self.system().observation_lag()
    }

    async fn start(&self) -> Result<(), WorldError> {
        self.services.start().await
    }

    fn supports(&self, fault: &Fault) -> Result<(), WorldError> {
        match fault {
            Fault::Bandwidth(_) | Fault::Slice(_) | Fault::ForeignCertificate(_) => {
                let what = format!("{fault}: its links carry calls, not bytes");
                Err(WorldError::Unsupported { world: WorldKind::Virtual, what })
            }
            Fault::Flap(flap) => self.supports(&flap.fault),
            _ => Ok(()),
        }
    }

    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        self.supports(fault)?;
        self.faults.borrow_mut().insert(name.to_owned(), fault.clone());
        match fault {
            Fault::Stop(service) => {
                self.services.take_down(service, name, true).await?;
                self.prove_on_service(fault, service).await
            }
            Fault::Kill(service) => {
                self.services.take_down(service, name, false).await?;
                self.prove_on_service(fault, service).await
            }
            Fault::Pause(service) => {
                self.services.node(service)?.pause();
                self.prove_on_service(fault, service).await
            }
            Fault::ClockStep(step) => self.step_clock(step, false),
            edge_fault => match rule_of(edge_fault) {
                Some((edge, rule)) => self.impose(name, fault, edge, rule).await,
                None => Err(WorldError::Unsupported { world: WorldKind::Virtual, what: fault.to_string() }),
            },
        }
    }

    async fn heal(&self, name: &str) -> Result<Healed, WorldError> {
        let Some(fault) = self.faults.borrow().get(name).cloned() else {
            return Ok(Evidence(format!("{name} is not in effect")).into());
        };
        let evidence = match &fault {
            Fault::ClockStep(step) => {
                let stepped = self.step_clock(step, true)?;
                stepped.ok_or_else(|| {
                    WorldError::Failed(format!("the clock of {} did not step back", step.service))
                })?
            }
            Fault::Stop(service) | Fault::Kill(service) => {
                self.services.bring_back(service, name).await?;
                self.prove_mended(name, service, self.way_to(service)).await?
            }
            Fault::Pause(service) => {
                self.services.unpause(service)?;
                self.prove_mended(name, service, self.way_to(service)).await?
            }
            edge_fault => {
                let Target::Edge(edge) = edge_fault.target() else {
                    unreachable!("the faults on services are above")
                };
                let wire = self.wire(edge)?;
                wire.lift(name);
                self.prove_mended(name, &wire.edge().to.clone(), Some(wire)).await?
            }
        };
        self.faults.borrow_mut().remove(name);
        Ok(evidence.into())
    }

    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        match strike {
            Strike::Restart(service) => {
                let life = self.services.restart(service).await?;
                Ok(Some(Evidence(format!("{service} was booted anew and is ready: its life number {life}"))))
            }
            Strike::Cut(edge) => self.cut(edge).await,
        }
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        self.system().send(request, number).await
    }

    async fn observe(&self, recorder: &Recorder) {
        self.system().observe(recorder).await;
    }

    async fn stop(&self) -> Vec<String> {
        let faults = std::mem::take(&mut *self.faults.borrow_mut());
        for (name, fault) in &faults {
            if let Target::Edge(edge) = fault.target()
                && let Some(wire) = self.links.wire(edge)
            {
                wire.lift(name);
            }
        }
        self.services.stop().await;
        let tasks = self.sim.live_tasks().into_iter().map(|task| format!("task {task}"));
        let wires = self.links.wires();
        let calls = wires.iter().filter_map(|wire| match wire.traffic().in_flight {
            0 => None,
            n => Some(format!("{n} calls {}", wire.edge())),
        });
        let rules = wires
            .iter()
            .flat_map(|wire| wire.rules().into_iter().map(|rule| format!("rule {rule} on {}", wire.edge())));
        tasks.chain(calls).chain(rules).collect()
    }
}

#[cfg(test)]
mod tests;
