//! Newer versions of secrets, brought to everybody who uses them.
//!
//! A rotation is a run of the phases from INITIALIZATION on over what stands, and passes their states: while services
//! are restarted it is not COMPLETE, and says so.
//!
//! | phase | what is done beside what it always does |
//! |---|---|
//! | before any | it is seen that the newer versions can be come by: a store that is away ends it here, and it stays COMPLETE |
//! | INITIALIZATION | each newer version is written down as standing over its earlier one, and made; both are there |
//! | DEPLOYMENT | level by level, what was made with an earlier version is made anew; a service that keeps a secret itself is brought to the newest ([`Platform::renew`](super::Platform::renew)) before it counts as functional, and so before anybody who needs it is made anew |
//! | VERIFICATION | when all is seen to work, each earlier version is undone as anything is that was written down: what took it no longer does, then it is struck out |
//!
//! What is under way is told by what is written down, and by nothing else. An earlier version is dropped only when its
//! newer one is there and the whole was verified with that; until then both are kept, so that no secret is ever
//! unknown. Whoever runs the phases after a crash, by rotating again or by resuming, goes on with the newer versions
//! that were written down and makes no further ones of these.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use super::moves::{Trouble, Work};
use super::{Failure, Found, Interrupted, Subject, Thing};
use crate::pipeline::{Ask, Request};
use crate::{
    DeploymentState, ErrorCode, Instance, Intent, OnFailure, Operation, Phase, Resource, ResourceKind,
    Service, StateChange,
};

/// How the log says that a rotation began.
pub(super) fn why(instance: &Instance) -> String {
    format!("rotate {instance}")
}

/// What a rotation runs. Seeds are left as they are.
pub(super) fn request() -> Request {
    let skip = BTreeSet::from([Phase::Seeding]);
    Request { skip, on_failure: Some(OnFailure::Keep), ..Ask::From(Phase::Initialization).into() }
}

/// Whether secrets may be rotated: the deployment is COMPLETE, or what it last left COMPLETE for is a rotation that
/// has not come to its end, and was not undone since.
pub(super) fn may_begin(instance: &Instance, history: &[StateChange]) -> bool {
    use DeploymentState::{Cleanup, Complete, RollingBack, Unknown};
    let is_turning = |change: &&StateChange| {
        change.from == Complete || matches!(change.to, Complete | RollingBack | Cleanup | Unknown)
    };
    let turning = history.iter().rev().find(is_turning);
    turning
        .is_some_and(|change| change.to == Complete || change.from == Complete && change.why == why(instance))
}

/// The versions that newer ones stand over, each with the newer one, oldest first.
pub(super) fn earlier_versions(intents: &[Intent]) -> Vec<(Intent, Resource)> {
    let newer = |earlier: &Intent| {
        let over = |newer: &&Intent| {
            newer.phase == earlier.phase
                && newer.resource.kind == ResourceKind::File
                && newer.resource.before.as_ref() == Some(&earlier.resource.name)
        };
        intents.iter().find(over).map(|newer| newer.resource.clone())
    };
    let files = intents.iter().filter(|intent| intent.resource.kind == ResourceKind::File);
    files.filter_map(|earlier| Some((earlier.clone(), newer(earlier)?))).collect()
}

impl Work<'_> {
    /// Sees that newer versions can be come by, before anything is changed for them.
    pub(super) async fn reach_newer_versions(&self) -> Result<(), Interrupted> {
        for thing in self.newer {
            let (work, subject) = (*self, Subject::Thing(thing.clone()));
            let find = move |_| -> BoxFuture<'_, _> {
                Box::pin(async move { work.look(work.engine.platform.find(work.site, thing)).await })
            };
            self.attempt(Operation::Secret, &subject, find).await.map_err(|trouble| match trouble {
                Trouble::Failed(failure) => Interrupted::Refused(failure),
                Trouble::Interrupted(interrupted) => interrupted,
            })?;
        }
        Ok(())
    }

    /// Makes the newer versions that are asked for, and those that an earlier run wrote down.
    pub(super) async fn make_newer_versions(&self) -> Result<(), Trouble> {
        let intents = self.engine.store.intents(&self.site.instance).await?;
        let begun = earlier_versions(&intents).into_iter().map(|(_, newer)| Thing::from(&newer));
        let newer: BTreeSet<Thing> = begun.chain(self.newer.iter().cloned()).collect();
        for thing in &newer {
            self.make(Operation::Secret, Phase::Initialization, thing).await?;
        }
        Ok(())
    }

    /// Brings what a service keeps itself to the newest versions; the inner error says why it is not there yet.
    pub(super) async fn renewed(&self, service: Service) -> Result<Result<(), String>, Trouble> {
        if !self.met.lock().is_rotating {
            return Ok(Ok(()));
        }
        match self.change(self.engine.platform.renew(self.site, service)).await {
            Ok(()) => Ok(Ok(())),
            Err(Trouble::Failed(failure)) => Ok(Err(failure.to_string())),
            Err(interrupted) => Err(interrupted),
        }
    }

    /// Drops the versions that newer ones stand over. The checkpoint of INITIALIZATION is saved again without them.
    pub(super) async fn drop_earlier_versions(&self) -> Result<(), Trouble> {
        let (store, instance) = (&self.engine.store, &self.site.instance);
        let intents = store.intents(instance).await?;
        if intents.iter().all(|intent| intent.resource.before.is_none()) {
            return Ok(());
        }
        for (earlier, newer) in earlier_versions(&intents) {
            let newer = Thing::from(&newer);
            if self.look(self.engine.platform.find(self.site, &newer)).await? != Found::Ours {
                let detail = format!("{newer} is not there: the version before it is kept");
                return Err(Trouble::Failed(Failure::new(ErrorCode::SecretLoad, detail)));
            }
            self.undo_one(earlier).await?;
        }
        let made: Vec<_> = store.intents(instance).await?.into_iter().filter(in_initialization).collect();
        let is_stale = |checkpoint: &crate::Checkpoint| {
            checkpoint.phase == Phase::Initialization
                && !checkpoint.resources.iter().eq(made.iter().map(|intent| &intent.resource))
        };
        if store.checkpoints(instance).await?.iter().any(is_stale) {
            store.save_checkpoint(&self.holding.lease, Phase::Initialization).await?;
        }
        Ok(())
    }
}

fn in_initialization(intent: &Intent) -> bool {
    intent.phase == Phase::Initialization
}
