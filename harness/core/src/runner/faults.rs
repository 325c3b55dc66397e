//! Injecting and healing, with every stage on the timeline.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::Notify;

use super::{Abandoned, Run};
use crate::event::{Stage, What};
use crate::fault::{Fault, Flap, Strike};
use crate::recorder::Recorder;
use crate::time::Span;
use crate::world::{Healed, World};

/// The faults that are in effect, oldest first.
#[derive(Default)]
pub(super) struct Faults {
    active: RefCell<Vec<(String, Option<Rc<Flapping>>)>>,
}

impl Faults {
    fn is_active(&self, name: &str) -> bool {
        self.active.borrow().iter().any(|(active, _)| active == name)
    }
}

/// A flap, which may be under way.
#[derive(Default)]
struct Flapping {
    end: Notify,
    ended: Notify,
    under_way: Cell<bool>,
}

impl<'a, W: World> Run<'a, W> {
    fn stage(&self, at: Span, name: &str, stage: Stage, detail: impl Into<String>) {
        let Some(fault) = self.scenario.faults.get(name) else { return };
        let (name, fault) = (name.to_owned(), fault.clone());
        self.recorder.record(at, What::Fault { name, fault, stage, detail: detail.into() });
    }

    pub(super) async fn inject(&self, name: &'a str) -> Result<(), Abandoned> {
        let refused = match self.scenario.faults.get(name) {
            None => Some("is not declared"),
            Some(_) if self.faults.is_active(name) => Some("is in effect already"),
            Some(_) => None,
        };
        if let Some(why) = refused {
            self.tell(What::Note { text: format!("{name} was not injected: it {why}") });
            return Err(Abandoned);
        }
        let fault = &self.scenario.faults[name];
        let began = self.world.now();
        self.stage(Span::exactly(began), name, Stage::Injecting, fault.to_string());
        let (inner, flapping) = match fault {
            Fault::Flap(flap) => (&flap.fault, Some((flap.as_ref(), Rc::new(Flapping::default())))),
            fault => (fault, None),
        };
        self.faults
            .active
            .borrow_mut()
            .push((name.to_owned(), flapping.as_ref().map(|(_, flapping)| flapping.clone())));
        let injected = self.world.inject(name, inner).await;
        let at = Span::between(began, self.world.now());
        match injected {
            Ok(Some(evidence)) => self.stage(at, name, Stage::InEffect, evidence.0),
            Ok(None) => self.stage(at, name, Stage::Unproven, "injected, but no effect was seen"),
            Err(error) => {
                self.stage(at, name, Stage::Failed, error.to_string());
                return Err(Abandoned);
            }
        }
        if let Some((flap, flapping)) = flapping {
            flapping.under_way.set(true);
            self.companions.add(self.flap_on(name, flap, flapping));
        }
        Ok(())
    }

    pub(super) async fn heal(&self, name: &str) {
        let entry = self.faults.active.borrow().iter().find(|(active, _)| active == name).cloned();
        let Some((_, flapping)) = entry else { return };
        let began = self.world.now();
        self.stage(Span::exactly(began), name, Stage::Healing, "");
        if let Some(flapping) = &flapping {
            flapping.end.notify_one();
            // It is not when its first injection failed or was interrupted.
            if flapping.under_way.get() {
                flapping.ended.notified().await;
            }
        }
        let healed = self.world.heal(name).await;
        let broken_until = healed.as_ref().ok().and_then(|healed| healed.broken_until);
        let at = Span::between(broken_until.unwrap_or(began).max(began), self.world.now());
        match healed {
            Ok(Healed { evidence, .. }) => {
                if flapping.is_some() {
                    self.recorder.signal(at, &flap_signal(name), LIFTED);
                }
                self.stage(at, name, Stage::Healed, evidence.0);
            }
            Err(error) => self.stage(at, name, Stage::Failed, error.to_string()),
        }
        self.faults.active.borrow_mut().retain(|(active, _)| active != name);
    }

    /// Heals what is still in effect, the last injected first.
    pub(super) async fn heal_everything(&self) {
        loop {
            let last = self.faults.active.borrow().last().map(|(name, _)| name.clone());
            let Some(name) = last else { return };
            self.heal(&name).await;
        }
    }

    pub(super) async fn strike(&self, name: &str, strike: &Strike) -> Result<(), Abandoned> {
        let began = self.world.now();
        match self.world.strike(strike).await {
            Ok(evidence) => {
                let at = Span::between(began, self.world.now());
                let (name, strike, evidence) =
                    (name.to_owned(), strike.clone(), evidence.map(|evidence| evidence.0));
                self.recorder.record(at, What::Strike { name, strike, evidence });
                Ok(())
            }
            Err(error) => {
                self.tell(What::Note { text: format!("{name} ({strike}) failed: {error}") });
                Err(Abandoned)
            }
        }
    }

    /// Lifts and renews a fault that is in effect until it is told to end. The signal `fault/<name>`
    /// tells which it is. A flap that can't go on is a failed fault.
    fn flap_on(
        &self,
        name: &'a str,
        flap: &'a Flap,
        flapping: Rc<Flapping>,
    ) -> impl Future<Output = ()> + 'a {
        let (world, recorder, fault) = (self.world, self.recorder, &self.scenario.faults[name]);
        let failed = move |detail: String| {
            let (name, fault) = (name.to_owned(), fault.clone());
            recorder.record_at(world.now(), What::Fault { name, fault, stage: Stage::Failed, detail });
        };
        async move {
            if let Err(why) = alternate(world, recorder, name, flap, &flapping).await {
                failed(why);
            }
            flapping.under_way.set(false);
            flapping.ended.notify_one();
        }
    }
}

const IN_EFFECT: &str = "in effect";
const LIFTED: &str = "lifted";

fn flap_signal(name: &str) -> String {
    format!("fault/{name}")
}

/// Alternates until `flapping` is told to end; why it could not, otherwise.
async fn alternate<W: World>(
    world: &W,
    recorder: &Recorder,
    name: &str,
    flap: &Flap,
    flapping: &Flapping,
) -> Result<(), String> {
    let signal = flap_signal(name);
    let tell = |began, value: &str| recorder.signal(Span::between(began, world.now()), &signal, value);
    tell(world.now(), IN_EFFECT);
    while !ended_before(world, flapping, flap.down.0).await {
        let began = world.now();
        world.heal(name).await.map_err(|error| format!("it could not be lifted: {error}"))?;
        tell(began, LIFTED);
        if ended_before(world, flapping, flap.up.0).await {
            break;
        }
        let began = world.now();
        match world.inject(name, &flap.fault).await {
            Ok(Some(_)) => tell(began, IN_EFFECT),
            Ok(None) => return Err("it was renewed, but no effect was seen".into()),
            Err(error) => return Err(format!("it could not be renewed: {error}")),
        }
    }
    Ok(())
}

async fn ended_before<W: World>(world: &W, flapping: &Flapping, duration: Duration) -> bool {
    let end = pin!(flapping.end.notified());
    let pause = pin!(world.sleep_until(world.now() + duration));
    matches!(select(end, pause).await, futures_util::future::Either::Left(_))
}
