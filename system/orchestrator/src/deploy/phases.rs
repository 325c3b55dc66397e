//! The work of each phase.

use std::collections::BTreeSet;

use super::moves::{Trouble, Work};
use super::rotation::earlier_versions;
use super::{Action, Event, Failure, Found, Step, Subject, Thing};
use crate::{ErrorCode, Operation, Phase, ResourceKind};

impl Work<'_> {
    /// Does all the work of a phase. What is there already is left as it is.
    pub(super) async fn perform(&self, phase: Phase) -> Result<(), Trouble> {
        self.learn_what_is_known().await?;
        match phase {
            Phase::Preflight => {
                self.levels().await?;
                self.no_strangers().await?;
                self.hub_is_there_or_coming().await?;
                self.steps(phase).await
            }
            Phase::Deployment => {
                self.steps(phase).await?;
                self.bring_up().await
            }
            Phase::Verification => {
                self.hub_is_complete().await?;
                self.exactly_what_should_be().await?;
                self.steps(phase).await?;
                // It may have failed meanwhile.
                self.hub_is_complete().await?;
                self.drop_earlier_versions().await
            }
            Phase::Initialization => {
                self.steps(phase).await?;
                self.make_newer_versions().await
            }
            Phase::Configuration | Phase::Seeding => self.steps(phase).await,
        }
    }

    async fn learn_what_is_known(&self) -> Result<(), Trouble> {
        let intents = self.engine.store.intents(&self.site.instance).await?;
        let mut met = self.met.lock();
        met.is_rotating = !earlier_versions(&intents).is_empty();
        met.known = intents.iter().map(|intent| Thing::from(&intent.resource)).collect();
        Ok(())
    }

    async fn steps(&self, phase: Phase) -> Result<(), Trouble> {
        let subject = Subject::Check(format!("what {phase} consists of"));
        let (work, platform) = (*self, &self.engine.platform);
        let list = move |_| -> futures_util::future::BoxFuture<'_, _> {
            Box::pin(async move { work.look(platform.steps(work.site, phase)).await })
        };
        let steps = self.attempt(Operation::Containers, &subject, list).await?.ok_or_else(|| {
            // There is no going on without: a phase of which nothing is known would be finished with nothing done.
            let detail = format!("it can't be told what {phase} consists of");
            Trouble::Failed(Failure::new(ErrorCode::Definition, detail))
        })?;
        for step in &steps {
            self.step(phase, step).await?;
        }
        Ok(())
    }

    async fn step(&self, phase: Phase, step: &Step) -> Result<(), Trouble> {
        match &step.action {
            Action::Make(thing) => self.make(step.operation, phase, thing).await,
            Action::Check(what) => {
                let (work, platform) = (*self, &self.engine.platform);
                let text = what.clone();
                let done = self
                    .attempt(step.operation, &Subject::from(&step.action), move |_| {
                        let text = text.clone();
                        Box::pin(async move { work.look(platform.check(work.site, phase, &text)).await })
                    })
                    .await?;
                if done.is_some() {
                    self.tell(&Event::Checked(what.clone()));
                }
                Ok(())
            }
        }
    }

    /// Makes a thing, by its operation's breaker and row.
    pub(super) async fn make(
        &self,
        operation: Operation,
        phase: Phase,
        thing: &Thing,
    ) -> Result<(), Trouble> {
        let (work, made) = (*self, thing.clone());
        let done = self
            .attempt(operation, &Subject::Thing(thing.clone()), move |_| {
                let thing = made.clone();
                Box::pin(async move { work.make_once(phase, thing).await })
            })
            .await?;
        if done.is_some() {
            self.tell(&Event::Made(thing.clone()));
        }
        Ok(())
    }

    /// Finds what stands there, writes down what is to be made, makes it.
    async fn make_once(&self, phase: Phase, thing: Thing) -> Result<(), Trouble> {
        let platform = &self.engine.platform;
        let found = self.look(platform.find(self.site, &thing)).await?;
        let is_known = self.met.lock().known.contains(&thing);
        let before = match &found {
            Found::Nothing | Found::Ours => None,
            Found::Replaceable(before) => Some(before.clone()),
            Found::Strangers(whose) => return Err(Trouble::Failed(strangers(&thing, whose))),
        };
        let resource = thing.clone().over(before);
        self.engine.store.intend(&self.holding.lease, phase, &resource).await?;
        self.met.lock().known.insert(thing.clone());
        if found == Found::Ours && !is_known && thing.kind == ResourceKind::Container {
            let detail = format!("{thing} is of a run that this database does not know of");
            return Err(Trouble::Failed(Failure::new(ErrorCode::StaleContainer, detail)));
        }
        self.change(platform.make(self.site, &resource)).await
    }

    /// Nobody else has anything under this instance's names.
    async fn no_strangers(&self) -> Result<(), Trouble> {
        let services = self.engine.platform.services(self.site);
        let parts = services.into_iter().flat_map(|service| self.engine.platform.parts(self.site, service));
        for thing in parts {
            let (work, subject) = (*self, Subject::Thing(thing.clone()));
            let find = move |_| -> futures_util::future::BoxFuture<'_, _> {
                let thing = thing.clone();
                Box::pin(async move {
                    match work.look(work.engine.platform.find(work.site, &thing)).await? {
                        Found::Strangers(whose) => Err(Trouble::Failed(strangers(&thing, &whose))),
                        _ => Ok(()),
                    }
                })
            };
            self.attempt(Operation::Containers, &subject, find).await?;
        }
        Ok(())
    }

    /// The containers there are those there must be, and each service is healthy to its topmost rung.
    async fn exactly_what_should_be(&self) -> Result<(), Trouble> {
        let (work, subject) = (*self, Subject::Check("the containers that should be".to_owned()));
        let compare = move |_| -> futures_util::future::BoxFuture<'_, _> {
            Box::pin(async move {
                let existing = work.look(work.engine.platform.existing(work.site)).await?;
                let containers = existing.into_iter().filter(|thing| thing.kind == ResourceKind::Container);
                let found: BTreeSet<_> = containers.map(|thing| thing.name).collect();
                let services = work.engine.platform.services(work.site).into_iter();
                let expected: BTreeSet<_> =
                    services.map(|service| service.container(&work.site.instance)).collect();
                if found == expected {
                    return Ok(());
                }
                let missing: Vec<_> = expected.difference(&found).map(String::as_str).collect();
                let beyond: Vec<_> = found.difference(&expected).map(String::as_str).collect();
                let detail = format!("missing: [{}], beyond: [{}]", missing.join(", "), beyond.join(", "));
                Err(Trouble::Failed(Failure::new(ErrorCode::VerifyHealth, detail)))
            })
        };
        self.attempt(Operation::Verification, &subject, compare).await?;
        for service in self.engine.platform.services(self.site) {
            self.still_healthy(service).await?;
        }
        Ok(())
    }
}

fn strangers(thing: &Thing, whose: &str) -> Failure {
    Failure::new(ErrorCode::InstanceConflict, format!("{thing} is not of this deployment: {whose}"))
}
