//! Injecting and healing, with every stage on the timeline.

use std::cell::{Cell, RefCell};

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::select;
use tokio::sync::Notify;

use super::{Abandoned, Run};
use crate::event::{Stage, What};
use crate::fault::{Fault, Flap, Strike};
use crate::recorder::Recorder;
use crate::time::Span;
use crate::world::World;

/// The faults that are in effect, oldest first.
#[derive(Default)]
pub(super) struct Faults {
    active: RefCell<Vec<(String, Option<Rc<Flapping>>)>>,
}

/// A flap that is under way.
#[derive(Default)]
struct Flapping {
    end: Notify,
    ended: Notify,
    over: Cell<bool>,
}

impl<'a, W: World> Run<'a, W> {
    fn stage(&self, at: Span, name: &str, stage: Stage, detail: impl Into<String>) {
        let Some(fault) = self.scenario.faults.get(name) else { return };
        let (name, fault) = (name.to_owned(), fault.clone());
        self.recorder.record(at, What::Fault { name, fault, stage, detail: detail.into() });
    }

    pub(super) async fn inject(&self, name: &'a str) -> Result<(), Abandoned> {
        let fault = self.scenario.faults.get(name).ok_or(Abandoned)?;
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
            self.companions.add(flap_on(self.world, self.recorder, name, flap, flapping));
        }
        Ok(())
    }

    pub(super) async fn heal(&self, name: &str) {
        let entry = self.faults.active.borrow().iter().find(|(active, _)| active == name).cloned();
        let Some((_, flapping)) = entry else { return };
        let began = self.world.now();
        self.stage(Span::exactly(began), name, Stage::Healing, "");
        if let Some(flapping) = flapping {
            flapping.end.notify_one();
            if !flapping.over.get() {
                flapping.ended.notified().await;
            }
        }
        let healed = self.world.heal(name).await;
        let at = Span::between(began, self.world.now());
        match healed {
            Ok(evidence) => self.stage(at, name, Stage::Healed, evidence.0),
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
}

/// Lifts and renews a fault that is in effect until it is told to end. The signal `fault/<name>` tells
/// which it is.
async fn flap_on<W: World>(world: &W, recorder: &Recorder, name: &str, flap: &Flap, flapping: Rc<Flapping>) {
    let signal = format!("fault/{name}");
    let tell = |began, value: &str| recorder.signal(Span::between(began, world.now()), &signal, value);
    tell(world.now(), "in effect");
    loop {
        if ended_before(world, &flapping, flap.down.0).await {
            break;
        }
        let began = world.now();
        if world.heal(name).await.is_err() {
            break;
        }
        tell(began, "lifted");
        if ended_before(world, &flapping, flap.up.0).await {
            break;
        }
        let began = world.now();
        if !matches!(world.inject(name, &flap.fault).await, Ok(Some(_))) {
            recorder.record_at(world.now(), What::Note { text: format!("{name} could not be renewed") });
            break;
        }
        tell(began, "in effect");
    }
    flapping.over.set(true);
    flapping.ended.notify_one();
}

async fn ended_before<W: World>(world: &W, flapping: &Flapping, duration: std::time::Duration) -> bool {
    let end = pin!(flapping.end.notified());
    let pause = pin!(world.sleep_until(world.now() + duration));
    matches!(select(end, pause).await, futures_util::future::Either::Left(_))
}
