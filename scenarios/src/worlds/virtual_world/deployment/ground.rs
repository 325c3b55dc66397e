//! The machine that is deployed onto: each part of it called over a link of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use dive_orchestrator::deploy::Done;
use dive_orchestrator::deploy::simulated::SimulatedPlatform;
use harness_core::fault::Edge;
use harness_sim::{Link, Reply};

use super::Site;
use crate::binding::deployment::deeds;
use crate::worlds::deployment::calls::{Answered, Call};
use crate::worlds::deployment::imposter;
use crate::worlds::deployment::platform::{Ways, unreachable};

/// The machine's parts, as one process reaches them.
pub(super) struct Links {
    ways: BTreeMap<&'static str, Link<SimulatedPlatform>>,
    site: Arc<Site>,
}

impl Links {
    pub(super) fn new(host: &str, site: &Arc<Site>) -> Self {
        let way = |(service, slot): (&&'static str, _)| {
            (*service, site.links.link(&Edge::new(host, service), slot))
        };
        Self { ways: site.ground.iter().map(way).collect(), site: site.clone() }
    }
}

#[async_trait]
impl Ways for Links {
    /// What is going to be changed by a call is told where it arrives.
    async fn call(&self, to: &'static str, call: Call) -> Done<Answered> {
        let Some(way) = self.ways.get(to) else { return Err(unreachable(to, &"there is no such place")) };
        let site = self.site.clone();
        let asked = call.clone();
        let called = way.call(move |machine: SimulatedPlatform| async move {
            if let Some(what) = call.changes() {
                site.tell(deeds::change(&call.instance, &call.by, &what));
            }
            call.carry_out(&machine).await
        });
        match called.await {
            Ok(Reply::Answer(done)) => done,
            Ok(Reply::Truncated { .. }) => Err(unreachable(to, &"the answer was cut short")),
            Ok(Reply::Wrong { body, .. }) => imposter::answer(&asked, &body),
            Err(error) => Err(unreachable(to, &error)),
        }
    }
}
